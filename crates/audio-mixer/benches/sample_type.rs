//! Which sample type mixes faster: the sum of 500 voices and each member's sum without itself, plain loops.
//! The figures decide docs/decisions/0003-mixer-sample-type.md.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

const MEMBERS: usize = 500;

fn in_i16(voices: &[i16], sum: &mut [i32], out: &mut [i16]) {
    let n = sum.len();
    sum.fill(0);
    for voice in voices.chunks_exact(n) {
        for (sum, &v) in sum.iter_mut().zip(voice) {
            *sum += i32::from(v);
        }
    }
    for voice in voices.chunks_exact(n) {
        for ((out, &sum), &own) in out.iter_mut().zip(&*sum).zip(voice) {
            *out = (sum - i32::from(own)).clamp(-32_768, 32_767) as i16;
        }
        black_box(&*out);
    }
}

fn in_f32(voices: &[f32], sum: &mut [f32], out: &mut [f32]) {
    let n = sum.len();
    sum.fill(0.0);
    for voice in voices.chunks_exact(n) {
        for (sum, &v) in sum.iter_mut().zip(voice) {
            *sum += v;
        }
    }
    for voice in voices.chunks_exact(n) {
        for ((out, &sum), &own) in out.iter_mut().zip(&*sum).zip(voice) {
            *out = (sum - own).clamp(-1.0, 1.0);
        }
        black_box(&*out);
    }
}

fn sample_type(c: &mut Criterion) {
    let mut group = c.benchmark_group("sum and subtract, 500 voices");
    for n in [320, 960] {
        let whole: Vec<i16> = (0..MEMBERS * n).map(|i| (i * 7919 % 1201) as i16 - 600).collect();
        let float: Vec<f32> = whole.iter().map(|&s| f32::from(s) / 32_768.0).collect();
        let (mut sum, mut out) = (vec![0; n], vec![0; n]);
        group.bench_function(BenchmarkId::new("i16", n), |b| {
            b.iter(|| in_i16(&whole, &mut sum, &mut out));
        });
        let (mut sum, mut out) = (vec![0.0; n], vec![0.0; n]);
        group.bench_function(BenchmarkId::new("f32", n), |b| {
            b.iter(|| in_f32(&float, &mut sum, &mut out));
        });
        // A codec speaks i16, so an f32 mixer converts at both edges.
        group.bench_function(BenchmarkId::new("f32 with conversion from and to i16", n), |b| {
            let mut voices = float.clone();
            let mut back = vec![0_i16; n];
            b.iter(|| {
                for (to, &from) in voices.iter_mut().zip(&whole) {
                    *to = f32::from(from) * (1.0 / 32_768.0);
                }
                in_f32(&voices, &mut sum, &mut out);
                for _ in 0..MEMBERS {
                    for (to, &from) in back.iter_mut().zip(&out) {
                        *to = (from * 32_767.0) as i16;
                    }
                    black_box(&back);
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    targets = sample_type
}
criterion_main!(benches);
