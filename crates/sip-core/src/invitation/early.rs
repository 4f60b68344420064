//! Early dialogs of our INVITE, one for each branch that answers (RFC 3261 §13.2.2.1), and PRACK (RFC 3262 §4).

use super::descriptions::Descriptions;
use super::request::Purpose;
use super::{Cause, DescriptionKind, Invitation, InvitationEvent, InvitationState};
use crate::dialog::{Dialog, DialogId};
use crate::endpoint::{Body, Core, Owner, SendError, body_of};
use crate::header::{RAck, RSeq};
use crate::{HeaderName, Method, Response};
use bytes::Bytes;
use offhook_sansio::Path;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

/// A dialog that a provisional response began.
#[derive(Debug)]
pub(super) struct EarlyDialog {
    pub(super) dialog: Dialog,
    pub(super) descriptions: Descriptions,
    provisionals: ReceivedProvisionals,
}

/// The reliable responses to one INVITE of ours, in one dialog (RFC 3262 §4).
#[derive(Debug, Default)]
pub(super) struct ReceivedProvisionals {
    /// The number of the newest that was taken.
    newest: Option<u32>,
    pub(super) offer: OfferReceived,
}

/// Whether one of them brought the offer that the INVITE had not (RFC 3262 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum OfferReceived {
    #[default]
    No,
    /// It wants an answer, in the PRACK that names it so.
    Unanswered(RAck),
    Answered,
}

/// What a provisional response is to its early dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Unreliable,
    /// To be acknowledged by this name.
    Next(RAck),
    /// Seen before, or one before it is missing: not to be acknowledged or used (RFC 3262 §4).
    Unusable,
}

impl ReceivedProvisionals {
    /// Takes a provisional response to the INVITE of this number.
    pub(super) fn take(&mut self, response: &Response, cseq: u32) -> Order {
        let is_reliable = response.headers().has_token(HeaderName::Require, "100rel");
        let Some(Ok(RSeq(rseq))) = response.headers().typed::<RSeq>().filter(|_| is_reliable) else {
            return Order::Unreliable;
        };
        let in_order = self.newest.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if !in_order {
            return Order::Unusable;
        }
        self.newest = Some(rseq);
        let method = Method::Invite;
        Order::Next(RAck { rseq, cseq, method })
    }
}

impl OfferReceived {
    /// The offer is answered now: the name of the response that brought it.
    pub(super) fn answer(&mut self) -> Option<RAck> {
        match std::mem::take(self) {
            Self::Unanswered(rack) => {
                *self = Self::Answered;
                Some(rack)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

impl EarlyDialog {
    /// True once UPDATE may be sent inside it: the peer has answered reliably, and says that it knows the method.
    pub(super) fn is_reliable(&self) -> bool {
        self.provisionals.newest.is_some()
    }
}

impl Deref for EarlyDialog {
    type Target = Dialog;
    fn deref(&self) -> &Dialog {
        &self.dialog
    }
}

impl DerefMut for EarlyDialog {
    fn deref_mut(&mut self) -> &mut Dialog {
        &mut self.dialog
    }
}

impl Invitation {
    /// A provisional response above 100, perhaps of one more branch.
    pub(super) fn handle_early(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        response: &Response,
        path: Path,
    ) {
        if !matches!(self.state, InvitationState::Calling | InvitationState::Early) {
            return;
        }
        let fork = self.early_dialog(core, response, path);
        let number = self.sent[index].number;
        let order = fork.map_or(Order::Unreliable, |fork| {
            self.forks[fork].provisionals.take(response, number)
        });
        if order == Order::Unusable {
            tracing::debug!("a reliable response is out of order");
            return;
        }
        self.peer.learn(response.headers());
        self.set_state(core, InvitationState::Early, Cause::Response(response.clone()));
        self.emit(
            core,
            InvitationEvent::Provisional {
                response: response.clone(),
            },
        );
        let body = body_of(response.headers(), response.body());
        match (fork, order) {
            (Some(fork), Order::Next(rack)) => self.take_reliable(core, now, fork, rack, body),
            // RFC 3261 §13.2.1: in an unreliable response it is no more than a first form of the answer.
            _ => {
                if let Some(body) = body.filter(|_| self.offer.is_some()) {
                    let remote_tag = super::outgoing::to_tag(response);
                    self.tell_early(core, DescriptionKind::Answer, body, remote_tag, false);
                }
            }
        }
    }

    fn early_dialog(&mut self, core: &mut Core, response: &Response, path: Path) -> Option<usize> {
        let dialog = Dialog::of_response(response, path).ok()?;
        if let Some(known) = self.forks.iter().position(|known| known.id() == dialog.id()) {
            return Some(known);
        }
        if dialog.id().remote_tag.is_empty() || self.forks.len() >= core.config.limits.forks {
            return None;
        }
        core.dialogs.join(dialog.id().clone(), Owner::Invitation(self.id));
        let mut descriptions = Descriptions::default();
        if let Some(offer) = &self.offer {
            descriptions.offer(offer.clone());
        }
        self.forks.push(EarlyDialog {
            dialog,
            descriptions,
            provisionals: ReceivedProvisionals::default(),
        });
        Some(self.forks.len() - 1)
    }

    /// RFC 3262 §4, §5: the description in a reliable response counts, and the response gets its PRACK.
    fn take_reliable(&mut self, core: &mut Core, now: Instant, fork: usize, rack: RAck, body: Option<Body>) {
        let early = &mut self.forks[fork];
        let remote_tag = early.id().remote_tag.clone();
        match body {
            Some(answer) if early.descriptions.take_answer(&answer) => {
                self.tell_early(core, DescriptionKind::Answer, answer, remote_tag, true);
            }
            Some(offer) if early.descriptions.is_idle() && early.descriptions.local().is_none() => {
                early.descriptions.take_offer(offer.clone());
                early.provisionals.offer = OfferReceived::Unanswered(rack);
                self.tell_early(core, DescriptionKind::Offer, offer, remote_tag, true);
                self.emit(core, InvitationEvent::AnswerWanted);
                return;
            }
            _ => {}
        }
        let offer = self
            .prack_offer
            .take_if(|_| self.forks[fork].descriptions.is_idle());
        if let Some(offer) = &offer {
            self.forks[fork].descriptions.offer(offer.clone());
        }
        let dialog = self.forks[fork].id().clone();
        if let Err(error) = self.send_prack(core, now, &dialog, &rack, offer) {
            tracing::debug!(%error, "a PRACK could not be sent");
        }
    }

    fn tell_early(
        &self,
        core: &mut Core,
        kind: DescriptionKind,
        body: Body,
        remote_tag: Bytes,
        is_reliable: bool,
    ) {
        self.emit(
            core,
            InvitationEvent::EarlyDescription {
                kind,
                body,
                remote_tag,
                is_reliable,
            },
        );
    }

    /// In an early dialog, or that of the call.
    pub(super) fn send_prack(
        &mut self,
        core: &mut Core,
        now: Instant,
        dialog: &DialogId,
        rack: &RAck,
        body: Option<Body>,
    ) -> Result<(), SendError> {
        let Some(mut prack) = self
            .find_dialog(dialog)
            .map(|dialog| dialog.request(Method::Prack))
        else {
            return Ok(());
        };
        let has_offer = body.is_some() && self.descriptions_of(&dialog.remote_tag).is_ours();
        prack.headers_mut().push_typed(rack);
        if let Some(body) = body {
            prack.set_body(&body.content_type, body.bytes);
        }
        self.send_inside(core, now, dialog, prack, Purpose::Prack { has_offer })?;
        Ok(())
    }

    /// Answers the offer in a reliable response, in its PRACK; true where there is one that waits.
    pub(super) fn answer_in_prack(
        &mut self,
        core: &mut Core,
        now: Instant,
        answer: Option<&Body>,
    ) -> Result<bool, SendError> {
        if let Some(rack) = self
            .open_reinvite()
            .and_then(|index| self.sent[index].provisionals.offer.answer())
        {
            self.answer_reinvite_in_prack(core, now, &rack, answer)?;
            return Ok(true);
        }
        if self.state != InvitationState::Early {
            return Ok(false);
        }
        let waiting = self.forks.iter_mut().find_map(|fork| {
            let rack = fork.provisionals.offer.answer()?;
            Some((fork, rack))
        });
        let Some((fork, rack)) = waiting else {
            return Ok(false);
        };
        if let Some(answer) = answer {
            fork.descriptions.answer(answer);
        }
        let dialog = fork.id().clone();
        self.send_prack(core, now, &dialog, &rack, answer.cloned())?;
        Ok(true)
    }

    /// A 2xx, or a 199, tells that an early dialog is over (RFC 6228 §4).
    pub(super) fn drop_forks(&mut self, core: &mut Core) {
        for fork in self.forks.drain(..) {
            core.dialogs.leave(fork.id(), Owner::Invitation(self.id));
        }
    }

    /// The exchange in the dialog of this name: of the call, or of a branch.
    pub(super) fn descriptions_of(&mut self, remote_tag: &[u8]) -> &mut Descriptions {
        match self
            .forks
            .iter_mut()
            .find(|fork| fork.dialog.id().remote_tag == remote_tag)
        {
            Some(fork) => &mut fork.descriptions,
            None => &mut self.descriptions,
        }
    }
}
