//! The mixer: slots, edges, and the tick.

mod cell;
mod connect;
mod entry;
pub(crate) mod kernel;
mod places;
mod tick;
mod voices;

use crate::bridge::AudioBridge;
use crate::gain::Gain;
use crate::level::Level;
use crate::pace::ClockReading;
use crate::port::{AudioPort, Role};
use crate::slot::{MixerId, Slot};
use cell::Cells;
use entry::{Edge, Entry};
use places::Slotted;
use std::time::Duration;
use thiserror::Error;
use voices::Voices;

/// How much sound one tick carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TickLength {
    /// 10 ms: half the delay, about twice the cost of calls per second.
    Ms10,
    /// 20 ms, the default: the packet time of RFC 3551, so that each tick fills one packet.
    #[default]
    Ms20,
}

impl TickLength {
    /// The length as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_millis(1000 / u64::from(self.per_second()))
    }

    /// Samples in one tick at `rate`, if that is a whole number.
    pub fn samples(self, rate: u32) -> Option<usize> {
        rate.is_multiple_of(self.per_second())
            .then(|| (rate / self.per_second()) as usize)
    }

    /// Samples in one tick of a port at `rate`; `None` for a rate that no mixer takes.
    pub(crate) fn samples_of_port(self, rate: u32) -> Option<usize> {
        self.samples(rate)
            .filter(|_| (MIN_RATE..=MAX_PORT_RATE).contains(&rate))
    }

    pub(crate) fn per_second(self) -> u32 {
        match self {
            Self::Ms10 => 100,
            Self::Ms20 => 50,
        }
    }
}

/// What a mixer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MixerConfig {
    /// The mixer's own rate in hertz, 8000..=48000. Default 48000, so that Opus callers lose nothing.
    pub sample_rate: u32,
    /// Length of a tick. Default 20 ms.
    pub tick: TickLength,
    /// Most ports at a time. At most [`MAX_PORTS`]. Default 1024: twice the conference that the mixer is measured for; one port costs about
    /// 3 kB at 48 kHz, and 30 to 160 kB more if its rate differs: the most at 44.1 kHz and other odd relations.
    pub max_ports: usize,
    /// Most bridges at a time. Default 1024; one with members costs about 25 kB at 48 kHz.
    pub max_bridges: usize,
}

impl MixerConfig {
    /// The defaults at another rate.
    pub fn at_rate(sample_rate: u32) -> Self {
        Self {
            sample_rate,
            ..Self::default()
        }
    }

    /// The same with another tick.
    #[must_use]
    pub fn with_tick(self, tick: TickLength) -> Self {
        Self { tick, ..self }
    }
}

impl Default for MixerConfig {
    fn default() -> Self {
        Self {
            sample_rate: 48_000,
            tick: TickLength::Ms20,
            max_ports: 1024,
            max_bridges: 1024,
        }
    }
}

/// Why a mixer or one of its ports was refused. All of these are mistakes of the caller.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MixerError {
    /// The mixer's own rate is out of range, or does not fit a whole number of samples into a tick.
    #[error("a mixer at {rate} Hz: {}", unfit(*rate, MAX_RATE, *tick))]
    MixerRate {
        /// The rate asked for.
        rate: u32,
        /// The mixer's tick.
        tick: Duration,
    },
    /// The rate does not fit a whole number of samples into a tick, or is out of range.
    #[error("a port at {rate} Hz: {}", unfit(*rate, MAX_PORT_RATE, *tick))]
    PortRate {
        /// The port's rate.
        rate: u32,
        /// The mixer's tick.
        tick: Duration,
    },
    /// The limit of [`MixerConfig::max_ports`] is reached.
    #[error("the mixer is full: {max} ports")]
    TooManyPorts {
        /// The limit.
        max: usize,
    },
    /// The limit of [`MixerConfig::max_bridges`] is reached.
    #[error("the mixer already has {max} bridges")]
    TooManyBridges {
        /// The limit.
        max: usize,
    },
    /// The mixer has no such slot (any more).
    #[error("the mixer has no {0}")]
    NoSlot(Slot),
    /// The slot is one of another mixer: only ports of one mixer can be connected.
    #[error("{0} is one of another mixer")]
    ForeignSlot(Slot),
    /// Whoever overhears hears what another one does.
    #[error("{0} cannot overhear itself")]
    OverhearsItself(Slot),
    /// These two slots are not connected.
    #[error("{from} is not connected to {to}")]
    NotConnected {
        /// Who should have been heard.
        from: Slot,
        /// Who should have heard.
        to: Slot,
    },
}

impl MixerError {
    /// Why a mixer does not know a slot.
    fn unknown(slot: Slot, mixer: MixerId) -> Self {
        if slot.mixer == mixer {
            Self::NoSlot(slot)
        } else {
            Self::ForeignSlot(slot)
        }
    }
}

/// What changed when a port announced a change (`AudioPortDidChangeSlots` in the SIP SIMPLE documents).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotsChange {
    /// The slot used to take sound, before. `None` if the port was no consumer.
    pub old_consumer_slot: Option<Slot>,
    /// The slot used to take sound, now.
    pub new_consumer_slot: Option<Slot>,
    /// The slot used to give sound, before. `None` if the port was no producer.
    pub old_producer_slot: Option<Slot>,
    /// The slot used to give sound, now.
    pub new_producer_slot: Option<Slot>,
    /// Whether the port's rate changed.
    pub rate_changed: bool,
}

impl SlotsChange {
    /// Whether the port began or ceased to take sound.
    pub fn consumer_slot_changed(&self) -> bool {
        self.old_consumer_slot != self.new_consumer_slot
    }

    /// Whether the port began or ceased to give sound.
    pub fn producer_slot_changed(&self) -> bool {
        self.old_producer_slot != self.new_producer_slot
    }
}

/// Mixes ports, one tick at a time.
///
/// A plain value: it owns no thread and reads no clock. Its driver calls [`tick`](Self::tick) once every
/// [`TickLength`], from one thread; commands come between ticks. A tick allocates nothing, locks nothing and logs
/// nothing. Commands may allocate.
///
/// Samples are 16-bit, mono; sums are 32-bit, brought back by a soft limiter: up to 24575, 2.5 dB below full scale, they stay as they
/// are, and above that a parabola leads to full scale, so that 32767 becomes 30719. Joins, leaves, mutes and changes of gain,
/// role and rate glide over one tick, so that nothing clicks.
///
/// `P` is the type of the ports: `Box<dyn AudioPort>`, or an enum of those that a program uses, which keeps their own
/// methods in reach of [`port_mut`](Self::port_mut) (`examples/mix_files.rs` does so).
pub struct AudioMixer<P: AudioPort = Box<dyn AudioPort>> {
    id: MixerId,
    config: MixerConfig,
    frame_len: usize,
    places: Vec<Slotted<P>>,
    free: Vec<u32>,
    /// Places with a port in them.
    ports: usize,
    /// Places whose port turned out to be over in this tick.
    over: Vec<u32>,
    /// Whether the port of a place is gone, for those who knew it: of use while ports depart.
    gone: Vec<bool>,
    /// Ports that left by themselves, and where they were.
    departed: Vec<(Slot, P)>,
    /// Vacant places still have what an earlier port left.
    littered: bool,
    voices: Voices,
    bridges: Vec<Bridged>,
    /// Who hears whom by bridges, now and before the commands since the last tick.
    cells: Cells,
    before: Cells,
    /// The two differ.
    moved: bool,
    /// Sums and frame for the general case of a listener.
    sum: Vec<i32>,
    was: Vec<i32>,
    /// What who overhears another one heard before.
    turned: Vec<i32>,
    heard: Vec<i16>,
    ticks: u64,
    /// The port whose clock the driver goes by.
    clock: Option<Slot>,
    /// Something glides or leaves, so the next tick has to tidy up.
    unsettled: bool,
}

/// What is wrong with a rate.
fn unfit(rate: u32, most: u32, tick: Duration) -> String {
    if (MIN_RATE..=most).contains(&rate) {
        format!("it has no whole number of samples in {tick:?}")
    } else {
        format!("{MIN_RATE} to {most} Hz are possible")
    }
}

/// A place for a bridge.
struct Bridged {
    generation: u32,
    bridge: Option<AudioBridge>,
    /// Some of its members departed, and are to be taken out.
    has_departed: bool,
}

impl<P: AudioPort> AudioMixer<P> {
    /// A mixer without ports.
    pub fn new(config: MixerConfig) -> Result<Self, MixerError> {
        let rate = config.sample_rate;
        let frame_len = config
            .tick
            .samples(rate)
            .filter(|_| (MIN_RATE..=MAX_RATE).contains(&rate))
            .ok_or(MixerError::MixerRate {
                rate,
                tick: config.tick.duration(),
            })?;
        Ok(Self {
            id: MixerId::next(),
            config,
            frame_len,
            places: Vec::new(),
            free: Vec::new(),
            ports: 0,
            over: Vec::new(),
            gone: Vec::new(),
            departed: Vec::new(),
            littered: false,
            voices: Voices::new(frame_len),
            bridges: Vec::new(),
            cells: Cells::new(frame_len),
            before: Cells::new(frame_len),
            moved: false,
            sum: vec![0; frame_len],
            was: vec![0; frame_len],
            turned: vec![0; frame_len],
            heard: vec![0; frame_len],
            ticks: 0,
            clock: None,
            unsettled: false,
        })
    }

    /// What the mixer was made of.
    pub fn config(&self) -> &MixerConfig {
        &self.config
    }

    /// Samples in one tick at the mixer's rate.
    pub fn frame_len(&self) -> usize {
        self.frame_len
    }

    /// How many ports there are.
    pub fn ports(&self) -> usize {
        self.ports
    }

    /// The port in a slot.
    pub fn port(&self, slot: Slot) -> Option<&P> {
        self.entry(slot)?.port.as_ref()
    }

    /// The port in a slot, to command it. Announce a changed rate or role with
    /// [`port_did_change`](Self::port_did_change).
    pub fn port_mut(&mut self, slot: Slot) -> Option<&mut P> {
        self.entry_mut(slot)?.port.as_mut()
    }

    /// Reads the rate and role of a port anew, because they changed, and tells what is different now. Connections and
    /// memberships stay and follow the new role. What it said before fades out within one tick, and what it says or hears from
    /// now on fades in.
    pub fn port_did_change(&mut self, slot: Slot) -> Result<SlotsChange, MixerError> {
        let port = self.port(slot).ok_or(MixerError::unknown(slot, self.id))?;
        let edge = self.edge_of(port)?;
        let said = self.voices.get(slot.index());
        let said = said.map(|voice| voice.samples.to_vec());
        let entry = self.known_mut(slot)?;
        let (old, new) = (entry.edge.role, edge.role);
        let rate_changed = entry.edge.rate != edge.rate;
        if rate_changed || old != new {
            entry.turn_to(edge, said);
        }
        Ok(SlotsChange {
            old_consumer_slot: old.consumer.then_some(slot),
            new_consumer_slot: new.consumer.then_some(slot),
            old_producer_slot: old.producer.then_some(slot),
            new_producer_slot: new.producer.then_some(slot),
            rate_changed,
        })
    }

    /// Lets the driver of the mixer keep step with the clock of a port, a sound card: [`MixerThread`](crate::MixerThread)
    /// does, and whoever drives the mixer himself can with a [`TickClock`](crate::TickClock). `None`: the system's clock.
    ///
    /// While the port has no clock, because the card is gone or it never was one, ticks come by the system's clock.
    pub fn set_clock(&mut self, slot: Option<Slot>) -> Result<(), MixerError> {
        if let Some(slot) = slot {
            self.known(slot)?;
        }
        self.clock = slot;
        Ok(())
    }

    /// The port whose clock the driver goes by.
    pub fn clock(&self) -> Option<Slot> {
        self.clock.filter(|&slot| self.port(slot).is_some())
    }

    /// How far the clock to go by is: for the driver, after each tick.
    pub fn clock_reading(&self) -> Option<ClockReading> {
        self.port(self.clock?)?.clock()
    }

    /// The role that the mixer goes by for a slot.
    pub fn role(&self, slot: Slot) -> Option<Role> {
        Some(self.entry(slot)?.edge.role)
    }

    /// How loud the port was in the last tick, after its input gain.
    pub fn level(&self, slot: Slot) -> Option<Level> {
        self.entry(slot).map(|_| self.voices.level(slot.index()))
    }

    /// How many ticks of a port's sound were late or lost ([`Produced::Missing`](crate::Produced::Missing)) since it was added.
    pub fn missing_ticks(&self, slot: Slot) -> Option<u64> {
        Some(self.entry(slot)?.missing)
    }

    /// Sets how loud the port is for all others. Default [`Gain::UNITY`].
    pub fn set_input_gain(&mut self, slot: Slot, gain: Gain) -> Result<(), MixerError> {
        self.change(slot, |entry| entry.input.set_gain(gain))
    }

    /// Sets how loud the port hears all others. Default [`Gain::UNITY`].
    pub fn set_output_gain(&mut self, slot: Slot, gain: Gain) -> Result<(), MixerError> {
        self.change(slot, |entry| entry.output.set_gain(gain))
    }

    /// Mutes what the port says. It is still asked for its sound, so that its time goes on.
    pub fn set_input_muted(&mut self, slot: Slot, muted: bool) -> Result<(), MixerError> {
        self.change(slot, |entry| entry.input.set_muted(muted))
    }

    /// Mutes what the port hears. It still takes frames, of silence.
    pub fn set_output_muted(&mut self, slot: Slot, muted: bool) -> Result<(), MixerError> {
        self.change(slot, |entry| entry.output.set_muted(muted))
    }

    /// Whether what the port says is muted.
    pub fn input_muted(&self, slot: Slot) -> Option<bool> {
        Some(self.entry(slot)?.input.muted)
    }

    /// Whether what the port hears is muted.
    pub fn output_muted(&self, slot: Slot) -> Option<bool> {
        Some(self.entry(slot)?.output.muted)
    }

    fn change(&mut self, slot: Slot, change: impl FnOnce(&mut Entry<P>)) -> Result<(), MixerError> {
        change(self.known_mut(slot)?);
        self.unsettled = true;
        Ok(())
    }

    fn edge_of(&self, port: &P) -> Result<Edge, MixerError> {
        let (rate, tick) = (port.sample_rate(), self.config.tick);
        let refused = MixerError::PortRate {
            rate,
            tick: tick.duration(),
        };
        let port_len = tick.samples_of_port(rate).ok_or(refused)?;
        Edge::new(rate, port.role(), port_len, self.frame_len).ok_or(refused)
    }

    /// The slot of a place that has a port.
    fn slot_at(&self, index: u32) -> Slot {
        Slot {
            mixer: self.id,
            index,
            generation: self.places[index as usize].generation,
        }
    }

    /// Who is in a slot, or why there is nobody.
    fn known(&self, slot: Slot) -> Result<&Entry<P>, MixerError> {
        self.entry(slot).ok_or(MixerError::unknown(slot, self.id))
    }

    fn known_mut(&mut self, slot: Slot) -> Result<&mut Entry<P>, MixerError> {
        let unknown = MixerError::unknown(slot, self.id);
        self.entry_mut(slot).ok_or(unknown)
    }

    fn entry(&self, slot: Slot) -> Option<&Entry<P>> {
        let place = self.places.get(slot.index())?;
        place
            .entry
            .as_ref()
            .filter(|_| place.generation == slot.generation && self.id == slot.mixer)
    }

    fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry<P>> {
        let place = self.places.get_mut(slot.index())?;
        place
            .entry
            .as_mut()
            .filter(|_| place.generation == slot.generation && self.id == slot.mixer)
    }
}

impl<P: AudioPort> std::fmt::Debug for AudioMixer<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioMixer")
            .field("config", &self.config)
            .field("ports", &self.ports())
            .field("ticks", &self.ticks)
            .finish_non_exhaustive()
    }
}

/// The lowest rate of a mixer or port, in hertz: narrow-band telephony.
pub const MIN_RATE: u32 = 8_000;
/// The highest rate of a mixer, in hertz: the full band of Opus.
pub const MAX_RATE: u32 = 48_000;
/// The most ports that [`MixerConfig::max_ports`] can allow: so many full voices still fit a 32-bit sum.
pub const MAX_PORTS: usize = 32_768;
/// The highest rate of a port, in hertz: studio sound devices.
pub const MAX_PORT_RATE: u32 = 192_000;
