//! Streams as an application sees them: plain data, as they stood at one moment.

use super::{FileSelector, MsrpTransport, RfbRole};
use offhook_rtp_media::srtp::SrtpSuite;
use offhook_sdp::Direction;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One stream of a session, or one that is proposed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StreamDescription {
    /// RTP audio.
    Audio(AudioDescription),
    /// Session chat.
    Chat(ChatDescription),
    /// One file.
    FileTransfer(FileTransferDescription),
    /// A desktop that one side sees of the other.
    DesktopSharing(DesktopSharingDescription),
    /// A stream of the application's own, or of a kind that is unknown here.
    Other(OtherDescription),
}

impl StreamDescription {
    /// Its kind, in a word for a person.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Audio(_) => "audio",
            Self::Chat(_) => "chat",
            Self::FileTransfer(_) => "file transfer",
            Self::DesktopSharing(_) => "desktop",
            Self::Other(_) => "media",
        }
    }
}

impl fmt::Display for StreamDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audio(audio) => write!(f, "{}", audio.describe()),
            Self::Chat(_) => f.write_str("chat"),
            Self::FileTransfer(file) => write!(f, "{}", file.describe()),
            Self::DesktopSharing(desktop) => f.write_str(desktop.describe()),
            Self::Other(other) => write!(f, "{} over {}", other.kind, other.protocol),
        }
    }
}

/// The attributes of an `AudioStream`. What is not known yet is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioDescription {
    /// The codec agreed upon: `opus`, `G722`, `PCMU`, `PCMA`, `iLBC`, `GSM`.
    pub codec: Option<String>,
    /// Samples a second of the codec's sound.
    pub sample_rate: Option<u32>,
    /// Where we receive media.
    pub local_rtp: Option<SocketAddr>,
    /// Where the other side receives media, by its session description.
    pub remote_rtp: Option<SocketAddr>,
    /// Which way media flows, seen from here.
    pub direction: Direction,
    /// What encrypts it; `None` when it flows in the clear.
    pub encryption: Option<SrtpSuite>,
    /// The file that it is recorded to at present.
    pub recording: Option<PathBuf>,
}

impl AudioDescription {
    /// The codec and its rate in words for people, like `opus 48000 Hz`.
    pub fn describe(&self) -> String {
        let encrypted = if self.encryption.is_some() {
            ", encrypted"
        } else {
            ""
        };
        match (&self.codec, self.sample_rate) {
            (Some(codec), Some(rate)) => format!("{codec} {rate} Hz{encrypted}"),
            _ => "audio, not yet negotiated".to_owned(),
        }
    }
}

/// The attributes of a [`ChatStream`](super::ChatStream).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatDescription {
    /// Media types that the other side takes (`a=accept-types`); empty while they are not known.
    pub remote_accept_types: Vec<String>,
    /// Media types that it takes inside of CPIM (`a=accept-wrapped-types`).
    pub remote_accept_wrapped_types: Vec<String>,
    /// What the other side has as a chat room: `nickname`, `private-messages` and others (RFC 7701 §8). `None` where it is
    /// none.
    pub chatroom: Option<Vec<String>>,
    /// What its connection runs over, or will.
    pub transport: MsrpTransport,
}

/// The attributes of a [`FileTransferStream`](super::FileTransferStream).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTransferDescription {
    /// Which file.
    pub selector: FileSelector,
    /// True when it comes to us.
    pub is_incoming: bool,
    /// Where it lies here, once that is known.
    pub path: Option<PathBuf>,
    /// What its connection runs over, or will.
    pub transport: MsrpTransport,
}

impl FileTransferDescription {
    /// In words for people, like `file report.pdf, 12345 bytes`.
    pub fn describe(&self) -> String {
        let name = self.selector.name.as_deref().unwrap_or("without a name");
        match self.selector.size {
            Some(size) => format!("file {name}, {size} bytes"),
            None => format!("file {name}"),
        }
    }
}

/// The attributes of a [`DesktopSharingStream`](super::DesktopSharingStream).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesktopSharingDescription {
    /// What we are, or shall be: the viewer sees the other side's desktop.
    pub role: RfbRole,
    /// Where a VNC viewer is waited for, of the handler that does so.
    pub viewer_address: Option<SocketAddr>,
    /// What its connection runs over, or will.
    pub transport: MsrpTransport,
}

impl DesktopSharingDescription {
    /// In words for people.
    pub fn describe(&self) -> &'static str {
        match self.role {
            RfbRole::Viewer => "the other side's desktop",
            RfbRole::Server => "our desktop",
        }
    }
}

/// A stream of which only its media section is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherDescription {
    /// `video`, `application`, ...
    pub kind: String,
    /// `RTP/AVP`, `TCP/MSRP`, ...
    pub protocol: String,
}
