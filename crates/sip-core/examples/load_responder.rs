//! Answers every call at once with a fixed session description, and every OPTIONS: `load_responder [ADDRESS]
//! [stateless]`.
//!
//! For load generators such as `sipp -sn uac 127.0.0.1:5070`. It tells its counters on Ctrl-C. As servers do that need
//! not ask anybody, it answers within the driver's task: a core that contains an endpoint.

#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use offhook_sansio::{Path, Received, Transmit};
use offhook_sip_core::tokio::{Core, Driver, Transports, system_entropy};
use offhook_sip_core::{Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationState};
use std::convert::Infallible;
use std::time::Instant;

const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                      m=audio 9 RTP/AVP 0\r\na=inactive\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:5070".to_owned());
    let mut transports = Transports::new();
    transports.bind_udp(address.parse()?)?;
    let config = EndpointConfig {
        stateless_options: std::env::args().nth(2).as_deref() == Some("stateless"),
        ..EndpointConfig::default()
    };
    let mut endpoint = Endpoint::new(config, system_entropy()?);
    for (transport, address) in transports.locals() {
        endpoint.add_local(transport, address);
    }
    let responder = Responder {
        endpoint,
        answer: Body::sdp(ANSWER),
    };
    let (handle, _events) = Driver::spawn(responder, transports);
    tokio::signal::ctrl_c().await?;
    let statistics = handle
        .call(|responder, _| responder.endpoint.statistics())
        .await?;
    println!("{statistics:#?}");
    Ok(())
}

struct Responder {
    endpoint: Endpoint,
    answer: Body,
}

impl Responder {
    fn answer_calls(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            if let EndpointEvent::Invitation {
                id,
                event: InvitationEvent::StateChanged { state, .. },
            } = event
                && state == InvitationState::Incoming
                && let Some(mut call) = self.endpoint.invitation(id)
                && let Err(error) = call.accept(now, Some(&self.answer))
            {
                println!("{error}");
            }
        }
    }
}

impl Core for Responder {
    type Event = Infallible;

    fn handle_received(&mut self, now: Instant, received: Received) {
        self.endpoint.handle_received(now, received);
        self.answer_calls(now);
    }

    fn handle_transport_error(&mut self, now: Instant, path: Path) {
        self.endpoint.handle_transport_error(now, path);
        self.answer_calls(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.answer_calls(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }
}
