//! The exchange of offer and answer in one dialog (RFC 3264 §4, RFC 6337 §2): which message asks, which answers.

use super::InvitationMut;
use crate::endpoint::Body;

/// Where the exchange stands, and what both sides agreed upon last. Descriptions are carried, never read.
#[derive(Clone, Debug, Default)]
pub(super) struct Descriptions {
    exchange: Exchange,
    agreed: Option<Box<Agreed>>,
    /// Both sides have agreed anew since the last [`mark`](Self::mark).
    has_changed: bool,
}

/// Who has asked. A second offer before the answer is glare (RFC 3264 §4).
#[derive(Clone, Debug, Default)]
enum Exchange {
    #[default]
    Idle,
    Ours(Body),
    Theirs(Body),
}

#[derive(Clone, Debug)]
struct Agreed {
    local: Body,
    remote: Body,
}

impl Descriptions {
    /// We ask. An offer that waits already is replaced: it is sent again after a refusal.
    pub(super) fn offer(&mut self, offer: Body) {
        self.exchange = Exchange::Ours(offer);
    }

    /// The peer asks.
    pub(super) fn take_offer(&mut self, offer: Body) {
        self.exchange = Exchange::Theirs(offer);
    }

    /// We answer; true where the peer had asked.
    pub(super) fn answer(&mut self, local: &Body) -> bool {
        match std::mem::take(&mut self.exchange) {
            Exchange::Theirs(remote) => {
                let local = local.clone();
                self.agreed = Some(Box::new(Agreed { local, remote }));
                self.has_changed = true;
                true
            }
            other => {
                self.exchange = other;
                false
            }
        }
    }

    /// The peer answers; true where we had asked.
    pub(super) fn take_answer(&mut self, remote: &Body) -> bool {
        match std::mem::take(&mut self.exchange) {
            Exchange::Ours(local) => {
                let remote = remote.clone();
                self.agreed = Some(Box::new(Agreed { local, remote }));
                self.has_changed = true;
                true
            }
            other => {
                self.exchange = other;
                false
            }
        }
    }

    /// The offer came to nothing: what was agreed before holds (RFC 6337 §3.4). True where there was one.
    pub(super) fn roll_back(&mut self) -> bool {
        !matches!(std::mem::take(&mut self.exchange), Exchange::Idle)
    }

    /// A re-INVITE begins.
    pub(super) fn mark(&mut self) {
        self.has_changed = false;
    }

    /// Whether an exchange within the re-INVITE was completed: its changes are executed (RFC 6141 §3.3).
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.exchange, Exchange::Idle)
    }

    /// Our offer waits for the peer's answer.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.exchange, Exchange::Ours(_))
    }

    /// The peer's offer waits for our answer.
    pub(super) fn is_theirs(&self) -> bool {
        matches!(self.exchange, Exchange::Theirs(_))
    }

    pub(super) fn local(&self) -> Option<&Body> {
        self.agreed.as_ref().map(|agreed| &agreed.local)
    }

    pub(super) fn remote(&self) -> Option<&Body> {
        self.agreed.as_ref().map(|agreed| &agreed.remote)
    }
}

/// The descriptions of the documents' `Invitation`: `get_active_local_sdp` and the like.
impl InvitationMut<'_> {
    /// What we said of the session that runs (`get_active_local_sdp`); `None` before anything was agreed.
    pub fn active_local_description(&self) -> Option<&Body> {
        self.invitation.descriptions.local()
    }

    /// What the peer said of the session that runs (`get_active_remote_sdp`).
    pub fn active_remote_description(&self) -> Option<&Body> {
        self.invitation.descriptions.remote()
    }

    /// Our offer that waits for an answer (`get_offered_local_sdp`). It is given with the command that sends it, so
    /// there is nothing like `set_offered_local_sdp`.
    pub fn offered_local_description(&self) -> Option<&Body> {
        match &self.invitation.descriptions.exchange {
            Exchange::Ours(offer) => Some(offer),
            Exchange::Idle | Exchange::Theirs(_) => None,
        }
    }

    /// The peer's offer that waits for our answer (`get_offered_remote_sdp`).
    pub fn offered_remote_description(&self) -> Option<&Body> {
        match &self.invitation.descriptions.exchange {
            Exchange::Theirs(offer) => Some(offer),
            Exchange::Idle | Exchange::Ours(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_where_the_other_side_asked() {
        let (offer, answer) = (Body::sdp("offer"), Body::sdp("answer"));
        let mut idle = Descriptions::default();
        assert!(!idle.answer(&answer) && !idle.take_answer(&answer) && !idle.roll_back());

        let mut ours = Descriptions::default();
        ours.offer(offer.clone());
        assert!(ours.is_ours() && !ours.answer(&answer));
        assert!(ours.take_answer(&answer) && ours.is_idle());
        assert_eq!((ours.local(), ours.remote()), (Some(&offer), Some(&answer)));

        let mut theirs = Descriptions::default();
        theirs.take_offer(offer.clone());
        assert!(theirs.is_theirs() && !theirs.take_answer(&answer));
        assert!(theirs.answer(&answer) && theirs.is_idle());
        assert_eq!((theirs.local(), theirs.remote()), (Some(&answer), Some(&offer)));
    }

    #[test]
    fn an_offer_that_came_to_nothing_leaves_what_was_agreed() {
        let mut descriptions = Descriptions::default();
        descriptions.offer(Body::sdp("1"));
        descriptions.take_answer(&Body::sdp("2"));
        descriptions.take_offer(Body::sdp("3"));
        assert!(descriptions.roll_back());
        assert_eq!(descriptions.remote(), Some(&Body::sdp("2")));
    }
}
