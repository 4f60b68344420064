//! What Alice (0) and Bob (1) do in a call: commands that their state allows.

use super::{Net, Peer};
use offhook_sip_core::{Body, InvitationMut, StatusCode};
use std::time::Instant;

impl Net {
    /// One of them does something with the newest call.
    pub(crate) fn command<T, E: std::fmt::Debug>(
        &mut self,
        who: usize,
        act: impl FnOnce(InvitationMut<'_>, Instant) -> Result<T, E>,
    ) -> T {
        let now = self.now;
        let peer: &mut Peer = &mut self.peers[who];
        act(peer.call(), now).expect("the state allows it")
    }

    pub(crate) fn ring(&mut self) {
        self.command(1, |mut call, now| call.ring(now));
    }

    pub(crate) fn accept(&mut self, answer: Option<&'static str>) {
        let answer = answer.map(Body::sdp);
        self.command(1, |mut call, now| call.accept(now, answer.as_ref()));
    }

    pub(crate) fn reinvite(&mut self, who: usize, offer: Option<&'static str>) {
        self.command(who, |mut call, now| call.reinvite(now, offer.map(Body::sdp)));
    }

    pub(crate) fn answer_reinvite(&mut self, who: usize, status: StatusCode, answer: Option<&'static str>) {
        let answer = answer.map(Body::sdp);
        self.command(who, |mut call, now| {
            call.respond_to_reinvite(now, status, answer.as_ref())
        });
    }

    pub(crate) fn update(&mut self, who: usize, offer: Option<&'static str>) {
        self.command(who, |mut call, now| call.update(now, offer.map(Body::sdp), &[]));
    }

    pub(crate) fn answer_update(&mut self, who: usize, answer: Option<&'static str>) {
        let answer = answer.map(Body::sdp);
        self.command(who, |mut call, now| {
            call.respond_to_update(now, StatusCode::OK, answer.as_ref())
        });
    }

    pub(crate) fn end(&mut self, who: usize) {
        self.command(who, |mut call, now| call.end(now));
    }
}
