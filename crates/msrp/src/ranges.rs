//! Which bytes of a message are there.

/// A set of byte ranges, counted from 0, ends excluded, kept sorted and joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: Vec<(u64, u64)>,
}

impl RangeSet {
    /// Adds a range.
    pub(crate) fn insert(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        if let Some(last) = self.ranges.last_mut()
            && last.1 == start
        {
            last.1 = end; // in order, which is what nearly always comes
            return;
        }
        let first = self.ranges.partition_point(|range| range.1 < start);
        let after = self.ranges.partition_point(|range| range.0 <= end);
        let start = self
            .ranges
            .get(first)
            .filter(|_| first < after)
            .map_or(start, |range| range.0.min(start));
        let end = if first < after {
            self.ranges[after - 1].1.max(end)
        } else {
            end
        };
        self.ranges.splice(first..after, [(start, end)]);
    }

    /// How many separate ranges there are.
    pub(crate) fn count(&self) -> usize {
        self.ranges.len()
    }

    /// True when every byte below `size` is there.
    pub(crate) fn covers(&self, size: u64) -> bool {
        size == 0 || matches!(self.ranges.first(), Some((0, end)) if *end >= size)
    }

    /// The end of the last range.
    pub(crate) fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_that_touch_are_joined() {
        let mut set = RangeSet::default();
        for (start, end) in [(10, 20), (30, 40), (0, 5), (7, 7), (20, 30)] {
            set.insert(start, end);
        }
        assert_eq!(set.ranges, [(0, 5), (10, 40)]);
        assert_eq!((set.count(), set.end()), (2, 40));
        assert!(!set.covers(40));
        set.insert(3, 12);
        assert!(set.covers(40));
        assert!(!set.covers(41));
    }

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(ranges in proptest::collection::vec((0..60u64, 0..20u64), 0..20)) {
            let mut set = RangeSet::default();
            let mut bytes = [false; 80];
            for (start, len) in ranges {
                set.insert(start, start + len);
                bytes[start as usize..(start + len) as usize].fill(true);
            }
            let held = |at: u64| set.ranges.iter().any(|(start, end)| (*start..*end).contains(&at));
            for (at, there) in bytes.iter().enumerate() {
                prop_assert_eq!(held(at as u64), *there);
            }
            prop_assert!(set.ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
