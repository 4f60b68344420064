//! Streams that are added to, and removed from, a running session: proposals of either side.

use super::{Context, Exchange, Session};
use crate::media::StreamId;
use crate::stream::{MediaStream, StreamError};
use crate::{Originator, SessionError, SessionEvent, SessionState, SessionTrigger, Streams};
use offhook_sip_core::StatusCode;
use std::net::IpAddr;
use tracing::debug;

/// Streams that are proposed when the exchange that is under way is over.
pub(super) struct Waiting {
    local_ip: IpAddr,
    streams: Vec<Box<dyn MediaStream>>,
}

/// Proposals of ours that may wait for an exchange that is under way: who asks faster than the other side answers is refused.
const MOST_WAITING: usize = 16;

impl Session {
    /// Proposes to add streams to a connected session.
    pub(crate) fn add_streams(
        &mut self,
        cx: &mut Context<'_>,
        local_ip: IpAddr,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        self.permit(SessionTrigger::AddStreams)?;
        if streams.is_empty() {
            return Err(SessionError::NoStreams);
        }
        if self.may_propose_now(cx) {
            return self.propose_streams(cx, local_ip, streams);
        }
        if self.waiting.len() == MOST_WAITING {
            return Err(self.illegal(SessionTrigger::AddStreams));
        }
        self.waiting.push_back(Waiting { local_ip, streams });
        Ok(())
    }

    /// Proposes what had to wait for another exchange.
    pub(super) fn propose_waiting(&mut self, cx: &mut Context<'_>) {
        while !self.waiting.is_empty() && self.may_propose_now(cx) {
            let Some(Waiting { local_ip, streams }) = self.waiting.pop_front() else {
                return;
            };
            if let Err(error) = self.propose_streams(cx, local_ip, streams) {
                let reason = error.to_string();
                let streams = Streams::default();
                self.emit(cx.now, SessionEvent::HadProposalFailure { reason, streams });
            }
        }
    }

    fn may_propose_now(&self, cx: &mut Context<'_>) -> bool {
        let invitation = cx.endpoint.invitation(self.invitation);
        self.may_propose() && invitation.is_some_and(|invitation| invitation.may_reinvite())
    }

    fn propose_streams(
        &mut self,
        cx: &mut Context<'_>,
        local_ip: IpAddr,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        let settings = cx.settings;
        let streams = self.on_places(cx, |places, stage| {
            places.initialize(stage, streams, local_ip, settings)
        })?;
        let sections = self.negotiation.local().map_or(0, |local| local.media.len());
        self.places.widen(sections);
        let free = self.disabled_sections();
        let places = self.places.put(streams, &free);
        self.hold_streams(cx);
        let offer = self.places.offer(self.negotiation.local());
        if self.propose(cx, offer, Exchange::Adding(places.clone())) {
            self.step(SessionTrigger::AddStreams);
            let event = SessionEvent::GotProposal {
                originator: Originator::Local,
                streams: Streams::new(self.places.describe(&places)),
            };
            self.emit(cx.now, event);
            return Ok(());
        }
        self.on_places(cx, |all, stage| all.withdraw(stage, &places));
        Err(self.illegal(SessionTrigger::AddStreams))
    }

    /// The sections that both sides have set to port 0: new streams may take them (RFC 3264 §8.1), so that a session may change
    /// for as long as it likes without growing.
    fn disabled_sections(&self) -> Vec<usize> {
        let (Some(local), Some(remote)) = (self.negotiation.local(), self.negotiation.remote()) else {
            return Vec::new();
        };
        let sections = local.media.iter().zip(&remote.media).enumerate();
        let disabled = sections.filter(|(index, (local, remote))| {
            local.is_rejected() && remote.is_rejected() && self.places.get(*index).is_none()
        });
        disabled.map(|(index, _)| index).collect()
    }

    /// Removes a stream from a connected session. It ends at once, whatever the other side says.
    pub(crate) fn remove_stream(&mut self, cx: &mut Context<'_>, id: StreamId) -> Result<(), SessionError> {
        self.permit(SessionTrigger::RemoveStream)?;
        let index = self.places.index_of(id).ok_or(StreamError::NoSuchStream)?;
        let described = self.places.describe(&[index]);
        self.removed.untold.extend(described);
        self.on_places(cx, |places, stage| places.end(stage, index));
        self.starting.retain(|place| *place != index);
        self.pursue(cx);
        Ok(())
    }

    /// Removes the streams that have done what they were for. The last one stays: what becomes of the session then is for the
    /// application to say.
    pub(super) fn remove_done(&mut self, cx: &mut Context<'_>) {
        while self.places.iter().nth(1).is_some()
            && let Some(index) = self.places.first_done()
        {
            let description = self.places.describe(&[index]);
            self.on_places(cx, |places, stage| places.end(stage, index));
            self.removed.untold.extend(description);
            self.pursue(cx);
        }
    }

    /// Takes our proposal back.
    pub(crate) fn cancel_proposal(&mut self, cx: &mut Context<'_>) -> Result<(), SessionError> {
        self.permit(SessionTrigger::CancelProposal)?;
        let mut invitation = cx
            .endpoint
            .invitation(self.invitation)
            .ok_or(SessionError::Unknown)?;
        invitation.cancel_reinvite(cx.now)?;
        self.step(SessionTrigger::CancelProposal);
        Ok(())
    }

    /// Accepts what the other side proposes, with these streams; the rest is refused.
    pub(crate) fn accept_proposal(
        &mut self,
        cx: &mut Context<'_>,
        local_ip: IpAddr,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        self.permit(SessionTrigger::AcceptProposal)?;
        if streams.is_empty() {
            return Err(SessionError::NoStreams);
        }
        let Some(offer) = self.negotiation.offer().cloned() else {
            return Err(self.illegal(SessionTrigger::AcceptProposal));
        };
        let settings = cx.settings;
        let streams = self.on_places(cx, |places, stage| {
            places.initialize(stage, streams, local_ip, settings)
        })?;
        let placed = self.on_places(cx, |places, stage| places.place(stage, &offer, streams));
        self.hold_streams(cx);
        let proposal = std::mem::take(&mut self.exchange);
        let body = self.answer_offer(cx);
        if body.is_none() {
            self.on_places(cx, |places, stage| places.withdraw(stage, &placed));
            self.step(SessionTrigger::RejectProposal);
            self.respond_to_reinvite(cx, None, &[]);
            if let Exchange::Proposed(streams) = proposal {
                let reason = "nothing of it can be accepted".to_owned();
                let streams = Streams::new(streams);
                self.emit(cx.now, SessionEvent::HadProposalFailure { reason, streams });
            }
            return Err(StreamError::NoneProposed.into());
        }
        self.step(SessionTrigger::AcceptProposal);
        self.respond_to_reinvite(cx, body, &placed);
        self.begin_added(cx, &placed, false);
        self.note_hold(cx);
        self.notice_remote_hold(cx);
        Ok(())
    }

    /// Refuses what the other side proposes; the session goes on as it is.
    pub(crate) fn reject_proposal(
        &mut self,
        cx: &mut Context<'_>,
        code: StatusCode,
    ) -> Result<(), SessionError> {
        self.permit(SessionTrigger::RejectProposal)?;
        let mut invitation = cx
            .endpoint
            .invitation(self.invitation)
            .ok_or(SessionError::Unknown)?;
        invitation.respond_to_reinvite(cx.now, code, None)?;
        self.tell_refused(cx, code);
        self.take_offer_back(cx);
        self.step(SessionTrigger::RejectProposal);
        self.tell_rejected(cx, Originator::Local, code, code.default_reason());
        self.pursue(cx);
        Ok(())
    }

    /// Asks the application about sections of the offer under way that none of our streams has; false where there are
    /// none of a kind that is known.
    pub(super) fn ask_about_proposal(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(offer) = self.negotiation.offer() else {
            return false;
        };
        // What the other side had offered before is not proposed anew: it was refused, or is over here, which the other side
        // has not been told yet.
        let was_offered = |index: usize| {
            let before = self
                .negotiation
                .remote()
                .and_then(|remote| remote.media.get(index));
            before.is_some_and(|before| !before.is_rejected())
        };
        let new: Vec<_> = (0..offer.media.len())
            .filter(|index| self.places.get(*index).is_none() && !was_offered(*index))
            .filter_map(|index| cx.registry.describe(offer, index))
            .collect();
        if new.is_empty() {
            return false;
        }
        self.step(SessionTrigger::Proposed);
        self.exchange = Exchange::Proposed(new.clone());
        self.emit(
            cx.now,
            SessionEvent::GotProposal {
                originator: Originator::Remote,
                streams: Streams::new(new),
            },
        );
        true
    }

    /// The other side's proposal was taken back.
    pub(super) fn forget_proposal(&mut self, cx: &mut Context<'_>) {
        if self.state == SessionState::ReceivedProposal {
            self.step(SessionTrigger::ProposalWithdrawn);
            self.tell_rejected(
                cx,
                Originator::Remote,
                StatusCode::REQUEST_TERMINATED,
                "Cancelled",
            );
        }
    }

    fn tell_rejected(&mut self, cx: &Context<'_>, originator: Originator, code: StatusCode, reason: &str) {
        let Exchange::Proposed(streams) = std::mem::take(&mut self.exchange) else {
            return debug!("no proposal to end");
        };
        self.emit(
            cx.now,
            SessionEvent::GotRejectProposal {
                originator,
                code: code.as_u16(),
                reason: reason.to_owned(),
                streams: Streams::new(streams),
            },
        );
    }

    /// The ACK of the other side's re-INVITE: what was wished for while it changed the session had to wait until here.
    pub(super) fn handle_reinvite_acknowledged(&mut self, cx: &mut Context<'_>) {
        if self.state == SessionState::AcceptingProposal {
            self.step(SessionTrigger::ProposalConfirmed);
        }
        self.pursue(cx);
    }

    /// Streams that were agreed upon begin.
    pub(super) fn begin_added(&mut self, cx: &mut Context<'_>, places: &[usize], is_offerer: bool) {
        if is_offerer {
            self.step(SessionTrigger::ProposalAnswered);
        }
        let originator = if is_offerer {
            Originator::Remote
        } else {
            Originator::Local
        };
        let is_accepted = |index: &usize| {
            let remote = self.negotiation.remote();
            let section = remote.and_then(|remote| remote.media.get(*index));
            section.is_some_and(|section| !section.is_rejected())
        };
        let accepted: Vec<usize> = places.iter().copied().filter(is_accepted).collect();
        let proposed = Streams::new(self.places.describe(places));
        if !accepted.is_empty() {
            let streams = Streams::new(self.places.describe(&accepted));
            self.emit(cx.now, SessionEvent::GotAcceptProposal { originator, streams });
        }
        if let Err(error) = self.start_streams(cx, is_offerer, places) {
            debug!(%error, "no stream that was added starts");
        }
        if places.iter().all(|index| self.places.get(*index).is_none()) {
            let reason = if accepted.is_empty() {
                "the other side refused the streams"
            } else {
                "no stream that was accepted can start"
            };
            let event = SessionEvent::HadProposalFailure {
                reason: reason.to_owned(),
                streams: proposed,
            };
            self.emit(cx.now, event);
        }
        self.notice_running(cx);
    }

    /// Our proposal was refused, taken back, or not answered.
    pub(super) fn give_up_adding(
        &mut self,
        cx: &mut Context<'_>,
        code: StatusCode,
        reason: &str,
        withdrawn: &[usize],
    ) {
        let streams = Streams::new(self.places.describe(withdrawn));
        let originator = if self.state == SessionState::CancellingProposal {
            Originator::Local
        } else {
            Originator::Remote
        };
        self.on_places(cx, |places, stage| places.withdraw(stage, withdrawn));
        self.step(SessionTrigger::ProposalAnswered);
        let reason = reason.to_owned();
        let event = if code.is_success() {
            SessionEvent::HadProposalFailure { reason, streams }
        } else {
            let code = code.as_u16();
            SessionEvent::GotRejectProposal {
                originator,
                code,
                reason,
                streams,
            }
        };
        self.emit(cx.now, event);
        self.pursue(cx);
    }
}
