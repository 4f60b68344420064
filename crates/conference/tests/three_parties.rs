//! Three parties and the one in the middle, each with a tone of its own: the tones prove who hears whom.

#[path = "../../session/tests/calls/singer.rs"]
mod singer;

use offhook_account::Account;
use offhook_audio_mixer::{DeviceChoice, DeviceOptions};
use offhook_conference::{AudioConference, ConferenceError};
use offhook_sansio::Transport;
use offhook_session::media::{Attachment, StreamId};
use offhook_session::tokio::{
    CommandError, Session, UserAgent, UserAgentConfig, UserAgentEvent, UserAgentEvents,
};
use offhook_session::{AudioStream, SessionError, SessionEvent};
use offhook_sip_core::{NameAddr, Route, SipUri};
use offhook_testkit::audio::tone_level;
use singer::{HEARD, RATE, Singer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

const US: f64 = 500.0;
const BOB: f64 = 900.0;
const CAROL: f64 = 1_300.0;
const DAVE: f64 = 1_700.0;
static ALL: [f64; 4] = [US, BOB, CAROL, DAVE];

fn start() -> (UserAgent, UserAgentEvents) {
    start_with(DeviceOptions {
        input: DeviceChoice::Off,
        output: DeviceChoice::Off,
        ..DeviceOptions::default()
    })
}

fn start_with(sound_devices: DeviceOptions) -> (UserAgent, UserAgentEvents) {
    let config = UserAgentConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        sound_devices,
        ..UserAgentConfig::default()
    };
    UserAgent::start(config).expect("a free port")
}

/// A party that was called by us.
struct Party {
    _agent: UserAgent,
    _events: UserAgentEvents,
    _answered: Session,
    call: Session,
    stream: StreamId,
    singer: Singer,
}

async fn call(us: &UserAgent, hz: f64) -> Party {
    let (agent, mut events) = start();
    let to = agent.local_addr();
    let uri: SipUri = format!("sip:bob@{to}").parse().unwrap();
    let routes = vec![Route::new(Transport::Udp, to)];
    let account = Account::local("alice").unwrap();
    let streams = [AudioStream::offer()];
    let mut call = us
        .call(&account, NameAddr::new(uri.into()), routes, streams)
        .await
        .expect("called");
    let Some(UserAgentEvent::Incoming(answered)) = timeout(PATIENCE, events.next()).await.expect("in time")
    else {
        panic!("not a call")
    };
    let singer = Singer::among(&ALL, hz);
    let stream = AudioStream::offer().with_port(Attachment::TalksAndListens, singer.clone());
    answered.accept([stream]).await.expect("acceptable");
    loop {
        let event = timeout(PATIENCE, call.next_event()).await.expect("in time");
        if matches!(event.expect("it goes on"), SessionEvent::DidStart { .. }) {
            break;
        }
    }
    let stream = call.audio_stream().await.expect("it has one");
    Party {
        _agent: agent,
        _events: events,
        _answered: answered,
        call,
        stream,
        singer,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tones_prove_who_hears_whom() {
    let (us, _events) = start();
    let (bob, carol, dave) = (
        call(&us, BOB).await,
        call(&us, CAROL).await,
        call(&us, DAVE).await,
    );
    let conference = AudioConference::new(&us).await.unwrap();
    conference.add(bob.stream).await.unwrap();
    conference.add(carol.stream).await.unwrap();
    conference
        .add(carol.stream)
        .await
        .expect("nothing, as she is in it");
    bob.singer.comes_to_hear(&[CAROL]).await;
    carol.singer.comes_to_hear(&[BOB]).await;
    dave.singer.comes_to_hear(&[]).await;

    let ours = Singer::among(&ALL, US);
    let port = conference.bridge().add_port(ours.clone()).await.unwrap();
    conference.add(dave.stream).await.unwrap();
    bob.singer.comes_to_hear(&[US, CAROL, DAVE]).await;
    carol.singer.comes_to_hear(&[US, BOB, DAVE]).await;
    dave.singer.comes_to_hear(&[US, BOB, CAROL]).await;
    ours.comes_to_hear(&[BOB, CAROL, DAVE]).await;
    assert_eq!(
        conference.streams().await.unwrap(),
        [bob.stream, carol.stream, dave.stream]
    );

    // One who is on hold hears nobody; what he says is not taken.
    carol.call.hold().await.unwrap();
    carol.singer.comes_to_hear(&[]).await;
    bob.singer.comes_to_hear(&[US, DAVE]).await;
    carol.call.unhold().await.unwrap();
    carol.singer.comes_to_hear(&[US, BOB, DAVE]).await;

    conference.bridge().remove_port(port).await.unwrap();
    conference.remove(dave.stream).await.unwrap();
    dave.singer.comes_to_hear(&[]).await;
    bob.singer.comes_to_hear(&[CAROL]).await;

    // Who hangs up leaves by himself.
    carol.call.end().await.unwrap();
    bob.singer.comes_to_hear(&[]).await;
    let patience = Instant::now() + PATIENCE;
    while conference.streams().await.unwrap() != [bob.stream] {
        assert!(Instant::now() < patience, "she is still in it");
        sleep(Duration::from_millis(20)).await;
    }
    us.stop().await;
}

/// A folder with a microphone that sings for a minute, and room for what the loudspeaker plays.
struct Room(PathBuf);

/// Samples a second of what is written for the loudspeaker.
const PLAYED: u32 = 48_000;

impl Room {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("offhook-conference-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        let mut sung = vec![0; 60 * RATE as usize];
        Singer::among(&ALL, US).sing(&mut sung);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut microphone = hound::WavWriter::create(path.join("microphone.wav"), spec).unwrap();
        for sample in sung {
            microphone.write_sample(sample).unwrap();
        }
        microphone.finalize().unwrap();
        Self(path)
    }

    fn devices(&self) -> DeviceOptions {
        DeviceOptions {
            input: DeviceChoice::File(self.0.join("microphone.wav")),
            output: DeviceChoice::File(self.0.join("loudspeaker.wav")),
            ..DeviceOptions::default()
        }
    }

    /// Which tones the last fifth of a second of the loudspeaker has.
    fn plays(&self) -> Vec<f64> {
        // Its name is that of the part until the device is closed.
        let file = std::fs::read(self.0.join("loudspeaker.wav.part")).unwrap_or_default();
        let samples: Vec<i16> = file
            .chunks_exact(2)
            .skip((file.len() / 2).saturating_sub(PLAYED as usize / 5))
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let is_heard = |hz: &f64| !samples.is_empty() && tone_level(&samples, PLAYED, *hz) > HEARD;
        ALL.into_iter().filter(is_heard).collect()
    }

    async fn comes_to_play(&self, wanted: &[f64]) {
        let patience = Instant::now() + PATIENCE;
        while self.plays() != wanted {
            assert!(
                Instant::now() < patience,
                "{:?} are played, not {wanted:?}",
                self.plays()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_hold_the_others_go_on_without_us() {
    let room = Room::new();
    let (us, _events) = start_with(room.devices());
    let (bob, carol) = (call(&us, BOB).await, call(&us, CAROL).await);
    // Two calls, not joined.
    bob.singer.comes_to_hear(&[US]).await;
    room.comes_to_play(&[BOB, CAROL]).await;

    let conference = AudioConference::new(&us).await.unwrap();
    conference.add(bob.stream).await.unwrap();
    conference.add(carol.stream).await.unwrap();
    assert!(!conference.on_hold());
    bob.singer.comes_to_hear(&[US, CAROL]).await;
    carol.singer.comes_to_hear(&[US, BOB]).await;
    room.comes_to_play(&[BOB, CAROL]).await;

    conference.hold().await.unwrap();
    assert!(conference.on_hold());
    bob.singer.comes_to_hear(&[CAROL]).await;
    carol.singer.comes_to_hear(&[BOB]).await;
    room.comes_to_play(&[]).await;
    // One who leaves meanwhile is with us again.
    conference.remove(carol.stream).await.unwrap();
    carol.singer.comes_to_hear(&[US]).await;
    bob.singer.comes_to_hear(&[]).await;
    room.comes_to_play(&[CAROL]).await;
    conference.add(carol.stream).await.unwrap();
    bob.singer.comes_to_hear(&[CAROL]).await;

    conference.unhold().await.unwrap();
    bob.singer.comes_to_hear(&[US, CAROL]).await;
    room.comes_to_play(&[BOB, CAROL]).await;

    drop(conference);
    bob.singer.comes_to_hear(&[US]).await;
    carol.singer.comes_to_hear(&[US]).await;
    us.stop().await;
}

#[tokio::test]
async fn strangers_are_told() {
    let (us, _events) = start();
    let conference = AudioConference::new(&us).await.unwrap();
    let nobody = StreamId(4711);
    assert!(matches!(
        conference.add(nobody).await,
        Err(ConferenceError::Command(CommandError::Session(
            SessionError::NoAudioStream(stream)
        ))) if stream == nobody
    ));
    assert!(matches!(
        conference.remove(nobody).await,
        Err(ConferenceError::NotAMember(stream)) if stream == nobody
    ));
    let bob = call(&us, BOB).await;
    conference.add(bob.stream).await.unwrap();
    let other = AudioConference::new(&us).await.unwrap();
    assert!(matches!(
        other.add(bob.stream).await,
        Err(ConferenceError::Command(CommandError::Session(
            SessionError::InAnotherBridge(_)
        )))
    ));
    drop(conference);
    other.add(bob.stream).await.expect("the first one is over");
    us.stop().await;
}
