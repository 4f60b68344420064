//! RTP and RTCP, an adaptive jitter buffer, and audio codecs: an [`AudioTransport`] eats packets and makes them.
//!
//! This crate lies above `offhook-sansio` only and knows nothing of SIP or SDP: whoever negotiated fills an
//! [`AudioConfig`], whoever owns sockets and a clock drives it. No socket, clock, thread or global random generator is
//! in here, so a call can be fuzzed, and two of them run against each other in virtual time.
//!
//! # Three clocks
//!
//! - *Now*, an [`Instant`](std::time::Instant) given with each call, says when packets came and when to report.
//! - *Media time* counts ticks of a payload's RTP clock: packets are put in order and played by it. The jitter buffer
//!   knows no other; it is told how many ticks have passed.
//! - *Wall clock*, a [`WallClock`](offhook_sansio::WallClock) given once, dates sender reports.
//!
//! # From socket to ear, and back
//!
//! A datagram goes through [`AudioTransport::handle_rtp`], which checks its address, payload type and source, into the
//! [`jitter::JitterBuffer`]. [`AudioTransport::read`] pulls what is due, decodes it or [conceals](codec::Decoder::conceal)
//! what is missing, and makes speech a period longer or shorter where the delay or the sender's clock asks for it.
//! [`AudioTransport::write`] gathers captured audio, encodes and frames it in the buffer that
//! [`AudioTransport::poll_transmit`] lends out. Once warm, none of this allocates, locks, or logs above trace.
//!
//! ```
//! use offhook_rtp_media::codec::AudioCodec;
//! use offhook_rtp_media::{AudioConfig, AudioTransport, Playout};
//! use offhook_sansio::{Entropy, WallClock};
//! use std::time::{Duration, Instant};
//!
//! let (alice, bob) = ("192.0.2.1:4000".parse()?, "192.0.2.2:4000".parse()?);
//! let mut now = Instant::now();
//! let clock = WallClock::new(now, Duration::from_hours(500_000));
//! let codec = AudioCodec::Pcmu;
//! let mut from = AudioTransport::new(AudioConfig::new(codec, bob), now, clock, Entropy::from_number(1))?;
//! let mut to = AudioTransport::new(AudioConfig::new(codec, alice), now, clock, Entropy::from_number(2))?;
//!
//! let mut playout = Playout::Silence;
//! for _ in 0..5 {
//!     from.write(now, &[1000; 160]);
//!     while let Some(transmit) = from.poll_transmit() {
//!         to.handle_rtp(now, alice, &mut transmit.bytes.to_vec());
//!     }
//!     let mut heard = [0; 160];
//!     playout = to.read(now, &mut heard);
//!     now += Duration::from_millis(20);
//! }
//! assert_eq!(playout, Playout::Voice);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Standards
//!
//! | document | covered |
//! |---|---|
//! | RFC 3550, RTP and RTCP | partly: all but mixers, translators and sessions of more than two |
//! | RFC 3264 §6.1, several formats | yes: the payload type decides per packet |
//! | RFC 3551, audio profile | partly: PCMU, PCMA, G722, GSM, and L16 at rates that fill 10 ms |
//! | RFC 3951, iLBC | yes: both modes, enhancer and concealment |
//! | RFC 3952, RTP payload for iLBC | partly: frames of one mode per packet, no more than 120 ms; no files |
//! | RFC 4585, feedback | partly: headers are read, no feedback is sent |
//! | RFC 4733, telephone-event | partly: digits, sent and heard; no tones and no other events |
//! | RFC 4961, symmetric RTP | yes: guarded, see [`PROOF`] and [`SILENCE`] |
//! | RFC 5506, reduced-size RTCP | partly: accepted; of ours, what applications say |
//! | RFC 5761, RTP and RTCP on one port | yes |
//! | RFC 7587, RTP payload for Opus | partly: one channel is sent; two are heard as their middle |
//! | RFC 8285, header extensions | partly: passed over |
//! | ITU-T Q.23, Q.24, DTMF tones | yes: sent and heard where telephone-event was not agreed |
//! | ITU-T G.107, E-model | partly: codec, random loss and delay; see [`CallQuality`] |
//! | ITU-T G.711, A-law and µ-law | yes |
//! | ETSI EN 300 961, GSM full rate | yes |
//! | ITU-T G.722 | partly: 64 kbit/s |
//! | RFC 3711, SRTP | partly: AES-CM with HMAC-SHA1, encrypted and authenticated; no f8, no MKI, no key derivation rate |
//! | RFC 6188, AES-256 for SRTP | partly: 256 bits, not 192 |
//! | RFC 7714, AES-GCM for SRTP | yes: packets that are only authenticated are refused |
//! | RFC 3389, comfort noise | yes: sent where it was agreed and silence detection is on, and made of what comes |
//! | RFC 3611, extended reports | partly: metrics of voice calls, sent where they are wished for, and understood |
//! | RFC 5763, 5764, 6347, DTLS-SRTP | partly: DTLS 1.2 with certificates; the timer of retransmission does not double |
//! | RFC 7983, what shares a port | partly: DTLS and media are told apart, STUN is dropped |
//! | RFC 8122, fingerprints | yes: SHA-256, SHA-384, SHA-512 |
//! | RFC 8445 | no |
//!
//! # RTP bleed
//!
//! Whoever follows the address that packets come from can be made to send its audio to a stranger. Here an unexpected
//! address is neither heard nor sent to before it has sent [`PROOF`] packets in sequence while the expected one was
//! silent for [`SILENCE`] (or was never heard); an address once heard gives way only to its own SSRC. A stranger who is
//! first, or sees the packets, can still win: only [SRTP](srtp) shuts him out, for it is checked before anything else. With
//! keys by [DTLS](dtls), the address from which the peer proved its certificate is believed at once.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod codec;
mod demultiplex;
pub mod dtls;
pub mod dtmf;
mod ids;
pub mod jitter;
pub mod packet;
pub mod rtcp;
mod session;
pub mod srtp;
mod stream;
mod time;

pub use demultiplex::PacketKind;
pub use ids::{PayloadType, Ssrc};
pub use session::{CallQuality, DropCounts, Impairment, PROOF, RemoteReport, SILENCE, Statistics};
pub use stream::{
    AudioConfig, AudioError, AudioEvent, AudioTransport, Direction, MAX_OTHERS, MediaKind, MediaTransmit,
    OtherCodec, OtherEvents, Playout, SilenceDetection, SrtpKeying,
};
