//! Endpoints on real sockets of the loopback interface, and an authority that certifies them.

#![allow(dead_code, reason = "each test uses its own part of it")]

use offhook_sansio::Transport;
use offhook_sip_core::tokio::{Certificate, Driver, Handle, TlsOptions, Transports, Trust, system_entropy};
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationId, InvitationState, Invite,
    Route, TransportFailure,
};
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const V4: &str = "127.0.0.1:0";
pub(crate) const V6: &str = "[::1]:0";

pub(crate) fn any(text: &str) -> SocketAddr {
    text.parse().expect("valid")
}

/// Signs certificates.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        // Each is somebody else.
        let name = format!("Authority {:x?}", &key.public_key_raw()[1..9]);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("signed").pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::CaPem(self.pem.clone().into_bytes())
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate and its key; names with a colon are URIs.
    pub(crate) fn issue(&self, names: &[&str]) -> (String, String) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| {
                let text = Ia5String::try_from(*name).expect("ASCII");
                if name.contains(':') {
                    SanType::URI(text)
                } else {
                    SanType::DnsName(text)
                }
            })
            .collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn certificate(&self, names: &[&str]) -> Certificate {
        let (chain, key) = self.issue(names);
        Certificate::Pem {
            chain: chain.into_bytes(),
            key: key.into_bytes(),
        }
    }

    /// A server whose certificate was good last year.
    pub(crate) fn expired(&self, name: &str) -> TlsOptions {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        TlsOptions {
            certificate: Some(Certificate::Pem {
                chain: certificate.pem().into_bytes(),
                key: key.serialize_pem().into_bytes(),
            }),
            ..self.client()
        }
    }

    /// Trusts this authority, and is nobody.
    pub(crate) fn client(&self) -> TlsOptions {
        TlsOptions {
            trust: self.trust(),
            ..TlsOptions::default()
        }
    }

    /// Trusts this authority, and has a certificate for these names.
    pub(crate) fn server(&self, names: &[&str]) -> TlsOptions {
        TlsOptions {
            certificate: Some(self.certificate(names)),
            ..self.client()
        }
    }
}

pub(crate) struct Phone {
    pub(crate) handle: Handle<Endpoint>,
    pub(crate) events: mpsc::Receiver<EndpointEvent>,
    pub(crate) locals: Vec<(Transport, SocketAddr)>,
    /// What was sent and received, while somebody waited for an event.
    pub(crate) messages: Vec<String>,
    pub(crate) failures: Vec<TransportFailure>,
}

impl Phone {
    pub(crate) fn on(transports: Transports) -> Self {
        Self::with_config(transports, EndpointConfig::default())
    }

    pub(crate) fn with_config(transports: Transports, config: EndpointConfig) -> Self {
        let entropy = system_entropy().expect("the system has some");
        let config = EndpointConfig {
            trace: true,
            end_timeout: Duration::from_millis(300),
            ..config
        };
        let locals = transports.locals();
        let mut endpoint = Endpoint::new(config, entropy);
        for (transport, address) in &locals {
            endpoint.add_local(*transport, *address);
        }
        let (handle, events) = Driver::spawn(endpoint, transports);
        Self {
            handle,
            events,
            locals,
            messages: Vec::new(),
            failures: Vec::new(),
        }
    }

    pub(crate) fn tls(address: &str, options: &TlsOptions) -> Self {
        let mut transports = Transports::new();
        let tls = options.load().expect("good options");
        transports.bind_tls(any(address), tls).expect("a free port");
        Self::on(transports)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.locals[0].1
    }

    async fn event(&mut self) -> EndpointEvent {
        loop {
            let event = self.events.recv().await.expect("the driver lives");
            match event {
                EndpointEvent::Trace(trace) => {
                    let arrow = if trace.sent { "->" } else { "<-" };
                    let text = String::from_utf8_lossy(&trace.bytes);
                    self.messages.push(format!("{arrow} {} {text}", trace.path));
                }
                EndpointEvent::TransportFailed { failure, .. } => self.failures.push(failure),
                event => return event,
            }
        }
    }

    /// Waits until a call comes into this state.
    pub(crate) async fn until(&mut self, wanted: InvitationState) -> InvitationId {
        let reached = async {
            loop {
                if let EndpointEvent::Invitation {
                    id,
                    event: InvitationEvent::StateChanged { state, .. },
                } = self.event().await
                    && state == wanted
                {
                    return id;
                }
            }
        };
        let reached = timeout(PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("not {wanted:?}: {:?} {:#?}", self.failures, self.messages))
    }

    /// Waits until a connection fails.
    pub(crate) async fn failure(&mut self) -> TransportFailure {
        let failed = async {
            while self.failures.is_empty() {
                let event = self.events.recv().await.expect("the driver lives");
                if let EndpointEvent::TransportFailed { failure, .. } = event {
                    self.failures.push(failure);
                }
            }
            self.failures.remove(0)
        };
        timeout(PATIENCE, failed).await.expect("in time")
    }

    pub(crate) async fn call(&self, routes: Vec<Route>) -> InvitationId {
        let mut invite = Invite::new(
            "Alice <sip:alice@a.test>".parse().expect("valid"),
            "sip:bob@b.test".parse().expect("valid"),
            routes[0].clone(),
        );
        invite.routes = routes;
        invite.offer = Some(Body::sdp("offer"));
        let placed = self
            .handle
            .call(move |endpoint, now| endpoint.invite(now, invite));
        placed.await.expect("the driver lives").expect("it can be sent")
    }

    pub(crate) async fn accept(&self, id: InvitationId) {
        let accepted = self.handle.call(move |endpoint, now| {
            let mut call = endpoint.invitation(id).expect("it lives");
            call.accept(now, Some(&Body::sdp("answer")))
        });
        accepted.await.expect("the driver lives").expect("incoming");
    }

    pub(crate) async fn end(&self, id: InvitationId) {
        let ended = self
            .handle
            .call(move |endpoint, now| endpoint.invitation(id).expect("it lives").end(now));
        ended.await.expect("the driver lives").expect("it stands");
    }

    /// A message that has this in it.
    pub(crate) fn message(&self, part: &str) -> &str {
        let found = self.messages.iter().find(|message| message.contains(part));
        found.unwrap_or_else(|| panic!("no {part} in {:#?}", self.messages))
    }
}

/// Carries connections to an address, and can cut them.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    cut: mpsc::Sender<()>,
}

impl Cable {
    pub(crate) async fn to(far: SocketAddr) -> Self {
        let listener = TcpListener::bind(V4).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (cut, mut cuts) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut carried = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (mut near, _) = accepted.expect("it listens");
                        carried.spawn(async move {
                            let mut far = TcpStream::connect(far).await.expect("it listens");
                            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                        });
                    }
                    cut = cuts.recv() => match cut {
                        Some(()) => carried.shutdown().await,
                        None => return,
                    },
                }
            }
        });
        Self { address, cut }
    }

    /// Cuts all that is carried; later connections are carried again.
    pub(crate) async fn cut(&self) {
        self.cut.send(()).await.expect("it carries");
    }
}

pub(crate) fn route(transport: Transport, address: SocketAddr, domain: &str) -> Route {
    Route::new(transport, address).with_domain(domain.parse().expect("valid"))
}

/// Sets a call up; gives both ends' ids.
pub(crate) async fn set_up(alice: &mut Phone, bob: &mut Phone, route: Route) -> (InvitationId, InvitationId) {
    let call = alice.call(vec![route]).await;
    let incoming = bob.until(InvitationState::Incoming).await;
    bob.accept(incoming).await;
    assert_eq!(alice.until(InvitationState::Confirmed).await, call);
    bob.until(InvitationState::Confirmed).await;
    (call, incoming)
}

/// Sets a call up, and lets either side end it.
pub(crate) async fn whole_call(alice: &mut Phone, bob: &mut Phone, route: Route, bob_ends: bool) {
    let (call, incoming) = set_up(alice, bob, route).await;
    if bob_ends {
        bob.end(incoming).await;
    } else {
        alice.end(call).await;
    }
    alice.until(InvitationState::Disconnected).await;
    bob.until(InvitationState::Disconnected).await;
}
