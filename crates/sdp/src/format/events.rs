//! The events of `telephone-event`.

use std::fmt;
use std::str::FromStr;

/// Which of the 256 named events a side takes (RFC 4733 §2.4.1): `0-15,66,70`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TelephoneEvents([u128; 2]);

/// A list of events is not of the form `0-15,66,70`, or names an event above 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed list of telephone events")]
pub struct MalformedEvents;

impl TelephoneEvents {
    /// The DTMF digits, 0 to 15: what holds where nothing is said (RFC 4733 §2.4.1).
    pub const DTMF: Self = Self([0xffff, 0]);

    /// No event.
    pub const NONE: Self = Self([0, 0]);

    /// True when the event is among them.
    pub fn contains(&self, event: u8) -> bool {
        self.0[usize::from(event >> 7)] >> (event & 127) & 1 == 1
    }

    /// The events that both take: those that may be sent.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self([self.0[0] & other.0[0], self.0[1] & other.0[1]])
    }

    /// All events, in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|event| self.contains(*event))
    }

    fn insert(&mut self, event: u8) {
        self.0[usize::from(event >> 7)] |= 1 << (event & 127);
    }
}

impl FromStr for TelephoneEvents {
    type Err = MalformedEvents;

    fn from_str(list: &str) -> Result<Self, MalformedEvents> {
        let number = |text: &str| text.trim().parse::<u8>().map_err(|_| MalformedEvents);
        let mut events = Self::NONE;
        for part in list.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(MalformedEvents);
            }
            (first..=last).for_each(|event| events.insert(event));
        }
        Ok(events)
    }
}

impl fmt::Display for TelephoneEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut next = 0u16;
        while next < 256 {
            if !self.contains(next as u8) {
                next += 1;
                continue;
            }
            let first = next;
            while next < 256 && self.contains(next as u8) {
                next += 1;
            }
            let last = next - 1;
            match last - first {
                0 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for TelephoneEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TelephoneEvents({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpFormat;

    #[test]
    fn lists_are_read_and_written_in_order() {
        for (list, written) in [
            ("0-15,66,70", "0-15,66,70"),
            ("70, 66,0-15", "0-15,66,70"),
            ("0-10,11-16", "0-16"),
            ("127-128", "127-128"),
            ("0-255", "0-255"),
        ] {
            let events: TelephoneEvents = list.parse().unwrap();
            assert_eq!(events.to_string(), written);
            assert_eq!(written.parse(), Ok(events));
        }
        for list in ["", "x", "5-4", "256", "0-", "-5", "0-300", "1,,2"] {
            assert_eq!(list.parse::<TelephoneEvents>(), Err(MalformedEvents), "{list}");
        }
    }

    #[test]
    fn what_may_be_sent_is_what_both_take() {
        let (ours, theirs): (TelephoneEvents, TelephoneEvents) =
            ("0-16".parse().unwrap(), "0-9,16,70".parse().unwrap());
        assert_eq!(ours.intersect(&theirs).to_string(), "0-9,16");
        assert_eq!(ours.intersect(&TelephoneEvents::NONE).iter().count(), 0);
    }

    #[test]
    fn a_format_without_a_list_takes_the_digits() {
        let format = RtpFormat::new(101, "telephone-event", 8000, 1);
        assert_eq!(format.telephone_events(), Some(TelephoneEvents::DTMF));
        assert_eq!(
            format.with_fmtp("x").telephone_events(),
            Some(TelephoneEvents::DTMF)
        );
        assert_eq!(
            RtpFormat::telephone_event(101, 8000)
                .telephone_events()
                .unwrap()
                .to_string(),
            "0-16"
        );
        assert_eq!(RtpFormat::pcmu().telephone_events(), None);
    }
}
