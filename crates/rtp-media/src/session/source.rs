//! What is known of a source we receive from (RFC 3550 §6.4.1, appendices A.1, A.3 and A.8).

use super::timeline::Timeline;
use crate::ids::Ssrc;
use crate::time::{MEDIA_RATE, ticks_to_duration};
use std::time::{Duration, Instant};

/// Packets in sequence that make a source valid (RFC 3550 A.1, `MIN_SEQUENTIAL`).
pub(super) const MIN_SEQUENTIAL: u8 = 2;

/// Largest leap ahead, and largest step back, that is still the same stream (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3000;
const MAX_MISORDER: u16 = 100;

/// Packets of the past in which duplicates are recognised.
const WINDOW: u64 = 64;

/// Where extended sequence numbers begin, so that a packet from before the first one still has a number.
const FIRST_CYCLE: u64 = 1 << 16;

/// A packet's numbers, extended so that they do not wrap; its timestamp in media time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extended {
    pub(crate) sequence: u64,
    pub(crate) timestamp: i64,
}

/// How a packet's numbers stand in its header, and when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// The clock rate of the payload type; none for what goes by the clock of the voice that it interrupts.
    pub(super) clock_rate: Option<u32>,
    /// In media time.
    pub(super) arrival: i64,
}

/// What a packet's sequence number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequenced {
    /// A packet not seen before.
    New(Extended),
    /// The first packet after the sender began to count anew.
    Restarted(Extended),
    /// Seen before.
    Duplicate,
    /// Far from where it should be; believed when the next one follows it.
    OutOfRange,
}

/// Receive state of one source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) ssrc: Ssrc,
    /// The clock rate until a voice has told its own.
    clock_rate: u32,
    first: u64,
    highest: u64,
    /// Bit n: the packet `highest - n` was received.
    window: u64,
    /// The number that would confirm a restart.
    restart: Option<u16>,
    timeline: Timeline,
    pub(super) received: u64,
    expected_prior: u64,
    received_prior: u64,
    last_transit: Option<i64>,
    /// Interarrival jitter, in media time times 16.
    jitter: i64,
    pub(super) last_report: Option<(u32, Instant)>,
}

impl Source {
    /// A source whose next packet has this sequence number.
    pub(super) fn new(ssrc: Ssrc, sequence: u16, clock_rate: u32) -> Self {
        let first = FIRST_CYCLE + u64::from(sequence);
        Self {
            ssrc,
            clock_rate,
            first,
            highest: first - 1,
            window: 0,
            restart: None,
            timeline: Timeline::default(),
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            last_transit: None,
            jitter: 0,
            last_report: None,
        }
    }

    /// Takes a packet's numbers in (RFC 3550 A.1, `update_seq`).
    pub(super) fn update(&mut self, numbers: Numbers) -> Sequenced {
        let sequence = numbers.sequence;
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let behind = ahead.wrapping_neg();
        if ahead > 0 && ahead < MAX_DROPOUT {
            let moved = u64::from(ahead);
            self.window = if moved < WINDOW { self.window << moved } else { 0 } | 1;
            self.highest += moved;
            return self.accept(self.highest, numbers);
        }
        if behind <= MAX_MISORDER {
            let behind = u64::from(behind);
            let bit = 1u64.checked_shl(behind as u32).unwrap_or(0);
            // Older than the window: too late to be played, so a second copy does no harm.
            if self.window & bit != 0 {
                return Sequenced::Duplicate;
            }
            self.window |= bit;
            let extended = self.highest - behind;
            self.first = self.first.min(extended);
            return self.accept(extended, numbers);
        }
        if self.restart == Some(sequence) {
            *self = Self {
                last_report: self.last_report,
                ..Self::new(self.ssrc, sequence, self.clock_rate)
            };
            return match self.update(numbers) {
                Sequenced::New(extended) => Sequenced::Restarted(extended),
                other => other,
            };
        }
        self.restart = Some(sequence.wrapping_add(1));
        Sequenced::OutOfRange
    }

    fn accept(&mut self, sequence: u64, numbers: Numbers) -> Sequenced {
        self.restart = None;
        self.received += 1;
        let rate = numbers.clock_rate.unwrap_or_else(|| self.clock_rate());
        let timestamp = self
            .timeline
            .place(rate, sequence, numbers.timestamp, numbers.arrival);
        self.measure(numbers.arrival, timestamp);
        Sequenced::New(Extended { sequence, timestamp })
    }

    /// The clock rate of what is heard.
    pub(super) fn clock_rate(&self) -> u32 {
        self.timeline.rate().unwrap_or(self.clock_rate)
    }

    /// The sequence number that follows the highest.
    pub(super) fn next_sequence(&self) -> u16 {
        (self.highest + 1) as u16
    }

    /// Updates the interarrival jitter (RFC 3550 A.8) with a packet that arrived at `arrival`, in media time.
    fn measure(&mut self, arrival: i64, timestamp: i64) {
        let transit = arrival - timestamp;
        if let Some(last) = self.last_transit.replace(transit) {
            // A leap of the sender's clock is not jitter.
            let difference = (transit - last).abs().min(i64::from(MEDIA_RATE) * 10);
            self.jitter += difference - ((self.jitter + 8) >> 4);
        }
    }

    /// Interarrival jitter in ticks of the clock that is heard, as it is reported.
    pub(super) fn jitter_ticks(&self) -> u32 {
        ((self.jitter >> 4) * i64::from(self.clock_rate()) / i64::from(MEDIA_RATE)) as u32
    }

    /// Interarrival jitter.
    pub(super) fn jitter(&self) -> Duration {
        ticks_to_duration(self.jitter >> 4, MEDIA_RATE)
    }

    /// Packets that the sequence numbers say were sent.
    pub(super) fn expected(&self) -> u64 {
        self.highest + 1 - self.first
    }

    /// Packets lost; negative when there were more duplicates than losses, which cannot be as we count none.
    pub(super) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// The part lost since the last call, in 1/256 (RFC 3550 A.3).
    pub(super) fn take_fraction_lost(&mut self) -> u8 {
        let expected = self.expected() - self.expected_prior.min(self.expected());
        let received = self.received - self.received_prior;
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let lost = expected.saturating_sub(received);
        (lost << 8).checked_div(expected).unwrap_or(0).min(255) as u8
    }

    /// The extended highest sequence number as it is reported: cycles in the upper 16 bits.
    pub(super) fn reported_highest(&self) -> u32 {
        (self.highest - FIRST_CYCLE.min(self.highest)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(sequence: u16) -> Source {
        Source::new(Ssrc(1), sequence, 8000)
    }

    fn update(source: &mut Source, sequence: u16) -> Sequenced {
        source.update(Numbers {
            sequence,
            timestamp: 0,
            clock_rate: None,
            arrival: 0,
        })
    }

    fn is_new(source: &mut Source, sequence: u16) -> bool {
        matches!(update(source, sequence), Sequenced::New(_))
    }

    #[test]
    fn sequence_numbers_are_extended_over_the_wrap() {
        let mut source = source(65534);
        for sequence in [65534, 65535, 1, 0, 2] {
            assert!(is_new(&mut source, sequence));
        }
        assert_eq!(source.reported_highest(), 0x1_0002);
        assert_eq!((source.expected(), source.lost()), (5, 0));
    }

    #[test]
    fn losses_are_counted_until_the_packet_comes_after_all() {
        let mut source = source(10);
        for sequence in [10, 11, 14] {
            assert!(is_new(&mut source, sequence));
        }
        assert_eq!(source.lost(), 2);
        assert_eq!(source.take_fraction_lost(), (2 * 256 / 5) as u8);
        assert!(is_new(&mut source, 12));
        assert_eq!(source.lost(), 1);
        assert_eq!(source.take_fraction_lost(), 0);
    }

    #[test]
    fn duplicates_are_told_from_late_packets() {
        let mut source = source(100);
        assert!(is_new(&mut source, 100));
        assert!(is_new(&mut source, 102));
        assert_eq!(update(&mut source, 102), Sequenced::Duplicate);
        assert!(is_new(&mut source, 101));
        assert_eq!(update(&mut source, 101), Sequenced::Duplicate);
        assert_eq!(update(&mut source, 100), Sequenced::Duplicate);
    }

    #[test]
    fn a_leap_is_believed_when_the_next_packet_follows_it() {
        let mut source = source(100);
        assert!(is_new(&mut source, 100));
        assert_eq!(update(&mut source, 20_000), Sequenced::OutOfRange);
        assert!(is_new(&mut source, 101));
        assert_eq!(update(&mut source, 30_000), Sequenced::OutOfRange);
        assert!(matches!(update(&mut source, 30_001), Sequenced::Restarted(_)));
        assert_eq!(source.expected(), 1);
    }

    #[test]
    fn jitter_settles_at_the_mean_difference() {
        let mut source = source(0);
        for packet in 0..2000i64 {
            source.measure(packet * 960 + packet % 2 * 480, packet * 960);
        }
        assert!(
            (75..=80).contains(&source.jitter_ticks()),
            "{}",
            source.jitter_ticks()
        );
        assert!(source.jitter() < Duration::from_millis(11));
    }
}
