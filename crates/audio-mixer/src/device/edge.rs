//! A device of any rate behind a port of a rate that does not change.

use crate::mixer::TickLength;
use crate::pace::ClockReading;
use crate::port::{AudioPort, Produced, Tick};
use crate::resample::Resampler;

/// A device, resampled if its rate is not the port's.
pub(super) struct Edge {
    device: Box<dyn AudioPort>,
    resampled: Option<Resampled>,
}

struct Resampled {
    frame: Vec<i16>,
    heard: Resampler,
    played: Resampler,
}

impl Edge {
    /// `None` if the device's rate gives no whole frames, or no ratio that can be resampled.
    pub(super) fn new(device: Box<dyn AudioPort>, tick: TickLength, frame_len: usize) -> Option<Self> {
        let device_len = tick
            .samples(device.sample_rate())
            .filter(|&samples| samples > 0)?;
        let resampled = if device_len == frame_len {
            None
        } else {
            Some(Resampled {
                frame: vec![0; device_len],
                heard: Resampler::new(device_len, frame_len)?,
                played: Resampler::new(frame_len, device_len)?,
            })
        };
        Some(Self { device, resampled })
    }

    pub(super) fn clock(&self) -> Option<ClockReading> {
        self.device.clock()
    }

    pub(super) fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        let Some(resampled) = &mut self.resampled else {
            return self.device.produce(tick, frame);
        };
        match self.device.produce(tick, &mut resampled.frame) {
            Produced::Audio => resampled.heard.process(&resampled.frame, frame),
            Produced::Silence if !resampled.heard.is_silent() => resampled.heard.process_silence(frame),
            nothing => return nothing,
        }
        Produced::Audio
    }

    pub(super) fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        match &mut self.resampled {
            None => self.device.consume(tick, frame),
            Some(resampled) => {
                resampled.played.process(frame, &mut resampled.frame);
                self.device.consume(tick, &resampled.frame);
            }
        }
    }
}
