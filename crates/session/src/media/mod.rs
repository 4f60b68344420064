//! Where voices meet: the mixer and the audio transports of all running streams, on one clock.
//!
//! [`MediaEngine`] is a core like any other: packets and time in, packets and events out. In a program the media
//! thread of the driver owns it, so that signalling never delays sound; in a test it runs in virtual time beside the
//! signalling. The rest of the crate reaches it through a [`MediaPlane`]: it opens ports and takes commands.

mod bridge;
mod command;
mod early;
mod engine;
mod msrp;
mod plane;
mod port;
mod rfb;
mod streams;
mod tool;
mod voice;

pub use bridge::{BridgeCommand, StreamBridgeId};
pub use command::{
    Attachment, Component, MediaCommand, MediaDatagram, MediaError, MediaEvent, PortId, StreamId,
};
pub use engine::{MediaConfig, MediaEngine};
pub use msrp::{
    ConnectionRole, FileToReceive, FileToSend, LocalMsrp, MsrpCommand, MsrpEvent, MsrpStart, MsrpTask,
    RelayPlace,
};
pub use plane::{LocalMedia, MediaPlane, OpenError};
pub use rfb::{RFB_PIECE, RFB_PIECES_GIVEN, RFB_PIECES_TOLD, RfbCommand, RfbContext, RfbEvent, RfbTask};
pub use tool::{ToolEvent, ToolStart};
pub use voice::VoiceCommand;
