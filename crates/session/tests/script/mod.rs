//! One end-point against a script that writes SIP by hand: whatever a peer may say, it can be said here.

#![allow(dead_code, reason = "each test file uses its own part of this one")]

use bytes::Bytes;
use offhook_account::Account;
use offhook_rtp_media::AudioConfig;
use offhook_sansio::{Entropy, Path, Received, Transport};
use offhook_session::media::{
    LocalMedia, LocalMsrp, MediaCommand, MediaEvent, MediaPlane, MsrpCommand, MsrpEvent, OpenError, StreamId,
    ToolEvent, ToolStart,
};
use offhook_session::{
    AudioStream, Connect, ManagerEvent, MediaStream, SessionConfig, SessionEvent, SessionId, SessionManager,
    SessionState,
};
use offhook_sip_core::{
    Endpoint, EndpointConfig, HeaderName, Message, Method, NameAddr, ParseOptions, Request, Response, Route,
    SipUri, StatusCode,
};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Media commands as they were sent, for the tests to look at.
pub(crate) type Commands = Arc<Mutex<Vec<MediaCommand>>>;

pub(crate) struct Plane {
    commands: Commands,
    opened: u32,
}

impl Plane {
    pub(crate) fn new(commands: Commands) -> Self {
        Self { commands, opened: 0 }
    }
}

impl MediaPlane for Plane {
    fn local_ip(&mut self, _peer: IpAddr) -> Result<IpAddr, OpenError> {
        Ok(IpAddr::from([10, 0, 0, 1]))
    }

    fn open(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        let stream = StreamId(self.opened);
        let port = 40_000 + self.opened as u16 * 2;
        self.opened += 1;
        Ok(LocalMedia {
            stream,
            rtp: SocketAddr::new(local, port),
            rtcp: SocketAddr::new(local, port + 1),
        })
    }

    fn open_msrp(&mut self, local: IpAddr) -> Result<LocalMsrp, OpenError> {
        let stream = StreamId(self.opened);
        let port = 40_000 + self.opened as u16 * 2;
        self.opened += 1;
        let path = format!("msrp://{local}:{port}/here{};tcp", stream.0);
        let path = path.parse().expect("a path");
        Ok(LocalMsrp {
            stream,
            path,
            fingerprint: Some(FINGERPRINT.parse().expect("a fingerprint")),
        })
    }

    fn open_tool(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        self.open(local)
    }

    /// Port 5901 is taken.
    fn open_viewer(&mut self, _stream: StreamId, address: SocketAddr) -> Result<SocketAddr, OpenError> {
        match address.port() {
            0 => Ok(SocketAddr::new(address.ip(), 45_900)),
            5901 => Err(OpenError::Viewer {
                address,
                cause: "somebody is there".to_owned(),
            }),
            _ => Ok(address),
        }
    }

    fn entropy(&mut self) -> Entropy {
        Entropy::from_number(u64::from(self.opened))
    }

    fn send(&mut self, command: MediaCommand) {
        self.commands.lock().unwrap().push(command);
    }
}

/// What our certificate for message streams is known by.
pub(crate) const FINGERPRINT: &str = "SHA-256 \
    00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

/// The end-point and what it did.
pub(crate) struct Script {
    pub(crate) manager: SessionManager,
    pub(crate) now: Instant,
    pub(crate) events: Vec<(SessionId, SessionEvent)>,
    /// What was told of transactions, apart from the events: who asked, the method, the status, and whether the ACK came.
    pub(crate) transactions: Vec<String>,
    pub(crate) sent: Vec<Message>,
    commands: Commands,
    cseq: u32,
    to_tag: String,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::with(SessionConfig::default())
    }

    /// One with something other than the defaults.
    pub(crate) fn with(sessions: SessionConfig) -> Self {
        let mut entropy = Entropy::from_number(7);
        let config = EndpointConfig {
            allow: [EndpointConfig::default().allow, vec![Method::Refer]].concat(),
            ..EndpointConfig::default()
        };
        let mut endpoint = Endpoint::new(config, entropy.fork());
        endpoint.add_local(Transport::Udp, here());
        let commands = Commands::default();
        let plane = Box::new(Plane::new(commands.clone()));
        Self {
            manager: SessionManager::new(endpoint, plane, sessions, entropy),
            now: Instant::now(),
            events: Vec::new(),
            transactions: Vec::new(),
            sent: Vec::new(),
            commands,
            cseq: 0,
            to_tag: String::new(),
        }
    }

    /// The peer calls.
    pub(crate) fn invite(&mut self, sdp: Option<&str>) -> SessionId {
        self.request("INVITE", sdp);
        self.events.last().expect("a session").0
    }

    /// The peer calls, and is accepted with this stream.
    pub(crate) fn accepted(&mut self, sdp: &str, stream: impl MediaStream) -> SessionId {
        let id = self.invite(Some(sdp));
        self.accept(id, stream).expect("acceptable");
        self.ack(None);
        assert_eq!(self.state(id), Some(SessionState::Connected));
        id
    }

    pub(crate) fn accept(&mut self, id: SessionId, stream: impl MediaStream) -> Result<(), String> {
        let accepted = self.manager.accept(self.now, id, vec![Box::new(stream)]);
        self.drain();
        accepted.map_err(|error| error.to_string())
    }

    /// We call.
    pub(crate) fn call(&mut self, stream: impl MediaStream) -> SessionId {
        self.call_with(vec![Box::new(stream)])
    }

    /// We call with several streams.
    pub(crate) fn call_with(&mut self, streams: Vec<Box<dyn MediaStream>>) -> SessionId {
        let uri: SipUri = "sip:bob@10.0.0.2".parse().unwrap();
        let connect = Connect {
            account: &Account::local("alice").unwrap(),
            to: NameAddr::new(uri.into()),
            routes: vec![Route::new(Transport::Udp, there())],
            streams,
        };
        let id = self.manager.connect(self.now, connect).expect("called");
        self.drain();
        id
    }

    /// The peer sends a request inside or outside the dialog.
    pub(crate) fn request(&mut self, method: &str, sdp: Option<&str>) {
        self.request_with(method, "", sdp);
    }

    /// The same with further header fields, each with its line end.
    pub(crate) fn request_with(&mut self, method: &str, fields: &str, sdp: Option<&str>) {
        let content = sdp.map_or("", |_| "Content-Type: application/sdp\r\n");
        self.request_with_body(method, &format!("{fields}{content}"), sdp.unwrap_or_default());
    }

    /// The same with a body of any kind.
    pub(crate) fn request_with_body(&mut self, method: &str, fields: &str, body: &str) {
        if method != "ACK" {
            self.cseq += 1;
        }
        let (cseq, tag) = (self.cseq, &self.to_tag);
        let mut text = format!(
            "{method} sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{method}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bob@10.0.0.2>;tag=peer\r\nTo: <sip:alice@10.0.0.1>{tag}\r\n\
             Call-ID: script\r\nCSeq: {cseq} {method}\r\nContact: <sip:bob@10.0.0.2:5060>\r\n{fields}"
        );
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        self.receive(text.into());
    }

    /// The peer sends a request inside of the dialog that our last INVITE began.
    pub(crate) fn request_in_our_call(&mut self, method: &str, cseq: u32, sdp: Option<&str>) {
        let invite = self.last_request("INVITE");
        let field = |name| invite.headers().get_str(name).unwrap_or_default().to_owned();
        let (us, call) = (field(HeaderName::From), field(HeaderName::CallId));
        let content = sdp.map_or("", |_| "Content-Type: application/sdp\r\n");
        let body = sdp.unwrap_or_default();
        let text = format!(
            "{method} sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{method}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bob@10.0.0.2>;tag=peer\r\nTo: {us}\r\nCall-ID: {call}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:bob@10.0.0.2:5060>\r\n{content}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.receive(text.into());
    }

    pub(crate) fn ack(&mut self, sdp: Option<&str>) {
        self.request("ACK", sdp);
    }

    /// The peer answers our last request of that method.
    pub(crate) fn respond(&mut self, method: &str, code: u16, sdp: Option<&str>) {
        let request = self.last_request(method).clone();
        let status = StatusCode::new(code).expect("a status");
        let mut response = Response::for_request(&request, status).with_to_tag("peer");
        response
            .headers_mut()
            .push(HeaderName::Contact, "<sip:bob@10.0.0.2:5060>");
        if let Some(sdp) = sdp {
            response.set_body("application/sdp", sdp.to_owned());
        }
        self.receive(response.to_bytes());
    }

    /// The peer takes its last INVITE back.
    pub(crate) fn cancel(&mut self) {
        let (cseq, tag) = (self.cseq, &self.to_tag);
        let text = format!(
            "CANCEL sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKINVITE{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bob@10.0.0.2>;tag=peer\r\nTo: <sip:alice@10.0.0.1>{tag}\r\n\
             Call-ID: script\r\nCSeq: {cseq} CANCEL\r\nContent-Length: 0\r\n\r\n"
        );
        self.receive(text.into());
    }

    /// The message stream that was started last is connected.
    pub(crate) fn media_ready(&mut self) -> StreamId {
        self.media_event(MsrpEvent::Ready)
    }

    /// The connection of the message stream that was started last breaks.
    pub(crate) fn media_closed(&mut self) -> StreamId {
        let reason = "the wire was cut".to_owned();
        self.media_event(MsrpEvent::Closed { reason })
    }

    /// The message stream that was started last tells something.
    pub(crate) fn media_event(&mut self, event: MsrpEvent) -> StreamId {
        let started = |command: &MediaCommand| match command {
            MediaCommand::Msrp { stream, .. } => Some(*stream),
            _ => None,
        };
        let stream = self.commands.lock().unwrap().iter().rev().find_map(started);
        let stream = stream.expect("a message stream was started");
        self.manager
            .handle_media_event(self.now, MediaEvent::Msrp { stream, event });
        self.drain();
        stream
    }

    /// The media side tells something of the audio stream that was started last.
    pub(crate) fn media_told(&mut self, event: impl FnOnce(StreamId) -> MediaEvent) {
        let started = |command: &MediaCommand| match command {
            MediaCommand::StartAudio { stream, .. } => Some(*stream),
            _ => None,
        };
        let stream = self.commands.lock().unwrap().iter().rev().find_map(started);
        let event = event(stream.expect("a stream was started"));
        self.manager.handle_media_event(self.now, event);
        self.drain();
    }

    /// Bytes of the peer, whatever they are.
    pub(crate) fn receive(&mut self, bytes: Bytes) {
        let path = Path::new(Transport::Udp, here(), there());
        self.manager.handle_received(self.now, Received { path, bytes });
        self.drain();
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.manager.poll_timeout().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.manager.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn drain(&mut self) {
        while let Some(transmit) = self.manager.poll_transmit() {
            let message = Message::parse(transmit.bytes, &ParseOptions::default()).expect("we send SIP");
            if let Some(response) = message.as_response()
                && let Some((_, tag)) = response
                    .headers()
                    .get_str(HeaderName::To)
                    .unwrap()
                    .split_once(";tag=")
            {
                self.to_tag = format!(";tag={tag}");
            }
            self.sent.push(message);
        }
        while let Some(event) = self.manager.poll_event() {
            let ManagerEvent::Session { id, event } = event else {
                continue;
            };
            match event.event {
                SessionEvent::DidProcessTransaction {
                    originator,
                    method,
                    code,
                    reason,
                    ack_received,
                } => self.transactions.push(match ack_received {
                    Some(came) => format!("{originator} {method} {code} {reason}, ACK: {came}"),
                    None => format!("{originator} {method} {code} {reason}"),
                }),
                event => self.events.push((id, event)),
            }
        }
    }

    /// The session's state, while it is not over.
    pub(crate) fn state(&self, id: SessionId) -> Option<SessionState> {
        self.manager.session(id).map(offhook_session::Session::state)
    }

    pub(crate) fn last_request(&self, method: &str) -> &Request {
        let mut requests = self.sent.iter().rev().filter_map(Message::as_request);
        requests
            .find(|request| request.method().as_str() == method)
            .unwrap_or_else(|| panic!("no {method} was sent"))
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        let requests = self.sent.iter().filter_map(Message::as_request);
        requests
            .filter(|request| request.method().as_str() == method)
            .count()
    }

    /// The status and the body of our last final response to an INVITE.
    pub(crate) fn last_response(&self) -> (u16, String) {
        let mut responses = self.sent.iter().rev().filter_map(Message::as_response);
        let response = responses.next().expect("a response");
        let body = String::from_utf8(response.body().to_vec()).expect("SDP is text");
        (response.status().as_u16(), body)
    }

    pub(crate) fn last_event(&self) -> &SessionEvent {
        &self.events.last().expect("something has happened").1
    }

    /// The external tool that was started last, and what it tells now.
    pub(crate) fn tool_event(&mut self, event: ToolEvent) -> ToolStart {
        let commands = self.commands.lock().unwrap();
        let started = commands.iter().rev().find_map(|command| match command {
            MediaCommand::StartTool { stream, start } => Some((*stream, (**start).clone())),
            _ => None,
        });
        drop(commands);
        let (stream, start) = started.expect("a tool was started");
        self.manager
            .handle_media_event(self.now, MediaEvent::Tool { stream, event });
        self.drain();
        start
    }

    /// The commands that message streams gave, as text.
    pub(crate) fn msrp_commands(&self) -> Vec<String> {
        let commands = self.commands.lock().unwrap();
        let text = |command: &MediaCommand| match command {
            MediaCommand::Msrp { command, .. } => Some(format!("{command:?}")),
            _ => None,
        };
        commands.iter().filter_map(text).collect()
    }

    /// How the last message stream was started: whether by TLS, and which certificates its peer may show.
    pub(crate) fn msrp_start(&self) -> (bool, Vec<String>) {
        let commands = self.commands.lock().unwrap();
        let start = commands.iter().rev().find_map(|command| match command {
            MediaCommand::Msrp {
                command: MsrpCommand::Start(start),
                ..
            } => Some(start),
            _ => None,
        });
        let start = start.expect("it was started");
        let announced = start.config.peer_fingerprints.iter();
        (start.is_secure, announced.map(ToString::to_string).collect())
    }

    /// What the stream was started with, or updated to, last.
    pub(crate) fn config(&self) -> AudioConfig {
        let commands = self.commands.lock().unwrap();
        let configs = commands.iter().rev().filter_map(|command| match command {
            MediaCommand::StartAudio { config, .. } | MediaCommand::UpdateAudio { config, .. } => {
                Some(&**config)
            }
            _ => None,
        });
        configs.into_iter().next().expect("a stream runs").clone()
    }

    /// The names of the media commands so far.
    pub(crate) fn media(&self) -> Vec<String> {
        let commands = self.commands.lock().unwrap();
        let name = |command: &MediaCommand| {
            let text = format!("{command:?}");
            text.split('(').next().unwrap_or_default().to_owned()
        };
        commands.iter().map(name).collect()
    }
}

/// A description of the peer with these lines for media.
pub(crate) fn sdp(media: &str) -> String {
    let media = media.replace('\n', "\r\n");
    format!("v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n{media}\r\n")
}

/// The same after a change: the peer counts its versions (RFC 3264 §8).
pub(crate) fn version(number: u32, media: &str) -> String {
    sdp(media).replace("o=- 1 1 ", &format!("o=- 1 {number} "))
}

fn here() -> SocketAddr {
    "10.0.0.1:5060".parse().unwrap()
}

fn there() -> SocketAddr {
    "10.0.0.2:5060".parse().unwrap()
}

/// Accepts an offer with a stream; gives the lines of the answer's media.
#[track_caller]
pub(crate) fn answer_with(stream: AudioStream, offer: &str) -> String {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(offer)));
    script.accept(id, stream).expect(offer);
    let (code, body) = script.last_response();
    assert_eq!(code, 200, "{offer}");
    let media = body.find("m=").expect("a media section");
    body[media..].replace("\r\n", "\n")
}
