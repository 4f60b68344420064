//! What an audio transport is made from.

use crate::codec::{AudioCodec, CodecError};
use crate::dtls::DtlsFailure;
use crate::dtmf::Digit;
use crate::ids::{PayloadType, Ssrc};
use crate::jitter::JitterConfig;
use crate::srtp::SrtpSuite;
use crate::stream::{SilenceDetection, SrtpKeying};
use std::net::SocketAddr;
use std::time::Duration;

/// Codecs, or numbers of telephone-event, that may come beside the first: more than anybody has built in, and few enough for
/// the memory of a decoder each.
pub const MAX_OTHERS: usize = 16;

/// Whether media flows, as seen from here (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From here only: we hold the peer.
    SendOnly,
    /// To here only: the peer holds us.
    RecvOnly,
    /// Not at all.
    Inactive,
}

impl Direction {
    /// True when we send.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// True when we play what comes.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// What offer and answer agreed on, and limits of our own. Make it with [`AudioConfig::new`] and set what differs.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is agreed on or set by itself")]
pub struct AudioConfig {
    /// The codec, both ways.
    pub codec: AudioCodec,
    /// The number we send it under: the one in the peer's SDP.
    pub payload_type: u8,
    /// The number we receive it under: the one in our SDP. Default: the same.
    pub receive_payload_type: Option<u8>,
    /// Milliseconds of audio per packet that we send, as the codec [allows](AudioCodec::allows_ptime). Linear audio that is too
    /// long for an Ethernet frame goes in packets of 5 or 10 ms. Received packets may be of any length up to 120. Default 20:
    /// RFC 3551 §4.2.
    pub ptime_ms: u32,
    /// Other codecs that the peer may send instead at any time: those of the answer behind the first (RFC 3264 §6.1). They are
    /// heard at the sample rate of [`codec`](Self::codec). At most [`MAX_OTHERS`]. Default none.
    pub other_codecs: Vec<OtherCodec>,
    /// The codec's format parameters in the peer's SDP: what its receiver wishes.
    pub remote_fmtp: String,
    /// The number of telephone-event, both ways, if it was agreed (RFC 4733). Default none.
    pub dtmf_payload_type: Option<u8>,
    /// Other numbers under which telephone-event may come. At most [`MAX_OTHERS`]. Default none.
    pub other_events: Vec<OtherEvents>,
    /// The clock in which events count their duration. Default: the codec's clock rate.
    pub dtmf_clock_rate: u32,
    /// Whether digits are sent and heard as tones in the audio (ITU-T Q.23) where telephone-event was not agreed. Default
    /// true. Codecs that are made for voices alone distort them.
    pub inband_dtmf: bool,
    /// The number of comfort noise (RFC 3389), both ways, if it was agreed: 13 beside a codec of 8000 Hz. Default none.
    pub comfort_noise_payload_type: Option<u8>,
    /// When silence is not sent (`enable_silence_detection`). Where comfort noise was agreed, that is sent in its place.
    /// Default never: some peers take a line without packets for dead.
    pub silence_detection: Option<SilenceDetection>,
    /// Whether the peer wishes to be told how the call is heard here (RFC 3611 §4.7). Default false.
    pub voip_metrics: bool,
    /// Whether media flows. Default both ways.
    pub direction: Direction,
    /// The peer's RTP address in its SDP.
    pub remote_rtp: SocketAddr,
    /// The peer's RTCP address in its SDP. Default: one port higher (RFC 3550 §11).
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share the RTP address (RFC 5761). Default no.
    pub rtcp_mux: bool,
    /// RTCP may go in reduced size (RFC 5506): what an application says is sent at once and by itself. Default no.
    pub rtcp_reduced_size: bool,
    /// Where the keys of SRTP come from, if it was agreed on. What is not protected with them is dropped then. Default none.
    pub srtp: Option<SrtpKeying>,
    /// Our canonical name in RTCP, at most 255 octets (RFC 7022 tells how to make one). Default `offhook`.
    pub cname: String,
    /// Silence of the peer, while media flows both ways, after which [`AudioEvent::RtpTimeout`] is told. Default
    /// 30 s, as in SIP SIMPLE clients.
    pub rtp_timeout: Duration,
    /// Bounds of the jitter buffer.
    pub jitter: JitterConfig,
}

impl AudioConfig {
    /// A codec under its static payload type (96 for a codec that has none), with defaults for the rest.
    pub fn new(codec: AudioCodec, remote_rtp: SocketAddr) -> Self {
        let spec = codec.spec();
        let mut remote_rtcp = remote_rtp;
        remote_rtcp.set_port(remote_rtp.port().wrapping_add(1));
        Self {
            codec,
            payload_type: spec.static_payload.unwrap_or(96),
            receive_payload_type: None,
            other_codecs: Vec::new(),
            ptime_ms: spec.ptime_ms,
            remote_fmtp: String::new(),
            dtmf_payload_type: None,
            other_events: Vec::new(),
            dtmf_clock_rate: spec.clock_rate,
            inband_dtmf: true,
            voip_metrics: false,
            comfort_noise_payload_type: None,
            silence_detection: None,
            direction: Direction::SendRecv,
            remote_rtp,
            remote_rtcp,
            rtcp_mux: false,
            rtcp_reduced_size: false,
            srtp: None,
            cname: "offhook".to_owned(),
            rtp_timeout: Duration::from_secs(30),
            jitter: JitterConfig::default(),
        }
    }

    /// Whether digits are tones.
    pub(super) fn has_tones(&self) -> bool {
        self.inband_dtmf && self.dtmf_payload_type.is_none()
    }

    /// Checks the numbers and types them.
    pub(super) fn numbers(&self) -> Result<Numbers, AudioError> {
        let payload = |number| PayloadType::new(number).ok_or(AudioError::PayloadType(number));
        if !self.codec.allows_ptime(self.ptime_ms) {
            return Err(AudioError::Ptime(self.ptime_ms));
        }
        if self.cname.len() > 255 {
            return Err(AudioError::Cname(self.cname.len()));
        }
        let others = self.other_codecs.len().max(self.other_events.len());
        if others > MAX_OTHERS {
            return Err(AudioError::TooManyFormats(others));
        }
        let first = payload(self.receive_payload_type.unwrap_or(self.payload_type))?;
        let mut codecs = vec![(first, self.codec)];
        for other in &self.other_codecs {
            codecs.push((payload(other.payload_type)?, other.codec));
        }
        let dtmf = self.dtmf_payload_type.map(payload).transpose()?;
        let mut events: Vec<_> = dtmf
            .map(|number| (number, self.dtmf_clock_rate))
            .into_iter()
            .collect();
        for other in &self.other_events {
            events.push((payload(other.payload_type)?, other.clock_rate));
        }
        Ok(Numbers {
            send: payload(self.payload_type)?,
            codecs,
            dtmf,
            events,
            noise: self.comfort_noise_payload_type.map(payload).transpose()?,
        })
    }
}

/// Payload types that were agreed.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    pub(super) send: PayloadType,
    /// What may come, the first codec first.
    pub(super) codecs: Vec<(PayloadType, AudioCodec)>,
    /// Under which digits are sent.
    pub(super) dtmf: Option<PayloadType>,
    /// Under which digits may come, and the clock in which they last.
    pub(super) events: Vec<(PayloadType, u32)>,
    pub(super) noise: Option<PayloadType>,
}

impl Numbers {
    /// The clock of telephone-event, if it comes under this number.
    pub(super) fn event_clock(&self, number: PayloadType) -> Option<u32> {
        let found = self.events.iter().find(|(event, _)| *event == number)?;
        Some(found.1)
    }
}

/// A codec that may come beside the one that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherCodec {
    /// Its number in our SDP. Under a number that stands here twice, the first codec is heard.
    pub payload_type: u8,
    /// Which.
    pub codec: AudioCodec,
}

/// Telephone-event under another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherEvents {
    /// Its number in our SDP.
    pub payload_type: u8,
    /// The clock in which events count their duration.
    pub clock_rate: u32,
}

/// Why an audio transport refused. Always the caller's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AudioError {
    /// A payload type does not fit in seven bits.
    #[error("payload type {0}, expected 0 to 127")]
    PayloadType(u8),
    /// The codec cannot make packets this long.
    #[error("packet time of {0} ms")]
    Ptime(u32),
    /// More than [`MAX_OTHERS`] formats.
    #[error("{0} other formats, at most {MAX_OTHERS} may come")]
    TooManyFormats(usize),
    /// A packet of an application's has no name of four ASCII letters, a subtype above 31, or too much to say.
    #[error("no packet of an application: subtype {subtype}, {len} octets")]
    Application {
        /// Its subtype.
        subtype: u8,
        /// Octets of its data.
        len: usize,
    },
    /// Too many packets of the application wait for a report.
    #[error("too many packets of the application wait")]
    TooManyApplication,
    /// The canonical name is longer than 255 octets.
    #[error("CNAME of {0} bytes, at most 255 fit")]
    Cname(usize),
    /// The codec could not be made.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// No payload type was agreed for telephone-event.
    #[error("telephone-event was not agreed")]
    NoDtmf,
    /// The direction does not let us send.
    #[error("the stream does not send")]
    NotSending,
    /// Too many digits wait to be sent.
    #[error("too many digits wait")]
    TooManyDigits,
    /// The transport was stopped.
    #[error("the stream was stopped")]
    Stopped,
}

/// What the layer above should know.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioEvent {
    /// Nothing came for [`AudioConfig::rtp_timeout`] though media flows both ways. Told again after each further
    /// such time.
    RtpTimeout {
        /// How long the peer has been silent.
        silent_for: Duration,
    },
    /// The peer pressed a key.
    GotDtmf {
        /// Which.
        digit: Digit,
        /// For how long.
        duration: Duration,
    },
    /// The peer's media comes from another address, which has proved itself: media goes there now.
    RemoteAddressChanged {
        /// Where it went before.
        from: SocketAddr,
        /// Where it goes now.
        to: SocketAddr,
    },
    /// Another source is heard than before.
    SourceChanged {
        /// The one before; none at the start.
        from: Option<Ssrc>,
        /// The one heard now.
        to: Ssrc,
    },
    /// The source that is heard said goodbye by RTCP. It may still come back: only signalling ends a call.
    SourceLeft,
    /// DTLS proved who the peer is, and gave the keys: media flows from now on.
    Secured {
        /// What protects it.
        suite: SrtpSuite,
    },
    /// DTLS gave no keys: no media will ever flow.
    DtlsFailed(DtlsFailure),
    /// Our SRTP key has lived out its life: nothing is sent until a re-negotiation brings another. Told once.
    SrtpKeyExhausted,
}

/// What [`AudioTransport::read`](crate::AudioTransport::read) gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Playout {
    /// The peer's audio, comfort noise in its pauses included.
    Voice,
    /// At least a part was made up for a lost or late packet.
    Concealed,
    /// Nothing to play.
    Silence,
}
