//! Calls between two user agents on loopback, and what is heard of them.

#![allow(dead_code, reason = "each test file uses its own part of this one")]

pub(crate) mod altered;
pub(crate) mod folder;
pub(crate) mod relay;
pub(crate) mod singer;

use offhook_account::Account;
use offhook_sansio::Transport;
use offhook_session::tokio::{Session, UserAgent, UserAgentConfig, UserAgentEvent, UserAgentEvents};
use offhook_session::{MediaStream, SessionEvent, StreamEvent};
use offhook_sip_core::{NameAddr, Route, SipUri};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Longer than any event lets itself be waited for, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn start() -> (UserAgent, UserAgentEvents) {
    start_with(|_| {})
}

/// The same with something other than the defaults.
pub(crate) fn start_with(adjust: impl FnOnce(&mut UserAgentConfig)) -> (UserAgent, UserAgentEvents) {
    let mut config = UserAgentConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..UserAgentConfig::default()
    };
    adjust(&mut config);
    UserAgent::start(config).expect("a free port")
}

pub(crate) async fn call(from: &UserAgent, to: SocketAddr, streams: Vec<Box<dyn MediaStream>>) -> Session {
    let uri: SipUri = format!("sip:bob@{to}").parse().expect("a URI");
    let account = Account::local("alice").expect("a name");
    let routes = vec![Route::new(Transport::Udp, to)];
    from.call_with(&account, NameAddr::new(uri.into()), routes, streams)
        .await
        .expect("called")
}

pub(crate) async fn incoming(events: &mut UserAgentEvents) -> Session {
    let event = timeout(PATIENCE, events.next()).await.expect("in time");
    match event.expect("it runs") {
        UserAgentEvent::Incoming(session) => session,
        _ => panic!("not a call"),
    }
}

/// Two who can call each other.
pub(crate) struct Two {
    pub(crate) alice: (UserAgent, UserAgentEvents),
    pub(crate) bob: (UserAgent, UserAgentEvents),
}

impl Two {
    /// With something other than the defaults.
    pub(crate) fn new(
        hers: impl FnOnce(&mut UserAgentConfig),
        his: impl FnOnce(&mut UserAgentConfig),
    ) -> Self {
        Self {
            alice: start_with(hers),
            bob: start_with(his),
        }
    }

    /// Alice calls Bob with hers, he accepts with his.
    pub(crate) async fn meet(
        &mut self,
        hers: Vec<Box<dyn MediaStream>>,
        his: Vec<Box<dyn MediaStream>>,
    ) -> (Session, Session) {
        let alice = call(&self.alice.0, self.bob.0.local_addr(), hers).await;
        let bob = incoming(&mut self.bob.1).await;
        bob.accept_with(his).await.expect("acceptable");
        (alice, bob)
    }
}

/// Two ends of a session, with what keeps them alive.
pub(crate) struct Pair {
    pub(crate) alice: Session,
    pub(crate) bob: Session,
    _agents: Two,
}

impl Pair {
    /// Alice calls Bob with hers, he accepts with his.
    pub(crate) async fn new(hers: Vec<Box<dyn MediaStream>>, his: Vec<Box<dyn MediaStream>>) -> Self {
        Self::of(Two::new(|_| {}, |_| {}), hers, his).await
    }

    /// The same of these two.
    pub(crate) async fn of(
        mut agents: Two,
        hers: Vec<Box<dyn MediaStream>>,
        his: Vec<Box<dyn MediaStream>>,
    ) -> Self {
        let (alice, bob) = agents.meet(hers, his).await;
        Self {
            alice,
            bob,
            _agents: agents,
        }
    }
}

/// Reads events until one that is chosen; gives what is chosen of it.
pub(crate) async fn until<R>(session: &mut Session, mut choose: impl FnMut(&SessionEvent) -> Option<R>) -> R {
    let mut seen = Vec::new();
    // Statistics go on coming whatever is waited for.
    let end = Instant::now() + PATIENCE;
    loop {
        let event = timeout_at(end, session.next_event()).await;
        let event = event.unwrap_or_else(|_| panic!("nothing came after {seen:#?}"));
        let event = event.unwrap_or_else(|| panic!("the session ended after {seen:#?}"));
        if let Some(result) = choose(&event) {
            return result;
        }
        seen.push(event);
    }
}

pub(crate) async fn until_started(session: &mut Session) {
    until(session, |event| {
        matches!(event, SessionEvent::DidStart { .. }).then_some(())
    })
    .await;
}

/// Why the next stream that fails does.
pub(crate) async fn why_it_failed(session: &mut Session) -> String {
    until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::DidFail { reason },
            ..
        } => Some(reason.clone()),
        _ => None,
    })
    .await
}

/// One stream as the streams of a session.
pub(crate) fn boxed(stream: impl MediaStream) -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(stream)]
}
