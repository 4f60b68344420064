//! The sound card of a stream.

use super::CommandError;
use crate::AudioStream;

/// Attaches the default sound card to a stream that wants one. Without the feature `device` there is none, and the
/// stream speaks silence.
///
/// # Errors
/// When the sound card cannot be opened; [`AudioStream::without_device`] goes without.
#[cfg(feature = "device")]
pub(super) async fn equip(stream: AudioStream) -> Result<AudioStream, CommandError> {
    use offhook_audio_mixer::{AudioDevice, DeviceError, DeviceOptions, Direction};

    if !stream.wants_device() {
        return Ok(stream);
    }
    // Opening may take as long as the system likes.
    let opened = tokio::task::spawn_blocking(|| AudioDevice::open(&DeviceOptions::default())).await;
    let (device, handle) = opened.map_err(|error| DeviceError::System {
        direction: Direction::Output,
        message: error.to_string(),
    })??;
    Ok(stream.with_port(
        crate::media::Attachment::TalksAndListens,
        card::SoundCard::new(device, handle),
    ))
}

/// See above.
#[cfg(not(feature = "device"))]
pub(super) async fn equip(stream: AudioStream) -> Result<AudioStream, CommandError> {
    Ok(stream)
}

#[cfg(feature = "device")]
mod card {
    use offhook_audio_mixer::{AudioDevice, AudioPort, DeviceHandle, Produced, Role, Tick};

    /// A device with what keeps it open: both go when the stream ends.
    pub(super) struct SoundCard {
        device: AudioDevice,
        _open: DeviceHandle,
    }

    impl SoundCard {
        pub(super) fn new(device: AudioDevice, handle: DeviceHandle) -> Self {
            Self {
                device,
                _open: handle,
            }
        }
    }

    impl AudioPort for SoundCard {
        fn sample_rate(&self) -> u32 {
            self.device.sample_rate()
        }
        fn role(&self) -> Role {
            self.device.role()
        }
        fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
            self.device.produce(tick, frame)
        }
        fn consume(&mut self, tick: &Tick, frame: &[i16]) {
            self.device.consume(tick, frame);
        }
    }
}
