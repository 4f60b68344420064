//! Where a request goes next, and whether it may (RFC 4976 §6.4).

use super::connection::{Connection, Request};
use super::place::Place;
use super::{ConnectionId, MsrpRelay, RelayServerEvent};
use crate::chunk::{Head, StatusCode};
use crate::uri::{MsrpPath, MsrpUri};
use std::fmt::Write as _;
use std::time::Instant;

/// Where a request goes.
pub(super) struct Route {
    pub(super) request: Request,
    pub(super) target: ConnectionId,
    /// The place whose user it is counted for, by session id.
    pub(super) place: Box<str>,
}

/// Why a request goes nowhere.
pub(super) enum NoRoute {
    /// It is not for this relay: who sent it is confused, and its connection is closed (RFC 4976 §6.2).
    NotOurs,
    /// It is answered with this status.
    Status(StatusCode),
}

impl From<StatusCode> for NoRoute {
    fn from(status: StatusCode) -> Self {
        Self::Status(status)
    }
}

/// Where one place leads.
enum Step {
    Reached(ConnectionId),
    /// To another place of this relay.
    AnotherPlace,
}

impl MsrpRelay {
    pub(super) fn route(&mut self, now: Instant, from: ConnectionId, head: &Head) -> Result<Route, NoRoute> {
        let bad = StatusCode::BAD_REQUEST;
        if head.repeated().is_some() {
            return Err(bad.into()); // the next hop could read another value than we
        }
        let to = head.to_path().map_err(|_| bad)?;
        let back = head.from_path().map_err(|_| bad)?;
        let range = head.byte_range().map_err(|_| bad)?;
        let wish = head.failure_report().map_err(|_| bad)?;
        if !self.config.is_relay(to.first()) {
            return Err(NoRoute::NotOurs);
        }
        let mut previous = Some(from);
        for (at, pair) in to.uris().windows(2).enumerate() {
            let Step::Reached(target) = self.step(now, previous, &pair[0], &pair[1], &back)? else {
                previous = None;
                continue;
            };
            let passed = &to.uris()[..=at];
            let request = Request {
                head: head.detached(),
                source: from,
                to_path: join(to.uris()[at + 1..].iter()),
                from_path: join(passed.iter().rev().chain(back.uris())),
                ours: passed.iter().map(MsrpUri::to_string).collect(),
                wish,
                range,
            };
            return Ok(Route {
                request,
                target,
                place: to.first().session_id().unwrap_or_default().into(),
            });
        }
        Err(StatusCode::NO_SESSION.into()) // addressed to the relay itself
    }

    /// What the place `ours` says about the way to `next`. Without a previous connection the request comes from another
    /// place of this relay.
    fn step(
        &mut self,
        now: Instant,
        previous: Option<ConnectionId>,
        ours: &MsrpUri,
        next: &MsrpUri,
        back: &MsrpPath,
    ) -> Result<Step, NoRoute> {
        let gone = StatusCode::NO_SESSION;
        if !self.config.is_relay(ours) {
            return Err(gone.into());
        }
        let session = ours.session_id().ok_or(gone)?;
        let is_ours = self
            .places
            .get(session)
            .is_some_and(|place| previous.is_some_and(|previous| self.leads_to(place, previous)));
        let connections = &self.connections;
        let place = self
            .places
            .get_mut(session)
            .filter(|place| place.valid_until > now)
            .ok_or(gone)?;
        if next.is_equivalent(place.client.first()) {
            let has_peer = place
                .peer
                .as_ref()
                .is_some_and(|(_, peer)| connections.contains_key(peer));
            if let Some(previous) = previous.filter(|_| !has_peer && !is_ours) {
                place.peer = Some((back.first().clone(), previous));
            }
            return self.connection_to_client(now, session).map(Step::Reached);
        }
        if !is_ours {
            return Err(gone.into());
        }
        if self.config.is_relay(next) && next.session_id().is_some() {
            return Ok(Step::AnotherPlace);
        }
        if let Some((uri, peer)) = &place.peer
            && uri.is_equivalent(next)
            && connections.contains_key(peer)
        {
            return Ok(Step::Reached(*peer));
        }
        let user = place.user.clone();
        self.connection_to(now, next, user).map(Step::Reached)
    }

    /// True when the client of a place is behind this connection: the one on which it was asked for, or any to the same relay
    /// (RFC 4976 §6.3).
    pub(super) fn leads_to(&self, place: &Place, id: ConnectionId) -> bool {
        let is_to = |host: &String| {
            let connection = self.connections.get(&id);
            connection.is_some_and(|connection| connection.is_to(host))
        };
        place.connection == id || place.relay.as_ref().is_some_and(is_to)
    }

    /// The connection to the client of a place, or to the relay before it.
    fn connection_to_client(&mut self, now: Instant, session: &str) -> Result<ConnectionId, NoRoute> {
        let place = self.places.get(session).ok_or(StatusCode::NO_SESSION)?;
        if self.connections.contains_key(&place.connection) {
            return Ok(place.connection);
        }
        let mut others = self.connections.iter().filter(|(_, other)| !other.is_closing);
        if let Some((id, _)) = others.find(|(id, _)| self.leads_to(place, **id)) {
            return Ok(*id);
        }
        let (next, user) = (place.client.first().clone(), place.user.clone());
        self.connection_to(now, &next, user)
    }

    /// The connection to a next hop that the relay opened, or opens now; or one that a relay opened which proved to be there.
    fn connection_to(&mut self, now: Instant, next: &MsrpUri, user: String) -> Result<ConnectionId, NoRoute> {
        let is_there = |connection: &Connection| {
            let opened = connection.opened.as_ref().filter(|_| !connection.is_closing);
            let has_called = next.is_secure() && connection.relay.is_some() && !connection.is_closing;
            opened.is_some_and(|(uri, _)| same_device(uri, next))
                || (has_called && connection.is_to(next.host()))
        };
        if let Some((id, _)) = self
            .connections
            .iter()
            .find(|(_, connection)| is_there(connection))
        {
            return Ok(*id);
        }
        let limit = self.config.users.get(&user).map_or(0, |user| user.connections);
        let opened = self.connections.values().filter(|connection| {
            connection
                .opened
                .as_ref()
                .is_some_and(|(_, opener)| *opener == user)
        });
        if opened.count() >= limit || self.connections.len() >= self.config.connections {
            return Err(StatusCode::FORBIDDEN.into());
        }
        let connection = self.add_connection(now, next.is_secure(), Some((next.clone(), user)));
        self.events.push(RelayServerEvent::Connect {
            connection,
            uri: next.clone(),
        });
        Ok(connection)
    }
}

/// True when the same connection serves both: same scheme, host and port (RFC 4975 §5.4).
fn same_device(a: &MsrpUri, b: &MsrpUri) -> bool {
    a.is_secure() == b.is_secure() && a.port() == b.port() && a.host().eq_ignore_ascii_case(b.host())
}

pub(super) fn join<'u>(uris: impl Iterator<Item = &'u MsrpUri>) -> String {
    uris.enumerate().fold(String::new(), |mut text, (index, uri)| {
        let space = if index == 0 { "" } else { " " };
        // Writing to memory does not fail.
        let _ = write!(text, "{space}{uri}");
        text
    })
}
