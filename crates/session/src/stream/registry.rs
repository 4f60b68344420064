//! Which kinds of streams there are (`MediaStreamRegistry` in the documents).

use super::{
    AudioStream, ChatStream, DesktopSharingStream, FileTransferStream, MediaStream, StreamDescription,
};
use offhook_sdp::SessionDescription;
use std::fmt;

/// A kind of stream: how one is made of what the other side proposes.
#[derive(Clone, Copy)]
pub struct StreamKind {
    /// Its name: `audio`, `chat`, `file-transfer`, `desktop-sharing`, or the application's own.
    pub name: &'static str,
    /// Kinds with a higher one are asked first. Those of this crate have 0 to 2.
    pub priority: i32,
    /// A stream for this section of the other side's description, or `None` where the section is of another kind
    /// (`new_from_sdp` in the documents). It is described, and dropped where the application accepts with another.
    pub from_sdp: fn(&SessionDescription, usize) -> Option<Box<dyn MediaStream>>,
    /// How a proposed section is described before there is a stream; by the stream itself where this is `None`.
    pub describe: Option<fn(&SessionDescription, usize) -> StreamDescription>,
}

impl fmt::Debug for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.priority)
    }
}

/// The kinds of streams that are known, in descending priority.
///
/// Sections of other kinds are refused without asking the application (port 0, RFC 3264 §6).
#[derive(Clone, Debug)]
pub struct MediaStreamRegistry {
    kinds: Vec<StreamKind>,
}

impl Default for MediaStreamRegistry {
    /// Audio, file transfer, desktop sharing and chat.
    fn default() -> Self {
        let mut registry = Self { kinds: Vec::new() };
        registry.add(StreamKind {
            name: "audio",
            priority: 2,
            from_sdp: |remote, index| takes(AudioStream::offer(), remote, index),
            describe: Some(AudioStream::describe_proposal),
        });
        registry.add(StreamKind {
            name: "file-transfer",
            priority: 1,
            from_sdp: |remote, index| FileTransferStream::from_sdp(remote, index).map(boxed),
            describe: None,
        });
        registry.add(StreamKind {
            name: "desktop-sharing",
            priority: 1,
            from_sdp: |remote, index| DesktopSharingStream::from_sdp(remote, index).map(boxed),
            describe: None,
        });
        registry.add(StreamKind {
            name: "chat",
            priority: 0,
            from_sdp: |remote, index| takes(ChatStream::new(), remote, index),
            describe: None,
        });
        registry
    }
}

impl MediaStreamRegistry {
    /// A registry that knows nothing.
    pub fn empty() -> Self {
        Self { kinds: Vec::new() }
    }

    /// Adds a kind, behind those of its priority; one of the same name is replaced.
    pub fn add(&mut self, kind: StreamKind) {
        self.kinds.retain(|known| known.name != kind.name);
        let place = self
            .kinds
            .partition_point(|known| known.priority >= kind.priority);
        self.kinds.insert(place, kind);
    }

    /// The kinds, in descending priority.
    pub fn iter(&self) -> std::slice::Iter<'_, StreamKind> {
        self.kinds.iter()
    }

    /// A stream that takes a section of the other side's description, of the first kind that has one.
    pub fn stream_for(&self, remote: &SessionDescription, index: usize) -> Option<Box<dyn MediaStream>> {
        self.usable(remote, index)
            .find_map(|kind| (kind.from_sdp)(remote, index))
    }

    /// How an application sees a proposed section; `None` for one that no kind takes.
    pub fn describe(&self, remote: &SessionDescription, index: usize) -> Option<StreamDescription> {
        self.usable(remote, index).find_map(|kind| {
            let stream = (kind.from_sdp)(remote, index)?;
            Some(match kind.describe {
                Some(describe) => describe(remote, index),
                None => stream.describe(),
            })
        })
    }

    fn usable<'a>(
        &'a self,
        remote: &SessionDescription,
        index: usize,
    ) -> impl Iterator<Item = &'a StreamKind> + use<'a> {
        let refused = remote
            .media
            .get(index)
            .is_none_or(offhook_sdp::Media::is_rejected);
        self.kinds.iter().filter(move |_| !refused)
    }
}

impl<'a> IntoIterator for &'a MediaStreamRegistry {
    type Item = &'a StreamKind;
    type IntoIter = std::slice::Iter<'a, StreamKind>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn takes(
    stream: impl MediaStream,
    remote: &SessionDescription,
    index: usize,
) -> Option<Box<dyn MediaStream>> {
    stream.takes(remote, index).then(|| boxed(stream))
}

fn boxed(stream: impl MediaStream) -> Box<dyn MediaStream> {
    Box::new(stream)
}
