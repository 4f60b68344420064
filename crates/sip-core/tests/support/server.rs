//! A server that the test plays: Bob's endpoint hands every request to a script.

use super::{ALICE, BOB, Net, Peer};
use offhook_sip_core::{EndpointConfig, EndpointEvent, HeaderName, Method, Request, Response, StatusCode};
use std::time::{Duration, Instant};

/// How the server answers the `n`-th request; `None` leaves it without answer.
pub(crate) type Script = Box<dyn FnMut(usize, &Request, Instant) -> Option<Response>>;

pub(crate) struct Server {
    pub(crate) net: Net,
    pub(crate) script: Script,
    pub(crate) requests: Vec<(Duration, Request)>,
}

impl Server {
    pub(crate) fn new(script: Script) -> Self {
        Self::with_config(EndpointConfig::default(), script)
    }

    pub(crate) fn with_config(client: EndpointConfig, script: Script) -> Self {
        let mut config = EndpointConfig::default();
        let served = [Method::Register, Method::Message, Method::Publish, Method::Info];
        config.allow.extend(served);
        config.allow.push(Method::Subscribe);
        config.allow.push(Method::new("FLY").expect("a token"));
        Self {
            net: Net::new(vec![
                Peer::with_config(ALICE, 1, client),
                Peer::with_config(BOB, 2, config),
            ]),
            script,
            requests: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.net.now + span;
        while self.net.now < end {
            self.net.run(Duration::from_millis(20).min(end - self.net.now));
            let events = std::mem::take(&mut self.net.bob().events);
            for event in events {
                let (id, request) = match event {
                    EndpointEvent::Request { id, request, .. } => (id, request),
                    EndpointEvent::MessageReceived(message) => (message.id, message.request),
                    _ => continue,
                };
                let now = self.net.now;
                let response = (self.script)(self.requests.len(), &request, now);
                self.requests.push((now - self.net.start, request));
                if let Some(response) = response {
                    self.net
                        .bob()
                        .endpoint
                        .respond(now, id, response)
                        .expect("it waits");
                }
            }
        }
    }

    pub(crate) fn header(&self, index: usize, name: HeaderName<'_>) -> Option<&str> {
        self.requests[index].1.headers().get_str(name)
    }

    /// The bodies of the requests so far.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let body = |(_, request): &(Duration, Request)| String::from_utf8_lossy(request.body()).into_owned();
        self.requests.iter().map(body).collect()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a script gives")]
pub(crate) fn respond(request: &Request, status: u16, headers: &[(&str, &str)]) -> Option<Response> {
    let mut response = Response::for_request(request, StatusCode::new(status).expect("valid"));
    for (name, value) in headers {
        response.headers_mut().push(*name, value);
    }
    Some(response)
}

pub(crate) fn always(status: u16) -> Script {
    Box::new(move |_, request, _| respond(request, status, &[]))
}
