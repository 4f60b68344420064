//! How a session behaves.

use crate::chunk::{FieldName, Head, Limits, StatusCode};
use crate::fingerprint::Fingerprint;
use crate::message::MessageLimits;
use crate::trace::ChunkTracer;
use crate::uri::{MsrpPath, MsrpUri};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a session behaves. Made with the two paths, then changed where needed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// Our path as told in SDP: our relays, the one that we connect to last, and then our own URI.
    pub local_path: MsrpPath,
    /// The peer's path as told in SDP.
    pub remote_path: MsrpPath,
    /// Media types that are taken: `text/plain`, `text/*`, `*`. Others are refused with 415. Default: all.
    pub accept_types: Vec<String>,
    /// The largest body of one chunk. Default 2048, which any peer takes without having to interrupt it (RFC 4975
    /// §7.1.1); larger ones are written with an open end and interrupted whenever something else is to be sent.
    pub chunk_size: NonZeroU32,
    /// How incoming messages are told. Default: collected.
    pub delivery: Delivery,
    /// What incoming messages may cost.
    pub message_limits: MessageLimits,
    /// What a head may cost.
    pub head_limits: Limits,
    /// When reports of success are made for senders who want them. Default: for each chunk.
    pub reports: Reports,
    /// How the paths of incoming requests are compared with ours. Default: exactly.
    pub matching: PathMatching,
    /// The certificates that the peer may show, by the `fingerprint` attributes of its SDP (RFC 4975 §14.4). With any, a
    /// connection without TLS or with another certificate is not taken. Default: none.
    pub peer_fingerprints: Vec<Fingerprint>,
    /// Whether requests for a nickname are told to the owner, who answers them, as a chat room does (RFC 7701 §7).
    /// Default false: they are answered 501.
    pub takes_nicknames: bool,
    /// How long to wait for a response. Default 30 s (RFC 4975 §7.1.1).
    pub response_timeout: Duration,
    /// How long the connection may take to be bound to the session. Default 30 s.
    pub bind_timeout: Duration,
    /// After how much silence of ours an empty request is sent, which keeps NATs open and finds dead peers. Default 60 s;
    /// `None` never.
    pub keep_alive: Option<Duration>,
    /// How long a peer may take for a head, and how long a chunk may stand still. Default 90 s: who waits for more of a body may
    /// leave its chunk open until its [`keep_alive`](Self::keep_alive) ends it.
    pub stall_timeout: Duration,
    /// How long a peer may read nothing while something is written to it. Default 60 s: twice the time in which it had to
    /// answer; `None` for ever, where a peer may pause as long as it likes.
    pub unread_timeout: Option<Duration>,
    /// How many requests may wait for their response; more wait to be sent. Default 4096: at 2048 bytes each, 8 MiB are
    /// on the way.
    pub unanswered: usize,
    /// How many messages may be queued or wait for their outcome. Default 16384; more are refused.
    pub queued: usize,
    /// How many messages of several chunks take turns; the others wait in order, and messages of one chunk go between. Default
    /// 8, at least 1: receivers have a place for few that are incomplete, ours by default for 16
    /// ([`MessageLimits::at_once`]). While all of them wait for their owners to supply bytes, one more is sent.
    pub begun: usize,
    /// With how many bytes of bodies waiting to be written nothing more is taken. Default 8 MiB. The last that was taken
    /// may go beyond: a peer that never reads costs so many bytes and one message, or one supply of a streamed one.
    pub queued_bytes: u64,
    /// With how many bytes of bodies waiting for the application to take them its session is full. Default 4 MiB, and what
    /// was read at once may go beyond.
    pub inbox_bytes: u64,
    /// For how long a session that is full, and whose application takes nothing, may keep others on its connection
    /// waiting. Default 5 s: well below the 30 s in which the others' responses have to be there. From then on its messages
    /// are refused with 413, until its application takes some events. Where all sessions on a connection are full, the peer
    /// waits, and nothing is refused; but what we sent meanwhile is told to have failed (408) when nobody reads the answer.
    pub hold_up: Duration,
    /// How many bytes of a message are read after it was refused before the connection is given up. Default 64 MiB: what a
    /// sender may have on the way before it sees the refusal.
    pub discarded_bytes: u64,
    /// Messages of which the first bytes are here already, from a session that broke off: how many, by Message-ID. Who sends one
    /// on [from there](crate::OutgoingMessage::starting_at) completes it, and only what comes is told: where messages are
    /// collected, the body is the rest. Default: none.
    pub held: HashMap<String, u64>,
    /// Sees each chunk of the session from the first on, also those that bind the connection; what is asked of a relay before is
    /// none of these, and whoever has an `MsrpTransport` sees its chunks himself. Default: nobody;
    /// [`MsrpSession::set_tracer`](crate::MsrpSession::set_tracer) changes it while the session runs.
    pub tracer: Option<Arc<Mutex<dyn ChunkTracer>>>,
}

impl SessionConfig {
    /// The defaults for a session between these paths.
    pub fn new(local_path: MsrpPath, remote_path: MsrpPath) -> Self {
        Self {
            local_path,
            remote_path,
            accept_types: vec!["*".to_owned()],
            chunk_size: NonZeroU32::new(2048).unwrap_or(NonZeroU32::MIN),
            delivery: Delivery::Collected,
            message_limits: MessageLimits::default(),
            head_limits: Limits::default(),
            reports: Reports::PerChunk,
            matching: PathMatching::Exact,
            peer_fingerprints: Vec::new(),
            takes_nicknames: false,
            response_timeout: Duration::from_secs(30),
            bind_timeout: Duration::from_secs(30),
            keep_alive: Some(Duration::from_mins(1)),
            stall_timeout: Duration::from_secs(90),
            unread_timeout: Some(Duration::from_mins(1)),
            unanswered: 4096,
            queued: 16384,
            begun: 8,
            queued_bytes: 8 * 1024 * 1024,
            inbox_bytes: 4 * 1024 * 1024,
            hold_up: Duration::from_secs(5),
            discarded_bytes: 64 * 1024 * 1024,
            held: HashMap::new(),
            tracer: None,
        }
    }

    /// Whether a request belongs to the session (RFC 4975 §7.3): 400 when it has no paths or two of them, 481 when they are
    /// not ours.
    ///
    /// # Errors
    /// The status to answer with.
    pub fn check_paths(&self, head: &Head) -> Result<(), StatusCode> {
        if head.repeated().is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let to = head.field(FieldName::ToPath).ok_or(StatusCode::BAD_REQUEST)?;
        let from = head.field(FieldName::FromPath).ok_or(StatusCode::BAD_REQUEST)?;
        if self.is_ours(to) && self.is_peers(from) {
            Ok(())
        } else {
            Err(StatusCode::NO_SESSION)
        }
    }

    /// True when a To-Path leads to us and no further.
    pub(super) fn is_ours(&self, to_path: &str) -> bool {
        let own = self.local_path.last();
        to_path.parse::<MsrpPath>().is_ok_and(|path| match self.matching {
            PathMatching::Exact => path.uris().len() == 1 && path.last().is_equivalent(own),
            PathMatching::SessionId => path.last().session_id() == own.session_id(),
        })
    }

    /// True when a From-Path is the way that our requests go.
    pub(super) fn is_peers(&self, from_path: &str) -> bool {
        from_path
            .parse::<MsrpPath>()
            .is_ok_and(|path| match self.matching {
                PathMatching::Exact => {
                    let expected = self.relays().chain(self.remote_path.uris());
                    path.uris().len() == self.relays().count() + self.remote_path.uris().len()
                        && path.uris().iter().zip(expected).all(|(a, b)| a.is_equivalent(b))
                }
                PathMatching::SessionId => path.last().session_id() == self.remote_path.last().session_id(),
            })
    }

    /// True when a From-Path names the peer as who made the request, whatever way it came.
    pub(super) fn ends_at_peer(&self, from_path: &str) -> bool {
        let peer = self.remote_path.last();
        from_path
            .parse::<MsrpPath>()
            .is_ok_and(|path| match self.matching {
                PathMatching::Exact => path.last().is_equivalent(peer),
                PathMatching::SessionId => path.last().session_id() == peer.session_id(),
            })
    }

    /// The way of our requests: our relays, then the peer's path.
    pub(crate) fn full_remote_path(&self) -> String {
        let relays = self.relays().map(|relay| format!("{relay} "));
        relays.collect::<String>() + &self.remote_path.to_string()
    }

    /// Our relays in the order in which our requests pass them: the reverse of the path in SDP (RFC 4976 §5.1).
    pub(crate) fn relays(&self) -> impl Iterator<Item = &MsrpUri> {
        self.local_path.uris().iter().rev().skip(1)
    }

    /// True when a Content-Type is one of [`accept_types`](Self::accept_types).
    pub fn accepts(&self, content_type: &str) -> bool {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        let family = media.split('/').next().unwrap_or_default();
        self.accept_types.iter().any(|accepted| {
            accepted == "*"
                || accepted == "*/*"
                || accepted.eq_ignore_ascii_case(media)
                || accepted
                    .strip_suffix("/*")
                    .is_some_and(|accepted| accepted.eq_ignore_ascii_case(family))
        })
    }
}

/// How incoming messages are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// One event for each complete message, with its body.
    Collected,
    /// Pieces as they arrive, for files: nothing is kept.
    Pieces,
}

/// When reports of success are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// For each chunk, with its range, in one write with its response.
    PerChunk,
    /// Once for each message, when it is complete.
    PerMessage,
    /// Only when the owner asks for it, by `MsrpSession::report`.
    Manual,
}

/// How the paths of incoming requests are compared with the session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMatching {
    /// URI by URI as RFC 4975 §6.1 says.
    Exact,
    /// Our session id alone, because a middle box may have changed addresses (RFC 6714 §5).
    SessionId,
}
