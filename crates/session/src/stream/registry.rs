//! Which kinds of streams there are (`MediaStreamRegistry` in the documents).

use super::{
    AudioStream, ChatStream, DesktopSharingStream, FileTransferStream, MediaStream, StreamDescription,
};
use offhook_sdp::SessionDescription;
use std::fmt;
use std::sync::Arc;

/// A stream for a section of the other side's description, or `None` where the section is of another kind.
type FromSdp = dyn Fn(&SessionDescription, usize) -> Option<Box<dyn MediaStream>> + Send + Sync;

/// How a proposed section is described.
type Describe = dyn Fn(&SessionDescription, usize) -> StreamDescription + Send + Sync;

/// A kind of stream: how one is made of what the other side proposes.
#[derive(Clone)]
pub struct StreamKind {
    name: &'static str,
    priority: i32,
    from_sdp: Arc<FromSdp>,
    describe: Option<Arc<Describe>>,
}

impl StreamKind {
    /// A kind by the name of `audio`, `chat`, `file-transfer`, `desktop-sharing`, or the application's own. Kinds with a higher
    /// priority are asked first; those of this crate have 0 to 2.
    ///
    /// `from_sdp` gives a stream for a section of the other side's description, or `None` where the section is of another kind
    /// (`new_from_sdp` in the documents). The stream is described, and dropped where the application accepts with another.
    pub fn new(
        name: &'static str,
        priority: i32,
        from_sdp: impl Fn(&SessionDescription, usize) -> Option<Box<dyn MediaStream>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            priority,
            from_sdp: Arc::new(from_sdp),
            describe: None,
        }
    }

    /// A kind of streams that are all made in the same way, for the sections that they [take](MediaStream::takes).
    pub fn of<S: MediaStream>(
        name: &'static str,
        priority: i32,
        make: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, priority, move |remote, index| {
            let stream = make();
            stream.takes(remote, index).then(|| boxed(stream))
        })
    }

    /// The same, described in this way before there is a stream instead of by the stream itself.
    #[must_use]
    pub fn described_by(
        mut self,
        describe: impl Fn(&SessionDescription, usize) -> StreamDescription + Send + Sync + 'static,
    ) -> Self {
        self.describe = Some(Arc::new(describe));
        self
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Kinds with a higher one are asked first.
    pub fn priority(&self) -> i32 {
        self.priority
    }
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
        let mut registry = Self::empty();
        let audio = StreamKind::of("audio", 2, AudioStream::offer);
        registry.add(audio.described_by(AudioStream::describe_proposal));
        registry.add(StreamKind::new("file-transfer", 1, |remote, index| {
            FileTransferStream::from_sdp(remote, index).map(boxed)
        }));
        registry.add(StreamKind::new("desktop-sharing", 1, |remote, index| {
            DesktopSharingStream::from_sdp(remote, index).map(boxed)
        }));
        registry.add(StreamKind::of("chat", 0, ChatStream::new));
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
            Some(match &kind.describe {
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

fn boxed(stream: impl MediaStream) -> Box<dyn MediaStream> {
    Box::new(stream)
}
