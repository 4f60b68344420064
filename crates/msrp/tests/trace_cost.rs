//! Traces that are off cost nothing: no allocation, and nothing is looked at.

use bytes::{Buf, Bytes};
use offhook_msrp::framer::Framer;
use offhook_msrp::trace::{ChunkTracer, Direction, Traced};
use offhook_msrp::{MsrpPath, MsrpSession, OutgoingMessage, SessionConfig};
use offhook_sansio::Entropy;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Counts what it is shown.
#[derive(Clone, Debug, Default)]
struct Counter(Arc<AtomicU64>);

impl ChunkTracer for Counter {
    fn trace(&mut self, _: Direction, _: Traced<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Pair {
    now: Instant,
    alice: MsrpSession,
    bob: MsrpSession,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let path = |text: &str| text.parse::<MsrpPath>().unwrap();
        let (a, b) = (path("msrp://a.test:1/alice;tcp"), path("msrp://b.test:2/bob;tcp"));
        let framer = Framer::new(offhook_msrp::chunk::Limits::default());
        let bobs = SessionConfig::new(b.clone(), a.clone());
        let mut pair = Self {
            now,
            alice: MsrpSession::connected(now, SessionConfig::new(a, b), Entropy::from_number(1)),
            bob: MsrpSession::accepted(now, bobs, Entropy::from_number(2), framer, None),
        };
        for _ in 0..100 {
            pair.talk(); // buffers grow to their size
        }
        pair
    }

    /// A message there, and its answer back.
    fn talk(&mut self) {
        let body = Bytes::from_static(&[b'x'; 200]);
        let _ = self.alice.send(OutgoingMessage::new("text/plain", body));
        let now = self.now;
        while carry(now, &mut self.alice, &mut self.bob) | carry(now, &mut self.bob, &mut self.alice) {}
        while self.alice.poll_event().is_some() || self.bob.poll_event().is_some() {}
    }

    fn allocations(&mut self) -> u64 {
        let counted = allocation_counter::measure(|| (0..1000).for_each(|_| self.talk()));
        counted.count_total
    }
}

fn carry(now: Instant, from: &mut MsrpSession, to: &mut MsrpSession) -> bool {
    let Some(mut burst) = from.poll_transmit(now) else {
        return false;
    };
    while burst.has_remaining() {
        let len = burst.chunk().len();
        to.input().extend_from_slice(burst.chunk());
        burst.advance(len);
    }
    to.handle_input(now);
    true
}

#[test]
fn a_session_whose_traces_were_switched_off_does_what_one_does_that_was_never_traced() {
    let (mut never, mut off) = (Pair::new(), Pair::new());
    let counter = Counter::default();
    off.alice.set_tracer(Some(Box::new(counter.clone())));
    off.talk();
    off.alice.set_tracer(None);
    let seen = counter.0.load(Ordering::Relaxed);
    assert!(
        seen >= 5,
        "a head, a body and an end there, a head and an end back: {seen}"
    );

    // A message takes the same path in both, from the same state on.
    never.talk();
    let (of_never, of_off) = (never.allocations(), off.allocations());
    assert!(
        of_off <= of_never,
        "{of_off} allocations, and {of_never} without traces at all"
    );
    assert_eq!(
        counter.0.load(Ordering::Relaxed),
        seen,
        "nothing is shown any more"
    );

    off.alice.set_tracer(Some(Box::new(counter.clone())));
    let traced = off.allocations();
    assert!(
        traced > of_never,
        "the count counts: {traced} while traced, {of_never} else"
    );
    assert!(counter.0.load(Ordering::Relaxed) >= seen + 5000);
}
