//! A desktop that one side sees of the other: RFB over MSRP (`DesktopSharingStream` of the documents).
//!
//! No RFC defines it. The section is one of MSRP (RFC 4975 §8) whose `m=` line says `application`, with
//! `a=accept-types:application/x-rfb`, and `a=rfbsetup` for who sees and who shows, as the present SDK in Python writes it.
//! Each piece of RFB data (RFC 6143) is a message; together they are the bytes of a connection between viewer and server.

use super::msrp::{Accepted, MsrpEnd};
use super::{
    Agreed, DesktopSharingDescription, MediaStream, StreamContext, StreamDescription, StreamError,
    StreamEvent, StreamSettings,
};
use crate::media::{
    MediaEvent, MsrpCommand, MsrpEvent, MsrpTask, RFB_PIECES_GIVEN, RfbCommand, RfbContext, RfbEvent,
    RfbTask, StreamId,
};
use bytes::Bytes;
use offhook_sdp::{Attribute, Media, MediaKind, SessionDescription};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The media type of RFB data.
pub(crate) const RFB_TYPE: &str = "application/x-rfb";

/// Which end of RFB a side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RfbRole {
    /// Sees the other side's desktop (`active` in the documents).
    Viewer,
    /// Lets the other side see its own (`passive` in the documents).
    Server,
}

impl RfbRole {
    /// The role that the other side has then.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Viewer => Self::Server,
            Self::Server => Self::Viewer,
        }
    }

    /// What a section says of its author. Who says nothing wants to see, as the present SDK takes it; `None` for a word that
    /// is not known.
    fn of(section: &Media) -> Option<Self> {
        match section.attributes.value("rfbsetup") {
            Some("active") | None => Some(Self::Viewer),
            Some("passive") => Some(Self::Server),
            Some(_) => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Viewer => "active",
            Self::Server => "passive",
        }
    }
}

impl fmt::Display for RfbRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Server => "server",
        })
    }
}

/// Who consumes and produces the RFB data of a stream (`IDesktopSharingHandler` and its four implementations in the
/// documents).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesktopSharingHandler {
    /// The application shows the other side's desktop: data comes as [`DesktopSharingEvent::GotData`] and goes by
    /// [`DesktopSharingStream::send`] (`InternalVNCViewerHandler`).
    InternalViewer,
    /// The application lets its own be seen, likewise (`InternalVNCServerHandler`).
    InternalServer,
    /// A VNC viewer that connects to us (`ExternalVNCViewerHandler`).
    ExternalViewer {
        /// Where one connection is taken; port 0 for a free one. Listened at from the moment at which the stream is
        /// initialised: [`DesktopSharingDescription::viewer_address`] tells. Whoever reaches the address sees the desktop, so
        /// it should be of the loopback.
        address: SocketAddr,
        /// How long the viewer may take to connect, from the start of the stream.
        connect_timeout: Duration,
    },
    /// A VNC server that we connect to when the stream starts (`ExternalVNCServerHandler`).
    ExternalServer {
        /// Where it listens: `host:port`.
        address: String,
        /// How long that may take.
        connect_timeout: Duration,
    },
}

/// What the documents allow a VNC viewer or server for being connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

impl DesktopSharingHandler {
    /// A VNC viewer that connects to a free port of the loopback within 3 s.
    pub fn external_viewer() -> Self {
        Self::ExternalViewer {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// A VNC server at `host:port`, which is to be connected within 3 s.
    pub fn external_server(address: impl Into<String>) -> Self {
        Self::ExternalServer {
            address: address.into(),
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// The same with another time for connecting. For the internal handlers, which connect to nothing, it means nothing.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        match &mut self {
            Self::ExternalViewer { connect_timeout, .. } | Self::ExternalServer { connect_timeout, .. } => {
                *connect_timeout = timeout;
            }
            Self::InternalViewer | Self::InternalServer => {}
        }
        self
    }

    /// Whether it sees or shows (`type` of the documents).
    pub fn role(&self) -> RfbRole {
        match self {
            Self::InternalViewer | Self::ExternalViewer { .. } => RfbRole::Viewer,
            Self::InternalServer | Self::ExternalServer { .. } => RfbRole::Server,
        }
    }

    /// The application's own for a role.
    fn internal(role: RfbRole) -> Self {
        match role {
            RfbRole::Viewer => Self::InternalViewer,
            RfbRole::Server => Self::InternalServer,
        }
    }

    fn is_internal(&self) -> bool {
        matches!(self, Self::InternalViewer | Self::InternalServer)
    }

    fn task(&self) -> RfbTask {
        match self {
            Self::InternalViewer | Self::InternalServer => RfbTask::Application,
            Self::ExternalViewer { connect_timeout, .. } => RfbTask::Viewer(*connect_timeout),
            Self::ExternalServer {
                address,
                connect_timeout,
            } => RfbTask::Server {
                address: address.clone(),
                timeout: *connect_timeout,
            },
        }
    }
}

/// What a [`DesktopSharingStream`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DesktopSharingEvent {
    /// The VNC viewer or server of an external handler is connected.
    HandlerDidConnect {
        /// Where it is.
        address: SocketAddr,
    },
    /// It is gone, or never came (`DesktopSharingHandlerDidFail`). The stream fails for the same reason.
    HandlerDidFail {
        /// Doing what.
        context: RfbContext,
        /// Why, in words for a person.
        reason: String,
    },
    /// RFB data of the other side, for an internal handler (`DesktopSharingStreamGotData`). Whoever drives the core says
    /// [`event_taken`](MediaStream::event_taken) for each; the handle `tokio::Session` does so when the event is read. So the
    /// other side is no faster than the application.
    GotData {
        /// The bytes, at most [`RFB_PIECE`](crate::media::RFB_PIECE) of them.
        data: Bytes,
    },
    /// After [`DesktopSharingStream::send`] was refused with [`StreamError::TooFast`]: all that was given has been passed on.
    CanSend,
}

/// A desktop that one side sees of the other (`DesktopSharingStream` of the documents).
///
/// What its [handler](DesktopSharingHandler) is decides who sees: an offer of a viewer is taken by a server only, and the
/// other way round. Nothing is kept without a limit: a viewer that is slow makes the server wait, by TCP. One that takes
/// nothing for 30 s is given up.
#[derive(Debug)]
pub struct DesktopSharingStream {
    end: MsrpEnd,
    handler: DesktopSharingHandler,
    viewer_address: Option<SocketAddr>,
    /// Pieces that were given to the media side, and not passed on.
    given: usize,
    /// The application was refused, and is told when it may go on.
    refused: bool,
}

impl DesktopSharingStream {
    /// A stream to offer, or to accept.
    pub fn new(handler: DesktopSharingHandler) -> Self {
        Self {
            end: MsrpEnd::new(MediaKind::Application),
            handler,
            viewer_address: None,
            given: 0,
            refused: false,
        }
    }

    /// The stream that a section proposes, to be described.
    pub(super) fn from_sdp(remote: &SessionDescription, index: usize) -> Option<Self> {
        let role = RfbRole::of(remote.media.get(index)?)?.opposite();
        let stream = Self::new(DesktopSharingHandler::internal(role));
        stream.takes(remote, index).then_some(stream)
    }

    /// The handler.
    pub fn handler(&self) -> &DesktopSharingHandler {
        &self.handler
    }

    /// Sends RFB data of an internal handler to the other side.
    ///
    /// # Errors
    /// [`StreamError::TooFast`] when [`RFB_PIECES_GIVEN`] pieces wait already: [`DesktopSharingEvent::CanSend`] tells when
    /// they went. [`StreamError::NotRunning`] before the stream runs, and where the handler is an external one.
    pub fn send(&mut self, cx: &mut StreamContext<'_>, data: impl Into<Bytes>) -> Result<(), StreamError> {
        if !self.end.is_ready() || !self.handler.is_internal() {
            return Err(StreamError::NotRunning("desktop"));
        }
        let data = data.into();
        if data.is_empty() {
            return Ok(());
        }
        if self.given >= RFB_PIECES_GIVEN {
            self.refused = true;
            return Err(StreamError::TooFast(self.given));
        }
        self.end.send(cx, MsrpCommand::Rfb(RfbCommand::Send(data)))?;
        self.given += 1;
        Ok(())
    }

    fn accept() -> Accepted {
        Accepted {
            types: vec![RFB_TYPE.to_owned()],
            wrapped_types: Vec::new(),
            chatroom: None,
        }
    }

    fn decorate(&self, mut media: Media) -> Media {
        let role = self.handler.role().word();
        media.attributes.push(Attribute::with_value("rfbsetup", role));
        media
    }

    fn handle_rfb_event(&mut self, cx: &mut StreamContext<'_>, event: RfbEvent) -> Result<(), StreamError> {
        let told = match event {
            RfbEvent::Connected { address } => DesktopSharingEvent::HandlerDidConnect { address },
            RfbEvent::Data(data) => DesktopSharingEvent::GotData { data },
            RfbEvent::Sent => {
                self.given = self.given.saturating_sub(1);
                if self.given > 0 || !std::mem::take(&mut self.refused) {
                    return Ok(());
                }
                DesktopSharingEvent::CanSend
            }
            RfbEvent::Failed { context, reason } => {
                let error = StreamError::Desktop(reason.clone());
                let told = DesktopSharingEvent::HandlerDidFail { context, reason };
                cx.tell(StreamEvent::DesktopSharing(told));
                return Err(error);
            }
        };
        cx.tell(StreamEvent::DesktopSharing(told));
        Ok(())
    }
}

impl MediaStream for DesktopSharingStream {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        offer.media.get(index).is_some_and(|media| {
            self.end.can_take(media)
                && takes_rfb(media)
                && RfbRole::of(media) == Some(self.handler.role().opposite())
        })
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        self.end.open(cx, local, settings)?;
        if let (DesktopSharingHandler::ExternalViewer { address, .. }, Some(stream)) =
            (&self.handler, self.end.id())
        {
            match cx.plane.open_viewer(stream, *address) {
                Ok(address) => self.viewer_address = Some(address),
                Err(error) => {
                    self.end.end(cx);
                    return Err(error.into());
                }
            }
        }
        cx.tell(StreamEvent::DidInitialize);
        Ok(())
    }

    fn offer(&self) -> Media {
        self.decorate(self.end.offer(&Self::accept()))
    }

    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError> {
        let offered = offer.media.get(index).ok_or(StreamError::Refused("desktop"))?;
        let answer = self.end.answer(offered, &Self::accept())?;
        Ok(self.decorate(answer))
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let remote = agreed.remote.media.get(agreed.index);
        if let Some(remote) = remote.filter(|remote| !remote.is_rejected()) {
            // Who answers without a word has understood the offer.
            let role = self.handler.role();
            if remote.attributes.contains("rfbsetup") && RfbRole::of(remote) != Some(role.opposite()) {
                return Err(StreamError::SameRole(role));
            }
            if !takes_rfb(remote) {
                let accepted = remote.attributes.value("accept-types").unwrap_or("nothing");
                return Err(StreamError::NotAccepted {
                    content_type: RFB_TYPE.to_owned(),
                    accepted: accepted.to_owned(),
                });
            }
        }
        let task = MsrpTask::ShareDesktop(self.handler.task());
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
                Ok(())
            }
            MsrpEvent::Rfb(event) => self.handle_rfb_event(cx, event),
            MsrpEvent::Closed { reason } => Err(self.end.lost(reason)),
            _ => Ok(()),
        }
    }

    fn event_taken(&mut self, cx: &mut StreamContext<'_>) {
        if let Err(error) = self.end.send(cx, MsrpCommand::Rfb(RfbCommand::Taken)) {
            tracing::debug!(%error, "a desktop's data was read after its end");
        }
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        self.viewer_address = None;
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
        StreamDescription::DesktopSharing(DesktopSharingDescription {
            role: self.handler.role(),
            viewer_address: self.viewer_address,
            transport: self.end.transport(),
        })
    }
}

fn takes_rfb(section: &Media) -> bool {
    let types: &str = section.attributes.value("accept-types").unwrap_or_default();
    types
        .split_ascii_whitespace()
        .any(|accepted| accepted == "*" || accepted.eq_ignore_ascii_case(RFB_TYPE))
}
