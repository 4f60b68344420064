//! What a session needs of the media side, whoever provides it.

use super::{LocalMsrp, MediaCommand, RelayPlace, StreamId};
use offhook_rtp_media::dtls::{CertificateError, DtlsCertificate};
use offhook_sansio::Entropy;
use std::net::{IpAddr, SocketAddr};

/// The way from signalling to media: opens ports, takes commands.
///
/// The driver's plane binds sockets and sends the commands to the media thread; the plane of a test hands out
/// addresses of its simulated network. What comes back are [`MediaEvent`](super::MediaEvent)s, through
/// `SessionManager::handle_media_event`.
pub trait MediaPlane: Send {
    /// The address of ours from which a peer is reached.
    fn local_ip(&mut self, peer: IpAddr) -> Result<IpAddr, OpenError>;

    /// Opens an RTP and an RTCP port at the address from which the peer will be reached.
    fn open(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError>;

    /// Opens an MSRP end at the address from which the peer will be reached; it listens from now on.
    fn open_msrp(&mut self, local: IpAddr) -> Result<LocalMsrp, OpenError>;

    /// Opens an MSRP end at a place of our relay. Refused unless the plane made the place.
    ///
    /// # Errors
    /// When the place is none of its own.
    fn open_msrp_at_relay(&mut self, place: RelayPlace) -> Result<LocalMsrp, OpenError> {
        let _ = place;
        Err(OpenError::NoRelay)
    }

    /// Listens for the VNC viewer that shall show the desktop of a stream of [`open_msrp`](Self::open_msrp); gives where. It
    /// is given up with the stream. Refused unless the plane has sockets.
    ///
    /// # Errors
    /// When the address is not ours, or its port is taken.
    fn open_viewer(&mut self, stream: StreamId, address: SocketAddr) -> Result<SocketAddr, OpenError> {
        let _ = stream;
        Err(OpenError::Viewer {
            address,
            cause: "there are no sockets here".to_owned(),
        })
    }

    /// Keeps a pair of ports for an external tool until [`MediaCommand::StartTool`]. Refused unless the plane can start
    /// programs.
    ///
    /// # Errors
    /// When there are no ports.
    fn open_tool(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        Err(OpenError::System {
            address: local,
            cause: "no programs are started here".to_owned(),
        })
    }

    /// Randomness of its own for a stream that makes keys.
    fn entropy(&mut self) -> Entropy;

    /// Who we are for DTLS-SRTP. A fresh certificate for each stream unless the plane keeps one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    fn certificate(&mut self) -> Result<DtlsCertificate, CertificateError> {
        DtlsCertificate::generate()
    }

    /// Hands a command on. Never blocks; commands arrive in order.
    fn send(&mut self, command: MediaCommand);
}

/// The ports that were opened for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// The stream's name from now on.
    pub stream: StreamId,
    /// Where media is received.
    pub rtp: SocketAddr,
    /// Where reports are received: by custom the next port (RFC 3550 §11).
    pub rtcp: SocketAddr,
}

/// Why no media ports could be opened: the system's fault, or a range that is too small.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// All ports of the configured range are taken.
    #[error("no free pair of media ports on {address} in {first}-{last}: end other calls or widen the range")]
    RangeExhausted {
        /// The address tried.
        address: IpAddr,
        /// The lowest port of the range.
        first: u16,
        /// The highest port of the range.
        last: u16,
    },
    /// The system knows no way to the peer.
    #[error("{peer} cannot be reached from this machine: {cause}")]
    NoWay {
        /// The peer.
        peer: IpAddr,
        /// What the system said.
        cause: String,
    },
    /// The place at a relay is none that can be used here.
    #[error("there are no relays for messages here")]
    NoRelay,
    /// A VNC viewer cannot be waited for there.
    #[error("cannot wait for a VNC viewer at {address}: {cause}")]
    Viewer {
        /// The address wanted.
        address: SocketAddr,
        /// What the system said.
        cause: String,
    },
    /// The system refused for another reason.
    #[error("cannot open media ports on {address}: {cause}")]
    System {
        /// The address tried.
        address: IpAddr,
        /// What the system said.
        cause: String,
    },
}
