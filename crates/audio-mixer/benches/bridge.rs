//! A conference: what one 20 ms tick costs by the number of members, all talking, at 16 and 48 kHz.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use offhook_audio_mixer::{AudioMixer, AudioPort, Gain, MixerConfig, Produced, Tick};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A member that hands over a prepared frame, or nothing, and looks at what it hears.
struct Member {
    rate: u32,
    voice: Vec<i16>,
    talks: bool,
}

impl Member {
    fn new(mixer_rate: u32, rate: u32, id: usize, amplitude: f32, talks: bool) -> Self {
        let len = (rate / 50) as usize;
        let hz = 100.0 + 7.0 * id as f32;
        let phase = |i: usize| std::f32::consts::TAU * hz * i as f32 / mixer_rate as f32 + id as f32;
        let voice = (0..len).map(|i| (amplitude * phase(i).sin()) as i16).collect();
        Self { rate, voice, talks }
    }
}

impl AudioPort for Member {
    fn sample_rate(&self) -> u32 {
        self.rate
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        if !self.talks {
            return Produced::Silence;
        }
        frame.copy_from_slice(&self.voice);
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        black_box(frame);
    }
}

fn conference(rate: u32, members: usize, member: impl Fn(usize) -> Member) -> AudioMixer<Member> {
    let mut mixer = joined(rate, (0..members).map(member).collect());
    // The first tick is the glide of the joins.
    mixer.tick(Instant::now());
    mixer
}

/// All of them in one bridge, from the next tick on.
fn joined(rate: u32, members: Vec<Member>) -> AudioMixer<Member> {
    let mut mixer = AudioMixer::new(MixerConfig::at_rate(rate)).expect("a usual rate");
    let hall = mixer.add_bridge().expect("one bridge");
    for member in members {
        let slot = mixer.add_port(member).expect("below the limit");
        mixer.join(hall, slot).expect("both exist");
    }
    mixer
}

/// Single connections instead of a bridge: the cost is that of the connections, N * N / 3.
fn thirds(rate: u32, members: usize) -> AudioMixer<Member> {
    let mut mixer = AudioMixer::new(MixerConfig::at_rate(rate)).expect("a usual rate");
    let slots: Vec<_> = (0..members)
        .map(|id| {
            mixer
                .add_port(Member::new(rate, rate, id, 600.0, true))
                .expect("below the limit")
        })
        .collect();
    let mut state = 0x5EED_u64;
    for &from in &slots {
        for &to in &slots {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state.is_multiple_of(3) {
                mixer.connect(from, to, Gain::UNITY).expect("both exist");
            }
        }
    }
    mixer.tick(Instant::now());
    mixer
}

fn bridge(c: &mut Criterion) {
    let now = Instant::now();
    for rate in [16_000, 48_000] {
        let mut group = c.benchmark_group(format!("bridge/{} kHz/all talk", rate / 1000));
        for members in [2, 10, 50, 100, 250, 500, 1000] {
            group.throughput(Throughput::Elements(members as u64));
            let mut mixer = conference(rate, members, |id| Member::new(rate, rate, id, 600.0, true));
            group.bench_function(BenchmarkId::from_parameter(members), |b| {
                b.iter(|| mixer.tick(now));
            });
        }
        group.finish();
        let mut group = c.benchmark_group(format!("bridge/{} kHz/500 members", rate / 1000));
        let mut mixer = conference(rate, 500, |id| Member::new(rate, rate, id, 6000.0, true));
        group.bench_function("all shout, limiter on", |b| b.iter(|| mixer.tick(now)));
        let mut mixer = conference(rate, 500, |id| Member::new(rate, rate, id, 3000.0, id < 3));
        group.bench_function("three talk", |b| b.iter(|| mixer.tick(now)));
        let voices = || {
            (0..500)
                .map(|id| Member::new(rate, rate, id, 600.0, true))
                .collect()
        };
        group.bench_function("all join", |b| {
            b.iter_batched(voices, |voices| joined(rate, voices), BatchSize::LargeInput);
        });
        group.bench_function("the tick after a join", |b| {
            let tick = |mut mixer: AudioMixer<Member>| {
                mixer.tick(now);
                mixer
            };
            b.iter_batched(|| joined(rate, voices()), tick, BatchSize::LargeInput);
        });
        group.finish();
    }
    let mut group = c.benchmark_group("matrix/48 kHz/each hears a random third");
    for members in [10, 50, 100, 250] {
        let mut mixer = thirds(48_000, members);
        group.bench_function(BenchmarkId::from_parameter(members), |b| {
            b.iter(|| mixer.tick(now));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("bridge/48 kHz/10 members at another rate");
    for rate in [8_000, 16_000, 44_100] {
        let mut mixer = conference(48_000, 10, |id| Member::new(rate, rate, id, 1000.0, true));
        group.bench_function(BenchmarkId::from_parameter(rate), |b| b.iter(|| mixer.tick(now)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    targets = bridge
}
criterion_main!(benches);
