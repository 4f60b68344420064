//! What stands between the sockets and RTP: nothing, or SRTP whose keys are there or are still being agreed on.

use super::MediaKind;
use crate::dtls::{DtlsAssociation, DtlsEvent, DtlsFailure, DtlsParameters};
use crate::srtp::{SrtpContext, SrtpError, SrtpKeys, SrtpSuite};
use bytes::Bytes;
use offhook_sansio::earliest;
use std::net::SocketAddr;
use std::time::Instant;

/// How the keys of SRTP are had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SrtpKeying {
    /// They came with signalling (RFC 4568).
    Keys(SrtpKeys),
    /// The two ends agree on them where media flows (RFC 5764). Nothing is played or sent before they have.
    Dtls(DtlsParameters),
}

impl SrtpKeying {
    /// The suite, when it is known already.
    pub fn suite(&self) -> Option<SrtpSuite> {
        match self {
            Self::Keys(keys) => Some(keys.local.suite()),
            Self::Dtls(_) => None,
        }
    }
}

/// What became of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Media of this port is protected from now on. The peer proved itself from the address.
    Keyed {
        kind: MediaKind,
        suite: SrtpSuite,
        from: Option<SocketAddr>,
    },
    Failed(DtlsFailure),
}

/// The protection of both ports of a stream.
#[derive(Debug, Default)]
pub(super) struct Protection {
    /// What was agreed on; none lets everything pass as it is.
    keying: Option<SrtpKeying>,
    rtp: Lane,
    /// RTCP by handshakes has keys of its own unless both share a port (RFC 5764 §3); else it has those of RTP.
    rtcp: Option<Box<Lane>>,
}

/// One port.
#[derive(Debug, Default)]
struct Lane {
    srtp: Option<SrtpContext>,
    dtls: Option<Handshake>,
}

/// A handshake, and whom with.
#[derive(Debug)]
struct Handshake {
    association: DtlsAssociation,
    /// The peer's address as signalling told it.
    expected: SocketAddr,
    /// Where its datagrams came from last.
    heard: Option<SocketAddr>,
}

/// Where the peer receives, as signalling told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remotes {
    pub(super) rtp: SocketAddr,
    /// None when both share a port.
    pub(super) rtcp: Option<SocketAddr>,
}

impl Protection {
    pub(super) fn new(keying: Option<&SrtpKeying>, remotes: Remotes, now: Instant) -> Self {
        let mut protection = Self::default();
        protection.update(keying, remotes, now);
        protection
    }

    /// Takes what a re-negotiation agreed on. Keys and handshakes that are the same as before go on; a handshake that begins
    /// anew leaves the keys before in force until it is over (RFC 5763 §6.6, RFC 8842 §4).
    pub(super) fn update(&mut self, keying: Option<&SrtpKeying>, remotes: Remotes, now: Instant) {
        match keying {
            None => *self = Self::default(),
            Some(SrtpKeying::Keys(keys)) => {
                self.rtcp = None;
                self.rtp.dtls = None;
                match (&mut self.rtp.srtp, &self.keying) {
                    (Some(srtp), Some(SrtpKeying::Keys(_))) => srtp.update(keys),
                    (srtp, _) => *srtp = Some(SrtpContext::new(keys.clone())),
                }
            }
            Some(SrtpKeying::Dtls(parameters)) => {
                let same = self.keying.as_ref() == keying;
                self.rtp.shake(parameters, remotes.rtp, same, now);
                match remotes.rtcp {
                    None => self.rtcp = None,
                    Some(rtcp) => self
                        .rtcp
                        .get_or_insert_default()
                        .shake(parameters, rtcp, same, now),
                }
            }
        }
        self.keying = keying.cloned();
    }

    /// True when packets may go: in the clear, or because there are keys for them.
    pub(super) fn is_ready(&self) -> bool {
        self.keying.is_none() || self.rtp.srtp.is_some()
    }

    /// True when what is sent and heard is encrypted, or would be.
    pub(super) fn is_encrypted(&self) -> bool {
        self.keying.is_some()
    }

    /// True when our key may protect nothing more.
    pub(super) fn is_exhausted(&self) -> bool {
        let srtp = self.rtp.srtp.as_ref();
        srtp.is_some_and(|srtp| srtp.sender.packets_left() == 0)
    }

    /// Checks and decrypts a datagram in place; returns its new length.
    pub(super) fn unprotect(&mut self, kind: MediaKind, datagram: &mut [u8]) -> Result<usize, SrtpError> {
        if self.keying.is_none() {
            return Ok(datagram.len());
        }
        let srtp = self.lane(kind).srtp.as_mut().ok_or(SrtpError::NoKeyYet)?;
        match kind {
            MediaKind::Rtp => srtp.receiver.unprotect_rtp(datagram),
            MediaKind::Rtcp => srtp.receiver.unprotect_rtcp(datagram),
        }
    }

    /// Protects the packet that is the first `len` octets; returns its new length, or none when it must not go.
    pub(super) fn protect(&mut self, kind: MediaKind, buffer: &mut [u8], len: usize) -> Option<usize> {
        if self.keying.is_none() {
            return Some(len);
        }
        let srtp = self.lane(kind).srtp.as_mut()?;
        match kind {
            MediaKind::Rtp => srtp.sender.protect_rtp(buffer, len).ok(),
            MediaKind::Rtcp => srtp.sender.protect_rtcp(buffer, len).ok(),
        }
    }

    /// Takes a datagram of DTLS that came to the port of this kind. False when nobody wanted it.
    pub(super) fn handle_dtls(
        &mut self,
        now: Instant,
        kind: MediaKind,
        from: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        let lane = match kind {
            MediaKind::Rtp => Some(&mut self.rtp),
            MediaKind::Rtcp => self.rtcp.as_deref_mut(),
        };
        lane.and_then(|lane| lane.dtls.as_mut())
            .is_some_and(|handshake| handshake.receive(now, from, datagram))
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for handshake in self.handshakes() {
            handshake.1.association.handle_timeout(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = |lane: &Lane| {
            lane.dtls
                .as_ref()
                .and_then(|dtls| dtls.association.poll_timeout())
        };
        earliest(due(&self.rtp), self.rtcp.as_deref().and_then(due))
    }

    /// The next datagram of a handshake, with its port and its way.
    pub(super) fn poll_transmit(&mut self) -> Option<(MediaKind, SocketAddr, Bytes)> {
        self.handshakes().find_map(|(kind, handshake)| {
            let to = handshake.heard.unwrap_or(handshake.expected);
            Some((kind, to, handshake.association.poll_transmit()?))
        })
    }

    /// The next end of a handshake.
    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        let (kind, event, from) = self.handshakes().find_map(|(kind, handshake)| {
            Some((kind, handshake.association.poll_event()?, handshake.heard))
        })?;
        Some(match event {
            DtlsEvent::Failed(failure) => Outcome::Failed(failure),
            DtlsEvent::Established(keys) => {
                let suite = keys.local.suite();
                self.lane(kind).srtp = Some(SrtpContext::new(keys));
                Outcome::Keyed { kind, suite, from }
            }
        })
    }

    fn lane(&mut self, kind: MediaKind) -> &mut Lane {
        match (kind, &mut self.rtcp) {
            (MediaKind::Rtcp, Some(rtcp)) => rtcp,
            _ => &mut self.rtp,
        }
    }

    fn handshakes(&mut self) -> impl Iterator<Item = (MediaKind, &mut Handshake)> {
        let rtp = self.rtp.dtls.as_mut().map(|dtls| (MediaKind::Rtp, dtls));
        let rtcp = self.rtcp.as_mut().and_then(|lane| lane.dtls.as_mut());
        rtp.into_iter().chain(rtcp.map(|dtls| (MediaKind::Rtcp, dtls)))
    }
}

impl Lane {
    /// Begins a handshake unless the one that there is was agreed on in the same words.
    fn shake(&mut self, parameters: &DtlsParameters, expected: SocketAddr, same: bool, now: Instant) {
        let goes_on = same && self.dtls.as_ref().is_some_and(|dtls| dtls.expected == expected);
        if !goes_on {
            self.dtls = Some(Handshake {
                association: DtlsAssociation::new(parameters, now),
                expected,
                heard: None,
            });
        }
    }
}

impl Handshake {
    /// The peer's address of the session description is listened to, and in its silence the first other one: behind a NAT the
    /// peer cannot know the address we see. Whoever it is has to prove itself by its certificate.
    fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let is_welcome = from == self.expected || self.heard.is_none_or(|heard| heard == from);
        let taken = is_welcome && self.association.handle_datagram(now, datagram);
        if taken {
            self.heard = Some(from);
        }
        taken
    }
}
