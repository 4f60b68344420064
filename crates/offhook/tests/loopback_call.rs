//! Whole calls on the loopback, by the facade alone: what is heard, and what is said when there is nothing to hear.

use offhook::{
    Application, ApplicationEvent, Attachment, AudioCodec, AudioStream, JitterConfig, MemoryStorage,
    Originator, PlayerOptions, Recording, Session, SessionEvent, StatusCode, Transport, WaveFile, WavePlayer,
    WaveRecorder,
};
use offhook_testkit::audio::{Thresholds, compare, tune};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const RATE: u32 = 8000;

/// Silence before the sound, so that it does not begin before the other side's jitter buffer has filled.
const LEAD: Duration = Duration::from_millis(300);

/// What the jitter buffers keep.
const JITTER_DELAY: Duration = Duration::from_millis(120);

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn both_sides_hear_what_the_other_plays() {
    let folder = scratch("both_sides");
    let melody = tune(RATE, 4.8);
    let (by_caller, by_agent) = melody.split_at(melody.len() / 2);
    let (agent, caller) = two_applications().await;
    let (offer, caller_heard) = stream(by_caller, &folder.join("caller.wav"));
    let (answer, agent_heard) = stream(by_agent, &folder.join("agent.wav"));

    let mut outgoing = call(&caller, &agent, offer).await;
    let mut incoming = next_call(&agent).await;
    incoming.accept([answer]).await.unwrap();
    until_started(&mut outgoing).await;
    sleep(Duration::from_secs(3)).await;
    outgoing.end().await.unwrap();
    assert_eq!(until_ended(&mut outgoing).await, Originator::Local);
    assert_eq!(until_ended(&mut incoming).await, Originator::Remote);
    agent.stop().await;
    caller.stop().await;

    for (what, played, recording) in [
        ("agent", by_caller, agent_heard),
        ("caller", by_agent, caller_heard),
    ] {
        let path = recording.path().to_owned();
        recording.finish().unwrap();
        let heard = WaveFile::load(path, RATE).unwrap();
        let quality = compare(played, heard.samples(), RATE);
        // The source is not companded here: companding alone leaves about 25 dB. The demo measures what the call adds.
        let thresholds = Thresholds {
            segmental_snr: 20.0,
            ..Thresholds::default()
        };
        assert_eq!(quality.check(&thresholds), Ok(()), "the {what} heard {quality}");
        assert!(
            quality.compared > Duration::from_millis(2350),
            "the {what} heard {quality}"
        );
        let least_delay = (LEAD + JITTER_DELAY).as_secs_f64() - 0.02;
        assert!(
            quality.delay_seconds() > least_delay,
            "the {what} heard {quality}"
        );
    }
}

/// Linux tells unconnected sockets of ICMP errors; elsewhere the timers of SIP do, after 32 s.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_call_to_a_port_where_nobody_listens_fails_at_once() {
    // Bound and closed again: nobody listens there now.
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let caller = application().await;
    let uri = format!("sip:nobody@{free}").parse().unwrap();
    let begin = Instant::now();
    let mut session = caller
        .call(uri, [AudioStream::offer().without_device()])
        .await
        .unwrap();
    let (code, reason) = until_failed(&mut session).await;
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "told after {:?}",
        begin.elapsed()
    );
    assert_eq!(code, 503, "{reason}");
    caller.stop().await;
}

#[tokio::test]
async fn a_refused_call_fails_with_the_code_of_the_other_side() {
    let (agent, caller) = two_applications().await;
    let mut outgoing = call(&caller, &agent, AudioStream::offer().without_device()).await;
    let mut incoming = next_call(&agent).await;
    incoming.reject(StatusCode::BUSY_HERE).await.unwrap();
    assert_eq!(until_failed(&mut outgoing).await.0, 486);
    assert_eq!(until_failed(&mut incoming).await.0, 486);
    agent.stop().await;
    caller.stop().await;
}

#[tokio::test]
async fn a_call_that_is_given_up_while_it_rings_stops_ringing() {
    let (agent, caller) = two_applications().await;
    let mut outgoing = call(&caller, &agent, AudioStream::offer().without_device()).await;
    let mut incoming = next_call(&agent).await;
    incoming.send_ring_indication().await.unwrap();
    until(&mut outgoing, |event| {
        matches!(event, SessionEvent::GotRingIndication).then_some(())
    })
    .await;
    outgoing.end().await.unwrap();
    assert_eq!(until_failed(&mut outgoing).await.0, 487);
    assert_eq!(until_failed(&mut incoming).await.0, 487);
    agent.stop().await;
    caller.stop().await;
}

/// `set_local_tcp_port` of the documents: a transport that was not there at the start is found by the lookup once it is.
#[tokio::test]
async fn a_call_goes_by_tcp_once_both_have_opened_it() {
    let (agent, caller) = two_applications().await;
    for app in [&agent, &caller] {
        app.set_local_tcp_port(Some(0)).await.unwrap();
        app.set_local_udp_port(None).await.unwrap();
    }
    let (transport, address) = agent.locals()[0];
    assert_eq!((transport, agent.locals().len()), (Transport::Tcp, 1));
    let uri = format!("sip:agent@{address};transport=tcp").parse().unwrap();
    let offer = [AudioStream::offer().without_device()];
    let mut outgoing = caller.call(uri, offer).await.unwrap();
    let incoming = next_call(&agent).await;
    incoming.reject(StatusCode::BUSY_HERE).await.unwrap();
    assert_eq!(until_failed(&mut outgoing).await.0, 486);
    agent.stop().await;
    caller.stop().await;
}

async fn application() -> Application {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let builder = Application::builder(MemoryStorage::new()).listen(loopback);
    builder.sample_rate(RATE).start().await.unwrap()
}

async fn two_applications() -> (Application, Application) {
    (application().await, application().await)
}

async fn call(caller: &Application, agent: &Application, stream: AudioStream) -> Session {
    let uri = format!("sip:agent@{}", agent.local_addr()).parse().unwrap();
    caller.call(uri, [stream]).await.unwrap()
}

async fn next_call(agent: &Application) -> Session {
    match timeout(PATIENCE, agent.next_event()).await.unwrap() {
        Some(ApplicationEvent::Incoming(session)) => session,
        _ => panic!("no call came in"),
    }
}

/// A PCMU stream that plays samples, after a moment for the other side's jitter buffer, and records.
fn stream(played: &[i16], heard: &Path) -> (AudioStream, Recording) {
    let options = PlayerOptions {
        initial_play: false,
        pause_time: LEAD,
        ..PlayerOptions::default()
    };
    let mut player = WavePlayer::new(WaveFile::from_samples(RATE, played), options);
    player.start();
    let (recorder, recording) = WaveRecorder::start(heard, RATE).unwrap();
    // The machine may be busy with other tests: media threads that come late shall not be heard.
    let patient = JitterConfig {
        min_delay: JITTER_DELAY,
        initial_delay: JITTER_DELAY,
        ..JitterConfig::default()
    };
    let stream = AudioStream::offer()
        .with_codecs(&[AudioCodec::Pcmu])
        .with_jitter(patient)
        .with_port(Attachment::Talks, player)
        .with_port(Attachment::Listens, recorder);
    (stream, recording)
}

async fn until_started(session: &mut Session) {
    until(session, |event| {
        matches!(event, SessionEvent::DidStart { .. }).then_some(())
    })
    .await;
}

async fn until_ended(session: &mut Session) -> Originator {
    until(session, |event| match event {
        SessionEvent::DidEnd { originator, .. } => Some(originator),
        _ => None,
    })
    .await
}

async fn until_failed(session: &mut Session) -> (u16, String) {
    until(session, |event| match event {
        SessionEvent::DidFail { code, reason, .. } => Some((code, reason)),
        _ => None,
    })
    .await
}

/// Passes events over until one of them is what is waited for.
async fn until<T>(session: &mut Session, wanted: impl Fn(SessionEvent) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = session.next_event().await.expect("the session is over");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    timeout(PATIENCE, search)
        .await
        .expect("the event did not come in time")
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
