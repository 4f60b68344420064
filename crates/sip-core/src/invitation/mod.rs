//! Invitations: calls from INVITE to BYE, both ways (RFC 3261 §13, §14, §15, §9; RFC 6026).
//!
//! An invitation carries session descriptions without reading them. It lives inside the
//! [`Endpoint`](crate::Endpoint), which lends it out as an [`InvitationMut`] to be commanded.

mod command;
mod descriptions;
mod early;
mod ending;
mod event;
mod handle;
mod in_dialog;
mod incoming;
mod info;
mod outgoing;
mod redirect;
mod referral;
mod reinvite;
mod reliable;
pub(crate) mod replacement;
mod request;
mod session_timer;
mod state;
mod update;

pub use command::{CommandError, Invite};
pub use ending::Ending;
pub use event::{Cause, DescriptionKind, InvitationEvent, Originator};
pub use handle::InvitationMut;
pub use info::DtmfRelay;
pub use redirect::{RedirectPolicy, redirect_targets};
pub(crate) use referral::sipfrag_status;
pub use referral::{Refer, ReferralId};
pub use state::InvitationState;

pub(crate) use in_dialog::InDialog;
pub(crate) use replacement::Replacement;

use descriptions::Descriptions;
use early::{EarlyDialog, ReceivedProvisionals};
use redirect::Redirection;
use referral::Referral;
use reliable::ReliableProvisionals;
use request::SentRequest;
use session_timer::{Peer, SessionTimer};
use update::{Asked, WaitingUpdate};

use crate::auth::Auth;
use crate::dialog::Dialog;
use crate::endpoint::{Body, Core, EndpointEvent, Owner, Route, SendError, Usage};
use crate::header::{CallId, Contact};
use crate::transaction::{Essentials, Failure, Schedule, TransactionEvent, TransactionId};
use crate::{HeaderName, Headers, Method, NameAddr, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use offhook_sansio::{Deadlines, Path, Timer as TimerKey, Transport};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Names a call within its endpoint; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Invitation {
    id: InvitationId,
    state: InvitationState,
    is_outgoing: bool,
    /// From or To without our tag.
    local: NameAddr,
    remote: NameAddr,
    local_tag: String,
    call_id: CallId,
    request_uri: Uri,
    contact_user: String,
    is_anonymous: bool,
    extra_headers: Vec<(String, String)>,
    /// More header fields of our newest re-INVITE.
    change_headers: Vec<(String, String)>,
    routes: Vec<Route>,
    /// The one in use.
    route: usize,
    /// The way by which the newest INVITE went or came.
    path: Path,
    auth: Auth,
    /// CSeq of the newest initial INVITE.
    number: u32,
    /// What our newest INVITE or re-INVITE offers.
    offer: Option<Body>,
    /// Our INVITEs whose transactions live.
    sent: Vec<SentInvite>,
    /// The peer's INVITE that wants an answer.
    received: Option<ReceivedInvite>,
    /// Our 2xx that wants an ACK.
    unacked: Option<Unacked>,
    dialog: Option<Dialog>,
    /// Early dialogs of our INVITE.
    forks: Vec<EarlyDialog>,
    /// Offer and answer in `dialog`.
    descriptions: Descriptions,
    /// Our provisional responses that want a PRACK.
    reliable: Option<Box<ReliableProvisionals>>,
    /// The peer's UPDATE or PRACK that wants our answer.
    asked: Option<Box<Asked>>,
    /// Our UPDATE that is on its way, or waits after glare.
    update: Option<Box<WaitingUpdate>>,
    /// For the next PRACK.
    prack_offer: Option<Body>,
    session: SessionTimer,
    peer: Peer,
    redirects: RedirectPolicy,
    redirection: Option<Box<Redirection>>,
    /// The call whose place this one takes when it is accepted.
    replaces: Option<InvitationId>,
    /// For the repetitions of each 2xx.
    acks: Vec<SentAck>,
    /// The peer's 2xx that wants our answer in its ACK.
    unanswered: Option<Unanswered>,
    byes: Vec<SentBye>,
    /// Our other requests inside the dialog.
    requests: Vec<SentRequest>,
    referrals: Vec<Referral>,
    next_referral: u32,
    /// With what a BYE goes, besides what it must have.
    goodbye: Vec<(String, String)>,
    /// An ACK must come before the BYE may go (RFC 3261 §15).
    bye_after_ack: bool,
    transactions: BTreeSet<TransactionId>,
    timers: Deadlines<Timer, 12>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct SentInvite {
    id: TransactionId,
    request: Request,
    number: u32,
    kind: InviteKind,
    had_provisional: bool,
    /// To a re-INVITE; those to the first INVITE are counted for each branch.
    provisionals: ReceivedProvisionals,
    is_answered: bool,
    cancel: Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InviteKind {
    /// It begins the call.
    Initial,
    /// A re-INVITE of the owner.
    Change,
    /// A re-INVITE that only keeps the session alive; the owner is not told.
    Refresh,
}

/// RFC 3261 §9.1: a CANCEL waits for a provisional response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    Wanted,
    Sent,
}

#[derive(Debug)]
struct ReceivedInvite {
    id: TransactionId,
    request: Request,
    number: u32,
    /// Offer and answer have gone over reliable responses: the 2xx has none.
    is_described: bool,
    /// Repeated each minute, so that no proxy gives up (RFC 3261 §13.3.1.1).
    provisional: Option<Response>,
}

#[derive(Debug)]
struct Unacked {
    number: u32,
    bytes: Bytes,
    id: TransactionId,
    interval: Duration,
    /// Our 2xx had the offer, so the ACK has the answer.
    has_offer: bool,
}

#[derive(Debug)]
struct SentAck {
    invite: TransactionId,
    remote_tag: Bytes,
    path: Path,
    bytes: Bytes,
}

#[derive(Debug)]
struct Unanswered {
    invite: TransactionId,
    request: Request,
    number: u32,
}

#[derive(Debug)]
struct SentBye {
    id: TransactionId,
    /// Not the BYE of this call, but of a branch that lost.
    of_fork: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Send our 2xx again.
    Success,
    /// No ACK came.
    MissingAck,
    /// Send the provisional response again.
    Remind,
    /// The peer does not answer our end.
    End,
    /// No final response came after our CANCEL.
    Cancelled,
    /// Send the re-INVITE again that met the peer's.
    Glare,
    /// Send the reliable provisional response again.
    Reliable,
    /// The owner does not answer the peer's offer.
    Asked,
    /// Send the UPDATE again that met the peer's.
    Update,
    /// Refresh the session.
    Refresh,
    /// Nobody refreshed the session.
    SessionEnd,
    /// The time of a referral is over.
    Referral,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[
        Self::Success,
        Self::MissingAck,
        Self::Remind,
        Self::End,
        Self::Cancelled,
        Self::Glare,
        Self::Reliable,
        Self::Asked,
        Self::Update,
        Self::Refresh,
        Self::SessionEnd,
        Self::Referral,
    ];
    fn index(self) -> usize {
        self as usize
    }
}

impl Usage for Invitation {
    type Id = InvitationId;

    fn is_over(&self) -> bool {
        self.state == InvitationState::Disconnected
            && self.transactions.is_empty()
            && self.referrals.is_empty()
    }

    fn update_schedule(&mut self, schedule: &mut Schedule<InvitationId>) {
        let wanted = self.timers.soonest();
        schedule.update(self.id, &mut self.told, wanted);
    }

    fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        while let Some(timer) = self.timers.take_expired(now) {
            match timer {
                Timer::Success => self.resend_success(core, now),
                Timer::MissingAck => self.give_up_on_ack(core, now),
                Timer::Remind => self.remind(core, now),
                Timer::End => self.give_up_on_end(core, now),
                Timer::Cancelled => self.forget_cancelled(core, now),
                Timer::Glare => self.retry_reinvite(core, now),
                Timer::Reliable => self.resend_reliable(core, now),
                Timer::Asked => self.give_up_on_answer(core, now),
                Timer::Update => self.retry_update(core, now),
                Timer::Refresh => self.refresh_session(core, now),
                Timer::SessionEnd => self.expire_session(core, now),
                Timer::Referral => self.expire_referrals(core, now),
            }
        }
    }

    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent) {
        match event {
            TransactionEvent::Response { id, response, path } => {
                self.handle_response(core, now, *id, response, *path);
            }
            TransactionEvent::Failed { id, failure } => self.handle_failure(core, now, *id, *failure),
            TransactionEvent::Ack { request, .. } => {
                if let Ok(essentials) = Essentials::of_request(request) {
                    self.handle_ack(core, now, &essentials, request);
                }
            }
            TransactionEvent::Ended { id } => self.handle_ended(*id),
        }
    }

    fn handle_broken(&mut self, _: &mut Core, _: Instant, path: Path) {
        let forks = self.forks.iter_mut().map(|fork| &mut fork.dialog);
        for dialog in self.dialog.iter_mut().chain(forks) {
            dialog.forget_flow(path);
        }
    }

    fn bury(&mut self, _: &mut Core, schedule: &mut Schedule<InvitationId>) {
        schedule.update(self.id, &mut self.told, None);
    }
}

impl Invitation {
    /// An address of ours is another now.
    pub(crate) fn move_local(
        &mut self,
        transport: Transport,
        moved: impl Fn(SocketAddr) -> Option<SocketAddr>,
    ) {
        if self.path.transport == transport
            && let Some(to) = moved(self.path.local)
        {
            self.path.local = to;
        }
        for dialog in self
            .dialog
            .iter_mut()
            .chain(self.forks.iter_mut().map(|fork| &mut fork.dialog))
        {
            let flow = dialog.flow();
            if flow.transport == transport
                && let Some(to) = moved(flow.local)
            {
                dialog.move_local(transport, flow.local, to);
            }
        }
    }

    /// True when it is over for its owner.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.state == InvitationState::Disconnected
    }

    fn handle_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        response: &Response,
        path: Path,
    ) {
        if let Some(index) = self.sent.iter().position(|sent| sent.id == id) {
            self.handle_invite_response(core, now, index, response, path);
        } else if let Some(index) = self.byes.iter().position(|bye| bye.id == id) {
            self.handle_bye_response(core, now, index, response);
        } else {
            self.handle_request_response(core, now, id, response);
        }
    }

    fn handle_failure(&mut self, core: &mut Core, now: Instant, id: TransactionId, failure: Failure) {
        if let Some(index) = self.sent.iter().position(|sent| sent.id == id) {
            self.handle_invite_failure(core, now, index, failure);
        } else if let Some(index) = self.byes.iter().position(|bye| bye.id == id) {
            let bye = self.byes.swap_remove(index);
            if !bye.of_fork {
                self.finish(core, now, Originator::Local, failure_cause(failure));
            }
        } else if self.received.as_ref().is_some_and(|received| received.id == id)
            && failure == Failure::Transport
        {
            tracing::debug!("a response to an INVITE could not be sent");
        } else {
            self.handle_request_failure(core, now, id, failure);
        }
    }

    /// A transaction of ours is over.
    fn handle_ended(&mut self, id: TransactionId) {
        self.transactions.remove(&id);
        self.sent.retain(|sent| sent.id != id);
        self.acks.retain(|ack| ack.invite != id);
        self.byes.retain(|bye| bye.id != id);
    }

    fn set_state(&mut self, core: &mut Core, state: InvitationState, cause: Cause) {
        let previous = self.state;
        debug_assert!(previous.can_become(state), "{previous} -> {state}");
        self.state = state;
        if matches!(state, InvitationState::Reinviting | InvitationState::Reinvited) {
            self.descriptions.mark();
        }
        tracing::debug!(call = self.id.0, %previous, %state, "invitation");
        self.emit(
            core,
            InvitationEvent::StateChanged {
                previous,
                state,
                cause,
            },
        );
    }

    fn emit(&self, core: &mut Core, event: InvitationEvent) {
        core.events.push(EndpointEvent::Invitation { id: self.id, event });
    }

    /// The end of it for its owner. Transactions that live still are looked after until they are over.
    fn finish(&mut self, core: &mut Core, now: Instant, by: Originator, cause: Cause) {
        if self.state == InvitationState::Disconnected {
            return;
        }
        self.set_state(core, InvitationState::Disconnected, cause.clone());
        self.emit(core, InvitationEvent::Ended { by, cause });
        // RFC 3261 §15.1.2: whatever ends the call, no INVITE of the peer's waits for ever.
        self.refuse_received(core, now, StatusCode::REQUEST_TERMINATED);
        let forget_at = self.timers.get(Timer::Cancelled);
        self.timers.stop_all();
        if self.sent.iter().any(|sent| !sent.is_answered) {
            let at = forget_at.unwrap_or(now + core.transactions.timing().give_up());
            self.timers.set(Timer::Cancelled, at);
        }
        self.unacked = None;
        self.offer = None;
        self.reliable = None;
        self.update = None;
        self.refuse_asked(core, now);
        self.forget_requests();
        self.drop_forks(core);
        if self.referrals.is_empty() {
            if let Some(dialog) = &self.dialog {
                core.dialogs.leave(dialog.id(), Owner::Invitation(self.id));
            }
        } else {
            // RFC 5057 §4.1: the dialog lives as long as its last usage.
            self.watch_referrals();
        }
    }

    fn send(
        &mut self,
        core: &mut Core,
        now: Instant,
        request: Request,
        path: Path,
    ) -> Result<TransactionId, SendError> {
        let id = core.send_request(now, request, path, Owner::Invitation(self.id))?;
        self.transactions.insert(id);
        Ok(id)
    }

    /// Completes a request inside a dialog with all but its Via.
    fn complete(&mut self, core: &Core, request: &mut Request, path: Path) {
        match request.method() {
            Method::Invite => {
                let contact = self.contact(core, path);
                request.headers_mut().push_typed(&Contact::Addr(contact));
                self.describe(core, request.headers_mut());
            }
            Method::Update | Method::Refer => self.describe(core, request.headers_mut()),
            _ if !core.config.user_agent.is_empty() && !self.is_anonymous => {
                let user_agent = core.config.user_agent.as_str();
                request.headers_mut().push(HeaderName::UserAgent, user_agent);
            }
            _ => {}
        }
        self.auth.authorize(request);
    }

    fn describe(&self, core: &Core, headers: &mut Headers) {
        if self.is_anonymous {
            core.describe(headers, &[]);
        } else {
            core.describe_in_request(headers, &[]);
        }
    }

    /// Our Contact along this path.
    fn contact(&self, core: &Core, path: Path) -> NameAddr {
        if self.is_anonymous {
            core.anonymous_contact(&self.contact_user, path)
        } else {
            core.contact(&self.contact_user, path)
        }
    }
}

/// Refuses a status that does not end an INVITE without a call.
fn ending_status(status: StatusCode, command: &'static str) -> Result<(), CommandError> {
    if status.is_final() && !status.is_success() {
        return Ok(());
    }
    Err(CommandError::IllegalStatus { status, command })
}

fn internal(status: StatusCode, reason: &str) -> Cause {
    Cause::Internal {
        status,
        reason: reason.to_owned(),
    }
}

/// RFC 3261 §8.1.3.1: a timeout counts as a 408, a transport error as a 503.
fn failure_cause(failure: Failure) -> Cause {
    match failure {
        Failure::Timeout => internal(StatusCode::REQUEST_TIMEOUT, "timeout"),
        Failure::Transport => internal(StatusCode::SERVICE_UNAVAILABLE, "transport error"),
    }
}

fn push_extra(headers: &mut Headers, extra: &[(String, String)]) {
    for (name, value) in extra {
        headers.push(name.as_str(), value);
    }
}
