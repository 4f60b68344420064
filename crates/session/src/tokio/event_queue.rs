//! The events of one session on their way to the application.

use crate::{SessionEvent, Stamped};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tracing::warn;

/// Events that may wait for an application that does not read. The other side can cause events (digits, hold), so
/// there must be an end to it.
const MOST_WAITING: usize = 256;

/// A queue that never blocks the side that fills it: figures replace older figures, and past the limit everything
/// but the end of the session is dropped, and what [the other side is kept waiting for](crate::StreamEvent::is_waited_for).
#[derive(Clone, Default)]
pub(super) struct EventQueue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Stamped<SessionEvent>>,
    closed: bool,
}

impl EventQueue {
    pub(super) fn push(&self, event: Stamped<SessionEvent>) {
        let is_last = matches!(
            event.event,
            SessionEvent::DidEnd { .. } | SessionEvent::DidFail { .. }
        );
        let mut waiting = self.lock();
        if let Some(last) = waiting.events.back_mut()
            && event.event.replaces(&last.event)
        {
            *last = event;
        } else if waiting.events.len() < MOST_WAITING || is_last || event.event.taken_from().is_some() {
            waiting.events.push_back(event);
        } else {
            warn!("an application does not read its session's events: one was dropped");
        }
        waiting.closed |= is_last;
        drop(waiting);
        self.shared.changed.notify_one();
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_one();
    }

    /// The next event, or `None` after the last one.
    pub(super) async fn next(&self) -> Option<Stamped<SessionEvent>> {
        loop {
            {
                let mut waiting = self.lock();
                if let Some(event) = waiting.events.pop_front() {
                    return Some(event);
                }
                if waiting.closed {
                    return None;
                }
            }
            self.shared.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that runs under this lock can panic half-way through a change.
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::StreamId;
    use crate::{AudioEvent, Originator, StreamEvent};
    use std::time::{Duration, Instant};

    fn stamped(event: SessionEvent) -> Stamped<SessionEvent> {
        Stamped {
            timestamp: Instant::now(),
            event,
        }
    }

    fn end() -> SessionEvent {
        SessionEvent::DidEnd {
            originator: Originator::Remote,
            reason: String::new(),
            duration: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn events_come_in_order_and_none_after_the_last() {
        let queue = EventQueue::default();
        queue.push(stamped(SessionEvent::GotRingIndication));
        queue.push(stamped(end()));
        assert!(matches!(
            queue.next().await.unwrap().event,
            SessionEvent::GotRingIndication
        ));
        assert!(matches!(
            queue.next().await.unwrap().event,
            SessionEvent::DidEnd { .. }
        ));
        assert!(queue.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_sleeps_keeps_memory_bounded_and_still_hears_the_end() {
        let queue = EventQueue::default();
        let digit = '1'.try_into().expect("a digit");
        for _ in 0..10_000 {
            let event = StreamEvent::Audio(AudioEvent::GotDtmf { digit });
            queue.push(stamped(SessionEvent::Stream {
                stream: StreamId(1),
                event,
            }));
        }
        queue.push(stamped(end()));
        let mut count = 0;
        let mut last = None;
        while let Some(event) = queue.next().await {
            count += 1;
            last = Some(event.event);
        }
        assert_eq!(count, MOST_WAITING + 1);
        assert!(matches!(last, Some(SessionEvent::DidEnd { .. })));
    }
}
