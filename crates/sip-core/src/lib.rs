//! SIP (RFC 3261): messages, URIs, transactions, dialogs, usages and an endpoint, free of I/O, with a Tokio driver.
//!
//! Layers, each using only those before it: [`uri`] and [`header`] (values) -> [`message`] and [`parse`] (bytes to
//! messages and back) -> [`transaction`] -> [`dialog`] -> usages ([`invitation`], [`registration`]) -> [`endpoint`]. The
//! driver is apart, in the module `tokio`. Below is `offhook-digest` for passwords; nothing here knows DNS, SDP or media.
//!
//! The message layer keeps the bytes it was given: [`Message::parse`] marks what is where in one pass,
//! [`Headers::typed`] reads a header field when it is asked for, and printing repeats what was not touched.
//! [`Request::check`] says before dispatch whether a request must be refused, and with which status.
//!
//! ```
//! use offhook_sip_core::header::{MaxForwards, To};
//! use offhook_sip_core::{Message, ParseOptions, Response, StatusCode};
//!
//! let wire = "OPTIONS sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK1\r\n\
//!     Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=1\r\nTo: <sip:bob@b.test>\r\n\
//!     Call-ID: 1@a.test\r\nCSeq: 7 OPTIONS\r\n\r\n";
//! let options = ParseOptions::default();
//! let Message::Request(request) = Message::parse(wire.into(), &options)? else { unreachable!() };
//! request.check(&options)?;
//! assert_eq!(request.headers().typed::<MaxForwards>(), Some(Ok(MaxForwards(70))));
//!
//! let response = Response::for_request(&request, StatusCode::OK).with_to_tag("2");
//! assert_eq!(response.headers().typed::<To>().unwrap()?.tag(), Some("2"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the message layer implements
//!
//! | RFC | what | |
//! |---|---|---|
//! | 3261 §7, §18.3, §25 | syntax of messages, framing on datagrams and streams | yes |
//! | 3261 §19.1 | SIP and SIPS URIs, escapes, equivalence | yes |
//! | 3261 §20 | header fields: a type for each | yes; Encryption, Hide, Response-Key of RFC 2543 are gone, as RFC 3261 §28 says |
//! | 3261 §7.4.1, 5621, 2046 §5.1 | multipart bodies: split, built, searched, nesting bounded | yes; parts are not decoded from base64, which SIP has no need of |
//! | 4475 | torture messages: all 49 get the verdict of the RFC | yes |
//! | 5118 | torture messages for IPv6 | no test yet; IPv6 references are read |
//! | 5626 §3.5.1 | CRLF keep-alive on streams | yes (framing) |
//! | 3581 | `rport` | yes |
//! | 3966 | `tel:` URIs: grammar, parameters, comparison | yes; a local number without `phone-context` is read |
//! | 3262 | RSeq, RAck | yes |
//! | 3323, 3325, 7315 | Privacy; P-Asserted-, P-Preferred-Identity; P-Associated-URI | yes |
//! | 3326 | Reason | yes |
//! | 3327, 3608 | Path, Service-Route | yes |
//! | 3515, 3892 | Refer-To, Referred-By | yes |
//! | 3840, 3841, 4488, 5373 | Accept-Contact, Reject-Contact, Request-Disposition, Refer-Sub, Answer-Mode | yes |
//! | 5393, 5626, 5806, 6086, 7044, 8262 | Max-Breadth, Flow-Timer, Diversion, Info-Package, Recv-Info, History-Info, Content-ID | yes |
//! | 3891, 3911, 4538 | Replaces, Join, Target-Dialog | yes |
//! | 3903 | SIP-ETag, SIP-If-Match | yes |
//! | 4028 | Session-Expires, Min-SE | yes |
//! | 6665 | Event, Subscription-State, Allow-Events | yes |
//!
//! # What the layers above it implement
//!
//! | RFC | what | |
//! |---|---|---|
//! | 3261 §8 | user agent client and server | partly: redirections (3xx) are told to the owner, not followed |
//! | 3261 §9 | CANCEL | yes |
//! | 3261 §10 | registration, the client's side | yes |
//! | 3261 §11 | OPTIONS | partly: answered, not sent |
//! | 3261 §12 | dialogs: route sets, targets, sequence numbers, forks | yes; inside a dialog a next hop that is a name is reached by the way that the dialog began |
//! | 3261 §13, §14, §15 | INVITE, re-INVITE, BYE | yes |
//! | 3261 §16 | proxies | no |
//! | 3261 §17 | the four transactions | yes |
//! | 3261 §18 | transports | partly: the driver has UDP, TCP, TLS and WebSocket; `maddr` is not obeyed; an ACK for a 2xx goes over UDP however large it is |
//! | 3261 §22, 7616, 8760 | digest, as a client | yes |
//! | 3261 §22 | digest, as a server | no: the owner does it with `offhook-digest` |
//! | 3262, 3311, 4028 | reliable provisional responses, UPDATE, session timers | no, and not announced |
//! | 3263 | lookup | no: `offhook-lookup`; its failover (§4.3) yes |
//! | 3326 | Reason | partly: told to the owner; sent where an ACK is missing |
//! | 3581 | symmetric responses | yes |
//! | 4320 | non-INVITE transactions | yes |
//! | 5626 | outbound | no, but the retry times of §4.5 and, on connections, the keep-alive of §4.4.1 |
//! | 5923 | connection reuse | partly: a peer that began a dialog over its own connection is reached by it; no `alias` |
//! | 5922 | whom a TLS certificate names | yes; the common name does not count |
//! | 5924 | the SIP key usage | yes, for servers |
//! | 7118 | WebSocket, both ends | yes; no HTTP authentication |
//! | 6026 | INVITE transactions with 2xx | yes |
//! | 6141 | re-INVITE | partly: the target is refreshed; no roll-back by UPDATE |

mod auth;
pub mod dialog;
pub mod endpoint;
pub mod header;
pub mod invitation;
pub mod message;
pub mod parse;
pub mod registration;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod transaction;
pub mod uri;

pub use endpoint::{
    Body, Endpoint, EndpointConfig, EndpointEvent, EndpointLimits, Reliability, Route, SendError,
    SessionTimerConfig, TransportFailure,
};
pub use header::{HeaderError, HeaderName, Headers, NameAddr, TypedHeader};
pub use invitation::{
    CommandError, Ending, InvitationEvent, InvitationId, InvitationMut, InvitationState, Invite,
    RedirectPolicy, Refer, ReferralId,
};
pub use message::{Message, Method, Request, Response, StatusClass, StatusCode};
pub use parse::{Limits, ParseError, ParseErrorKind, ParseOptions, Policy};
pub use registration::{Register, RegistrationEvent, RegistrationId, RegistrationState};
pub use transaction::{Timing, TransactionId, TransactionLimits};
pub use uri::{Host, SipUri, Uri, UriError};

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
