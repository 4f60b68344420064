//! What a call's sound is worth after the mixer's edges: in at one rate, mixed at another, out again.

use offhook_audio_mixer::{
    AudioMixer, AudioPort, MixerConfig, Produced, Role, SamplesPlayer, SamplesRecorder, Tick,
};
use offhook_testkit::audio::{Thresholds, compare, tune};
use std::time::Instant;

/// Both kinds of port, so that the recording can be taken out again.
enum Port {
    Player(SamplesPlayer),
    Recorder(SamplesRecorder),
}

impl AudioPort for Port {
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Player(player) => player.sample_rate(),
            Self::Recorder(recorder) => recorder.sample_rate(),
        }
    }
    fn role(&self) -> Role {
        match self {
            Self::Player(player) => player.role(),
            Self::Recorder(recorder) => recorder.role(),
        }
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        match self {
            Self::Player(player) => player.produce(tick, frame),
            Self::Recorder(_) => Produced::Silence,
        }
    }
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if let Self::Recorder(recorder) = self {
            recorder.consume(tick, frame);
        }
    }
}

/// The tune at `rate`, through a mixer at `mixer_rate`, recorded at `rate`.
fn through(mixer_rate: u32, rate: u32) -> (Vec<i16>, Vec<i16>) {
    // A tick of silence first: the joins glide in meanwhile.
    let source = [vec![0; rate as usize / 50], tune(rate, 4.0)].concat();
    let mut mixer = AudioMixer::new(MixerConfig::at_rate(mixer_rate)).expect("a usual rate");
    let player = Port::Player(SamplesPlayer::new(rate, source.clone()));
    let recorder = Port::Recorder(SamplesRecorder::new(rate, source.len() + rate as usize));
    let hall = mixer.add_bridge().expect("a bridge");
    let [_, ear] = [player, recorder].map(|port| {
        let slot = mixer.add_port(port).expect("a usual rate");
        mixer.join(hall, slot).expect("both exist");
        slot
    });
    let now = Instant::now();
    for _ in 0..210 {
        mixer.tick(now);
    }
    let Some(Port::Recorder(recorder)) = mixer.remove_port(ear) else {
        return (source, Vec::new());
    };
    (source, recorder.into_samples())
}

#[test]
fn the_tune_is_itself_after_both_edges_at_any_rate() {
    for (mixer_rate, rate) in [
        (16_000, 16_000),
        (48_000, 8_000),
        (16_000, 8_000),
        (48_000, 16_000),
        (48_000, 44_100),
    ] {
        let (source, recording) = through(mixer_rate, rate);
        let quality = compare(&source, &recording, rate);
        assert_eq!(
            quality.check(&Thresholds::default()),
            Ok(()),
            "{rate} through {mixer_rate}: {quality}"
        );
        assert!(
            quality.gain_db.abs() < 0.2,
            "{rate} through {mixer_rate}: {quality}"
        );
        // Half a filter of 64 samples at the lower rate for each edge, and what primes it.
        assert!(
            quality.delay_seconds() < 0.01,
            "{rate} through {mixer_rate}: {quality}"
        );
    }
}
