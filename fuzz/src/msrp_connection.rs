//! Two ends with several MSRP sessions on one connection.

use bytes::{Buf, Bytes};
use offhook_msrp::chunk::{Limits, StatusCode};
use offhook_msrp::connection::{SessionKey, SharedConnection};
use offhook_msrp::framer::Framer;
use offhook_msrp::session::CloseReason;
use offhook_msrp::{MsrpSession, OutgoingMessage, SessionConfig, SessionEvent};
use offhook_sansio::Entropy;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How many sessions there may ever be.
const SESSIONS: usize = 4;

/// Sessions come and go on one connection, as the bytes say. Whatever a session hears was said to it by its peer, in order;
/// while nobody forges anything, no session ends but by its owner, the clock, or the connection; and when all are left
/// alone long enough, all come to rest.
pub fn msrp_connection_ops(data: &[u8]) {
    let mut world = World::new(data.first().copied().unwrap_or_default());
    let mut rest = data.get(1..).unwrap_or_default();
    while let [op, argument, after @ ..] = rest {
        rest = after;
        world.act(*op, *argument);
    }
    world.settle();
}

struct End {
    connection: SharedConnection,
    /// By the number of the session.
    keys: Vec<Option<SessionKey>>,
    /// How many messages were sent, and heard, by the number of the session.
    sent: [u32; SESSIONS],
    heard: [u32; SESSIONS],
}

struct World {
    now: Instant,
    chunk_size: NonZeroU32,
    ends: [End; 2],
    garbage: bool,
}

fn config(number: usize, end: usize, chunk_size: NonZeroU32) -> SessionConfig {
    let path = |end: usize| {
        let text = format!("msrp://{}.test:1/s{number}x{end};tcp", ["a", "b"][end]);
        text.parse().expect("a good path")
    };
    let mut config = SessionConfig::new(path(end), path(1 - end));
    config.chunk_size = chunk_size;
    config.queued = 32;
    config
}

impl World {
    fn new(flags: u8) -> Self {
        let now = Instant::now();
        let chunk_size = NonZeroU32::new(1 << (6 + (flags & 15))).expect("not zero");
        let framer = Framer::new(Limits::default());
        let sessions = [
            MsrpSession::connected(now, config(0, 0, chunk_size), Entropy::from_number(1)),
            MsrpSession::accepted(
                now,
                config(0, 1, chunk_size),
                Entropy::from_number(2),
                framer,
                None,
            ),
        ];
        let ends = sessions.map(|session| {
            let (connection, key) = SharedConnection::new(now, session);
            End {
                connection,
                keys: vec![Some(key)],
                sent: [0; SESSIONS],
                heard: [0; SESSIONS],
            }
        });
        Self {
            now,
            chunk_size,
            ends,
            garbage: false,
        }
    }

    fn act(&mut self, op: u8, argument: u8) {
        let end = usize::from(op & 1);
        let number = usize::from(argument) % SESSIONS;
        match (op >> 1) % 9 {
            0 | 1 => {
                self.carry(end, usize::from(argument).max(1));
            }
            2 | 3 => self.send(end, number, argument),
            4 => self.connect(),
            5 => self.decide(argument),
            6 => {
                if let Some(session) = self.session(end, number) {
                    session.close();
                }
            }
            7 => {
                self.now += Duration::from_millis(u64::from(argument) * 300);
                for end in &mut self.ends {
                    end.connection.handle_timeout(self.now);
                }
            }
            _ => self.forge(end, argument),
        }
        self.hear();
    }

    fn session(&mut self, end: usize, number: usize) -> Option<&mut MsrpSession> {
        let End { connection, keys, .. } = &mut self.ends[end];
        connection.session((*keys.get(number)?)?)
    }

    fn send(&mut self, end: usize, number: usize, argument: u8) {
        let count = self.ends[end].sent[number];
        let body = format!(
            "{number}.{end}.{count}:{}",
            "-\r\n".repeat(usize::from(argument) * 20)
        );
        let sent = self
            .session(end, number)
            .is_some_and(|session| session.send(OutgoingMessage::new("a/b", body)).is_ok());
        self.ends[end].sent[number] += u32::from(sent);
    }

    /// One more session of the first end.
    fn connect(&mut self) {
        let number = self.ends[0].keys.len();
        if number < SESSIONS && self.ends[0].connection.session_count() > 0 {
            let entropy = Entropy::from_number(10 + number as u64);
            let config = config(number, 0, self.chunk_size);
            let key = self.ends[0].connection.connect(self.now, config, entropy);
            self.ends[0].keys.push(Some(key));
            self.ends[1].keys.push(None);
        }
    }

    /// What an end was asked about is decided: the second end expects each session once.
    fn decide(&mut self, argument: u8) {
        for end in 0..2 {
            let Some(head) = self.ends[end].connection.asked() else {
                continue;
            };
            let to = head.to_path().expect("it names a session");
            let id = to.last().session_id().expect("it names a session");
            let number = (0..SESSIONS).find(|number| id == format!("s{number}x1"));
            let number = number.filter(|number| self.ends[1].keys.get(*number) == Some(&None));
            let connection = &mut self.ends[end].connection;
            match number.filter(|_| end == 1 && argument & 7 != 0) {
                Some(number) => {
                    let entropy = Entropy::from_number(20 + number as u64);
                    let key = connection.accept(self.now, config(number, 1, self.chunk_size), entropy);
                    self.ends[1].keys[number] = key;
                }
                None => connection.refuse(self.now, StatusCode::NO_SESSION),
            }
        }
    }

    fn forge(&mut self, end: usize, argument: u8) {
        self.garbage = true;
        let number = argument & 3;
        let other = ["b", "a"][end];
        let own = ["a", "b"][end];
        let line = ["SEND", "AUTH", "200 OK", "REPORT"][usize::from(argument >> 2 & 3)];
        let id = if argument & 16 == 0 {
            format!("s{number}x{end}")
        } else {
            "other".to_owned()
        };
        let text = match argument >> 5 {
            0 => "GET /\r\n".to_owned(),
            1 => format!("MSRP forge {line}\r\nTo-Path: \r\n-------forge$\r\n"),
            _ => format!(
                "MSRP forge {line}\r\nTo-Path: msrp://{own}.test:1/{id};tcp\r\n\
                 From-Path: msrp://{other}.test:1/s{number}x{};tcp\r\nMessage-ID: forged\r\nByte-Range: 1-9/*\r\n\
                 Content-Type: a/b\r\n\r\nabc\r\n-------forge$\r\n",
                1 - end
            ),
        };
        let connection = &mut self.ends[end].connection;
        connection.input().extend_from_slice(text.as_bytes());
        connection.handle_input(self.now);
    }

    fn carry(&mut self, from: usize, cut: usize) -> bool {
        let Some(mut burst) = self.ends[from].connection.poll_transmit(self.now) else {
            return false;
        };
        let bytes: Bytes = burst.copy_to_bytes(burst.remaining());
        assert!(!bytes.is_empty());
        let to = &mut self.ends[1 - from].connection;
        for piece in bytes.chunks(cut) {
            to.input().extend_from_slice(piece);
            to.handle_input(self.now);
        }
        true
    }

    fn hear(&mut self) {
        for end in 0..2 {
            for number in 0..SESSIONS {
                while let Some(event) = self.session(end, number).and_then(MsrpSession::poll_event) {
                    self.check(end, number, &event);
                }
            }
        }
    }

    fn check(&mut self, end: usize, number: usize, event: &SessionEvent) {
        if self.garbage {
            return;
        }
        match event {
            SessionEvent::Message(message) => {
                // The chunks of messages take turns, so a short message may be complete before a long one.
                let begin = format!("{number}.{}.", 1 - end);
                assert!(message.body.starts_with(begin.as_bytes()), "of this session");
                self.ends[end].heard[number] += 1;
                assert!(self.ends[end].heard[number] <= self.ends[1 - end].sent[number]);
            }
            SessionEvent::Closed(reason) => assert!(
                !matches!(reason, CloseReason::Unintelligible(_) | CloseReason::Flood),
                "{reason:?}"
            ),
            _ => {}
        }
    }

    /// All sessions close, everything is carried and decided, and time passes.
    fn settle(&mut self) {
        for end in 0..2 {
            for number in 0..SESSIONS {
                if let Some(session) = self.session(end, number) {
                    session.close();
                }
            }
        }
        for _ in 0..10 {
            for _ in 0..5000 {
                self.decide(0);
                let wrote = [self.carry(0, usize::MAX), self.carry(1, usize::MAX)];
                self.hear();
                if wrote == [false; 2] {
                    break;
                }
            }
            self.now += Duration::from_secs(30);
            for end in &mut self.ends {
                end.connection.handle_timeout(self.now);
            }
            self.hear();
        }
        for end in &self.ends {
            assert_eq!(end.connection.session_count(), 0);
            assert_eq!(end.connection.poll_timeout(), None);
        }
    }
}
