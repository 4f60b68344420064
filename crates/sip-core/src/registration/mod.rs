//! Registrations: telling a registrar where its user can be reached, and keeping that true (RFC 3261 §10).

mod flow;
mod granted;
mod machine;

pub use granted::Granted;

pub(crate) use machine::Registration;

use crate::endpoint::{Route, SendError};
use crate::invitation::Cause;
use crate::{NameAddr, Response, Uri};
use offhook_digest::Credentials;
use std::time::Duration;

/// Names a registration within its endpoint; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId(pub(crate) u64);

/// What to register, see [`Endpoint::register`](crate::Endpoint::register).
#[derive(Clone, Debug)]
pub struct Register {
    /// The address of record: To and From, without tag.
    pub aor: NameAddr,
    /// The Request-URI: the registrar's domain, without user (RFC 3261 §10.2).
    pub registrar: Uri,
    /// The ways to the registrar, tried in order until one gives a 2xx.
    pub routes: Vec<Route>,
    /// The user part of our Contact.
    pub contact_user: String,
    /// How long the registration shall last, in seconds. Default 600. The registrar may grant less.
    pub expires: u32,
    /// Names this device among those of its user, and stays the same for good: a `urn:uuid` (RFC 5626 §4.1). With it the
    /// registrar is asked for GRUUs (RFC 5627). Default none.
    pub instance_id: Option<String>,
    /// Names the flow among those of this device, from 1; with it and an instance id the registrar is asked to reach us
    /// by the flow that we open (RFC 5626 §4.2.1). Default none.
    pub reg_id: Option<u32>,
    /// Whether the public GRUU, once we have it, is our Contact in calls and subscriptions of this
    /// [`contact_user`](Self::contact_user) (RFC 5627 §4.4), and the temporary one in those that are
    /// [anonymous](crate::Invite::is_anonymous). Default no.
    pub use_gruu: bool,
    /// For challenges.
    pub credentials: Option<Credentials>,
    /// More header fields for each REGISTER: name and value.
    pub extra_headers: Vec<(String, String)>,
}

impl Register {
    /// Registers an address of record with its domain along one route.
    pub fn new(aor: NameAddr, route: Route) -> Self {
        let registrar = match aor.uri.as_sip() {
            Some(uri) => uri.with_user("").without_headers().into(),
            None => aor.uri.clone(),
        };
        let contact_user = aor
            .uri
            .as_sip()
            .and_then(|uri| uri.user())
            .unwrap_or_default()
            .to_owned();
        Self {
            aor,
            registrar,
            routes: vec![route],
            contact_user,
            expires: 600,
            instance_id: None,
            reg_id: None,
            use_gruu: false,
            credentials: None,
            extra_headers: Vec::new(),
        }
    }
}

/// A registration cannot be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// There is no route.
    #[error("no route")]
    NoRoute,
    /// There are as many as [`EndpointLimits::registrations`](crate::EndpointLimits::registrations) allows.
    #[error("{limit} registrations exist")]
    Limit {
        /// The limit.
        limit: usize,
    },
    /// No REGISTER could be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Where a registration stands. The names are those of the SIP SIMPLE API.
///
/// ```text
///   Unregistered -- register() or retry --> Registering -- 2xx --> Registered
///        ^  ^                                 |     ^                  |
///        |  +-------------- failure ----------+     +---- refresh -----+
///        +---- any answer, or none ---- Unregistering <-- unregister() +
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistrationState {
    /// The registrar does not know us, as far as we know.
    Unregistered,
    /// A REGISTER is on its way.
    Registering,
    /// The registrar knows us.
    Registered,
    /// A REGISTER with Expires 0 is on its way.
    Unregistering,
}

/// What a registration tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "one in many minutes, and nobody keeps it"
)]
pub enum RegistrationEvent {
    /// The state changed.
    StateChanged {
        /// From.
        previous: RegistrationState,
        /// To.
        state: RegistrationState,
    },
    /// The registrar has us, for the first time or again.
    Succeeded {
        /// Our Contact.
        contact: NameAddr,
        /// All that the registrar has for the address of record, ours among them.
        contacts: Vec<NameAddr>,
        /// How long it is good.
        expires: Duration,
        /// Where the REGISTER went.
        route: Box<Route>,
        /// The 2xx.
        response: Response,
    },
    /// It failed along all routes, and will be tried again.
    Failed {
        /// Why, along the last one.
        cause: Cause,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// It is over, as was wanted. The last event.
    Ended,
    /// It is over for us, but the registrar did not agree in time, and keeps us until it expires. The last event.
    NotEnded {
        /// Why.
        cause: Cause,
    },
}
