//! What the signalling side and the media side say to each other.

use super::bridge::{BridgeCommand, StreamBridgeId};
use super::msrp::{MsrpCommand, MsrpEvent};
use super::tool::{ToolEvent, ToolStart};
use super::voice::VoiceCommand;
use offhook_audio_mixer::AudioPort;
use offhook_audio_mixer::MixerError;
use offhook_rtp_media::dtls::DtlsFailure;
use offhook_rtp_media::dtmf::Digit;
use offhook_rtp_media::srtp::SrtpSuite;
use offhook_rtp_media::{AudioConfig, AudioError, Statistics};
use std::fmt;
use std::net::SocketAddr;

/// Names one stream between its session and the media engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// Names one audio port among those that are attached to the same stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u32);

/// The two flows of an RTP stream, each with its own port (RFC 3550 §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// The media itself.
    Rtp,
    /// The reports about it.
    Rtcp,
}

/// How an attached port and its stream hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// The remote party hears the port: a file that is played to it.
    Talks,
    /// The port hears the remote party: a recorder.
    Listens,
    /// Both: a sound device.
    TalksAndListens,
    /// The port hears what the remote party hears: a recorder of our side.
    Overhears,
    /// The port hears the remote party and what it hears: a recorder of the whole conversation.
    Witnesses,
    /// The remote party hears the port, also while it is held: music.
    Announces,
}

/// What the signalling side wants of the media side. Commands for a stream that has ended are dropped.
pub enum MediaCommand {
    /// Begin to send and receive on the ports that were opened for the stream.
    StartAudio {
        /// The stream.
        stream: StreamId,
        /// What was negotiated.
        config: Box<AudioConfig>,
    },
    /// Negotiated anew: another direction, or the peer moved.
    UpdateAudio {
        /// The stream.
        stream: StreamId,
        /// What is agreed now.
        config: Box<AudioConfig>,
    },
    /// Let nobody hear a stream's other side, nor be heard by it, while we hold it: what is agreed with the other side takes a
    /// while, and lets it hear us.
    SetHeld {
        /// The stream.
        stream: StreamId,
        /// Whether we hold it.
        on_hold: bool,
    },
    /// Send a digit (RFC 4733).
    SendDtmf {
        /// The stream.
        stream: StreamId,
        /// Which.
        digit: Digit,
    },
    /// Let a port talk to a stream, or listen to it, or both.
    Attach {
        /// The stream.
        stream: StreamId,
        /// The port's name, unique in its stream.
        port: PortId,
        /// Who hears whom.
        attachment: Attachment,
        /// The port itself. It comes back with [`MediaEvent::Detached`].
        audio: Box<dyn AudioPort>,
    },
    /// Take a port away from its stream.
    Detach {
        /// The stream.
        stream: StreamId,
        /// The port.
        port: PortId,
    },
    /// For the device that all streams share.
    Voice(VoiceCommand),
    /// For a bridge between streams.
    Bridge {
        /// The bridge.
        bridge: StreamBridgeId,
        /// What.
        command: BridgeCommand,
    },
    /// For a message stream.
    Msrp {
        /// The stream.
        stream: StreamId,
        /// What.
        command: MsrpCommand,
    },
    /// Give the ports of an external tool free, and start it.
    StartTool {
        /// The stream.
        stream: StreamId,
        /// What.
        start: Box<ToolStart>,
    },
    /// End a stream: say goodbye in RTCP, give its ports back, close its sockets.
    Stop {
        /// The stream.
        stream: StreamId,
    },
}

impl fmt::Debug for MediaCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartAudio { stream, config } => write!(f, "StartAudio({stream:?}, {config:?})"),
            Self::UpdateAudio { stream, config } => write!(f, "UpdateAudio({stream:?}, {config:?})"),
            Self::SetHeld { stream, on_hold } => write!(f, "SetHeld({stream:?}, {on_hold})"),
            Self::SendDtmf { stream, .. } => write!(f, "SendDtmf({stream:?})"),
            Self::Attach {
                stream,
                port,
                attachment,
                ..
            } => {
                write!(f, "Attach({stream:?}, {port:?}, {attachment:?})")
            }
            Self::Detach { stream, port } => write!(f, "Detach({stream:?}, {port:?})"),
            Self::Voice(command) => write!(f, "Voice({command:?})"),
            Self::Bridge { bridge, command } => write!(f, "Bridge({bridge:?}, {command:?})"),
            Self::Msrp { stream, command } => write!(f, "Msrp({stream:?}, {command:?})"),
            Self::StartTool { stream, start } => write!(f, "StartTool({stream:?}, {start:?})"),
            Self::Stop { stream } => write!(f, "Stop({stream:?})"),
        }
    }
}

/// What the media side tells.
pub enum MediaEvent {
    /// The stream cannot run as it was negotiated.
    Failed {
        /// The stream.
        stream: StreamId,
        /// What is wrong.
        error: MediaError,
    },
    /// The figures of a running stream, once a second.
    Statistics {
        /// The stream.
        stream: StreamId,
        /// Since the stream began.
        statistics: Box<Statistics>,
    },
    /// The peer pressed a key.
    GotDtmf {
        /// The stream.
        stream: StreamId,
        /// Which.
        digit: Digit,
    },
    /// No packet has arrived for the time that the settings allow.
    RtpTimeout {
        /// The stream.
        stream: StreamId,
    },
    /// DTLS proved who the peer is and gave the keys.
    Secured {
        /// The stream.
        stream: StreamId,
        /// What protects media from now on.
        suite: SrtpSuite,
    },
    /// Packets now come from, and go to, another address than the one in the SDP (symmetric RTP, RFC 4961).
    RemoteAddressChanged {
        /// The stream.
        stream: StreamId,
        /// The new address.
        remote: SocketAddr,
    },
    /// A port was taken out, by command or because its stream ended or the port itself [was over](AudioPort::is_over), or was never
    /// taken in for want of its stream.
    /// Drop it where blocking does no harm.
    Detached {
        /// The stream.
        stream: StreamId,
        /// The port's name.
        port: PortId,
        /// The port.
        audio: Box<dyn AudioPort>,
    },
    /// The voice device, or a port beside it or in a bridge, was taken out, or left by itself. Drop it where blocking does no harm.
    Released {
        /// The port.
        audio: Box<dyn AudioPort>,
    },
    /// Of a message stream.
    Msrp {
        /// The stream.
        stream: StreamId,
        /// What.
        event: MsrpEvent,
    },
    /// Of an external tool.
    Tool {
        /// The stream.
        stream: StreamId,
        /// What.
        event: ToolEvent,
    },
    /// The stream has ended; its sockets can be closed.
    Stopped {
        /// The stream.
        stream: StreamId,
        /// The figures of its whole life.
        statistics: Box<Statistics>,
    },
}

impl MediaEvent {
    /// The stream that it is about, if it is about one.
    pub(crate) fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Failed { stream, .. }
            | Self::Statistics { stream, .. }
            | Self::GotDtmf { stream, .. }
            | Self::RtpTimeout { stream }
            | Self::Secured { stream, .. }
            | Self::RemoteAddressChanged { stream, .. }
            | Self::Detached { stream, .. }
            | Self::Msrp { stream, .. }
            | Self::Tool { stream, .. }
            | Self::Stopped { stream, .. } => Some(*stream),
            Self::Released { .. } => None,
        }
    }
}

impl fmt::Debug for MediaEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { stream, error } => write!(f, "Failed({stream:?}, {error})"),
            Self::Statistics { stream, .. } => write!(f, "Statistics({stream:?})"),
            Self::GotDtmf { stream, .. } => write!(f, "GotDtmf({stream:?})"),
            Self::RtpTimeout { stream } => write!(f, "RtpTimeout({stream:?})"),
            Self::Secured { stream, suite } => write!(f, "Secured({stream:?}, {suite})"),
            Self::RemoteAddressChanged { stream, .. } => write!(f, "RemoteAddressChanged({stream:?})"),
            Self::Detached { stream, port, .. } => write!(f, "Detached({stream:?}, {port:?})"),
            Self::Released { .. } => f.write_str("Released"),
            Self::Msrp { stream, event } => write!(f, "Msrp({stream:?}, {event:?})"),
            Self::Tool { stream, event } => write!(f, "Tool({stream:?}, {event:?})"),
            Self::Stopped { stream, .. } => write!(f, "Stopped({stream:?})"),
        }
    }
}

/// A packet that the engine wants sent.
#[derive(Debug)]
pub struct MediaDatagram<'a> {
    /// Whose packet it is: which sockets to use.
    pub stream: StreamId,
    /// Which of the two sockets.
    pub component: Component,
    /// Where it goes.
    pub to: SocketAddr,
    /// The packet, valid until the next call of the engine.
    pub bytes: &'a [u8],
}

/// Why a stream cannot run on the media side.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The transport cannot be made from what was negotiated.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The handshake gave no keys, and without them nothing is sent or heard.
    #[error(transparent)]
    Dtls(#[from] DtlsFailure),
    /// The mixer has no room, or cannot take the rate of a port.
    #[error(transparent)]
    Mixer(#[from] MixerError),
}
