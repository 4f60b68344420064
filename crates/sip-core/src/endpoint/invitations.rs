//! The endpoint's calls.

use super::Endpoint;
use super::core::Owner;
use crate::dialog::DialogId;
use crate::invitation::{
    CommandError, Invitation, InvitationId, InvitationMut, Invite, Replacement, replacement,
};
use crate::transaction::{Essentials, TransactionId};
use crate::{HeaderName, Request, StatusCode};
use offhook_sansio::Path;
use std::time::Instant;

impl Endpoint {
    /// How many calls exist, including those that are over but whose transactions are not.
    pub fn invitation_count(&self) -> usize {
        self.invitations.len()
    }

    /// Calls somebody.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<InvitationId, CommandError> {
        let limit = self.core.config.limits.invitations;
        if self.invitations.len() >= limit {
            return Err(CommandError::Limit { limit });
        }
        if invite.routes.is_empty() {
            return Err(CommandError::NoRoute);
        }
        let id = InvitationId(self.fresh_number());
        let invitation = Invitation::start(&mut self.core, now, id, invite)?;
        self.invitations.insert(id, invitation);
        Ok(id)
    }

    /// A call; `None` once it is over and nothing can come for it any more.
    pub fn invitation(&mut self, id: InvitationId) -> Option<InvitationMut<'_>> {
        let replaced = self.invitations.get(id)?.replaced();
        let (invitation, replaced, schedule) = self.invitations.lend_both(id, replaced)?;
        Some(InvitationMut::new(invitation, replaced, &mut self.core, schedule))
    }

    pub(super) fn handle_invite(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        path: Path,
        essentials: &Essentials,
        request: &Request,
    ) {
        if self.invitations.len() >= self.core.config.limits.invitations {
            self.core.statistics.refused_full += 1;
            let mut response = self.core.response_to(request, StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().push(HeaderName::RetryAfter, "10");
            self.core.answer(now, transaction, response);
            return;
        }
        if let Some(response) = self.core.refuse_invite(request) {
            self.core.statistics.rejected += 1;
            return self.core.answer(now, transaction, response);
        }
        let replaced = match self.replacement(request) {
            Replacement::None => None,
            Replacement::Of(replaced) => Some(replaced),
            Replacement::Refused(status) => {
                let response = self.core.response_to(request, status);
                return self.core.answer(now, transaction, response);
            }
        };
        let id = InvitationId(self.fresh_number());
        match Invitation::receive(&mut self.core, id, transaction, request, essentials, path) {
            Ok(mut invitation) => {
                if let Some(replaced) = replaced {
                    invitation.set_replaces(replaced);
                }
                self.core.owners.insert(transaction, Owner::Invitation(id));
                self.invitations.insert(id, invitation);
            }
            Err(error) => {
                self.core.statistics.rejected += 1;
                let mut response = self.core.response_to(request, StatusCode::BAD_REQUEST);
                response.set_reason(&format!("Bad Request: {error}"));
                self.core.answer(now, transaction, response);
            }
        }
    }

    /// The call that an INVITE with Replaces takes the place of (RFC 3891 §3).
    fn replacement(&self, request: &Request) -> Replacement {
        let (dialog, early_only) = match replacement::wanted(request) {
            None => return Replacement::None,
            Some(Err(status)) => return Replacement::Refused(status),
            Some(Ok(wanted)) => wanted,
        };
        let sharers = self.core.dialogs.sharers(&dialog);
        let call = sharers.iter().find_map(|owner| match owner {
            Owner::Invitation(call) => self.invitations.get(*call),
            _ => None,
        });
        // One that is over is known for as long as its transactions live.
        let call = call.or_else(|| self.invitations.iter().find(|call| call.is_of(&dialog)));
        call.map_or(
            Replacement::Refused(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            |call| call.replacement(early_only),
        )
    }

    /// An ACK for a 2xx: a transaction of its own, found by its dialog (RFC 3261 §13.3.1.4).
    pub(super) fn handle_stray_ack(&mut self, now: Instant, essentials: &Essentials, request: &Request) {
        let dialog = DialogId::of_request(essentials);
        let sharers = dialog
            .as_ref()
            .map_or(&[][..], |dialog| self.core.dialogs.sharers(dialog));
        let call = sharers.iter().find_map(|owner| match owner {
            Owner::Invitation(call) => Some(*call),
            _ => None,
        });
        let Some(call) = call else {
            self.core.statistics.dropped_stray_acks += 1;
            return;
        };
        self.invitations.with(&mut self.core, call, |invitation, core| {
            invitation.handle_ack(core, now, essentials, request);
        });
    }

    pub(super) fn handle_cancel(
        &mut self,
        now: Instant,
        id: TransactionId,
        essentials: &Essentials,
        request: &Request,
    ) {
        let cancelled = self.core.transactions.cancelled_by(request, essentials);
        let owner = cancelled.and_then(|id| match self.core.owners.get(&id) {
            Some(Owner::Invitation(owner)) => Some((id, *owner)),
            _ => None,
        });
        let Some((cancelled, owner)) = owner else {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            let response = self.core.response_to(request, status);
            self.core.answer(now, id, response);
            return;
        };
        self.invitations.with(&mut self.core, owner, |invitation, core| {
            // RFC 3261 §9.2: the same tag as in the response to the INVITE.
            let response = core.response_to(request, StatusCode::OK);
            core.answer(now, id, response.with_to_tag(invitation.local_tag()));
            invitation.handle_cancel(core, now, cancelled, request);
        });
    }
}
