//! Early dialogs of our INVITE, one for each branch that answers (RFC 3261 §13.2.2.1), and PRACK (RFC 3262 §4).

use super::descriptions::Descriptions;
use super::request::Purpose;
use super::{Cause, DescriptionKind, Invitation, InvitationEvent, InvitationState};
use crate::dialog::Dialog;
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
    /// The number of the newest reliable response that was taken.
    rseq: Option<u32>,
    /// For a response whose offer wants an answer first.
    owed: Option<RAck>,
}

/// What a provisional response is to its early dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Unreliable,
    Next,
    /// Seen before, or one before it is missing: not to be acknowledged or used (RFC 3262 §4).
    Unusable,
}

impl Order {
    /// Of a provisional response, behind the newest reliable one.
    pub(super) fn take(newest: &mut Option<u32>, response: &Response) -> Self {
        let is_reliable = response.headers().has_token(HeaderName::Require, "100rel");
        let Some(Ok(RSeq(rseq))) = response.headers().typed::<RSeq>().filter(|_| is_reliable) else {
            return Self::Unreliable;
        };
        let in_order = newest.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if in_order {
            *newest = Some(rseq);
            return Self::Next;
        }
        Self::Unusable
    }
}

impl EarlyDialog {
    /// True once UPDATE may be sent inside it: the peer has answered reliably, and says that it knows the method.
    pub(super) fn is_reliable(&self) -> bool {
        self.rseq.is_some()
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
        let order = fork.map_or(Order::Unreliable, |fork| {
            Order::take(&mut self.forks[fork].rseq, response)
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
        match fork {
            Some(fork) if order == Order::Next => self.take_reliable(core, now, index, fork, response, body),
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
            rseq: None,
            owed: None,
        });
        Some(self.forks.len() - 1)
    }

    /// RFC 3262 §4, §5: the description in a reliable response counts, and the response gets its PRACK.
    fn take_reliable(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        fork: usize,
        response: &Response,
        body: Option<Body>,
    ) {
        let early = &mut self.forks[fork];
        let rack = RAck {
            rseq: early.rseq.unwrap_or_default(),
            cseq: self.sent[index].number,
            method: Method::Invite,
        };
        let remote_tag = early.id().remote_tag.clone();
        match body {
            Some(answer) if early.descriptions.take_answer(&answer) => {
                self.tell_early(core, DescriptionKind::Answer, answer, remote_tag, true);
            }
            Some(offer) if early.descriptions.is_idle() && early.descriptions.local().is_none() => {
                early.descriptions.take_offer(offer.clone());
                early.owed = Some(rack);
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
        if let Err(error) = self.send_prack(core, now, fork, &rack, offer) {
            tracing::debug!(%error, status = response.status().as_u16(), "a PRACK could not be sent");
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

    fn send_prack(
        &mut self,
        core: &mut Core,
        now: Instant,
        fork: usize,
        rack: &RAck,
        body: Option<Body>,
    ) -> Result<(), SendError> {
        let has_offer = body.is_some() && self.forks[fork].descriptions.is_ours();
        let mut prack = self.forks[fork].dialog.request(Method::Prack);
        prack.headers_mut().push_typed(rack);
        if let Some(body) = body {
            prack.set_body(&body.content_type, body.bytes);
        }
        let dialog = self.forks[fork].id().clone();
        self.send_inside(core, now, &dialog, prack, Purpose::Prack { has_offer })?;
        Ok(())
    }

    /// The early dialog whose offer wants an answer.
    pub(super) fn owes_prack(&self) -> Option<usize> {
        self.forks.iter().position(|fork| fork.owed.is_some())
    }

    /// Answers the offer in a reliable response, in its PRACK.
    pub(super) fn answer_in_prack(
        &mut self,
        core: &mut Core,
        now: Instant,
        fork: usize,
        answer: Option<&Body>,
    ) -> Result<(), SendError> {
        let Some(rack) = self.forks[fork].owed.take() else {
            return Ok(());
        };
        if let Some(answer) = answer {
            self.forks[fork].descriptions.answer(answer);
        }
        self.send_prack(core, now, fork, &rack, answer.cloned())
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
