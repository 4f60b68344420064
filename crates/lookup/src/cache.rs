//! Answers kept as long as they hold.

use crate::{Answer, QueryError, RecordKind};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A bounded store of DNS answers, shared by the lookups of one resolver.
///
/// Positive answers are kept for the smallest TTL of their records, at most an hour; negative ones for what the
/// driver says, at most 5 minutes. Timeouts and failures are not kept: the next lookup asks again.
#[derive(Clone, Debug)]
pub struct Cache {
    entries: HashMap<(RecordKind, String), Entry>,
    capacity: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    answer: Answer,
    expires: Instant,
}

impl Cache {
    /// How many answers are kept by default. 1,000: a few hundred kilobytes at most, all servers that an
    /// endpoint meets.
    pub const CAPACITY: usize = 1_000;

    /// The longest that a record is kept, whatever its TTL.
    pub const MAX_TTL: Duration = Duration::from_hours(1);

    /// The longest that "no such domain" or "no such record" is kept (RFC 2308 §5 allows hours; a provider that
    /// repairs its zone should be found again sooner).
    pub const MAX_NEGATIVE_TTL: Duration = Duration::from_mins(5);

    /// A cache for that many answers.
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            capacity,
        }
    }

    /// The answer to a query, while it holds.
    pub fn get(&self, now: Instant, kind: RecordKind, name: &str) -> Option<Answer> {
        let entry = self.entries.get(&(kind, name.to_owned()))?;
        (entry.expires > now).then(|| entry.answer.clone())
    }

    /// Keeps an answer. `negative_ttl` is how long its absence holds, from the zone's SOA record (RFC 2308 §5).
    pub fn insert(
        &mut self,
        now: Instant,
        kind: RecordKind,
        name: &str,
        answer: &Answer,
        negative_ttl: Duration,
    ) {
        let ttl = match answer {
            Ok(records) => records.iter().map(|record| record.ttl).min().unwrap_or_default(),
            Err(QueryError::NoSuchDomain | QueryError::NoRecords) => negative_ttl.min(Self::MAX_NEGATIVE_TTL),
            Err(_) => Duration::ZERO,
        };
        if ttl.is_zero() || self.capacity == 0 {
            return;
        }
        if self.entries.len() >= self.capacity {
            self.make_room(now);
        }
        let entry = Entry {
            answer: answer.clone(),
            expires: now + ttl.min(Self::MAX_TTL),
        };
        self.entries.insert((kind, name.to_owned()), entry);
    }

    /// How many answers are held, expired ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all, as when the network changed.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Drops what expired; when nothing did, what expires first.
    fn make_room(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.expires > now);
        if self.entries.len() >= self.capacity {
            let soonest = self.entries.iter().min_by_key(|(_, entry)| entry.expires);
            if let Some(key) = soonest.map(|(key, _)| key.clone()) {
                self.entries.remove(&key);
            }
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Record, RecordData};

    const SECOND: Duration = Duration::from_secs(1);

    fn address(ttl: u32) -> Vec<Record> {
        vec![Record {
            ttl: SECOND * ttl,
            data: RecordData::Address([192, 0, 2, 1].into()),
        }]
    }

    #[test]
    fn answers_are_kept_as_long_as_they_hold() {
        let t0 = Instant::now();
        let mut cache = Cache::default();
        for (answer, negative_ttl, held) in [
            (Ok(address(60)), 9, 60),
            (Ok(address(86_400)), 9, 3_600),
            (Ok(address(0)), 9, 0),
            (Err(QueryError::NoSuchDomain), 60, 60),
            (Err(QueryError::NoRecords), 86_400, 300),
            (Err(QueryError::Timeout), 60, 0),
            (Err(QueryError::ServerFailure), 60, 0),
        ] {
            cache.clear();
            cache.insert(t0, RecordKind::A, "h", &answer, SECOND * negative_ttl);
            let at = |seconds| cache.get(t0 + SECOND * seconds, RecordKind::A, "h");
            assert_eq!(at(held), None, "{answer:?}");
            assert_eq!(cache.get(t0, RecordKind::Aaaa, "h"), None);
            if held > 0 {
                assert_eq!(at(held - 1), Some(answer));
            }
        }
    }

    #[test]
    fn a_full_cache_drops_what_would_expire_first() {
        let t0 = Instant::now();
        let mut cache = Cache::new(2);
        for (name, ttl) in [("long", 100), ("short", 10), ("new", 50)] {
            cache.insert(t0, RecordKind::A, name, &Ok(address(ttl)), SECOND);
        }
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.get(t0, RecordKind::A, "short"), None);
        assert!(cache.get(t0, RecordKind::A, "long").is_some());
    }
}
