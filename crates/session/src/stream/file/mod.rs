//! One file, sent or received (RFC 5547 over MSRP): `FileTransferStream` of the documents.

mod name;

#[cfg(feature = "tokio")]
pub(crate) use name::numbered;
pub(crate) use name::safe_name;
pub use offhook_sdp::attribute::FileSelector;

use super::msrp::{Accepted, MsrpEnd};
use super::{
    Agreed, FileTransferDescription, MediaStream, StreamContext, StreamDescription, StreamError, StreamEvent,
    StreamSettings,
};
use crate::media::{FileToReceive, FileToSend, MediaEvent, MsrpCommand, MsrpEvent, MsrpTask, StreamId};
use offhook_sdp::attribute::FileTransferId;
use offhook_sdp::{Attribute, Direction, Media, MediaKind, SessionDescription};
use std::net::IpAddr;
use std::path::PathBuf;

/// The media type of a file whose type nobody told.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// What a [`FileTransferStream`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileTransferEvent {
    /// More of the file went over (`FileTransferStreamDidDeliverChunk`, `FileTransferStreamGotChunk`).
    Progress {
        /// Bytes that the receiver has.
        transferred: u64,
        /// All of them, where that is known.
        size: Option<u64>,
    },
    /// The file is over on both sides: acknowledged, or checked and in its place (`FileTransferStreamDidFinish`).
    DidFinish {
        /// Where it lies here.
        path: PathBuf,
    },
}

/// The transfer of one file (`FileTransferStream` of the documents), pushed or pulled (RFC 5547 §8).
///
/// What is received lies under another name until it is complete and its hash, where one was told, is right; then it
/// gets its own, made safe, and never that of a file that is there.
#[derive(Debug)]
pub struct FileTransferStream {
    end: MsrpEnd,
    side: Side,
    selector: FileSelector,
    /// Where the file lies at last.
    finished: Option<PathBuf>,
}

/// Which way the file goes.
#[derive(Clone, Debug)]
enum Side {
    /// From this path.
    Sends(PathBuf),
    /// Into this folder.
    Receives(PathBuf),
    /// Only described: proposed by the other side, and not accepted with a path yet.
    Proposed { is_incoming: bool },
}

impl FileTransferStream {
    /// Sends a file: offers it, or answers who asks for it. The selector says what the other side is told of the file;
    /// its size must be there.
    pub fn send(path: impl Into<PathBuf>, selector: FileSelector) -> Self {
        Self::new(Side::Sends(path.into()), selector)
    }

    /// Receives the file that is offered, into a folder that exists.
    pub fn receive(directory: impl Into<PathBuf>) -> Self {
        Self::new(Side::Receives(directory.into()), FileSelector::default())
    }

    /// Asks the other side for the file that the selector describes, into a folder that exists.
    pub fn fetch(selector: FileSelector, directory: impl Into<PathBuf>) -> Self {
        Self::new(Side::Receives(directory.into()), selector)
    }

    fn new(side: Side, selector: FileSelector) -> Self {
        Self {
            end: MsrpEnd::new(MediaKind::Message),
            side,
            selector,
            finished: None,
        }
    }

    /// The transfer that a section proposes, to be described.
    pub(super) fn from_sdp(remote: &SessionDescription, index: usize) -> Option<Self> {
        let media = remote.media.get(index)?;
        let selector = media.attributes.get::<FileSelector>().ok()??;
        let is_incoming = media.direction(remote).sends();
        let proposed = Self::new(Side::Proposed { is_incoming }, selector);
        proposed.end.can_take(media).then_some(proposed)
    }

    fn is_incoming(&self) -> bool {
        match self.side {
            Side::Receives(_) => true,
            Side::Sends(_) => false,
            Side::Proposed { is_incoming } => is_incoming,
        }
    }

    fn accept() -> Accepted {
        Accepted {
            types: vec!["*".to_owned()],
            wrapped_types: Vec::new(),
            chatroom: None,
        }
    }

    fn direction(&self) -> Direction {
        if self.is_incoming() {
            Direction::RecvOnly
        } else {
            Direction::SendOnly
        }
    }

    fn decorate(&self, mut media: Media, id: Option<&str>) -> Media {
        media.attributes.push(Attribute::from(&self.selector));
        if let Some(id) = id {
            media
                .attributes
                .push(Attribute::with_value("file-transfer-id", id));
        }
        media.with_direction(self.direction())
    }

    fn task(&self) -> Result<MsrpTask, StreamError> {
        match &self.side {
            Side::Sends(path) => Ok(MsrpTask::SendFile(FileToSend {
                path: path.clone(),
                size: self
                    .selector
                    .size
                    .ok_or(StreamError::Lacks("the size of the file"))?,
                start: 0,
                content_type: self
                    .selector
                    .media_type
                    .as_deref()
                    .unwrap_or(UNKNOWN_TYPE)
                    .to_owned(),
            })),
            Side::Receives(directory) => Ok(MsrpTask::ReceiveFile(FileToReceive {
                directory: directory.clone(),
                name: safe_name(self.selector.name.as_deref().unwrap_or_default()),
                size: self.selector.size,
                hashes: self.selector.hashes.clone(),
            })),
            Side::Proposed { .. } => Err(StreamError::NotRunning("file transfer")),
        }
    }
}

impl MediaStream for FileTransferStream {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        let Some(proposed) = Self::from_sdp(offer, index) else {
            return false;
        };
        // Who asks for a file gets the one that it describes, and no other.
        proposed.is_incoming() == self.is_incoming()
            && (self.is_incoming() || proposed.selector.may_be(&self.selector))
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        self.end.open(cx, local, settings)?;
        cx.tell(StreamEvent::DidInitialize);
        Ok(())
    }

    fn offer(&self) -> Media {
        let id = self.end.session_id().to_owned();
        self.decorate(self.end.offer(&Self::accept()), Some(&id))
    }

    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError> {
        let offered = offer
            .media
            .get(index)
            .ok_or(StreamError::Refused("file transfer"))?;
        if self.is_incoming() {
            let selector = offered.attributes.get::<FileSelector>().ok().flatten();
            self.selector = selector.ok_or(StreamError::Lacks("a readable file selector"))?;
        }
        let answer = self.end.answer(offered, &Self::accept())?;
        let id = offered.attributes.get::<FileTransferId>().ok().flatten();
        let id = id.map(|id| id.to_string());
        Ok(self.decorate(answer, id.as_deref()))
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let section = agreed.remote.media.get(agreed.index);
        if self.is_incoming()
            && let Some(Ok(Some(told))) = section.map(|media| media.attributes.get::<FileSelector>())
        {
            // Whoever has the file knows best what it is.
            self.selector = told;
        }
        let task = self.task()?;
        self.end.start(cx, agreed, &Self::accept(), task)?;
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.end.is_ready()
    }

    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        self.end.validate_update(remote, index)
    }

    fn update(&mut self, _cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        MsrpEnd::update(agreed)
    }

    fn handle_media_event(
        &mut self,
        cx: &mut StreamContext<'_>,
        event: MediaEvent,
    ) -> Result<(), StreamError> {
        let MediaEvent::Msrp { event, .. } = event else {
            return Ok(());
        };
        match event {
            MsrpEvent::Ready => {
                self.end.set_ready();
                cx.tell(StreamEvent::DidStart);
            }
            MsrpEvent::Progress { transferred, size } => {
                let size = size.or(self.selector.size);
                cx.tell(StreamEvent::FileTransfer(FileTransferEvent::Progress {
                    transferred,
                    size,
                }));
            }
            MsrpEvent::FileDone { path } => {
                self.finished = Some(path.clone());
                if self.is_incoming() {
                    self.end.send(cx, MsrpCommand::ConfirmFile)?;
                }
                cx.tell(StreamEvent::FileTransfer(FileTransferEvent::DidFinish { path }));
            }
            MsrpEvent::FileFailed { reason } => return Err(StreamError::File(reason)),
            // After the last byte the connection may go.
            MsrpEvent::Closed { reason } if self.finished.is_none() => {
                return Err(StreamError::Closed(reason));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        if self.end.end(cx) {
            cx.tell(StreamEvent::WillEnd);
            cx.tell(StreamEvent::DidEnd);
        }
    }

    fn id(&self) -> Option<StreamId> {
        self.end.id()
    }

    fn msrp(&mut self) -> Option<&mut MsrpEnd> {
        Some(&mut self.end)
    }

    fn describe(&self) -> StreamDescription {
        StreamDescription::FileTransfer(FileTransferDescription {
            selector: self.selector.clone(),
            is_incoming: self.is_incoming(),
            path: match &self.side {
                Side::Sends(path) => Some(path.clone()),
                _ => self.finished.clone(),
            },
            transport: self.end.transport(),
        })
    }
}
