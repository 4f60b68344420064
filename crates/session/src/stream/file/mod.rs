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
use offhook_sdp::attribute::{FileRange, FileTransferId};
use offhook_sdp::{Attribute, Direction, Media, MediaKind, SessionDescription};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The media type of a file whose type nobody told.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// What a [`FileTransferStream`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileTransferEvent {
    /// The file goes on where an earlier try broke off (RFC 5547 §6, `file-range`).
    DidResume {
        /// So many bytes the receiver has already.
        transferred: u64,
        /// All of them, where that is known.
        size: Option<u64>,
    },
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
///
/// Where size and hash were told, what came before a connection broke is kept, under a name that begins with a dot and ends in
/// `.part`. The next try for the same file into the same folder asks for the rest (RFC 5547 §6): in its offer if it pulls, and in
/// its answer to who pushes and says `file-range` in the offer, as this type does. The hash is that of the whole.
///
/// Of each file that began to go over is told what became of it, whoever ends the stream or its session:
/// [`FileTransferEvent::DidFinish`] or [`StreamEvent::DidFail`]. The stream waits for that between
/// [`StreamEvent::WillEnd`] and [`StreamEvent::DidEnd`], up to [`StreamSettings::file_end_timeout`].
#[derive(Debug)]
pub struct FileTransferStream {
    end: MsrpEnd,
    side: Side,
    selector: FileSelector,
    /// Whether what came is kept when the connection breaks.
    can_resume: bool,
    /// What is here of files that may be wanted, by their selectors; at last of this one.
    held: Vec<(FileSelector, FileToReceive)>,
    /// What our section says of the range.
    range: Option<FileRange>,
    /// Where the file lies at last.
    finished: Option<PathBuf>,
    /// Why the file that came is not kept. It is told once the other side knows, or the stream ends.
    lost: Option<String>,
    /// The media side has said what became of the file.
    is_settled: bool,
    /// Which stream was ended while that was not known, and how long it waits for it.
    ending: Option<(StreamId, Instant)>,
    end_timeout: Duration,
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
            can_resume: true,
            held: Vec::new(),
            range: None,
            finished: None,
            lost: None,
            is_settled: false,
            ending: None,
            end_timeout: Duration::ZERO,
        }
    }

    /// The same transfer without another try that goes on from what came: nothing is left of one that breaks off.
    #[must_use]
    pub fn without_resume(mut self) -> Self {
        self.can_resume = false;
        self
    }

    /// What is known of the file.
    pub fn selector(&self) -> &FileSelector {
        &self.selector
    }

    /// What is to be received of a file, from its beginning; `None` for a sender.
    pub(crate) fn to_receive(&self, selector: &FileSelector) -> Option<FileToReceive> {
        let Side::Receives(directory) = &self.side else {
            return None;
        };
        Some(FileToReceive {
            directory: directory.clone(),
            name: safe_name(selector.name.as_deref().unwrap_or_default()),
            size: selector.size,
            hashes: selector.hashes.clone(),
            can_resume: self.can_resume,
            start: 0,
        })
    }

    /// Says that the beginning of a file with this selector is here: if it is wanted, it is the rest that is asked for.
    #[cfg(feature = "tokio")]
    pub(crate) fn go_on_with(&mut self, selector: FileSelector, rest: FileToReceive) {
        if self.can_resume {
            self.held.push((selector, rest));
        }
    }

    /// Says that what is here of the file is somebody else's.
    #[cfg(feature = "tokio")]
    pub(crate) fn go_alone(&mut self) {
        self.can_resume = false;
    }

    /// What is here of the file, if anything.
    fn held(&self) -> Option<&FileToReceive> {
        let mut held = self.held.iter();
        held.find_map(|(selector, rest)| (*selector == self.selector).then_some(rest))
    }

    /// What we want, or can give, of the range that is offered; `None` where nothing is said about it.
    ///
    /// # Errors
    /// When it is a part of a file whose beginning is not here, or that does not go to the end.
    fn answered_range(&self, offered: &Media) -> Result<Option<FileRange>, StreamError> {
        let unreadable = || StreamError::Lacks("a readable range of the file");
        let Some(range) = offered.attributes.get::<FileRange>().map_err(|_| unreadable())? else {
            return Ok(None);
        };
        let size = self.selector.size.unwrap_or(u64::MAX);
        let is_to_the_end = range.stop.is_none_or(|stop| stop == size);
        let held = self.held().map_or(0, |rest| rest.start);
        let is_fine = match self.is_incoming() {
            true if range.start == 1 && is_to_the_end => {
                return Ok(Some(FileRange {
                    start: held + 1,
                    ..range
                }));
            }
            true => range.start - 1 == held,
            false => range.start - 1 <= size,
        };
        if is_fine && is_to_the_end {
            Ok(Some(range))
        } else {
            Err(StreamError::File(format!(
                "nothing can be done with the bytes {range} of the file alone"
            )))
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

    /// A stream that was ended is over when it is known what became of its file.
    fn conclude(&mut self, cx: &mut StreamContext<'_>) {
        if self.ending.take().is_some() {
            self.tell_lost(cx);
            cx.tell(StreamEvent::DidEnd);
        }
    }

    fn tell_lost(&mut self, cx: &mut StreamContext<'_>) {
        if let Some(lost) = self.lost.take() {
            let reason = StreamError::File(lost).to_string();
            cx.tell(StreamEvent::DidFail { reason });
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
        if let Some(range) = &self.range {
            media.attributes.push(Attribute::from(range));
        }
        if let Some(id) = id {
            media
                .attributes
                .push(Attribute::with_value("file-transfer-id", id));
        }
        media.with_direction(self.direction())
    }

    /// The first byte that is to go over.
    fn first_byte(&self) -> u64 {
        self.range.map_or(0, |range| range.start - 1)
    }

    fn task(&self) -> Result<MsrpTask, StreamError> {
        match &self.side {
            Side::Sends(_) if self.selector.size.is_some_and(|size| self.first_byte() > size) => Err(
                StreamError::File("the other side asks for bytes behind the end of the file".to_owned()),
            ),
            Side::Sends(path) => Ok(MsrpTask::SendFile(FileToSend {
                path: path.clone(),
                size: self
                    .selector
                    .size
                    .ok_or(StreamError::Lacks("the size of the file"))?,
                start: self.first_byte(),
                content_type: self
                    .selector
                    .media_type
                    .as_deref()
                    .unwrap_or(UNKNOWN_TYPE)
                    .to_owned(),
            })),
            _ => {
                let rest = self
                    .held()
                    .filter(|rest| rest.start == self.first_byte())
                    .cloned();
                let file = rest.or_else(|| self.to_receive(&self.selector));
                file.map(MsrpTask::ReceiveFile)
                    .ok_or(StreamError::NotRunning("file transfer"))
            }
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
        self.end_timeout = settings.file_end_timeout;
        self.range = match self.held() {
            Some(rest) => Some(FileRange {
                start: rest.start + 1,
                stop: None,
            }),
            // Who is asked may want less.
            None => (!self.is_incoming()).then(FileRange::default),
        };
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
        self.range = self.answered_range(offered)?;
        let answer = self.end.answer(offered, &Self::accept())?;
        let id = offered.attributes.get::<FileTransferId>().ok().flatten();
        let id = id.map(|id| id.to_string());
        Ok(self.decorate(answer, id.as_deref()))
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let section = agreed.remote.media.get(agreed.index);
        let answered = section.and_then(|media| media.attributes.get::<FileRange>().ok().flatten());
        if agreed.is_offerer && (!self.is_incoming() || answered != self.range) {
            // Who does not know ranges sends all, and takes all.
            self.range = answered;
        }
        if self.is_incoming()
            && self.first_byte() == 0
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

    /// The sender hears last that the file is whole.
    fn is_done(&self) -> bool {
        !self.is_incoming() && self.finished.is_some()
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
            MsrpEvent::FileResumed { at } => {
                cx.tell(StreamEvent::FileTransfer(FileTransferEvent::DidResume {
                    transferred: at,
                    size: self.selector.size,
                }));
            }
            MsrpEvent::Progress { transferred, size } => {
                let size = size.or(self.selector.size);
                cx.tell(StreamEvent::FileTransfer(FileTransferEvent::Progress {
                    transferred,
                    size,
                }));
            }
            MsrpEvent::FileDone { path } => {
                (self.is_settled, self.finished) = (true, Some(path.clone()));
                if self.is_incoming() && self.ending.is_none() {
                    self.end.send(cx, MsrpCommand::ReportFile)?;
                }
                cx.tell(StreamEvent::FileTransfer(FileTransferEvent::DidFinish { path }));
                self.conclude(cx);
            }
            MsrpEvent::FileFailed { reason } => {
                self.is_settled = true;
                if self.ending.is_none() && !self.is_incoming() {
                    return Err(StreamError::File(reason));
                }
                self.lost = Some(reason);
                if self.ending.is_none() {
                    self.end.send(cx, MsrpCommand::ReportFile)?;
                }
                self.conclude(cx);
            }
            // After the last byte the connection may go.
            MsrpEvent::Closed { reason } if self.finished.is_none() && self.ending.is_none() => {
                let lost = self.lost.take().map(StreamError::File);
                return Err(lost.unwrap_or_else(|| self.end.lost(reason)));
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut StreamContext<'_>) {
        let limit = self.end_timeout;
        if self.ending.is_some_and(|(_, until)| until <= cx.now) {
            let lost = format!("nothing was heard of the file within {limit:?} of its end");
            self.lost.get_or_insert(lost);
            self.conclude(cx);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.ending.map(|(_, until)| until)
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        // One that never ran has no file that anything became of.
        let has_more_to_tell = self.end.is_ready() && !self.is_settled;
        let stream = self.end.id();
        if !self.end.end(cx) {
            return;
        }
        self.tell_lost(cx);
        cx.tell(StreamEvent::WillEnd);
        self.ending = stream.zip(has_more_to_tell.then_some(cx.now + self.end_timeout));
        if self.ending.is_none() {
            cx.tell(StreamEvent::DidEnd);
        }
    }

    fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    fn id(&self) -> Option<StreamId> {
        self.end.id().or(self.ending.map(|(stream, _)| stream))
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
