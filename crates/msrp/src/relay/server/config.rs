//! How a relay behaves, and for whom.

use crate::chunk::Limits;
use crate::uri::MsrpUri;
use offhook_digest::Secret;
use std::collections::HashMap;
use std::time::Duration;

/// How a relay behaves. Made with its own URI, then changed where needed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayConfig {
    /// The relay as clients and peers reach it, with a port and without a session id. The URIs that it gives out have
    /// this host and port.
    pub uri: MsrpUri,
    /// Other names by which it may be asked for a place: a domain that points to it by SRV.
    pub aliases: Vec<String>,
    /// The realm of its challenges. Default: its host (RFC 4976 §5.1).
    pub realm: String,
    /// Who may have places, by user name.
    pub users: HashMap<String, RelayUser>,
    /// The shortest lifetime of a place that is given; less is refused with 423. Default 1 minute.
    pub shortest: Duration,
    /// The longest; more is refused with 423, and it is given to who does not ask. Default 30 minutes; what is above 2³² - 1
    /// seconds counts as that, and `shortest` above `longest` as `longest`.
    pub longest: Duration,
    /// AUTH without TLS. Default false: RFC 4976 §9.2 forbids it, and it is answered 403. For tests.
    pub allow_plain_auth: bool,
    /// Whether a relay between us and a client has to show a certificate for its host (RFC 4976 §6.3); without one its clients
    /// get no place (403). Default false: without a certificate it counts as their own connection.
    pub wants_relay_certificates: bool,
    /// How long a connection may take for its first request that succeeds (RFC 4976 §6.1). Default 30 s.
    pub probation: Duration,
    /// How many requests of a connection may fail before one succeeds, and how many wrong passwords are taken at all.
    /// Default 5; then it is closed.
    pub failures: u32,
    /// After how much silence a connection is closed. Default 1 hour (RFC 4976 §6.5).
    pub idle: Duration,
    /// How long the next hop may take to answer a request, and a connection to take what waits for it. Default 30 s
    /// (RFC 4976 §6.4.1).
    pub response_timeout: Duration,
    /// How many connections there may be. Default 4096; for one more the one that has been on probation for longest goes, and
    /// where none is, that one is closed at once.
    pub connections: usize,
    /// When so many bytes wait for a connection, nothing more is read of those who send to it. Default 256 KiB.
    pub queued_bytes: usize,
    /// With so many bytes of answers beyond that, nothing more is read of who does not read them. Default 4 MiB: answers to
    /// what systems keep of a connection between two relays, be it in small messages. With less two relays that send much to
    /// each other may stand still until `response_timeout`.
    pub answer_bytes: usize,
    /// With how many requests that a connection has not answered nothing more is read of those who send to it, unless answers
    /// of theirs are awaited as well: relays may wait for each other. At 16 times as many
    /// ([`UNANSWERED_AT_MOST`](Self::UNANSWERED_AT_MOST)) the oldest is given up (408). Default 1024: 8 MB at most.
    pub unanswered: usize,
    /// The largest body of a request other than SEND, which has to be passed on in one piece. Default 16 KiB; more is
    /// refused with 413.
    pub collected_bytes: usize,
    /// What a head may cost.
    pub head_limits: Limits,
}

impl RelayConfig {
    /// How many times [`unanswered`](Self::unanswered) requests may await the answers of one connection in any case.
    pub const UNANSWERED_AT_MOST: usize = 16;

    /// The defaults for a relay that is reached by this URI, without users.
    pub fn new(uri: MsrpUri) -> Self {
        Self {
            realm: uri.host().trim_matches(['[', ']']).to_owned(),
            uri,
            aliases: Vec::new(),
            users: HashMap::new(),
            shortest: Duration::from_mins(1),
            longest: Duration::from_mins(30),
            allow_plain_auth: false,
            wants_relay_certificates: false,
            probation: Duration::from_secs(30),
            failures: 5,
            idle: Duration::from_hours(1),
            response_timeout: Duration::from_secs(30),
            connections: 4096,
            queued_bytes: 256 * 1024,
            answer_bytes: 4 * 1024 * 1024,
            unanswered: 1024,
            collected_bytes: 16 * 1024,
            head_limits: Limits::default(),
        }
    }

    /// Whether a URI's host and scheme are this relay's.
    pub(super) fn is_relay(&self, uri: &MsrpUri) -> bool {
        let is_name = |name: &str| name.eq_ignore_ascii_case(uri.host());
        uri.is_secure() == self.uri.is_secure()
            && uri.port().is_none_or(|port| self.uri.port() == Some(port))
            && (is_name(self.uri.host()) || self.aliases.iter().any(|alias| is_name(alias)))
    }
}

/// Someone who may have places at a relay, and what they may cost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayUser {
    /// The password, or a hash of it.
    pub secret: Secret,
    /// How many places at a time. Default 16; one more is refused with 403.
    pub places: usize,
    /// How many bytes of bodies per second may pass through each place, in both directions together; who sends more is
    /// read from more slowly. Default `None`: as many as the network carries.
    pub bytes_per_second: Option<u64>,
    /// How many connections the relay opens for this user at a time. Default 32; a request that needs one more fails
    /// with 403.
    pub connections: usize,
}

impl RelayUser {
    /// The defaults for a user with this secret.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self {
            secret: secret.into(),
            places: 16,
            bytes_per_second: None,
            connections: 32,
        }
    }
}
