//! All usages of one kind that an endpoint has.

use super::core::Core;
use crate::transaction::{Schedule, TransactionEvent};
use offhook_sansio::Path;
use std::collections::BTreeMap;
use std::time::Instant;

/// What a dialog, or a row of requests, is for (RFC 5057 §2): a call, a registration and so on. One kind lives in one
/// folder; the endpoint keeps each kind in a [`Usages`] and gives it what concerns it.
pub(crate) trait Usage {
    type Id: Copy + Ord;

    /// True when nothing of it can matter any more.
    fn is_over(&self) -> bool;

    /// Tells when it wants to wake.
    fn update_schedule(&mut self, schedule: &mut Schedule<Self::Id>);

    fn handle_timeout(&mut self, core: &mut Core, now: Instant);

    /// About a transaction that it owns.
    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent);

    /// A connection broke.
    fn handle_broken(&mut self, core: &mut Core, now: Instant, path: Path) {
        let _ = (core, now, path);
    }

    /// It is over and about to be dropped: nothing shall point to it any more.
    fn bury(&mut self, core: &mut Core, schedule: &mut Schedule<Self::Id>);
}

#[derive(Debug)]
pub(crate) struct Usages<U: Usage> {
    /// Boxed: a tree that grows at its end is half empty, and a usage is moved once only.
    all: BTreeMap<U::Id, Box<U>>,
    schedule: Schedule<U::Id>,
    /// Its owner may have ended it.
    lent: Option<U::Id>,
}

impl<U: Usage> Usages<U> {
    pub(crate) fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            schedule: Schedule::new(),
            lent: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        let lent = self.lent.and_then(|id| self.all.get(&id));
        self.all.len() - usize::from(lent.is_some_and(|usage| usage.is_over()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn ids(&self) -> Vec<U::Id> {
        self.all.keys().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &U> {
        self.all.values().map(Box::as_ref)
    }

    pub(crate) fn insert(&mut self, id: U::Id, mut usage: U) {
        usage.update_schedule(&mut self.schedule);
        self.all.insert(id, Box::new(usage));
    }

    pub(crate) fn get(&self, id: U::Id) -> Option<&U> {
        self.all.get(&id).map(Box::as_ref)
    }

    /// A usage, with the schedule that its owner must update when he has changed it.
    pub(crate) fn lend(&mut self, core: &mut Core, id: U::Id) -> Option<(&mut U, &mut Schedule<U::Id>)> {
        self.take_back(core);
        self.lent = Some(id);
        Some((self.all.get_mut(&id)?, &mut self.schedule))
    }

    /// A usage and an older one, with the schedule that their owner must update when he has changed them.
    #[expect(clippy::type_complexity, reason = "three borrows of one table")]
    pub(crate) fn lend_both(
        &mut self,
        id: U::Id,
        older: Option<U::Id>,
    ) -> Option<(&mut U, Option<&mut U>, &mut Schedule<U::Id>)> {
        let from = older.filter(|older| *older < id).unwrap_or(id);
        let mut between = self.all.range_mut(from..=id);
        let (found, usage) = between.next_back()?;
        if *found != id {
            return None;
        }
        let older = between.next().filter(|(found, _)| Some(**found) == older);
        Some((usage, older.map(|(_, usage)| usage.as_mut()), &mut self.schedule))
    }

    /// Lets a usage act, and keeps its deadline and its life up to date.
    pub(crate) fn with<R>(
        &mut self,
        core: &mut Core,
        id: U::Id,
        act: impl FnOnce(&mut U, &mut Core) -> R,
    ) -> Option<R> {
        self.take_back(core);
        let usage = self.all.get_mut(&id)?;
        let result = act(usage, core);
        usage.update_schedule(&mut self.schedule);
        self.bury_if_over(core, id);
        Some(result)
    }

    fn take_back(&mut self, core: &mut Core) {
        if let Some(id) = self.lent.take() {
            self.bury_if_over(core, id);
        }
    }

    fn bury_if_over(&mut self, core: &mut Core, id: U::Id) {
        if self.all.get(&id).is_some_and(|usage| usage.is_over())
            && let Some(mut usage) = self.all.remove(&id)
        {
            usage.bury(core, &mut self.schedule);
        }
    }

    pub(crate) fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        while let Some(id) = self.schedule.due(now) {
            self.with(core, id, |usage, core| usage.handle_timeout(core, now));
        }
    }

    pub(crate) fn handle_broken(&mut self, core: &mut Core, now: Instant, path: Path) {
        for id in self.ids() {
            self.with(core, id, |usage, core| usage.handle_broken(core, now, path));
        }
    }

    /// The earlier of the soonest deadline here and another.
    pub(crate) fn soonest_or(&self, other: Option<Instant>) -> Option<Instant> {
        self.schedule.soonest_or(other)
    }
}
