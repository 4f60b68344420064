//! Keypad digits: as telephone-events (RFC 4733), or as tones in the audio.

mod receiver;
mod sender;
mod tones;

pub(crate) use receiver::DtmfReceiver;
pub(crate) use sender::{DIGIT, DtmfSender, EventPacket};
pub(crate) use tones::{ToneDetector, write_tones};

use std::fmt;

/// A key of the keypad: events 0 to 15 (RFC 4733 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digit(u8);

/// The keys in the order of their event codes.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

impl Digit {
    /// The digit of an event code; `None` for events that are no digits.
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(Self(event)) } else { None }
    }

    /// Its event code.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// What is written on its key: `0` to `9`, `*`, `#`, `A` to `D`.
    pub fn key(self) -> char {
        char::from(KEYS[usize::from(self.0)])
    }
}

impl TryFrom<char> for Digit {
    type Error = NotADigit;

    /// Reads `0` to `9`, `*`, `#`, and `A` to `D` in either case.
    fn try_from(key: char) -> Result<Self, NotADigit> {
        let upper = key.to_ascii_uppercase();
        KEYS.iter()
            .position(|known| char::from(*known) == upper)
            .map(|event| Self(event as u8))
            .ok_or(NotADigit(key))
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key().fmt(f)
    }
}

/// The character is on no keypad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no DTMF digit")]
pub struct NotADigit(pub char);

/// The payload of a telephone-event packet (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// The event code; 0 to 15 are [`Digit`]s.
    pub event: u8,
    /// True in the packets that end the event.
    pub end: bool,
    /// Power of the tone, in dBm0 below zero, 0 to 63.
    pub volume: u8,
    /// How long the event lasted until this packet, in ticks of the RTP clock.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Octets of the payload.
    pub const LEN: usize = 4;

    /// Reads a payload; `None` when it is too short. What follows the first event is passed over.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let octets = payload.first_chunk::<{ Self::LEN }>()?;
        Some(Self {
            event: octets[0],
            end: octets[1] & 0x80 != 0,
            volume: octets[1] & 0x3f,
            duration: u16::from_be_bytes([octets[2], octets[3]]),
        })
    }

    /// The payload's octets.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [
            self.event,
            u8::from(self.end) << 7 | self.volume & 0x3f,
            high,
            low,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_in_either_case_and_shown_in_upper() {
        for (event, key) in KEYS.iter().enumerate() {
            let key = char::from(*key);
            assert_eq!(
                Digit::try_from(key.to_ascii_lowercase()).unwrap().event(),
                event as u8
            );
            assert_eq!(
                Digit::from_event(event as u8).unwrap().to_string(),
                key.to_string()
            );
        }
        assert_eq!(Digit::try_from('E'), Err(NotADigit('E')));
        assert_eq!(Digit::from_event(16), None);
    }

    #[test]
    fn events_are_read_back() {
        let event = TelephoneEvent {
            event: 11,
            end: true,
            volume: 10,
            duration: 1280,
        };
        assert_eq!(event.to_bytes(), [11, 0x8a, 5, 0]);
        assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Some(event));
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
    }
}
