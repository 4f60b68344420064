//! REFER inside a call, both roles (RFC 3515), with its implicit subscription to the event `refer`.
//!
//! The subscription is a usage of its own in the call's dialog (RFC 5057 §3): a BYE ends the call and not the referral,
//! whose NOTIFYs go on until the last one.

use super::request::Purpose;
use super::{
    Cause, CommandError, Invitation, InvitationEvent, InvitationMut, InvitationState, Timer, internal,
    push_extra,
};
use crate::dialog::Dialog;
use crate::endpoint::{Core, Owner, SendError};
use crate::header::{Event, Expires, ReferTo, ReferredBy, Replaces, SubscriptionState, Substate};
use crate::transaction::{Essentials, TransactionId};
use crate::{HeaderName, Method, NameAddr, Request, StatusCode, TypedHeader, Uri};
use offhook_sansio::earliest;
use std::time::{Duration, Instant};

/// How long the state of a referral is told at most, in seconds, unless its receiver renews it: long enough for
/// somebody to be rung and to answer (RFC 3515 §2.4.4 leaves it to the notifier).
const REFERRAL_EXPIRES: u32 = 180;
/// How many referrals one call has at a time. More than any transfer needs; a REFER above it is answered with 503.
const MOST_REFERRALS: usize = 8;

/// Names a referral within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferralId(u32);

/// A REFER to be sent.
#[derive(Clone, Debug)]
pub struct Refer {
    /// Whom the peer shall call: the Refer-To header field.
    pub refer_to: NameAddr,
    /// Who wants it: the Referred-By header field (RFC 3892 §2.1).
    pub referred_by: Option<NameAddr>,
    /// Whether to do without NOTIFYs, where the peer agrees (RFC 4488): `Refer-Sub: false`.
    pub without_subscription: bool,
    /// More header fields.
    pub extra_headers: Vec<(String, String)>,
}

impl Refer {
    /// The peer shall call this URI.
    pub fn new(refer_to: Uri) -> Self {
        Self {
            refer_to: NameAddr::new(refer_to),
            referred_by: None,
            without_subscription: false,
            extra_headers: Vec::new(),
        }
    }

    /// An attended transfer: the peer shall take our place in another call of ours (RFC 5589 §7), whose dialog this is.
    pub fn replacing(dialog: &Dialog) -> Self {
        let id = dialog.id();
        let (call_id, ours, theirs) = (text(&id.call_id), text(&id.local_tag), text(&id.remote_tag));
        // The tags are told as the receiver of the INVITE sees them (RFC 3891 §6.1).
        let replaces = Replaces::new(&call_id, &theirs, &ours);
        let value = crate::uri::escape_header(&String::from_utf8_lossy(&replaces.to_bytes()));
        let target = dialog.remote_target();
        let uri = match target.as_sip() {
            Some(uri) => format!("{}?Replaces={value}", uri.without_headers()),
            None => target.to_string(),
        };
        Self::new(uri.parse().unwrap_or_else(|_| target.clone()))
    }
}

/// One referral.
#[derive(Debug)]
pub(super) struct Referral {
    id: ReferralId,
    /// `id` of its Event: the CSeq of the REFER (RFC 3515 §2.4.6).
    event: u32,
    role: Role,
    deadline: Instant,
}

#[derive(Debug)]
enum Role {
    /// We sent the REFER and are told of its progress.
    Referrer,
    /// The peer's REFER wants our answer.
    Asked {
        transaction: TransactionId,
        request: Request,
    },
    /// We tell of its progress.
    Referee {
        status: (StatusCode, String),
        /// Changed since the NOTIFY that is on its way.
        is_changed: bool,
        is_notifying: bool,
    },
}

impl Invitation {
    fn add_referral(&mut self, event: u32, role: Role, deadline: Instant) -> ReferralId {
        self.next_referral += 1;
        let id = ReferralId(self.next_referral);
        self.referrals.push(Referral {
            id,
            event,
            role,
            deadline,
        });
        self.watch_referrals();
        id
    }

    pub(super) fn watch_referrals(&mut self) {
        let deadlines = self.referrals.iter().map(|referral| Some(referral.deadline));
        match deadlines.fold(None, earliest) {
            Some(at) => self.timers.set(Timer::Referral, at),
            None => self.timers.stop(Timer::Referral),
        }
    }

    /// The last referral of a call that is over takes its dialog along.
    fn drop_referral(&mut self, core: &mut Core, id: ReferralId) {
        self.referrals.retain(|referral| referral.id != id);
        self.watch_referrals();
        if self.state == InvitationState::Disconnected
            && self.referrals.is_empty()
            && let Some(dialog) = &self.dialog
        {
            core.dialogs.leave(dialog.id(), Owner::Invitation(self.id));
        }
    }

    fn send_refer(
        &mut self,
        core: &mut Core,
        now: Instant,
        refer: &Refer,
    ) -> Result<Option<ReferralId>, SendError> {
        let Some(dialog) = &mut self.dialog else {
            return Ok(None);
        };
        let name = dialog.id().clone();
        let mut request = dialog.request(Method::Refer);
        let headers = request.headers_mut();
        headers.push_typed(&ReferTo(refer.refer_to.clone()));
        if let Some(referred_by) = &refer.referred_by {
            headers.push_typed(&ReferredBy(referred_by.clone()));
        }
        if refer.without_subscription {
            headers.push(HeaderName::Supported, "norefersub");
            headers.push(HeaderName::ReferSub, "false");
        }
        push_extra(headers, &refer.extra_headers);
        let event = number_of(&request);
        let deadline = now + core.transactions.timing().give_up() * 2;
        let id = self.add_referral(event, Role::Referrer, deadline);
        if let Err(error) = self.send_inside(core, now, &name, request, Purpose::Refer(id)) {
            self.drop_referral(core, id);
            return Err(error);
        }
        Ok(Some(id))
    }

    /// The answer to our REFER.
    pub(super) fn conclude_refer(&mut self, core: &mut Core, now: Instant, id: ReferralId, cause: &Cause) {
        let is_success = cause.status().is_some_and(StatusCode::is_success);
        let is_silent = cause
            .headers()
            .and_then(|headers| headers.get_str(HeaderName::ReferSub))
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        self.emit(
            core,
            InvitationEvent::ReferAnswered {
                id,
                cause: cause.clone(),
                is_subscribed: is_success && !is_silent,
            },
        );
        if !is_success || is_silent {
            self.drop_referral(core, id);
        } else if let Some(referral) = self.referrals.iter_mut().find(|referral| referral.id == id) {
            // RFC 6665 §4.1.2.4: Timer N, unless a NOTIFY was quicker and said more.
            let first = now + core.transactions.timing().give_up();
            referral.deadline = referral.deadline.max(first);
            self.watch_referrals();
        }
    }

    /// A second attempt of our REFER, with a password, has another CSeq and so another subscription.
    pub(super) fn rename_referral(&mut self, id: ReferralId, event: u32) {
        if let Some(referral) = self.referrals.iter_mut().find(|referral| referral.id == id) {
            referral.event = event;
        }
    }

    /// A NOTIFY; false where it is for another usage of the dialog.
    pub(super) fn handle_notify(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        request: &Request,
    ) -> bool {
        let Some(event) = refer_event(request) else {
            return false;
        };
        let referral = self.referrals.iter_mut().find(|referral| {
            matches!(referral.role, Role::Referrer) && event.is_none_or(|event| event == referral.event)
        });
        let Some(referral) = referral else { return false };
        let Some(Ok(state)) = request.headers().typed::<SubscriptionState>() else {
            let response = core.response_to(request, StatusCode::BAD_REQUEST);
            core.answer(now, id, response);
            return true;
        };
        let name = referral.id;
        let is_last = state.state == Substate::Terminated;
        let seconds = state.expires().unwrap_or(REFERRAL_EXPIRES).min(REFERRAL_EXPIRES);
        referral.deadline =
            now + Duration::from_secs(u64::from(seconds)) + core.transactions.timing().give_up();
        core.accept(now, id, request);
        if let Some(dialog) = &mut self.dialog {
            dialog.refresh_target(request.headers());
        }
        let (status, reason) = match sipfrag_status(request.body()) {
            Some((status, reason)) => (Some(status), reason),
            None => (None, String::new()),
        };
        self.emit(
            core,
            InvitationEvent::ReferNotified {
                id: name,
                status,
                reason,
                is_last,
            },
        );
        if is_last {
            self.drop_referral(core, name);
        } else {
            self.watch_referrals();
        }
        true
    }

    /// The peer's REFER (RFC 3515 §2.4.2).
    pub(super) fn handle_refer(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        essentials: &Essentials,
        request: &Request,
    ) {
        let fault = if request.headers().count(HeaderName::ReferTo) != 1
            || !matches!(request.headers().typed::<ReferTo>(), Some(Ok(_)))
        {
            Some(StatusCode::BAD_REQUEST)
        } else if self.is_disconnected() {
            Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)
        } else if self.referrals.len() >= MOST_REFERRALS {
            Some(StatusCode::SERVICE_UNAVAILABLE)
        } else {
            None
        };
        if let Some(status) = fault {
            let response = core.response_to(request, status);
            return core.answer(now, transaction, response);
        }
        let role = Role::Asked {
            transaction,
            request: request.clone(),
        };
        let deadline = now + core.transactions.timing().give_up();
        let id = self.add_referral(essentials.cseq.number, role, deadline);
        if let Some(dialog) = &mut self.dialog {
            dialog.refresh_target(request.headers());
        }
        let request = request.clone();
        self.emit(core, InvitationEvent::Refer { id, request });
    }

    /// A SUBSCRIBE that renews or ends the state of a referral (RFC 3515 §2.4.4); false for other events.
    pub(super) fn handle_subscribe(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: &Request,
    ) -> bool {
        let Some(event) = refer_event(request) else {
            return false;
        };
        let referral = self.referrals.iter_mut().find(|referral| {
            matches!(referral.role, Role::Referee { .. }) && event.is_none_or(|event| event == referral.event)
        });
        let Some(referral) = referral else { return false };
        let asked = match request.headers().typed::<Expires>() {
            Some(Ok(Expires(seconds))) => seconds,
            _ => REFERRAL_EXPIRES,
        };
        let granted = asked.min(REFERRAL_EXPIRES);
        referral.deadline = now + Duration::from_secs(u64::from(granted));
        let id = referral.id;
        let mut response = core.response_to(request, StatusCode::OK);
        response.headers_mut().push_typed(&Expires(granted));
        core.answer(now, transaction, response);
        if granted == 0 {
            self.end_referral(core, now, id);
        } else {
            self.watch_referrals();
            self.notify_referral(core, now, id);
        }
        true
    }

    /// Sends the newest state, or leaves it to the end of the NOTIFY that is on its way: they must not overtake each
    /// other.
    fn notify_referral(&mut self, core: &mut Core, now: Instant, id: ReferralId) {
        let Some(referral) = self.referrals.iter_mut().find(|referral| referral.id == id) else {
            return;
        };
        let Role::Referee {
            status,
            is_changed,
            is_notifying,
        } = &mut referral.role
        else {
            return;
        };
        if *is_notifying {
            *is_changed = true;
            return;
        }
        (*is_notifying, *is_changed) = (true, false);
        let left = referral.deadline.saturating_duration_since(now).as_secs();
        let state = if status.0.is_final() {
            SubscriptionState::new(Substate::Terminated).with_reason("noresource")
        } else {
            let seconds = u32::try_from(left).unwrap_or(REFERRAL_EXPIRES);
            SubscriptionState::new(Substate::Active).with_expires(seconds)
        };
        let (event, status) = (referral.event, status.clone());
        self.send_notify(core, now, id, event, &state, &status);
    }

    fn send_notify(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: ReferralId,
        event: u32,
        state: &SubscriptionState,
        (status, reason): &(StatusCode, String),
    ) {
        let Some(dialog) = &mut self.dialog else { return };
        let name = dialog.id().clone();
        let mut notify = dialog.request(Method::Notify);
        let headers = notify.headers_mut();
        headers.push(HeaderName::Event, format!("refer;id={event}"));
        headers.push_typed(state);
        let body = format!("SIP/2.0 {status} {reason}\r\n");
        notify.set_body("message/sipfrag;version=2.0", body);
        if let Err(error) = self.send_inside(core, now, &name, notify, Purpose::Notify(id)) {
            tracing::debug!(%error, "a NOTIFY could not be sent");
            self.drop_referral(core, id);
        }
    }

    /// The answer to our NOTIFY.
    pub(super) fn conclude_notify(&mut self, core: &mut Core, now: Instant, id: ReferralId, cause: &Cause) {
        let Some(referral) = self.referrals.iter_mut().find(|referral| referral.id == id) else {
            return;
        };
        let Role::Referee {
            status,
            is_changed,
            is_notifying,
        } = &mut referral.role
        else {
            return;
        };
        *is_notifying = false;
        if !cause.status().is_some_and(StatusCode::is_success) {
            // RFC 6665 §4.2.2: nobody listens any more.
            self.drop_referral(core, id);
            let cause = cause.clone();
            self.emit(core, InvitationEvent::ReferralEnded { id, cause });
        } else if *is_changed {
            self.notify_referral(core, now, id);
        } else if status.0.is_final() {
            self.drop_referral(core, id);
        }
    }

    fn end_referral(&mut self, core: &mut Core, now: Instant, id: ReferralId) {
        let Some(index) = self.referrals.iter().position(|referral| referral.id == id) else {
            return;
        };
        let cause = internal(StatusCode::REQUEST_TIMEOUT, "the time for the referral is over");
        let event = self.referrals[index].event;
        match &self.referrals[index].role {
            Role::Asked { transaction, request } => {
                let response = core.response_to(request, StatusCode::DECLINE);
                core.answer(now, *transaction, response);
            }
            Role::Referee { status, .. } => {
                let state = SubscriptionState::new(Substate::Terminated).with_reason("timeout");
                let status = status.clone();
                self.send_notify(core, now, id, event, &state, &status);
            }
            Role::Referrer => {}
        }
        self.drop_referral(core, id);
        self.emit(core, InvitationEvent::ReferralEnded { id, cause });
    }

    pub(super) fn expire_referrals(&mut self, core: &mut Core, now: Instant) {
        let expired: Vec<ReferralId> = self
            .referrals
            .iter()
            .filter(|referral| referral.deadline <= now)
            .map(|referral| referral.id)
            .collect();
        for id in expired {
            self.end_referral(core, now, id);
        }
        self.watch_referrals();
    }
}

/// REFER.
impl InvitationMut<'_> {
    /// Asks the peer to call somebody else (RFC 3515 §2.4.1). Its answer comes as
    /// [`ReferAnswered`](InvitationEvent::ReferAnswered), what becomes of it as
    /// [`ReferNotified`](InvitationEvent::ReferNotified). The call goes on: end it when its time has come.
    pub fn refer(&mut self, now: Instant, refer: &Refer) -> Result<ReferralId, CommandError> {
        let illegal = CommandError::IllegalState {
            state: self.state(),
            command: "refer",
        };
        if !self.state().is_established() {
            return Err(illegal);
        }
        let id = self.invitation.send_refer(self.core, now, refer)?;
        self.settle();
        id.ok_or(illegal)
    }

    /// Accepts the peer's REFER, with 202 and a first NOTIFY that says 100. Where the peer wants no NOTIFY
    /// (RFC 4488) there is none, and the referral ends here.
    pub fn accept_refer(&mut self, now: Instant, id: ReferralId) -> Result<(), CommandError> {
        let (transaction, request) = self.asked_referral(id)?;
        let is_silent = request
            .headers()
            .get_str(HeaderName::ReferSub)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        let mut response = self.core.response_to(&request, StatusCode::ACCEPTED);
        let contact = self.local_contact();
        let headers = response.headers_mut();
        headers.push_typed(&crate::header::Contact::Addr(contact));
        if is_silent {
            headers.push(HeaderName::ReferSub, "false");
        }
        self.core.answer(now, transaction, response);
        if is_silent {
            self.invitation.drop_referral(self.core, id);
        } else {
            let expires = Duration::from_secs(u64::from(REFERRAL_EXPIRES));
            self.set_referee(id, now + expires);
            self.invitation.notify_referral(self.core, now, id);
        }
        self.settle();
        Ok(())
    }

    /// Refuses the peer's REFER.
    ///
    /// # Errors
    /// [`CommandError::IllegalStatus`] for a status below 300.
    pub fn reject_refer(
        &mut self,
        now: Instant,
        id: ReferralId,
        status: StatusCode,
    ) -> Result<(), CommandError> {
        super::ending_status(status, "reject_refer")?;
        let (transaction, request) = self.asked_referral(id)?;
        let response = self.core.response_to(&request, status);
        self.core.answer(now, transaction, response);
        self.invitation.drop_referral(self.core, id);
        self.settle();
        Ok(())
    }

    /// Tells the peer what has become of the call that it asked for: the newest status of that call. A final one ends
    /// the referral.
    pub fn notify(
        &mut self,
        now: Instant,
        id: ReferralId,
        status: StatusCode,
        reason: Option<&str>,
    ) -> Result<(), CommandError> {
        let reason = reason.unwrap_or(status.default_reason());
        // One line is one line.
        let reason = reason.replace(['\r', '\n'], " ");
        let referral = self.invitation.referrals.iter_mut().find(|known| known.id == id);
        match referral.map(|referral| &mut referral.role) {
            Some(Role::Referee { status: newest, .. }) if !newest.0.is_final() => *newest = (status, reason),
            _ => return Err(CommandError::NoSuchReferral),
        }
        self.invitation.notify_referral(self.core, now, id);
        self.settle();
        Ok(())
    }

    fn asked_referral(&self, id: ReferralId) -> Result<(TransactionId, Request), CommandError> {
        let referral = self.invitation.referrals.iter().find(|known| known.id == id);
        match referral.map(|referral| &referral.role) {
            Some(Role::Asked { transaction, request }) => Ok((*transaction, request.clone())),
            _ => Err(CommandError::NoSuchReferral),
        }
    }

    fn set_referee(&mut self, id: ReferralId, deadline: Instant) {
        let referral = self.invitation.referrals.iter_mut().find(|known| known.id == id);
        if let Some(referral) = referral {
            referral.deadline = deadline;
            referral.role = Role::Referee {
                status: (StatusCode::TRYING, StatusCode::TRYING.default_reason().to_owned()),
                is_changed: false,
                is_notifying: false,
            };
        }
        self.invitation.watch_referrals();
    }
}

/// The `id` of an event `refer`; the outer `None` for other events.
#[expect(clippy::option_option, reason = "an event without id is no other event")]
fn refer_event(request: &Request) -> Option<Option<u32>> {
    let event = request.headers().typed::<Event>()?.ok()?;
    (event.package() == "refer").then(|| event.id().and_then(|id| id.parse().ok()))
}

/// The status line that a `message/sipfrag` body begins with (RFC 3515 §2.4.5).
pub(crate) fn sipfrag_status(body: &[u8]) -> Option<(StatusCode, String)> {
    let line = body.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let rest = line.strip_prefix(b"SIP/2.0 ")?;
    let (code, reason) = rest.split_at_checked(3)?;
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    let reason = String::from_utf8_lossy(reason).trim().to_owned();
    Some((StatusCode::new(code)?, reason))
}

fn number_of(request: &Request) -> u32 {
    super::SentInvite::number_of(request)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_sipfrag_says_how_it_stands() {
        let check = |body: &str, expected: Option<(u16, &str)>| {
            let read = sipfrag_status(body.as_bytes());
            let read = read
                .as_ref()
                .map(|(status, reason)| (status.as_u16(), reason.as_str()));
            assert_eq!(read, expected, "{body:?}");
        };
        check("SIP/2.0 100 Trying\r\n", Some((100, "Trying")));
        check("SIP/2.0 603 Declined", Some((603, "Declined")));
        check("SIP/2.0 200\r\nTo: x\r\n", Some((200, "")));
        check("SIP/2.0 20", None);
        check("SIP/2.0 999 X", None);
        check("INVITE sip:a@b SIP/2.0\r\n", None);
        check("", None);
    }
}
