//! The endpoint's requests outside of dialogs.

use super::Endpoint;
use crate::Method;
use crate::ask::{Ask, AskError, AskId, Asking};
use crate::pager::{MessageError, MessageId, Pager, PagerId, PagerMessage};
use std::time::Instant;

impl Endpoint {
    /// Sends a request outside of dialogs. Its responses come as [`AskEvent`](crate::AskEvent).
    pub fn ask(&mut self, now: Instant, ask: Ask) -> Result<AskId, AskError> {
        if matches!(
            ask.method,
            Method::Invite
                | Method::Ack
                | Method::Cancel
                | Method::Bye
                | Method::Prack
                | Method::Update
                | Method::Subscribe
                | Method::Notify
        ) {
            return Err(AskError::IllegalMethod(ask.method));
        }
        if ask.routes.is_empty() {
            return Err(AskError::NoRoute);
        }
        let limit = self.core.config.limits.asks;
        if self.asks.len() >= limit {
            return Err(AskError::Limit { limit });
        }
        let id = AskId(self.fresh_number());
        let asking = Asking::start(&mut self.core, now, id, ask)?;
        self.asks.insert(id, asking);
        Ok(id)
    }

    /// Sends a message. One is on its way to each target at a time, as RFC 3428 §8 wants it; others wait until it is
    /// answered, in order. What becomes of it comes as [`MessageEvent`](crate::MessageEvent).
    pub fn send_message(&mut self, now: Instant, message: PagerMessage) -> Result<MessageId, MessageError> {
        if message.routes.is_empty() {
            return Err(MessageError::NoRoute);
        }
        let limits = self.core.config.limits;
        if self.core.targets.messages() >= limits.messages {
            let limit = limits.messages;
            return Err(MessageError::Limit { limit });
        }
        let target = message.to.uri.to_string();
        let pager = self
            .core
            .targets
            .get(&target)
            .and_then(|id| Some((id, self.pagers.get(id)?.len())));
        if pager.is_some_and(|(_, waiting)| waiting >= limits.messages_per_target) {
            let limit = limits.messages_per_target;
            return Err(MessageError::TargetLimit { limit });
        }
        let id = MessageId(self.fresh_number());
        let pager = if let Some((pager, _)) = pager {
            pager
        } else {
            let pager = PagerId(self.fresh_number());
            self.core.targets.insert(target, pager);
            self.pagers.insert(pager, Pager::new(pager));
            pager
        };
        self.pagers.with(&mut self.core, pager, |pager, core| {
            pager.push(core, now, id, message);
        });
        Ok(id)
    }
}
