//! The streams of a session: what is negotiated, started, held and ended together.

mod audio;
mod description;

pub use audio::AudioStream;
pub use description::{AudioDescription, StreamDescription};

use crate::SessionEvent;
use crate::media::{MediaEvent, MediaPlane, OpenError, StreamId};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::dtmf::Digit;
use offhook_sdp::{Media, MediaKind, SessionDescription};
use std::net::IpAddr;
use std::time::Duration;

/// What a session asks of a stream (`IMediaStream` in the documents).
///
/// A session knows nothing of media: it drives every stream through these calls, in this order: `initialize`, then
/// `offer` or `answer`, `start` when both sides agree, `update` after each renegotiation, `end`. `end` is always
/// called once `initialize` was.
pub trait MediaStream: Send {
    /// Which media sections the stream takes.
    fn kind(&self) -> MediaKind;

    /// Opens the local ports, so that their numbers can be offered.
    fn initialize(
        &mut self,
        plane: &mut dyn MediaPlane,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError>;

    /// The media section that we offer.
    fn offer(&self) -> Media;

    /// The media section that answers one of an offer, or why there is none.
    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError>;

    /// Begins to run, as the two descriptions agree.
    fn start(&mut self, plane: &mut dyn MediaPlane, agreed: Agreed<'_>) -> Result<(), StreamError>;

    /// Says whether a renegotiated section could be followed; changes nothing.
    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool;

    /// Follows a renegotiation.
    fn update(&mut self, plane: &mut dyn MediaPlane, agreed: Agreed<'_>) -> Result<(), StreamError>;

    /// Stops or resumes what the remote party hears; the next `offer` says so.
    fn set_hold(&mut self, on_hold: bool);

    /// Whether this side holds.
    fn is_on_hold_by_local(&self) -> bool;

    /// Whether the remote side holds.
    fn is_on_hold_by_remote(&self) -> bool;

    /// Takes an event of the media side that names this stream; gives what the application should hear of it.
    fn handle_media_event(&mut self, event: MediaEvent) -> Option<SessionEvent>;

    /// Sends a digit, where the stream can.
    fn send_dtmf(&mut self, plane: &mut dyn MediaPlane, digit: Digit) -> Result<(), StreamError>;

    /// Ends the stream and gives its ports back.
    fn end(&mut self, plane: &mut dyn MediaPlane);

    /// The stream's name on the media side, once it is initialised.
    fn id(&self) -> Option<StreamId>;

    /// The stream as an application sees it.
    fn describe(&self) -> StreamDescription;
}

/// What holds for all streams that do not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Codecs in order of preference. Default: all that are built in, the widest first (`rtp.audio_codec_list`).
    pub audio_codecs: Vec<AudioCodec>,
    /// Time without media after which a stream says so. Default 30 s (`rtp.timeout`).
    pub rtp_timeout: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            audio_codecs: AudioCodec::ALL.to_vec(),
            rtp_timeout: Duration::from_secs(30),
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
}

/// Why a stream cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// The section names no address that could be sent to.
    #[error("the session description has no usable address")]
    NoAddress,
    /// No local ports.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The stream cannot do that now.
    #[error("the {0} stream is not running")]
    NotRunning(&'static str),
}
