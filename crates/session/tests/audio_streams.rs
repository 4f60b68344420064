//! Audio between two user agents on loopback: recorded, held with music, and spoken by another codec. Tones prove who hears whom.

#![cfg(feature = "tokio")]

mod calls;

use calls::folder::Folder;
use calls::singer::{HEARD, RATE, Singer};
use calls::{PATIENCE, Pair, Two, boxed, until, until_started};
use offhook_audio_mixer::WaveFile;
use offhook_rtp_media::codec::AudioCodec;
use offhook_session::media::Attachment;
use offhook_session::tokio::{RecordingOptions, Session};
use offhook_session::{
    AudioEvent, AudioStream, MediaStream, RecordedParties, SessionEvent, StreamDescription, StreamEvent,
};
use offhook_testkit::audio::tone_level;
use std::path::Path;
use std::time::{Duration, Instant};

const US: f64 = 500.0;
const BOB: f64 = 900.0;
const MUSIC: f64 = 1_300.0;
static ALL: [f64; 3] = [US, BOB, MUSIC];

fn singing(stream: AudioStream, hz: f64) -> (AudioStream, Singer) {
    let singer = Singer::among(&ALL, hz);
    let stream = stream.with_port(Attachment::TalksAndListens, singer.clone());
    (stream, singer)
}

/// Alice and Bob, who hear each other already.
struct Duet {
    pair: Pair,
    alice: Singer,
    bob: Singer,
}

impl Duet {
    async fn new(hers: AudioStream, his: AudioStream) -> Self {
        Self::among(Two::new(|_| {}, |_| {}), hers, his).await
    }

    async fn among(two: Two, hers: AudioStream, his: AudioStream) -> Self {
        let ((hers, alice), (his, bob)) = (singing(hers, US), singing(his, BOB));
        let mut pair = Pair::of(two, boxed(hers), boxed(his)).await;
        until_started(&mut pair.alice).await;
        until_started(&mut pair.bob).await;
        let duet = Self { pair, alice, bob };
        duet.hear_each_other().await;
        duet
    }

    async fn hear_each_other(&self) {
        self.alice.comes_to_hear(&[BOB]).await;
        self.bob.comes_to_hear(&[US]).await;
    }
}

async fn audio_event<R>(session: &mut Session, mut choose: impl FnMut(&AudioEvent) -> Option<R>) -> R {
    until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::Audio(event),
            ..
        } => choose(event),
        _ => None,
    })
    .await
}

/// Waits until so many seconds of so many channels are in a file.
async fn until_recorded(path: &Path, seconds: u64, channels: u64) {
    let end = Instant::now() + PATIENCE;
    while std::fs::metadata(path).map_or(0, |file| file.len()) < seconds * channels * 2 * 48_000 {
        assert!(Instant::now() < end, "{} does not grow", path.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The tones of each fifth of a second of each channel.
fn tones(path: &Path) -> Vec<Vec<Vec<f64>>> {
    let mut file = hound::WavReader::open(path).expect("a wave file");
    let spec = file.spec();
    let samples: Vec<i16> = file.samples().map(|sample| sample.expect("whole")).collect();
    let of_channel = |channel: usize| {
        let samples = samples.iter().skip(channel).step_by(spec.channels.into());
        let samples: Vec<i16> = samples.copied().collect();
        let windows = samples.chunks_exact(spec.sample_rate as usize / 5);
        let heard = |window: &[i16], hz: f64| tone_level(window, spec.sample_rate, hz) > HEARD;
        let tones = |window: &[i16]| ALL.into_iter().filter(|hz| heard(window, *hz)).collect();
        windows.map(tones).collect()
    };
    (0..spec.channels.into()).map(of_channel).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_has_each_side_on_its_channel_and_nothing_of_a_hold() {
    let folder = Folder::new("recorded");
    let mut duet = Duet::new(AudioStream::offer(), AudioStream::offer()).await;
    let alice = &mut duet.pair.alice;
    let options = RecordingOptions {
        folder: folder.join("calls"),
        parties: RecordedParties::Separate,
        ..RecordingOptions::default()
    };
    let path = alice.start_recording(options.clone()).await.expect("it runs");
    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
    assert_eq!(path.parent(), Some(&*folder.join("calls")));
    let parties = name.get(15..).expect("a time comes first");
    assert_eq!(parties, "-alice@127.0.0.1-bob@127.0.0.1.wav", "{name}");
    let described = alice.with_stream(None, |audio: &mut AudioStream, _| Ok(audio.describe()));
    let StreamDescription::Audio(described) = described.await.expect("it runs") else {
        panic!("audio is audio")
    };
    assert_eq!(described.recording.as_ref(), Some(&path));
    let again = alice.start_recording(options).await.expect_err("one at a time");
    assert!(
        again.to_string().starts_with("the stream is recorded to "),
        "{again}"
    );

    until_recorded(&path, 2, 2).await;
    alice.hold().await.expect("running");
    duet.bob.comes_to_hear(&[]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let summary = alice.stop_recording().await.expect("it was recorded");
    assert_eq!((&summary.path, summary.channels), (&path, 2));
    let channels = tones(&path);
    for (channel, tone) in channels.iter().zip([US, BOB]) {
        assert!(channel.len() >= 10, "{channel:?}");
        // A busy machine may lose a moment; the hold lasted longer than that.
        let (whole, lost): (Vec<_>, Vec<_>) = channel.iter().partition(|heard| !heard.is_empty());
        assert!(
            whole.iter().all(|heard| **heard == [tone]) && lost.len() < 2,
            "{channels:?}"
        );
    }
    let mut told = Vec::new();
    audio_event(alice, |event| {
        let (name, path) = match event {
            AudioEvent::WillStartRecording { path } => ("will start", path),
            AudioEvent::DidStartRecording { path } => ("did start", path),
            AudioEvent::WillStopRecording { path } => ("will stop", path),
            AudioEvent::DidStopRecording { path } => ("did stop", path),
            _ => return None,
        };
        told.push((name, path.clone()));
        (name == "did stop").then_some(())
    })
    .await;
    assert_eq!(
        told,
        ["will start", "did start", "will stop", "did stop"].map(|name| (name, path.clone()))
    );
    let error = alice.stop_recording().await.expect_err("it is over");
    assert_eq!(error.to_string(), "the stream is not recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_both_on_one_channel_ends_with_its_stream() {
    let folder = Folder::new("recorded-both");
    let mut duet = Duet::new(AudioStream::offer(), AudioStream::offer()).await;
    let path = folder.join("both.wav");
    let options = RecordingOptions {
        path: Some(path.clone()),
        ..RecordingOptions::default()
    };
    duet.pair.bob.start_recording(options).await.expect("it runs");
    until_recorded(&path, 1, 1).await;
    duet.pair.alice.end().await.expect("running");
    audio_event(&mut duet.pair.bob, |event| {
        matches!(event, AudioEvent::DidStopRecording { .. }).then_some(())
    })
    .await;
    // Its file is closed soon after: the header counts all that is in it.
    let end = Instant::now() + PATIENCE;
    while std::fs::metadata(&path).expect("there").len() != 44 + 2 * u64::from(samples(&path)) {
        assert!(Instant::now() < end, "it is not closed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let channels = tones(&path);
    let [both] = &channels[..] else {
        panic!("one channel: {channels:?}")
    };
    let whole = both.iter().filter(|heard| **heard == [US, BOB]);
    assert!(whole.count() >= 4, "{both:?}");
}

fn samples(path: &Path) -> u32 {
    hound::WavReader::open(path).map_or(0, |file| file.len())
}

/// A second of the tone, in whole waves.
fn music() -> WaveFile {
    let mut samples = vec![0; RATE as usize];
    Singer::among(&ALL, MUSIC).sing(&mut samples);
    WaveFile::from_samples(RATE, samples)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_held_hears_music_where_there_is_some() {
    let duet = Duet::new(
        AudioStream::offer().with_hold_music(music()),
        AudioStream::offer(),
    )
    .await;
    duet.pair.alice.hold().await.expect("running");
    duet.bob.comes_to_hear(&[MUSIC]).await;
    duet.alice.comes_to_hear(&[]).await;
    // It does not end with the file.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    duet.bob.comes_to_hear(&[MUSIC]).await;
    duet.pair.alice.unhold().await.expect("running");
    duet.hear_each_other().await;
    // Who is called may hold as well; nothing is played there.
    duet.pair.bob.hold().await.expect("running");
    duet.alice.comes_to_hear(&[]).await;
    duet.bob.comes_to_hear(&[]).await;
    duet.pair.bob.unhold().await.expect("running");
    duet.hear_each_other().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_music_of_the_settings_is_for_all_streams() {
    let two = Two::new(
        |_| {},
        |config| config.sessions.streams.hold_music = Some(music()),
    );
    let duet = Duet::among(two, AudioStream::offer(), AudioStream::offer()).await;
    duet.pair.bob.hold().await.expect("running");
    duet.alice.comes_to_hear(&[MUSIC]).await;
    duet.bob.comes_to_hear(&[]).await;
    duet.pair.bob.unhold().await.expect("running");
    duet.hear_each_other().await;
}

/// The codec that is spoken from now on.
async fn next_codec(session: &mut Session) -> String {
    audio_event(session, |event| match event {
        AudioEvent::DidChangeRtpParameters { codec, .. } => Some(codec.clone()),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_stream_goes_on_with_another_codec() {
    let codecs = [AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcma];
    let stream = || AudioStream::offer().with_codecs(&codecs);
    let mut duet = Duet::new(stream(), stream()).await;
    let (alice, bob) = (&mut duet.pair.alice, &mut duet.pair.bob);
    let names = (
        alice.audio_stream().await.expect("it has one"),
        bob.audio_stream().await.expect("it has one"),
    );
    let wished = vec![AudioCodec::Pcma, AudioCodec::Opus];
    alice.set_codecs(wished).await.expect("it runs");
    assert_eq!(
        (next_codec(alice).await, next_codec(bob).await),
        ("PCMA".to_owned(), "PCMA".to_owned())
    );
    duet.hear_each_other().await;

    // Who was called may wish, too, as long as the other side still has it.
    let (alice, bob) = (&mut duet.pair.alice, &mut duet.pair.bob);
    bob.set_codecs(vec![AudioCodec::Opus]).await.expect("it runs");
    assert_eq!(
        (next_codec(bob).await, next_codec(alice).await),
        ("opus".to_owned(), "opus".to_owned())
    );
    duet.hear_each_other().await;

    let (alice, bob) = (&mut duet.pair.alice, &mut duet.pair.bob);
    bob.set_codecs(vec![AudioCodec::Pcmu]).await.expect("it runs");
    let reason = audio_event(bob, |event| match event {
        AudioEvent::CodecChangeDidFail { reason } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "Not Acceptable Here");
    bob.set_codecs(Vec::new()).await.expect_err("none is left");
    let now = (
        alice.audio_stream().await.expect("it has one"),
        bob.audio_stream().await.expect("it has one"),
    );
    assert_eq!(now, names, "they are the streams that they were");
    duet.hear_each_other().await;
}
