//! The states of a subscription.

use crate::header::Substate;
use std::fmt;

/// Where a subscription stands. The names are those of the SIP SIMPLE API; RFC 6665 §4.1.2 calls `Null` init, and both
/// `Sent` and `Accepted` `notify_wait`.
///
/// ```text
///   Null -- subscribe() --> Sent -- 2xx --> Accepted
///                            |                 |
///                          NOTIFY            NOTIFY
///                            v                 v
///                    Pending, Active, or what Subscription-State says
///                                    |
///   any but Null -- failure, silence, NOTIFY with "terminated" --> Terminated -- subscribe() --> Sent
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionState {
    /// Nothing was sent yet.
    Null,
    /// A SUBSCRIBE is on its way.
    Sent,
    /// It was accepted; the first NOTIFY has not come.
    Accepted,
    /// Somebody must allow it first.
    Pending,
    /// It stands.
    Active,
    /// It is over.
    Terminated,
    /// A state of an extension, as Subscription-State says it.
    Other(String),
}

impl SubscriptionState {
    pub(super) fn of(substate: &Substate) -> Self {
        match substate {
            Substate::Active => Self::Active,
            Substate::Pending => Self::Pending,
            Substate::Terminated => Self::Terminated,
            Substate::Other(word) => Self::Other(String::from_utf8_lossy(word).into_owned()),
        }
    }

    /// True where a SUBSCRIBE may begin it.
    pub fn is_idle(&self) -> bool {
        matches!(self, Self::Null | Self::Terminated)
    }

    /// True from the first NOTIFY to the end.
    pub fn is_established(&self) -> bool {
        matches!(self, Self::Pending | Self::Active | Self::Other(_))
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Sent => "SENT",
            Self::Accepted => "ACCEPTED",
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Terminated => "TERMINATED",
            Self::Other(word) => word,
        })
    }
}
