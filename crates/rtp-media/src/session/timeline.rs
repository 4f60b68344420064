//! One media time for payload types whose clocks tick at several rates.

use crate::time::{MEDIA_RATE, TimestampUnroller};

/// How much later than its sequence number says a packet under another clock may come before the sender is taken to have
/// paused in between: more than networks vary by, as a rule.
const PAUSE: i64 = MEDIA_RATE as i64 / 10;

/// Longest audio that one packet is believed to hold.
const LONGEST: i64 = MEDIA_RATE as i64 * crate::codec::MAX_PACKET_MS as i64 / 1000;

/// Audio of a packet before two in sequence have told: 20 ms.
const USUAL: i64 = MEDIA_RATE as i64 / 50;

/// Places the packets of one source in media time.
///
/// Payload types of one stream should share a clock rate. Where they do not, some senders let the timestamp run on in
/// other steps and some compute it anew, so a change of rate says nothing of how much time has passed: the packet is put
/// behind the one before it by its sequence number, or by its arrival where the sender paused. From there on its
/// timestamps count again.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    clocks: Vec<Clock>,
    last: Option<Last>,
}

/// A clock rate that was heard.
#[derive(Debug)]
struct Clock {
    rate: u32,
    unroller: TimestampUnroller,
    /// The reading of this clock, and media time, at the packet that began it.
    anchor: (i64, i64),
}

/// The packet of the highest sequence number.
#[derive(Clone, Copy, Debug)]
struct Last {
    rate: u32,
    sequence: u64,
    media: i64,
    arrival: i64,
    /// Audio of a packet, as far as is known.
    packet: i64,
}

impl Last {
    /// Where a packet belongs of whose timestamp nothing can be said.
    fn expect(&self, sequence: u64, arrival: i64) -> i64 {
        let packets = sequence as i64 - self.sequence as i64;
        let by_sequence = self.media + packets * self.packet;
        let by_arrival = self.media + (arrival - self.arrival);
        if packets > 0 && by_arrival - by_sequence > PAUSE {
            by_arrival
        } else {
            by_sequence
        }
    }
}

impl Timeline {
    /// The rate of the clock that was heard last.
    pub(super) fn rate(&self) -> Option<u32> {
        self.last.map(|last| last.rate)
    }

    /// The media time of a packet whose timestamp counts at `rate`. Digits and comfort noise count at the rate of the
    /// voice that they interrupt.
    pub(super) fn place(&mut self, rate: u32, sequence: u64, timestamp: u32, arrival: i64) -> i64 {
        let newest = self.last.is_none_or(|last| sequence > last.sequence);
        let changed = newest && self.rate() != Some(rate);
        let expected = self.last.map_or(0, |last| last.expect(sequence, arrival));
        let place = self.clocks.iter().position(|clock| clock.rate == rate);
        let begins = changed || place.is_none();
        let place = place.unwrap_or_else(|| {
            self.clocks.push(Clock {
                rate,
                unroller: TimestampUnroller::default(),
                anchor: (0, 0),
            });
            self.clocks.len() - 1
        });
        let clock = &mut self.clocks[place];
        let ticks = clock.unroller.extend(timestamp);
        if begins {
            clock.anchor = (ticks, expected);
        }
        let media = clock.anchor.1 + to_media_time(ticks - clock.anchor.0, rate);
        if newest {
            let packet = match self.last {
                Some(last)
                    if sequence == last.sequence + 1 && (1..=LONGEST).contains(&(media - last.media)) =>
                {
                    media - last.media
                }
                Some(last) => last.packet,
                None => USUAL,
            };
            self.last = Some(Last {
                rate,
                sequence,
                media,
                arrival,
                packet,
            });
        }
        media
    }
}

/// Ticks of a clock of `rate` Hz as media time, without an overflow in between.
fn to_media_time(ticks: i64, rate: u32) -> i64 {
    let (rate, media) = (i64::from(rate.max(1)), i64::from(MEDIA_RATE));
    ticks.div_euclid(rate) * media + ticks.rem_euclid(rate) * media / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 ms of media time.
    const PACKET: i64 = 960;

    #[test]
    fn one_clock_is_followed_over_its_wrap() {
        let mut timeline = Timeline::default();
        let first = 0u32.wrapping_sub(320);
        for packet in 0..5u32 {
            let timestamp = first.wrapping_add(packet * 160);
            let media = timeline.place(8000, 10 + u64::from(packet), timestamp, 0);
            assert_eq!(media, i64::from(packet) * PACKET);
        }
    }

    #[test]
    fn rates_that_do_not_divide_add_no_error_up() {
        let mut timeline = Timeline::default();
        let mut media = 0;
        for packet in 0..=100_000u32 {
            media = timeline.place(44_100, u64::from(packet), packet.wrapping_mul(882), 0);
        }
        assert_eq!(media, 100_000 * PACKET);
    }

    /// Of two senders, one lets its timestamp run on by the samples of each packet, one counts each clock by itself.
    #[test]
    fn another_clock_goes_on_where_the_one_before_ended() {
        for starts in [[0u32, 5 * 160], [7_000, 3_000_000_000]] {
            let mut timeline = Timeline::default();
            for packet in 0..10u32 {
                let (rate, ticks) = if packet < 5 { (8000, 160) } else { (48_000, 960) };
                let start = starts[usize::from(packet >= 5)];
                let timestamp = start.wrapping_add(packet % 5 * ticks);
                let arrival = i64::from(packet) * PACKET + i64::from(packet % 3) * 400;
                let media = timeline.place(rate, u64::from(packet), timestamp, arrival);
                assert_eq!(media, i64::from(packet) * PACKET, "packet {packet}");
            }
        }
    }

    #[test]
    fn a_late_packet_of_the_clock_before_keeps_its_place() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.place(8000, 1, 160, 0), 0);
        assert_eq!(timeline.place(8000, 2, 320, 960), PACKET);
        assert_eq!(timeline.place(48_000, 4, 77, 2880), 3 * PACKET);
        assert_eq!(timeline.place(8000, 3, 480, 2900), 2 * PACKET);
        assert_eq!(timeline.place(48_000, 5, 77 + 960, 3840), 4 * PACKET);
        // And one of a clock that was never heard.
        assert_eq!(timeline.place(16_000, 2, 9, 4000), PACKET);
    }

    #[test]
    fn a_pause_before_another_clock_is_not_lost() {
        let mut timeline = Timeline::default();
        timeline.place(8000, 1, 160, 0);
        timeline.place(8000, 2, 320, 960);
        let second = i64::from(MEDIA_RATE);
        assert_eq!(timeline.place(48_000, 3, 5, 960 + second), PACKET + second);
    }
}
