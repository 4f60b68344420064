//! What a registrar gives with its 2xx.

use super::Register;
use crate::header::{Contact, Path, ServiceRoute};
use crate::{HeaderName, NameAddr, Response, Uri};
use std::time::Duration;

/// What a registrar gave with its newest 2xx, see
/// [`Endpoint::registration_granted`](crate::Endpoint::registration_granted).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Granted {
    /// All bindings of the address of record, ours among them.
    pub contacts: Vec<NameAddr>,
    /// How long ours is good.
    pub expires: Duration,
    /// The proxies that requests of this account may visit (RFC 3608), see
    /// [`Route::with_service_route`](crate::Route::with_service_route).
    pub service_route: Vec<NameAddr>,
    /// The proxies that requests for us visit (RFC 3327).
    pub path: Vec<NameAddr>,
    /// Our address that works from everywhere and lasts (RFC 5627 §4.2).
    pub public_gruu: Option<Uri>,
    /// Our address that works from everywhere and says nothing of us (RFC 5627 §4.2).
    pub temporary_gruu: Option<Uri>,
    /// True when the registrar reaches us by the flow that we opened (RFC 5626 §4.2.1).
    pub is_outbound: bool,
    /// How long the server waits for a keep-alive on that flow (RFC 5626 §4.4).
    pub flow_timer: Option<Duration>,
}

impl Granted {
    /// RFC 5626 §8: the proxy next to us, which is the last that has put itself into Path, speaks of outbound.
    pub(super) fn is_edge_outbound(&self) -> bool {
        let edge = self.path.last().and_then(|proxy| proxy.uri.as_sip());
        edge.is_some_and(|uri| uri.param("ob").is_some())
    }

    pub(super) fn of(response: &Response, ours: &NameAddr, what: &Register, asked: u32) -> Self {
        let headers = response.headers();
        let contacts: Vec<NameAddr> = headers
            .typed_all::<Contact>()
            .filter_map(|contact| contact.ok()?.addr().cloned())
            .collect();
        let own = contacts.iter().find(|contact| what.is_contact(contact, ours));
        let seconds = |name: HeaderName<'_>| headers.get_str(name)?.trim().parse().ok();
        // RFC 3261 §10.2.4.
        let expires = own
            .and_then(NameAddr::expires)
            .or_else(|| seconds(HeaderName::Expires))
            .filter(|seconds| *seconds > 0)
            .unwrap_or(asked);
        let gruu = |name: &str| {
            let value = own?.params.get(name)?;
            std::str::from_utf8(&crate::header::unquote(value))
                .ok()?
                .parse()
                .ok()
        };
        Self {
            expires: Duration::from_secs(u64::from(expires)),
            service_route: headers
                .typed_all::<ServiceRoute>()
                .filter_map(|route| Some(route.ok()?.0))
                .collect(),
            path: headers
                .typed_all::<Path>()
                .filter_map(|path| Some(path.ok()?.0))
                .collect(),
            public_gruu: gruu("pub-gruu"),
            temporary_gruu: gruu("temp-gruu"),
            is_outbound: headers.has_token(HeaderName::Require, "outbound"),
            flow_timer: seconds(HeaderName::FlowTimer).map(|seconds| Duration::from_secs(u64::from(seconds))),
            contacts,
        }
    }
}
