//! AUTH requests for the relay itself (RFC 4976 §6.3).

use super::place::{Allowance, Place};
use super::{ConnectionId, Due, MsrpRelay};
use crate::chunk::{FieldName, Head, StatusCode};
use crate::uri::{MsrpPath, MsrpUri};
use offhook_digest::{Secret, Signed, Username, VerifyError};
use std::time::{Duration, Instant};

/// The longest lifetime that a field can tell: the RFC's number of 32 bits.
const MOST_EXPIRES: Duration = Duration::from_secs(u32::MAX as u64);

impl MsrpRelay {
    /// True when To-Path is the relay and nothing else.
    pub(super) fn is_for_us(&self, head: &Head) -> bool {
        head.to_path()
            .is_ok_and(|path| path.uris().len() == 1 && self.config.is_relay(path.first()))
    }

    pub(super) fn handle_auth(&mut self, now: Instant, id: ConnectionId, head: &Head) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if !connection.is_secure && !self.config.allow_plain_auth {
            self.respond(now, id, head, StatusCode::FORBIDDEN);
            return self.count_failure(id);
        }
        let (Ok(client), Some(to), None) = (head.from_path(), head.field(FieldName::ToPath), head.repeated())
        else {
            self.respond(now, id, head, StatusCode::BAD_REQUEST);
            return self.count_failure(id);
        };
        if !self.is_previous_hop(id, &client) {
            self.respond(now, id, head, StatusCode::FORBIDDEN);
            return self.count_failure(id);
        }
        let Some(answer) = head.field(FieldName::Authorization) else {
            return self.challenge(now, id, head, false);
        };
        let answer = with_uri(answer, to);
        match self.judge(now, &answer, to) {
            Ok((user, secret)) => {
                let info = self.verifier.authentication_info(&answer, &user, &secret, to);
                self.trust(now, id);
                self.grant(now, id, head, user, &client, info.ok());
            }
            Err(VerifyError::Stale) => self.challenge(now, id, head, true),
            Err(VerifyError::Malformed(_)) => {
                self.respond(now, id, head, StatusCode::BAD_REQUEST);
                self.count_failure(id);
            }
            Err(_) => {
                self.challenge(now, id, head, false);
                self.count_failure(id);
            }
        }
    }

    /// Whether the first URI of a From-Path is that of who is at the other end, where that can be told: a relay between us and
    /// the client shows its certificate (RFC 4976 §6.3).
    fn is_previous_hop(&mut self, id: ConnectionId, client: &MsrpPath) -> bool {
        let wants_certificate = self.config.wants_relay_certificates;
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        if client.uris().len() == 1 {
            return true; // the client itself, who has a password
        }
        let host = client.first().host();
        connection.relay = connection.is_to(host).then(|| host.to_owned());
        connection.relay.is_some() || (connection.certificate.is_none() && !wants_certificate)
    }

    fn judge(&mut self, now: Instant, answer: &str, uri: &str) -> Result<(String, Secret), VerifyError> {
        let request = Signed {
            method: "AUTH",
            uri,
            body: b"",
        };
        let users = &self.config.users;
        let mut known = None;
        let user = self.verifier.verify(now, answer, &request, |name| {
            let Username::Plain(name) = name else { return None };
            known = users.get(name).map(|user| user.secret.clone());
            known.clone()
        })?;
        Ok((user, known.ok_or(VerifyError::Wrong)?))
    }

    fn challenge(&mut self, now: Instant, id: ConnectionId, head: &Head, is_stale: bool) {
        let challenges = self.verifier.challenges(now, is_stale);
        let fields: Vec<_> = challenges
            .into_iter()
            .map(|challenge| (FieldName::WwwAuthenticate, challenge))
            .collect();
        self.respond_with(now, id, head, StatusCode::UNAUTHORIZED, &fields);
    }

    /// Gives a place to a user who proved to be one, or renews the one that the same client has on this connection.
    fn grant(
        &mut self,
        now: Instant,
        id: ConnectionId,
        head: &Head,
        user: String,
        client: &MsrpPath,
        info: Option<String>,
    ) {
        let lifetime = match self.lifetime(head) {
            Ok(lifetime) => lifetime,
            Err(None) => return self.respond(now, id, head, StatusCode::BAD_REQUEST),
            Err(Some(bound)) => return self.respond_with(now, id, head, StatusCode::OUT_OF_BOUNDS, &[bound]),
        };
        let known = self
            .places
            .values()
            .find(|place| self.leads_to(place, id) && place.user == user && place.client == *client)
            .map(|place| place.uri.clone());
        let Some(uri) = known.or_else(|| self.new_place(now, id, user, client)) else {
            return self.respond(now, id, head, StatusCode::FORBIDDEN);
        };
        let session: Box<str> = uri.session_id().unwrap_or_default().into();
        let valid_until = now + lifetime;
        if let Some(place) = self.places.get_mut(&session) {
            place.valid_until = valid_until;
        }
        self.agenda.insert((valid_until, Due::Place(session)));
        // The way to us as the client's requests take it: the relays before us, then we.
        let relays = client.uris().split_last().map_or(&[][..], |(_, relays)| relays);
        let use_path = super::route::join(relays.iter().chain([&uri]));
        let mut fields = vec![
            (FieldName::UsePath, use_path),
            (FieldName::Expires, lifetime.as_secs().to_string()),
        ];
        fields.extend(info.map(|info| (FieldName::AuthenticationInfo, info)));
        self.respond_with(now, id, head, StatusCode::OK, &fields);
    }

    /// How long the place will be good, or the bound that the wish breaks; none where the wish is no number.
    fn lifetime(&self, head: &Head) -> Result<Duration, Option<(FieldName, String)>> {
        let longest = self.config.longest.min(MOST_EXPIRES);
        let shortest = self.config.shortest.min(longest);
        let wish = match head.field(FieldName::Expires) {
            None => longest,
            Some(wish) if wish.is_empty() || !wish.bytes().all(|digit| digit.is_ascii_digit()) => {
                return Err(None);
            }
            // What no type can hold is above any bound.
            Some(wish) => wish.parse().map_or(Duration::MAX, Duration::from_secs),
        };
        if wish < shortest {
            return Err(Some((FieldName::MinExpires, shortest.as_secs().to_string())));
        }
        if wish > longest {
            return Err(Some((FieldName::MaxExpires, longest.as_secs().to_string())));
        }
        Ok(wish)
    }

    /// A new place, unless the user has as many as allowed.
    fn new_place(
        &mut self,
        now: Instant,
        id: ConnectionId,
        user: String,
        client: &MsrpPath,
    ) -> Option<MsrpUri> {
        let limits = self.config.users.get(&user)?;
        let taken = self.places.values().filter(|place| place.user == user).count();
        if taken >= limits.places {
            return None;
        }
        // 128 random bits; RFC 4976 §6.3 asks for 64.
        let session = self.entropy.hex(32);
        let uri = self.config.uri.clone().with_session_id(&session).ok()?;
        let relay = self.connections.get(&id)?.relay.clone();
        let place = Place {
            relay,
            uri: uri.clone(),
            user,
            connection: id,
            client: client.clone(),
            valid_until: now,
            peer: None,
            allowance: limits.bytes_per_second.map(|rate| Allowance::new(now, rate)),
        };
        self.places.insert(session.into(), place);
        Some(uri)
    }
}

/// RFC 4976 §7 has no `uri` in its answers, and §9.1 says what it would be; peers differ in whether they send it.
fn with_uri(answer: &str, uri: &str) -> String {
    let has_uri = answer.split([',', ' ']).any(|word| {
        word.split_once('=')
            .is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("uri"))
    });
    if has_uri {
        answer.to_owned()
    } else {
        format!("{answer}, uri=\"{uri}\"")
    }
}
