//! Changes while the session runs: hold by either side, peers that move.

use super::{Context, Session};
use crate::{Originator, SessionError, SessionEvent, SessionState};
use offhook_sdp::SessionDescription;
use offhook_sip_core::{Body, StatusCode};
use tracing::debug;

impl Session {
    /// Holds or resumes. Allowed in any state before the end; carried out as soon as it is possible.
    pub(crate) fn set_hold(&mut self, cx: &mut Context<'_>, on_hold: bool) -> Result<(), SessionError> {
        if !self.state.is_active() || self.state == SessionState::Terminating {
            return Err(self.illegal(if on_hold { "hold" } else { "unhold" }));
        }
        self.hold.wished = on_hold;
        self.pursue_hold(cx);
        Ok(())
    }

    /// Sends the re-INVITE that makes the wish true, unless another exchange is under way.
    pub(super) fn pursue_hold(&mut self, cx: &mut Context<'_>) {
        let is_idle = self.state == SessionState::Connected && !self.proposing;
        if !is_idle || self.hold.wished == self.hold.agreed {
            return;
        }
        for stream in self.streams.iter_mut().flatten() {
            stream.set_hold(self.hold.wished);
        }
        let sections = self.offer_sections();
        let offer = match self.negotiation.create_offer(sections) {
            Ok(offer) => offer.to_string(),
            // The peer's offer is under way; its end comes back here.
            Err(error) => return debug!(%error, "holding later"),
        };
        let sent = cx
            .endpoint
            .invitation(self.invitation)
            .map(|mut invitation| invitation.reinvite(cx.now, Some(Body::sdp(offer))));
        match sent {
            Some(Ok(())) => self.proposing = true,
            other => {
                debug!(?other, "the re-INVITE could not be sent");
                self.take_offer_back();
            }
        }
    }

    /// The final answer to our re-INVITE.
    pub(super) fn handle_reinvite_answered(
        &mut self,
        cx: &mut Context<'_>,
        code: StatusCode,
        answer: Option<SessionDescription>,
    ) {
        let wished = self
            .streams
            .iter()
            .flatten()
            .any(|stream| stream.is_on_hold_by_local());
        self.proposing = false;
        let taken =
            code.is_success() && answer.is_some_and(|answer| self.negotiation.handle_answer(answer).is_ok());
        if !taken {
            debug!(%code, "hold was refused");
            self.take_offer_back();
            if code != StatusCode::REQUEST_PENDING {
                self.hold.wished = self.hold.agreed;
            }
            return;
        }
        self.update_streams(cx, true);
        self.hold.agreed = wished;
        let originator = Originator::Local;
        self.emit(
            cx.now,
            SessionEvent::DidChangeHoldState {
                originator,
                on_hold: wished,
            },
        );
        self.pursue_hold(cx);
    }

    /// A re-INVITE of the other side. Changes of direction and address are followed at once; new streams are refused
    /// by port 0, and what cannot be followed by 488.
    ///
    /// `None` is a re-INVITE without a body, `Some(None)` one whose body cannot be read.
    #[expect(
        clippy::option_option,
        reason = "no offer and an unreadable one are answered differently"
    )]
    pub(super) fn handle_reinvite(
        &mut self,
        cx: &mut Context<'_>,
        offer: Option<Option<SessionDescription>>,
    ) {
        let answer = if let Some(offer) = offer {
            offer.and_then(|offer| self.answer_reinvite(offer))
        } else {
            // No offer: we describe what runs, and the ACK brings the answer (RFC 3261 §14.2).
            let sections = self.offer_sections();
            self.negotiation
                .create_offer(sections)
                .map(ToString::to_string)
                .ok()
        };
        let Some(mut invitation) = cx.endpoint.invitation(self.invitation) else {
            return;
        };
        let is_followed = answer.is_some();
        let answered = match answer {
            Some(answer) => invitation.respond_to_reinvite(cx.now, StatusCode::OK, Some(&Body::sdp(answer))),
            None => invitation.respond_to_reinvite(cx.now, StatusCode::NOT_ACCEPTABLE_HERE, None),
        };
        if let Err(error) = answered {
            return debug!(%error, "a re-INVITE is no longer there to be answered");
        }
        if is_followed && self.negotiation.offer().is_none() {
            self.update_streams(cx, false);
            self.notice_remote_hold(cx);
        }
        self.pursue_hold(cx);
    }

    /// The ACK to our 2xx of a re-INVITE; it brings the answer when the offer was ours.
    pub(super) fn handle_reinvite_confirmed(
        &mut self,
        cx: &mut Context<'_>,
        answer: Option<SessionDescription>,
    ) {
        if self.negotiation.offer().is_none() || self.proposing {
            return;
        }
        match answer.map(|answer| self.negotiation.handle_answer(answer)) {
            Some(Ok(())) => {
                self.update_streams(cx, true);
                self.notice_remote_hold(cx);
            }
            other => {
                debug!(?other, "the ACK of a re-INVITE brought no usable answer");
                self.take_offer_back();
            }
        }
        self.pursue_hold(cx);
    }

    /// The other side thought better of its re-INVITE.
    pub(super) fn handle_reinvite_cancelled(&mut self, cx: &mut Context<'_>) {
        if self.negotiation.offer().is_some() && !self.proposing {
            self.take_offer_back();
        }
        self.pursue_hold(cx);
    }

    fn answer_reinvite(&mut self, offer: SessionDescription) -> Option<String> {
        let follows = self.streams.iter().enumerate().all(|(index, stream)| {
            let is_removed = offer
                .media
                .get(index)
                .is_some_and(offhook_sdp::Media::is_rejected);
            is_removed
                || stream
                    .as_ref()
                    .is_none_or(|stream| stream.validate_update(&offer, index))
        });
        if !follows {
            return None;
        }
        self.negotiation.handle_offer(offer).ok()?;
        let answer = self
            .answer_sections()
            .and_then(|sections| Ok(self.negotiation.create_answer(sections)?.to_string()));
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                debug!(%error, "a re-INVITE cannot be followed");
                self.take_offer_back();
                None
            }
        }
    }

    fn notice_remote_hold(&mut self, cx: &mut Context<'_>) {
        let on_hold = self
            .streams
            .iter()
            .flatten()
            .any(|stream| stream.is_on_hold_by_remote());
        if on_hold != self.hold.by_remote {
            self.hold.by_remote = on_hold;
            let originator = Originator::Remote;
            self.emit(cx.now, SessionEvent::DidChangeHoldState { originator, on_hold });
        }
    }

    /// Back to what was agreed before, streams included.
    fn take_offer_back(&mut self) {
        if let Err(error) = self.negotiation.rollback() {
            debug!(%error, "no offer to take back");
        }
        for stream in self.streams.iter_mut().flatten() {
            stream.set_hold(self.hold.agreed);
        }
    }
}
