//! A sound card as a port.

use super::choice::{DeviceChoice, DeviceError, DeviceEvent, DeviceInfo, DeviceOptions, Direction};
use super::doubt::Doubt;
use super::ring::{self, Counters, DeviceStats, Inlet, Outlet};
use super::rounds::Rounds;
use crate::pace::{ClockReading, DeviceClock};
use crate::port::{AudioPort, Produced, Role, Tick};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, ErrorKind, FromSample, SampleFormat, SizedSample, StreamConfig, SupportedStreamConfigRange,
};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// A sound card as a port: gives what the microphone hears, and plays what it hears itself.
///
/// A microphone of several channels is mixed to one; a loudspeaker of several gets the same on each. The card is opened with
/// the fewest channels that it knows.
pub struct AudioDevice {
    rate: u32,
    /// The loudspeaker's, if there is one.
    clock: Option<Arc<DeviceClock>>,
    microphone: Option<Outlet>,
    loudspeaker: Option<Inlet>,
    input_muted: bool,
    output_muted: bool,
}

/// The application's end of an open device. The device is closed when this is dropped.
pub struct DeviceHandle {
    ends: Vec<OpenEnd>,
    rounds: Rounds,
    counters: Arc<Counters>,
}

/// One direction that is open.
struct OpenEnd {
    direction: Direction,
    /// Held: a stream that is dropped stops.
    _stream: cpal::Stream,
    reports: Consumer<Report>,
    doubt: Doubt,
}

/// What the library says of a stream.
enum Report {
    /// It goes on.
    Moved,
    /// It has ended.
    Gone(DeviceError),
    /// It says so again and again, or it goes on after all.
    Doubtful(DeviceError),
}

/// Lists the devices of the system.
///
/// To learn their rates it opens each of them for a moment.
pub fn devices() -> Result<Vec<DeviceInfo>, DeviceError> {
    hush();
    let host = cpal::default_host();
    let devices = host.devices().map_err(|error| cause(Direction::Output, &error))?;
    let info = |device: cpal::Device| DeviceInfo {
        name: name_of(&device),
        input: device.supports_input(),
        output: device.supports_output(),
        input_rates: usual_rates(&device, Direction::Input),
        output_rates: usual_rates(&device, Direction::Output),
    };
    Ok(devices.map(info).collect())
}

/// Lists the names of the devices of the system, sorted. This opens none of them, so it may be asked often.
pub fn device_names() -> Result<Vec<String>, DeviceError> {
    hush();
    let devices = cpal::default_host().devices();
    let devices = devices.map_err(|error| cause(Direction::Output, &error))?;
    let mut names: Vec<String> = devices.map(|device| name_of(&device)).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// ALSA's library writes to standard error what it will also return: from this thread it goes nowhere.
#[cfg(target_os = "linux")]
fn hush() {
    if let Err(error) = alsa::Output::local_error_handler() {
        tracing::debug!(%error, "ALSA's own messages will appear");
    }
}

#[cfg(not(target_os = "linux"))]
fn hush() {}

impl AudioDevice {
    /// Opens and starts a device. The port goes to the mixer; the handle stays with the application.
    ///
    /// Files among the choices are left out: a [`DeviceSource`](crate::DeviceSource) opens those as well. This may block for
    /// as long as the system takes: call it before the port goes to the mixer's thread.
    pub fn open(options: &DeviceOptions) -> Result<(Self, DeviceHandle), DeviceError> {
        Self::open_counting(options, &Arc::default())
    }

    /// Does the same, and counts on.
    pub(super) fn open_counting(
        options: &DeviceOptions,
        counters: &Arc<Counters>,
    ) -> Result<(Self, DeviceHandle), DeviceError> {
        Self::open_chosen(options, counters).map_err(|error| match error {
            // Some systems name a default device that they cannot open: nothing was lost, it never was there.
            DeviceError::Lost { direction } => options.choice(direction).absent(direction),
            error => error,
        })
    }

    fn open_chosen(
        options: &DeviceOptions,
        counters: &Arc<Counters>,
    ) -> Result<(Self, DeviceHandle), DeviceError> {
        hush();
        let host = cpal::default_host();
        let input = choose(&host, &options.input, Direction::Input)?;
        let output = choose(&host, &options.output, Direction::Output)?;
        let (rate, input, output) = agree(options.sample_rate, input, output)?;
        let mut port = Self {
            rate,
            clock: None,
            microphone: None,
            loudspeaker: None,
            input_muted: false,
            output_muted: false,
        };
        let mut handle = DeviceHandle {
            ends: Vec::new(),
            rounds: Rounds::new(counters),
            counters: Arc::clone(counters),
        };
        if let Some(end) = input {
            let (inlet, outlet) = ring::ring(rate, counters, |c| &c.input);
            port.clock = Some(handle.start(&end, Ring::Microphone(inlet))?);
            port.microphone = Some(outlet);
        }
        if let Some(end) = output {
            let (inlet, outlet) = ring::ring(rate, counters, |c| &c.output);
            port.clock = Some(handle.start(&end, Ring::Loudspeaker(outlet))?);
            port.loudspeaker = Some(inlet);
        }
        Ok((port, handle))
    }

    /// Mutes the microphone: the port is no producer any more. Announce it with
    /// [`AudioMixer::port_did_change`](crate::AudioMixer::port_did_change).
    pub fn set_input_muted(&mut self, muted: bool) {
        self.input_muted = muted;
    }

    /// Mutes the loudspeaker: the port is no consumer any more. Announce it as well.
    pub fn set_output_muted(&mut self, muted: bool) {
        self.output_muted = muted;
    }

    /// Whether the microphone is muted.
    pub fn input_muted(&self) -> bool {
        self.input_muted
    }

    /// Whether the loudspeaker is muted.
    pub fn output_muted(&self) -> bool {
        self.output_muted
    }
}

impl AudioPort for AudioDevice {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role {
            producer: self.microphone.is_some() && !self.input_muted,
            consumer: self.loudspeaker.is_some() && !self.output_muted,
        }
    }

    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        let heard = self
            .microphone
            .as_mut()
            .is_some_and(|microphone| microphone.pull(frame));
        if heard { Produced::Audio } else { Produced::Silence }
    }

    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        if let Some(loudspeaker) = &mut self.loudspeaker {
            loudspeaker.push(frame);
        }
    }

    fn clock(&self) -> Option<ClockReading> {
        self.clock.as_ref()?.read()
    }
}

impl fmt::Debug for AudioDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioDevice")
            .field("rate", &self.rate)
            .field("role", &self.role())
            .finish_non_exhaustive()
    }
}

impl DeviceHandle {
    /// What happened, oldest first for each direction. At most [`MAX_EVENTS`](Self::MAX_EVENTS) of each wait; later ones are
    /// dropped.
    ///
    /// An error that the card may get over is told when it did not call for 2.5 seconds after it.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<DeviceEvent> {
        let (now, counters) = (Instant::now(), &self.counters);
        let mut ends = self.ends.iter_mut();
        ends.find_map(|end| end.poll_event(now, counters.flow(end.direction).calls()))
    }

    /// Most events of a direction that wait to be polled.
    pub const MAX_EVENTS: usize = 16;

    /// What was lost so far.
    pub fn stats(&self) -> DeviceStats {
        self.counters.stats()
    }

    /// What is counted, for who looks at it from elsewhere.
    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    pub(super) fn rounds(&self) -> &Rounds {
        &self.rounds
    }

    fn start(&mut self, end: &End, ring: Ring) -> Result<Arc<DeviceClock>, DeviceError> {
        let (told, reports) = RingBuffer::new(Self::MAX_EVENTS);
        let clock = Arc::new(DeviceClock::new(end.config.sample_rate, Instant::now()));
        let watch = Watch {
            direction: end.direction,
            told,
            counters: Arc::clone(&self.counters),
        };
        let stream = match end.format {
            SampleFormat::I16 => end.stream::<i16>(ring, Arc::clone(&clock), watch),
            SampleFormat::I32 => end.stream::<i32>(ring, Arc::clone(&clock), watch),
            _ => end.stream::<f32>(ring, Arc::clone(&clock), watch),
        };
        let stream = stream.and_then(|stream| stream.play().map(|()| stream));
        self.rounds.add(end.direction);
        self.ends.push(OpenEnd {
            direction: end.direction,
            _stream: stream.map_err(|error| cause(end.direction, &error))?,
            reports,
            doubt: Doubt::default(),
        });
        Ok(clock)
    }
}

impl fmt::Debug for DeviceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceHandle")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl OpenEnd {
    fn poll_event(&mut self, now: Instant, calls: u64) -> Option<DeviceEvent> {
        while let Ok(report) = self.reports.pop() {
            match report {
                Report::Moved => return Some(DeviceEvent::Rerouted(self.direction)),
                Report::Gone(cause) => return Some(DeviceEvent::Failed(cause)),
                Report::Doubtful(cause) => self.doubt.begin(now, calls, cause),
            }
        }
        self.doubt.verdict(now, calls).map(DeviceEvent::Failed)
    }
}

/// One direction of a device, and how to open it.
struct End {
    device: cpal::Device,
    direction: Direction,
    config: StreamConfig,
    format: SampleFormat,
}

/// The card's end of a ring.
enum Ring {
    Microphone(Inlet),
    Loudspeaker(Outlet),
}

impl End {
    fn stream<T>(
        &self,
        ring: Ring,
        clock: Arc<DeviceClock>,
        mut watch: Watch,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        T: SizedSample + FromSample<i16>,
        i16: FromSample<T>,
    {
        let channels = usize::from(self.config.channels);
        let on_error = move |error: cpal::Error| watch.report(&error);
        match ring {
            Ring::Microphone(mut inlet) => {
                let heard = move |data: &[T], _: &cpal::InputCallbackInfo| {
                    inlet.count_callback();
                    inlet.begin(data.len() / channels);
                    data.chunks_exact(channels)
                        .for_each(|frame| inlet.push_one(mixed(frame)));
                    clock.advance(Instant::now(), data.len() / channels);
                };
                self.device.build_input_stream(self.config, heard, on_error, None)
            }
            Ring::Loudspeaker(mut outlet) => {
                let play = move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
                    outlet.count_callback();
                    outlet.begin(data.len() / channels);
                    spread(data, channels, || outlet.pull_one());
                    outlet.end(data.len() / channels);
                    clock.advance(Instant::now(), data.len() / channels);
                };
                self.device.build_output_stream(self.config, play, on_error, None)
            }
        }
    }
}

/// Gives each frame one sample, the same on all channels.
fn spread<T: Copy + FromSample<i16>>(data: &mut [T], channels: usize, mut next: impl FnMut() -> i16) {
    for frame in data.chunks_exact_mut(channels) {
        frame.fill(T::from_sample_(next()));
    }
}

/// The mean of all channels.
fn mixed<T: Copy>(frame: &[T]) -> i16
where
    i16: FromSample<T>,
{
    let sum: i32 = frame.iter().map(|&s| i32::from(i16::from_sample_(s))).sum();
    (sum / frame.len().max(1) as i32) as i16
}

/// Tells the application what the card reports.
struct Watch {
    direction: Direction,
    told: Producer<Report>,
    counters: Arc<Counters>,
}

impl Watch {
    fn report(&mut self, error: &cpal::Error) {
        let report = match error.kind() {
            ErrorKind::Xrun => {
                self.counters.glitches.fetch_add(1, Ordering::Relaxed);
                return;
            }
            // Sound goes on, perhaps with glitches, which are counted.
            ErrorKind::RealtimeDenied => return,
            ErrorKind::DeviceChanged => Report::Moved,
            ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated => {
                Report::Gone(cause(self.direction, error))
            }
            _ => {
                // The library tries again at once, for as long as it lasts: this is its thread.
                thread::sleep(NAP);
                Report::Doubtful(cause(self.direction, error))
            }
        };
        // A full ring means that nobody polls.
        let _ = self.told.push(report);
    }
}

fn choose(
    host: &cpal::Host,
    choice: &DeviceChoice,
    direction: Direction,
) -> Result<Option<(cpal::Device, Direction)>, DeviceError> {
    let found = match (choice, direction) {
        (DeviceChoice::Off | DeviceChoice::File(_), _) => return Ok(None),
        (DeviceChoice::Default, Direction::Input) => host.default_input_device(),
        (DeviceChoice::Default, Direction::Output) => host.default_output_device(),
        (DeviceChoice::Named(name), _) => {
            let mut devices = host.devices().map_err(|error| cause(direction, &error))?;
            devices.find(|device| name_of(device) == *name)
        }
    };
    let device = found.ok_or_else(|| choice.absent(direction))?;
    Ok(Some((device, direction)))
}

/// The first usual rate that both directions know, beginning with the one asked for.
fn agree(
    asked: u32,
    input: Option<(cpal::Device, Direction)>,
    output: Option<(cpal::Device, Direction)>,
) -> Result<(u32, Option<End>, Option<End>), DeviceError> {
    let input = input
        .map(|(device, direction)| offers(device, direction))
        .transpose()?;
    let output = output
        .map(|(device, direction)| offers(device, direction))
        .transpose()?;
    let at = |end: &Option<Offers>, rate| end.as_ref().map(|offers| offers.at(rate));
    for rate in std::iter::once(asked).chain(USUAL_RATES) {
        match (at(&input, rate), at(&output, rate)) {
            (Some(None), _) | (_, Some(None)) => {}
            (input, output) => return Ok((rate, input.flatten(), output.flatten())),
        }
    }
    Err(DeviceError::NoCommonRate)
}

fn usual_rates(device: &cpal::Device, direction: Direction) -> Vec<u32> {
    let present = match direction {
        Direction::Input => device.supports_input(),
        Direction::Output => device.supports_output(),
    };
    let offers = offers(device.clone(), direction).ok().filter(|_| present);
    let knows = |rate: &u32| offers.as_ref().is_some_and(|offers| offers.at(*rate).is_some());
    let mut rates: Vec<u32> = USUAL_RATES.into_iter().filter(knows).collect();
    rates.sort_unstable();
    rates
}

/// What a device can do in one direction.
struct Offers {
    device: cpal::Device,
    direction: Direction,
    ranges: Vec<SupportedStreamConfigRange>,
}

fn offers(device: cpal::Device, direction: Direction) -> Result<Offers, DeviceError> {
    let ranges = match direction {
        Direction::Input => device.supported_input_configs().map(Iterator::collect),
        Direction::Output => device.supported_output_configs().map(Iterator::collect),
    };
    let ranges = ranges.map_err(|error| cause(direction, &error))?;
    Ok(Offers {
        device,
        direction,
        ranges,
    })
}

impl Offers {
    /// How to open the device at a rate: with the fewest channels, rather in 16 bits than in 32.
    fn at(&self, rate: u32) -> Option<End> {
        let formats = [SampleFormat::I16, SampleFormat::F32, SampleFormat::I32];
        let preference = |range: &&SupportedStreamConfigRange| {
            let format = formats.iter().position(|format| *format == range.sample_format());
            (range.channels(), format)
        };
        let mut ranges: Vec<_> = self.ranges.iter().collect();
        ranges.retain(|range| range.channels() > 0 && formats.contains(&range.sample_format()));
        ranges.retain(|range| (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate));
        let range = ranges.into_iter().min_by_key(preference)?;
        Some(End {
            device: self.device.clone(),
            direction: self.direction,
            config: StreamConfig {
                channels: range.channels(),
                sample_rate: rate,
                buffer_size: BufferSize::Default,
            },
            format: range.sample_format(),
        })
    }
}

fn name_of(device: &cpal::Device) -> String {
    device
        .id()
        .map_or_else(|_| device.to_string(), |id| id.id().to_owned())
}

/// The library's error in our words.
fn cause(direction: Direction, error: &cpal::Error) -> DeviceError {
    match error.kind() {
        ErrorKind::DeviceBusy => DeviceError::Busy { direction },
        ErrorKind::PermissionDenied => DeviceError::NotPermitted { direction },
        ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated => DeviceError::Lost { direction },
        _ => DeviceError::System {
            direction,
            message: error.to_string(),
        },
    }
}

/// How long a stream that reports errors rests between two of them: short against a period.
const NAP: Duration = Duration::from_millis(2);

/// Rates that cards know, the best first.
const USUAL_RATES: [u32; 6] = [48_000, 44_100, 32_000, 16_000, 96_000, 8_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_of_a_microphone_are_mixed_to_one() {
        assert_eq!(mixed(&[i16::MAX, i16::MAX]), i16::MAX);
        assert_eq!(mixed(&[30_000_i16, -10_000]), 10_000);
        assert_eq!(mixed(&[0.5_f32, 0.0, 0.0, 0.0]), 4_096);
        assert_eq!(mixed::<f32>(&[]), 0);
    }

    #[test]
    fn all_channels_of_a_loudspeaker_play_the_same() {
        let mut heard = [1_i16; 7];
        let mut samples = [100, -200].into_iter();
        spread(&mut heard[..6], 3, || samples.next().unwrap_or_default());
        assert_eq!(heard, [100, 100, 100, -200, -200, -200, 1]);
        let mut heard = [0_i32; 2];
        spread(&mut heard, 2, || i16::MIN);
        assert_eq!(heard, [i32::MIN; 2]);
    }
}
