//! The client's side of requests outside of dialogs (RFC 3261 §8.1, RFC 3263 §4.3): what all usages that send them
//! have in common.

mod draft;
mod retry;

pub(crate) use draft::{ContactDraft, Draft};
pub(crate) use retry::{
    Trouble, asked_for, flow_retry_after, refresh_after, refresh_with_gruu_after, retry_after,
};

use crate::auth::Auth;
use crate::dialog::Dialog;
use crate::endpoint::{Core, Owner, Route, SendError};
use crate::header::{CSeq, CallId, From, MaxForwards, To};
use crate::invitation::Cause;
use crate::transaction::{Failure, TransactionEvent, TransactionId};
use crate::{NameAddr, Request, Response, StatusCode, Uri};
use offhook_digest::Credentials;
use offhook_sansio::Path;
use std::time::Instant;

/// Whom a usage asks, in whose name, and along which ways.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) from: NameAddr,
    pub(crate) to: NameAddr,
    pub(crate) request_uri: Uri,
    pub(crate) routes: Vec<Route>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) extra_headers: Vec<(String, String)>,
}

/// Sends one request at a time for one usage. It takes the routes in turn after a transport error, a timeout or a 503
/// (RFC 3263 §4.3), and answers a challenge once for each realm (RFC 3261 §22.2). All other responses are for the usage.
#[derive(Debug)]
pub(crate) struct Client {
    owner: Owner,
    asker: Asker,
    tag: String,
    call_id: CallId,
    number: u32,
    auth: Auth,
    /// The one for the next request.
    route: usize,
    /// The one that the newest request went along.
    last: usize,
    /// How many routes the request has tried.
    tried: usize,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    id: TransactionId,
    path: Path,
    draft: Draft,
    is_inside: bool,
    /// Challenges that this request has answered.
    answers: u32,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Provisional(Response),
    Done(Box<Done>),
}

/// The end of a request.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) cause: Cause,
    /// The way of the last attempt.
    pub(crate) path: Path,
    pub(crate) draft: Draft,
    /// What went wrong; `None` for a 2xx.
    pub(crate) trouble: Option<Trouble>,
}

impl Client {
    pub(crate) fn new(core: &mut Core, owner: Owner, asker: Asker) -> Self {
        Self {
            owner,
            tag: core.fresh_tag(),
            call_id: core.fresh_call_id(),
            number: 0,
            auth: Auth::new(asker.credentials.clone(), &mut core.entropy),
            route: 0,
            last: 0,
            tried: 0,
            pending: None,
            asker,
        }
    }

    /// Begins anew, with another Call-ID and tag. Known nonces are kept (RFC 6665 §4.4.3).
    pub(crate) fn renew(&mut self, core: &mut Core) {
        self.tag = core.fresh_tag();
        self.call_id = core.fresh_call_id();
        self.number = 0;
        self.pending = None;
    }

    /// Shares Call-ID, tag and numbers with another: the SUBSCRIBE of that one is this one's too.
    pub(crate) fn continue_from(&mut self, other: &Self) {
        self.tag.clone_from(&other.tag);
        self.call_id = other.call_id.clone();
        self.number = other.number;
    }

    pub(crate) fn asker(&self) -> &Asker {
        &self.asker
    }

    pub(crate) fn auth_username(&self) -> Option<&str> {
        self.auth.username()
    }

    pub(crate) fn call_id(&self) -> &CallId {
        &self.call_id
    }

    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// CSeq of the newest request outside of a dialog.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The route that the newest request went along.
    pub(crate) fn last_route(&self) -> &Route {
        &self.asker.routes[self.last]
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// Whatever becomes of the request that is on its way, nobody wants to know.
    pub(crate) fn forget(&mut self) {
        self.pending = None;
    }

    /// Sends a request outside of dialogs, along the route that worked last or the next that can be used.
    pub(crate) fn send(&mut self, core: &mut Core, now: Instant, draft: &Draft) -> Result<(), SendError> {
        self.tried = 0;
        self.send_along_routes(core, now, draft)
    }

    /// Sends the same along the next route; false when it has gone along all of them.
    pub(crate) fn try_next_route(&mut self, core: &mut Core, now: Instant, draft: &Draft) -> bool {
        self.take_next_route() && self.send_along_routes(core, now, draft).is_ok()
    }

    /// Sends a request inside a dialog, with what is known of passwords.
    pub(crate) fn send_inside(
        &mut self,
        core: &mut Core,
        now: Instant,
        dialog: &mut Dialog,
        draft: Draft,
    ) -> Result<(), SendError> {
        self.send_in(core, now, dialog, draft, 0)
    }

    /// Takes what a transaction says. `dialog` is that of [`send_inside`](Self::send_inside).
    pub(crate) fn handle(
        &mut self,
        core: &mut Core,
        now: Instant,
        event: &TransactionEvent,
        dialog: Option<&mut Dialog>,
    ) -> Option<Outcome> {
        let id = event.id();
        match event {
            TransactionEvent::Response { response, .. } if response.status().is_provisional() => self
                .pending
                .as_ref()
                .filter(|pending| pending.id == id)
                .map(|_| Outcome::Provisional(response.clone())),
            TransactionEvent::Response { response, .. } => {
                let pending = self.pending.take_if(|pending| pending.id == id)?;
                self.handle_final(core, now, pending, response, dialog)
            }
            TransactionEvent::Failed { failure, .. } => {
                let pending = self.pending.take_if(|pending| pending.id == id)?;
                self.handle_failure(core, now, pending, *failure)
            }
            TransactionEvent::Ack { .. } | TransactionEvent::Ended { .. } => None,
        }
    }

    fn handle_final(
        &mut self,
        core: &mut Core,
        now: Instant,
        pending: Pending,
        response: &Response,
        dialog: Option<&mut Dialog>,
    ) -> Option<Outcome> {
        let is_answerable = self.auth.can_answer(response)
            // A nonce of an earlier request may have ended without a word about it.
            || (pending.answers == 0 && self.auth.can_answer_anew(response, &mut core.entropy));
        if is_answerable {
            let answers = pending.answers + 1;
            let again = match dialog {
                Some(dialog) if pending.is_inside => {
                    self.send_in(core, now, dialog, pending.draft.clone(), answers)
                }
                _ => self.send_along(core, now, pending.draft.clone(), answers),
            };
            return match again {
                Ok(()) => None,
                Err(error) => Some(pending.unsent(&error)),
            };
        }
        let status = response.status();
        if status == StatusCode::SERVICE_UNAVAILABLE && !pending.is_inside && self.take_next_route() {
            return self.fail_over(core, now, pending);
        }
        let trouble = (!status.is_success()).then_some(Trouble::Refused(status));
        Some(pending.done(Cause::Response(response.clone()), trouble))
    }

    fn handle_failure(
        &mut self,
        core: &mut Core,
        now: Instant,
        pending: Pending,
        failure: Failure,
    ) -> Option<Outcome> {
        if !pending.is_inside && self.take_next_route() {
            return self.fail_over(core, now, pending);
        }
        let (trouble, status) = match failure {
            Failure::Timeout => (Trouble::Silent, StatusCode::REQUEST_TIMEOUT),
            Failure::Transport => (Trouble::Unreachable, StatusCode::SERVICE_UNAVAILABLE),
        };
        let reason = failure.to_string();
        Some(pending.done(Cause::Internal { status, reason }, Some(trouble)))
    }

    fn fail_over(&mut self, core: &mut Core, now: Instant, pending: Pending) -> Option<Outcome> {
        match self.send_along_routes(core, now, &pending.draft) {
            Ok(()) => None,
            Err(error) => Some(pending.unsent(&error)),
        }
    }

    /// False when all routes were tried; the next request begins with the first of them.
    fn take_next_route(&mut self) -> bool {
        self.tried += 1;
        if self.tried < self.asker.routes.len() {
            self.route = (self.route + 1) % self.asker.routes.len();
            return true;
        }
        self.route = 0;
        false
    }

    fn send_along_routes(&mut self, core: &mut Core, now: Instant, draft: &Draft) -> Result<(), SendError> {
        loop {
            match self.send_along(core, now, draft.clone(), 0) {
                Ok(()) => return Ok(()),
                Err(error) if !self.take_next_route() => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn send_along(
        &mut self,
        core: &mut Core,
        now: Instant,
        draft: Draft,
        answers: u32,
    ) -> Result<(), SendError> {
        let route = &self.asker.routes[self.route];
        let path = core.path_of(route)?;
        self.last = self.route;
        self.number += 1;
        let mut request = Request::new(draft.method.clone(), self.asker.request_uri.clone());
        let headers = request.headers_mut();
        route.write_to(headers);
        headers.push_typed(&MaxForwards(70));
        headers.push_typed(&From(self.asker.from.clone().with_tag(&self.tag)));
        headers.push_typed(&To(self.asker.to.clone()));
        headers.push_typed(&self.call_id);
        headers.push_typed(&CSeq::new(self.number, draft.method.clone()));
        self.complete_and_send(core, now, request, path, draft, answers, false)
    }

    fn send_in(
        &mut self,
        core: &mut Core,
        now: Instant,
        dialog: &mut Dialog,
        draft: Draft,
        answers: u32,
    ) -> Result<(), SendError> {
        let path = core.path_in_dialog(dialog);
        let request = dialog.request(draft.method.clone());
        self.complete_and_send(core, now, request, path, draft, answers, true)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the last step of two ways that share it"
    )]
    fn complete_and_send(
        &mut self,
        core: &mut Core,
        now: Instant,
        mut request: Request,
        path: Path,
        draft: Draft,
        answers: u32,
        is_inside: bool,
    ) -> Result<(), SendError> {
        draft.write_to(core, &mut request, path);
        for (name, value) in &self.asker.extra_headers {
            request.headers_mut().push(name.as_str(), value);
        }
        self.auth.authorize(&mut request);
        core.push_via(&mut request, path);
        let id = core.send_request(now, request, path, self.owner)?;
        self.pending = Some(Pending {
            id,
            path,
            draft,
            is_inside,
            answers,
        });
        Ok(())
    }
}

impl Pending {
    fn done(self, cause: Cause, trouble: Option<Trouble>) -> Outcome {
        Outcome::Done(Box::new(Done {
            cause,
            path: self.path,
            draft: self.draft,
            trouble,
        }))
    }

    fn unsent(self, error: &SendError) -> Outcome {
        let cause = unsent(error);
        self.done(cause, Some(Trouble::Unreachable))
    }
}

/// What stands for the response to a request that could not be sent (RFC 3261 §8.1.3.1).
pub(crate) fn unsent(error: &SendError) -> Cause {
    Cause::Internal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason: error.to_string(),
    }
}
