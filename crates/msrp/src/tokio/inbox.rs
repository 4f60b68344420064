//! Events that wait for an application: bounded by their number and by the bytes that they carry.

use super::driver::MsrpConnection;
use crate::session::SessionEvent;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Notify, mpsc};

/// The events of a session, for an application that commands and listens in different places.
#[derive(Debug)]
pub struct SessionEvents {
    /// Told before the session was handed over.
    early: VecDeque<SessionEvent>,
    events: mpsc::Receiver<SessionEvent>,
    weight: Arc<Weight>,
}

/// How many bytes the waiting events carry.
#[derive(Debug, Default)]
struct Weight {
    bytes: AtomicU64,
    less: Notify,
}

impl SessionEvents {
    /// The next event; `None` after `SessionEvent::Closed`.
    pub async fn recv(&mut self) -> Option<SessionEvent> {
        match self.early.pop_front() {
            Some(event) => Some(event),
            None => self.next_new().await,
        }
    }

    /// The next event that was not put back.
    pub(super) async fn next_new(&mut self) -> Option<SessionEvent> {
        let event = self.events.recv().await?;
        let bytes = weight_of(&event);
        if bytes > 0 {
            self.weight.bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.weight.less.notify_one();
        }
        Some(event)
    }

    /// Puts an event back behind those that were put back before, to be told once more.
    pub(super) fn put_back(&mut self, event: SessionEvent) {
        self.early.push_back(event);
    }
}

impl Drop for SessionEvents {
    fn drop(&mut self) {
        // Who waits for room finds that nobody takes anything any more.
        self.events.close();
        self.weight.less.notify_one();
    }
}

/// Where a session's events go.
pub(super) struct Inbox {
    events: mpsc::Sender<SessionEvent>,
    weight: Arc<Weight>,
}

/// Whether an event can be told.
pub(super) enum Place<'i> {
    Free(mpsc::Permit<'i, SessionEvent>),
    /// So many wait that this one has to.
    None,
    /// Nobody listens.
    Unwanted,
}

impl Inbox {
    pub(super) fn new() -> (Self, SessionEvents) {
        let (sender, events) = mpsc::channel(MsrpConnection::EVENTS);
        let weight = Arc::<Weight>::default();
        let ours = SessionEvents {
            early: VecDeque::new(),
            events,
            weight: Arc::clone(&weight),
        };
        (
            Self {
                events: sender,
                weight,
            },
            ours,
        )
    }

    /// A place for one event, while the others carry less than so many bytes.
    pub(super) fn place(&self, most_bytes: u64) -> Place<'_> {
        match self.events.try_reserve() {
            Err(mpsc::error::TrySendError::Closed(())) => Place::Unwanted,
            Ok(permit) if self.weight.is_below(most_bytes) => Place::Free(permit),
            Ok(_) | Err(mpsc::error::TrySendError::Full(())) => Place::None,
        }
    }

    /// Tells an event in its place.
    pub(super) fn tell(&self, place: Place<'_>, event: SessionEvent) {
        if let Place::Free(permit) = place {
            self.weight.bytes.fetch_add(weight_of(&event), Ordering::AcqRel);
            permit.send(event);
        }
    }

    /// Waits until there is a place, or nobody listens.
    pub(super) fn room(&self, most_bytes: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (events, weight) = (self.events.clone(), Arc::clone(&self.weight));
        Box::pin(async move {
            while events.reserve().await.is_ok() && !weight.is_below(most_bytes) {
                weight.less.notified().await;
            }
        })
    }
}

impl Weight {
    fn is_below(&self, most: u64) -> bool {
        self.bytes.load(Ordering::Acquire) < most
    }
}

/// The bytes of a body that an event holds.
fn weight_of(event: &SessionEvent) -> u64 {
    match event {
        SessionEvent::Message(message) => message.body.len() as u64,
        SessionEvent::MessageData { data, .. } => data.len() as u64,
        _ => 0,
    }
}
