//! The streams of a session: what is negotiated, started, held and ended together.

mod audio;
mod chat;
mod description;
mod desktop;
mod dtls;
mod event;
mod external;
mod file;
mod formats;
mod msrp;
mod registry;
mod rtp_transport;
mod sdes;
mod security;

pub use audio::{AudioStream, RecordedParties, recording_name};
pub use chat::{ChatEvent, ChatMessage, ChatStream, Composing};
pub use description::{
    AudioDescription, ChatDescription, DesktopSharingDescription, FileTransferDescription, OtherDescription,
    StreamDescription,
};
#[cfg(feature = "tokio")]
pub(crate) use desktop::RFB_TYPE;
pub use desktop::{DesktopSharingEvent, DesktopSharingHandler, DesktopSharingStream, RfbRole};
pub use event::{AudioEvent, StreamEvent};
pub use external::{ExternalMediaStream, ToolCommand, ToolCommandError};
pub use file::{FileSelector, FileTransferEvent, FileTransferStream};
#[cfg(feature = "tokio")]
pub(crate) use file::{numbered, safe_name};
#[cfg(feature = "tokio")]
pub(crate) use msrp::transport as msrp_transport;
pub use msrp::{MsrpEnd, MsrpReach};
pub use registry::{MediaStreamRegistry, StreamKind};
pub use rtp_transport::{RtpTransport, RtpTransportError, RtpTransportState};
pub use security::SecurityError;

use crate::media::{MediaError, MediaEvent, MediaPlane, OpenError, StreamId};
use offhook_audio_mixer::WaveFile;
use offhook_rtp_media::SilenceDetection;
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::srtp::SrtpPolicy;
use offhook_sdp::{Media, OpusParameters, SessionDescription};
use offhook_sip_core::NameAddr;
use std::any::Any;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a session asks of a stream (`IMediaStream` in the documents).
///
/// A session knows nothing of media: it drives every stream through these calls, in this order: `initialize`, then
/// `offer` or `answer`, `start` when both sides agree, `update` after each renegotiation, `end`. `end` is always
/// called once `initialize` was; what the media side and the clock have for a stream still [reaches it](Self::is_ending) after
/// that if it wants. An application's own type is offered and matched like those of this crate.
pub trait MediaStream: Any + Send {
    /// Whether the stream can take this section of an offer. Nothing is changed.
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool;

    /// Opens the local ports, so that their numbers can be offered.
    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError>;

    /// The media section that we offer.
    fn offer(&self) -> Media;

    /// The media section that answers one of an offer, or why there is none.
    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError>;

    /// Begins to run, as the two descriptions agree. Not called where one side refused the section: then the stream ends.
    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError>;

    /// Begins to receive what the other side sends before it accepts (early media, RFC 3960 §3), as the two descriptions would agree.
    /// Another branch of a forked call may be followed by another call of this; then comes [`start`](Self::start), or the
    /// end. Nothing by default.
    ///
    /// # Errors
    /// Why nothing is received. It is no failure of the stream.
    fn start_early(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let _ = (cx, agreed);
        Ok(())
    }

    /// True once it runs. A stream that has to wait for its connection is not running when `start` returns.
    fn is_running(&self) -> bool;

    /// True when it has done what it was for, and both sides know: its session then removes it, so that its section is free for
    /// another, unless it is the only one left. Never by default.
    fn is_done(&self) -> bool {
        false
    }

    /// Says whether a renegotiated section could be followed; changes nothing.
    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool;

    /// True when it would now offer something else than what is agreed upon: its session offers it as soon as it can. Never by
    /// default.
    fn wants_offer(&self) -> bool {
        false
    }

    /// The other side refused what it [wanted to offer](Self::wants_offer), for this reason: it offers what is agreed upon again.
    fn offer_refused(&mut self, cx: &mut StreamContext<'_>, reason: &str) {
        let _ = (cx, reason);
    }

    /// Follows a renegotiation in which neither side refused the section: that would [end](Self::end) the stream.
    fn update(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError>;

    /// Stops or resumes, at once, what is sent and received; the next `offer` says so. Nothing by default: a chat is not held.
    fn set_hold(&mut self, cx: &mut StreamContext<'_>, on_hold: bool) {
        let _ = (cx, on_hold);
    }

    /// Whether the stream can be held (`hold_supported`). Not by default.
    fn supports_hold(&self) -> bool {
        false
    }

    /// Whether this side holds.
    fn is_on_hold_by_local(&self) -> bool {
        false
    }

    /// Whether the remote side holds.
    fn is_on_hold_by_remote(&self) -> bool {
        false
    }

    /// Takes an event of the media side that names this stream. An error is the end of the stream.
    fn handle_media_event(
        &mut self,
        cx: &mut StreamContext<'_>,
        event: MediaEvent,
    ) -> Result<(), StreamError>;

    /// The application has read one of the stream's events of which [few may wait](StreamEvent::is_waited_for): the other side, which
    /// is not listened to while there are too many, may go on. Nothing by default.
    fn event_taken(&mut self, cx: &mut StreamContext<'_>) {
        let _ = cx;
    }

    /// Does what is due by [`poll_timeout`](Self::poll_timeout).
    fn handle_timeout(&mut self, cx: &mut StreamContext<'_>) {
        let _ = cx;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next. Never by default.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Ends the stream and gives its ports back.
    fn end(&mut self, cx: &mut StreamContext<'_>);

    /// True from [`end`](Self::end) until [`StreamEvent::DidEnd`] where that takes longer than the call: a file may be on its way to
    /// its place. The session is not over before. Never by default.
    fn is_ending(&self) -> bool {
        false
    }

    /// The stream's name on the media side, once it is initialised and until it has ended.
    fn id(&self) -> Option<StreamId>;

    /// The connection of a stream over MSRP, to say [how it is reached](MsrpEnd::set_reach). `None` for streams of other kinds.
    fn msrp(&mut self) -> Option<&mut MsrpEnd> {
        None
    }

    /// The stream as an application sees it.
    fn describe(&self) -> StreamDescription;
}

/// What a stream has at hand while it handles something.
pub struct StreamContext<'a> {
    /// The time.
    pub now: Instant,
    /// The way to the media side.
    pub plane: &'a mut dyn MediaPlane,
    told: &'a mut Vec<StreamEvent>,
}

impl<'a> StreamContext<'a> {
    /// A context whose events are appended to `told`.
    pub fn new(now: Instant, plane: &'a mut dyn MediaPlane, told: &'a mut Vec<StreamEvent>) -> Self {
        Self { now, plane, told }
    }

    /// Tells the application something.
    pub fn tell(&mut self, event: StreamEvent) {
        self.told.push(event);
    }
}

/// What holds for all streams that do not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Codecs in order of preference. Default: all that are built in, the widest first (`rtp.audio_codec_list`).
    pub audio_codecs: Vec<AudioCodec>,
    /// Whether an offer is answered with all codecs that both sides have, instead of with the first of them. Default no, as
    /// SIP SIMPLE clients do: some peers offer anew then, to have one.
    pub answer_all_codecs: bool,
    /// What we wish the peer's Opus to be (RFC 7587 §6.1). Default with redundancy, which makes up for losses.
    pub opus: OpusParameters,
    /// Time without media after which a stream says so. Default 30 s (`rtp.timeout`).
    pub rtp_timeout: Duration,
    /// Whether audio is encrypted, with keys in the session description. Default never: without TLS below SIP, whoever
    /// sees the description can read the keys.
    pub srtp: SrtpPolicy,
    /// Whether audio is encrypted, with keys by DTLS where media flows (RFC 5763). Default never. What is required here excludes
    /// keys in the session description unless they are required as well: then either will do.
    pub dtls_srtp: SrtpPolicy,
    /// How digits are sent. Default by RTP. Digits of the other side are heard either way.
    pub dtmf: DtmfMethod,
    /// When silence is not sent (`enable_silence_detection`). Default never, as today. Comfort noise (RFC 3389) is offered
    /// along with it; what a peer offers of it is taken in any case.
    pub silence_detection: Option<SilenceDetection>,
    /// What who is held hears, without end. Default silence.
    pub hold_music: Option<WaveFile>,
    /// How connections for messages and files are offered (`msrp.transport`). Default by TLS. What is proposed to us is taken
    /// either way.
    pub msrp_transport: MsrpTransport,
    /// How long the connection of a stream over MSRP may take, from the agreement until it is bound to the session. Default 30 s, as
    /// RFC 4975 §7.1.1 gives a response. The stream fails after it, and the session goes on with the others.
    pub msrp_start_timeout: Duration,
    /// How long an ended [`FileTransferStream`] waits to hear what became of its file, and its session with it. Default 30 s: a
    /// slow disk may have much to write.
    pub file_end_timeout: Duration,
}

/// How digits are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtmfMethod {
    /// With the sound: as events (RFC 4733), or as tones for who knows none.
    #[default]
    Rtp,
    /// With the signalling: as INFO with `application/dtmf-relay`, as many gateways want it. There is no standard for it.
    Info,
}

/// What the connections of message streams run over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MsrpTransport {
    /// TLS between certificates that both sides make themselves, and know by the fingerprints in their session descriptions
    /// (RFC 4975 §14.4). So it is as safe as the way of these: take TLS below SIP, too.
    #[default]
    Tls,
    /// TCP: everybody on the way can read.
    Tcp,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            audio_codecs: AudioCodec::ALL.to_vec(),
            answer_all_codecs: false,
            opus: OpusParameters {
                in_band_fec: true,
                ..OpusParameters::default()
            },
            rtp_timeout: Duration::from_secs(30),
            srtp: SrtpPolicy::Off,
            dtls_srtp: SrtpPolicy::Off,
            dtmf: DtmfMethod::default(),
            silence_detection: None,
            hold_music: None,
            msrp_transport: MsrpTransport::default(),
            msrp_start_timeout: Duration::from_secs(30),
            file_end_timeout: Duration::from_secs(30),
        }
    }
}

/// What both sides have agreed upon, and which section of it is the stream's.
#[derive(Clone, Copy, Debug)]
pub struct Agreed<'a> {
    /// Our description.
    pub local: &'a SessionDescription,
    /// The other side's.
    pub remote: &'a SessionDescription,
    /// The place of the section in both.
    pub index: usize,
    /// True when ours was the offer.
    pub is_offerer: bool,
    /// Who talks with whom.
    pub parties: Parties<'a>,
}

impl Agreed<'_> {
    /// Whether one side wants nothing of the section: there is none, or its port is 0.
    pub(crate) fn is_refused(&self) -> bool {
        let refused = |description: &SessionDescription| {
            let section = description.media.get(self.index);
            section.is_none_or(Media::is_rejected)
        };
        refused(self.local) || refused(self.remote)
    }
}

/// The two sides of a session.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// We.
    pub local: &'a NameAddr,
    /// The other side.
    pub remote: &'a NameAddr,
}

/// Why a stream cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The two sides have no codec in common, or the other side refused the stream.
    #[error("no codec in common: we have {ours}, the other side {theirs}")]
    NoCommonCodec {
        /// What we speak.
        ours: String,
        /// What the other side speaks.
        theirs: String,
    },
    /// The other side refused the stream (port 0).
    #[error("the other side refused the {0} stream")]
    Refused(&'static str),
    /// The offer has no media section for any of the streams that were to take it.
    #[error("the other side proposes no stream of the kinds that are accepted")]
    NoneProposed,
    /// The section is of another kind or protocol than the stream.
    #[error("cannot take `{kind}` over `{protocol}`")]
    Unsupported {
        /// `audio`, `video`, ...
        kind: String,
        /// `RTP/AVP`, ...
        protocol: String,
    },
    /// The answer to our section is one of another kind or protocol.
    #[error("the other side answers with something else than was offered")]
    OtherAnswer,
    /// The two sides do not agree on encryption.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// The section names no address that could be sent to.
    #[error("the session description has no usable address")]
    NoAddress,
    /// No local ports.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The stream cannot do that now.
    #[error("the {0} stream is not running")]
    NotRunning(&'static str),
    /// The media side cannot run the stream.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The stream is recorded already.
    #[error("the stream is recorded to {} already", .0.display())]
    AlreadyRecording(PathBuf),
    /// The stream is not recorded.
    #[error("the stream is not recorded")]
    NotRecording,
    /// No codecs are left to talk by.
    #[error("a stream needs at least one codec")]
    NoCodecs,
    /// The application has to read what it was told before more is sent.
    #[error("{0} events of the chat are not read")]
    TooMuchUnread(usize),
    /// The session has no stream of the wanted kind.
    #[error("the session has no such stream")]
    NoSuchStream,
    /// The connection of the stream is over.
    #[error("the connection is over: {0}")]
    Closed(String),
    /// The connection of the stream never came to be.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// The other side takes no messages of this type.
    #[error("the other side takes {accepted}, not {content_type}")]
    NotAccepted {
        /// What was to be sent.
        content_type: String,
        /// What it takes.
        accepted: String,
    },
    /// Only a chat room that has them takes these.
    #[error("the other side has no {0}")]
    NotInRoom(&'static str),
    /// Too many messages wait for the stream to start.
    #[error("{0} messages wait already for the stream to start")]
    TooMuchWaits(usize),
    /// The other side takes the data of a desktop slower than it is sent.
    #[error("{0} pieces wait already for the other side to take them")]
    TooFast(usize),
    /// Both sides want to see a desktop, or both to share one.
    #[error("both sides are to be the {0}")]
    SameRole(RfbRole),
    /// The VNC viewer or server is gone, or never came.
    #[error("{0}")]
    Desktop(String),
    /// An external tool does not run, or no longer.
    #[error("{0}")]
    Tool(String),
    /// A file cannot be sent, or not be received.
    #[error("{0}")]
    File(String),
    /// The section lacks something that its kind of stream needs.
    #[error("the session description lacks {0}")]
    Lacks(&'static str),
}

impl From<RtpTransportError> for StreamError {
    fn from(error: RtpTransportError) -> Self {
        match error {
            RtpTransportError::Open(error) => error.into(),
            RtpTransportError::Security(error) => error.into(),
            RtpTransportError::NoAddress => Self::NoAddress,
            RtpTransportError::NoSection(_) => Self::Refused("audio"),
            RtpTransportError::WrongState { .. } => Self::NotRunning("audio"),
        }
    }
}
