//! The client of relays: AUTH requests, one relay after the other (RFC 4976 §5.1).

use crate::chunk::{
    BadField, Continuation, FieldName, Head, HeadWriter, Method, StatusCode, TransactionId, TransactionIds,
};
use crate::uri::{MsrpPath, MsrpUri};
use bytes::{Bytes, BytesMut};
use offhook_digest::{Authenticator, ChallengeRefused, Credentials, ProofRefused, Protects, Signed};
use offhook_sansio::{Entropy, Outbox};
use std::time::{Duration, Instant};

/// A relay to ask for a place, and who asks.
#[derive(Clone, Debug)]
pub struct RelayTarget {
    /// The relay, without a session id: `msrps://relay.example.com;tcp`.
    pub uri: MsrpUri,
    /// The account there.
    pub credentials: Credentials,
}

/// Which relays are asked, and for what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayClientConfig {
    /// Our own URI: the last of our path.
    pub own: MsrpUri,
    /// The relays, the one that we connect to first. At least one.
    pub relays: Vec<RelayTarget>,
    /// For how long a place is wanted. Default `None`: as long as the relay likes. A relay that finds it too short or
    /// too long says so by 423 and is asked once more with its own bound.
    pub expires: Option<Duration>,
    /// How long to wait for each response. Default 30 s.
    pub response_timeout: Duration,
    /// Whether relays have to prove that they know the password as well, by `rspauth`, as RFC 4976 §9.1 wants of them.
    /// Default false: some relays in the field do not. One whose proof is wrong is not used in any case.
    pub wants_proof: bool,
}

impl RelayClientConfig {
    /// The defaults for these relays.
    pub fn new(own: MsrpUri, relays: Vec<RelayTarget>) -> Self {
        Self {
            own,
            relays,
            expires: None,
            response_timeout: Duration::from_secs(30),
            wants_proof: false,
        }
    }
}

/// Asks relays for a place, one after the other through those before, and asks again before the place expires.
///
/// It begins at once. Write what [`poll_transmit`](Self::poll_transmit) gives to the connection of the first relay, give
/// responses to [`handle_response`](Self::handle_response), and drain events; a session does so for the client that it
/// was given.
///
/// ```text
///            401 (answered), 423 (once)                     3/4 of the shortest Expires over
///            ┌──────┐   200, more relays                    ┌────────────────────────────────┐
///            ▼      │   ┌─────┐                             ▼                                │
/// new ────► Asking ─┴───┴◄────┘ ──── 200 of the last ────► Placed ───────────────────────────┘
///            └── refused, silent ──► Failed
/// ```
#[derive(Debug)]
pub struct RelayClient {
    config: RelayClientConfig,
    /// One for each relay, new in each round: the nonces of the last one are old by then.
    accounts: Vec<Authenticator>,
    entropy: Entropy,
    ids: TransactionIds,
    state: State,
    /// The relays that gave a place in this round, nearest first.
    use_path: Vec<MsrpUri>,
    /// The shortest time that they gave in this round.
    granted: Option<Duration>,
    /// What is asked for now: the wish, or the bound of a relay that refused it.
    expires: Option<Duration>,
    /// The relay that is asked refused the wish already.
    adjusted: bool,
    /// The path of the last round that succeeded.
    path: Option<MsrpPath>,
    valid_until: Option<Instant>,
    out: BytesMut,
    events: Outbox<RelayEvent>,
}

#[derive(Debug)]
enum State {
    /// The relay of this index is asked.
    Asking {
        relay: usize,
        id: TransactionId,
        deadline: Instant,
    },
    /// All relays gave a place.
    Placed { renew_at: Option<Instant> },
    /// A relay refused.
    Failed,
}

/// What a relay client tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayEvent {
    /// All relays gave a place: this is our path for SDP, outermost relay first (RFC 4976 §5.1).
    Placed(MsrpPath),
    /// The place was renewed, and is where it was.
    Renewed,
    /// The place was renewed, and is somewhere else: the peer has to be told of this path by a new offer before the old
    /// place expires.
    Moved(MsrpPath),
    /// A relay gave no place, or did not renew it.
    Failed(RelayError),
}

/// Why a relay gave no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// It answered with this status.
    #[error("the relay refused with {}", .0.in_words())]
    Refused(StatusCode),
    /// It wants to know who asks, and there is no answer to that.
    #[error(transparent)]
    Challenge(#[from] ChallengeRefused),
    /// It did not prove that it knows the password.
    #[error(transparent)]
    Proof(#[from] ProofRefused),
    /// It did not answer.
    #[error("the relay did not answer")]
    Silent,
    /// It said yes and gave no path that can be used.
    #[error("the relay gave no path")]
    NoPath,
    /// There is no relay to ask, or a URI that cannot be written.
    #[error("no relay to ask")]
    NoRelay,
}

impl RelayClient {
    /// Begins to ask.
    pub fn new(now: Instant, config: RelayClientConfig, mut entropy: Entropy) -> Self {
        let mut client = Self {
            accounts: Vec::new(),
            ids: TransactionIds::new(entropy.fork()),
            entropy,
            state: State::Failed,
            use_path: Vec::new(),
            granted: None,
            expires: config.expires,
            adjusted: false,
            path: None,
            valid_until: None,
            out: BytesMut::new(),
            events: Outbox::new(),
            config,
        };
        client.begin(now);
        client
    }

    /// Our path for SDP, once there is one.
    pub fn path(&self) -> Option<&MsrpPath> {
        self.path.as_ref()
    }

    /// Until when the place is good; `None` when there is none, or it does not expire.
    pub fn valid_until(&self) -> Option<Instant> {
        self.valid_until
    }

    /// Takes a response if it is one to our requests, and says whether it is.
    pub fn handle_response(&mut self, now: Instant, head: &Head) -> bool {
        let (State::Asking { relay, id, .. }, Some(status)) = (&self.state, head.status()) else {
            return false;
        };
        let relay = *relay;
        if id != head.transaction_id() {
            return false;
        }
        match status {
            status if status.is_success() => self.handle_success(now, relay, head),
            StatusCode::UNAUTHORIZED => self.handle_challenge(now, relay, head),
            StatusCode::OUT_OF_BOUNDS if !self.adjusted => self.handle_bounds(now, relay, head),
            status => self.fail(RelayError::Refused(status)),
        }
        true
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &self.state {
            State::Asking { deadline, .. } if *deadline <= now => self.fail(RelayError::Silent),
            State::Placed { renew_at: Some(at) } if *at <= now => self.begin(now),
            _ => {}
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Asking { deadline, .. } => Some(*deadline),
            State::Placed { renew_at } => *renew_at,
            State::Failed => None,
        }
    }

    /// Bytes to write.
    #[must_use = "bytes that are taken and dropped are lost"]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// The next event.
    #[must_use = "an event that is taken and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop()
    }

    /// Tells what an owner has heard to the next one.
    #[cfg(feature = "tokio")]
    pub(crate) fn tell_again(&mut self, event: RelayEvent) {
        self.events.push(event);
    }

    /// Begins a round at the first relay.
    fn begin(&mut self, now: Instant) {
        let entropy = &mut self.entropy;
        let relays = self.config.relays.iter();
        self.accounts = relays
            .map(|relay| Authenticator::new(relay.credentials.clone(), entropy.fork()))
            .collect();
        self.use_path.clear();
        self.granted = None;
        self.ask(now, 0);
    }

    /// Asks a relay, through those that gave a place already.
    fn ask(&mut self, now: Instant, relay: usize) {
        let id = self.ids.next_id();
        match self.write_request(relay, &id) {
            Ok(()) => {
                let deadline = now + self.config.response_timeout;
                self.state = State::Asking { relay, id, deadline };
            }
            Err(BadField) => self.fail(RelayError::NoRelay),
        }
    }

    fn write_request(&mut self, relay: usize, id: &TransactionId) -> Result<(), BadField> {
        let target = self.config.relays.get(relay).ok_or(BadField)?.uri.to_string();
        let way = self.use_path.iter().map(|uri| format!("{uri} "));
        let to_path = way.collect::<String>() + &target;
        let own = self.config.own.to_string();
        // RFC 4976 §9.1: what is signed is the rightmost URI of To-Path.
        let answers = self.accounts[relay].answers(&Signed {
            method: Method::Auth.as_str(),
            uri: &target,
            body: b"",
        });
        let mut head = HeadWriter::request(&mut self.out, id, &Method::Auth, &to_path, &own)?;
        if let Some(expires) = self.expires {
            head = head.field(FieldName::Expires.as_str(), &expires.as_secs().to_string())?;
        }
        for answer in answers {
            head = head.field(FieldName::Authorization.as_str(), &answer.value)?;
        }
        head.end(Continuation::Last);
        Ok(())
    }

    fn handle_success(&mut self, now: Instant, relay: usize, head: &Head) {
        if let Err(refused) = self.check_proof(relay, head) {
            return self.fail(refused.into());
        }
        self.accounts[relay].handle_success();
        let Ok(given) = head.use_path() else {
            return self.fail(RelayError::NoPath);
        };
        // A relay behind others gives the whole way to it; one that gives only itself is reached through them.
        if given.uris().len() > self.use_path.len() {
            self.use_path = given.uris().to_vec();
        } else {
            self.use_path.push(given.last().clone());
        }
        let granted = head.seconds(FieldName::Expires).ok().flatten();
        let granted = granted.map(|seconds| Duration::from_secs(u64::from(seconds)));
        self.granted = [self.granted, granted].into_iter().flatten().min();
        self.adjusted = false;
        self.expires = self.config.expires;
        if relay + 1 < self.config.relays.len() {
            self.ask(now, relay + 1);
        } else {
            self.settle(now);
        }
    }

    /// Whether a relay that says yes knows who asks (RFC 4976 §9.1). A relay that asked for no password has nothing to
    /// prove.
    fn check_proof(&self, relay: usize, head: &Head) -> Result<(), ProofRefused> {
        let target = self.config.relays[relay].uri.to_string();
        let request = Signed {
            method: Method::Auth.as_str(),
            uri: &target,
            body: b"",
        };
        let checked = match head.field(FieldName::AuthenticationInfo) {
            Some(proof) => self.accounts[relay].check_proof(proof, &request),
            None => Err(ProofRefused::Missing),
        };
        match checked {
            Err(ProofRefused::Missing) if !self.config.wants_proof => Ok(()),
            checked => checked,
        }
    }

    /// All relays gave a place.
    fn settle(&mut self, now: Instant) {
        let outermost_first = self.use_path.iter().rev().cloned();
        let Ok(path) = MsrpPath::new(outermost_first.chain([self.config.own.clone()])) else {
            return self.fail(RelayError::NoPath);
        };
        self.valid_until = self.granted.map(|granted| now + granted);
        self.state = State::Placed {
            renew_at: self
                .granted
                .map(|granted| now + granted.mul_f64(RENEWED_AFTER).max(SOONEST)),
        };
        self.events.push(match &self.path {
            None => RelayEvent::Placed(path.clone()),
            Some(known) if *known == path => RelayEvent::Renewed,
            Some(_) => RelayEvent::Moved(path.clone()),
        });
        self.path = Some(path);
    }

    fn handle_challenge(&mut self, now: Instant, relay: usize, head: &Head) {
        let challenges = head
            .fields()
            .filter(|(name, _)| name.eq_ignore_ascii_case(FieldName::WwwAuthenticate.as_str()))
            .map(|(_, value)| value);
        match self.accounts[relay].handle_challenges(Protects::Server, challenges) {
            Ok(()) => self.ask(now, relay),
            Err(refused) => self.fail(refused.into()),
        }
    }

    /// The relay wants another lifetime (RFC 4976 §6.3).
    fn handle_bounds(&mut self, now: Instant, relay: usize, head: &Head) {
        let bound = [FieldName::MinExpires, FieldName::MaxExpires]
            .into_iter()
            .find_map(|name| head.seconds(name).ok().flatten());
        let Some(bound) = bound else {
            return self.fail(RelayError::Refused(StatusCode::OUT_OF_BOUNDS));
        };
        self.adjusted = true;
        self.expires = Some(Duration::from_secs(u64::from(bound)));
        self.accounts[relay].handle_success(); // whoever judges the lifetime took the answer
        self.ask(now, relay);
    }

    fn fail(&mut self, error: RelayError) {
        self.state = State::Failed;
        self.events.push(RelayEvent::Failed(error));
    }
}

/// Which part of its lifetime a place may reach before it is renewed: a quarter is left for the answer and for another
/// offer if the place moves.
const RENEWED_AFTER: f64 = 0.75;
/// No place is renewed sooner, however short it was granted.
const SOONEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
