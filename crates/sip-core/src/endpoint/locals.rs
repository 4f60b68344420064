//! Our addresses, and which of them a peer is told.

use offhook_sansio::{Path, Transport};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Tells which of our IP addresses leads to a peer: what routes and networks this machine has is not for a core to know.
/// The driver has one that asks the system.
pub struct SourceAddresses(Box<dyn Fn(IpAddr) -> Option<IpAddr> + Send + Sync>);

impl SourceAddresses {
    /// Asks this function; `None` means that no address of ours leads to that peer.
    pub fn new(source: impl Fn(IpAddr) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }

    fn towards(&self, peer: IpAddr) -> Option<IpAddr> {
        (self.0)(peer).filter(|ip| ip.is_ipv4() == peer.is_ipv4() && !ip.is_unspecified())
    }
}

impl fmt::Debug for SourceAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceAddresses")
    }
}

#[derive(Debug, Default)]
pub(super) struct Locals {
    all: Vec<Local>,
    sources: Option<SourceAddresses>,
}

#[derive(Clone, Copy, Debug)]
struct Local {
    transport: Transport,
    address: SocketAddr,
    /// It stands for all addresses of this machine, at this port.
    is_everywhere: bool,
}

impl Local {
    fn is(&self, transport: Transport, address: SocketAddr) -> bool {
        (self.transport, self.address) == (transport, address)
    }
}

impl Locals {
    pub(super) fn set_sources(&mut self, sources: SourceAddresses) {
        self.sources = Some(sources);
    }

    pub(super) fn add(&mut self, transport: Transport, address: SocketAddr) {
        if !self.all.iter().any(|local| local.is(transport, address)) {
            self.all.push(Local {
                transport,
                address,
                is_everywhere: false,
            });
        }
    }

    pub(super) fn set_everywhere(&mut self, transport: Transport, address: SocketAddr) {
        for local in self.all.iter_mut().filter(|local| local.is(transport, address)) {
            local.is_everywhere = true;
        }
    }

    /// Puts an address in the place of another, or adds it. True when it stands for all addresses.
    pub(super) fn replace(&mut self, transport: Transport, from: SocketAddr, to: SocketAddr) -> bool {
        if let Some(local) = self.all.iter_mut().find(|local| local.is(transport, from)) {
            local.address = to;
            return local.is_everywhere;
        }
        self.add(transport, to);
        false
    }

    pub(super) fn remove(&mut self, transport: Transport, address: SocketAddr) {
        self.all.retain(|local| !local.is(transport, address));
    }

    /// The first that was added of this transport and family, as this peer reaches it.
    pub(super) fn path_to(&self, transport: Transport, remote: SocketAddr) -> Option<Path> {
        let is_usable =
            |local: &&Local| local.transport == transport && local.address.is_ipv4() == remote.is_ipv4();
        let local = self.all.iter().find(is_usable)?;
        let mut address = local.address;
        if local.is_everywhere
            && let Some(ip) = self
                .sources
                .as_ref()
                .and_then(|sources| sources.towards(remote.ip()))
        {
            address.set_ip(ip);
        }
        Some(Path::new(transport, address, remote))
    }
}
