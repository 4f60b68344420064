//! Who listens to which session and registration.

use super::event_queue::EventQueue;
use super::user_agent::EVENT_QUEUE;
use crate::{SessionEvent, SessionId, Stamped};
use offhook_sip_core::{RegistrationEvent, RegistrationId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tracing::warn;

/// Where the events of each session and registration go.
#[derive(Clone, Default)]
pub(super) struct Listeners {
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<SessionId, EventQueue>,
    registrations: HashMap<RegistrationId, mpsc::Sender<RegistrationEvent>>,
}

impl Listeners {
    pub(super) fn listen_to(&self, id: SessionId) -> EventQueue {
        let events = EventQueue::default();
        self.lock().sessions.insert(id, events.clone());
        events
    }

    pub(super) fn listen_to_registration(&self, id: RegistrationId) -> mpsc::Receiver<RegistrationEvent> {
        let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
        self.lock().registrations.insert(id, sender);
        receiver
    }

    pub(super) fn tell_session(&self, id: SessionId, event: Stamped<SessionEvent>) {
        let is_last = matches!(
            event.event,
            SessionEvent::DidEnd { .. } | SessionEvent::DidFail { .. }
        );
        let mut table = self.lock();
        if let Some(queue) = table.sessions.get(&id) {
            queue.push(event);
        }
        if is_last {
            table.sessions.remove(&id);
        }
    }

    pub(super) fn tell_registration(&self, id: RegistrationId, event: RegistrationEvent) {
        let is_last = matches!(
            event,
            RegistrationEvent::Ended | RegistrationEvent::NotEnded { .. }
        );
        let mut table = self.lock();
        if let Some(sender) = table.registrations.get(&id)
            && let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(event)
        {
            warn!("an application does not read its registration's events: one was dropped");
        }
        if is_last {
            table.registrations.remove(&id);
        }
    }

    /// The user agent is gone: nobody waits for more.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        table.sessions.drain().for_each(|(_, queue)| queue.close());
        table.registrations.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing that runs under this lock can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
