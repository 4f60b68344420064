//! Sessions and their media streams: where signalling and media meet.
//!
//! This is the first layer at which SIP and RTP know of each other. [`SessionManager`] stands on the SIP endpoint of
//! `offhook-sip-core` and turns what happens to an invitation into a [`Session`] with [`SessionEvent`]s; its
//! [`AudioStream`]s negotiate with `offhook-sdp` and run in a [`media::MediaEngine`], where the transports of
//! `offhook-rtp-media` meet the mixer of `offhook-audio-mixer`.
//!
//! Both halves are plain values without I/O; the module `tokio` (feature `tokio`) drives them: signalling in a task,
//! media on a thread of its own.
//!
//! # Standards
//!
//! | RFC | what | state |
//! |---|---|---|
//! | 3261 §13-15 | calls, their refusal and their end | yes |
//! | 3264, 6337 | offer and answer in INVITE, re-INVITE and ACK | yes: any number of streams, added and removed while the session runs |
//! | 3264 §8.4 | hold, by direction and by the unspecified address | yes |
//! | 3264 §8.3.2 | other codecs for a running stream | yes, asked for by either side |
//! | 4975, 6135, 6714 | [`ChatStream`] over MSRP, either side connecting | yes, by `offhook-msrp`: over TLS between fingerprints, or TCP |
//! | 4976 | [`ChatStream`], [`FileTransferStream`] and [`DesktopSharingStream`] through relays, by `tokio::MsrpRelay` | yes: places that a relay moves while a session runs are not offered anew |
//! | 3862, 3994 | CPIM in chats; who is writing | yes |
//! | 5547 | [`FileTransferStream`], pushed and pulled, checked by hash, resumed | partly: ranges to the end of the file only, no icons, no dates |
//! | 6143 | [`DesktopSharingStream`]: RFB as messages, for VNC programs or the application's own | carried, and not looked into |
//! | 3551, 3264 §6.2 | [`ExternalMediaStream`]: RTP of a tool of its own, to one or to a group | negotiated; the tool sends and receives |
//! | 3665 | basic call flows | partly: success, busy, no answer, cancel |
//! | 4568, 8643 | keys of SRTP in the description; encryption where both can | partly: one key a line, none of the session parameters that change what is protected |
//! | 3515, 3892, 5589 | transfers, blind and attended: asking, asked, and replaced | yes: one at a time for each session |
//! | 3960 §3 | early media, when we call | partly: heard, never sent; of several branches the last is heard |
//! | 3891 | Replaces | yes: the application decides whether it is accepted |
//! | 3261 §8.1.3.4 | redirection, sent and followed | yes: followed where the configuration says so |
//! | 4961 | symmetric RTP | yes, by `offhook-rtp-media` |

pub mod media;

mod error;
mod event;
mod manager;
mod session;
mod state;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use error::SessionError;
pub use event::{NoSuchStream, RenegotiationAction, SessionEvent, Stamped, Streams};
pub use manager::{ManagerEvent, SessionConfig, SessionManager};
pub use offhook_sdp::{Direction, MediaKind, RtpFormat};
pub use session::{Connect, Session, SessionId};
pub use state::{Originator, SessionDirection, SessionState, SessionTrigger};
pub use stream::{
    Agreed, AudioDescription, AudioEvent, AudioStream, ChatDescription, ChatEvent, ChatMessage, ChatStream,
    Composing, DesktopSharingDescription, DesktopSharingEvent, DesktopSharingHandler, DesktopSharingStream,
    DtmfMethod, ExternalMediaStream, FileSelector, FileTransferDescription, FileTransferEvent,
    FileTransferStream, MediaStream, MediaStreamRegistry, MsrpEnd, MsrpReach, MsrpTransport,
    OtherDescription, Parties, RecordedParties, RfbRole, RtpTransport, RtpTransportError, RtpTransportState,
    SecurityError, StreamContext, StreamDescription, StreamError, StreamEvent, StreamKind, StreamSettings,
    ToolCommand, ToolCommandError, recording_name,
};

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
