//! `a=sendrecv`, `sendonly`, `recvonly`, `inactive`.

use super::MalformedAttribute;
use std::fmt;
use std::str::FromStr;

/// Which way media flows, as the author of the description sees it (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways; the default where nothing is said.
    #[default]
    SendRecv,
    /// The author sends and does not receive: what a party says that puts the other on hold.
    SendOnly,
    /// The author receives and does not send.
    RecvOnly,
    /// Neither way. RTCP still flows.
    Inactive,
}

impl Direction {
    const ALL: [Self; 4] = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];

    /// The direction of a party that sends or not, and receives or not.
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// True when the author sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// True when the author receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The direction of an answer to this offered direction, by a party that wishes `wish` (RFC 3264 §6.1).
    ///
    /// An offer `sendonly` (hold) is answered `recvonly` at most, an offer `inactive` always `inactive`.
    #[must_use]
    pub fn answered_with(self, wish: Self) -> Self {
        self.reversed().intersect(wish)
    }

    /// The same direction with sending stopped or kept on, and no longer receiving: what holding a call says.
    #[must_use]
    pub fn held(self) -> Self {
        self.intersect(Self::SendOnly)
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Direction {
    type Err = MalformedAttribute;

    fn from_str(name: &str) -> Result<Self, MalformedAttribute> {
        Self::ALL
            .into_iter()
            .find(|direction| direction.as_str() == name)
            .ok_or(MalformedAttribute("direction"))
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{self, Inactive, RecvOnly, SendOnly, SendRecv};

    #[test]
    fn every_offer_and_wish_has_its_answer() {
        // RFC 3264 §6.1: rows are offers, columns wishes in the order of Direction::ALL.
        let table = [
            (SendRecv, [SendRecv, SendOnly, RecvOnly, Inactive]),
            (SendOnly, [RecvOnly, Inactive, RecvOnly, Inactive]),
            (RecvOnly, [SendOnly, SendOnly, Inactive, Inactive]),
            (Inactive, [Inactive, Inactive, Inactive, Inactive]),
        ];
        for (offer, answers) in table {
            for (wish, answer) in Direction::ALL.into_iter().zip(answers) {
                assert_eq!(offer.answered_with(wish), answer, "{offer} answered by {wish}");
            }
        }
    }

    #[test]
    fn holding_stops_receiving_and_keeps_what_was_sent() {
        assert_eq!(SendRecv.held(), SendOnly);
        assert_eq!(RecvOnly.held(), Inactive);
        assert_eq!(Inactive.held(), Inactive);
    }

    #[test]
    fn names_are_read_back() {
        for direction in Direction::ALL {
            assert_eq!(direction.as_str().parse(), Ok(direction));
            assert_eq!(direction.reversed().reversed(), direction);
        }
    }
}
