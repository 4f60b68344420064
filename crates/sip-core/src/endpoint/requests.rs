//! What becomes of a request before any usage sees it (RFC 3261 §8.2).

use super::core::{Core, Owner};
use super::event::{EndpointEvent, ReceivedMessage, Trace};
use super::{Endpoint, body_of};
use crate::dialog::DialogId;
use crate::header::Via;
use crate::invitation::{InDialog, InvitationId};
use crate::subscription::Notified;
use crate::transaction::{Essentials, Incoming, TransactionId, reply_path};
use crate::{HeaderName, Method, ParseError, Request, Response, StatusCode};
use bytes::Bytes;
use offhook_sansio::Path;
use std::time::Instant;

impl Endpoint {
    pub(super) fn handle_request(&mut self, now: Instant, path: Path, mut request: Request) {
        let Ok(mut essentials) = Essentials::of_request(&request) else {
            self.core.reject_unusable(&mut request, path);
            return;
        };
        self.core.aliases.take_request(path, &essentials.via);
        // RFC 3261 §18.2.1, RFC 3581 §4.
        if essentials.via.note_source(path.remote) {
            request.headers_mut().replace_first_value(&essentials.via);
        }
        if self.core.config.stateless_options
            && *request.method() == Method::Options
            && essentials.to.tag().is_none()
        {
            self.core.answer_options_statelessly(&request, &essentials, path);
            return;
        }
        match self
            .core
            .transactions
            .handle_request(now, path, &essentials, &request)
        {
            Incoming::Absorbed => {}
            Incoming::Ack => self.handle_stray_ack(now, &essentials, &request),
            Incoming::New(id) => {
                self.core.owners.insert(id, Owner::Nobody);
                self.handle_new(now, id, path, &essentials, request);
            }
            Incoming::Merged(id) => {
                let response = self.core.response_to(&request, StatusCode::LOOP_DETECTED);
                self.core.answer(now, id, response);
            }
            Incoming::SourceLimit => self.core.statistics.dropped_source_limit += 1,
            Incoming::Limit => {
                self.core.statistics.refused_full += 1;
                let mut response = self.core.response_to(&request, StatusCode::SERVICE_UNAVAILABLE);
                response.headers_mut().push(HeaderName::RetryAfter, "10");
                self.core.send_stateless(&essentials, path, response);
            }
        }
    }

    fn handle_new(
        &mut self,
        now: Instant,
        id: TransactionId,
        path: Path,
        essentials: &Essentials,
        request: Request,
    ) {
        if let Some(response) = self.core.refusal(&request) {
            self.core.statistics.rejected += 1;
            self.core.answer(now, id, response);
        } else if *request.method() == Method::Cancel {
            self.handle_cancel(now, id, essentials, &request);
        } else if essentials.to.tag().is_some() {
            self.handle_in_dialog(now, id, path, essentials, request);
        } else if *request.method() == Method::Invite {
            self.handle_invite(now, id, path, essentials, &request);
        } else if *request.method() == Method::Subscribe && self.core.config.serves_subscribe() {
            self.handle_subscribe(now, id, path, &request);
        } else if *request.method() == Method::Refer {
            self.handle_refer(now, id, path, &request);
        } else {
            self.handle_other(now, id, path, essentials, None, request);
        }
    }

    fn handle_in_dialog(
        &mut self,
        now: Instant,
        id: TransactionId,
        path: Path,
        essentials: &Essentials,
        request: Request,
    ) {
        let dialog = DialogId::of_request(essentials);
        let sharers = dialog.map_or_else(Vec::new, |dialog| self.core.dialogs.sharers(&dialog).to_vec());
        if sharers.is_empty() && *request.method() == Method::Notify {
            self.handle_notify(now, id, path, essentials, &request);
            return;
        }
        if sharers.is_empty() {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            let response = self.core.response_to(&request, status);
            self.core.answer(now, id, response);
            return;
        }
        let mut invitation = None;
        for owner in sharers {
            let result = match owner {
                Owner::Invitation(call) => {
                    invitation = invitation.or(Some(call));
                    self.invitations.with(&mut self.core, call, |usage, core| {
                        usage.handle_request(core, now, id, essentials, &request)
                    })
                }
                Owner::Subscription(owner) if *request.method() == Method::Notify => {
                    self.subscriptions.with(&mut self.core, owner, |usage, core| {
                        match usage.handle_notify(core, now, id, path, essentials, &request) {
                            Notified::Done => InDialog::Done,
                            Notified::NotOurs | Notified::Fork => InDialog::NotOurs,
                        }
                    })
                }
                Owner::IncomingSubscription(owner) => {
                    self.notifiers.with(&mut self.core, owner, |usage, core| {
                        usage.handle_request(core, now, id, essentials, &request)
                    })
                }
                _ => None,
            };
            if result == Some(InDialog::Done) {
                return;
            }
        }
        self.handle_other(now, id, path, essentials, invitation, request);
    }

    /// A method that no usage here serves: OPTIONS is answered, others are for the owner.
    fn handle_other(
        &mut self,
        now: Instant,
        id: TransactionId,
        path: Path,
        essentials: &Essentials,
        invitation: Option<InvitationId>,
        request: Request,
    ) {
        if *request.method() == Method::Options {
            let response = self.core.capabilities(&request);
            self.core.answer(now, id, response);
            return;
        }
        if *request.method() == Method::Message && invitation.is_none() {
            let message = ReceivedMessage {
                id,
                from: essentials.from.0.clone(),
                to: essentials.to.0.clone(),
                body: body_of(request.headers(), request.body()),
                request,
                path,
            };
            self.core
                .events
                .push(EndpointEvent::MessageReceived(Box::new(message)));
            return;
        }
        if *request.method() == Method::Notify {
            self.refuse_notify(now, id, &request);
            return;
        }
        if *request.method() == Method::Subscribe && self.core.config.serves_subscribe() {
            // RFC 6665 §4.5.2: a subscription of its own inside a dialog.
            let why = "dialog sharing is not supported";
            self.core.refuse(now, id, &request, StatusCode::FORBIDDEN, why);
            return;
        }
        // Those belong to a call, and here is none.
        if matches!(
            request.method(),
            Method::Bye | Method::Invite | Method::Prack | Method::Update | Method::Info
        ) {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            let response = self.core.response_to(&request, status);
            self.core.answer(now, id, response);
            return;
        }
        self.core.events.push(EndpointEvent::Request {
            id,
            invitation,
            request,
            path,
        });
    }
}

impl Core {
    /// The response to an OPTIONS.
    fn capabilities(&self, request: &Request) -> Response {
        let mut response = self.response_to(request, StatusCode::OK);
        self.describe_fully(response.headers_mut());
        response
    }

    /// RFC 3261 §8.2.7. The To tag follows from the request, so that a repetition gets the same one, and from a secret of
    /// ours, so that nobody else gives it.
    fn answer_options_statelessly(&mut self, request: &Request, essentials: &Essentials, path: Path) {
        let response = match self.refusal(request) {
            Some(refusal) => {
                self.statistics.rejected += 1;
                refusal
            }
            None => self.capabilities(request),
        };
        let tag = self.stateless_tags.tag(essentials);
        let response = response.with_to_tag(&tag);
        self.transactions
            .send(reply_path(&essentials.via, path), response.to_bytes());
    }

    pub(super) fn trace(&mut self, sent: bool, path: Path, bytes: &Bytes) {
        let bytes = bytes.clone();
        self.events
            .push(EndpointEvent::Trace(Trace { sent, path, bytes }));
    }

    /// Checks that hold for every request, in the order of RFC 3261 §8.2; the refusal, if it fails one. Its
    /// [`Essentials`] have been read.
    fn refusal(&self, request: &Request) -> Option<Response> {
        if let Err(rejection) = request.check_beyond_essentials(&self.config.parse) {
            let mut response = self.response_to(request, rejection.status);
            response.set_reason(&format!(
                "{}: {}",
                rejection.status.default_reason(),
                rejection.fault
            ));
            return Some(response);
        }
        if !self.config.allows(request.method()) {
            let status = match request.method() {
                Method::Other(_) => StatusCode::NOT_IMPLEMENTED,
                _ => StatusCode::METHOD_NOT_ALLOWED,
            };
            let mut response = self.response_to(request, status);
            response.headers_mut().push(HeaderName::Allow, self.allow());
            return Some(response);
        }
        if *request.method() == Method::Cancel {
            return None;
        }
        self.unknown_extensions(request)
            .or_else(|| self.unknown_body(request))
    }

    /// RFC 3261 §8.2.2.3.
    fn unknown_extensions(&self, request: &Request) -> Option<Response> {
        let required = request.headers().get_all(HeaderName::Require);
        let unknown: Vec<String> = required
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|tag| String::from_utf8_lossy(tag.trim_ascii()).into_owned())
            .filter(|tag| {
                !tag.is_empty() && !self.config.extensions().any(|own| own.eq_ignore_ascii_case(tag))
            })
            .collect();
        if unknown.is_empty() {
            return None;
        }
        let mut response = self.response_to(request, StatusCode::BAD_EXTENSION);
        response
            .headers_mut()
            .push(HeaderName::Unsupported, unknown.join(", "));
        Some(response)
    }

    /// RFC 3261 §8.2.3, for INVITE, whose body the endpoint hands on as a session description.
    fn unknown_body(&self, request: &Request) -> Option<Response> {
        if *request.method() != Method::Invite {
            return None;
        }
        let body = body_of(request.headers(), request.body())?;
        let media_type = body.content_type.split(';').next().unwrap_or_default().trim();
        let known = self
            .config
            .accept
            .iter()
            .any(|own| own.eq_ignore_ascii_case(media_type));
        let encoding = request.headers().get_str(HeaderName::ContentEncoding);
        let plain = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"));
        if known && plain {
            return None;
        }
        let mut response = self.response_to(request, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        response
            .headers_mut()
            .push(HeaderName::Accept, self.config.accept.join(", "));
        response
            .headers_mut()
            .push(HeaderName::AcceptEncoding, "identity");
        Some(response)
    }

    /// Bytes that are no SIP message: answered where the parser could find whom to answer.
    pub(super) fn reject_malformed(&mut self, error: &ParseError, path: Path) {
        let tag = self.fresh_tag();
        let Some((via, response)) = error.reply(path.remote, &tag) else {
            self.statistics.dropped_malformed += 1;
            return;
        };
        self.statistics.rejected += 1;
        let path = reply_path(&via, path);
        self.transactions.send(path, response.to_bytes());
    }

    /// A request without what names its transaction: answered without one, if it has a Via.
    fn reject_unusable(&mut self, request: &mut Request, path: Path) {
        let via = request.headers().typed::<Via>();
        let (Some(Ok(mut via)), false) = (via, *request.method() == Method::Ack) else {
            self.statistics.dropped_malformed += 1;
            return;
        };
        if via.note_source(path.remote) {
            request.headers_mut().replace_first_value(&via);
        }
        self.statistics.rejected += 1;
        let rejection = request.check(&self.config.parse).err();
        let status = rejection.map_or(StatusCode::BAD_REQUEST, |rejection| rejection.status);
        let mut response = self.response_to(request, status).with_to_tag(&self.fresh_tag());
        if let Some(rejection) = rejection {
            response.set_reason(&format!("{}: {}", status.default_reason(), rejection.fault));
        }
        self.transactions
            .send(reply_path(&via, path), response.to_bytes());
    }

    fn send_stateless(&mut self, essentials: &Essentials, path: Path, response: Response) {
        if *essentials.cseq.method.as_bytes() == *Method::Ack.as_bytes() {
            return;
        }
        let response = response.with_to_tag(&self.fresh_tag());
        self.transactions
            .send(reply_path(&essentials.via, path), response.to_bytes());
    }
}
