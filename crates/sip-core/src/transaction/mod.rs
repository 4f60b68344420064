//! Transactions: a request with its responses, made reliable over UDP (RFC 3261 §17, RFC 6026, RFC 4320).
//!
//! Four small machines, one file each, say what to do; [`Transactions`] holds many of them, finds the one that a
//! message belongs to, and does it. The user of a transaction (RFC 3261 calls it TU) is the
//! endpoint, or your own proxy.

mod client_invite;
mod client_other;
mod event;
mod hop;
mod id_map;
mod key;
mod machine;
mod schedule;
mod server_invite;
mod server_other;
mod table;
mod timing;

pub use event::{Incoming, RequestError, RespondError, TransactionEvent, TransactionId, TransactionLimits};
pub use key::{EssentialError, Essentials};
pub use machine::Failure;
pub use table::Transactions;
pub use timing::Timing;

pub(crate) use hop::{cancel_for, reply_path};
pub(crate) use id_map::IdMap;
pub(crate) use schedule::Schedule;
