//! Replaces: an INVITE that takes the place of a call which is there already (RFC 3891 §3).

use super::{Invitation, InvitationId, InvitationMut, InvitationState};
use crate::dialog::DialogId;
use crate::header::Replaces;
use crate::{HeaderName, Request, StatusCode};
use bytes::Bytes;

/// What an INVITE wants to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    /// Nothing.
    None,
    /// This call.
    Of(InvitationId),
    /// What cannot be replaced.
    Refused(StatusCode),
}

/// The dialog that a request names, and whether only while it rings; an error where the header field is malformed, is
/// there twice, or stands beside a Join (RFC 3891 §3).
pub(crate) fn wanted(request: &Request) -> Option<Result<(DialogId, bool), StatusCode>> {
    let headers = request.headers();
    let replaces = headers.typed::<Replaces>()?;
    let is_alone = headers.count(HeaderName::Replaces) == 1 && !headers.contains(HeaderName::Join);
    let Some(replaces) = replaces.ok().filter(|_| is_alone) else {
        return Some(Err(StatusCode::BAD_REQUEST));
    };
    let tag = |text: Option<&str>| Bytes::copy_from_slice(text.unwrap_or_default().as_bytes());
    let dialog = DialogId {
        call_id: replaces.call_id().clone(),
        local_tag: tag(replaces.local_tag()),
        // RFC 3891 §6.1: "0" stands for a peer without tag.
        remote_tag: tag(replaces.remote_tag().filter(|tag| *tag != "0")),
    };
    Some(Ok((dialog, replaces.early_only())))
}

impl Invitation {
    /// Whether a dialog is or was this call's.
    pub(crate) fn is_of(&self, dialog: &DialogId) -> bool {
        let forks = self.forks.iter().map(|fork| &fork.dialog);
        let mut dialogs = self.dialog.iter().chain(forks);
        dialogs.any(|known| known.id() == dialog)
    }

    /// Whether it may be replaced (RFC 3891 §3): not once it is over, not where it stands and only a ringing one is
    /// wanted, and a ringing one only by whom it was to reach: its caller.
    pub(crate) fn replacement(&self, early_only: bool) -> Replacement {
        match self.state {
            InvitationState::Disconnecting | InvitationState::Disconnected => {
                Replacement::Refused(StatusCode::DECLINE)
            }
            state if state.is_established() || state == InvitationState::Connecting => {
                if early_only {
                    Replacement::Refused(StatusCode::BUSY_HERE)
                } else {
                    Replacement::Of(self.id)
                }
            }
            _ if self.is_outgoing => Replacement::Of(self.id),
            _ => Replacement::Refused(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
        }
    }

    pub(crate) fn set_replaces(&mut self, replaced: InvitationId) {
        self.replaces = Some(replaced);
    }

    pub(crate) fn replaced(&self) -> Option<InvitationId> {
        self.replaces
    }
}

/// Replaces.
impl InvitationMut<'_> {
    /// The call whose place this incoming one takes (RFC 3891): [`accept`](Self::accept) ends that one. Whether the
    /// caller may do so is the owner's to decide before he accepts (RFC 3891 §8); it is best asked of somebody who
    /// proves who he is, or knows the call's tags from the encrypted signalling of it.
    pub fn replaces(&self) -> Option<InvitationId> {
        self.invitation.replaces
    }
}
