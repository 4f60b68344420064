//! Answers every call at once with a fixed session description, and every OPTIONS: `load_responder [ADDRESS]
//! [stateless]`.
//!
//! For load generators such as `sipp -sn uac 127.0.0.1:5070`. It tells its counters on Ctrl-C.

#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use offhook_sip_core::tokio::{Driver, Transports, system_entropy};
use offhook_sip_core::{Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationState};

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
    let (handle, mut events) = Driver::spawn(endpoint, transports);

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
                            call.map(|mut call| call.accept(now, Some(&Body::sdp(ANSWER))))
                        })
                        .await?;
                }
            }
            _ = tokio::signal::ctrl_c() => {
                let statistics = handle.call(|endpoint, _| endpoint.statistics()).await?;
                println!("{statistics:#?}");
                return Ok(());
            }
        }
    }
}
