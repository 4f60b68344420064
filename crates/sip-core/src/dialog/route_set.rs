//! The proxies that want to see a dialog's requests (RFC 3261 §12.1, §12.2.1.1, §16.12).

use crate::header::{HeaderError, RecordRoute, Route};
use crate::{Headers, NameAddr, Request, Uri};

/// The route set of a dialog, first hop first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSet {
    routes: Vec<NameAddr>,
}

impl RouteSet {
    /// From the Record-Route of the request that we answer: in its order.
    pub fn of_request(headers: &Headers) -> Result<Self, HeaderError> {
        let routes = headers
            .typed_all::<RecordRoute>()
            .map(|route| route.map(|route| route.0))
            .collect::<Result<_, _>>()?;
        Ok(Self { routes })
    }

    /// From the Record-Route of the response that we got: in reverse order.
    pub fn of_response(headers: &Headers) -> Result<Self, HeaderError> {
        let mut set = Self::of_request(headers)?;
        set.routes.reverse();
        Ok(set)
    }

    /// The first proxy.
    pub fn first(&self) -> Option<&Uri> {
        self.routes.first().map(|route| &route.uri)
    }

    /// How many proxies there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// True where requests go straight to the peer.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The Request-URI for a request to `target`: a strict router (one without `lr`) wants its own there.
    pub(crate) fn request_uri(&self, target: &Uri) -> Uri {
        match self.routes.first() {
            Some(first) if !is_loose(&first.uri) => match &first.uri {
                Uri::Sip(uri) => uri.without_headers().without_param("method").into(),
                other => other.clone(),
            },
            _ => target.clone(),
        }
    }

    /// Adds the Route header fields.
    pub(crate) fn apply(&self, request: &mut Request, target: &Uri) {
        let Some(first) = self.routes.first() else { return };
        let strict = !is_loose(&first.uri);
        for route in &self.routes[usize::from(strict)..] {
            request.headers_mut().push_typed(&Route(route.clone()));
        }
        if strict {
            request
                .headers_mut()
                .push_typed(&Route(NameAddr::new(target.clone())));
        }
    }
}

fn is_loose(uri: &Uri) -> bool {
    uri.as_sip().is_some_and(crate::SipUri::lr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeaderName, Method};

    fn headers(values: &[&str]) -> Headers {
        let mut headers = Headers::new();
        for value in values {
            headers.push(HeaderName::RecordRoute, value);
        }
        headers
    }

    fn sent(set: &RouteSet) -> (String, Vec<String>) {
        let target: Uri = "sip:bob@192.0.2.4".parse().expect("valid");
        let mut request = Request::new(Method::Bye, set.request_uri(&target));
        set.apply(&mut request, &target);
        let routes = request.headers().typed_all::<Route>();
        let routes = routes
            .map(|route| route.expect("valid").uri.to_string())
            .collect();
        (request.uri().expect("valid").to_string(), routes)
    }

    #[test]
    fn the_caller_reverses_what_the_callee_takes_in_order() {
        let headers = headers(&["<sip:p3;lr>, <sip:p2;lr>", "<sip:p1;lr>"]);
        let first = |set: RouteSet| set.first().map(ToString::to_string);
        assert_eq!(
            first(RouteSet::of_request(&headers).expect("valid")).as_deref(),
            Some("sip:p3;lr")
        );
        assert_eq!(
            first(RouteSet::of_response(&headers).expect("valid")).as_deref(),
            Some("sip:p1;lr")
        );
    }

    #[test]
    fn loose_routers_stay_out_of_the_request_uri() {
        let set = RouteSet::of_request(&headers(&["<sip:p1;lr>", "<sip:p2>"])).expect("valid");
        assert_eq!(
            sent(&set),
            (
                "sip:bob@192.0.2.4".to_owned(),
                vec!["sip:p1;lr".to_owned(), "sip:p2".to_owned()]
            )
        );
    }

    #[test]
    fn a_strict_router_first_is_put_into_the_request_uri_and_the_target_last() {
        let set = RouteSet::of_request(&headers(&["<sip:p1>", "<sip:p2;lr>"])).expect("valid");
        assert_eq!(
            sent(&set),
            (
                "sip:p1".to_owned(),
                vec!["sip:p2;lr".to_owned(), "sip:bob@192.0.2.4".to_owned()]
            )
        );
    }

    #[test]
    fn without_proxies_there_is_no_route() {
        let set = RouteSet::of_request(&headers(&[])).expect("valid");
        assert!(set.is_empty());
        assert_eq!(sent(&set), ("sip:bob@192.0.2.4".to_owned(), vec![]));
    }
}
