//! The driver: sockets, timers and a task around a core, on Tokio (feature `tokio`).
//!
//! One task owns one core. A [`Handle`] runs closures on it, and its events come out of a bounded channel. The
//! driver knows of the core only the [`Core`] verbs, so that layers above, whose own cores contain an
//! [`Endpoint`], are driven by the same code.
//!
//! ```no_run
//! use offhook_sip_core::tokio::{Driver, Transports, system_entropy};
//! use offhook_sip_core::{Endpoint, EndpointConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut transports = Transports::new();
//! let address = transports.bind_udp("127.0.0.1:5060".parse()?)?;
//! transports.bind_tcp(address)?;
//! let mut endpoint = Endpoint::new(EndpointConfig::default(), system_entropy()?);
//! for (transport, address) in transports.locals() {
//!     endpoint.add_local(transport, address);
//! }
//! let (handle, mut events) = Driver::spawn(endpoint, transports);
//! while let Some(event) = events.recv().await {
//!     println!("{event:?}");
//! }
//! handle.stop().await?;
//! # Ok(()) }
//! ```

mod changes;
mod connection;
mod connection_config;
mod connections;
mod driver;
mod handle;
mod listener;
mod local;
mod protocol;
mod sources;
#[cfg(feature = "tls")]
mod tls;
mod transports;
mod udp;
mod unreachable;
mod watch;
#[cfg(feature = "websocket")]
mod websocket;

pub use connection_config::ConnectionConfig;
pub use driver::{Core, Driver, DriverConfig};
pub use handle::{DriverGone, Handle, PostError, WeakHandle};
pub use local::{ChangeError, LocalChange};
#[cfg(feature = "tls")]
pub use tls::{
    Certificate, ClientCertificates, Tls, TlsError, TlsOptions, TlsVersion, Trust, certified_domains,
};
pub use transports::{BindError, InMemory, Transports};
#[cfg(feature = "websocket")]
pub use websocket::{OriginCheck, Origins, WebSocketConfig};

use crate::endpoint::{SourceAddresses, TransportFailure};
use crate::{Endpoint, EndpointEvent, KeepAlive};
use offhook_sansio::{Entropy, Path, Received, ServerId, Transmit};
use std::sync::Arc;
use std::time::Instant;

/// Randomness of the operating system, for a core.
pub fn system_entropy() -> Result<Entropy, getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Entropy::from_seed(seed))
}

impl Core for Endpoint {
    type Event = EndpointEvent;

    fn handle_received(&mut self, now: Instant, received: Received) {
        Endpoint::handle_received(self, now, received);
    }

    fn handle_transport_error(&mut self, now: Instant, path: Path) {
        Endpoint::handle_transport_error(self, now, path);
    }

    fn handle_transport_failure(&mut self, now: Instant, path: Path, failure: TransportFailure) {
        Endpoint::handle_transport_failure(self, now, path, failure);
    }

    fn handle_authenticated(&mut self, path: Path, identities: Vec<String>) {
        Endpoint::handle_authenticated(self, path, identities);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Endpoint::handle_timeout(self, now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        Endpoint::poll_transmit(self)
    }

    fn poll_keep_alive(&mut self) -> Option<KeepAlive> {
        Endpoint::poll_keep_alive(self)
    }

    fn poll_event(&mut self) -> Option<EndpointEvent> {
        Endpoint::poll_event(self)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Endpoint::poll_timeout(self)
    }

    fn handle_local(&mut self, _: Instant, change: LocalChange) {
        match change {
            LocalChange::Added(transport, address) => self.add_local(transport, address),
            LocalChange::Moved { transport, from, to } => self.move_local(transport, from, to),
            LocalChange::Everywhere(transport, address) => self.set_everywhere(transport, address),
            LocalChange::Removed(transport, address) => self.remove_local(transport, address),
        }
    }

    fn set_source_addresses(&mut self, sources: SourceAddresses) {
        Endpoint::set_source_addresses(self, sources);
    }

    fn server_name(&self, id: ServerId) -> Option<Arc<str>> {
        Endpoint::server_name(self, id)
    }

    fn begin_stop(&mut self, now: Instant) {
        self.end_all(now);
    }

    fn is_stopped(&self) -> bool {
        self.is_idle()
    }
}
