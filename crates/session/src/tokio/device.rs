//! The sound devices of a stream.

use super::CommandError;
use crate::AudioStream;
use crate::media::Attachment;
use offhook_audio_mixer::{
    AudioPort, DeviceChoice, DeviceError, DeviceOptions, DeviceSource, Direction, LastingDevice,
    LastingEvent, LastingHandle, MixerError, OpenPair, Produced, Role, Tick, TickLength,
};
use tracing::{info, warn};

/// Attaches devices to a stream that wants some. Without the feature `device` there is no sound card: a stream that only
/// takes what is there speaks silence, one that was given a card cannot be opened.
///
/// A device that is lost later does not end the call: silence takes its place until it is back.
///
/// # Errors
/// When a device cannot be opened; [`AudioStream::without_device`] goes without.
pub(super) async fn equip(stream: AudioStream) -> Result<AudioStream, CommandError> {
    let Some(options) = stream.wanted_device() else {
        return Ok(stream);
    };
    if cfg!(not(feature = "device")) && options == DeviceOptions::default() {
        return Ok(stream);
    }
    // Opening may take as long as the system likes.
    let opened = tokio::task::spawn_blocking(|| SoundDevice::open(options)).await;
    let device = opened.map_err(|error| DeviceError::System {
        direction: Direction::Output,
        message: error.to_string(),
    })??;
    Ok(stream.with_port(Attachment::TalksAndListens, device))
}

/// Samples a second of a device's port: the mixer's usual rate.
const RATE: u32 = 48_000;

/// What the port itself works in, so that ticks of either length are whole parts of it.
const PART: TickLength = TickLength::Ms10;

/// What a call hears and speaks through.
#[cfg(feature = "device")]
type Inner = offhook_audio_mixer::VoiceProcessor<LastingDevice>;
#[cfg(not(feature = "device"))]
type Inner = LastingDevice;

/// Devices with what keeps them open: both go when the stream ends.
struct SoundDevice {
    port: Inner,
    part: usize,
    _open: LastingHandle<Reopening>,
}

impl SoundDevice {
    fn open(mut options: DeviceOptions) -> Result<Self, DeviceError> {
        options.sample_rate = RATE;
        let first = options.open()?;
        let source = Reopening {
            first: Some(first),
            options: options.clone(),
        };
        let unusable = |error: MixerError| DeviceError::System {
            direction: Direction::Output,
            message: error.to_string(),
        };
        let (port, open) = LastingDevice::start_telling(source, RATE, PART, tell).map_err(unusable)?;
        Ok(Self {
            port: process(port, &options).map_err(unusable)?,
            part: PART.samples(RATE).unwrap_or(1),
            _open: open,
        })
    }
}

/// A loudspeaker is heard by the microphone beside it; files are left as they are.
#[cfg(feature = "device")]
fn process(port: LastingDevice, options: &DeviceOptions) -> Result<Inner, MixerError> {
    use offhook_audio_mixer::{VoiceOptions, VoiceProcessor};
    let is_card = |choice: &DeviceChoice| matches!(choice, DeviceChoice::Default | DeviceChoice::Named(_));
    let voice = if is_card(&options.input) && is_card(&options.output) {
        VoiceOptions::default()
    } else {
        VoiceOptions::OFF
    };
    VoiceProcessor::new(port, PART, voice)
}

#[cfg(not(feature = "device"))]
#[expect(clippy::unnecessary_wraps, reason = "it does more with sound cards")]
fn process(port: LastingDevice, _: &DeviceOptions) -> Result<Inner, MixerError> {
    Ok(port)
}

fn tell(event: LastingEvent) {
    match event {
        LastingEvent::Lost(error) => warn!(%error, "the sound device is lost; the call goes on in silence"),
        LastingEvent::Found => info!("the sound device is there"),
        _ => {}
    }
}

/// Gives the devices that were opened before the call first: that they cannot be opened then is an error, not silence. Files
/// are not opened again, for what they hold would be lost.
struct Reopening {
    first: Option<(Box<dyn AudioPort>, OpenPair)>,
    options: DeviceOptions,
}

impl DeviceSource for Reopening {
    type Open = OpenPair;

    fn open(&mut self) -> Result<(Box<dyn AudioPort>, OpenPair), DeviceError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        for choice in [&mut self.options.input, &mut self.options.output] {
            if matches!(choice, DeviceChoice::File(_)) {
                *choice = DeviceChoice::Off;
            }
        }
        self.options.open()
    }
}

impl AudioPort for SoundDevice {
    fn sample_rate(&self) -> u32 {
        self.port.sample_rate()
    }

    fn role(&self) -> Role {
        self.port.role()
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        let mut produced = Produced::Silence;
        for part in frame.chunks_exact_mut(self.part) {
            match self.port.produce(tick, part) {
                Produced::Audio => produced = Produced::Audio,
                Produced::Silence | Produced::Missing => part.fill(0),
            }
        }
        produced
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        for part in frame.chunks_exact(self.part) {
            self.port.consume(tick, part);
        }
    }
}
