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
    users: Vec<User>,
    /// The bridges between streams in which it takes part.
    bridges: Vec<BridgeId>,
    input: Level,
    output: Level,
}

/// The far end of a stream that uses the device.
#[derive(Clone, Copy)]
struct User {
    remote: Slot,
    /// It meets the device in a bridge for now, if at all.
    is_away: bool,
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
            bridges: Vec::new(),
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
        for &bridge in &self.bridges {
            let _ = mixer.join(bridge, slot); // those that are closed are left before
        }
        for user in self.users.iter().filter(|user| !user.is_away) {
            connect(mixer, slot, user.remote)?;
        }
        self.level(mixer)?;
        Ok(old)
    }

    /// Connects a far end with the device, now and whenever there is another one. One that is away is connected when it
    /// [comes back](Self::come_back).
    pub(super) fn join(&mut self, mixer: &mut Mixer, remote: Slot, is_away: bool) -> Result<(), MixerError> {
        if self.user(remote).is_none() {
            self.users.push(User { remote, is_away });
        }
        self.connect(mixer, remote)
    }

    /// A far end goes into a bridge: it does not meet the device but there.
    pub(super) fn go_away(&mut self, mixer: &mut Mixer, remote: Slot) -> Result<(), MixerError> {
        let device = self.device;
        let Some(user) = self.user(remote).filter(|user| !user.is_away) else {
            return Ok(());
        };
        user.is_away = true;
        let Some(device) = device else { return Ok(()) };
        mixer.disconnect(device, remote)?;
        mixer.disconnect(remote, device)
    }

    /// A far end leaves its bridge.
    pub(super) fn come_back(&mut self, mixer: &mut Mixer, remote: Slot) -> Result<(), MixerError> {
        if let Some(user) = self.user(remote) {
            user.is_away = false;
        }
        self.connect(mixer, remote)
    }

    /// A far end has gone.
    pub(super) fn forget(&mut self, remote: Slot) {
        self.users.retain(|user| user.remote != remote);
    }

    /// The device takes part in a bridge between streams, now and whenever there is another one.
    pub(super) fn enter(&mut self, mixer: &mut Mixer, bridge: BridgeId) {
        if !self.bridges.contains(&bridge) {
            self.bridges.push(bridge);
        }
        if let Some(device) = self.device {
            let _ = mixer.join(bridge, device); // both are there
        }
    }

    /// It does not any more.
    pub(super) fn leave(&mut self, mixer: &mut Mixer, bridge: BridgeId) {
        self.bridges.retain(|&entered| entered != bridge);
        if let Some(device) = self.device {
            let _ = mixer.leave(bridge, device); // not in it is as good
        }
    }

    fn user(&mut self, remote: Slot) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.remote == remote)
    }

    fn connect(&mut self, mixer: &mut Mixer, remote: Slot) -> Result<(), MixerError> {
        let device = self.device;
        match (self.user(remote).filter(|user| !user.is_away), device) {
            (Some(_), Some(device)) => connect(mixer, device, remote),
            _ => Ok(()),
        }
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

    /// A port has left by itself.
    pub(super) fn lose(&mut self, gone: Slot) {
        self.device.take_if(|device| *device == gone);
        self.added.retain(|(_, slot)| *slot != gone);
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

pub(super) fn taken(mixer: &mut Mixer, slot: Slot) -> Option<Box<dyn AudioPort>> {
    match mixer.remove_port(slot)? {
        MediaPort::Attached(audio) => Some(audio),
        MediaPort::Remote(_) => None,
    }
}
