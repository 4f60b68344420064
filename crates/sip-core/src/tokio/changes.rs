//! Sockets that are added, moved and closed while a driver runs.

use super::local::LocalChange;
use super::protocol::Protocol;
use super::sources::{Place, Sources};
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::transports::{BindError, Transports};
use offhook_sansio::Transport;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The addresses at which anything was ever opened.
#[derive(Debug, Default)]
pub(super) struct Homes {
    all: Vec<(IpAddr, Place)>,
}

impl Homes {
    pub(super) fn add(&mut self, bound: IpAddr, place: Place) {
        if !self.all.iter().any(|(known, _)| *known == bound) {
            self.all.push((bound, place));
        }
    }

    /// Everywhere, where nothing was opened yet.
    fn all(&self, sources: &Sources) -> Vec<(IpAddr, Place)> {
        if self.all.is_empty() {
            let everywhere = Ipv4Addr::UNSPECIFIED.into();
            return vec![(everywhere, Place::of(everywhere, sources))];
        }
        self.all.clone()
    }
}

impl Transports {
    /// Moves all sockets of this transport to another port, or with `None` closes them. All new ones are opened first.
    pub(super) fn set_port(
        &mut self,
        transport: Transport,
        port: Option<u16>,
    ) -> Result<Vec<LocalChange>, BindError> {
        if !self.has(transport) {
            return port.map_or(Ok(Vec::new()), |port| self.add(transport, port, &Protocol::Tcp));
        }
        if transport != Transport::Udp {
            let connections = self.connections.as_mut();
            return connections.map_or(Ok(Vec::new()), |connections| {
                connections.set_port(transport, port)
            });
        }
        let Some(port) = port else {
            let gone = self.udp.drain(..);
            return Ok(gone
                .map(|udp| LocalChange::Removed(transport, udp.address))
                .collect());
        };
        let mut changes = Vec::new();
        let mut opened = Vec::new();
        for (index, udp) in self.udp.iter().enumerate() {
            let from = udp.address;
            if from.port() == port {
                continue;
            }
            let new = udp
                .reopened(port)
                .map_err(|cause| BindError::new(SocketAddr::new(from.ip(), port), cause))?;
            let to = new.address;
            changes.push(LocalChange::Moved { transport, from, to });
            opened.push((index, new));
        }
        for (index, new) in opened {
            let old = std::mem::replace(&mut self.udp[index], new);
            // What transactions still have to say goes from the new port.
            self.moved.retain(|(moved, _)| *moved != self.udp[index].address);
            self.moved
                .iter_mut()
                .filter(|(_, to)| *to == old.address)
                .for_each(|(_, to)| *to = self.udp[index].address);
            self.moved.push((old.address, self.udp[index].address));
        }
        Ok(changes)
    }

    /// See [`Handle::set_tls_options`](super::Handle::set_tls_options).
    #[cfg(feature = "tls")]
    pub(super) fn set_tls(&mut self, port: Option<u16>, tls: &Tls) -> Result<Vec<LocalChange>, BindError> {
        let is_new = !self.has(Transport::Tls);
        let added = match port {
            Some(port) if is_new => self.add(Transport::Tls, port, &Protocol::Tls(tls.clone()))?,
            _ => Vec::new(),
        };
        let Some(connections) = self.connections.as_mut() else {
            return Ok(added);
        };
        connections.set_tls_of_websockets(tls);
        if is_new {
            return Ok(added);
        }
        connections.set_tls(port, tls)
    }

    fn has(&self, transport: Transport) -> bool {
        // What there is in memory is all there is.
        self.memory.is_some() || self.locals().iter().any(|(own, _)| *own == transport)
    }

    /// Opens a transport that there is none of yet, at each of our addresses; all of them, or none.
    fn add(
        &mut self,
        transport: Transport,
        port: u16,
        protocol: &Protocol,
    ) -> Result<Vec<LocalChange>, BindError> {
        for (ip, place) in self.homes.all(&self.sources) {
            let address = SocketAddr::new(ip, port);
            let opened = match transport {
                Transport::Udp => self.bind_udp_at(address, place),
                _ => self.listen(address, place, protocol.clone()),
            };
            if let Err(error) = opened {
                // None was there before.
                let _ = self.set_port(transport, None);
                return Err(error);
            }
        }
        let added = self.locals().into_iter().filter(|(own, _)| *own == transport);
        let added = added.map(|(transport, address)| LocalChange::Added(transport, address));
        let everywhere = self.everywhere().into_iter().filter(|(own, _)| *own == transport);
        let everywhere = everywhere.map(|(transport, address)| LocalChange::Everywhere(transport, address));
        Ok(added.chain(everywhere).collect())
    }
}
