//! The device that all streams share, made of files: spoken and heard, muted, changed and lost while calls run.

#![cfg(feature = "tokio")]

mod calls;

use calls::PATIENCE;
use calls::folder::Folder;
use offhook_account::Account;
use offhook_audio_mixer::{
    AudioPort, DeviceChoice, DeviceOptions, Gain, LastingEvent, Produced, Role, Tick, WaveFile,
};
use offhook_sansio::Transport;
use offhook_session::media::Attachment;
use offhook_session::tokio::{Session, UserAgent, UserAgentConfig, UserAgentEvent, UserAgentEvents};
use offhook_session::{AudioStream, SessionEvent};
use offhook_sip_core::{NameAddr, Route, SipUri};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

fn start(sound_devices: DeviceOptions) -> (UserAgent, UserAgentEvents) {
    let config = UserAgentConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        sound_devices,
        ..UserAgentConfig::default()
    };
    UserAgent::start(config).expect("a free port")
}

/// A microphone that is silent, and a file for a loudspeaker.
fn to_file(path: &Path) -> DeviceOptions {
    DeviceOptions {
        input: DeviceChoice::Off,
        output: DeviceChoice::File(path.into()),
        ..DeviceOptions::default()
    }
}

/// Hums at 8 kHz, and knows how loud it hears.
#[derive(Clone, Default)]
struct Hum {
    peak: Arc<AtomicU32>,
}

impl AudioPort for Hum {
    fn sample_rate(&self) -> u32 {
        8_000
    }
    fn role(&self) -> Role {
        Role::BOTH
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        let hum = |n: usize| if n % 16 < 8 { 6_000 } else { -6_000 };
        frame
            .iter_mut()
            .enumerate()
            .for_each(|(n, sample)| *sample = hum(n));
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        let peak = frame.iter().map(|sample| u32::from(sample.unsigned_abs())).max();
        self.peak.store(peak.unwrap_or(0), Ordering::Relaxed);
    }
}

/// A call from one with a shared device to one who hums.
async fn talk(
    alice: &UserAgent,
    bob: &UserAgent,
    bob_events: &mut UserAgentEvents,
) -> (Session, Session, Hum) {
    let to = bob.local_addr();
    let uri: SipUri = format!("sip:bob@{to}").parse().expect("a URI");
    let account = Account::local("alice").expect("a name");
    let routes = vec![Route::new(Transport::Udp, to)];
    let called = alice.call(
        &account,
        NameAddr::new(uri.into()),
        routes,
        [AudioStream::offer()],
    );
    let mut outgoing = called.await.expect("called");
    let event = timeout(PATIENCE, bob_events.next()).await.expect("in time");
    let Some(UserAgentEvent::Incoming(answered)) = event else {
        panic!("not a call")
    };
    let hum = Hum::default();
    let stream = AudioStream::offer().with_port(Attachment::TalksAndListens, hum.clone());
    answered.accept([stream]).await.expect("acceptable");
    loop {
        let event = timeout(PATIENCE, outgoing.next_event()).await.expect("in time");
        if matches!(event.expect("it goes on"), SessionEvent::DidStart { .. }) {
            return (outgoing, answered, hum);
        }
    }
}

async fn sound_event(events: &mut UserAgentEvents) -> LastingEvent {
    loop {
        let event = timeout(PATIENCE, events.next()).await.expect("in time");
        if let UserAgentEvent::SoundDevice(event) = event.expect("it runs") {
            return event;
        }
    }
}

/// What a device writes until it is closed.
fn part(path: &Path) -> PathBuf {
    path.with_extension("wav.part")
}

/// Waits until a device that is open has a second of sound in its file.
async fn until_written(path: &Path) {
    let written = async {
        while std::fs::metadata(part(path)).map_or(0, |file| file.len()) < 96_000 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, written).await.expect("it is written to");
}

/// The loudest sample of a file, of the part from `from` to `to`.
fn peak(path: &Path, from: f32, to: f32) -> u16 {
    let file = WaveFile::load(path, 48_000).expect("a wave file");
    let samples = file.samples();
    let at = |part: f32| (samples.len() as f32 * part) as usize;
    let part = &samples[at(from)..at(to)];
    part.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

/// Waits until it is as loud as told.
async fn until_heard(hum: &Hum, what: &str, loud: impl Fn(u32) -> bool) {
    let heard = async {
        while !loud(hum.peak.load(Ordering::Relaxed)) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, heard).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_call_goes_over_to_another_device() {
    let folder = Folder::new("voice-change");
    let (first, second) = (folder.join("first.wav"), folder.join("second.wav"));
    let ((alice, mut events), (bob, mut bob_events)) =
        (start(to_file(&first)), start(DeviceOptions::default()));
    assert!(!first.exists(), "nothing is open without a call");
    let (outgoing, _answered, _hum) = talk(&alice, &bob, &mut bob_events).await;
    assert_eq!(sound_event(&mut events).await, LastingEvent::Found);
    until_written(&first).await;
    let devices = alice
        .voice()
        .set_sound_devices(to_file(&second), Some(Duration::ZERO));
    devices.await.expect("a file can be made");
    assert_eq!(sound_event(&mut events).await, LastingEvent::Found);
    assert!(peak(&first, 0.5, 1.0) > 4_000, "the first is closed, and loud");
    assert_eq!(alice.voice().tail_length().await, Duration::ZERO);
    until_written(&second).await;
    // A device that cannot be opened is an error, and the call goes on.
    let nowhere = to_file(Path::new("/dev/null/file.wav"));
    assert!(alice.voice().set_sound_devices(nowhere, None).await.is_err());
    assert!(peak(&second, 0.5, 0.9) > 4_000);
    outgoing.end().await.expect("it runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_device_is_lost_and_told_and_the_call_goes_on() {
    let folder = Folder::new("voice-lost");
    let heard = folder.join("heard.wav");
    let ((alice, mut events), (bob, mut bob_events)) =
        (start(to_file(&heard)), start(DeviceOptions::default()));
    let (outgoing, _answered, _hum) = talk(&alice, &bob, &mut bob_events).await;
    assert_eq!(sound_event(&mut events).await, LastingEvent::Found);
    std::fs::remove_file(part(&heard)).expect("it was made");
    let lost = sound_event(&mut events).await;
    assert!(matches!(lost, LastingEvent::Lost(_)), "{lost:?}");
    outgoing.hold().await.expect("the call goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_share_one_device_and_its_mutes_and_volumes() {
    let folder = Folder::new("voice-shared");
    let (spoken, heard) = (folder.join("spoken.wav"), folder.join("heard.wav"));
    let tone: Vec<i16> = (0..8_000 * 60)
        .map(|n| if n % 16 < 8 { 8_000 } else { -8_000 })
        .collect();
    write(&spoken, &tone);
    let devices = DeviceOptions {
        input: DeviceChoice::File(spoken),
        ..to_file(&heard)
    };
    let ((alice, _events), (bob, mut bob_events)) = (start(devices), start(DeviceOptions::default()));
    let (one, _answered_one, first) = talk(&alice, &bob, &mut bob_events).await;
    let (two, _answered_two, second) = talk(&alice, &bob, &mut bob_events).await;
    for hum in [&first, &second] {
        until_heard(hum, "both hear the microphone", |peak| peak > 6_000).await;
    }
    let voice = alice.voice();
    voice.set_input_muted(true).await.expect("it runs");
    for hum in [&first, &second] {
        until_heard(hum, "both hear the mute", |peak| peak < 200).await;
    }
    voice
        .set_input_volume(Gain::from_percent(25))
        .await
        .expect("it runs");
    voice.set_input_muted(false).await.expect("it runs");
    for hum in [&first, &second] {
        until_heard(hum, "both hear the volume", |peak| (1_500..4_000).contains(&peak)).await;
    }
    until_written(&heard).await;
    // Beside the device: the loudspeaker plays it, the calls do not hear it.
    let beep = voice.add(Hum::default()).await.expect("the device is open");
    voice.remove(beep).await.expect("it runs");
    voice.set_output_muted(true).await.expect("it runs");
    one.end().await.expect("it runs");
    until_heard(&second, "the other call still hears", |peak| peak > 1_500).await;
    drop((one, two));
    // Closed with the last call: complete then.
    let closed = async {
        while !heard.exists() || peak(&heard, 0.2, 0.5) < 8_000 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, closed)
        .await
        .expect("both far ends are in the loudspeaker");
}

/// A wave file at 8 kHz.
fn write(path: &Path, samples: &[i16]) {
    let (port, recording) = offhook_audio_mixer::WaveRecorder::start(path, 8_000).expect("writable");
    let mut port = port;
    for (index, frame) in samples.chunks(8_000).enumerate() {
        let tick = Tick {
            now: std::time::Instant::now(),
            index: index as u64,
            duration: Duration::from_secs(1),
        };
        port.consume(&tick, frame);
        // The writer empties the ring meanwhile.
        std::thread::sleep(Duration::from_millis(25));
    }
    drop(port);
    assert_eq!(recording.finish().expect("writable").overruns, 0);
}
