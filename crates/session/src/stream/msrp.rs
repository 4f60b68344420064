//! What all streams over MSRP have in common (`MSRPStreamBase` in the documents): one media section, one connection.

use super::{Agreed, MsrpTransport, StreamContext, StreamError, StreamSettings};
use crate::media::{
    ConnectionRole, LocalMsrp, MediaCommand, MsrpCommand, MsrpStart, MsrpTask, RelayPlace, StreamId,
};
use offhook_msrp::fingerprint::Fingerprint;
use offhook_msrp::session::PathMatching;
use offhook_msrp::{MsrpPath, SessionConfig};
use offhook_sdp::{Attribute, Media, MediaKind, Protocol, SessionDescription};
use std::net::IpAddr;
use std::time::Duration;

/// How the end of a stream over MSRP can be reached.
#[derive(Debug, Default)]
pub enum MsrpReach {
    /// At an address of ours: either side may connect (`acm` of the documents, RFC 6135).
    #[default]
    Direct,
    /// Nowhere: in what we propose it is we who connect (RFC 6135 §4.2.2).
    Nowhere,
    /// At a relay (RFC 4976). It shows its certificate, and so no fingerprints are told or wanted.
    Relay(RelayPlace),
}

/// One MSRP connection of a session: opened, negotiated and started (`MSRPStreamBase` of the documents).
#[derive(Debug)]
pub struct MsrpEnd {
    /// What its section is of: `message`, or `application` for a desktop.
    kind: MediaKind,
    local: Option<LocalMsrp>,
    /// How the peer gets to us. A relay's place is with the media side once it is opened.
    reach: MsrpReach,
    /// As the settings say, until an offer of the peer says otherwise.
    transport: MsrpTransport,
    /// Settled by our answer, or by the peer's.
    role: Option<ConnectionRole>,
    start_timeout: Duration,
    started: bool,
    ready: bool,
}

/// What the other side's section says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) types: Vec<String>,
    pub(super) wrapped_types: Vec<String>,
    /// What a chat room has (RFC 7701 §8); `None` for who is none.
    pub(super) chatroom: Option<Vec<String>>,
}

impl MsrpEnd {
    pub(super) fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            local: None,
            reach: MsrpReach::Direct,
            transport: MsrpTransport::default(),
            role: None,
            start_timeout: Duration::ZERO,
            started: false,
            ready: false,
        }
    }

    /// Says how the peer gets to us. Without effect once the stream is initialised.
    pub fn set_reach(&mut self, reach: MsrpReach) {
        self.reach = reach;
    }

    /// True for a section of MSRP, of its kind, that is not refused.
    pub(super) fn can_take(&self, media: &Media) -> bool {
        media.kind == self.kind
            && transport(media).is_some()
            && !media.is_rejected()
            && media.attributes.contains("path")
    }

    pub(super) fn open(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        let local = match std::mem::take(&mut self.reach) {
            MsrpReach::Relay(place) => cx.plane.open_msrp_at_relay(place)?,
            reach => {
                self.reach = reach;
                cx.plane.open_msrp(local)?
            }
        };
        self.transport = match &local.fingerprint {
            Some(_) => settings.msrp_transport,
            None if local.path.first().is_secure() => MsrpTransport::Tls,
            None => MsrpTransport::Tcp,
        };
        self.local = Some(local);
        self.start_timeout = settings.msrp_start_timeout;
        Ok(())
    }

    pub(super) fn id(&self) -> Option<StreamId> {
        self.local.as_ref().map(|local| local.stream)
    }

    /// Our session id, which no other session has.
    pub(super) fn session_id(&self) -> &str {
        let uri = self.local.as_ref().map(|local| local.path.last());
        uri.and_then(|uri| uri.session_id()).unwrap_or_default()
    }

    /// What the connection runs over, as far as that is known.
    pub(super) fn transport(&self) -> MsrpTransport {
        self.transport
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// What the end of the connection, or of the wait for it, is for the stream.
    pub(super) fn lost(&self, reason: String) -> StreamError {
        if self.ready {
            StreamError::Closed(reason)
        } else {
            StreamError::NotConnected(reason)
        }
    }

    /// Whether the peer reaches us through our relay.
    fn is_at_relay(&self) -> bool {
        self.local.as_ref().is_some_and(|local| has_relay(&local.path))
    }

    /// Our section of an offer: either side may connect if we can be reached, and what was settled before stays (RFC 6135
    /// §4.2).
    pub(super) fn offer(&self, accept: &Accepted) -> Media {
        self.section(
            accept,
            match self.role {
                None if matches!(self.reach, MsrpReach::Nowhere) => "active",
                None => "actpass",
                Some(role) => word(role),
            },
        )
    }

    /// Our section of an answer. Where the offerer leaves the choice we connect: whoever offered listens already, and
    /// a peer that knows nothing of `setup` expects it the other way around (RFC 4975 §5.4, RFC 6135 §4.2.2). At a relay we wait:
    /// it has a certificate that others believe.
    ///
    /// # Errors
    /// When TLS is offered, and we have none; or something else than our relay has.
    pub(super) fn answer(&mut self, offered: &Media, accept: &Accepted) -> Result<Media, StreamError> {
        let is_at_relay = self.is_at_relay();
        let offered_transport = transport(offered).unwrap_or(self.transport);
        if is_at_relay && offered_transport != self.transport {
            return Err(unsupported(offered));
        }
        self.transport = offered_transport;
        if self.transport == MsrpTransport::Tls && self.fingerprint().is_none() && !is_at_relay {
            return Err(unsupported(offered));
        }
        let role = *self.role.get_or_insert(match offered.attributes.value("setup") {
            Some("actpass") if is_at_relay => ConnectionRole::Passive,
            Some("actpass" | "passive") => ConnectionRole::Active,
            _ => ConnectionRole::Passive,
        });
        Ok(self.section(accept, word(role)))
    }

    fn section(&self, accept: &Accepted, setup: &str) -> Media {
        let path = self.path();
        let port = path.as_ref().map_or(0, |path| path.last().port().unwrap_or(2855));
        let protocol = match self.transport {
            MsrpTransport::Tls => Protocol::TcpTlsMsrp,
            MsrpTransport::Tcp => Protocol::TcpMsrp,
        };
        let mut media = Media::new(self.kind.clone(), port, protocol.as_str());
        media.formats.push("*");
        let attributes = &mut media.attributes;
        let path = path.map(|path| path.to_string()).unwrap_or_default();
        attributes.push(Attribute::with_value("path", path));
        if let Some(fingerprint) = self.fingerprint() {
            attributes.push(Attribute::with_value("fingerprint", fingerprint.to_string()));
        }
        attributes.push(Attribute::with_value("accept-types", accept.types.join(" ")));
        if !accept.wrapped_types.is_empty() {
            attributes.push(Attribute::with_value(
                "accept-wrapped-types",
                accept.wrapped_types.join(" "),
            ));
        }
        attributes.push(Attribute::with_value("setup", setup));
        media
    }

    /// Our path, as the transport makes it.
    fn path(&self) -> Option<MsrpPath> {
        let local = self.local.as_ref()?;
        if has_relay(&local.path) {
            return Some(local.path.clone());
        }
        let is_secure = self.transport == MsrpTransport::Tls;
        Some(local.path.last().clone().with_secure(is_secure).into())
    }

    /// What our certificate is known by, where one is shown.
    fn fingerprint(&self) -> Option<&Fingerprint> {
        let local = self
            .local
            .as_ref()
            .filter(|_| self.transport == MsrpTransport::Tls)?;
        local.fingerprint.as_ref()
    }

    /// Begins as both sections agree; gives what the other side accepts.
    pub(super) fn start(
        &mut self,
        cx: &mut StreamContext<'_>,
        agreed: Agreed<'_>,
        ours: &Accepted,
        task: MsrpTask,
    ) -> Result<Accepted, StreamError> {
        let section = |description: &SessionDescription| description.media.get(agreed.index).cloned();
        let (local, remote) = section(agreed.local)
            .zip(section(agreed.remote))
            .ok_or(StreamError::Refused("message"))?;
        if remote.is_rejected() || local.is_rejected() {
            return Err(StreamError::Refused("message"));
        }
        let not_open = || StreamError::NotRunning("message");
        let (own, own_path) = (self.id().ok_or_else(not_open)?, self.path().ok_or_else(not_open)?);
        if transport(&remote) != Some(self.transport) {
            return Err(unsupported(&remote));
        }
        let path = remote
            .attributes
            .value("path")
            .ok_or(StreamError::Lacks("the path of the message stream"))?;
        let path: MsrpPath = path
            .parse()
            .map_err(|_| StreamError::Lacks("a readable path of the message stream"))?;
        let role = *self
            .role
            .get_or_insert_with(|| agreed_role(&remote, agreed.is_offerer));
        // A relay is believed by its certificate, not by what the session descriptions say of the two ends.
        let is_to_relay = self.is_at_relay() || (role == ConnectionRole::Active && has_relay(&path));
        let mut config = SessionConfig::new(own_path, path);
        let is_secure = self.transport == MsrpTransport::Tls;
        if is_secure && !is_to_relay {
            config.peer_fingerprints = fingerprints(agreed.remote, &remote);
            if config.peer_fingerprints.is_empty() {
                return Err(StreamError::Lacks(
                    "the fingerprint of the message stream's certificate",
                ));
            }
        }
        // A NAT's helper may have rewritten what stands in the paths; the session id is what cannot be guessed (RFC 6714 §5).
        config.matching = PathMatching::SessionId;
        config.accept_types.clone_from(&ours.types);
        config.bind_timeout = self.start_timeout;
        let start = MsrpStart {
            config,
            is_secure,
            role,
            task,
        };
        let command = MsrpCommand::Start(Box::new(start));
        cx.plane.send(MediaCommand::Msrp { stream: own, command });
        self.started = true;
        Ok(accepted(&remote))
    }

    pub(super) fn send(&self, cx: &mut StreamContext<'_>, command: MsrpCommand) -> Result<(), StreamError> {
        let stream = self
            .id()
            .filter(|_| self.started)
            .ok_or(StreamError::NotRunning("message"))?;
        cx.plane.send(MediaCommand::Msrp { stream, command });
        Ok(())
    }

    /// A renegotiated section can be followed while the peer keeps its path: the connection goes on.
    pub(super) fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        remote.media.get(index).is_some_and(|media| self.can_take(media))
    }

    /// Nothing but the end can be negotiated anew.
    pub(super) fn update(agreed: Agreed<'_>) -> Result<(), StreamError> {
        if agreed.is_refused() {
            return Err(StreamError::Refused("message"));
        }
        Ok(())
    }

    /// Ends the connection; true if there was one to end.
    pub(super) fn end(&mut self, cx: &mut StreamContext<'_>) -> bool {
        (self.started, self.ready) = (false, false);
        let Some(local) = self.local.take() else {
            return false;
        };
        cx.plane.send(MediaCommand::Stop { stream: local.stream });
        true
    }
}

fn has_relay(path: &MsrpPath) -> bool {
    path.uris().len() > 1
}

/// What a section of MSRP runs over; `None` for one of something else.
pub(crate) fn transport(media: &Media) -> Option<MsrpTransport> {
    match Protocol::from(&*media.protocol) {
        Protocol::TcpTlsMsrp => Some(MsrpTransport::Tls),
        Protocol::TcpMsrp => Some(MsrpTransport::Tcp),
        _ => None,
    }
}

fn unsupported(section: &Media) -> StreamError {
    StreamError::Unsupported {
        kind: section.kind.to_string(),
        protocol: section.protocol.to_string(),
    }
}

/// The certificates that the other side announces, for this section or for all of them (RFC 8122 §5). Those by hash functions
/// that are not taken are passed over.
fn fingerprints(remote: &SessionDescription, section: &Media) -> Vec<Fingerprint> {
    let read = |attributes: &offhook_sdp::Attributes| -> Vec<Fingerprint> {
        let values = attributes.values("fingerprint");
        values.filter_map(|value| value.parse().ok()).collect()
    };
    let own = read(&section.attributes);
    if own.is_empty() {
        read(&remote.attributes)
    } else {
        own
    }
}

fn accepted(remote: &Media) -> Accepted {
    let list = |name| {
        let value: &str = remote.attributes.value(name).unwrap_or_default();
        value.split_ascii_whitespace().map(str::to_owned).collect()
    };
    Accepted {
        types: list("accept-types"),
        wrapped_types: list("accept-wrapped-types"),
        chatroom: remote.attributes.contains("chatroom").then(|| list("chatroom")),
    }
}

/// The role that the other side's answer, or silence, leaves to us (RFC 6135 §4.2.2): a peer that knows nothing of
/// `setup` waits for the offerer to connect (RFC 4975 §5.4).
fn agreed_role(remote: &Media, is_offerer: bool) -> ConnectionRole {
    match remote.attributes.value("setup") {
        Some("active") => ConnectionRole::Passive,
        Some("passive") => ConnectionRole::Active,
        _ if is_offerer => ConnectionRole::Active,
        _ => ConnectionRole::Passive,
    }
}

fn word(role: ConnectionRole) -> &'static str {
    match role {
        ConnectionRole::Active => "active",
        ConnectionRole::Passive => "passive",
    }
}
