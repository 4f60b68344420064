//! Session descriptions (RFC 8866) as types, and the offer/answer model (RFC 3264).
//!
//! A leaf of the workspace: pure values, no I/O, no clock, no dependency on another Offhook crate. `session` and
//! `rtp-media` stand on it.
//!
//! [`SessionDescription`] is read from bytes with [`parse`](SessionDescription::parse) and written with `Display`.
//! Attributes keep their order, unknown ones too; typed views ([`Attributes::rtpmaps`], [`Media::rtp_formats`],
//! [`Media::media_address`], ...) read them when asked, and [`Attributes::get`] reads any type of [`attribute`]. [`offer_answer::Negotiation`] drives the exchanges of a
//! session.
//!
//! ```
//! use offhook_sdp::{Direction, SessionDescription};
//!
//! let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
//!             m=audio 49170 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n";
//! let session = SessionDescription::parse(text.as_bytes())?;
//! let audio = &session.media[0];
//! assert_eq!(audio.media_address(&session), Some("192.0.2.10:49170".parse()?));
//! assert_eq!(audio.direction(&session), Direction::SendOnly);
//! assert_eq!(audio.rtp_formats()[0].encoding, "PCMU");
//! assert_eq!(session.to_string(), text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Standards
//!
//! | RFC | what | state |
//! |---|---|---|
//! | 8866, 4566 | the text, `rtpmap`, `fmtp`, `ptime`, `maxptime`, directions | yes; multicast suffixes of `c=` are kept as text |
//! | 3264 | offer/answer | yes: exchanges, versions, directions, formats, streams added, removed and recycled, stable payload types; no capability sets (§9) |
//! | 4317 | its examples | all, in the tests |
//! | 3551 §6 | static audio payload types | yes |
//! | 3605, 5761 §5.1.1 | `rtcp`, `rtcp-mux` | yes |
//! | 4733 §2.4, 7587 §6-7, 3952 §5 | telephone events, Opus and iLBC in offers and answers | yes |
//! | 4145, 5763, 6135 | `setup` and `connection`, with the roles of answers | yes |
//! | 4568, 6188, 7714 | `crypto` with keys, lifetimes, identifiers and session parameters | yes |
//! | 8122 | `fingerprint` | yes |
//! | 4585, 5104 | `rtcp-fb` | yes |
//! | 5506, 5761 | `rtcp-rsize`, `rtcp-mux` | yes |
//! | 8839, 8840, 6544 | `candidate`, `remote-candidates`, `ice-ufrag`, `ice-pwd`, `ice-options`, `ice-lite`, `end-of-candidates` | yes |
//! | 5576 | `ssrc`, `ssrc-group` | yes |
//! | 5888 | `mid`, `group` | yes |
//! | 9143 | BUNDLE | yes, by policy: offered, answered, kept, with members refused; the caller keeps payload types apart (§9.1) |
//! | 8285 | `extmap` | yes |
//! | 4975, 6714, 7701 | `path`, `accept-types`, `accept-wrapped-types`, `max-size`, `msrp-cema`, `chatroom` | yes |
//! | 5547 | `file-selector`, `-transfer-id`, `-disposition`, `-date`, `-icon`, `-range` | yes |
//! | 3611 §5.1 | `rtcp-xr` | yes |
//! | 4574, 4796 | `label`, `content` | yes |
//! | any other | unknown attributes | kept and written back |

mod bandwidth;
mod connection;
mod error;
mod format;
mod formats;
mod limits;
mod media;
mod origin;
mod parse;
mod protocol;
mod session;
mod text;
mod timing;
mod value;
mod write;

pub mod attribute;
pub mod offer_answer;

pub use attribute::{Attribute, Attributes, Direction};
pub use bandwidth::Bandwidth;
pub use connection::Connection;
pub use error::{ParseError, ParseErrorKind};
pub use format::{IlbcMode, MalformedEvents, OpusParameters, RtpFormat, TelephoneEvents};
pub use formats::Formats;
pub use limits::{Limits, ParseOptions, Policy};
pub use media::{HoldStyle, Media, MediaKind};
pub use origin::Origin;
pub use protocol::Protocol;
pub use session::SessionDescription;
pub use text::Text;
pub use timing::{Repeat, Timing, ZoneAdjustment};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
