//! `offhook register` against a registrar of a few lines: RFC 3261 §10.3, with digest authentication.

mod support;

use bytes::Bytes;
use offhook_digest::{Signed, Verifier, VerifierConfig};
use offhook_sansio::Entropy;
use offhook_sip_core::{HeaderName, Message, ParseOptions, Request, Response, StatusCode};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::{Ended, Folder, Program};

/// Takes registrations of whoever knows the password, until it is dropped.
struct Registrar {
    address: SocketAddr,
    leave: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Registrar {
    fn start(password: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a time above zero");
        let address = socket.local_addr().expect("bound");
        let leave = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let leave = leave.clone();
            let mut desk = Desk(Verifier::new(
                VerifierConfig::new("example.com"),
                Entropy::from_number(1),
            ));
            move || {
                let mut buffer = [0; 4096];
                while !leave.load(Ordering::Relaxed) {
                    let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                        continue;
                    };
                    let answer = desk.answer(&buffer[..length], password);
                    socket.send_to(&answer.to_bytes(), from).expect("sent");
                }
            }
        });
        Self {
            address,
            leave,
            thread: Some(thread),
        }
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(
                outcome.is_ok() || std::thread::panicking(),
                "the registrar panicked"
            );
        }
    }
}

struct Desk(Verifier);

impl Desk {
    fn answer(&mut self, datagram: &[u8], password: &'static str) -> Response {
        let message = Message::parse(Bytes::copy_from_slice(datagram), &ParseOptions::default());
        let message = message.expect("the program sends SIP");
        let request = message.as_request().expect("a request");
        if self.knows(request, password) {
            let mut response = Response::for_request(request, StatusCode::OK).with_to_tag("registrar");
            let expires = request.headers().get_str(HeaderName::Expires).unwrap_or("0");
            if expires != "0" {
                let contact = request.headers().get_str(HeaderName::Contact).expect("a contact");
                response
                    .headers_mut()
                    .push(HeaderName::Contact, format!("{contact};expires={expires}"));
            }
            return response;
        }
        let mut response = Response::for_request(request, StatusCode::UNAUTHORIZED).with_to_tag("registrar");
        for challenge in self.0.challenges(Instant::now(), false) {
            response
                .headers_mut()
                .push(HeaderName::WwwAuthenticate, challenge);
        }
        response
    }

    fn knows(&mut self, request: &Request, password: &'static str) -> bool {
        let uri = String::from_utf8_lossy(request.uri_bytes()).into_owned();
        let signed = Signed {
            method: "REGISTER",
            uri: &uri,
            body: b"",
        };
        let answer = request.headers().get_str(HeaderName::Authorization);
        answer.is_some_and(|answer| {
            let verdict = self
                .0
                .verify(Instant::now(), answer, &signed, |_| Some(password.into()));
            verdict.is_ok()
        })
    }
}

/// Registers for a moment.
fn register(at: SocketAddr, password: &str) -> Ended {
    let folder = Folder::new(&format!("register-{}", at.port()));
    let file = folder.file("password", &format!("{password}\n"));
    let (account, proxy) = ("sip:alice@example.com", format!("sip:{at}"));
    Program::start([
        "register",
        "--listen",
        "127.0.0.1:0",
        "--account",
        account,
        "--proxy",
        &proxy,
        "--password-file",
        &file,
        "--expires",
        "300",
        "--duration",
        "0.5",
    ])
    .end()
}

#[test]
fn with_the_right_password_it_registers_and_unregisters() {
    let registrar = Registrar::start("wonderland");
    let ended = register(registrar.address, "wonderland");
    ended.succeeded();
    assert_eq!(
        ended.story(),
        ["listening", "registration_did_succeed", "registration_did_end"]
    );
    let succeeded = ended.event("registration_did_succeed");
    assert_eq!(succeeded["expires"], 300);
    assert!(
        succeeded["contact"]
            .as_str()
            .expect("a URI")
            .starts_with("<sip:alice@127.0.0.1:"),
        "{succeeded}"
    );
}

#[test]
fn an_interrupt_unregisters() {
    let registrar = Registrar::start("wonderland");
    let proxy = format!("sip:{}", registrar.address);
    let folder = Folder::new("interrupted");
    let file = folder.file("password", "wonderland");
    let account = "sip:alice@example.com";
    let mut program = Program::start([
        "register",
        "--listen",
        "127.0.0.1:0",
        "--account",
        account,
        "--proxy",
        &proxy,
        "--password-file",
        &file,
    ]);
    program.wait_for("registration_did_succeed");
    program.signal("INT");
    let ended = program.end();
    ended.succeeded();
    assert_eq!(ended.story().last(), Some(&"registration_did_end"));
}

#[test]
fn with_the_wrong_password_it_says_so_and_leaves() {
    let registrar = Registrar::start("wonderland");
    let ended = register(registrar.address, "looking-glass");
    ended.failed_with(23);
    assert_eq!(ended.story(), ["listening", "registration_did_fail"]);
    assert_eq!(ended.event("registration_did_fail")["code"], 401);
}

#[test]
fn where_nobody_is_it_gives_up_at_once() {
    let gone = UdpSocket::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("bound");
    let begin = Instant::now();
    let ended = register(gone, "wonderland");
    ended.failed_with(30);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}
