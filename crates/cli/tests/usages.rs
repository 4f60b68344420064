//! `offhook message`, `options`, `subscribe` and `publish` against a small server (RFC 3428, 3903, 6665).

mod support;

use offhook_sansio::{Entropy, Path, Received, Transport};
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, HeaderName, IncomingSubscriptionEvent, Method, Request,
    Response, StatusCode,
};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::{Ended, Folder, Program};

/// Takes messages, keeps published state for nobody, and is present, until it is dropped.
struct Server {
    address: SocketAddr,
    leave: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One that gives this status to MESSAGE, PUBLISH and SUBSCRIBE; 200 is yes.
    fn start(status: u16) -> Self {
        let status = StatusCode::new(status).expect("valid");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let patience = Some(Duration::from_millis(20));
        socket.set_read_timeout(patience).expect("a time above zero");
        let address = socket.local_addr().expect("bound");
        let leave = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let leave = leave.clone();
            move || serve(&socket, status, &leave)
        });
        Self {
            address,
            leave,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

fn serve(socket: &UdpSocket, status: StatusCode, leave: &AtomicBool) {
    let local = socket.local_addr().expect("bound");
    let mut config = EndpointConfig {
        incoming_events: vec!["presence".to_owned()],
        ..EndpointConfig::default()
    };
    config.allow.extend([Method::Message, Method::Publish]);
    let mut endpoint = Endpoint::new(config, Entropy::from_number(1));
    endpoint.add_local(Transport::Udp, local);
    let mut buffer = [0; 4096];
    while !leave.load(Ordering::Relaxed) {
        let now = Instant::now();
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let path = Path::new(Transport::Udp, local, from);
            let bytes = buffer[..length].to_vec().into();
            endpoint.handle_received(now, Received { path, bytes });
        }
        endpoint.handle_timeout(Instant::now());
        while let Some(event) = endpoint.poll_event() {
            handle(&mut endpoint, now, status, event);
        }
        while let Some(transmit) = endpoint.poll_transmit() {
            let sent = socket.send_to(&transmit.bytes, transmit.path.remote);
            sent.expect("loopback takes it");
        }
    }
}

fn handle(endpoint: &mut Endpoint, now: Instant, status: StatusCode, event: EndpointEvent) {
    match event {
        EndpointEvent::MessageReceived(message) => {
            let response = Response::for_request(&message.request, status);
            endpoint.respond(now, message.id, response).expect("it waits");
        }
        EndpointEvent::Request { id, request, .. } => {
            let response = published(&request, status);
            endpoint.respond(now, id, response).expect("it waits");
        }
        EndpointEvent::IncomingSubscription {
            id,
            event: IncomingSubscriptionEvent::Received { .. },
        } => {
            let mut subscription = endpoint.incoming_subscription(id).expect("it waits");
            let answered = if status.is_success() {
                subscription.accept(now, Some(Body::new("application/pidf+xml", "<presence/>")))
            } else {
                subscription.reject(now, status)
            };
            answered.expect("it is new");
        }
        _ => {}
    }
}

fn published(request: &Request, status: StatusCode) -> Response {
    let mut response = Response::for_request(request, status);
    let expires = request
        .headers()
        .get_str(HeaderName::Expires)
        .unwrap_or("0")
        .to_owned();
    response.headers_mut().push(HeaderName::Expires, expires);
    response.headers_mut().push(HeaderName::SipEtag, "tag");
    response
}

fn run(server: &Server, words: &[&str]) -> Ended {
    let proxy = format!("sip:{}", server.address);
    let common = ["--listen", "127.0.0.1:0", "--proxy", &proxy];
    Program::start(words.iter().chain(&common)).end()
}

#[test]
fn a_message_arrives_or_the_exit_code_says_why_not() {
    let server = Server::start(200);
    let ended = run(&server, &["message", "sip:bob@example.com", "On my way"]);
    ended.succeeded();
    assert_eq!(ended.story(), ["listening", "message_did_succeed"]);
    assert_eq!(ended.event("message_did_succeed")["code"], 200);
    for (status, code) in [(403, 23), (404, 15), (486, 21), (603, 20)] {
        let server = Server::start(status);
        let ended = run(&server, &["message", "sip:bob@example.com", "On my way"]);
        ended.failed_with(code);
        assert_eq!(ended.event("message_did_fail")["code"], status);
    }
}

#[test]
fn options_are_printed() {
    let server = Server::start(200);
    let ended = run(&server, &["options", "sip:bob@example.com"]);
    ended.succeeded();
    let said = ended.event("options_did_answer");
    assert_eq!(said["allow_events"], "presence");
    assert!(
        said["allow"].as_str().expect("a list").contains("SUBSCRIBE"),
        "{said}"
    );
}

#[test]
fn a_subscription_is_told_of_and_ended() {
    let server = Server::start(200);
    let ended = run(
        &server,
        &[
            "subscribe",
            "sip:bob@example.com",
            "--event",
            "presence",
            "--duration",
            "0.5",
        ],
    );
    ended.succeeded();
    assert_eq!(ended.event("subscription_got_notify")["body"], "<presence/>");
    assert_eq!(ended.event("subscription_did_end")["reason"], "timeout");
    let server = Server::start(403);
    run(&server, &["subscribe", "sip:bob@example.com"]).failed_with(23);
    let server = Server::start(500);
    run(&server, &["subscribe", "sip:bob@example.com"]).failed_with(31);
}

#[test]
fn a_publication_stands_and_is_taken_back() {
    let folder = Folder::new("publication");
    let file = folder.file("state.xml", "<presence/>");
    let words = [
        "publish",
        &file,
        "--account",
        "sip:alice@example.com",
        "--duration",
        "0.5",
    ];
    let server = Server::start(200);
    let ended = run(&server, &words);
    ended.succeeded();
    assert_eq!(
        ended.story(),
        ["listening", "publication_did_succeed", "publication_did_end"]
    );
    let server = Server::start(500);
    run(&server, &words).failed_with(32);
}
