//! RTP and RTCP (RFC 3550), jitter buffer and audio codecs as plain values.

pub mod codec;
pub mod dtmf;
mod ids;
pub mod jitter;
pub mod packet;
pub mod rtcp;
mod session;
mod stream;
mod time;

pub use ids::{PayloadType, Ssrc};
pub use session::{DropCounts, PROOF, RemoteReport, SILENCE, Statistics};
pub use stream::{
    AudioConfig, AudioError, AudioEvent, AudioTransport, Direction, MediaKind, MediaTransmit, Playout,
};
