//! Relays (RFC 4976): how a client gets a place at one, and the relay itself.
//!
//! [`RelayClient`] asks one relay or a chain of them; a session that was given one renews the place on its own
//! connection. [`server::MsrpRelay`] is a relay for any number of connections. Both are plain values.

mod client;
pub mod server;

pub use client::{RelayClient, RelayClientConfig, RelayError, RelayEvent, RelayTarget};
