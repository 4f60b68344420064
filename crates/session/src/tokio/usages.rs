//! What a user agent does besides calls and registrations: requests, messages, publications and subscriptions.

use super::session::post_surely;
use super::user_agent::{CommandError, UserAgent};
use crate::SessionManager;
use offhook_sip_core::ask::AskEvent;
use offhook_sip_core::invitation::Cause;
use offhook_sip_core::tokio::Handle;
use offhook_sip_core::{
    Ask, AskId, Body, EndpointEvent, MessageEvent, MessageId, PagerMessage, PublicationEvent, PublicationId,
    Publish, Subscribe, SubscriptionEvent, SubscriptionId,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tracing::warn;

/// Events of one usage that may wait for the application.
const QUEUE: usize = 256;

impl UserAgent {
    /// Sends a request outside of calls and waits for its final response, or what stands for it.
    pub async fn ask(&self, ask: Ask) -> Result<Cause, CommandError> {
        let followers = self.followers.clone();
        let asked = self.handle.call(move |manager, now| {
            let id = manager.with_endpoint(now, |endpoint| endpoint.ask(now, ask))?;
            Ok::<_, CommandError>(followers.follow(UsageId::Ask(id)))
        });
        let mut events = asked.await??;
        while let Some(event) = events.recv().await {
            if let EndpointEvent::Ask {
                event: AskEvent::Answered { cause, .. },
                ..
            } = event
            {
                return Ok(cause);
            }
        }
        Err(CommandError::Gone(offhook_sip_core::tokio::DriverGone))
    }

    /// Sends a message outside of calls (RFC 3428) and waits for its final response, or what stands for it.
    pub async fn send_message(&self, message: PagerMessage) -> Result<Cause, CommandError> {
        let followers = self.followers.clone();
        let sent = self.handle.call(move |manager, now| {
            // What cannot be sent is told in the same breath, so somebody must listen before.
            manager.with_endpoint(now, |endpoint| {
                let id = endpoint.send_message(now, message)?;
                Ok::<_, CommandError>(followers.follow(UsageId::Message(id)))
            })
        });
        let mut events = sent.await??;
        while let Some(event) = events.recv().await {
            if let EndpointEvent::Message {
                event: MessageEvent::Answered { cause, .. },
                ..
            } = event
            {
                return Ok(cause);
            }
        }
        Err(CommandError::Gone(offhook_sip_core::tokio::DriverGone))
    }

    /// Publishes state (RFC 3903) and keeps it there until the publication is ended.
    pub async fn publish(&self, publish: Publish, body: Body) -> Result<Publication, CommandError> {
        let (followers, handle) = (self.followers.clone(), self.handle.clone());
        let published = self.handle.call(move |manager, now| {
            manager.with_endpoint(now, |endpoint| {
                let id = endpoint.add_publication(publish)?;
                let events = followers.follow(UsageId::Publication(id));
                if let Some(mut publication) = endpoint.publication(id) {
                    publication.publish(now, body);
                }
                Ok::<_, CommandError>(Publication { id, handle, events })
            })
        });
        published.await?
    }

    /// Subscribes to somebody's state (RFC 6665) until the subscription is ended.
    pub async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription, CommandError> {
        let (followers, handle) = (self.followers.clone(), self.handle.clone());
        let subscribed = self.handle.call(move |manager, now| {
            manager.with_endpoint(now, |endpoint| {
                let id = endpoint.add_subscription(subscribe)?;
                let events = followers.follow(UsageId::Subscription(id));
                let begun = endpoint
                    .subscription(id)
                    .map(|mut subscription| subscription.subscribe(now));
                if let Some(Err(error)) = begun {
                    endpoint.close_subscription(now, id);
                    return Err(CommandError::from(error));
                }
                Ok(Subscription { id, handle, events })
            })
        });
        subscribed.await?
    }
}

/// A running publication: refreshed until it is taken back or dropped.
pub struct Publication {
    id: PublicationId,
    handle: Handle<SessionManager>,
    events: mpsc::Receiver<EndpointEvent>,
}

impl Publication {
    /// The next event; `None` when the user agent has stopped.
    pub async fn next_event(&mut self) -> Option<PublicationEvent> {
        match self.events.recv().await? {
            EndpointEvent::Publication { event, .. } => Some(event),
            _ => None,
        }
    }

    /// Publishes something else in place of what stands.
    pub async fn publish(&self, body: Body) -> Result<(), CommandError> {
        let id = self.id;
        let changed = self.handle.call(move |manager, now| {
            manager.with_endpoint(now, |endpoint| {
                if let Some(mut publication) = endpoint.publication(id) {
                    publication.publish(now, body);
                }
            });
        });
        Ok(changed.await?)
    }

    /// Takes the state back; [`Ended`](PublicationEvent::Ended) says that it is gone.
    pub async fn unpublish(&self) -> Result<(), CommandError> {
        let id = self.id;
        let ended = self.handle.call(move |manager, now| {
            manager.with_endpoint(now, |endpoint| endpoint.close_publication(now, id));
        });
        Ok(ended.await?)
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let id = self.id;
        post_surely(&self.handle, move |manager, now| {
            manager.with_endpoint(now, |endpoint| endpoint.close_publication(now, id));
        });
    }
}

/// A running subscription: refreshed, and begun again where that is allowed, until it is ended or dropped.
pub struct Subscription {
    id: SubscriptionId,
    handle: Handle<SessionManager>,
    events: mpsc::Receiver<EndpointEvent>,
}

impl Subscription {
    /// The next event; `None` when the user agent has stopped.
    pub async fn next_event(&mut self) -> Option<SubscriptionEvent> {
        match self.events.recv().await? {
            EndpointEvent::Subscription { event, .. } => Some(event),
            _ => None,
        }
    }

    /// Ends it. Events go on until the notifier has let go, or for 2 s.
    pub async fn unsubscribe(&self) -> Result<(), CommandError> {
        let id = self.id;
        let ended = self.handle.call(move |manager, now| {
            manager.with_endpoint(now, |endpoint| endpoint.close_subscription(now, id));
        });
        Ok(ended.await?)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let id = self.id;
        post_surely(&self.handle, move |manager, now| {
            manager.with_endpoint(now, |endpoint| endpoint.close_subscription(now, id));
        });
    }
}

/// Whose events somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum UsageId {
    Ask(AskId),
    Message(MessageId),
    Publication(PublicationId),
    Subscription(SubscriptionId),
}

/// Where the events of each usage go.
#[derive(Clone, Default)]
pub(super) struct Followers {
    table: Arc<Mutex<HashMap<UsageId, mpsc::Sender<EndpointEvent>>>>,
}

impl Followers {
    fn follow(&self, id: UsageId) -> mpsc::Receiver<EndpointEvent> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut table = self.lock();
        table.retain(|_, sender| !sender.is_closed());
        table.insert(id, sender);
        receiver
    }

    pub(super) fn tell(&self, event: EndpointEvent) {
        let id = match &event {
            EndpointEvent::Ask { id, .. } => UsageId::Ask(*id),
            EndpointEvent::Message { id, .. } => UsageId::Message(*id),
            EndpointEvent::Publication { id, .. } => UsageId::Publication(*id),
            EndpointEvent::Subscription { id, .. } => UsageId::Subscription(*id),
            _ => return,
        };
        if let Some(sender) = self.lock().get(&id)
            && let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(event)
        {
            warn!("an application does not read what it asked for: an event was dropped");
        }
    }

    /// The user agent is gone: nobody waits for more.
    pub(super) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UsageId, mpsc::Sender<EndpointEvent>>> {
        // Nothing that runs under this lock can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
