//! The sound devices of streams.

use super::CommandError;
use super::voice::{VoiceDevice, blocking};
use crate::media::Attachment;
use crate::{AudioStream, MediaStream};
use offhook_audio_mixer::{
    AudioPort, ClockReading, DeviceError, DeviceOptions, DeviceSource, Direction, LastingDevice,
    LastingEvent, LastingHandle, OpenPair, Produced, Role, Tick, TickLength,
};
use std::any::Any;
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;

/// Attaches devices to a stream that wants some: those of its own, or the shared one. Without the feature `device` there is no
/// sound card: a stream that only takes what is there speaks silence, one that was given a card cannot be opened.
///
/// A device that is lost later does not end the call: silence takes its place until it is back.
///
/// # Errors
/// When a device cannot be opened; [`AudioStream::without_device`] goes without.
async fn equip(stream: AudioStream, voice: &VoiceDevice) -> Result<AudioStream, CommandError> {
    if let Some(options) = stream.own_device().cloned() {
        let (tail_length, teller, unclosed) = (voice.tail_length().await, voice.teller(), voice.unclosed());
        // Opening may take as long as the system likes.
        let tell = move |event| teller.tell(event);
        let opened = blocking(move || SoundDevice::open(options, tail_length, tell, unclosed));
        return Ok(stream.with_port(Attachment::TalksAndListens, opened.await?));
    }
    if !stream.wants_voice_device() || !voice.is_possible().await {
        return Ok(stream);
    }
    let hold = voice.open().await?;
    Ok(stream.with_port(Attachment::Listens, hold).with_voice_device())
}

/// Attaches devices to those of these streams that are audio and want some.
///
/// # Errors
/// As [`equip`].
pub(super) async fn equip_all(
    streams: Vec<Box<dyn MediaStream>>,
    voice: &VoiceDevice,
) -> Result<Vec<Box<dyn MediaStream>>, CommandError> {
    let mut equipped = Vec::with_capacity(streams.len());
    for stream in streams {
        equipped.push(match audio(stream) {
            Ok(audio) => Box::new(equip(*audio, voice).await?),
            Err(other) => other,
        });
    }
    Ok(equipped)
}

/// An audio stream as what it is, and any other as it came.
fn audio(stream: Box<dyn MediaStream>) -> Result<Box<AudioStream>, Box<dyn MediaStream>> {
    let any: &dyn Any = &*stream;
    if !any.is::<AudioStream>() {
        return Err(stream);
    }
    let any: Box<dyn Any> = stream;
    Ok(any.downcast().expect("its type was looked at"))
}

/// Samples a second of a device's port: the mixer's usual rate.
const RATE: u32 = 48_000;

/// What the port itself works in, so that ticks of either length are whole parts of it.
const PART: TickLength = TickLength::Ms10;

/// Devices with what keeps them open.
pub(super) struct SoundDevice {
    /// `None` when it was taken: the port is elsewhere then, and silent when this is dropped.
    port: Option<Box<dyn AudioPort>>,
    _open: LastingHandle<Reopening>,
    /// Dropped after the device is closed: who stops the user agent waits for it.
    _unclosed: watch::Receiver<()>,
}

impl SoundDevice {
    /// Opens the devices. This may block.
    pub(super) fn open(
        mut options: DeviceOptions,
        tail_length: Duration,
        tell: impl FnMut(LastingEvent) + Send + 'static,
        unclosed: watch::Receiver<()>,
    ) -> Result<Self, DeviceError> {
        options.sample_rate = RATE;
        let first = options.open()?;
        let source = Reopening {
            first: Some(first),
            options: options.clone(),
        };
        let (port, open) = LastingDevice::start_telling(source, RATE, PART, tell).map_err(unusable)?;
        Ok(Self {
            port: Some(process(port, &options, tail_length)?),
            _open: open,
            _unclosed: unclosed,
        })
    }

    /// The port, for a mixer that does not take this with it.
    pub(super) fn take_port(&mut self) -> Option<Box<dyn AudioPort>> {
        self.port.take()
    }
}

/// A loudspeaker is heard by the microphone beside it: what takes its echo away works beside the tick. Files are left as they
/// are.
#[cfg(feature = "device")]
fn process(
    port: LastingDevice,
    options: &DeviceOptions,
    tail_length: Duration,
) -> Result<Box<dyn AudioPort>, DeviceError> {
    use offhook_audio_mixer::{DeviceChoice, ThreadedPort, VoiceOptions, VoiceProcessor};
    let is_card = |choice: &DeviceChoice| matches!(choice, DeviceChoice::Default | DeviceChoice::Named(_));
    if !(is_card(&options.input) && is_card(&options.output)) {
        return Ok(Box::new(Parts::of(port)));
    }
    let voice = VoiceOptions {
        tail_length,
        ..VoiceOptions::default()
    };
    let port = VoiceProcessor::new(port, PART, voice).map_err(unusable)?;
    Ok(Box::new(ThreadedPort::start(Parts::of(port)).map_err(unusable)?))
}

#[cfg(not(feature = "device"))]
#[expect(clippy::unnecessary_wraps, reason = "it does more with sound cards")]
fn process(port: LastingDevice, _: &DeviceOptions, _: Duration) -> Result<Box<dyn AudioPort>, DeviceError> {
    Ok(Box::new(Parts::of(port)))
}

fn unusable(error: impl fmt::Display) -> DeviceError {
    DeviceError::System {
        direction: Direction::Output,
        message: error.to_string(),
    }
}

/// Gives the devices that were opened before the call first: that they cannot be opened then is an error, not silence.
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
        self.options.open()
    }
}

/// A port of ticks of 10 ms in a mixer with ticks of either length.
struct Parts<P> {
    /// On the heap: the canceller is large.
    inner: Box<P>,
    part: usize,
}

impl<P: AudioPort> Parts<P> {
    fn of(port: P) -> Self {
        Self {
            inner: Box::new(port),
            part: PART.samples(RATE).unwrap_or(1),
        }
    }
}

impl<P: AudioPort> AudioPort for Parts<P> {
    fn sample_rate(&self) -> u32 {
        self.inner.sample_rate()
    }

    fn role(&self) -> Role {
        self.inner.role()
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        let mut produced = Produced::Silence;
        for part in frame.chunks_exact_mut(self.part) {
            match self.inner.produce(tick, part) {
                Produced::Audio => produced = Produced::Audio,
                Produced::Silence | Produced::Missing => part.fill(0),
            }
        }
        produced
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        for part in frame.chunks_exact(self.part) {
            self.inner.consume(tick, part);
        }
    }

    fn is_over(&self) -> bool {
        self.inner.is_over()
    }

    fn clock(&self) -> Option<ClockReading> {
        self.inner.clock()
    }
}

/// A stream's own device goes with the stream.
impl AudioPort for SoundDevice {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn role(&self) -> Role {
        self.port.as_ref().map_or(Role::NONE, AudioPort::role)
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        let port = self.port.as_mut();
        port.map_or(Produced::Silence, |port| port.produce(tick, frame))
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if let Some(port) = &mut self.port {
            port.consume(tick, frame);
        }
    }

    fn is_over(&self) -> bool {
        self.port.as_ref().is_some_and(AudioPort::is_over)
    }

    fn clock(&self) -> Option<ClockReading> {
        self.port.as_ref()?.clock()
    }
}
