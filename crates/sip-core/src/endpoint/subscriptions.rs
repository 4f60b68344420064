//! The endpoint's subscriptions, and the NOTIFYs that reach them.

use super::Endpoint;
use super::core::Owner;
use crate::dialog::DialogId;
use crate::header::Event;
use crate::subscription::{
    Notified, Subscribe, SubscribeError, Subscription, SubscriptionId, SubscriptionMut,
};
use crate::transaction::{Essentials, TransactionId};
use crate::{HeaderName, Request, StatusCode};
use offhook_sansio::Path;
use std::time::Instant;

impl Endpoint {
    /// Makes a subscription, in state `Null`; [`SubscriptionMut::subscribe`] begins it.
    pub fn add_subscription(&mut self, mut subscribe: Subscribe) -> Result<SubscriptionId, SubscribeError> {
        let limit = self.core.config.limits.subscriptions;
        if self.subscriptions.len() >= limit {
            return Err(SubscribeError::Limit { limit });
        }
        if subscribe.routes.is_empty() {
            return Err(SubscribeError::NoRoute);
        }
        // Who sends a REFER knows what comes of it.
        let of_refer: Option<&[String]> = subscribe.refer.is_some().then_some(&[]);
        let known = self.core.config.events.accept(&subscribe.event).or(of_refer);
        let (Some(known), Some(event)) = (known, Event::new(&subscribe.event)) else {
            return Err(SubscribeError::UnknownEvent(subscribe.event));
        };
        subscribe.accept.get_or_insert_with(|| known.to_vec());
        let id = SubscriptionId(self.fresh_number());
        let subscription = Subscription::new(&mut self.core, id, event, subscribe);
        self.subscriptions.insert(id, subscription);
        Ok(id)
    }

    /// A subscription of ours; `None` once it is closed.
    pub fn subscription(&mut self, id: SubscriptionId) -> Option<SubscriptionMut<'_>> {
        let (subscription, schedule) = self.subscriptions.lend(&mut self.core, id)?;
        Some(SubscriptionMut::new(subscription, &mut self.core, schedule))
    }

    /// Ends a subscription, if it stands, and forgets it. The notifier is given 2 s.
    pub fn close_subscription(&mut self, now: Instant, id: SubscriptionId) {
        self.subscriptions.with(&mut self.core, id, |subscription, core| {
            subscription.close(core, now);
        });
    }

    /// How many subscriptions exist.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// A NOTIFY for a dialog that may have begun with it (RFC 6665 §4.4.1).
    pub(super) fn handle_notify(
        &mut self,
        now: Instant,
        id: TransactionId,
        path: Path,
        essentials: &Essentials,
        request: &Request,
    ) {
        let half = DialogId::of_request(essentials).map(|dialog| DialogId {
            remote_tag: bytes::Bytes::new(),
            ..dialog
        });
        let sharers = half.map_or_else(Vec::new, |half| self.core.dialogs.sharers(&half).to_vec());
        for sharer in sharers {
            let Owner::Subscription(owner) = sharer else {
                continue;
            };
            let notified = self.subscriptions.with(&mut self.core, owner, |usage, core| {
                usage.handle_notify(core, now, id, path, essentials, request)
            });
            match notified {
                Some(Notified::Done) => return,
                Some(Notified::Fork) => {
                    self.handle_fork(now, id, path, essentials, request, owner);
                    return;
                }
                Some(Notified::NotOurs) | None => {}
            }
        }
        self.refuse_notify(now, id, request);
    }

    /// RFC 6665 §4.1.3: no such subscription, or no such event.
    pub(super) fn refuse_notify(&mut self, now: Instant, id: TransactionId, request: &Request) {
        let event = request.headers().typed::<Event>();
        let is_known =
            matches!(&event, Some(Ok(event)) if self.core.config.events.accept(event.package()).is_some());
        let status = match (event, is_known) {
            (Some(_), false) => StatusCode::BAD_EVENT,
            _ => StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
        };
        let mut response = self.core.response_to(request, status);
        if status == StatusCode::BAD_EVENT && !self.core.config.incoming_events.is_empty() {
            let events = self.core.config.incoming_events.join(", ");
            response.headers_mut().push(HeaderName::AllowEvents, events);
        }
        self.core.answer(now, id, response);
    }

    fn handle_fork(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        path: Path,
        essentials: &Essentials,
        request: &Request,
        of: SubscriptionId,
    ) {
        if self.subscriptions.len() >= self.core.config.limits.subscriptions {
            self.core.statistics.refused_full += 1;
            self.refuse_notify(now, transaction, request);
            return;
        }
        let id = SubscriptionId(self.fresh_number());
        let fork = self
            .subscriptions
            .get(of)
            .map(|subscription| subscription.fork(&mut self.core, id));
        if let Some(fork) = fork {
            self.subscriptions.insert(id, fork);
            self.subscriptions.with(&mut self.core, id, |usage, core| {
                usage.handle_notify(core, now, transaction, path, essentials, request)
            });
        }
    }
}
