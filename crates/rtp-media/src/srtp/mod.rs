//! Secure RTP and RTCP (RFC 3711, 6188, 7714): encrypted and authenticated where the packet lies.
//!
//! [`SrtpSender`] and [`SrtpReceiver`] are one direction each. Who negotiates hands them a [`MasterKey`]: from `crypto`
//! attributes (RFC 4568) or from a DTLS handshake (RFC 5764). The ciphers are the crates `aes`, `sha1` and `ring`; what a
//! packet's index is, what a replay is, and when a key has lived long enough is decided here.
//!
//! What is not there, and is refused when a peer asks for it: AES-192 and f8, NULL ciphers, packets that are only signed or
//! only encrypted, key derivation rates other than zero, master key identifiers.

mod cipher;
mod cm;
mod context;
#[cfg(test)]
mod hex;
mod hmac;
mod key;
mod receiver;
mod replay;
mod sender;
mod suite;
#[cfg(test)]
mod tests;

pub(crate) use context::SrtpContext;
pub use context::SrtpKeys;
pub use key::{KeyLengthError, MasterKey};
pub use receiver::{MAX_SOURCES, SrtpReceiver};
pub use replay::REPLAY_WINDOW;
pub use sender::SrtpSender;
pub use suite::{SrtpSuite, UnknownSuite};

/// Octets that any packet grows by at most.
pub(crate) const MAX_OVERHEAD: usize = 20;

/// Packets that may be sent under one master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLifetime {
    /// RTP packets. Default, and at most, 2^48 (RFC 3711 §9.2).
    pub rtp: u64,
    /// RTCP packets. Default, and at most, 2^31.
    pub rtcp: u64,
}

impl KeyLifetime {
    /// At most what the RFC allows.
    fn bounded(self) -> Self {
        let most = Self::default();
        Self {
            rtp: self.rtp.min(most.rtp),
            rtcp: self.rtcp.min(most.rtcp),
        }
    }
}

impl Default for KeyLifetime {
    fn default() -> Self {
        Self {
            rtp: 1 << 48,
            rtcp: 1 << 31,
        }
    }
}

/// Whether calls are encrypted (the `srtp_encryption` of SIP SIMPLE settings).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SrtpPolicy {
    /// Never: `RTP/AVP` only.
    #[default]
    Off,
    /// Where the peer can: keys are offered and taken, a peer without them is spoken to in the clear.
    Optional,
    /// Always: `RTP/SAVP` only, and no call with a peer that cannot.
    Required,
}

/// Why a packet was not protected, or not taken.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// No packet of this protocol, or shorter than its header and tag.
    #[error("{len} bytes are no packet")]
    Malformed {
        /// Octets of the datagram.
        len: usize,
    },
    /// The tag is not the key holder's: forged, damaged, or protected with another key.
    #[error("authentication failed")]
    Forged,
    /// It was received before, or is too old to know.
    #[error("received before, or too old")]
    Replayed,
    /// An RTCP packet that says it is not encrypted.
    #[error("not encrypted")]
    Unencrypted,
    /// The master key has protected as many packets as it may (RFC 3711 §9.2).
    #[error("the master key has lived out its life")]
    KeyExhausted,
    /// More sources than [`MAX_SOURCES`].
    #[error("more than {MAX_SOURCES} sources under one key")]
    TooManySources,
    /// It came before the keys were agreed on (RFC 5764).
    #[error("there is no key yet")]
    NoKeyYet,
    /// The caller's fault: no room for the tag.
    #[error("packet needs {need} bytes, buffer has {have}")]
    BufferTooSmall {
        /// Octets of the protected packet.
        need: usize,
        /// Octets of the buffer.
        have: usize,
    },
    /// The caller's fault: this sequence number does not follow the last one.
    #[error("sequence number {0} does not follow the last one")]
    SequenceReused(u16),
}
