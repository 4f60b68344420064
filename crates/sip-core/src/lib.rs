//! SIP (RFC 3261): messages, URIs, transactions, dialogs, usages and an endpoint, free of I/O, with a Tokio driver.
//!
//! Layers, each using only those before it: [`uri`] and [`header`] (values) -> [`message`] and [`parse`] (bytes to
//! messages and back) -> [`transaction`] -> [`dialog`] -> usages ([`invitation`], [`registration`], [`publication`],
//! [`subscription`], [`notifier`], [`pager`], [`ask`]) -> [`endpoint`]. The
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
//! | 3261 §8 | user agent client and server | yes; redirections (3xx) are followed where the owner wants it and no lookup is needed |
//! | 3261 §9 | CANCEL | yes |
//! | 3261 §8.2.7 | answers without a transaction | yes: to OPTIONS, where [`EndpointConfig::stateless_options`] is set |
//! | 3261 §10 | registration, the client's side | yes |
//! | 3261 §11 | OPTIONS, asked and answered | yes |
//! | 3261 §12 | dialogs: route sets, targets, sequence numbers, forks | yes; inside a dialog a next hop that is a name is reached by the way that the dialog began |
//! | 3261 §13, §14, §15 | INVITE, re-INVITE, BYE | yes |
//! | 3261 §16 | proxies | no; [`Request::take_hop`] counts hops for who forwards, with 483 |
//! | 3261 §17 | the four transactions | yes |
//! | 3261 §18 | transports | partly: the driver has UDP, TCP, TLS and WebSocket; `maddr` is not obeyed; an ACK for a 2xx goes over UDP however large it is |
//! | 3261 §22, 7616, 8760 | digest, as a client | yes |
//! | 3261 §22 | digest, as a server | no: the owner does it with `offhook-digest` |
//! | 3262 | reliable provisional responses | yes, both sides, by [`Reliability`] |
//! | 3311 | UPDATE | yes, both sides, early and established |
//! | 3263 | lookup | no: `offhook-lookup`; its failover (§4.3) yes |
//! | 3326 | Reason | yes: told to the owner, given by him, and sent where an ACK or a refresh is missing |
//! | 3515, 4488, 3892 | REFER with its subscription, inside and outside of calls | yes, both roles |
//! | 3891 | Replaces | yes: matched, and the call that it names is ended by acceptance |
//! | 4028 | session timers | yes, as either refresher |
//! | 5057 | several usages in a dialog | yes: a BYE ends the call, referrals live on; failures reach as far as §5.1 says |
//! | 5407 | race conditions | yes: the state machine (§2), the races (§3) and the appendices, one test each |
//! | 6086 | INFO | yes; and the old use for keys |
//! | 3581 | symmetric responses | yes |
//! | 4320 | non-INVITE transactions | yes |
//! | 3327, 3608 | Path and Service-Route of a registration | yes: told; [`Route::with_service_route`] uses them |
//! | 3428 | MESSAGE, one on its way to each target | yes |
//! | 3903 | PUBLISH, the publisher's side | yes |
//! | 5057 | several usages in one dialog | partly: a dialog knows all its usages; a SUBSCRIBE for one more inside a dialog is refused with 403 (RFC 6665 §4.5.2) |
//! | 5626 | outbound, the client's side | yes: instance and flow ids, 439, keep-alives by CRLF and STUN as Flow-Timer says, the flow that fails is replaced, with the retry times of §4.5 for one flow and for several. On the server's side STUN is answered where `outbound` is in [`EndpointConfig::supported`] |
//! | 5627 | GRUU, the client's side | yes: asked for, told, kept through failures, and our Contact where that is wanted: in anonymous calls the temporary one |
//! | 3323 | anonymous calls | yes, the caller's side: [`Invite::is_anonymous`] |
//! | 6665 | subscriptions, both sides | yes |
//! | 5923 | connection reuse | yes: `alias` is said over TLS, and that of a peer counts for the names that its certificate has, as [`ConnectionReuse`] says; a peer that began a dialog over its own connection is reached by it |
//! | 5922 | whom a TLS certificate names | yes; the common name does not count |
//! | 5924 | the SIP key usage | yes, for servers |
//! | 7118 | WebSocket, both ends | yes; no HTTP authentication |
//! | 6026 | INVITE transactions with 2xx | yes |
//! | 6141 | re-INVITE | yes: the target is refreshed with the request; what both sides agreed upon within it is not refused any more, and a peer that refuses it all the same is told to the owner |
//! | 6337 | offer and answer | yes: counted for each dialog; glare is refused with 491 and met by waiting |

pub mod ask;
mod auth;
mod client;
pub mod dialog;
pub mod endpoint;
mod event_packages;
pub mod flow;
pub mod header;
pub mod invitation;
pub mod message;
pub mod notifier;
pub mod pager;
pub mod parse;
pub mod publication;
pub mod registration;
pub mod subscription;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod transaction;
pub mod uri;

pub use ask::{Ask, AskError, AskEvent, AskId};
pub use endpoint::{
    Body, ConnectionReuse, Endpoint, EndpointConfig, EndpointEvent, EndpointLimits, ReceivedMessage,
    Reliability, Route, SendError, SessionTimerConfig, TransportFailure,
};
pub use event_packages::{EventPackageError, EventPackages};
pub use flow::KeepAlive;
pub use header::{HeaderError, HeaderName, Headers, NameAddr, TypedHeader};
pub use invitation::{
    CommandError, Ending, InvitationEvent, InvitationId, InvitationMut, InvitationState, Invite,
    RedirectPolicy, Refer, ReferralId,
};
pub use message::{Message, Method, Request, Response, StatusClass, StatusCode};
pub use notifier::{
    IncomingSubscriptionEvent, IncomingSubscriptionId, IncomingSubscriptionMut, IncomingSubscriptionState,
    NotifyError, TerminationReason,
};
pub use pager::{MessageError, MessageEvent, MessageId, PagerMessage};
pub use parse::{Limits, ParseError, ParseErrorKind, ParseOptions, Policy};
pub use publication::{
    PublicationEvent, PublicationId, PublicationMut, PublicationState, Publish, PublishError,
};
pub use registration::{Granted, Register, RegistrationEvent, RegistrationId, RegistrationState};
pub use subscription::{
    Subscribe, SubscribeError, SubscriptionEvent, SubscriptionId, SubscriptionMut, SubscriptionState,
};
pub use transaction::{Timing, TransactionId, TransactionLimits};
pub use uri::{Host, SipUri, Uri, UriError};

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
