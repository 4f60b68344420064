//! Connections that peers opened and that our requests to them go by, too (RFC 5923).

use super::Endpoint;
use super::core::Core;
use crate::header::Via;
use offhook_sansio::{Path, Transport};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Whether a connection serves both ends for requests (RFC 5923): `alias` in Via asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionReuse {
    /// Each end opens its own: we say no `alias`, and that of others means nothing.
    Off,
    /// Over TLS, and only for names that the peer's certificate has (RFC 5923 §9). We say `alias` to servers that had to
    /// prove their name, and it is for them to see whether we have a certificate. The default.
    #[default]
    Authenticated,
    /// Over plain TCP, and over TLS without certificates, as well: by the address alone. Whoever connects from a host then
    /// gets the requests for each port of that host (RFC 5923 §9.3), so this is for networks without strangers.
    Unauthenticated,
}

/// The alias table of RFC 5923 §5, of the accepting side. The opening side has no need of one: its connections are known by
/// the name that their server proved.
#[derive(Debug)]
pub(super) struct Aliases {
    policy: ConnectionReuse,
    /// How many connections are remembered, and how many destinations of each.
    limits: (usize, usize),
    connections: HashMap<Path, Accepted>,
    /// The connections that lead there, the newest last.
    destinations: HashMap<Destination, Vec<Path>>,
}

type Destination = (Transport, SocketAddr);

/// What is known of a connection that was accepted.
#[derive(Debug, Default)]
struct Accepted {
    /// Whom its certificate names, in lower case; none where there is none.
    identities: Vec<String>,
    destinations: Vec<Destination>,
}

impl Aliases {
    pub(super) fn new(policy: ConnectionReuse, connections: usize, destinations: usize) -> Self {
        Self {
            policy,
            limits: (connections, destinations),
            connections: HashMap::new(),
            destinations: HashMap::new(),
        }
    }

    /// Whether a request along this path says `alias`.
    pub(super) fn wants_alias(&self, path: &Path) -> bool {
        let is_proven = path.transport == Transport::Tls && path.server.is_some();
        match self.policy {
            ConnectionReuse::Off => false,
            ConnectionReuse::Authenticated => is_proven,
            ConnectionReuse::Unauthenticated => is_proven || path.transport == Transport::Tcp,
        }
    }

    /// The certificate of an accepted connection was checked (RFC 5923 §9.2).
    pub(super) fn authenticated(&mut self, path: Path, identities: Vec<String>) {
        if self.policy != ConnectionReuse::Off
            && !identities.is_empty()
            && let Some(accepted) = self.accepted(path)
        {
            accepted.identities = identities;
        }
    }

    /// A request came along this path (RFC 5923 §8.2).
    pub(super) fn take_request(&mut self, path: Path, via: &Via) {
        let may_be = path.server.is_none()
            && match self.policy {
                ConnectionReuse::Off => false,
                ConnectionReuse::Authenticated => path.transport == Transport::Tls,
                ConnectionReuse::Unauthenticated => {
                    matches!(path.transport, Transport::Tls | Transport::Tcp)
                }
            };
        if may_be && via.params.contains("alias") {
            self.add(path, via);
        }
    }

    fn add(&mut self, path: Path, via: &Via) {
        let port = via.port().unwrap_or_else(|| path.transport.default_port());
        let destination = (path.transport, SocketAddr::new(path.remote.ip(), port));
        let most = self.limits.1;
        // RFC 5923 §9.2: without a certificate it is as if no alias were asked for.
        let accepted = if self.policy == ConnectionReuse::Unauthenticated {
            self.accepted(path)
        } else {
            self.connections.get_mut(&path)
        };
        let Some(accepted) = accepted else { return };
        if accepted.destinations.contains(&destination) || accepted.destinations.len() >= most {
            return;
        }
        accepted.destinations.push(destination);
        self.destinations.entry(destination).or_default().push(path);
        tracing::debug!(%path, port, "an alias");
    }

    /// What is known of the connection, where there is room for it.
    fn accepted(&mut self, path: Path) -> Option<&mut Accepted> {
        if self.connections.len() >= self.limits.0 && !self.connections.contains_key(&path) {
            return None;
        }
        Some(self.connections.entry(path).or_default())
    }

    /// The connection by which a request to this address goes, and to a server of this name where one must be proven
    /// (RFC 5923 §8.2, §9.3).
    pub(super) fn find(&self, to: Destination, name: Option<&str>) -> Option<Path> {
        let leading = self.destinations.get(&to)?;
        let fits = |path: &&Path| {
            let identities = self.connections.get(*path).map(|known| &known.identities);
            identities.is_some_and(|known| {
                known.is_empty() || name.is_some_and(|name| known.iter().any(|known| known == name))
            })
        };
        leading.iter().rev().find(fits).copied()
    }

    /// Whether a request to this address may go by this connection, inside a dialog that began by it.
    pub(super) fn leads_to(&self, path: Path, to: Destination) -> bool {
        let known = self.connections.get(&path);
        known.is_some_and(|known| known.destinations.contains(&to))
    }

    /// The connection is there no more.
    pub(super) fn forget(&mut self, path: Path) {
        let Some(accepted) = self.connections.remove(&path) else {
            return;
        };
        for destination in accepted.destinations {
            if let Some(leading) = self.destinations.get_mut(&destination) {
                leading.retain(|known| *known != path);
                if leading.is_empty() {
                    self.destinations.remove(&destination);
                }
            }
        }
    }
}

impl Core {
    /// The same way, by a connection that the peer opened where there is one.
    pub(super) fn by_alias(&self, path: Path) -> Path {
        let name = path.server.and_then(|id| self.server_name(id));
        let found = self
            .aliases
            .find((path.transport, path.remote), name.map(AsRef::as_ref));
        found.unwrap_or(path)
    }
}

impl Endpoint {
    /// Takes the news that who opened this connection has proven to be one of these domains, by a certificate that was
    /// checked (RFC 5922 §7.4): in lower case, as [`certified_domains`](crate::tokio::certified_domains) reads them.
    /// Requests to them may go by the connection once the peer asks for it (RFC 5923); see
    /// [`EndpointConfig::connection_reuse`](crate::EndpointConfig::connection_reuse).
    pub fn handle_authenticated(&mut self, path: Path, identities: Vec<String>) {
        self.core.aliases.authenticated(path, identities);
    }
}
