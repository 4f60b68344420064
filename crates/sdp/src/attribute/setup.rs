//! `a=setup` and `a=connection`: who opens the connection (RFC 4145; for DTLS RFC 5763 §5, for MSRP RFC 6135).

use super::typed::typed_attribute;
use std::fmt;

/// Who opens the connection of a section, or is the client of its DTLS handshake (RFC 4145 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The author connects.
    Active,
    /// The author waits.
    Passive,
    /// Either; the answer chooses. What offers of DTLS-SRTP say (RFC 5763 §5).
    ActPass,
    /// No connection for now.
    HoldConn,
}

impl Setup {
    const ALL: [Self; 4] = [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn];

    /// What an answer says to this offered role, by a party that would rather be `wish` (RFC 4145 §4.1).
    ///
    /// A wish that the offer does not allow gives the opposite of the offer; to `actpass` answered with `actpass`
    /// it gives `active`, which RFC 5763 §5 recommends.
    #[must_use]
    pub fn answered_with(self, wish: Self) -> Self {
        match (self, wish) {
            (Self::HoldConn, _) | (_, Self::HoldConn) => Self::HoldConn,
            (Self::Active, _) | (Self::ActPass, Self::Passive) => Self::Passive,
            (Self::Passive | Self::ActPass, _) => Self::Active,
        }
    }

    /// True when that is an answer which this offer allows (RFC 4145 §4.1).
    pub fn allows(self, answer: Self) -> bool {
        self.answered_with(answer) == answer
    }

    /// The value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    fn read(value: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|setup| setup.as_str().eq_ignore_ascii_case(value))
    }
}

typed_attribute!(Setup, "setup");

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `a=connection`: whether the section goes on over the connection that it has (RFC 4145 §5). Default `new`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionReuse {
    /// A new connection is made.
    #[default]
    New,
    /// The existing one goes on, when both say so.
    Existing,
}

impl ConnectionReuse {
    /// The value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Existing => "existing",
        }
    }

    fn read(value: &str) -> Option<Self> {
        [Self::New, Self::Existing]
            .into_iter()
            .find(|reuse| reuse.as_str().eq_ignore_ascii_case(value))
    }
}

typed_attribute!(ConnectionReuse, "connection");

impl fmt::Display for ConnectionReuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Setup::{ActPass, Active, HoldConn, Passive};
    use super::*;

    #[test]
    fn answers_follow_the_table_of_rfc_4145_section_4_1() {
        let allowed = [
            (Active, vec![Passive, HoldConn]),
            (Passive, vec![Active, HoldConn]),
            (ActPass, vec![Active, Passive, HoldConn]),
            (HoldConn, vec![HoldConn]),
        ];
        for (offer, answers) in allowed {
            for wish in Setup::ALL {
                assert_eq!(
                    offer.allows(wish),
                    answers.contains(&wish),
                    "{offer} answered by {wish}"
                );
                let answer = offer.answered_with(wish);
                assert!(answers.contains(&answer), "{offer}, wish {wish}, {answer}");
                assert!(
                    answer == wish || !answers.contains(&wish),
                    "{offer}, wish {wish}, {answer}"
                );
            }
        }
    }

    #[test]
    fn values_are_read_back_and_others_are_malformed() {
        for setup in Setup::ALL {
            assert_eq!(setup.as_str().parse(), Ok(setup));
        }
        assert_eq!("existing".parse(), Ok(ConnectionReuse::Existing));
        for value in ["", "both", "activepassive"] {
            assert!(value.parse::<Setup>().is_err(), "{value}");
            assert!(value.parse::<ConnectionReuse>().is_err(), "{value}");
        }
    }
}
