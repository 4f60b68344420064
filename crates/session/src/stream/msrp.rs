//! What all streams over MSRP have in common (`MSRPStreamBase` in the documents): one media section, one connection.

use super::{Agreed, StreamContext, StreamError};
use crate::media::{ConnectionRole, LocalMsrp, MediaCommand, MsrpCommand, MsrpStart, MsrpTask, StreamId};
use offhook_msrp::session::PathMatching;
use offhook_msrp::{MsrpPath, SessionConfig};
use offhook_sdp::{Attribute, Media, MediaKind, SessionDescription};
use std::net::IpAddr;

/// The protocol of a media section for MSRP over TCP (RFC 4975 §8.1).
const PROTOCOL: &str = "TCP/MSRP";

/// One MSRP connection of a session: opened, negotiated and started.
#[derive(Debug, Default)]
pub(super) struct MsrpEnd {
    local: Option<LocalMsrp>,
    /// Settled by our answer, or by the peer's.
    role: Option<ConnectionRole>,
    started: bool,
    ready: bool,
}

/// What the other side's section says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) types: Vec<String>,
    pub(super) wrapped_types: Vec<String>,
}

impl MsrpEnd {
    /// True for a section of MSRP that is not refused.
    pub(super) fn can_take(media: &Media) -> bool {
        media.kind == MediaKind::Message
            && media.protocol.eq_ignore_ascii_case(PROTOCOL)
            && !media.is_rejected()
            && media.attributes.contains("path")
    }

    pub(super) fn open(&mut self, cx: &mut StreamContext<'_>, local: IpAddr) -> Result<(), StreamError> {
        self.local = Some(cx.plane.open_msrp(local)?);
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

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Our section of an offer: either side may connect, and what was settled before stays (RFC 6135 §4.2).
    pub(super) fn offer(&self, accept: &Accepted) -> Media {
        self.section(
            accept,
            match self.role {
                None => "actpass",
                Some(role) => word(role),
            },
        )
    }

    /// Our section of an answer. Where the offerer leaves the choice we connect: whoever offered listens already, and
    /// a peer that knows nothing of `setup` expects it the other way around (RFC 4975 §5.4, RFC 6135 §4.2.2).
    pub(super) fn answer(&mut self, offered: &Media, accept: &Accepted) -> Media {
        let role = *self.role.get_or_insert(match offered.attributes.value("setup") {
            Some("actpass" | "passive") => ConnectionRole::Active,
            _ => ConnectionRole::Passive,
        });
        self.section(accept, word(role))
    }

    fn section(&self, accept: &Accepted, setup: &str) -> Media {
        let (port, path) = match &self.local {
            Some(local) => (local.path.last().port().unwrap_or(2855), local.path.to_string()),
            None => (0, String::new()),
        };
        let mut media = Media::new(MediaKind::Message, port, PROTOCOL);
        media.formats.push("*".into());
        let attributes = &mut media.attributes;
        attributes.push(Attribute::with_value("path", path));
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
        let own = self.local.as_ref().ok_or(StreamError::NotRunning("message"))?;
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
        let mut config = SessionConfig::new(own.path.clone(), path);
        // A NAT's helper may have rewritten what stands in the paths; the session id is what cannot be guessed (RFC 6714 §5).
        config.matching = PathMatching::SessionId;
        config.accept_types.clone_from(&ours.types);
        let start = MsrpStart { config, role, task };
        let command = MsrpCommand::Start(Box::new(start));
        cx.plane.send(MediaCommand::Msrp {
            stream: own.stream,
            command,
        });
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
    pub(super) fn validate_update(remote: &SessionDescription, index: usize) -> bool {
        remote.media.get(index).is_some_and(Self::can_take)
    }

    /// Nothing but the end can be negotiated anew.
    pub(super) fn update(agreed: Agreed<'_>) -> Result<(), StreamError> {
        let refused = |description: &SessionDescription| {
            let section = description.media.get(agreed.index);
            section.is_none_or(Media::is_rejected)
        };
        if refused(agreed.local) || refused(agreed.remote) {
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

fn accepted(remote: &Media) -> Accepted {
    let list = |name| {
        let value: &str = remote.attributes.value(name).unwrap_or_default();
        value.split_ascii_whitespace().map(str::to_owned).collect()
    };
    Accepted {
        types: list("accept-types"),
        wrapped_types: list("accept-wrapped-types"),
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
