//! The device through which streams are spoken and heard, shared by all that ask for it (`voice_audio_mixer`,
//! `voice_audio_bridge` and `voice_audio_device` of the documents).

use super::command::{PortId, StreamId};
use super::port::MediaPort;
use offhook_audio_mixer::{AudioMixer, AudioPort, BridgeId, Gain, MixerError, Slot};
use std::fmt;

/// What concerns the voice device.
pub enum VoiceCommand {
    /// Speak and hear through this port from now on; running streams go over to it. The one before comes back with
    /// [`MediaEvent::Released`](super::MediaEvent::Released).
    SetDevice(Box<dyn AudioPort>),
    /// Let a stream that was started be spoken and heard on the device, whichever it is.
    Join(StreamId),
    /// Put a port beside the device: it plays to the loudspeaker and hears the microphone, and no stream hears it.
    Add {
        /// The port's name, unique beside the device.
        port: PortId,
        /// The port itself. It comes back with [`MediaEvent::Released`](super::MediaEvent::Released).
        audio: Box<dyn AudioPort>,
    },
    /// Take such a port away.
    Remove(PortId),
    /// Mute the microphone, whichever it is.
    SetInputMuted(bool),
    /// Mute the loudspeaker.
    SetOutputMuted(bool),
    /// How loud the microphone is for all others.
    SetInputGain(Gain),
    /// How loud the loudspeaker is.
    SetOutputGain(Gain),
}

impl fmt::Debug for VoiceCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetDevice(_) => f.write_str("SetDevice"),
            Self::Join(stream) => write!(f, "Join({stream:?})"),
            Self::Add { port, .. } => write!(f, "Add({port:?})"),
            Self::Remove(port) => write!(f, "Remove({port:?})"),
            Self::SetInputMuted(muted) => write!(f, "SetInputMuted({muted})"),
            Self::SetOutputMuted(muted) => write!(f, "SetOutputMuted({muted})"),
            Self::SetInputGain(gain) => write!(f, "SetInputGain({gain:?})"),
            Self::SetOutputGain(gain) => write!(f, "SetOutputGain({gain:?})"),
        }
    }
}

/// The voice device's place in the engine's mixer.
pub(super) struct Voice {
    /// The device, and what was put beside it.
    bridge: BridgeId,
    device: Option<Slot>,
    added: Vec<(PortId, Slot)>,
    /// The far ends of the streams that use it.
    users: Vec<Slot>,
    input: Level,
    output: Level,
}

/// How loud one way is: kept when the device changes.
#[derive(Clone, Copy, Default)]
struct Level {
    gain: Gain,
    muted: bool,
}

type Mixer = AudioMixer<MediaPort>;

impl Voice {
    pub(super) fn new(mixer: &mut Mixer) -> Result<Self, MixerError> {
        Ok(Self {
            bridge: mixer.add_bridge()?,
            device: None,
            added: Vec::new(),
            users: Vec::new(),
            input: Level::default(),
            output: Level::default(),
        })
    }

    /// Whether something is beside the device that needs the clock.
    pub(super) fn is_busy(&self) -> bool {
        !self.added.is_empty()
    }

    /// Puts a device in the place of the one before, which is given back.
    pub(super) fn set_device(
        &mut self,
        mixer: &mut Mixer,
        audio: Box<dyn AudioPort>,
    ) -> Result<Option<Box<dyn AudioPort>>, MixerError> {
        let old = self.device.take().and_then(|slot| taken(mixer, slot));
        let slot = mixer.add_port(MediaPort::Attached(audio))?;
        self.device = Some(slot);
        mixer.set_clock(Some(slot))?;
        // The bridge is never removed.
        let _ = mixer.join(self.bridge, slot);
        for &user in &self.users {
            connect(mixer, slot, user)?;
        }
        self.level(mixer)?;
        Ok(old)
    }

    /// Connects a far end with the device, now and whenever there is another one.
    pub(super) fn join(&mut self, mixer: &mut Mixer, remote: Slot) -> Result<(), MixerError> {
        if !self.users.contains(&remote) {
            self.users.push(remote);
        }
        self.device
            .map_or(Ok(()), |device| connect(mixer, device, remote))
    }

    /// A far end has gone.
    pub(super) fn forget(&mut self, remote: Slot) {
        self.users.retain(|&user| user != remote);
    }

    pub(super) fn add(
        &mut self,
        mixer: &mut Mixer,
        port: PortId,
        audio: Box<dyn AudioPort>,
    ) -> Result<(), MixerError> {
        let slot = mixer.add_port(MediaPort::Attached(audio))?;
        let _ = mixer.join(self.bridge, slot);
        self.added.push((port, slot));
        Ok(())
    }

    pub(super) fn remove(&mut self, mixer: &mut Mixer, port: PortId) -> Option<Box<dyn AudioPort>> {
        let place = self.added.iter().position(|(added, _)| *added == port)?;
        taken(mixer, self.added.swap_remove(place).1)
    }

    pub(super) fn set_input_muted(&mut self, mixer: &mut Mixer, muted: bool) -> Result<(), MixerError> {
        self.input.muted = muted;
        self.level(mixer)
    }

    pub(super) fn set_output_muted(&mut self, mixer: &mut Mixer, muted: bool) -> Result<(), MixerError> {
        self.output.muted = muted;
        self.level(mixer)
    }

    pub(super) fn set_input_gain(&mut self, mixer: &mut Mixer, gain: Gain) -> Result<(), MixerError> {
        self.input.gain = gain;
        self.level(mixer)
    }

    pub(super) fn set_output_gain(&mut self, mixer: &mut Mixer, gain: Gain) -> Result<(), MixerError> {
        self.output.gain = gain;
        self.level(mixer)
    }

    fn level(&self, mixer: &mut Mixer) -> Result<(), MixerError> {
        let Some(device) = self.device else { return Ok(()) };
        mixer.set_input_gain(device, self.input.gain)?;
        mixer.set_input_muted(device, self.input.muted)?;
        mixer.set_output_gain(device, self.output.gain)?;
        mixer.set_output_muted(device, self.output.muted)
    }
}

fn connect(mixer: &mut Mixer, device: Slot, remote: Slot) -> Result<(), MixerError> {
    mixer.connect(device, remote, Gain::UNITY)?;
    mixer.connect(remote, device, Gain::UNITY)
}

fn taken(mixer: &mut Mixer, slot: Slot) -> Option<Box<dyn AudioPort>> {
    match mixer.remove_port(slot)? {
        MediaPort::Attached(audio) => Some(audio),
        MediaPort::Remote(_) => None,
    }
}
