//! Changes while the session runs: hold by either side, other codecs, streams that end, peers that move.

use super::places::Outcome;
use super::{Context, Exchange, Hold, Session};
use crate::stream::{MediaStream, Parties};
use crate::{
    Originator, RenegotiationAction, SessionError, SessionEvent, SessionState, SessionTrigger, Streams,
};
use offhook_sdp::{Media, SessionDescription};
use offhook_sip_core::{Body, StatusCode};
use tracing::debug;

impl Session {
    /// Holds or resumes. Allowed in any state before the end; carried out as soon as it is possible.
    pub(crate) fn set_hold(&mut self, cx: &mut Context<'_>, on_hold: bool) -> Result<(), SessionError> {
        self.permit(if on_hold {
            SessionTrigger::Hold
        } else {
            SessionTrigger::Unhold
        })?;
        self.hold.wished = on_hold;
        self.pursue(cx);
        Ok(())
    }

    /// Sends the re-INVITE that makes true what is wished and not agreed yet, unless another exchange is under way.
    pub(super) fn pursue(&mut self, cx: &mut Context<'_>) {
        if !self.may_propose() {
            return;
        }
        let holds = self.wishes_another_hold(cx);
        let changes = self.places.iter().any(MediaStream::wants_offer);
        let removes = self.has_leftovers() && !self.removed.is_refused;
        if !holds && !changes && !removes {
            return self.propose_waiting(cx);
        }
        self.hold_streams(cx);
        let removed = std::mem::take(&mut self.removed.untold);
        let exchange = match (removed.is_empty(), holds) {
            (false, _) => Exchange::Removing(removed),
            (true, true) => Exchange::Holding,
            (true, false) => Exchange::Changing,
        };
        let sections = self.places.offer(self.negotiation.local());
        self.propose(cx, sections, exchange);
    }

    /// Lets the streams be held as it is wished; true when the other side is to hear of it. A session without a stream that can be
    /// held waits for one.
    fn wishes_another_hold(&mut self, cx: &mut Context<'_>) -> bool {
        let Hold { wished, agreed, .. } = self.hold;
        wished != agreed && self.hold_streams(cx) != agreed
    }

    /// Lets the streams be held as it is wished; true when one is on hold.
    pub(super) fn hold_streams(&mut self, cx: &mut Context<'_>) -> bool {
        let wished = self.hold.wished;
        self.on_places(cx, |places, stage| places.set_hold(stage, wished));
        self.places.iter().any(MediaStream::is_on_hold_by_local)
    }

    /// What is on hold by now is agreed.
    pub(super) fn note_hold(&mut self, cx: &Context<'_>) {
        let is_held = self.places.iter().any(MediaStream::is_on_hold_by_local);
        if self.hold.agreed != is_held {
            self.hold.agreed = is_held;
            self.tell_hold(cx, Originator::Local, is_held, MediaStream::is_on_hold_by_local);
        }
    }

    /// True when nothing else is being negotiated.
    pub(super) fn may_propose(&self) -> bool {
        self.state == SessionState::Connected && matches!(self.exchange, Exchange::Idle)
    }

    /// True when the other side thinks that a stream runs which is over here.
    fn has_leftovers(&self) -> bool {
        let (Some(local), Some(remote)) = (self.negotiation.local(), self.negotiation.remote()) else {
            return false;
        };
        let mut sections = local.media.iter().zip(&remote.media).enumerate();
        sections.any(|(index, (local, remote))| {
            !local.is_rejected() && !remote.is_rejected() && self.places.get(index).is_none()
        })
    }

    /// Offers these sections in a re-INVITE; true when it is on its way.
    pub(super) fn propose(&mut self, cx: &mut Context<'_>, sections: Vec<Media>, exchange: Exchange) -> bool {
        let offer = match self.negotiation.create_offer(sections) {
            Ok(offer) => offer.to_string(),
            Err(error) => {
                // The peer's offer is under way; its end comes back here.
                debug!(%error, "proposing later");
                self.keep_removed(exchange);
                return false;
            }
        };
        let sent = cx
            .endpoint
            .invitation(self.invitation)
            .map(|mut invitation| invitation.reinvite(cx.now, Some(Body::sdp(offer))));
        if let Some(Ok(())) = sent {
            self.exchange = exchange;
            return true;
        }
        debug!(?sent, "the re-INVITE could not be sent");
        self.take_offer_back(cx);
        self.keep_removed(exchange);
        false
    }

    /// What could not be told the other side is told later.
    fn keep_removed(&mut self, exchange: Exchange) {
        if let Exchange::Removing(streams) = exchange {
            self.removed.untold = streams;
        }
    }

    /// The final answer to our re-INVITE.
    pub(super) fn handle_reinvite_answered(
        &mut self,
        cx: &mut Context<'_>,
        code: StatusCode,
        reason: &str,
        answer: Option<SessionDescription>,
    ) {
        if self.state == SessionState::Terminating {
            return;
        }
        let exchange = std::mem::take(&mut self.exchange);
        let wished = self.places.iter().any(MediaStream::is_on_hold_by_local);
        let answer = answer.map(|answer| self.fitted(answer).0);
        let taken =
            code.is_success() && answer.is_some_and(|answer| self.negotiation.handle_answer(answer).is_ok());
        if !taken {
            let refusal = match reason {
                _ if code.is_success() => "its answer cannot be followed",
                "" => code.default_reason(),
                reason => reason,
            };
            return self.handle_reinvite_refused(cx, code, refusal, exchange);
        }
        self.removed.is_refused = false;
        let added = match &exchange {
            Exchange::Adding(places) => places.clone(),
            _ => Vec::new(),
        };
        self.update_streams(cx, true, &added);
        if self.hold.agreed != wished || matches!(exchange, Exchange::Holding) {
            self.hold.agreed = wished;
            self.tell_hold(cx, Originator::Local, wished, MediaStream::is_on_hold_by_local);
        }
        match exchange {
            Exchange::Adding(places) => self.begin_added(cx, &places, true),
            Exchange::Removing(streams) => self.tell_removed(cx, Streams::new(streams)),
            Exchange::Idle | Exchange::Holding | Exchange::Changing | Exchange::Proposed(_) => {}
        }
        // To a hold of ours many answer by `inactive` who hold nothing themselves.
        if !wished {
            self.notice_remote_hold(cx);
        }
        self.pursue(cx);
    }

    /// Our re-INVITE came to nothing. What was wished is given up, but where it only met another one: nothing is asked for twice
    /// without an end.
    fn handle_reinvite_refused(
        &mut self,
        cx: &mut Context<'_>,
        code: StatusCode,
        reason: &str,
        exchange: Exchange,
    ) {
        debug!(%code, reason, "a re-INVITE was refused");
        self.take_offer_back(cx);
        let is_glare = code == StatusCode::REQUEST_PENDING;
        if !is_glare {
            self.on_places(cx, |places, stage| places.offer_refused(stage, reason));
        }
        match exchange {
            Exchange::Adding(places) => return self.give_up_adding(cx, code, reason, &places),
            // The streams are over here whatever the other side says; it is told again with the next offer.
            Exchange::Removing(streams) => {
                self.removed.is_refused = !is_glare;
                self.tell_removed(cx, Streams::new(streams));
            }
            _ if !is_glare && self.hold.wished != self.hold.agreed => {
                let event = SessionEvent::DidNotChangeHoldState {
                    on_hold: self.hold.wished,
                    code: code.as_u16(),
                    reason: reason.to_owned(),
                };
                self.hold.wished = self.hold.agreed;
                self.emit(cx.now, event);
            }
            _ => {}
        }
        if !is_glare {
            self.pursue(cx);
        }
    }

    /// An answer whose sections fit those of our offer, and the places of those that did not: they count as refused, so that the
    /// others may go on.
    pub(super) fn fitted(&self, mut answer: SessionDescription) -> (SessionDescription, Vec<usize>) {
        let ours = self.negotiation.offer().map_or(&[][..], |offer| &offer.media);
        let mut misfits = Vec::new();
        for (index, (ours, theirs)) in ours.iter().zip(&mut answer.media).enumerate() {
            let fits = ours.kind == theirs.kind && ours.protocol.eq_ignore_ascii_case(&theirs.protocol);
            if !theirs.is_rejected() && (!fits || ours.is_rejected()) {
                debug!(index, %theirs.protocol, "an answer that does not fit our offer");
                *theirs = ours.rejection();
                misfits.push(index);
            }
        }
        (answer, misfits)
    }

    /// A re-INVITE of the other side. Changes of direction and address, and streams that end, are followed at once; new
    /// streams are for the application to decide, and what cannot be followed is refused by 488.
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
        let body = match offer {
            Some(Some(offer)) => {
                if self.follows(&offer) && self.negotiation.handle_offer(offer).is_ok() {
                    if self.ask_about_proposal(cx) {
                        return;
                    }
                    self.answer_offer(cx)
                } else {
                    None
                }
            }
            Some(None) => None,
            // No offer: we describe what runs, and the ACK brings the answer (RFC 3261 §14.2).
            None => {
                let sections = self.places.offer(self.negotiation.local());
                self.negotiation
                    .create_offer(sections)
                    .map(ToString::to_string)
                    .ok()
            }
        };
        self.respond_to_reinvite(cx, body, &[]);
        self.pursue(cx);
    }

    /// Answers the other side's re-INVITE with this description, or by 488, and follows what is agreed. Streams at
    /// `added` are new: they are started, not updated.
    pub(super) fn respond_to_reinvite(
        &mut self,
        cx: &mut Context<'_>,
        body: Option<String>,
        added: &[usize],
    ) {
        let Some(mut invitation) = cx.endpoint.invitation(self.invitation) else {
            return;
        };
        let is_followed = body.is_some();
        let refusal = StatusCode::NOT_ACCEPTABLE_HERE;
        let answered = match body {
            Some(body) => invitation.respond_to_reinvite(cx.now, StatusCode::OK, Some(&Body::sdp(body))),
            None => invitation.respond_to_reinvite(cx.now, refusal, None),
        };
        if let Err(error) = answered {
            return debug!(%error, "a re-INVITE is no longer there to be answered");
        }
        if !is_followed {
            self.tell_refused(cx, refusal);
        }
        if is_followed && self.negotiation.offer().is_none() {
            self.update_streams(cx, false, added);
            self.notice_remote_hold(cx);
            // What the session waited for may be over by this.
            self.notice_running(cx);
        }
    }

    /// An offer of the other side outside of a re-INVITE: its UPDATE (RFC 3311), or its PRACK. It must be answered at once,
    /// so nobody is asked: what runs follows, and new streams are refused.
    pub(super) fn handle_update(&mut self, cx: &mut Context<'_>, offer: Option<SessionDescription>) {
        let is_idle = self.state == SessionState::Connected && !self.exchange.is_ours();
        let offer = offer.filter(|offer| is_idle && self.follows(offer));
        let taken = offer.is_some_and(|offer| self.negotiation.handle_offer(offer).is_ok());
        let body = taken.then(|| self.answer_offer(cx)).flatten();
        let Some(mut invitation) = cx.endpoint.invitation(self.invitation) else {
            return;
        };
        let is_followed = body.is_some();
        let answered = match body {
            Some(body) => invitation.respond_to_update(cx.now, StatusCode::OK, Some(&Body::sdp(body))),
            None => invitation.respond_to_update(cx.now, StatusCode::NOT_ACCEPTABLE_HERE, None),
        };
        if let Err(error) = answered {
            return debug!(%error, "an UPDATE is no longer there to be answered");
        }
        if is_followed {
            self.update_streams(cx, false, &[]);
            self.notice_remote_hold(cx);
        }
        self.pursue(cx);
    }

    /// The ACK to our 2xx of a re-INVITE; it brings the answer when the offer was ours.
    pub(super) fn handle_reinvite_confirmed(
        &mut self,
        cx: &mut Context<'_>,
        answer: Option<SessionDescription>,
    ) {
        if self.negotiation.offer().is_none() || self.exchange.is_ours() {
            return;
        }
        match answer.map(|answer| self.negotiation.handle_answer(answer)) {
            Some(Ok(())) => {
                self.update_streams(cx, true, &[]);
                self.notice_remote_hold(cx);
            }
            other => {
                debug!(?other, "the ACK of a re-INVITE brought no usable answer");
                self.take_offer_back(cx);
            }
        }
        self.pursue(cx);
    }

    /// The other side thought better of its re-INVITE.
    pub(super) fn handle_reinvite_cancelled(&mut self, cx: &mut Context<'_>) {
        if self.negotiation.offer().is_some() && !self.exchange.is_ours() {
            self.take_offer_back(cx);
        }
        self.forget_proposal(cx);
        self.pursue(cx);
    }

    /// Whether all streams can follow what the other side offers now.
    fn follows(&self, offer: &SessionDescription) -> bool {
        (0..self.places.len()).all(|index| {
            let is_removed = offer.media.get(index).is_some_and(Media::is_rejected);
            let stream = self.places.get(index);
            is_removed || stream.is_none_or(|stream| stream.validate_update(offer, index))
        })
    }

    /// The answer to the offer under way; without one it is taken back.
    pub(super) fn answer_offer(&mut self, cx: &mut Context<'_>) -> Option<String> {
        let offer = self.negotiation.offer()?.clone();
        let (sections, refusal) = self.places.answer(&offer);
        if let Some(error) = refusal.filter(|_| sections.iter().all(Media::is_rejected)) {
            debug!(%error, "a re-INVITE cannot be followed");
            self.take_offer_back(cx);
            return None;
        }
        match self.negotiation.create_answer(sections) {
            Ok(answer) => Some(answer.to_string()),
            Err(error) => {
                debug!(%error, "a re-INVITE cannot be answered");
                self.take_offer_back(cx);
                None
            }
        }
    }

    /// Lets all streams but the new ones follow what is agreed; tells of those that end by it.
    fn update_streams(&mut self, cx: &mut Context<'_>, is_offerer: bool, added: &[usize]) {
        let before: Vec<usize> = (0..self.places.len())
            .filter(|index| !added.contains(index) && self.places.get(*index).is_some())
            .collect();
        let described: Vec<_> = before
            .iter()
            .map(|index| (*index, self.places.describe(&[*index])))
            .collect();
        let outcome = Outcome {
            negotiation: &self.negotiation,
            is_offerer,
            parties: Parties {
                local: &self.local_identity,
                remote: &self.remote_identity,
            },
        };
        self.places.update(&mut cx.stage(), outcome, added);
        self.relay(cx.now);
        let gone = described
            .into_iter()
            .filter(|(index, _)| self.places.get(*index).is_none());
        let gone: Vec<_> = gone.flat_map(|(_, described)| described).collect();
        self.tell_removed(cx, Streams::new(gone));
    }

    /// Not before the session has started: that tells which streams there are.
    pub(super) fn tell_removed(&mut self, cx: &mut Context<'_>, streams: Streams) {
        if !streams.is_empty() && self.started_at.is_some() {
            let action = RenegotiationAction::Remove;
            self.emit(cx.now, SessionEvent::DidRenegotiateStreams { action, streams });
        }
    }

    pub(super) fn notice_remote_hold(&mut self, cx: &mut Context<'_>) {
        let on_hold = self.places.iter().any(MediaStream::is_on_hold_by_remote);
        if on_hold != self.hold.by_remote {
            self.hold.by_remote = on_hold;
            self.tell_hold(cx, Originator::Remote, on_hold, MediaStream::is_on_hold_by_remote);
        }
    }

    fn tell_hold(
        &mut self,
        cx: &Context<'_>,
        originator: Originator,
        on_hold: bool,
        is_held: impl Fn(&dyn MediaStream) -> bool,
    ) {
        let is_left = |stream: &dyn MediaStream| stream.supports_hold() && !is_held(stream);
        let partial = on_hold && self.places.iter().any(is_left);
        let event = SessionEvent::DidChangeHoldState {
            originator,
            on_hold,
            partial,
        };
        self.emit(cx.now, event);
    }

    /// Back to what was agreed before, streams included.
    pub(super) fn take_offer_back(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.negotiation.rollback() {
            debug!(%error, "no offer to take back");
        }
        let on_hold = self.hold.agreed;
        self.on_places(cx, |places, stage| places.set_hold(stage, on_hold));
    }
}
