//! MSRP (RFC 4975): the protocol that carries session chat and files, free of I/O.
//!
//! Layers, each using only those before it: [`uri`] (URIs and paths) -> [`chunk`] (heads, header values, end-lines) ->
//! [`framer`] (a stream to chunks, bodies in pieces as they arrive; [`segment`] makes values of them) -> [`session`] (messages in both directions,
//! transactions, reports) -> [`connection`] (one session, or several that share it). The driver is apart, in the module `tokio`. Below is only `offhook-sansio`; nothing here knows
//! SIP or SDP: paths come and go as text.
//!
//! Two sessions that talk without a network:
//!
//! ```
//! use bytes::Buf;
//! use offhook_msrp::framer::Framer;
//! use offhook_msrp::{MsrpSession, OutgoingMessage, SessionConfig, SessionEvent};
//! use offhook_sansio::Entropy;
//! use std::time::Instant;
//!
//! fn carry(now: Instant, from: &mut MsrpSession, to: &mut MsrpSession) {
//!     while let Some(mut burst) = from.poll_transmit(now) {
//!         let len = burst.remaining();
//!         to.input().extend_from_slice(&burst.copy_to_bytes(len));
//!         to.handle_input(now);
//!     }
//! }
//!
//! let now = Instant::now();
//! let (a, b): (offhook_msrp::MsrpPath, offhook_msrp::MsrpPath) =
//!     ("msrp://a.test:7654/jshA7we;tcp".parse()?, "msrp://b.test:7777/iau39;tcp".parse()?);
//! let mut alice = MsrpSession::connected(now, SessionConfig::new(a.clone(), b.clone()), Entropy::from_number(1));
//! let framer = Framer::new(Default::default());
//! let mut bob = MsrpSession::accepted(now, SessionConfig::new(b, a), Entropy::from_number(2), framer, None);
//!
//! alice.send(OutgoingMessage::new("text/plain", "Hi!"))?;
//! for _ in 0..3 {
//!     carry(now, &mut alice, &mut bob);
//!     carry(now, &mut bob, &mut alice);
//! }
//! let heard: Vec<_> = std::iter::from_fn(|| bob.poll_event()).collect();
//! assert!(matches!(&heard[1], SessionEvent::Message(message) if message.body == "Hi!"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | RFC | what | |
//! |---|---|---|
//! | 4975 §5.4 | connections, bound to sessions by the first SEND of each; shared by several sessions | yes ([`connection`]) |
//! | 4975 §6 | URIs and their comparison | yes |
//! | 4975 §7.1, §9 | heads, header fields, framing, end-lines | yes |
//! | 4975 §7.1.1 | chunks, interruption, fair queue, 30 s timer | yes |
//! | 4975 §7.1.2-§7.1.4, §7.3.2 | reports | yes |
//! | 4975 §7.2, §7.3, §10 | responses, requests, reassembly | yes |
//! | 4975 §14.2, §14.4, 8122 | TLS, certificates of one's own making by fingerprint | yes (feature `tls`, [`fingerprint`]) |
//! | 4976 | relays | yes: client ([`relay::RelayClient`]) and relay ([`relay::server`]), SRV by a resolver that is handed in; relays know each other by TLS |
//! | 6135 | connection direction by `a=setup` | yes ([`setup`]): the decisions; SDP is the owner's |
//! | 6714 | matching by session id alone, CEMA | yes ([`session::PathMatching`], [`setup::Anchor`]) |
//! | 3862 | CPIM: wrap and unwrap to the octet, namespaces, languages, dates | yes ([`cpim`]); what Require names is told, not enforced |
//! | 5438 | IMDN | yes: the header fields in CPIM, the documents, who is to be told what ([`cpim::imdn`]); when to tell it is the owner's |
//! | 7701 §7 | NICKNAME | yes ([`nickname`]); who may have which name is the chat room's |

pub mod chunk;
pub mod connection;
pub mod cpim;
mod discarded;
mod end_line;
pub mod fingerprint;
pub mod framer;
mod message;
pub mod nickname;
mod outbound;
mod parts;
mod ranges;
pub mod relay;
pub mod segment;
pub mod session;
pub mod setup;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod trace;
mod transaction;
pub mod uri;

pub use session::{MsrpSession, OutgoingMessage, SessionConfig, SessionEvent};
pub use uri::{MsrpPath, MsrpUri, UriError};
