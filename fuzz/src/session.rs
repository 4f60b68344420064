//! Sequences of operations against a session manager: what the peer, the media side, the clock and the application
//! can do, in any order, with any session description.

use bytes::Bytes;
use offhook_account::Account;
use offhook_sansio::{Entropy, Path, Received, Transport};
use offhook_session::media::{
    LocalMedia, LocalMsrp, MediaCommand, MediaEvent, MediaPlane, MsrpEvent, OpenError, RfbContext, RfbEvent,
    StreamId,
};
use offhook_session::{
    AudioStream, ChatMessage, ChatStream, Connect, DesktopSharingHandler, DesktopSharingStream, ManagerEvent,
    MediaStream, SessionConfig, SessionEvent, SessionId, SessionManager,
};
use offhook_sip_core::{
    Endpoint, EndpointConfig, HeaderName, Message, NameAddr, ParseOptions, Request, Response, Route, SipUri,
    StatusCode,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MOST_SESSIONS: usize = 4;
const MOST_KEPT: usize = 16;

/// One user agent whose peer says whatever it likes. It never panics, holds no more sessions than it may, tells every
/// session's end exactly once, and in the end has given back every port that it opened.
pub fn session_ops(data: &[u8]) {
    let mut ops = Ops(data);
    let mut world = World::new();
    while let Some(op) = ops.byte() {
        match op % 8 {
            0 => world.invite(&mut ops),
            1 | 2 => world.request_in_call(&mut ops),
            3 | 4 => world.command(&mut ops),
            5 => world.respond(&mut ops),
            6 => world.media_event(&mut ops),
            _ => world.pass_time(Duration::from_millis(u64::from(ops.byte().unwrap_or(0)) * 40)),
        }
        world.drain();
        assert!(world.manager.sessions().count() <= MOST_SESSIONS);
    }
    world.manager.end_all(world.now);
    world.pass_time(Duration::from_secs(400));
    world.check_nothing_is_left();
}

/// What the media side was asked for.
#[derive(Default)]
struct Asked {
    opened: u32,
    stopped: Vec<StreamId>,
}

struct Plane(Arc<Mutex<Asked>>);

impl MediaPlane for Plane {
    fn local_ip(&mut self, _: IpAddr) -> Result<IpAddr, OpenError> {
        Ok(IpAddr::from([192, 0, 2, 1]))
    }

    fn open(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        let mut asked = self.0.lock().expect("one thread");
        let stream = StreamId(asked.opened);
        asked.opened += 1;
        let (rtp, rtcp) = (SocketAddr::new(local, 40_000), SocketAddr::new(local, 40_001));
        Ok(LocalMedia { stream, rtp, rtcp })
    }

    fn open_msrp(&mut self, local: IpAddr) -> Result<LocalMsrp, OpenError> {
        let mut asked = self.0.lock().expect("one thread");
        let stream = StreamId(asked.opened);
        asked.opened += 1;
        let path = format!("msrp://{local}:40000/s{};tcp", stream.0);
        let path = path.parse().expect("it is a path");
        Ok(LocalMsrp {
            stream,
            path,
            fingerprint: None,
        })
    }

    fn open_viewer(&mut self, _: StreamId, address: SocketAddr) -> Result<SocketAddr, OpenError> {
        Ok(address)
    }

    fn entropy(&mut self) -> Entropy {
        Entropy::from_number(1)
    }

    fn send(&mut self, command: MediaCommand) {
        if let MediaCommand::Stop { stream } = command {
            self.0.lock().expect("one thread").stopped.push(stream);
        }
    }
}

/// The two ends of a call as their header fields name them: the peer's and ours.
type Ends = (String, String);

struct World {
    now: Instant,
    manager: SessionManager,
    asked: Arc<Mutex<Asked>>,
    account: Account,
    calls: BTreeMap<String, Ends>,
    requests: Vec<Request>,
    born: Vec<SessionId>,
    ended: Vec<SessionId>,
    number: u32,
}

impl World {
    fn new() -> Self {
        let mut entropy = Entropy::from_number(3);
        let mut endpoint = Endpoint::new(EndpointConfig::default(), entropy.fork());
        endpoint.add_local(Transport::Udp, address(1));
        let asked = Arc::<Mutex<Asked>>::default();
        let config = SessionConfig {
            most_sessions: MOST_SESSIONS,
            ..SessionConfig::default()
        };
        Self {
            now: Instant::now(),
            manager: SessionManager::new(endpoint, Box::new(Plane(asked.clone())), config, entropy),
            asked,
            account: Account::local("a").expect("a plain word is a user name"),
            calls: BTreeMap::new(),
            requests: Vec::new(),
            born: Vec::new(),
            ended: Vec::new(),
            number: 0,
        }
    }

    fn invite(&mut self, ops: &mut Ops<'_>) {
        self.number += 1;
        let call = format!("call-{}", self.number);
        let ends = (
            "<sip:p@192.0.2.2>;tag=p".to_owned(),
            "<sip:a@192.0.2.1>".to_owned(),
        );
        self.keep(call.clone(), ends);
        let body = description(ops);
        self.request("INVITE", &call, body);
    }

    fn request_in_call(&mut self, ops: &mut Ops<'_>) {
        let method = ops.pick(&[
            "ACK", "INVITE", "BYE", "CANCEL", "OPTIONS", "ACK", "UPDATE", "ACK",
        ]);
        let which = usize::from(ops.byte().unwrap_or(0)) % self.calls.len().max(1);
        let body = description(ops);
        if let Some(call) = self.calls.keys().nth(which).cloned() {
            if !matches!(method, "ACK" | "CANCEL") {
                self.number += 1;
            }
            self.request(method, &call, body);
        }
    }

    fn request(&mut self, method: &str, call: &str, body: Option<Vec<u8>>) {
        let Some((peer, ours)) = self.calls.get(call) else {
            return;
        };
        let number = self.number;
        let mut head = format!(
            "{method} sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{number}\r\n\
             Max-Forwards: 70\r\nFrom: {peer}\r\nTo: {ours}\r\nCall-ID: {call}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:p@192.0.2.2>\r\n"
        );
        if body.is_some() {
            head.push_str("Content-Type: application/sdp\r\n");
        }
        let body = body.unwrap_or_default();
        let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
        self.receive([head.as_bytes(), &body].concat().into());
    }

    fn respond(&mut self, ops: &mut Ops<'_>) {
        let which = usize::from(ops.byte().unwrap_or(0)) % self.requests.len().max(1);
        let codes = [
            100, 180, 183, 200, 200, 200, 401, 481, 486, 487, 488, 491, 500, 603,
        ];
        let code = codes[usize::from(ops.byte().unwrap_or(0)) % codes.len()];
        let body = description(ops);
        let Some(request) = self.requests.get(which) else {
            return;
        };
        let status = StatusCode::new(code).expect("a status");
        let mut response = Response::for_request(request, status).with_to_tag("p");
        response
            .headers_mut()
            .push(HeaderName::Contact, "<sip:p@192.0.2.2>");
        if let Some(body) = body {
            response.set_body("application/sdp", body);
        }
        self.receive(response.to_bytes());
    }

    fn command(&mut self, ops: &mut Ops<'_>) {
        let (command, now) = (ops.byte().unwrap_or(0), self.now);
        let streams = || -> Vec<Box<dyn MediaStream>> {
            match command / 16 % 5 {
                0 => vec![Box::new(AudioStream::offer())],
                1 => vec![Box::new(ChatStream::new())],
                3 => vec![Box::new(desktop(DesktopSharingHandler::InternalServer))],
                4 => vec![Box::new(desktop(DesktopSharingHandler::external_viewer()))],
                _ => vec![Box::new(AudioStream::offer()), Box::new(ChatStream::new())],
            }
        };
        if command % 16 == 0 {
            let to: SipUri = "sip:p@192.0.2.2".parse().expect("it is a URI");
            let connect = Connect {
                account: &self.account,
                to: NameAddr::new(to.into()),
                routes: vec![Route::new(Transport::Udp, address(2))],
                streams: streams(),
            };
            if let Ok(id) = self.manager.connect(now, connect) {
                self.born.push(id);
            }
            return;
        }
        let which = usize::from(ops.byte().unwrap_or(0)) % self.born.len().max(1);
        let Some(&id) = self.born.get(which) else { return };
        // Most commands are illegal most of the time: that they are refused is tested elsewhere.
        let _ = match command % 16 {
            1 | 2 => self.manager.accept(now, id, streams()),
            3 => self.manager.reject(now, id, StatusCode::BUSY_HERE),
            4 => self.manager.set_hold(now, id, true),
            5 => self.manager.set_hold(now, id, false),
            6 => self.manager.send_ring_indication(now, id),
            7 | 8 => self.manager.add_streams(now, id, streams()),
            9 | 10 => self.manager.accept_proposal(now, id, streams()),
            11 => self
                .manager
                .reject_proposal(now, id, StatusCode::NOT_ACCEPTABLE_HERE),
            12 => self.manager.cancel_proposal(now, id),
            13 => {
                let stream = StreamId(u32::from(ops.byte().unwrap_or(0)) % 8);
                self.manager.remove_stream(now, id, stream)
            }
            14 => self
                .manager
                .with_stream(now, id, None, |chat: &mut ChatStream, cx| {
                    chat.send_message(cx, ChatMessage::text("hello"))
                })
                .map(drop),
            // By the command's other half, so that older sequences keep their meaning.
            _ if command / 16 % 2 == 1 => {
                self.manager
                    .with_stream(now, id, None, |desktop: &mut DesktopSharingStream, cx| {
                        let sent = desktop.send(cx, "frame");
                        desktop.event_taken(cx);
                        sent
                    })
            }
            _ => self.manager.end(now, id),
        };
    }

    fn media_event(&mut self, ops: &mut Ops<'_>) {
        let stream = StreamId(u32::from(ops.byte().unwrap_or(0)) % 8);
        let event = match ops.byte().unwrap_or(0) % 8 {
            5 => MediaEvent::Msrp {
                stream,
                event: MsrpEvent::Ready,
            },
            6 => MediaEvent::Msrp {
                stream,
                event: MsrpEvent::Closed {
                    reason: String::new(),
                },
            },
            7 => MediaEvent::Msrp {
                stream,
                event: MsrpEvent::Rfb(rfb_event(ops)),
            },
            0 => MediaEvent::RtpTimeout { stream },
            1 => MediaEvent::GotDtmf {
                stream,
                digit: '#'.try_into().expect("a digit"),
            },
            2 => MediaEvent::RemoteAddressChanged {
                stream,
                remote: address(9),
            },
            3 => MediaEvent::Statistics {
                stream,
                statistics: Box::default(),
            },
            _ => MediaEvent::Stopped {
                stream,
                statistics: Box::default(),
            },
        };
        self.manager.handle_media_event(self.now, event);
    }

    fn receive(&mut self, bytes: Bytes) {
        let path = Path::new(Transport::Udp, address(1), address(2));
        self.manager.handle_received(self.now, Received { path, bytes });
    }

    fn pass_time(&mut self, time: Duration) {
        let end = self.now + time;
        self.drain();
        let mut steps = 0;
        while let Some(next) = self.manager.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.manager.handle_timeout(self.now);
            self.drain();
            steps += 1;
            assert!(steps < 10_000, "timers make progress");
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.manager.poll_transmit() {
            let message =
                Message::parse(transmit.bytes, &ParseOptions::default()).expect("we send what can be read");
            self.learn(&message);
        }
        while let Some(event) = self.manager.poll_event() {
            let ManagerEvent::Session { id, event } = event else {
                continue;
            };
            match event.event {
                SessionEvent::NewIncoming { .. } => self.born.push(id),
                SessionEvent::DidEnd { .. } | SessionEvent::DidFail { .. } => self.ended.push(id),
                _ => {}
            }
        }
    }

    /// Keeps what it takes to speak inside a call.
    fn learn(&mut self, message: &Message) {
        let field = |name| message.headers().get_str(name).unwrap_or_default().to_owned();
        let call = field(HeaderName::CallId);
        if let Some(request) = message.as_request() {
            let ends = (
                format!("{};tag=p", field(HeaderName::To)),
                field(HeaderName::From),
            );
            if !self.calls.contains_key(&call) {
                self.keep(call, ends);
            }
            if self.requests.len() == MOST_KEPT {
                self.requests.remove(0);
            }
            self.requests.push(request.clone());
        } else if let Some((_, ours)) = self.calls.get_mut(&call)
            && !ours.contains(";tag=")
        {
            *ours = field(HeaderName::To);
        }
    }

    fn keep(&mut self, call: String, ends: Ends) {
        if self.calls.len() == MOST_KEPT {
            self.calls.pop_first();
        }
        self.calls.insert(call, ends);
    }

    fn check_nothing_is_left(&mut self) {
        assert_eq!(self.manager.sessions().count(), 0);
        assert!(self.manager.is_idle());
        assert_eq!(self.manager.poll_timeout(), None);
        for told in [&mut self.born, &mut self.ended] {
            told.sort_unstable();
        }
        assert_eq!(self.born, self.ended, "each session is told to end once");
        let mut asked = self.asked.lock().expect("one thread");
        asked.stopped.sort_unstable();
        let opened: Vec<_> = (0..asked.opened).map(StreamId).collect();
        assert_eq!(asked.stopped, opened, "each stream is stopped once");
    }
}

/// A session description, from none over a good one with strange parts to no description at all.
fn description(ops: &mut Ops<'_>) -> Option<Vec<u8>> {
    let kind = ops.byte()? % 8;
    if kind == 0 {
        return None;
    }
    if kind == 1 {
        let length = usize::from(ops.byte()?);
        return Some(ops.take(length).to_vec());
    }
    let media = ops.pick(&[
        "m=audio 5004 RTP/AVP 0 8\r\n",
        "m=audio 5004 RTP/AVP 0\r\na=sendonly\r\n",
        "m=audio 5004 RTP/AVP 9 101\r\na=rtpmap:101 telephone-event/8000\r\na=recvonly\r\n",
        "m=audio 0 RTP/AVP 0\r\n",
        "m=message 7000 TCP/MSRP *\r\na=path:msrp://192.0.2.2:7000/p;tcp\r\na=accept-types:*\r\n",
        "m=audio 5004 RTP/AVP 0\r\nm=message 7000 TCP/MSRP *\r\na=path:msrp://192.0.2.2:7000/p;tcp\r\na=setup:active\r\n",
        "m=audio 5004 RTP/AVP 0\r\nm=message 0 TCP/MSRP *\r\n",
        "m=video 6000 RTP/AVP 34\r\nm=audio 5004 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n",
        "m=audio 5004 RTP/SAVP 0\r\n",
        "m=audio 5004 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n",
        "m=application 7000 TCP/MSRP *\r\na=path:msrp://192.0.2.2:7000/p;tcp\r\na=accept-types:application/x-rfb\r\na=rfbsetup:active\r\n",
        "m=audio 5004 RTP/AVP 0\r\nm=application 7000 TCP/MSRP *\r\na=path:msrp://192.0.2.2:7000/p;tcp\r\na=accept-types:application/x-rfb\r\na=rfbsetup:passive\r\n",
        "m=audio 5004 RTP/AVP 18\r\nm=audio 5006 RTP/AVP 8\r\n",
        "",
    ]);
    let version = ops.byte().unwrap_or(0);
    let mut text =
        format!("v=0\r\no=- 1 {version} IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n{media}")
            .into_bytes();
    if kind == 2
        && let (Some(at), Some(byte)) = (ops.byte(), ops.byte())
    {
        let at = usize::from(at) % text.len();
        text[at] = byte;
    }
    Some(text)
}

fn desktop(handler: DesktopSharingHandler) -> DesktopSharingStream {
    DesktopSharingStream::new(handler)
}

/// What a VNC program at this end, or the peer's data, may do.
fn rfb_event(ops: &mut Ops<'_>) -> RfbEvent {
    match ops.byte().unwrap_or(0) % 4 {
        0 => RfbEvent::Connected { address: address(9) },
        1 => RfbEvent::Data(Bytes::from_static(b"RFB 003.008\n")),
        2 => RfbEvent::Sent,
        _ => RfbEvent::Failed {
            context: RfbContext::Reading,
            reason: String::new(),
        },
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5060))
}

struct Ops<'a>(&'a [u8]);

impl<'a> Ops<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn pick<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[usize::from(self.byte().unwrap_or(0)) % choices.len()]
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
