//! The subscriptions that others have here.

use super::Endpoint;
use super::core::Core;
use crate::header::{Event, ReferTo};
use crate::notifier::{
    Begun, IncomingSubscription, IncomingSubscriptionId, IncomingSubscriptionMut, Offered,
};
use crate::transaction::TransactionId;
use crate::{HeaderName, Request, Response, StatusCode};
use offhook_sansio::Path;
use std::time::{Duration, Instant};

/// How long the state of a referral is told unless its receiver renews it: as inside calls.
const REFERRAL_EXPIRES: Duration = Duration::from_mins(3);

/// What a subscriber gets who does not say how long (RFC 6665 §3.1.1 leaves it to the package).
const USUAL_EXPIRES: u32 = 3600;

impl Endpoint {
    /// A subscription of somebody else; `None` once it is over and its last NOTIFY answered.
    pub fn incoming_subscription(
        &mut self,
        id: IncomingSubscriptionId,
    ) -> Option<IncomingSubscriptionMut<'_>> {
        let (subscription, schedule) = self.notifiers.lend(&mut self.core, id)?;
        Some(IncomingSubscriptionMut::new(
            subscription,
            &mut self.core,
            schedule,
        ))
    }

    /// How many subscriptions of others exist.
    pub fn incoming_subscription_count(&self) -> usize {
        self.notifiers.len()
    }

    /// A SUBSCRIBE outside of dialogs (RFC 6665 §4.2.1.1).
    pub(super) fn handle_subscribe(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        path: Path,
        request: &Request,
    ) {
        let expires = self.core.subscription_expires(request);
        let event = self.core.served_event(request);
        let (event, expires) = match (event, expires) {
            (Ok(event), Ok(expires)) => (event, expires),
            (Err(response), _) | (_, Err(response)) => {
                self.core.statistics.rejected += 1;
                self.core.answer(now, transaction, *response);
                return;
            }
        };
        let offered = Offered {
            transaction,
            request,
            path,
            event,
            expires,
            begun: Begun::Subscribe,
        };
        self.receive(now, offered);
    }

    /// A REFER outside of dialogs, which makes one (RFC 3515 §2.4.2, §2.4.4).
    pub(super) fn handle_refer(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        path: Path,
        request: &Request,
    ) {
        let headers = request.headers();
        let refer_to = headers.typed::<ReferTo>();
        let (1, Some(Ok(ReferTo(refer_to)))) = (headers.count(HeaderName::ReferTo), refer_to) else {
            self.core.statistics.rejected += 1;
            let why = "one Refer-To is wanted";
            self.core
                .refuse(now, transaction, request, StatusCode::BAD_REQUEST, why);
            return;
        };
        let refer_sub = headers.get_str(HeaderName::ReferSub).unwrap_or("true");
        let wants_notify = !refer_sub.trim().eq_ignore_ascii_case("false");
        let Some(event) = Event::new("refer") else { return };
        let offered = Offered {
            transaction,
            request,
            path,
            event,
            expires: REFERRAL_EXPIRES,
            begun: Begun::Refer {
                refer_to,
                wants_notify,
            },
        };
        self.receive(now, offered);
    }

    fn receive(&mut self, now: Instant, offered: Offered<'_>) {
        let (transaction, request) = (offered.transaction, offered.request);
        if self.notifiers.len() >= self.core.config.limits.incoming_subscriptions {
            self.core.statistics.refused_full += 1;
            let mut response = self.core.response_to(request, StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().push(HeaderName::RetryAfter, "10");
            self.core.answer(now, transaction, response);
            return;
        }
        let id = IncomingSubscriptionId(self.fresh_number());
        match IncomingSubscription::receive(&mut self.core, now, id, offered) {
            Ok(subscription) => self.notifiers.insert(id, subscription),
            Err(error) => {
                self.core.statistics.rejected += 1;
                let reason = error.to_string();
                self.core
                    .refuse(now, transaction, request, StatusCode::BAD_REQUEST, &reason);
            }
        }
    }
}

impl Core {
    /// The event package of a SUBSCRIBE, or the 489 (RFC 6665 §4.2.1.1, §4.2.3).
    fn served_event(&self, request: &Request) -> Result<Event, Box<Response>> {
        let served = &self.config.incoming_events;
        match request.headers().typed::<Event>() {
            Some(Ok(event)) if served.iter().any(|name| name == event.package()) => Ok(event),
            _ => {
                let mut response = self.response_to(request, StatusCode::BAD_EVENT);
                let served = served.join(", ");
                response.headers_mut().push(HeaderName::AllowEvents, served);
                Err(Box::new(response))
            }
        }
    }

    /// How long a SUBSCRIBE may last, or the 423 (RFC 6665 §4.2.1.1).
    pub(crate) fn subscription_expires(&self, request: &Request) -> Result<Duration, Box<Response>> {
        let asked = match request.headers().get_str(HeaderName::Expires) {
            None => USUAL_EXPIRES,
            Some(text) => text.trim().parse().unwrap_or(USUAL_EXPIRES),
        };
        let asked = Duration::from_secs(u64::from(asked));
        let least = self.config.shortest_subscription;
        if !asked.is_zero() && asked < least && asked < Duration::from_hours(1) {
            let mut response = self.response_to(request, StatusCode::INTERVAL_TOO_BRIEF);
            let least = least.as_secs().to_string();
            response.headers_mut().push(HeaderName::MinExpires, least);
            return Err(Box::new(response));
        }
        Ok(asked.min(self.config.longest_subscription))
    }
}
