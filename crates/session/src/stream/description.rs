//! Streams as an application sees them: plain data, as they stood at one moment.

use offhook_sdp::Direction;
use std::fmt;
use std::net::SocketAddr;

/// One stream of a session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StreamDescription {
    /// RTP audio.
    Audio(AudioDescription),
}

impl fmt::Display for StreamDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audio(audio) => write!(f, "{}", audio.describe()),
        }
    }
}

/// The attributes of an `AudioStream`. What is not known yet is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioDescription {
    /// The codec agreed upon: `opus`, `G722`, `PCMU`, `PCMA`.
    pub codec: Option<String>,
    /// Samples a second of the codec's sound.
    pub sample_rate: Option<u32>,
    /// Where we receive media.
    pub local_rtp: Option<SocketAddr>,
    /// Where the other side receives media, by its session description.
    pub remote_rtp: Option<SocketAddr>,
    /// Which way media flows, seen from here.
    pub direction: Direction,
}

impl AudioDescription {
    /// The codec and its rate in words for people, like `opus 48000 Hz`.
    pub fn describe(&self) -> String {
        match (&self.codec, self.sample_rate) {
            (Some(codec), Some(rate)) => format!("{codec} {rate} Hz"),
            _ => "audio, not yet negotiated".to_owned(),
        }
    }
}
