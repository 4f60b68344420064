//! The streams of an exchange: what an offer does to them, and what two descriptions agree on.

use super::formats::{FormatMatch, match_answer};
use crate::{Direction, Media, Protocol, SessionDescription};
use std::net::SocketAddr;

/// What an offer does to one section, against what is in force (RFC 3264 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamChange {
    /// A section that was not there before (RFC 3264 §8.1).
    Added,
    /// A new stream in the place of a removed or refused one (RFC 3264 §8.1).
    Recycled,
    /// Nothing differs from what the peer said last.
    Unchanged,
    /// Address, formats, direction or else differ (RFC 3264 §8.3).
    Changed,
    /// The stream ends: port 0 (RFC 3264 §8.2).
    Removed,
    /// Port 0, and not in use before either.
    Disabled,
}

impl StreamChange {
    /// `agreed` says whether the section was in use; `session` part changes count for all sections.
    pub(super) fn of(before: Option<&Media>, in_use: bool, session_changed: bool, now: &Media) -> Self {
        match (before, now.is_rejected()) {
            (Some(_), true) if in_use => Self::Removed,
            (_, true) => Self::Disabled,
            (None, false) => Self::Added,
            (Some(_), false) if !in_use => Self::Recycled,
            (Some(before), false) if before == now && !session_changed => Self::Unchanged,
            (Some(_), false) => Self::Changed,
        }
    }

    /// True when the section needs a stream that does not exist yet.
    pub fn is_new(self) -> bool {
        matches!(self, Self::Added | Self::Recycled)
    }
}

/// One section of the peer's offer, to be answered.
#[derive(Clone, Copy, Debug)]
pub struct OfferedStream<'a> {
    /// Which section, from 0.
    pub index: usize,
    /// The section.
    pub media: &'a Media,
    /// The whole offer: what sections leave out, the session says.
    pub offer: &'a SessionDescription,
    /// What the offer does to it.
    pub change: StreamChange,
}

/// One section of the descriptions in force.
#[derive(Clone, Copy, Debug)]
pub struct AgreedStream<'a> {
    /// Which section, from 0.
    pub index: usize,
    /// Our section.
    pub local: &'a Media,
    /// The peer's section.
    pub remote: &'a Media,
    pub(super) local_session: &'a SessionDescription,
    pub(super) remote_session: &'a SessionDescription,
    pub(super) we_offered: bool,
    pub(super) transport: usize,
}

impl AgreedStream<'_> {
    /// True when neither side refused or removed it.
    pub fn is_active(&self) -> bool {
        !self.local.is_rejected() && !self.remote.is_rejected()
    }

    /// Which way media flows, seen from us: what both sides allow. `inactive` when the stream is not active.
    pub fn direction(&self) -> Direction {
        if !self.is_active() {
            return Direction::Inactive;
        }
        let theirs = self.remote.direction(self.remote_session);
        self.local
            .direction(self.local_session)
            .intersect(theirs.reversed())
    }

    /// True when the peer receives nothing for now: it put us on hold, in whichever style.
    pub fn is_held_by_peer(&self) -> bool {
        self.is_active() && !self.remote.direction(self.remote_session).receives()
    }

    /// The protocol, which both share.
    pub fn protocol(&self) -> Protocol {
        self.local.transport()
    }

    /// The RTP formats that both sides have, in the answer's order: the first codec is the one to send
    /// (RFC 3264 §7).
    pub fn formats(&self) -> Vec<FormatMatch> {
        let (local, remote) = (self.local.rtp_formats(), self.remote.rtp_formats());
        if self.we_offered {
            return match_answer(&local, &remote);
        }
        let turned = |pair: FormatMatch| FormatMatch {
            local: pair.remote,
            remote: pair.local,
        };
        match_answer(&remote, &local).into_iter().map(turned).collect()
    }

    /// True when both sides allow RTP and RTCP on one port (RFC 5761 §5.1.1).
    pub fn shares_rtcp_port(&self) -> bool {
        self.local.attributes.rtcp_mux() && self.remote.attributes.rtcp_mux()
    }

    /// The section over whose transport it runs: itself, or the tagged one of its bundle (RFC 9143 §7.3.1).
    pub fn transport_section(&self) -> usize {
        self.transport
    }

    /// Where to send: for a stream in a bundle, to where the tagged one goes. `None` for an inactive stream, and for a host
    /// name, which has to be looked up.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        if self.transport == self.index || !self.is_active() {
            return self.remote.media_address(self.remote_session);
        }
        let tagged = self.remote_session.media.get(self.transport)?;
        tagged.media_address(self.remote_session)
    }
}

/// Puts a new stream into the sections of the next offer: in the place of the first disabled one (RFC 3264 §8.1),
/// else behind the others. Returns its place.
pub fn add_section(sections: &mut Vec<Media>, stream: Media) -> usize {
    if let Some(place) = sections.iter().position(Media::is_rejected) {
        sections[place] = stream;
        place
    } else {
        sections.push(stream);
        sections.len() - 1
    }
}
