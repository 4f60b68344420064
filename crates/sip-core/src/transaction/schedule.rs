//! Which of many state machines wants to wake next.

use offhook_sansio::earliest;
use std::collections::BTreeSet;
use std::time::Instant;

/// The deadlines of many things, each with at most one. The owner keeps the deadline that it has told, so that
/// nothing is looked up twice.
#[derive(Debug)]
pub(crate) struct Schedule<Id> {
    at: BTreeSet<(Instant, Id)>,
}

impl<Id: Copy + Ord> Schedule<Id> {
    pub(crate) fn new() -> Self {
        Self { at: BTreeSet::new() }
    }

    /// Replaces the deadline of `id`; `told` is the one from before and becomes the new one.
    pub(crate) fn update(&mut self, id: Id, told: &mut Option<Instant>, wanted: Option<Instant>) {
        if *told == wanted {
            return;
        }
        if let Some(at) = told.take() {
            self.at.remove(&(at, id));
        }
        if let Some(at) = wanted {
            self.at.insert((at, id));
        }
        *told = wanted;
    }

    /// Whose deadline has come first. It stays until it is updated.
    pub(crate) fn due(&self, now: Instant) -> Option<Id> {
        self.at.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    pub(crate) fn soonest(&self) -> Option<Instant> {
        self.at.first().map(|(at, _)| *at)
    }

    /// The earlier of this schedule's deadline and another.
    pub(crate) fn soonest_or(&self, other: Option<Instant>) -> Option<Instant> {
        earliest(self.soonest(), other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn deadlines_come_out_in_order_and_can_be_moved() {
        let t0 = Instant::now();
        let at = |seconds| t0 + Duration::from_secs(seconds);
        let mut schedule = Schedule::new();
        let (mut one, mut two) = (None, None);
        schedule.update(1, &mut one, Some(at(5)));
        schedule.update(2, &mut two, Some(at(3)));
        assert_eq!((schedule.soonest(), schedule.due(at(4))), (Some(at(3)), Some(2)));
        schedule.update(2, &mut two, Some(at(9)));
        assert_eq!(schedule.due(at(4)), None);
        assert_eq!(schedule.due(at(5)), Some(1));
        schedule.update(1, &mut one, None);
        schedule.update(2, &mut two, None);
        assert_eq!(schedule.soonest(), None);
    }
}
