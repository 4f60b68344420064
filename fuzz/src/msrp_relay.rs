//! A relay with clients of its own and strangers, told what to do by the bytes.

use bytes::{Buf, BytesMut};
use offhook_digest::Credentials;
use offhook_msrp::chunk::Limits;
use offhook_msrp::framer::{Frame, Framer};
use offhook_msrp::relay::server::{ConnectionId, MsrpRelay, RelayConfig, RelayServerEvent, RelayUser};
use offhook_msrp::relay::{RelayClient, RelayClientConfig, RelayTarget};
use offhook_msrp::session::Delivery;
use offhook_msrp::setup::Role;
use offhook_msrp::{MsrpPath, MsrpSession, OutgoingMessage, SessionConfig, SessionEvent};
use offhook_sansio::Entropy;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Two sessions through a relay, strangers beside them, and a clock. A message that arrives is one that was sent, to the
/// byte; the relay never asks to be read without limit, writes nothing but whole chunks, and ends with its connections.
pub fn msrp_relay_ops(data: &[u8]) {
    let mut world = World::new();
    let mut rest = data;
    while let [op, argument, after @ ..] = rest {
        rest = after;
        world.act(*op, *argument, after);
    }
    world.end();
}

/// The limit of the relay on what waits for one connection, and the most that one act feeds to it.
const QUEUED: usize = 4096;
const MOST_SAID: usize = 64 * 1024;

struct World {
    now: Instant,
    relay: MsrpRelay,
    ends: Vec<End>,
    strangers: Vec<Line>,
    closing: HashSet<ConnectionId>,
    sent: HashSet<Vec<u8>>,
    serial: u8,
}

struct End {
    session: MsrpSession,
    line: Line,
}

/// A connection of the relay, and what its far end reads.
struct Line {
    id: ConnectionId,
    framer: Framer,
    is_open: bool,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let mut config = RelayConfig::new("msrps://relay.test:2855;tcp".parse().expect("a good URI"));
        config.queued_bytes = QUEUED;
        config.collected_bytes = 1024;
        config.connections = 16;
        let mut bob = RelayUser::new("secret");
        bob.bytes_per_second = Some(100_000);
        config.users.insert("bob".to_owned(), bob);
        config.users.insert("alice".to_owned(), RelayUser::new("secret"));
        let mut relay = MsrpRelay::new(config, Entropy::from_number(1));
        let places: Vec<_> = ["alice", "bob"]
            .iter()
            .map(|user| place(now, &mut relay, user))
            .collect();
        let paths: Vec<MsrpPath> = places
            .iter()
            .map(|(_, client)| client.path().expect("it has a place").clone())
            .collect();
        let ends = places.into_iter().enumerate().map(|(own, (id, client))| {
            let mut config = SessionConfig::new(paths[own].clone(), paths[1 - own].clone());
            config.delivery = Delivery::Collected;
            let role = if own == 0 { Role::Active } else { Role::Passive };
            let framer = Framer::new(Limits::default());
            let entropy = Entropy::from_number(own as u64 + 10);
            End {
                session: MsrpSession::relayed(now, config, entropy, framer, None, client, role),
                line: Line::new(id),
            }
        });
        Self {
            now,
            ends: ends.collect(),
            relay,
            strangers: Vec::new(),
            closing: HashSet::new(),
            sent: HashSet::new(),
            serial: 0,
        }
    }

    fn act(&mut self, op: u8, argument: u8, after: &[u8]) {
        let end = usize::from(argument & 1);
        match op % 9 {
            0 | 1 => self.carry(end, usize::from(argument).max(1)),
            2 => self.send(end, argument),
            3 => {
                self.now += Duration::from_millis(u64::from(argument) * 200);
                self.relay.handle_timeout(self.now);
                for end in &mut self.ends {
                    end.session.handle_timeout(self.now);
                }
            }
            4 => {
                if let Some(id) = self.relay.handle_connected(self.now, argument & 1 == 0) {
                    self.strangers.push(Line::new(id));
                }
            }
            5 => self.intrude(argument),
            6 => {
                if let Some(stranger) = self.strangers.last_mut().filter(|stranger| stranger.is_open) {
                    let noise = &after[..after.len().min(usize::from(argument))];
                    self.relay.input(stranger.id).extend_from_slice(noise);
                    self.relay.handle_input(self.now, stranger.id);
                }
            }
            7 => {
                if let Some(stranger) = self.strangers.pop() {
                    self.relay.handle_closed(self.now, stranger.id);
                }
            }
            _ => {
                let line = &mut self.ends[end].line;
                if argument > 250 && line.is_open {
                    line.is_open = false;
                    self.relay.handle_closed(self.now, line.id);
                    self.ends[end].session.handle_closed();
                }
            }
        }
        self.drain();
    }

    fn send(&mut self, end: usize, argument: u8) {
        self.serial = self.serial.wrapping_add(1);
        let body = [vec![self.serial], vec![argument; usize::from(argument) * 40]].concat();
        let message = OutgoingMessage::new("a/b", body.clone());
        if self.ends[end].session.send(message).is_ok() {
            self.sent.insert(body);
        }
    }

    /// What an end has to say goes to the relay in pieces.
    fn carry(&mut self, end: usize, cut: usize) {
        let End { session, line } = &mut self.ends[end];
        if !line.is_open || !self.relay.wants_input(line.id) {
            return;
        }
        let mut said = BytesMut::new();
        while said.len() < MOST_SAID
            && let Some(mut burst) = session.poll_transmit(self.now)
        {
            let len = burst.remaining();
            said.extend_from_slice(&burst.copy_to_bytes(len));
        }
        for piece in said.chunks(cut * 16) {
            self.relay.input(line.id).extend_from_slice(piece);
            self.relay.handle_input(self.now, line.id);
        }
    }

    /// A stranger who knows the places sends something of his own.
    fn intrude(&mut self, argument: u8) {
        let Some(stranger) = self.strangers.last().filter(|stranger| stranger.is_open) else {
            return;
        };
        let path = &self.ends[usize::from(argument & 1)].session.config().local_path;
        let method = ["SEND", "REPORT", "AUTH", "NICKNAME"][usize::from(argument >> 1 & 3)];
        let (to, from) = match argument >> 3 & 3 {
            0 => (path.to_string(), "msrps://x.test:1/x;tcp".to_owned()),
            1 => (path.first().to_string(), path.to_string()),
            2 => (
                format!("{} msrps://y.test:1/y;tcp", path.first()),
                path.last().to_string(),
            ),
            _ => (
                "msrps://relay.test;tcp".to_owned(),
                "msrps://x.test:1/x;tcp".to_owned(),
            ),
        };
        let text = format!(
            "MSRP intrude SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: x\r\n\
             Failure-Report: no\r\n-------intrude+\r\n"
        )
        .replacen("SEND", method, 1);
        self.relay.input(stranger.id).extend_from_slice(text.as_bytes());
        self.relay.handle_input(self.now, stranger.id);
    }

    /// What the relay writes reaches whom it is for, and its events are obeyed.
    fn drain(&mut self) {
        loop {
            let mut moved = false;
            for end in &mut self.ends {
                let heard = end.line.hear(&mut self.relay);
                moved |= !heard.is_empty();
                end.session.input().extend_from_slice(&heard);
                end.session.handle_input(self.now);
                while let Some(event) = end.session.poll_event() {
                    if let SessionEvent::Message(message) = event {
                        assert!(self.sent.contains(&message.body[..]), "nobody sent this");
                    }
                }
            }
            for stranger in &mut self.strangers {
                moved |= !stranger.hear(&mut self.relay).is_empty();
            }
            while let Some(event) = self.relay.poll_event() {
                match event {
                    RelayServerEvent::Close(id) => {
                        assert!(self.closing.insert(id), "told once");
                    }
                    RelayServerEvent::Connect { connection, .. } => {
                        self.strangers.push(Line::new(connection));
                    }
                    _ => {}
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn end(mut self) {
        let lines = self.ends.iter().map(|end| &end.line).chain(&self.strangers);
        for line in lines.filter(|line| line.is_open) {
            self.relay.handle_closed(self.now, line.id);
        }
        assert_eq!((self.relay.connection_count(), self.relay.place_count()), (0, 0));
        self.relay.handle_timeout(self.now + Duration::from_hours(2));
        assert_eq!(self.relay.poll_timeout(), None);
    }
}

impl Line {
    fn new(id: ConnectionId) -> Self {
        Self {
            id,
            framer: Framer::new(Limits::default()),
            is_open: true,
        }
    }

    /// What the relay writes to it, which has to be MSRP.
    fn hear(&mut self, relay: &mut MsrpRelay) -> BytesMut {
        let mut heard = BytesMut::new();
        while let Some(bytes) = relay.poll_transmit(self.id) {
            heard.extend_from_slice(&bytes);
        }
        self.framer.input().extend_from_slice(&heard);
        while self.framer.next_frame().expect("a relay writes MSRP").is_some() {}
        heard
    }
}

/// A place for a user, on a connection of its own.
fn place(now: Instant, relay: &mut MsrpRelay, user: &str) -> (ConnectionId, RelayClient) {
    let id = relay.handle_connected(now, true).expect("there is room");
    let own = format!("msrps://{user}.test:7/{user};tcp")
        .parse()
        .expect("a good URI");
    let target = RelayTarget {
        uri: "msrps://relay.test;tcp".parse().expect("a good URI"),
        credentials: Credentials::new(user, "secret"),
    };
    let config = RelayClientConfig::new(own, vec![target]);
    let mut client = RelayClient::new(now, config, Entropy::from_number(5));
    while let Some(bytes) = client.poll_transmit() {
        relay.input(id).extend_from_slice(&bytes);
        relay.handle_input(now, id);
        let mut line = Framer::new(Limits::default());
        while let Some(bytes) = relay.poll_transmit(id) {
            line.input().extend_from_slice(&bytes);
        }
        while let Ok(Some(frame)) = line.next_frame() {
            if let Frame::Head(head) = frame {
                client.handle_response(now, &head);
            }
        }
    }
    while relay.poll_event().is_some() {}
    while client.poll_event().is_some() {}
    (id, client)
}
