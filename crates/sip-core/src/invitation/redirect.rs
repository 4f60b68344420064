//! Redirection (RFC 3261 §8.1.3.4, §19.1.5): the Contacts of a 3xx, tried in the order of their q-values.

use super::{Invitation, InvitationEvent};
use crate::endpoint::{Core, Route};
use crate::header::Contact;
use crate::{Headers, NameAddr, Response, Uri};
use offhook_sansio::Transport;
use std::net::SocketAddr;

/// What happens to a 3xx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedirectPolicy {
    /// The call ends with it, and the owner decides; [`redirect_targets`] reads where to. The default: to call a place
    /// that the caller did not name can cost money (RFC 3261 §26.1.1).
    #[default]
    Tell,
    /// Its targets are called in turn, best first, each once and at most this many in all. Those are skipped that
    /// cannot be reached without a lookup: neither through the outbound proxy in use nor at a numeric address.
    Follow {
        /// How many targets. 5 is what proxies commonly allow.
        most: usize,
    },
}

/// Where a response redirects to, best first: by q-value, 1 where there is none (RFC 3261 §20.10), else in its order.
pub fn redirect_targets(headers: &Headers) -> Vec<NameAddr> {
    let mut targets: Vec<NameAddr> = headers
        .typed_all::<Contact>()
        .filter_map(|contact| contact.ok()?.addr().cloned())
        .collect();
    targets.sort_by_key(|target| std::cmp::Reverse(target.q().unwrap_or(1000)));
    targets
}

/// The targets of one call.
#[derive(Debug, Default)]
pub(super) struct Redirection {
    /// Each URI that was or will be called; none comes in twice, so no loop has no end.
    seen: Vec<Uri>,
    next: usize,
}

impl Redirection {
    fn add(&mut self, targets: impl Iterator<Item = Uri>, most: usize) {
        for target in targets {
            if self.seen.len() <= most && !self.seen.iter().any(|seen| seen.is_equivalent(&target)) {
                self.seen.push(target);
            }
        }
    }
}

impl Invitation {
    /// True where another target is to be called: its URI and the way are in place.
    pub(super) fn take_redirect(&mut self, core: &mut Core, response: &Response) -> bool {
        let RedirectPolicy::Follow { most } = self.redirects else {
            return false;
        };
        let redirection = self.redirection.get_or_insert_with(Box::default);
        if redirection.seen.is_empty() {
            redirection.seen.push(self.request_uri.clone());
            redirection.next = 1;
        }
        if response.status().as_u16() / 100 == 3 {
            let targets = redirect_targets(response.headers()).into_iter();
            redirection.add(targets.filter_map(|target| callable(&target.uri)), most);
        }
        while let Some(target) = redirection.seen.get(redirection.next).cloned() {
            redirection.next += 1;
            let Some(route) = way_to(&target, &self.routes[self.route]) else {
                tracing::debug!("a target of a redirection cannot be reached without a lookup");
                continue;
            };
            self.routes = vec![route];
            self.route = 0;
            self.request_uri = target.clone();
            self.emit(core, InvitationEvent::Redirected { target });
            return true;
        }
        false
    }
}

/// The URI as a Request-URI: without header fields and method (RFC 3261 §19.1.1, Table 1).
fn callable(uri: &Uri) -> Option<Uri> {
    let uri = uri.as_sip()?;
    Some(uri.without_headers().without_param("method").into())
}

/// The way to a target: that in use, where it leads through a proxy, else to the address in the URI.
fn way_to(target: &Uri, route: &Route) -> Option<Route> {
    if route.outbound_proxy.is_some() {
        return Some(route.clone());
    }
    let uri = target.as_sip()?;
    let transport: Transport = match uri.transport() {
        Some(name) => name.parse().ok()?,
        None if uri.is_secure() => Transport::Tls,
        None => route.transport,
    };
    let port = uri.port().unwrap_or_else(|| transport.default_port());
    Some(Route {
        address: SocketAddr::new(uri.host().ip()?, port),
        transport,
        ..route.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeaderName;

    #[test]
    fn the_best_target_comes_first_and_equals_keep_their_order() {
        let mut headers = Headers::new();
        headers.push(HeaderName::Contact, "<sip:c@c.test>;q=0.3, <sip:a@a.test>");
        headers.push(HeaderName::Contact, "<sip:b@b.test>;q=0.7, <sip:d@d.test>;q=0.7");
        let targets: Vec<String> = redirect_targets(&headers)
            .iter()
            .map(|target| target.uri.to_string())
            .collect();
        assert_eq!(
            targets,
            ["sip:a@a.test", "sip:b@b.test", "sip:d@d.test", "sip:c@c.test"]
        );
    }

    #[test]
    fn no_target_is_called_twice_and_not_more_than_allowed() {
        let uri = |text: &str| -> Uri { text.parse().expect("a URI") };
        let mut redirection = Redirection::default();
        redirection.seen.push(uri("sip:a@a.test"));
        let targets = ["sip:A.test", "sip:a@A.TEST", "sip:b@b.test", "sip:c@c.test"];
        redirection.add(targets.iter().map(|text| uri(text)), 2);
        let seen: Vec<String> = redirection.seen.iter().map(ToString::to_string).collect();
        assert_eq!(seen, ["sip:a@a.test", "sip:A.test", "sip:b@b.test"]);
    }
}
