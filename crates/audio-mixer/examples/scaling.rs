//! Measures what a tick of 20 ms costs by the number of ports, and draws it: the law of `docs/mixer-scaling.svg`.
//!
//! `cargo run --release -p offhook-audio-mixer --example scaling -- docs/mixer-scaling.svg`
#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use offhook_audio_mixer::{AudioMixer, AudioPort, Gain, MixerConfig, Produced, Tick};
use plotters::prelude::*;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const MEMBERS: [usize; 7] = [2, 10, 50, 100, 250, 500, 1000];

/// How long one point may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where single connections stop: there are 83,000 of them then, and the law is known.
const MOST_CONNECTED: usize = 500;

/// Hands over a prepared frame and looks at what it hears.
struct Member(u32, Vec<i16>);

impl AudioPort for Member {
    fn sample_rate(&self) -> u32 {
        self.0
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        frame.copy_from_slice(&self.1);
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        black_box(frame);
    }
}

#[derive(Clone, Copy)]
enum Matrix {
    FullMesh,
    RandomThird,
}

/// Microseconds of a tick: the lower quartile of many, for other programs use the machine as well.
fn cost(rate: u32, members: usize, matrix: Matrix) -> Result<f64, Box<dyn Error>> {
    let mut mixer = AudioMixer::new(MixerConfig::at_rate(rate))?;
    let hall = mixer.add_bridge()?;
    let mut slots = Vec::new();
    for id in 0..members {
        let voice = (0..rate / 50).map(|n| ((n * 7 + id as u32 * 13) % 1200) as i16 - 600);
        slots.push(mixer.add_port(Member(rate, voice.collect()))?);
    }
    let mut state = 0x5EED_u64;
    for &from in &slots {
        match matrix {
            Matrix::FullMesh => drop(mixer.join(hall, from)?),
            Matrix::RandomThird => {
                for &to in &slots {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    if state.is_multiple_of(3) {
                        mixer.connect(from, to, Gain::UNITY)?;
                    }
                }
            }
        }
    }
    let now = Instant::now();
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 20 || (times.len() < 400 && begin.elapsed() < PATIENCE) {
        let begin = Instant::now();
        mixer.tick(now);
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 4])
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: scaling DRAWING.svg")?;
    let mut lines = Vec::new();
    for (name, rate, matrix) in [
        ("full mesh, 16 kHz", 16_000, Matrix::FullMesh),
        ("full mesh, 48 kHz", 48_000, Matrix::FullMesh),
        ("each hears a random third, 16 kHz", 16_000, Matrix::RandomThird),
        ("each hears a random third, 48 kHz", 48_000, Matrix::RandomThird),
    ] {
        let mut points = Vec::new();
        let most = match matrix {
            Matrix::FullMesh => usize::MAX,
            Matrix::RandomThird => MOST_CONNECTED,
        };
        for members in MEMBERS.into_iter().filter(|&members| members <= most) {
            points.push((members as f64, cost(rate, members, matrix)?));
        }
        let costs: Vec<_> = points.iter().map(|(_, us)| format!("{us:.1}")).collect();
        // How the cost grows from a hundred ports on: 1 is linear, 2 quadratic.
        let ((n0, us0), (n1, us1)) = (points[3], points[points.len() - 1]);
        let power = (us1 / us0).ln() / (n1 / n0).ln();
        let slope = (us1 - us0) / (n1 - n0);
        println!(
            "{name}: {} us; power {power:.2}, {slope:.3} us a port",
            costs.join(", ")
        );
        lines.push((name, points));
    }
    draw(&path, &lines)
}

fn draw(path: &str, lines: &[(&str, Vec<(f64, f64)>)]) -> Result<(), Box<dyn Error>> {
    let most = lines
        .iter()
        .flat_map(|(_, points)| points)
        .fold(1.0_f64, |most, (_, us)| most.max(*us));
    let root = SVGBackend::new(path, (800, 500)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("One tick of 20 ms, all ports talking", ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d((2.0..1000.0_f64).log_scale(), (0.1..most * 1.5).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("ports")
        .y_desc("microseconds")
        .draw()?;
    let colours = [BLUE, RED, GREEN, BLACK];
    for ((name, points), colour) in lines.iter().zip(colours) {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .border_style(BLACK)
        .background_style(WHITE)
        .position(SeriesLabelPosition::UpperLeft)
        .draw()?;
    root.present()?;
    Ok(())
}
