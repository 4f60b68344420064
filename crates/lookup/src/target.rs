//! What a lookup ends with.

use offhook_sansio::Transport;
use offhook_sip_core::{Route, SipUri};
use std::fmt;
use std::net::SocketAddr;

/// A place to send a request to (RFC 3263 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Address and port.
    pub address: SocketAddr,
    /// By which transport.
    pub transport: Transport,
}

impl Target {
    /// The way to this target of a lookup of `uri`, whose host the server must prove to be (RFC 5922 §7.3): not `maddr`,
    /// and not what DNS said.
    pub fn route(self, uri: &SipUri) -> Route {
        Route::new(self.transport, self.address).with_domain(uri.host())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport, self.address)
    }
}

/// Why a URI leads nowhere.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name does not exist.
    #[error("cannot find {host}: no such domain")]
    NoSuchDomain {
        /// The name asked for.
        host: String,
    },
    /// The name exists and has no address.
    #[error("cannot find {host}: it has no address")]
    NoAddress {
        /// The name asked for.
        host: String,
    },
    /// The domain says that it gives no SIP service (SRV target `.`, RFC 2782).
    #[error("{host} offers no SIP service")]
    NoService {
        /// The domain.
        host: String,
    },
    /// The URI wants a transport that is not among ours, or `sips` with one that cannot be secure.
    #[error("no usable transport to {host}: {wanted} is needed")]
    NoUsableTransport {
        /// The URI's host.
        host: String,
        /// What the URI asks for.
        wanted: String,
    },
    /// No name server answered in time.
    #[error("cannot find {host}: no answer from the name server")]
    Timeout {
        /// The name asked for.
        host: String,
    },
    /// The name servers failed.
    #[error("cannot find {host}: the name server failed")]
    ServerFailure {
        /// The name asked for.
        host: String,
    },
}
