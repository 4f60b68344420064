//! What single parts of a tick cost, 20 ms each: a resampled edge, a level meter, a recorder, a tone, a processed voice.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use offhook_audio_mixer::{
    AudioMixer, AudioPort, Cadence, Gain, Level, MixerConfig, Produced, Role, Tick, TickLength, TonePlayer,
    VoiceOptions, VoiceProcessor, WaveRecorder,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn tick(index: u64) -> Tick {
    Tick {
        now: Instant::now(),
        index,
        duration: Duration::from_millis(20),
    }
}

/// Hums, and swallows what it hears.
struct Hum(u32, Role);

impl AudioPort for Hum {
    fn sample_rate(&self) -> u32 {
        self.0
    }
    fn role(&self) -> Role {
        self.1
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        for (n, sample) in frame.iter_mut().enumerate() {
            *sample = ((n as i16) << 4) ^ (tick.index as i16);
        }
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        black_box(frame);
    }
}

/// One way through an edge: the tick of a mixer with a port that speaks to one that hears, less that at the mixer's rate.
fn edges(c: &mut Criterion) {
    let mut group = c.benchmark_group("parts/one port speaks to one that hears, mixer at 48 kHz");
    for (from, to) in [
        (48_000, 48_000),
        (8_000, 48_000),
        (16_000, 48_000),
        (44_100, 48_000),
        (48_000, 8_000),
        (48_000, 16_000),
        (48_000, 44_100),
    ] {
        let mut mixer = AudioMixer::new(MixerConfig::default()).expect("the default");
        let voice = mixer.add_port(Hum(from, Role::PRODUCER)).expect("a usual rate");
        let ear = mixer.add_port(Hum(to, Role::CONSUMER)).expect("a usual rate");
        mixer.connect(voice, ear, Gain::UNITY).expect("both exist");
        let now = Instant::now();
        group.bench_function(BenchmarkId::from_parameter(format!("{from} to {to}")), |b| {
            b.iter(|| mixer.tick(now));
        });
    }
    group.finish();
}

/// Ticks that the recorder's ring holds with room to spare.
const RING: u32 = 40;

fn small(c: &mut Criterion) {
    let mut group = c.benchmark_group("parts/48 kHz");
    let frame: Vec<i16> = (0..960).map(|n| (n * 31) as i16).collect();
    group.bench_function("level meter", |b| b.iter(|| Level::of(black_box(&frame))));
    let mut bell = TonePlayer::new(48_000);
    // Without a pause, which would be cheaper.
    let mut burst = Cadence::ringback_north_america().bursts()[0];
    burst.off = Duration::ZERO;
    bell.play(Cadence::new(&[burst], None).expect("one burst"));
    let mut out = vec![0; 960];
    group.bench_function("tone", |b| b.iter(|| bell.produce(&tick(0), &mut out)));
    let path = std::env::temp_dir().join(format!("offhook-bench-{}.wav", std::process::id()));
    let (mut recorder, recording) =
        WaveRecorder::start(&path, 48_000).expect("the temporary folder is writable");
    let mut index = 0;
    group.measurement_time(Duration::from_millis(100)).sample_size(10);
    group.bench_function("recorder", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                let begin = Instant::now();
                for _ in 0..RING {
                    index += 1;
                    recorder.consume(&tick(index), &frame);
                }
                spent += begin.elapsed() / RING;
                // The disk takes its time, which no tick waits for.
                std::thread::sleep(Duration::from_millis(40));
            }
            spent
        });
    });
    assert_eq!(recording.overruns(), 0, "what is lost costs nothing");
    drop(recorder);
    drop(recording.finish());
    let _ = std::fs::remove_file(&path);
    group.finish();
}

fn voice(c: &mut Criterion) {
    let mut group = c.benchmark_group("parts/voice");
    let only_echo = VoiceOptions {
        tail_length: Duration::from_millis(50),
        ..VoiceOptions::OFF
    };
    for rate in [16_000, 48_000] {
        for (name, options) in [("echo", only_echo), ("all", VoiceOptions::default())] {
            let hum = Hum(rate, Role::BOTH);
            let mut device = VoiceProcessor::new(hum, TickLength::Ms20, options).expect("a usual rate");
            let mut frame = vec![0; rate as usize / 50];
            group.bench_function(BenchmarkId::new(name, rate), |b| {
                b.iter(|| {
                    device.produce(&tick(0), &mut frame);
                    device.consume(&tick(0), &frame);
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    targets = edges, small, voice
}
criterion_main!(benches);
