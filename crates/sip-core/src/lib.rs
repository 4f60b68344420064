//! SIP (RFC 3261): messages, URIs, transactions, dialogs, usages and an endpoint, free of I/O, with a Tokio driver.
//!
//! The lowest layer is the message: [`Message::parse`] keeps the bytes it was given and marks what is where;
//! [`Headers::typed`] reads a header field when it is asked for; printing repeats what was not touched.

pub mod dialog;
pub mod endpoint;
pub mod header;
pub mod invitation;
pub mod message;
pub mod parse;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod transaction;
pub mod uri;

pub use endpoint::{Body, Endpoint, EndpointConfig, EndpointEvent, EndpointLimits, Route, SendError};
pub use header::{HeaderError, HeaderName, Headers, NameAddr, TypedHeader};
pub use invitation::{CommandError, InvitationEvent, InvitationId, InvitationMut, InvitationState, Invite};
pub use message::{Message, Method, Request, Response, StatusClass, StatusCode};
pub use parse::{Limits, ParseError, ParseErrorKind, ParseOptions, Policy};
pub use transaction::{Timing, TransactionId, TransactionLimits};
pub use uri::{Host, SipUri, Uri, UriError};
