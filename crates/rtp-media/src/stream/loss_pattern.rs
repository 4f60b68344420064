//! Bursts of losses and the gaps between them, as extended reports tell them (RFC 3611 §4.7.2).

use crate::rtcp::BurstMetrics;
use std::time::Duration;

/// Packets in a row that were played and so end a burst: what the RFC recommends.
const MINIMUM_GAP: u64 = 16;

/// Packets behind the newest one whose place is still open: one that comes so much later is no loss.
const WINDOW: u32 = 64;

/// Follows which packets of a source were lost, came too late, or were played.
#[derive(Clone, Debug, Default)]
pub(super) struct LossPattern {
    newest: Option<u64>,
    /// The newest packets, that of bit 0 being the newest: whether they came, and whether too late.
    came: u64,
    late: u64,
    /// How many of the bits say something.
    open: u32,
    spans: Spans,
    lost: u64,
    discarded: u64,
}

impl LossPattern {
    /// A packet came, in time or not.
    pub(super) fn packet(&mut self, sequence: u64, in_time: bool) {
        let newest = *self.newest.get_or_insert(sequence.saturating_sub(1));
        if let Some(behind) = newest.checked_sub(sequence) {
            if behind < u64::from(self.open) {
                self.came |= 1 << behind;
                self.late |= u64::from(!in_time) << behind;
            }
            return;
        }
        for _ in newest..sequence {
            self.step();
        }
        self.came |= 1;
        self.late |= u64::from(!in_time);
        self.newest = Some(sequence);
    }

    /// Another stream of sequence numbers begins, or the same after a pause in which nobody listened.
    pub(super) fn restart(&mut self) {
        for place in (0..self.open).rev() {
            self.settle(place);
        }
        (self.newest, self.came, self.late, self.open) = (None, 0, 0, 0);
    }

    /// Opens a place for the next packet; the oldest is settled.
    fn step(&mut self) {
        if self.open == WINDOW {
            self.settle(WINDOW - 1);
        } else {
            self.open += 1;
        }
        self.came <<= 1;
        self.late <<= 1;
    }

    fn settle(&mut self, place: u32) {
        let came = self.came >> place & 1 == 1;
        let late = self.late >> place & 1 == 1;
        self.lost += u64::from(!came);
        self.discarded += u64::from(came && late);
        self.spans.packet(came && !late);
    }

    /// Lost and discarded packets in 1/256 of all, and the bursts that they came in; `packet` is how long one lasts.
    pub(super) fn metrics(&self, packet: Duration) -> (u8, u8, BurstMetrics) {
        let mut all = self.clone();
        all.restart();
        let Spans { burst, gap, .. } = all.spans.closed();
        let expected = burst.packets + gap.packets;
        let mean = |span: &Span| packet.mul_f64(span.packets as f64 / span.count.max(1) as f64);
        let bursts = BurstMetrics {
            burst_density: part(burst.missing, burst.packets),
            gap_density: part(gap.missing, gap.packets),
            burst_duration: mean(&burst),
            gap_duration: mean(&gap),
            minimum_gap: MINIMUM_GAP as u8,
        };
        (part(all.lost, expected), part(all.discarded, expected), bursts)
    }
}

/// In 1/256, at most 255.
fn part(some: u64, all: u64) -> u8 {
    (some * 256).checked_div(all).unwrap_or(0).min(255) as u8
}

/// Bursts or gaps, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    count: u64,
    packets: u64,
    missing: u64,
}

#[derive(Clone, Debug, Default)]
struct Spans {
    burst: Span,
    gap: Span,
    /// The gap that goes on, and the losses at its end that are a burst if another follows soon.
    open_gap: Span,
    cluster: Span,
    /// Packets played since the last loss.
    played: u64,
}

impl Spans {
    fn packet(&mut self, was_played: bool) {
        if was_played {
            self.played += 1;
            return;
        }
        if self.cluster.missing > 0 && self.played < MINIMUM_GAP {
            self.cluster.packets += self.played + 1;
        } else {
            self.end_cluster();
            self.open_gap.packets += self.played;
            self.cluster.packets = 1;
        }
        self.cluster.missing += 1;
        self.played = 0;
    }

    /// One loss alone is part of its gap; several are a burst, which ends the gap before it.
    fn end_cluster(&mut self) {
        let cluster = std::mem::take(&mut self.cluster);
        if cluster.missing <= 1 {
            self.open_gap.packets += cluster.packets;
            self.open_gap.missing += cluster.missing;
            return;
        }
        self.burst.add(cluster);
        self.end_gap();
    }

    fn end_gap(&mut self) {
        let gap = std::mem::take(&mut self.open_gap);
        if gap.packets > 0 {
            self.gap.add(gap);
        }
    }

    /// As if the session ended now.
    fn closed(mut self) -> Self {
        self.end_cluster();
        self.open_gap.packets += self.played;
        self.end_gap();
        self
    }
}

impl Span {
    fn add(&mut self, one: Self) {
        self.count += 1;
        self.packets += one.packets;
        self.missing += one.missing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Duration = Duration::from_millis(10);

    /// 1 was played, 0 is lost, X came too late.
    fn pattern(packets: &str) -> LossPattern {
        let mut pattern = LossPattern::default();
        for (sequence, packet) in (1000..).zip(packets.bytes()) {
            if packet != b'0' {
                pattern.packet(sequence, packet == b'1');
            }
        }
        pattern
    }

    /// The example of RFC 3611 §4.7.2: its 63 packets (it says 64). The field is the mean of both gaps, where the
    /// example adds them.
    #[test]
    fn the_example_of_the_rfc() {
        let pattern = pattern("11110111111111111111111X111X1011110111111111111111111X111111111");
        let (lost, discarded, bursts) = pattern.metrics(PACKET);
        assert_eq!((bursts.burst_density, bursts.gap_density), (85, 10), "{bursts:?}");
        assert_eq!(bursts.burst_duration, Duration::from_millis(120));
        assert_eq!(bursts.gap_duration, Duration::from_millis(255));
        assert_eq!((lost, discarded), (12, 12));
    }

    #[test]
    fn without_losses_all_is_one_gap() {
        let (lost, discarded, bursts) = pattern(&"1".repeat(500)).metrics(PACKET);
        assert_eq!((lost, discarded), (0, 0));
        assert_eq!((bursts.burst_density, bursts.gap_density), (0, 0));
        assert_eq!(bursts.gap_duration, Duration::from_secs(5));
        let nothing = LossPattern::default().metrics(PACKET).2;
        assert_eq!((nothing.gap_duration, nothing.minimum_gap), (Duration::ZERO, 16));
    }

    #[test]
    fn two_losses_17_apart_are_no_burst_and_16_apart_are_one() {
        let apart = |played: usize| format!("{0}0{1}0{0}", "1".repeat(50), "1".repeat(played));
        assert_eq!(pattern(&apart(16)).metrics(PACKET).2.burst_density, 0);
        let bursts = pattern(&apart(15)).metrics(PACKET).2;
        assert_eq!(bursts.burst_duration, PACKET * 17);
        assert_eq!(bursts.burst_density, (2 * 256 / 17) as u8);
    }

    #[test]
    fn what_comes_within_64_packets_is_not_lost() {
        let mut pattern = LossPattern::default();
        for sequence in (0..64).rev().chain(64..200) {
            pattern.packet(sequence + 1, true);
        }
        // The first packet to come opens the stream: those before it are not expected.
        assert_eq!(pattern.metrics(PACKET).0, 0);
        let mut late = LossPattern::default();
        late.packet(1, true);
        for sequence in 3..100 {
            late.packet(sequence, true);
        }
        late.packet(2, true);
        assert_eq!(late.metrics(PACKET).0, (256 / 99) as u8);
    }

    #[test]
    fn another_source_begins_anew_without_losses() {
        let mut pattern = LossPattern::default();
        (1000..1100).for_each(|sequence| pattern.packet(sequence, true));
        pattern.restart();
        (7..107).for_each(|sequence| pattern.packet(sequence, true));
        let (lost, _, bursts) = pattern.metrics(PACKET);
        assert_eq!((lost, bursts.gap_duration), (0, PACKET * 200));
    }

    #[test]
    fn a_long_way_forward_is_that_many_losses() {
        let mut pattern = LossPattern::default();
        pattern.packet(1, true);
        pattern.packet(3000, true);
        let (lost, _, bursts) = pattern.metrics(PACKET);
        assert_eq!(lost, 255);
        assert_eq!(bursts.burst_duration, PACKET * 2998);
    }
}
