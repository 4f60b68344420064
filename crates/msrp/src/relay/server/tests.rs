use super::*;
use crate::framer::Framer;
use crate::relay::{RelayClient, RelayClientConfig, RelayEvent, RelayTarget};
use crate::uri::{MsrpPath, MsrpUri};
use offhook_digest::Credentials;
use std::time::Duration;

mod flow;
mod relays;
mod rules;
mod sessions;

const RELAY: &str = "msrps://relay.test:2855;tcp";

/// A relay with users alice and bob, and a clock.
struct World {
    now: Instant,
    relay: MsrpRelay,
    events: Vec<RelayServerEvent>,
}

impl World {
    fn new(adjust: impl FnOnce(&mut RelayConfig)) -> Self {
        let mut config = RelayConfig::new(RELAY.parse().unwrap());
        for user in ["alice", "bob"] {
            config
                .users
                .insert(user.to_owned(), RelayUser::new(format!("{user}pw")));
        }
        adjust(&mut config);
        Self {
            now: Instant::now(),
            relay: MsrpRelay::new(config, Entropy::from_number(7)),
            events: Vec::new(),
        }
    }

    fn connect(&mut self) -> ConnectionId {
        self.relay
            .handle_connected(self.now, true)
            .expect("there is room")
    }

    fn say(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.relay.input(connection).extend_from_slice(bytes);
        self.relay.handle_input(self.now, connection);
        self.note();
    }

    fn hear(&mut self, connection: ConnectionId) -> String {
        let mut heard = Vec::new();
        while let Some(bytes) = self.relay.poll_transmit(connection) {
            heard.extend_from_slice(&bytes);
        }
        self.note();
        String::from_utf8(heard).expect("tests write text")
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.relay.handle_timeout(self.now);
        self.note();
    }

    fn note(&mut self) {
        while let Some(event) = self.relay.poll_event() {
            self.events.push(event);
        }
    }

    fn is_closing(&self, connection: ConnectionId) -> bool {
        self.events.contains(&RelayServerEvent::Close(connection))
    }

    /// Whom the relay opened a connection to.
    fn opened(&self) -> Vec<(ConnectionId, String)> {
        let opened = self.events.iter().filter_map(|event| match event {
            RelayServerEvent::Connect { connection, uri } => Some((*connection, uri.to_string())),
            _ => None,
        });
        opened.collect()
    }

    /// Carries between a client and the relay until the client has nothing more to say.
    fn converse(&mut self, connection: ConnectionId, client: &mut RelayClient) -> Vec<RelayEvent> {
        let mut framer = Framer::new(crate::chunk::Limits::default());
        let mut events = Vec::new();
        while let Some(bytes) = client.poll_transmit() {
            self.say(connection, &bytes);
            framer.input().extend_from_slice(self.hear(connection).as_bytes());
            while let Ok(Some(frame)) = framer.next_frame() {
                if let Frame::Head(head) = frame {
                    client.handle_response(self.now, &head);
                }
            }
            events.extend(std::iter::from_fn(|| client.poll_event()));
        }
        events
    }

    fn client(&self, user: &str) -> RelayClient {
        let own = format!("msrps://{user}.test:7/{user}1;tcp").parse().unwrap();
        RelayClient::new(self.now, client_config(own, user), Entropy::from_number(3))
    }

    /// A place for a user on a connection of its own.
    fn place(&mut self, user: &str) -> (ConnectionId, MsrpPath) {
        let connection = self.connect();
        let mut client = self.client(user);
        match &self.converse(connection, &mut client)[..] {
            [RelayEvent::Placed(path)] => (connection, path.clone()),
            events => panic!("{events:?}"),
        }
    }
}

fn client_config(own: MsrpUri, user: &str) -> RelayClientConfig {
    let relay = RelayTarget {
        uri: "msrps://relay.test;tcp".parse().unwrap(),
        credentials: Credentials::new(user, format!("{user}pw")),
    };
    RelayClientConfig::new(own, vec![relay])
}

/// A SEND of one chunk.
fn send(id: &str, to: &str, from: &str, fields: &str, body: &str) -> String {
    format!(
        "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: m{id}\r\n{fields}\
         Content-Type: text/plain\r\n\r\n{body}\r\n-------{id}$\r\n"
    )
}

/// The transaction identifiers of requests with this method in what a connection heard.
fn ids<'t>(heard: &'t str, method: &str) -> Vec<&'t str> {
    heard
        .lines()
        .filter_map(|line| {
            line.strip_prefix("MSRP ")?
                .strip_suffix(method)?
                .strip_suffix(' ')
        })
        .collect()
}
