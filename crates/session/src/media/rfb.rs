//! What desktop streams and the media side say to each other: RFB data (RFC 6143), which nobody here looks into.

use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

/// The most that one [`RfbEvent::Data`] carries, in bytes.
pub const RFB_PIECE: usize = 16 * 1024;

/// How many [`RfbEvent::Data`] may be told that were not [taken](RfbCommand::Taken): with so many of them the peer has to wait.
pub const RFB_PIECES_TOLD: usize = 64;

/// How many [`RfbCommand::Send`] may be given that were not [passed on](RfbEvent::Sent).
pub const RFB_PIECES_GIVEN: usize = 64;

/// Where the RFB data of a desktop stream goes to and comes from on this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RfbTask {
    /// The application, by commands and events.
    Application,
    /// A VNC viewer, which connects to the address that was opened by
    /// [`MediaPlane::open_viewer`](super::MediaPlane::open_viewer) within this time.
    Viewer(Duration),
    /// A VNC server.
    Server {
        /// Where it listens: `host:port`, which is looked up.
        address: String,
        /// How long it may take to be connected.
        timeout: Duration,
    },
}

/// What a desktop stream wants of the media side. Only with [`RfbTask::Application`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RfbCommand {
    /// Send this to the peer. [`RfbEvent::Sent`] tells when it was passed on.
    Send(Bytes),
    /// One [`RfbEvent::Data`] was taken by the application.
    Taken,
}

/// What the media side tells of a desktop stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RfbEvent {
    /// The VNC viewer or server is connected.
    Connected {
        /// Where it is.
        address: SocketAddr,
    },
    /// Data came from the peer.
    Data(Bytes),
    /// One [`RfbCommand::Send`] was passed on to the connection.
    Sent,
    /// The VNC viewer or server is gone, or never came.
    Failed {
        /// Doing what.
        context: RfbContext,
        /// Why, in words for a person.
        reason: String,
    },
}

/// What was being done with a VNC viewer or server when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RfbContext {
    /// Connecting.
    Connecting,
    /// Reading from it.
    Reading,
    /// Sending to it.
    Sending,
}
