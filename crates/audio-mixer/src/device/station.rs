//! A mixer with a device of its own.

use super::choice::DeviceOptions;
use super::clock::{MixerGone, MixerThread};
use super::lasting::{DeviceSource, LastingDevice, LastingEvent, LastingHandle};
#[cfg(feature = "voice")]
use super::{PortGone, PortHandle, ThreadedPort};
use crate::bridge::BridgeId;
use crate::gain::Gain;
use crate::mixer::{AudioMixer, MixerConfig, MixerError};
use crate::port::AudioPort;
use crate::slot::Slot;
#[cfg(feature = "voice")]
use crate::voice::{VoiceOptions, VoiceProcessor};
use std::fmt;
use std::io;
#[cfg(feature = "voice")]
use std::time::Duration;
use thiserror::Error;

/// A mixer with a device of its own, which is always in its bridge, on a thread that ticks in step with the device: the alert
/// device of the SIP SIMPLE documents (`alert_audio_mixer`, `alert_audio_bridge`, `alert_audio_device`), or all the sound of
/// a program that needs no more.
///
/// When the device is lost, silence takes its place until it is back. It is closed when this is dropped.
pub struct DeviceMixer<S = DeviceOptions> {
    mixer: MixerThread,
    bridge: BridgeId,
    device: Slot,
    handle: LastingHandle<S>,
    /// Of the device, where its echo can be cancelled.
    #[cfg(feature = "voice")]
    voice: Option<PortHandle<VoiceProcessor<LastingDevice>>>,
}

/// Why a [`DeviceMixer`] was not started, or not changed.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum DeviceMixerError {
    /// The mixer takes no such rate, or no more ports.
    #[error(transparent)]
    Mixer(#[from] MixerError),
    /// The system gives no thread.
    #[error("no thread for the mixer: {0}")]
    Thread(#[from] io::Error),
    /// A port panicked, and the mixer's thread with it.
    #[error(transparent)]
    Gone(#[from] MixerGone),
    /// The device's own thread has ended.
    #[cfg(feature = "voice")]
    #[error(transparent)]
    DeviceGone(#[from] PortGone),
    /// The caller's fault: the echo of this device is not cancelled, so its length says nothing.
    #[cfg(feature = "voice")]
    #[error("the mixer was started without a canceller: start it with `DeviceMixer::start_with_voice`")]
    NoVoice,
}

impl<S: DeviceSource> DeviceMixer<S> {
    /// Starts to tick and to open the device. `tell` is called on the device's own thread; the first event tells whether it is
    /// there.
    ///
    /// # Errors
    /// When the mixer cannot run so, or the system gives no thread.
    pub fn start(
        source: S,
        config: MixerConfig,
        tell: impl FnMut(LastingEvent) + Send + 'static,
    ) -> Result<Self, DeviceMixerError> {
        let (port, handle) = LastingDevice::start_telling(source, config.sample_rate, config.tick, tell)?;
        Self::start_around(Box::new(port), handle, config)
    }

    /// The same with what the loudspeaker says taken out of what the microphone hears, on a thread beside the mixer's
    /// ([`VoiceProcessor`], [`ThreadedPort`]).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    #[cfg(feature = "voice")]
    pub fn start_with_voice(
        source: S,
        config: MixerConfig,
        options: VoiceOptions,
        tell: impl FnMut(LastingEvent) + Send + 'static,
    ) -> Result<Self, DeviceMixerError> {
        let (port, handle) = LastingDevice::start_telling(source, config.sample_rate, config.tick, tell)?;
        let port = VoiceProcessor::new(port, config.tick, options)?;
        let (port, voice) = ThreadedPort::start_commanded(port)?;
        let voice = Some(voice);
        Ok(Self {
            voice,
            ..Self::start_around(Box::new(port), handle, config)?
        })
    }

    fn start_around(
        port: Box<dyn AudioPort>,
        handle: LastingHandle<S>,
        config: MixerConfig,
    ) -> Result<Self, DeviceMixerError> {
        let mut mixer: AudioMixer = AudioMixer::new(config)?;
        let device = mixer.add_port(port)?;
        let bridge = mixer.add_bridge()?;
        // Both are there.
        let _ = mixer.join(bridge, device);
        mixer.set_clock(Some(device))?;
        Ok(Self {
            mixer: MixerThread::start(mixer)?,
            bridge,
            device,
            handle,
            #[cfg(feature = "voice")]
            voice: None,
        })
    }

    /// The mixer, to command it.
    pub fn mixer(&self) -> &MixerThread {
        &self.mixer
    }

    /// The bridge in which the device is.
    pub fn bridge(&self) -> BridgeId {
        self.bridge
    }

    /// The device's slot.
    pub fn device(&self) -> Slot {
        self.device
    }

    /// Puts a port in the bridge: the device plays what it says, and it hears the device.
    ///
    /// # Errors
    /// When the mixer does not take it, or its thread has ended.
    pub fn add(&self, port: impl AudioPort + 'static) -> Result<Slot, DeviceMixerError> {
        let (bridge, port) = (self.bridge, Box::new(port));
        let added = self.mixer.call(move |mixer| {
            let slot = mixer.add_port(port)?;
            let _ = mixer.join(bridge, slot);
            Ok::<_, MixerError>(slot)
        });
        Ok(added??)
    }

    /// Takes a port out; what it said last fades out. `None` if it is gone already.
    ///
    /// # Errors
    /// When the mixer's thread has ended.
    pub fn remove(&self, slot: Slot) -> Result<Option<Box<dyn AudioPort>>, MixerGone> {
        self.mixer.call(move |mixer| mixer.remove_port(slot))
    }

    /// Closes the device and opens another one in its place, now and from now on. Returns at once; the next event tells how it
    /// went. The length of the room's echo stays as it was.
    pub fn set_sound_devices(&self, source: S) {
        self.handle.set_sound_devices(source);
    }

    /// The same for a device in another room: `tail_length` says how long that one echoes ([`VoiceOptions::tail_length`]); zero
    /// switches the canceller off.
    ///
    /// # Errors
    /// [`DeviceMixerError::NoVoice`] where there is no canceller, or when the device's thread has ended; the device stays as it was.
    #[cfg(feature = "voice")]
    pub fn set_sound_devices_and_tail(
        &self,
        source: S,
        tail_length: Duration,
    ) -> Result<(), DeviceMixerError> {
        let voice = self.voice.as_ref().ok_or(DeviceMixerError::NoVoice)?;
        voice.call(move |voice| {
            let options = voice.options();
            voice.set_options(VoiceOptions {
                tail_length,
                ..options
            });
        })?;
        self.set_sound_devices(source);
        Ok(())
    }

    /// What processes the device's voice, to look at it or to change its options. `None` where there is no canceller.
    #[cfg(feature = "voice")]
    pub fn voice(&self) -> Option<&PortHandle<VoiceProcessor<LastingDevice>>> {
        self.voice.as_ref()
    }

    /// Mutes the microphone, or lets it be heard again, without a click. The mixer does it: the device keeps its role.
    ///
    /// # Errors
    /// When the mixer's thread has ended.
    pub fn set_input_muted(&self, muted: bool) -> Result<(), DeviceMixerError> {
        self.change(move |mixer, device| mixer.set_input_muted(device, muted))
    }

    /// Mutes the loudspeaker likewise.
    ///
    /// # Errors
    /// When the mixer's thread has ended.
    pub fn set_output_muted(&self, muted: bool) -> Result<(), DeviceMixerError> {
        self.change(move |mixer, device| mixer.set_output_muted(device, muted))
    }

    /// How loud the microphone is. Default [`Gain::UNITY`].
    ///
    /// # Errors
    /// When the mixer's thread has ended.
    pub fn set_input_volume(&self, gain: Gain) -> Result<(), DeviceMixerError> {
        self.change(move |mixer, device| mixer.set_input_gain(device, gain))
    }

    /// How loud the loudspeaker is. Default [`Gain::UNITY`].
    ///
    /// # Errors
    /// When the mixer's thread has ended.
    pub fn set_output_volume(&self, gain: Gain) -> Result<(), DeviceMixerError> {
        self.change(move |mixer, device| mixer.set_output_gain(device, gain))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut AudioMixer, Slot) -> Result<(), MixerError> + Send + 'static,
    ) -> Result<(), DeviceMixerError> {
        let device = self.device;
        Ok(self.mixer.call(move |mixer| change(mixer, device))??)
    }
}

impl<S> fmt::Debug for DeviceMixer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceMixer")
            .field("mixer", &self.mixer)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
