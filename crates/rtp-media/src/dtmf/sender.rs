//! Sends digits, one packet per packet time (RFC 4733 §2.5.1).

use super::{Digit, TelephoneEvent};
use std::collections::VecDeque;
use std::time::Duration;

/// Length of a digit and of the pause after it, in milliseconds. 160 ms is heard by every detector (ITU-T Q.24
/// asks for 40), and what other endpoints send.
const DIGIT_MS: u32 = 160;
pub(crate) const DIGIT: Duration = Duration::from_millis(DIGIT_MS as u64);
const PAUSE_MS: u32 = 80;

/// Times the last packet is sent (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;

/// Power of the tone, in dBm0 below zero.
const VOLUME: u8 = 10;

/// Digits that wait at most.
const MAX_WAITING: usize = 64;

/// What to send in one packet time instead of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventPacket {
    pub(crate) payload: TelephoneEvent,
    /// Timestamp of the event's begin, the same in all its packets.
    pub(crate) timestamp: u32,
    /// Set in the event's first packet.
    pub(crate) marker: bool,
    /// How many times to send it, each with its own sequence number.
    pub(crate) copies: u8,
}

#[derive(Debug)]
enum State {
    Idle,
    Sending {
        digit: Digit,
        begun: u32,
        elapsed_ms: u32,
    },
    Pausing {
        left_ms: u32,
    },
}

/// Digits waiting and the one being sent.
#[derive(Debug)]
pub(crate) struct DtmfSender {
    waiting: VecDeque<Digit>,
    state: State,
    clock_rate: u32,
}

impl DtmfSender {
    /// `clock_rate` is the telephone-event's own, in which durations count.
    pub(crate) fn new(clock_rate: u32) -> Self {
        Self {
            waiting: VecDeque::with_capacity(MAX_WAITING),
            state: State::Idle,
            clock_rate,
        }
    }

    /// Counts durations in another clock from now on.
    pub(crate) fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate;
    }

    /// Queues a digit; false when too many wait.
    pub(crate) fn push(&mut self, digit: Digit) -> bool {
        if self.waiting.len() == MAX_WAITING {
            return false;
        }
        self.waiting.push_back(digit);
        true
    }

    /// Lets `ms` of media pass that begin at `timestamp`; returns what to send for them, or `None` for audio.
    pub(crate) fn advance(&mut self, timestamp: u32, ms: u32) -> Option<EventPacket> {
        if let State::Pausing { left_ms } = &mut self.state {
            *left_ms = left_ms.saturating_sub(ms);
            if *left_ms == 0 {
                self.state = State::Idle;
            }
            return None;
        }
        if let State::Idle = self.state {
            self.state = State::Sending {
                digit: self.waiting.pop_front()?,
                begun: timestamp,
                elapsed_ms: 0,
            };
        }
        let State::Sending {
            digit,
            begun,
            elapsed_ms,
        } = &mut self.state
        else {
            return None;
        };
        let marker = *elapsed_ms == 0;
        *elapsed_ms += ms;
        let end = *elapsed_ms >= DIGIT_MS;
        let duration = u64::from(*elapsed_ms) * u64::from(self.clock_rate) / 1000;
        let packet = EventPacket {
            payload: TelephoneEvent {
                event: digit.event(),
                end,
                volume: VOLUME,
                duration: u16::try_from(duration).unwrap_or(u16::MAX),
            },
            timestamp: *begun,
            marker,
            copies: if end { END_PACKETS } else { 1 },
        };
        if end {
            self.state = State::Pausing { left_ms: PAUSE_MS };
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_is_eight_packets_of_one_timestamp_and_ends_three_times() {
        let mut sender = DtmfSender::new(8000);
        sender.push(Digit(5));
        sender.push(Digit(6));
        let packets: Vec<_> = (0..8)
            .map(|n| sender.advance(1000 + n * 160, 20).unwrap())
            .collect();
        assert!(
            packets
                .iter()
                .all(|packet| packet.timestamp == 1000 && packet.payload.event == 5)
        );
        let durations: Vec<_> = packets.iter().map(|packet| packet.payload.duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 960, 1120, 1280]);
        let marked: Vec<_> = packets.iter().map(|packet| packet.marker).collect();
        assert_eq!(marked, [true, false, false, false, false, false, false, false]);
        assert_eq!((packets[7].payload.end, packets[7].copies), (true, 3));
        assert!(
            packets[..7]
                .iter()
                .all(|packet| !packet.payload.end && packet.copies == 1)
        );
        for n in 0..4 {
            assert_eq!(sender.advance(2280 + n * 160, 20), None);
        }
        assert_eq!(sender.advance(3000, 20).unwrap().payload.event, 6);
    }

    #[test]
    fn digits_waiting_are_bounded() {
        let mut sender = DtmfSender::new(8000);
        let taken = (0..100).filter(|_| sender.push(Digit(1))).count();
        assert_eq!(taken, MAX_WAITING);
    }
}
