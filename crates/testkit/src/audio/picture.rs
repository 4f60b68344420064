//! A picture of two recordings against their sources: waves, a close look, spectra, and what was measured.

use super::align::{Alignment, align};
use super::quality::{Quality, compare};
use super::spectrum::mean_spectrum;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// One direction of a call: what was sent, and what the other side recorded.
#[derive(Clone, Copy, Debug)]
pub struct Track<'a> {
    /// What it shows, as "Alice to Bob".
    pub title: &'a str,
    /// Samples a second of both, in hertz.
    pub rate: u32,
    /// What was sent.
    pub source: &'a [i16],
    /// What was recorded.
    pub recording: &'a [i16],
}

/// The picture was not drawn: the system refused to write it.
#[derive(Clone, Debug, Error)]
#[error("cannot draw {}: {reason}", path.display())]
pub struct PictureError {
    /// The file.
    pub path: PathBuf,
    /// What the drawing library says.
    pub reason: String,
}

/// Draws two tracks side by side to an SVG file: the waves of both sounds over each other, the 60 ms around the loudest moment, and
/// the mean spectra up to half the rate. Says above each what [`compare`] measured.
pub fn picture(
    path: impl AsRef<Path>,
    title: &str,
    left: &Track<'_>,
    right: &Track<'_>,
) -> Result<(), PictureError> {
    let path = path.as_ref();
    draw(path, title, [left, right]).map_err(|error| PictureError {
        path: path.into(),
        reason: error.to_string(),
    })
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(path: &Path, title: &str, tracks: [&Track<'_>; 2]) -> Drawn {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&PAPER)?;
    let (head, body) = root.split_vertically(64);
    head.draw(&Text::new(
        title.to_owned(),
        (28, 22),
        ("sans-serif", 26).into_font().color(&INK),
    ))?;
    legend(&head)?;
    for (area, track) in body.split_evenly((1, 2)).iter().zip(tracks) {
        column(&area.margin(0, 16, 20, 20), track)?;
    }
    root.present()?;
    Ok(())
}

fn legend(head: &Area<'_>) -> Drawn {
    let font = || ("sans-serif", 16).into_font().color(&INK);
    for (x, colour, name) in [
        (SIZE.0 as i32 - 330, SOURCE, "source"),
        (SIZE.0 as i32 - 200, RECORDING, "recording, aligned"),
    ] {
        head.draw(&Rectangle::new([(x, 28), (x + 26, 36)], colour.filled()))?;
        head.draw(&Text::new(name, (x + 34, 24), font()))?;
    }
    Ok(())
}

fn column(area: &Area<'_>, track: &Track<'_>) -> Drawn {
    let quality = compare(track.source, track.recording, track.rate);
    let alignment = align(track.source, track.recording);
    let (source, recording) = alignment.overlap(track.source, track.recording);
    let (head, body) = area.split_vertically(76);
    captions(&head, track, &quality)?;
    let [waves, close, spectra] = &body.split_evenly((3, 1))[..] else {
        return Ok(());
    };
    draw_waves(waves, track, &alignment)?;
    draw_close(close, track.rate, &source, recording)?;
    draw_spectra(spectra, track.rate, [&source, recording])
}

fn captions(head: &Area<'_>, track: &Track<'_>, quality: &Quality) -> Drawn {
    let hz = |tone: Option<f64>| tone.map_or_else(|| "none".to_owned(), |hz| format!("{hz:.1} Hz"));
    let lines = [
        format!(
            "correlation {:.4} · segmental SNR {:.1} dB · gain {:+.2} dB · delay {:.1} ms · {:.1} s compared at {} Hz",
            quality.correlation,
            quality.segmental_snr,
            quality.gain_db,
            quality.delay_seconds() * 1000.0,
            quality.compared.as_secs_f64(),
            quality.rate,
        ),
        format!(
            "source {:.1} dBFS, strongest {} · recording {:.1} dBFS, strongest {}",
            quality.source_dbfs,
            hz(quality.source_tone),
            quality.recording_dbfs,
            hz(quality.recording_tone),
        ),
    ];
    head.draw(&Text::new(
        track.title.to_owned(),
        (8, 2),
        ("sans-serif", 20).into_font().color(&INK),
    ))?;
    for (line, y) in lines.into_iter().zip([30, 50]) {
        head.draw(&Text::new(
            line,
            (8, y),
            ("sans-serif", 14).into_font().color(&FAINT_INK),
        ))?;
    }
    Ok(())
}

/// Both waves over the whole time, as the range that each column of pixels covers.
fn draw_waves(area: &Area<'_>, track: &Track<'_>, alignment: &Alignment) -> Drawn {
    let rate = f64::from(track.rate);
    let shift = alignment.delay_samples as f64 / rate;
    let seconds = (track.source.len() as f64 / rate)
        .max(track.recording.len() as f64 / rate - shift.max(0.0))
        .max(0.1);
    let peak = peak(track.source).max(peak(track.recording)).max(0.01) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .caption("waves", ("sans-serif", 15).into_font().color(&FAINT_INK))
        .margin_right(14)
        .margin_bottom(16)
        .x_label_area_size(34)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..seconds, -peak..peak)?;
    chart
        .configure_mesh()
        .light_line_style(LIGHT_GRID)
        .bold_line_style(GRID)
        .axis_style(FAINT_INK)
        .x_desc("seconds of the source")
        .x_label_formatter(&|x| format!("{x:.1}"))
        .y_label_formatter(&|y| format!("{y:.2}"))
        .y_labels(5)
        .label_style(("sans-serif", 12).into_font().color(&FAINT_INK))
        .draw()?;
    for (samples, start, colour) in [
        (track.source, 0.0, SOURCE.mix(1.0)),
        (track.recording, -shift, RECORDING.mix(0.5)),
    ] {
        let outline = envelope(samples, rate, start, COLUMNS);
        chart.draw_series(std::iter::once(Polygon::new(outline, colour)))?;
    }
    Ok(())
}

/// The 60 ms around the loudest moment, sample by sample.
fn draw_close(area: &Area<'_>, rate: u32, source: &[i16], recording: &[i16]) -> Drawn {
    let loudest = (0..source.len())
        .max_by_key(|&i| source[i].unsigned_abs())
        .unwrap_or(0);
    let window = (rate as usize * 60 / 1000).min(source.len());
    let start = loudest.saturating_sub(window / 2).min(source.len() - window);
    let (source, recording) = (&source[start..start + window], &recording[start..start + window]);
    let peak = peak(source).max(peak(recording)).max(0.01) * 1.15;
    let at = |i: usize| (start + i) as f64 * 1000.0 / f64::from(rate);
    let mut chart = ChartBuilder::on(area)
        .caption(
            "60 ms around the loudest moment",
            ("sans-serif", 15).into_font().color(&FAINT_INK),
        )
        .margin_right(14)
        .margin_bottom(16)
        .x_label_area_size(34)
        .y_label_area_size(56)
        .build_cartesian_2d(at(0)..at(window.max(1)), -peak..peak)?;
    chart
        .configure_mesh()
        .light_line_style(LIGHT_GRID)
        .bold_line_style(GRID)
        .axis_style(FAINT_INK)
        .x_desc("milliseconds of what overlaps")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.2}"))
        .y_labels(5)
        .label_style(("sans-serif", 12).into_font().color(&FAINT_INK))
        .draw()?;
    for (samples, style) in [
        (source, SOURCE.stroke_width(4)),
        (recording, RECORDING.stroke_width(1)),
    ] {
        let points = samples
            .iter()
            .enumerate()
            .map(|(i, &s)| (at(i), f64::from(s) / 32_768.0));
        chart.draw_series(LineSeries::new(points, style))?;
    }
    Ok(())
}

fn draw_spectra(area: &Area<'_>, rate: u32, sounds: [&[i16]; 2]) -> Drawn {
    let size = (rate as usize / 25).next_power_of_two();
    let kilohertz = |bin: usize| bin as f64 * f64::from(rate) / size as f64 / 1000.0;
    let mut chart = ChartBuilder::on(area)
        .caption("mean spectrum", ("sans-serif", 15).into_font().color(&FAINT_INK))
        .margin_right(14)
        .margin_bottom(16)
        .x_label_area_size(34)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..f64::from(rate) / 2000.0, FLOOR_DBFS..-10.0)?;
    chart
        .configure_mesh()
        .light_line_style(LIGHT_GRID)
        .bold_line_style(GRID)
        .axis_style(FAINT_INK)
        .x_desc("kHz")
        .y_desc("dBFS")
        .x_label_formatter(&|x| format!("{x:.1}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .y_labels(6)
        .label_style(("sans-serif", 12).into_font().color(&FAINT_INK))
        .draw()?;
    for (sound, style) in sounds
        .into_iter()
        .zip([SOURCE.stroke_width(4), RECORDING.stroke_width(1)])
    {
        let spectrum = mean_spectrum(sound, size);
        let points = spectrum
            .into_iter()
            .enumerate()
            .map(|(bin, db)| (kilohertz(bin), db.max(FLOOR_DBFS)));
        chart.draw_series(LineSeries::new(points, style))?;
    }
    Ok(())
}

/// The outline of a wave: along its maxima, and back along its minima.
fn envelope(samples: &[i16], rate: f64, start: f64, columns: usize) -> Vec<(f64, f64)> {
    let size = samples.len().div_ceil(columns).max(1);
    let columns = samples.chunks(size).enumerate();
    let (tops, mut bottoms): (Vec<_>, Vec<_>) = columns
        .map(|(i, chunk)| (start + (i * size) as f64 / rate, chunk))
        .filter(|(x, _)| *x >= 0.0)
        .map(|(x, chunk)| {
            let (low, high) = chunk
                .iter()
                .fold((0, 0), |(low, high): (i16, i16), &s| (low.min(s), high.max(s)));
            ((x, f64::from(high) / 32_768.0), (x, f64::from(low) / 32_768.0))
        })
        .unzip();
    bottoms.reverse();
    [tops, bottoms].concat()
}

fn peak(samples: &[i16]) -> f64 {
    let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
    f64::from(peak) / 32_768.0
}

const SIZE: (u32, u32) = (1500, 1100);
/// Columns of a wave: about one to two pixels each.
const COLUMNS: usize = 500;
/// Where spectra end below.
const FLOOR_DBFS: f64 = -110.0;

const PAPER: RGBColor = RGBColor(252, 252, 250);
const INK: RGBColor = RGBColor(30, 34, 42);
const FAINT_INK: RGBColor = RGBColor(92, 98, 110);
const GRID: RGBColor = RGBColor(222, 224, 228);
const LIGHT_GRID: RGBColor = RGBColor(240, 241, 243);
const SOURCE: RGBColor = RGBColor(120, 170, 220);
const RECORDING: RGBColor = RGBColor(214, 84, 40);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tune;

    #[test]
    fn the_picture_shows_both_tracks_with_their_measures() {
        let source = tune(16_000, 4.0);
        let mut recording = vec![0; 3_200];
        recording.extend(
            source
                .iter()
                .enumerate()
                .map(|(i, s)| s + (i * 7919 % 61) as i16 - 30),
        );
        let narrow = tune(8_000, 4.0);
        let left = Track {
            title: "Alice to Bob",
            rate: 16_000,
            source: &source,
            recording: &recording,
        };
        let right = Track {
            title: "Bob to Alice",
            rate: 8_000,
            source: &narrow,
            recording: &narrow[800..],
        };
        let path = std::env::temp_dir().join(format!("offhook-picture-{}.svg", std::process::id()));
        picture(&path, "A call", &left, &right).expect("the temporary folder is writable");
        let svg = std::fs::read_to_string(&path).expect("it was written");
        std::fs::remove_file(&path).expect("it is there");
        for text in [
            "A call",
            "Alice to Bob",
            "Bob to Alice",
            "segmental SNR 35.0 dB",
            "delay 200.0 ms",
            "<polygon",
            "</svg>",
        ] {
            assert!(svg.contains(text), "{text} is not in the picture");
        }
        assert!(
            svg.matches("<polyline").count() >= 8,
            "waves and spectra are drawn"
        );
    }

    #[test]
    fn silence_and_nothing_are_drawn_too() {
        let empty = Track {
            title: "nothing",
            rate: 8_000,
            source: &[],
            recording: &[],
        };
        let silent = Track {
            title: "silence",
            rate: 8_000,
            source: &[0; 8_000],
            recording: &[0; 100],
        };
        let path = std::env::temp_dir().join(format!("offhook-no-picture-{}.svg", std::process::id()));
        picture(&path, "Nothing", &empty, &silent).expect("drawn");
        std::fs::remove_file(&path).expect("it is there");
        let refused = picture("/nonexistent/folder/x.svg", "x", &empty, &silent);
        assert!(refused.is_err_and(|e| e.to_string().contains("/nonexistent/folder/x.svg")));
    }
}
