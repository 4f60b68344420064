//! Registers with a server, tells what it says, and takes it back on Ctrl-C:
//! `register USER PASSWORD DOMAIN SERVER-ADDRESS`, as in `register alice wonderland example.com 192.0.2.5:5060`.

#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use offhook_digest::Credentials;
use offhook_sansio::Transport;
use offhook_sip_core::tokio::{Driver, Transports, system_entropy};
use offhook_sip_core::{
    Endpoint, EndpointConfig, EndpointEvent, NameAddr, Register, RegistrationEvent, Route, Uri,
};
use std::net::SocketAddr;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [user, password, domain, server] = arguments.as_slice() else {
        return Err("usage: register USER PASSWORD DOMAIN SERVER-ADDRESS".into());
    };
    let server: SocketAddr = server.parse()?;
    let any: SocketAddr = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse()?;

    let mut transports = Transports::new();
    transports.bind_udp(any)?;
    let mut endpoint = Endpoint::new(EndpointConfig::default(), system_entropy()?);
    for (transport, address) in transports.locals() {
        endpoint.add_local(transport, address);
    }
    let (handle, mut events) = Driver::spawn(endpoint, transports);

    let aor: Uri = format!("sip:{user}@{domain}").parse()?;
    let register = Register {
        credentials: Some(Credentials::new(user.as_str(), password.as_str())),
        ..Register::new(NameAddr::new(aor), Route::new(Transport::Udp, server))
    };
    handle
        .call(|endpoint, now| endpoint.register(now, register))
        .await??;

    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let mut leaving = false;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(EndpointEvent::Registration { event, .. }) => tell(&event),
                Some(_) => {}
                None => return Ok(()),
            },
            _ = &mut interrupt, if !leaving => {
                leaving = true;
                let handle = handle.clone();
                tokio::spawn(async move { handle.stop().await });
            }
        }
    }
}

fn tell(event: &RegistrationEvent) {
    match event {
        RegistrationEvent::Succeeded {
            contact,
            contacts,
            expires,
            ..
        } => {
            println!(
                "registered {contact} for {} s, one of {}",
                expires.as_secs(),
                contacts.len()
            );
        }
        RegistrationEvent::Failed { cause, retry_after } => {
            let status = cause.status().map_or(0, offhook_sip_core::StatusCode::as_u16);
            println!(
                "failed: {status} {}; again in {} s",
                cause.reason(),
                retry_after.as_secs()
            );
        }
        RegistrationEvent::Ended => println!("unregistered"),
        RegistrationEvent::NotEnded { cause } => println!("not unregistered: {}", cause.reason()),
        _ => {}
    }
}
