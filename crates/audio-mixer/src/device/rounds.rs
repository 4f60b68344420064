//! Whether all directions of a card call.

use super::choice::Direction;
use super::ring::Counters;
use std::cell::Cell;
use std::sync::Arc;

/// The rounds of a card: one is over when each open direction has called at least once more. A microphone that stands still is
/// not made up for by its loudspeaker.
#[derive(Debug)]
pub(super) struct Rounds {
    counters: Arc<Counters>,
    /// How often each direction had called when the last round was over.
    calls: Vec<(Direction, Cell<u64>)>,
    over: Cell<u64>,
}

impl Rounds {
    /// Of a card without any direction yet.
    pub(super) fn new(counters: &Arc<Counters>) -> Self {
        Self {
            counters: Arc::clone(counters),
            calls: Vec::new(),
            over: Cell::new(0),
        }
    }

    /// A direction is opened.
    pub(super) fn add(&mut self, direction: Direction) {
        let calls = self.counters.flow(direction).calls();
        self.calls.push((direction, Cell::new(calls)));
    }

    /// How many were over by now, as far as this was looked at.
    pub(super) fn over(&self) -> u64 {
        if self.waits_for().is_none() {
            for (direction, calls) in &self.calls {
                calls.set(self.counters.flow(*direction).calls());
            }
            self.over.set(self.over.get() + 1);
        }
        self.over.get()
    }

    /// The first direction that has not called in this round.
    pub(super) fn waits_for(&self) -> Option<Direction> {
        let silent = |(direction, calls): &&(Direction, Cell<u64>)| {
            self.counters.flow(*direction).calls() == calls.get()
        };
        self.calls.iter().find(silent).map(|(direction, _)| *direction)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring;
    use super::*;

    #[test]
    fn a_microphone_that_stands_still_is_not_made_up_for_by_its_loudspeaker() {
        let counters = Arc::new(Counters::default());
        let (microphone, _) = ring::ring(8_000, &counters, |c| &c.input);
        let (_, loudspeaker) = ring::ring(8_000, &counters, |c| &c.output);
        let mut rounds = Rounds::new(&counters);
        rounds.add(Direction::Input);
        rounds.add(Direction::Output);
        assert_eq!(rounds.over(), 0);
        for due in 1..5 {
            microphone.count_callback();
            loudspeaker.count_callback();
            assert_eq!((rounds.over(), rounds.over()), (due, due), "each round once");
        }
        (0..100).for_each(|_| loudspeaker.count_callback());
        assert_eq!((rounds.over(), rounds.waits_for()), (4, Some(Direction::Input)));
        microphone.count_callback();
        assert_eq!(rounds.over(), 5);
        microphone.count_callback();
        assert_eq!((rounds.over(), rounds.waits_for()), (5, Some(Direction::Output)));
    }
}
