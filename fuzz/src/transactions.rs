//! Sequences of operations against a SIP endpoint: what the peer, the clock and the owner can do, in any order.

use offhook_sansio::{Entropy, Path, Received, Transmit, Transport};
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, EndpointLimits, InvitationId, Invite, Method, Refer,
    Reliability, Route, StatusCode, TransactionLimits,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TRANSACTIONS: TransactionLimits = TransactionLimits {
    client: 32,
    server: 32,
    server_per_source: 16,
};
const INVITATIONS: usize = 8;

fn limits() -> EndpointLimits {
    EndpointLimits {
        transactions: TRANSACTIONS,
        invitations: INVITATIONS,
        forks: 4,
        registrations: 2,
        server_names: 8,
        ..EndpointLimits::default()
    }
}

/// One endpoint whose peer sends whatever it likes: requests that reuse branches, tags and numbers, responses to
/// what was sent, and raw bytes. Its tables stay within their limits, and its timers make progress.
pub fn transactions_ops(data: &[u8]) {
    let mut ops = Ops(data);
    let mut world = World::new();
    while let Some(op) = ops.byte() {
        match op % 8 {
            0 | 1 => world.request(&mut ops),
            2 | 3 => world.response(&mut ops),
            4 => world.pass_time(Duration::from_millis(u64::from(ops.byte().unwrap_or(0)) * 50)),
            5 => world.command(&mut ops),
            6 => world.invite(),
            _ => world.raw(&mut ops),
        }
        world.check();
    }
    world.pass_time(Duration::from_secs(300));
    world.check();
}

/// Two endpoints that call each other over a link that loses what the data says. After all calls are ended and
/// enough time has passed, neither remembers anything.
pub fn dialog_ops(data: &[u8]) {
    let mut ops = Ops(data);
    let mut pair = Pair::new(ops.byte().unwrap_or(0) % 200);
    while let Some(op) = ops.byte() {
        let who = usize::from(op & 1);
        match (op >> 1) % 8 {
            0 => pair.invite(who),
            1..=5 => {
                let command = ops.byte().unwrap_or(0);
                pair.with_call(who, |endpoint, id, now| act(endpoint, id, now, command));
            }
            _ => pair.run(Duration::from_millis(u64::from(ops.byte().unwrap_or(0)) * 40)),
        }
    }
    for _ in 0..5 {
        let now = pair.now;
        for endpoint in &mut pair.endpoints {
            endpoint.end_all(now);
        }
        pair.run(Duration::from_secs(100));
    }
    for endpoint in &pair.endpoints {
        assert_eq!(endpoint.invitation_count(), 0);
        assert_eq!(endpoint.transactions().client_count(), 0);
        assert_eq!(endpoint.transactions().server_count(), 0);
        assert_eq!(endpoint.poll_timeout(), None);
    }
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

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5060))
}

fn endpoint(own: SocketAddr, seed: u64) -> Endpoint {
    let mut config = EndpointConfig {
        limits: limits(),
        reliability: Reliability::Preferred,
        ..EndpointConfig::default()
    };
    config.allow.push(Method::Refer);
    let mut endpoint = Endpoint::new(config, Entropy::from_number(seed));
    endpoint.add_local(Transport::Udp, own);
    endpoint
}

fn invite(to: SocketAddr) -> Invite {
    let from = "sip:a@a.test".parse().expect("it is a URI");
    let target = "sip:b@b.test".parse().expect("it is a URI");
    Invite {
        offer: Some(Body::sdp("offer")),
        ..Invite::new(
            offhook_sip_core::NameAddr::new(from),
            target,
            Route::new(Transport::Udp, to),
        )
    }
}

fn act(endpoint: &mut Endpoint, id: InvitationId, now: Instant, command: u8) {
    let Some(mut call) = endpoint.invitation(id) else {
        return;
    };
    let body = Body::sdp("body");
    // Whether the state allows it is the endpoint's affair.
    let _ = match command % 17 {
        0 => call.ring(now),
        1 | 2 => call.accept(now, Some(&body)),
        3 => call.reject(now, StatusCode::BUSY_HERE, None, &[]),
        4 => call.reinvite(now, Some(body)),
        5 => call.reinvite(now, None),
        6 => call.cancel_reinvite(now),
        7 => call.respond_to_reinvite(now, StatusCode::OK, Some(&body)),
        8 => call.respond_provisionally(now, StatusCode::SESSION_PROGRESS, Some(&body)),
        9 => call.update(now, Some(body), &[]),
        10 => call.update(now, None, &[]),
        11 => call.respond_to_update(now, StatusCode::OK, Some(&body)),
        12 => call.offer_in_prack(body),
        13 => call.info(now, None, Some(&body)).map(|_| ()),
        14 => call
            .refer(now, &Refer::new("sip:c@c.test".parse().expect("it is a URI")))
            .map(|_| ()),
        15 => call.respond_provisionally(now, StatusCode::RINGING, None),
        _ => call.end(now),
    };
}

struct World {
    now: Instant,
    endpoint: Endpoint,
    path: Path,
    sent: VecDeque<String>,
    calls: VecDeque<InvitationId>,
}

impl World {
    fn new() -> Self {
        let (own, peer) = (address(1), address(2));
        Self {
            now: Instant::now(),
            endpoint: endpoint(own, 1),
            path: Path::new(Transport::Udp, own, peer),
            sent: VecDeque::new(),
            calls: VecDeque::new(),
        }
    }

    fn check(&mut self) {
        while let Some(Transmit { bytes, .. }) = self.endpoint.poll_transmit() {
            self.sent.push_front(String::from_utf8_lossy(&bytes).into_owned());
            self.sent.truncate(8);
        }
        while let Some(event) = self.endpoint.poll_event() {
            if let EndpointEvent::Invitation { id, .. } = event
                && !self.calls.contains(&id)
            {
                self.calls.push_front(id);
                self.calls.truncate(8);
            }
        }
        assert!(self.endpoint.invitation_count() <= INVITATIONS);
        assert!(self.endpoint.transactions().client_count() <= TRANSACTIONS.client);
        assert!(self.endpoint.transactions().server_count() <= TRANSACTIONS.server);
    }

    fn pass_time(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            let next = self.endpoint.poll_timeout();
            assert!(
                next.is_none_or(|next| next > self.now),
                "no timer is due after handle_timeout"
            );
            self.check();
        }
        self.now = end;
    }

    fn receive(&mut self, bytes: Vec<u8>) {
        let received = Received {
            path: self.path,
            bytes: bytes.into(),
        };
        self.endpoint.handle_received(self.now, received);
    }

    fn request(&mut self, ops: &mut Ops<'_>) {
        let method = ops.pick(&[
            "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO", "REFER",
            "NOTIFY", "X",
        ]);
        let branch = ops.pick(&[";branch=z9hG4bK1", ";branch=z9hG4bK2", ";branch=z9hG4bK3", ""]);
        let number = ops.byte().unwrap_or(1) % 4;
        let last = self.sent.iter().find(|text| text.contains("\r\nTo: "));
        let to_tag = last
            .and_then(|text| {
                text.lines()
                    .find(|line| line.starts_with("To: "))?
                    .split_once(";tag=")
            })
            .map_or(String::new(), |(_, tag)| format!(";tag={tag}"));
        let to_tag = if ops.byte().unwrap_or(0).is_multiple_of(2) {
            ""
        } else {
            to_tag.as_str()
        };
        let contact = ops.pick(&[
            "Contact: <sip:p@192.0.2.2>\r\n",
            "Contact: <sip:p@p.test>\r\n",
            "Contact: <sip:p@192.0.2.2>\r\nRequire: 100rel\r\nSession-Expires: 90\r\n",
            "RAck: 1 1 INVITE\r\n",
            "Refer-To: <sip:c@c.test>\r\nContact: <sip:p@192.0.2.2>\r\n",
            "Event: refer\r\nSubscription-State: active\r\n",
            "",
        ]);
        let body = ops.pick(&["", "offer"]);
        let text = format!(
            "{method} sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2{branch}\r\nFrom: <sip:p@p.test>;tag=p\r\n\
             To: <sip:b@192.0.2.1>{to_tag}\r\nCall-ID: c\r\nCSeq: {number} {method}\r\n{contact}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.receive(text.into_bytes());
    }

    fn response(&mut self, ops: &mut Ops<'_>) {
        let index = usize::from(ops.byte().unwrap_or(0)) % 8;
        let status = ops.pick(&[
            "100", "180", "200", "302", "401", "481", "487", "491", "503", "603",
        ]);
        let tag = ops.pick(&[";tag=x", ";tag=y", ""]);
        let Some(request) = self.sent.get(index).filter(|text| !text.starts_with("SIP/")) else {
            return;
        };
        let mut text = format!("SIP/2.0 {status} X\r\n");
        for line in request.split("\r\n").skip(1).take_while(|line| !line.is_empty()) {
            if ["Via", "From", "Call-ID", "CSeq"]
                .iter()
                .any(|name| line.starts_with(name))
            {
                text += &format!("{line}\r\n");
            } else if line.starts_with("To") {
                let tag = if line.contains(";tag=") { "" } else { tag };
                text += &format!("{line}{tag}\r\n");
            }
        }
        text += ops.pick(&[
            "",
            "Require: 100rel\r\nRSeq: 1\r\n",
            "Require: 100rel\r\nRSeq: 2\r\n",
            "Min-SE: 2000\r\n",
        ]);
        text += "Contact: <sip:p@192.0.2.2>\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\nsdp";
        self.receive(text.into_bytes());
    }

    fn command(&mut self, ops: &mut Ops<'_>) {
        let index = usize::from(ops.byte().unwrap_or(0)) % 8;
        let command = ops.byte().unwrap_or(0);
        if command == 255 {
            self.endpoint.handle_transport_error(self.now, self.path);
        } else if let Some(id) = self.calls.get(index) {
            act(&mut self.endpoint, *id, self.now, command);
        }
    }

    fn invite(&mut self) {
        // It may be one call too many.
        let _ = self.endpoint.invite(self.now, invite(self.path.remote));
    }

    fn raw(&mut self, ops: &mut Ops<'_>) {
        let len = usize::from(ops.byte().unwrap_or(0));
        let bytes = ops.take(len).to_vec();
        self.receive(bytes);
    }
}

struct Pair {
    now: Instant,
    endpoints: [Endpoint; 2],
    calls: [Option<InvitationId>; 2],
    flying: VecDeque<(Instant, usize, Transmit)>,
    chance: Entropy,
    loss: u8,
}

impl Pair {
    fn new(loss: u8) -> Self {
        Self {
            now: Instant::now(),
            endpoints: [endpoint(address(1), 1), endpoint(address(2), 2)],
            calls: [None, None],
            flying: VecDeque::new(),
            chance: Entropy::from_number(3),
            loss,
        }
    }

    fn invite(&mut self, who: usize) {
        let to = address(2 - who as u8);
        // It may be one call too many.
        let _ = self.endpoints[who].invite(self.now, invite(to));
        self.drain();
    }

    fn with_call(&mut self, who: usize, act: impl FnOnce(&mut Endpoint, InvitationId, Instant)) {
        if let Some(id) = self.calls[who] {
            act(&mut self.endpoints[who], id, self.now);
        }
        self.drain();
    }

    fn drain(&mut self) {
        for who in 0..2 {
            while let Some(transmit) = self.endpoints[who].poll_transmit() {
                if self.chance.below(256) >= u32::from(self.loss) {
                    let at = self.now + Duration::from_millis(10);
                    self.flying.push_back((at, 1 - who, transmit));
                }
            }
            while let Some(event) = self.endpoints[who].poll_event() {
                if let EndpointEvent::Invitation { id, .. } = event {
                    self.calls[who] = Some(id);
                }
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            let timers = self.endpoints.iter().filter_map(Endpoint::poll_timeout);
            let next = timers.chain(self.flying.front().map(|(at, ..)| *at)).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some((_, to, transmit)) = self.flying.pop_front_if(|(at, ..)| *at <= self.now) {
                let Transmit { path, bytes } = transmit;
                let path = Path::new(path.transport, path.remote, path.local);
                self.endpoints[to].handle_received(self.now, Received { path, bytes });
                self.drain();
            }
            for endpoint in &mut self.endpoints {
                endpoint.handle_timeout(self.now);
            }
        }
        self.now = end;
    }
}
