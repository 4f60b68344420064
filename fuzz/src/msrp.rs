//! MSRP: heads, streams, URIs, CPIM and whole sessions.

use bytes::{Buf, Bytes, BytesMut};
use offhook_msrp::chunk::{
    Continuation, FailureReport, Head, HeadWriter, Limits, Method, StartLine, StatusCode, SuccessReport,
};
use offhook_msrp::cpim::imdn::{Disposition, ImdnDocument, ImdnError, ImdnLimits};
use offhook_msrp::cpim::{Address, CPIM_NAMESPACE, CpimError, CpimLimits, CpimMessage};
use offhook_msrp::framer::{Frame, Framer};
use offhook_msrp::session::{Delivery, IncomingId, OutgoingId, State};
use offhook_msrp::{MsrpPath, MsrpSession, MsrpUri, OutgoingMessage, SessionConfig, SessionEvent};
use offhook_sansio::Entropy;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// A head: whatever is read can be asked for every field, written again and read back the same.
pub fn msrp_chunk(data: &[u8]) {
    let limits = Limits::default();
    let Ok(Some(head)) = Head::parse(&Bytes::copy_from_slice(data), &limits) else {
        return;
    };
    let _ = (head.to_path(), head.from_path(), head.use_path());
    let _ = (head.byte_range(), head.report_status(), head.message_id());
    let _ = (head.success_report(), head.failure_report(), head.content_type());
    let mut out = BytesMut::new();
    let id = head.transaction_id();
    let mut writer = match head.start_line() {
        StartLine::Request(method) => HeadWriter::request(&mut out, id, method, "a", "b"),
        StartLine::Response(status) => HeadWriter::response(&mut out, id, *status, "a", "b"),
    }
    .expect("what was read can be written");
    for (name, value) in head.fields() {
        match writer.field(name, value) {
            Ok(next) => writer = next,
            Err(_) => return, // a name that is read and not written
        }
    }
    writer.end(Continuation::Last);
    let again = Head::parse(&out.freeze(), &limits);
    let Ok(Some(again)) = again else {
        return; // two more fields than the limit allows
    };
    assert_eq!(again.start_line(), head.start_line());
    assert!(again.fields().skip(2).eq(head.fields()));
}

/// A stream, cut where the first bytes say: the same chunks come out as of the uncut one.
pub fn msrp_stream(data: &[u8]) {
    let Some((&step, stream)) = data.split_first() else {
        return;
    };
    let whole = chunks(stream, stream.len().max(1));
    let cut = chunks(stream, usize::from(step).max(1));
    assert_eq!(whole, cut);
}

type Chunk = (Bytes, Vec<u8>, Option<Continuation>);

fn chunks(stream: &[u8], piece: usize) -> (Vec<Chunk>, bool) {
    let mut framer = Framer::new(Limits::default());
    let mut chunks: Vec<Chunk> = Vec::new();
    for piece in stream.chunks(piece) {
        framer.input().extend_from_slice(piece);
        loop {
            match framer.next_frame() {
                Ok(Some(Frame::Head(head))) => chunks.push((head.as_bytes().clone(), Vec::new(), None)),
                Ok(Some(Frame::Body(body))) => {
                    assert!(!body.is_empty());
                    chunks
                        .last_mut()
                        .expect("a head comes first")
                        .1
                        .extend_from_slice(&body);
                }
                Ok(Some(Frame::End(flag))) => chunks.last_mut().expect("a head comes first").2 = Some(flag),
                Ok(None) => break,
                Err(_) => return (chunks, true),
            }
        }
    }
    (chunks, false)
}

/// A URI or path: it prints to something that is read the same and equals itself.
pub fn msrp_uri(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(uri) = text.parse::<MsrpUri>() {
        let again: MsrpUri = uri.to_string().parse().expect("what we print, we read");
        assert_eq!(again, uri);
        assert!(again.is_equivalent(&uri));
        let _ = uri.socket_addr();
    }
    if let Ok(path) = text.parse::<MsrpPath>() {
        let again: MsrpPath = path.to_string().parse().expect("what we print, we read");
        assert!(again.is_equivalent(&path));
    }
}

/// A CPIM body: it is printed to the octet as it came; what is added to it is found in its namespace, and nothing else moves;
/// what is told about it is read.
pub fn cpim(data: &[u8]) {
    let limits = CpimLimits::default();
    let Ok(message) = CpimMessage::parse(&Bytes::copy_from_slice(data), &limits) else {
        return;
    };
    let _ = (
        message.from(),
        message.date_time(),
        message.subject(),
        message.imdn_message_id(),
    );
    let _ = (
        message.to().count(),
        message.cc().count(),
        message.required(),
        message.notifications(),
    );
    let _ = message.subjects().count();
    assert_eq!(message.to_bytes(), data);
    let bob = Address::new("im:bob@b.test");
    let id = "n1".parse().expect("a token");
    if let Some(told) = message.notification(&bob, &id, Disposition::Displayed) {
        assert!(told.is_notification());
        match ImdnDocument::parse(told.body(), &ImdnLimits::default()) {
            // What is no text in XML may be all there is of an id.
            Err(ImdnError::TooLong(_) | ImdnError::NoMessage) => {}
            document => assert_eq!(
                document.map(|read| read.disposition),
                Ok(Some(Disposition::Displayed))
            ),
        }
    }
    let (senders, subjects) = (
        message.values(CPIM_NAMESPACE, "From").count(),
        message.subjects().count(),
    );
    let more = message
        .with_header(("p", "urn:x-fuzz"), "N", "1")
        .with_header(("", "urn:y-fuzz"), "N", "2")
        .with_from(&bob);
    assert!(more.values("urn:x-fuzz", "N").any(|value| value == "1"));
    assert!(more.values("urn:y-fuzz", "N").any(|value| value == "2"));
    assert_eq!(more.values(CPIM_NAMESPACE, "From").count(), senders + 1);
    assert_eq!(more.subjects().count(), subjects);
    match CpimMessage::parse(&more.to_bytes(), &limits) {
        Err(CpimError::TooMany(_) | CpimError::TooLong(_)) => {}
        again => assert_eq!(again, Ok(more)),
    }
}

/// An IMDN document: it is written as one that is read the same.
pub fn imdn(data: &[u8]) {
    let limits = ImdnLimits::default();
    let Ok(document) = ImdnDocument::parse(data, &limits) else {
        return;
    };
    let _ = document.sent_at();
    let again = ImdnDocument::parse(document.to_xml().as_bytes(), &limits);
    match again {
        // What is escaped is longer.
        Err(ImdnError::TooLong(_)) => {}
        again => assert_eq!(again, Ok(document)),
    }
}

/// Two sessions with a connection between them and a clock, told what to do by the bytes. Whatever arrives was sent, to
/// the byte; nothing is told twice; and when both are left alone long enough, both come to rest.
pub fn msrp_session_ops(data: &[u8]) {
    let mut world = World::new(data.first().copied().unwrap_or_default());
    let mut rest = data.get(1..).unwrap_or_default();
    for _ in 0..MOST_OPS {
        let [op, argument, after @ ..] = rest else { break };
        rest = after;
        world.act(*op, *argument);
    }
    world.settle();
}

/// More operations show nothing new, and a campaign wants many runs.
const MOST_OPS: usize = 256;
/// Into how many pieces a burst is cut at most, and a message into chunks.
const MOST_PIECES: usize = 48;

struct World {
    now: Instant,
    ends: [MsrpSession; 2],
    /// Bodies by Message-ID, and by the id that events name.
    bodies: [HashMap<String, Vec<u8>>; 2],
    open: Vec<(usize, OutgoingId)>,
    told: [HashMap<OutgoingId, u32>; 2],
    arriving: [HashMap<IncomingId, (String, Vec<u8>)>; 2],
    in_pieces: bool,
    garbage: bool,
    serial: u64,
}

impl World {
    fn new(flags: u8) -> Self {
        let now = Instant::now();
        let in_pieces = flags & 16 != 0;
        let paths: [MsrpPath; 2] = ["msrp://a.test:1/alice;tcp", "msrp://b.test:2/bob;tcp"]
            .map(|text| text.parse().expect("a good path"));
        let config = |own: usize| {
            let mut config = SessionConfig::new(paths[own].clone(), paths[1 - own].clone());
            config.chunk_size = NonZeroU32::new(1 << (4 + (flags & 15))).expect("not zero");
            config.message_limits.bytes = 100_000;
            config.queued = 64;
            config.queued_bytes = 50_000;
            if in_pieces {
                config.delivery = Delivery::Pieces;
            }
            config
        };
        let alice = MsrpSession::connected(now, config(0), Entropy::from_number(1));
        let framer = Framer::new(Limits::default());
        let bob = MsrpSession::accepted(now, config(1), Entropy::from_number(2), framer, None);
        Self {
            now,
            ends: [alice, bob],
            bodies: Default::default(),
            open: Vec::new(),
            told: Default::default(),
            arriving: Default::default(),
            in_pieces,
            garbage: false,
            serial: 0,
        }
    }

    fn act(&mut self, op: u8, argument: u8) {
        let end = usize::from(op & 1);
        match (op >> 1) % 10 {
            0 | 1 => self.carry(end, usize::from(argument).max(1)),
            2 => self.send(end, argument),
            3 => {
                self.now += Duration::from_millis(u64::from(argument) * 500);
                self.ends[0].handle_timeout(self.now);
                self.ends[1].handle_timeout(self.now);
            }
            4 if argument & 3 == 0 => self.ends[end].close(),
            4 => {
                let now = self.now;
                self.ends[end].set_full(now, argument & 1 == 1);
            }
            5 => {
                if let Some((end, message)) = self.open.pop() {
                    self.ends[end].abort(message);
                }
            }
            6 => {
                let first = self.arriving[end].keys().next().copied();
                if let Some(message) = first {
                    self.ends[end].reject(message);
                }
            }
            7 => {
                self.garbage = true;
                self.ends[end].input().extend_from_slice(&[argument; 3]);
                self.ends[end].handle_input(self.now);
            }
            8 => {
                self.garbage = true;
                self.forge(end, argument);
            }
            _ => self.ends[end].handle_closed(),
        }
        self.hear();
    }

    fn send(&mut self, end: usize, argument: u8) {
        self.serial += 1;
        let chunk = self.ends[end].config().chunk_size.get() as usize;
        let size = (usize::from(argument & 15) * 997).min(chunk * MOST_PIECES);
        let body: Vec<u8> = (0..size)
            .map(|at| b"\r\n-------abc$+#"[(at * 7 + size) % 15])
            .collect();
        let id = format!("id{:06}", self.serial);
        let message = OutgoingMessage::new("a/b", body.clone())
            .with_message_id(&*id)
            .with_failure_report(
                [FailureReport::Yes, FailureReport::Partial, FailureReport::No]
                    [usize::from(argument >> 4) % 3],
            )
            .with_success_report([SuccessReport::No, SuccessReport::Yes][usize::from(argument >> 7)]);
        if let Ok(sent) = self.ends[end].send(message) {
            self.bodies[end].insert(id, body);
            self.open.push((end, sent));
        }
    }

    /// A request or response that the other end did not send.
    fn forge(&mut self, end: usize, argument: u8) {
        let paths = ["msrp://a.test:1/alice;tcp", "msrp://b.test:2/bob;tcp"];
        let id = "forged00".parse().expect("a good id");
        let mut out = BytesMut::new();
        let (to, from) = (paths[end], paths[(1 - end + usize::from(argument & 1)) % 2]);
        let head = match argument >> 1 & 3 {
            0 => HeadWriter::request(&mut out, &id, &Method::Report, to, from).and_then(|head| {
                head.field("Message-ID", "id000001")?
                    .field("Status", "000 200 OK")
            }),
            1 => HeadWriter::request(&mut out, &id, &Method::Nickname, to, from),
            2 => HeadWriter::response(&mut out, &id, StatusCode::OK, to, from),
            _ => HeadWriter::request(&mut out, &id, &Method::Send, to, from)
                .and_then(|head| head.field("Byte-Range", "5-4/99999999999")),
        };
        head.expect("good fields").end(Continuation::Last);
        self.ends[end].input().extend_from_slice(&out);
        self.ends[end].handle_input(self.now);
    }

    /// One burst from one end to the other, cut into pieces.
    fn carry(&mut self, from: usize, cut: usize) {
        let Some(mut burst) = self.ends[from].poll_transmit(self.now) else {
            return;
        };
        let bytes = burst.copy_to_bytes(burst.remaining());
        assert!(!bytes.is_empty());
        for piece in bytes.chunks(cut.max(bytes.len() / MOST_PIECES)) {
            self.ends[1 - from].input().extend_from_slice(piece);
            self.ends[1 - from].handle_input(self.now);
        }
    }

    fn hear(&mut self) {
        for end in 0..2 {
            while let Some(event) = self.ends[end].poll_event() {
                self.check(end, event);
            }
        }
    }

    fn check(&mut self, end: usize, event: SessionEvent) {
        match event {
            SessionEvent::Message(message) => self.check_body(end, message.message_id(), &message.body),
            SessionEvent::MessageBegan { message, head, .. } => {
                let id = head.message_id().expect("checked").to_owned();
                self.arriving[end].insert(message, (id, Vec::new()));
            }
            SessionEvent::MessageData { message, at, data } => {
                let (_, body) = self.arriving[end].get_mut(&message).expect("it began");
                assert_eq!(at, body.len() as u64, "nothing reorders here");
                body.extend_from_slice(&data);
            }
            SessionEvent::MessageEnded { message, size } => {
                let (id, body) = self.arriving[end].remove(&message).expect("it began");
                assert_eq!(size, body.len() as u64);
                self.check_body(end, &id, &body);
            }
            SessionEvent::MessageAborted { message, .. } => {
                let began = self.arriving[end].remove(&message).is_some();
                assert_eq!(
                    began, self.in_pieces,
                    "only where messages come in pieces it was told before"
                );
            }
            SessionEvent::SendDone { message } | SessionEvent::SendFailed { message, .. } => {
                let told = self.told[end].entry(message).or_default();
                *told += 1;
                assert!(*told <= 2, "done, and then failed by a report, at most");
            }
            _ => {}
        }
    }

    fn check_body(&self, end: usize, id: &str, body: &[u8]) {
        if !self.garbage {
            assert_eq!(self.bodies[1 - end].get(id).map(|sent| &sent[..]), Some(body));
        }
    }

    /// Both close, everything is carried, and time passes.
    fn settle(&mut self) {
        for end in 0..2 {
            self.ends[end].set_full(self.now, false);
            self.ends[end].close();
        }
        for _ in 0..10 {
            for _ in 0..5000 {
                let wrote = (0..2).filter(|end| {
                    let Some(mut burst) = self.ends[*end].poll_transmit(self.now) else {
                        return false;
                    };
                    let bytes = burst.copy_to_bytes(burst.remaining());
                    let other = &mut self.ends[1 - *end];
                    other.input().extend_from_slice(&bytes);
                    other.handle_input(self.now);
                    true
                });
                if wrote.count() == 0 {
                    break;
                }
                self.hear();
            }
            self.now += Duration::from_secs(30);
            self.ends[0].handle_timeout(self.now);
            self.ends[1].handle_timeout(self.now);
            self.hear();
        }
        for end in &self.ends {
            assert_eq!(end.state(), State::Closed);
            assert_eq!(end.poll_timeout(), None);
        }
    }
}
