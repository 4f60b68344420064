//! Endpoints on real sockets of the loopback interface.

#![cfg(feature = "tokio")]

use offhook_sip_core::tokio::{Driver, Handle, Transports, system_entropy};
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationId, InvitationState, Invite,
    Route,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);

struct Phone {
    handle: Handle<Endpoint>,
    events: mpsc::Receiver<EndpointEvent>,
    address: SocketAddr,
}

impl Phone {
    fn start() -> Self {
        let mut transports = Transports::new();
        let loopback = "127.0.0.1:0".parse().expect("valid");
        let address = transports.bind_udp(loopback).expect("a free port");
        let entropy = system_entropy().expect("the system has some");
        let mut endpoint = Endpoint::new(EndpointConfig::default(), entropy);
        for (transport, address) in transports.locals() {
            endpoint.add_local(transport, address);
        }
        let (handle, events) = Driver::spawn(endpoint, transports);
        Self {
            handle,
            events,
            address,
        }
    }

    /// Waits until a call comes into this state.
    async fn until(&mut self, wanted: InvitationState) -> InvitationId {
        timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the driver lives");
                if let EndpointEvent::Invitation {
                    id,
                    event: InvitationEvent::StateChanged { state, .. },
                } = event
                    && state == wanted
                {
                    return id;
                }
            }
        })
        .await
        .expect("in time")
    }

    async fn call(&self, to: SocketAddr) -> InvitationId {
        let invite = Invite {
            offer: Some(Body::sdp("offer")),
            ..Invite::new(
                "sip:alice@a.test"
                    .parse::<offhook_sip_core::Uri>()
                    .expect("valid")
                    .into(),
                format!("sip:bob@{to}").parse().expect("valid"),
                Route::new(offhook_sansio::Transport::Udp, to),
            )
        };
        self.handle
            .call(move |endpoint, now| endpoint.invite(now, invite))
            .await
            .expect("the driver lives")
            .expect("it can be sent")
    }

    async fn accept(&self, id: InvitationId) {
        self.handle
            .call(move |endpoint, now| {
                let mut call = endpoint.invitation(id).expect("it lives");
                call.accept(now, Some(&Body::sdp("answer")))
            })
            .await
            .expect("the driver lives")
            .expect("incoming");
    }
}

#[tokio::test]
async fn two_phones_talk_over_loopback() {
    let (mut alice, mut bob) = (Phone::start(), Phone::start());
    let call = alice.call(bob.address).await;
    let incoming = bob.until(InvitationState::Incoming).await;
    bob.accept(incoming).await;
    assert_eq!(alice.until(InvitationState::Confirmed).await, call);
    bob.until(InvitationState::Confirmed).await;
    alice
        .handle
        .call(move |endpoint, now| endpoint.invitation(call).expect("it lives").end(now))
        .await
        .expect("the driver lives")
        .expect("confirmed");
    bob.until(InvitationState::Disconnected).await;
    alice.until(InvitationState::Disconnected).await;
}

#[tokio::test]
async fn a_phone_that_is_switched_off_hangs_up() {
    let (mut alice, mut bob) = (Phone::start(), Phone::start());
    alice.call(bob.address).await;
    let incoming = bob.until(InvitationState::Incoming).await;
    bob.accept(incoming).await;
    alice.until(InvitationState::Confirmed).await;
    timeout(PATIENCE, alice.handle.stop())
        .await
        .expect("in time")
        .expect("it lived");
    bob.until(InvitationState::Disconnected).await;
    alice.until(InvitationState::Disconnected).await;
    let rest = timeout(PATIENCE, async { while alice.events.recv().await.is_some() {} });
    rest.await.expect("the driver is gone and the channel closed");
}

#[tokio::test]
async fn fifty_calls_at_once_come_through() {
    let (mut alice, mut bob) = (Phone::start(), Phone::start());
    for _ in 0..50 {
        alice.call(bob.address).await;
    }
    for _ in 0..50 {
        let incoming = bob.until(InvitationState::Incoming).await;
        bob.accept(incoming).await;
    }
    for _ in 0..50 {
        alice.until(InvitationState::Confirmed).await;
    }
}
