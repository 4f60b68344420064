//! A registrar that the test plays, and Alice who registers with it over UDP.

use super::{ALICE, BOB, Net, Peer};
use offhook_digest::Credentials;
use offhook_sansio::Transport;
use offhook_sip_core::{
    EndpointConfig, EndpointEvent, HeaderName, Method, Register, RegistrationEvent, RegistrationId,
    RegistrationState, Request, Response, Route, StatusCode,
};
use std::time::{Duration, Instant};

pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// How the registrar answers the `n`-th REGISTER.
pub(crate) type Script = Box<dyn FnMut(usize, &Request, Instant) -> Response>;

pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) script: Script,
    pub(crate) requests: Vec<(Duration, Request)>,
    pub(crate) id: RegistrationId,
}

impl World {
    pub(crate) fn new(script: Script, change: impl FnOnce(&mut Register)) -> Self {
        let mut config = EndpointConfig::default();
        config.allow.push(Method::Register);
        let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)]);
        let route = Route::new(Transport::Udp, BOB.parse().expect("valid"));
        let mut register = Register::new("sip:alice@example.com".parse().expect("valid"), route);
        register.credentials = Some(Credentials::new("alice", "wonderland"));
        change(&mut register);
        let now = net.now;
        let id = net
            .alice()
            .endpoint
            .register(now, register)
            .expect("it can be sent");
        let mut world = Self {
            net,
            script,
            requests: Vec::new(),
            id,
        };
        world.run(SHORT);
        world
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.net.now + span;
        while self.net.now < end {
            self.net.run(Duration::from_millis(50).min(end - self.net.now));
            let events = std::mem::take(&mut self.net.bob().events);
            for event in events {
                let EndpointEvent::Request { id, request, .. } = event else {
                    continue;
                };
                let now = self.net.now;
                let response = (self.script)(self.requests.len(), &request, now);
                self.requests.push((now - self.net.start, request));
                self.net
                    .bob()
                    .endpoint
                    .respond(now, id, response)
                    .expect("it waits");
            }
        }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &RegistrationEvent> {
        self.net.peers[0].events.iter().filter_map(|event| match event {
            EndpointEvent::Registration { event, .. } => Some(event),
            _ => None,
        })
    }

    pub(crate) fn states(&self) -> Vec<RegistrationState> {
        self.events()
            .filter_map(|event| match event {
                RegistrationEvent::StateChanged { state, .. } => Some(*state),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn header(&self, index: usize, name: HeaderName<'_>) -> Option<&str> {
        self.requests[index].1.headers().get_str(name)
    }

    pub(crate) fn unregister(&mut self) {
        let (now, id) = (self.net.now, self.id);
        self.net.alice().endpoint.unregister(now, id);
        self.run(SHORT);
    }
}

pub(crate) fn accept(request: &Request, seconds: u32) -> Response {
    let mut response = Response::for_request(request, StatusCode::OK);
    let contact = request.headers().get_str(HeaderName::Contact).expect("a Contact");
    if seconds > 0 {
        response.headers_mut().push(
            HeaderName::Contact,
            format!("<sip:other@192.0.2.77>;expires=9, {contact};expires={seconds}"),
        );
    }
    response
}

pub(crate) fn grant(seconds: u32) -> Script {
    Box::new(move |_, request, _| accept(request, seconds))
}

pub(crate) fn refuse(status: StatusCode) -> Script {
    Box::new(move |_, request, _| Response::for_request(request, status))
}
