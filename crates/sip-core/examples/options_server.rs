//! Answers OPTIONS, and refuses calls as busy: `options_server [ADDRESS]`.
//!
//! Try it with `sipsak -s sip:127.0.0.1:5060`, or any phone.

#![expect(clippy::print_stderr, reason = "it is a program for a terminal")]

use offhook_sip_core::tokio::{Driver, Transports, system_entropy};
use offhook_sip_core::{
    Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationState, StatusCode,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:5060".to_owned());
    let mut transports = Transports::new();
    let address = transports.bind_udp(address.parse()?)?;
    let mut endpoint = Endpoint::new(EndpointConfig::default(), system_entropy()?);
    for (transport, address) in transports.locals() {
        endpoint.add_local(transport, address);
    }
    let (handle, mut events) = Driver::spawn(endpoint, transports);
    eprintln!("listening on {address}");

    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { return Ok(()) };
                if let EndpointEvent::Invitation {
                    id,
                    event: InvitationEvent::StateChanged { state: InvitationState::Incoming, .. },
                } = event
                {
                    handle
                        .call(move |endpoint, now| {
                            let call = endpoint.invitation(id);
                            call.map(|mut call| call.reject(now, StatusCode::BUSY_HERE, None, &[]))
                        })
                        .await?;
                }
            }
            _ = tokio::signal::ctrl_c() => {
                handle.stop().await?;
                return Ok(());
            }
        }
    }
}
