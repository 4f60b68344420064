//! The driver on real sockets: what happens to calls and ports when handles go.

#![cfg(feature = "tokio")]

use offhook_account::Account;
use offhook_sansio::Transport;
use offhook_session::tokio::{
    Session, StartError, UserAgent, UserAgentConfig, UserAgentEvent, UserAgentEvents,
};
use offhook_session::{AudioStream, Originator, SessionEvent};
use offhook_sip_core::tokio::{TlsOptions, Trust};
use offhook_sip_core::{NameAddr, Route, SipUri};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(5);

fn start() -> (UserAgent, UserAgentEvents) {
    let config = UserAgentConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..UserAgentConfig::default()
    };
    UserAgent::start(config).expect("a free port")
}

async fn call(from: &UserAgent, to: SocketAddr) -> Session {
    let uri: SipUri = format!("sip:bob@{to}").parse().expect("a URI");
    let account = Account::local("alice").expect("a name");
    let routes = vec![Route::new(Transport::Udp, to)];
    from.call(
        &account,
        NameAddr::new(uri.into()),
        routes,
        [AudioStream::offer().without_device()],
    )
    .await
    .expect("called")
}

async fn incoming(events: &mut UserAgentEvents) -> Session {
    let event = timeout(PATIENCE, events.next()).await.expect("in time");
    match event.expect("it runs") {
        UserAgentEvent::Incoming(session) => session,
        _ => panic!("not a call"),
    }
}

/// The last event of a session.
async fn last(session: &mut Session) -> SessionEvent {
    let mut last = None;
    while let Some(event) = timeout(PATIENCE, session.next_event()).await.expect("in time") {
        last = Some(event);
    }
    last.expect("an end")
}

async fn until_started(session: &mut Session) {
    loop {
        let event = timeout(PATIENCE, session.next_event()).await.expect("in time");
        if matches!(event.expect("it goes on"), SessionEvent::DidStart { .. }) {
            return;
        }
    }
}

/// Waits until somebody else can have the port.
async fn until_free(address: SocketAddr) {
    let freed = timeout(PATIENCE, async {
        while UdpSocket::bind(address).is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    freed.await.expect("the port is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_an_established_session_hangs_up() {
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let mut outgoing = call(&alice, bob.local_addr()).await;
    let mut answered = incoming(&mut bob_events).await;
    answered
        .accept([AudioStream::offer().without_device()])
        .await
        .expect("acceptable");
    until_started(&mut outgoing).await;
    drop(outgoing);
    let end = last(&mut answered).await;
    assert!(
        matches!(
            end,
            SessionEvent::DidEnd {
                originator: Originator::Remote,
                ..
            }
        ),
        "{end:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_an_incoming_session_says_that_nobody_is_there() {
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let mut outgoing = call(&alice, bob.local_addr()).await;
    drop(incoming(&mut bob_events).await);
    let end = last(&mut outgoing).await;
    assert!(
        matches!(
            end,
            SessionEvent::DidFail {
                originator: Originator::Remote,
                code: 480,
                ..
            }
        ),
        "{end:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_everything_without_a_stop_ends_the_call_and_gives_the_ports_back() {
    let ((alice, alice_events), (bob, mut bob_events)) = (start(), start());
    let address = alice.local_addr();
    let mut outgoing = call(&alice, bob.local_addr()).await;
    let mut answered = incoming(&mut bob_events).await;
    answered
        .accept([AudioStream::offer().without_device()])
        .await
        .expect("acceptable");
    until_started(&mut outgoing).await;
    drop((alice, alice_events, outgoing));
    let end = last(&mut answered).await;
    assert!(
        matches!(
            end,
            SessionEvent::DidEnd {
                originator: Originator::Remote,
                ..
            }
        ),
        "{end:?}"
    );
    until_free(address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_agent_lives_as_long_as_its_last_session() {
    let ((alice, alice_events), (bob, mut bob_events)) = (start(), start());
    let mut outgoing = call(&alice, bob.local_addr()).await;
    drop((alice, alice_events));
    let answered = incoming(&mut bob_events).await;
    answered
        .accept([AudioStream::offer().without_device()])
        .await
        .expect("acceptable");
    until_started(&mut outgoing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_running_calls_on_both_sides() {
    let ((alice, mut alice_events), (bob, mut bob_events)) = (start(), start());
    let mut outgoing = call(&alice, bob.local_addr()).await;
    let mut answered = incoming(&mut bob_events).await;
    answered
        .accept([AudioStream::offer().without_device()])
        .await
        .expect("acceptable");
    until_started(&mut outgoing).await;
    let address = alice.local_addr();
    timeout(PATIENCE, alice.stop()).await.expect("in time");
    let (here, there) = (last(&mut outgoing).await, last(&mut answered).await);
    assert!(
        matches!(
            here,
            SessionEvent::DidEnd {
                originator: Originator::Local,
                ..
            }
        ),
        "{here:?}"
    );
    assert!(
        matches!(
            there,
            SessionEvent::DidEnd {
                originator: Originator::Remote,
                ..
            }
        ),
        "{there:?}"
    );
    assert!(alice_events.next().await.is_none());
    until_free(address).await;
    assert!(outgoing.hold().await.is_err(), "nobody is there to hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_leave_no_media_port_behind() {
    // Twenty pairs of ports: the calls can only pass when each gives its own back.
    let (bob, mut bob_events) = start();
    let config = UserAgentConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        rtp_ports: 41_000..=41_039,
        ..UserAgentConfig::default()
    };
    let (alice, _alice_events) = UserAgent::start(config).expect("a free port");
    for number in 0..100 {
        let mut outgoing = call(&alice, bob.local_addr()).await;
        let answered = incoming(&mut bob_events).await;
        if number % 2 == 0 {
            answered
                .accept([AudioStream::offer().without_device()])
                .await
                .expect("acceptable");
            until_started(&mut outgoing).await;
            outgoing.end().await.expect("established");
        }
        drop(answered);
        last(&mut outgoing).await;
    }
}

#[tokio::test]
async fn udp_and_one_stream_have_one_port_and_the_next_stream_the_next() {
    let with = |transports: &[Transport]| UserAgentConfig {
        listen: "127.0.0.1:0".parse().expect("valid"),
        transports: transports.to_vec(),
        ..UserAgentConfig::default()
    };
    let (agent, _events) = UserAgent::start(with(&[Transport::Udp, Transport::Tcp])).expect("free ports");
    let address = agent.local_addr();
    assert_eq!(
        agent.locals(),
        [(Transport::Udp, address), (Transport::Tcp, address)]
    );
    agent.stop().await;
    let three = [Transport::Udp, Transport::Tcp, Transport::Ws];
    let (agent, _events) = UserAgent::start(with(&three)).expect("free ports");
    let ports: Vec<u16> = agent.locals().iter().map(|(_, address)| address.port()).collect();
    assert_eq!(ports, [ports[0], ports[0], ports[0] + 1]);
    agent.stop().await;
    let none = UserAgent::start(with(&[])).err();
    assert!(matches!(none, Some(StartError::NoTransport)));
    let missing = UserAgentConfig {
        tls: TlsOptions {
            trust: Trust::CaFile("/nowhere/ca.pem".into()),
            ..TlsOptions::default()
        },
        ..with(&[Transport::Tls])
    };
    assert!(matches!(
        UserAgent::start(missing).err(),
        Some(StartError::Tls(_))
    ));
}

#[tokio::test]
async fn ports_change_and_transports_come_and_go_while_it_runs() {
    let listen = "127.0.0.1:0".parse().expect("valid");
    let config = UserAgentConfig {
        listen,
        ..UserAgentConfig::default()
    };
    let (agent, _events) = UserAgent::start(config).expect("a free port");
    let old = agent.local_addr();
    agent.set_local_udp_port(Some(0)).await.expect("a free port");
    assert_ne!(agent.local_addr(), old);
    UdpSocket::bind(old).expect("the old port is free");
    agent.set_local_tcp_port(Some(0)).await.expect("a free port");
    let kinds = |agent: &UserAgent| -> Vec<Transport> {
        agent
            .locals()
            .into_iter()
            .map(|(transport, _)| transport)
            .collect()
    };
    assert_eq!(kinds(&agent), [Transport::Udp, Transport::Tcp]);
    let tls = TlsOptions {
        verify_server: false,
        ..TlsOptions::default()
    };
    agent.set_tls_options(Some(0), &tls).await.expect("a free port");
    agent.set_local_udp_port(None).await.expect("nothing to open");
    assert_eq!(kinds(&agent), [Transport::Tcp, Transport::Tls]);
    let broken = TlsOptions {
        trust: Trust::CaFile("/nowhere/ca.pem".into()),
        ..TlsOptions::default()
    };
    assert!(agent.set_tls_options(None, &broken).await.is_err());
    agent.set_tls_options(None, &tls).await.expect("nothing to open");
    agent.set_local_tcp_port(None).await.expect("nothing to open");
    assert_eq!(agent.local_addr().port(), 0, "nowhere");
    agent.stop().await;
}
