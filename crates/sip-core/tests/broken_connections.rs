//! What is sent, and what is not, when the connection of a request breaks (RFC 3261 §18.2.2, RFC 6026 §7.1).

use bytes::Bytes;
use offhook_sansio::{Entropy, Path, Received, Transport};
use offhook_sip_core::{Body, Endpoint, EndpointConfig, EndpointEvent, InvitationId};
use std::time::Instant;

/// An endpoint that was called over this transport and accepted; the caller's ACK has not come.
fn accepted(transport: Transport, now: Instant) -> (Endpoint, Path, InvitationId, String) {
    let (here, there) = (
        "192.0.2.1:5060".parse().unwrap(),
        "192.0.2.2:40000".parse().unwrap(),
    );
    let path = Path::new(transport, here, there);
    let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_number(1));
    endpoint.add_local(transport, here);
    let invite = request(transport, "INVITE", "", 1, "");
    endpoint.handle_received(now, Received { path, bytes: invite });
    let id = loop {
        if let Some(EndpointEvent::Invitation { id, .. }) = endpoint.poll_event() {
            break id;
        }
    };
    let mut invitation = endpoint.invitation(id).expect("it was just told of");
    invitation
        .accept(now, Some(&Body::sdp("v=0\r\n")))
        .expect("it rings");
    let mut tag = String::new();
    while let Some(sent) = endpoint.poll_transmit() {
        let text = String::from_utf8_lossy(&sent.bytes).into_owned();
        let to = text.lines().find(|line| line.starts_with("To:")).expect("a To");
        tag = to
            .split_once(";tag=")
            .map_or(String::new(), |(_, tag)| format!(";tag={tag}"));
    }
    (endpoint, path, id, tag)
}

fn request(transport: Transport, method: &str, tag: &str, branch: u32, extra: &str) -> Bytes {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 192.0.2.2:5070;branch=z9hG4bK{branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.2>;tag=a\r\nTo: <sip:bob@192.0.2.1>{tag}\r\nCall-ID: c\r\n\
         CSeq: 1 {method}\r\nContact: <sip:alice@192.0.2.2:5070>\r\n{extra}Content-Length: 0\r\n\r\n"
    )
    .into()
}

#[test]
fn a_2xx_that_was_acknowledged_is_not_sent_again_when_the_connection_goes() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Ws] {
        let now = Instant::now();
        let (mut endpoint, path, _, tag) = accepted(transport, now);
        let bytes = request(transport, "ACK", &tag, 2, "");
        endpoint.handle_received(now, Received { path, bytes });
        endpoint.handle_transport_error(now, path);
        assert_eq!(endpoint.poll_transmit(), None, "{transport}");
    }
}

#[test]
fn a_rejection_that_is_owed_goes_to_where_the_via_says_but_never_to_a_websocket_client() {
    for (transport, goes) in [(Transport::Tcp, true), (Transport::Ws, false)] {
        let now = Instant::now();
        let (here, there) = (
            "192.0.2.1:5060".parse().unwrap(),
            "192.0.2.2:40000".parse().unwrap(),
        );
        let path = Path::new(transport, here, there);
        let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_number(1));
        endpoint.add_local(transport, here);
        let bytes = request(transport, "INVITE", "", 1, "Require: nonsense\r\n");
        endpoint.handle_received(now, Received { path, bytes });
        while endpoint.poll_transmit().is_some() {}
        endpoint.handle_transport_error(now, path);
        let again = endpoint.poll_transmit().map(|sent| sent.path.remote);
        let sent_by = goes.then(|| "192.0.2.2:5070".parse().unwrap());
        assert_eq!(again, sent_by, "{transport}");
    }
}
