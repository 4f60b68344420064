//! Event and Subscription-State (RFC 6665 §8.2.1, §8.2.3).

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader};
use crate::parse::lex::{self, Cursor};

/// Event: the package that is subscribed to, notified or published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    package: Bytes,
    /// `id` and those of the package.
    pub params: Params,
}

impl Event {
    /// The event of this package, or `None` where the name is no token.
    pub fn new(package: &str) -> Option<Self> {
        let is_token = lex::is_token(package.as_bytes());
        is_token.then(|| Self {
            package: Bytes::copy_from_slice(package.as_bytes()),
            params: Params::new(),
        })
    }

    /// Package with templates: `presence.winfo`. Compares with case (RFC 6665 §8.4).
    pub fn package(&self) -> &str {
        lex::ascii(&self.package)
    }

    /// `id`: tells subscriptions to one package within one dialog apart.
    pub fn id(&self) -> Option<&str> {
        self.params.get_str("id")
    }

    /// Whether both name one subscription: package and `id` agree (RFC 6665 §8.2.1).
    pub fn matches(&self, other: &Self) -> bool {
        self.package == other.package && self.id() == other.id()
    }
}

impl TypedHeader for Event {
    const NAME: HeaderName<'static> = HeaderName::Event;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let package = cursor.token()?;
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self {
            package: value.slice(package),
            params,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.package);
        self.params.write(out);
    }
}

/// Subscription-State: how the subscription stands, in each NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionState {
    /// The state.
    pub state: Substate,
    /// `expires`, `reason`, `retry-after` and others.
    pub params: Params,
}

/// The state in a [`SubscriptionState`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Substate {
    /// Accepted and authorized.
    Active,
    /// Received, not yet authorized.
    Pending,
    /// Over; `reason` says why.
    Terminated,
    /// A state of an extension.
    Other(Bytes),
}

impl SubscriptionState {
    /// This state without parameters.
    pub fn new(state: Substate) -> Self {
        Self {
            state,
            params: Params::new(),
        }
    }

    /// The same with the seconds that are left.
    #[must_use]
    pub fn with_expires(mut self, seconds: u32) -> Self {
        self.params.set("expires", seconds.to_string());
        self
    }

    /// The same with why it ended.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        self.params.set("reason", reason);
        self
    }

    /// Seconds that are left.
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.params.get("expires")?).ok()
    }

    /// Why it ended: `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource`, `invariant`.
    pub fn reason(&self) -> Option<&str> {
        self.params.get_str("reason")
    }

    /// Seconds to wait before subscribing again.
    pub fn retry_after(&self) -> Option<u32> {
        lex::number(self.params.get("retry-after")?).ok()
    }
}

impl TypedHeader for SubscriptionState {
    const NAME: HeaderName<'static> = HeaderName::SubscriptionState;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let token = cursor.token()?;
        let word = &value[token.clone()];
        let state = if word.eq_ignore_ascii_case(b"active") {
            Substate::Active
        } else if word.eq_ignore_ascii_case(b"pending") {
            Substate::Pending
        } else if word.eq_ignore_ascii_case(b"terminated") {
            Substate::Terminated
        } else {
            Substate::Other(value.slice(token))
        };
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self { state, params })
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(match &self.state {
            Substate::Active => b"active",
            Substate::Pending => b"pending",
            Substate::Terminated => b"terminated",
            Substate::Other(word) => word,
        });
        self.params.write(out);
    }
}
