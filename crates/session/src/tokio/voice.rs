//! The sound device of a user agent, shared by its streams.

use super::device::SoundDevice;
use super::user_agent::{CommandError, UserAgentEvent};
use crate::SessionManager;
use crate::media::{PortId, VoiceCommand};
use offhook_audio_mixer::{
    AudioPort, ClockReading, DeviceError, DeviceOptions, Direction, Gain, LastingEvent, Produced, Role, Tick,
};
use offhook_sip_core::tokio::{DriverGone, WeakHandle};
use std::sync::{Arc, Mutex as StdMutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;
use tracing::{info, warn};

/// What the streams of a user agent are spoken and heard through, unless they are told otherwise (`voice_audio_mixer`,
/// `voice_audio_bridge`, `voice_audio_device` and `Engine.set_sound_devices` of the documents).
///
/// The device is open while a stream or a port beside it needs it: an end-point that waits for calls holds no microphone.
/// When it is lost, calls go on in silence until it is back; both are told by [`UserAgentEvent::SoundDevice`]. Cheap to
/// clone.
#[derive(Clone)]
pub struct VoiceDevice {
    shared: Arc<Shared>,
}

struct Shared {
    handle: WeakHandle<SessionManager>,
    teller: Teller,
    /// Its receivers are held as long as devices are open.
    unclosed: watch::Sender<()>,
    state: Mutex<State>,
}

struct State {
    options: DeviceOptions,
    tail_length: Duration,
    open: Weak<Opened>,
    ports: u32,
}

/// How long the end of a user agent waits for its devices: a disk may be slow.
const CLOSING: Duration = Duration::from_secs(5);

/// Keeps the device open: with the last of its holders it is closed.
pub(super) struct Opened {
    device: StdMutex<Option<SoundDevice>>,
}

/// Tells what happens to devices. Weak: the user agent's events end with the user agent.
#[derive(Clone)]
pub(super) struct Teller(pub(super) mpsc::WeakSender<UserAgentEvent>);

impl Teller {
    pub(super) fn tell(&self, event: LastingEvent) {
        match &event {
            LastingEvent::Lost(error) => warn!(%error, "the sound device is lost; calls go on in silence"),
            LastingEvent::Found => info!("the sound device is there"),
            LastingEvent::Rerouted(direction) => info!(%direction, "the sound device was moved"),
            LastingEvent::Resumed(direction) => info!(%direction, "the sound device is there again"),
            _ => {}
        }
        let sender = self.0.upgrade();
        if sender.is_some_and(|sender| sender.try_send(UserAgentEvent::SoundDevice(event)).is_err()) {
            warn!("nobody takes the user agent's events: one of a sound device was dropped");
        }
    }
}

impl VoiceDevice {
    pub(super) fn new(
        options: DeviceOptions,
        tail_length: Duration,
        handle: WeakHandle<SessionManager>,
        teller: Teller,
    ) -> Self {
        let state = State {
            options,
            tail_length,
            open: Weak::new(),
            ports: 0,
        };
        let shared = Shared {
            handle,
            teller,
            unclosed: watch::Sender::new(()),
            state: Mutex::new(state),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Which devices are spoken and heard through, from now on. Open ones are closed first, and running calls go over. The
    /// length of the room's echo is kept if none is given; zero switches the echo canceller off.
    ///
    /// # Errors
    /// When the devices cannot be opened for the calls that run: those go on in silence.
    pub async fn set_sound_devices(
        &self,
        options: DeviceOptions,
        tail_length: Option<Duration>,
    ) -> Result<(), CommandError> {
        let mut state = self.shared.state.lock().await;
        state.options = options;
        state.tail_length = tail_length.unwrap_or(state.tail_length);
        let Some(opened) = state.open.upgrade() else {
            return Ok(());
        };
        let old = opened.replace(None);
        let close = move || {
            drop(old);
            Ok(())
        };
        blocking(close).await?;
        let device = self.start(&state).await?;
        drop(opened.replace(Some(device)));
        Ok(())
    }

    /// Which devices are spoken and heard through.
    pub async fn sound_devices(&self) -> DeviceOptions {
        self.shared.state.lock().await.options.clone()
    }

    /// How long the room's echo is taken to be (`ec_tail_length`); zero: it is not cancelled.
    pub async fn tail_length(&self) -> Duration {
        self.shared.state.lock().await.tail_length
    }

    /// Mutes the microphone for all calls, or lets it be heard again, without a click.
    pub async fn set_input_muted(&self, muted: bool) -> Result<(), CommandError> {
        self.command(VoiceCommand::SetInputMuted(muted)).await
    }

    /// Mutes the loudspeaker.
    pub async fn set_output_muted(&self, muted: bool) -> Result<(), CommandError> {
        self.command(VoiceCommand::SetOutputMuted(muted)).await
    }

    /// How loud the microphone is for all calls. Default [`Gain::UNITY`].
    pub async fn set_input_volume(&self, gain: Gain) -> Result<(), CommandError> {
        self.command(VoiceCommand::SetInputGain(gain)).await
    }

    /// How loud the loudspeaker is. Default [`Gain::UNITY`].
    pub async fn set_output_volume(&self, gain: Gain) -> Result<(), CommandError> {
        self.command(VoiceCommand::SetOutputGain(gain)).await
    }

    /// Opens the device, and puts a port beside it that plays to the loudspeaker and hears the microphone: a tone, a
    /// recorder. Calls do not hear it.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub async fn add(&self, port: impl AudioPort + 'static) -> Result<PortId, CommandError> {
        let hold = self.open().await?;
        let mut state = self.shared.state.lock().await;
        state.ports += 1;
        let id = PortId(state.ports);
        let audio = Box::new(Beside { port, _hold: hold });
        self.command(VoiceCommand::Add { port: id, audio }).await?;
        Ok(id)
    }

    /// Takes a port away that [`add`](Self::add) put beside the device.
    pub async fn remove(&self, port: PortId) -> Result<(), CommandError> {
        self.command(VoiceCommand::Remove(port)).await
    }

    /// Opens the device if nobody has it open, and keeps it so while the result lives.
    pub(super) async fn open(&self) -> Result<Hold, CommandError> {
        let mut state = self.shared.state.lock().await;
        if let Some(opened) = state.open.upgrade() {
            return Ok(Hold(opened));
        }
        let device = self.start(&state).await?;
        let opened = Arc::new(Opened {
            device: StdMutex::new(Some(device)),
        });
        state.open = Arc::downgrade(&opened);
        Ok(Hold(opened))
    }

    pub(super) fn teller(&self) -> Teller {
        self.shared.teller.clone()
    }

    /// What an open device holds until it is closed.
    pub(super) fn unclosed(&self) -> watch::Receiver<()> {
        self.shared.unclosed.subscribe()
    }

    /// Waits until all devices are closed, so that what was written to files is complete; not for ever.
    pub(super) async fn closed(&self) {
        if timeout(CLOSING, self.shared.unclosed.closed()).await.is_err() {
            warn!("a sound device does not let itself be closed");
        }
    }

    /// Whether anything can be opened that is a device: without the feature `device` there are no sound cards.
    pub(super) async fn is_possible(&self) -> bool {
        cfg!(feature = "device") || self.shared.state.lock().await.options != DeviceOptions::default()
    }

    async fn start(&self, state: &State) -> Result<SoundDevice, CommandError> {
        let (options, tail_length, teller) = (state.options.clone(), state.tail_length, self.teller());
        let (tell, unclosed) = (move |event| teller.tell(event), self.unclosed());
        // Opening may take as long as the system likes.
        let (port, device) = blocking(move || {
            let mut device = SoundDevice::open(options, tail_length, tell, unclosed)?;
            Ok((device.take_port(), device))
        })
        .await?;
        if let Some(port) = port {
            self.command(VoiceCommand::SetDevice(port)).await?;
        }
        Ok(device)
    }

    async fn command(&self, command: VoiceCommand) -> Result<(), CommandError> {
        let handle = self.shared.handle.upgrade().ok_or(DriverGone)?;
        Ok(handle
            .call(move |manager, _| manager.command_voice(command))
            .await?)
    }
}

impl Opened {
    fn replace(&self, device: Option<SoundDevice>) -> Option<SoundDevice> {
        let mut place = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, device)
    }
}

impl Drop for Opened {
    /// Closing waits for the device's thread: not where a driver or a tick would wait for it too.
    fn drop(&mut self) {
        let device = self.replace(None);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(move || drop(device)));
        }
    }
}

/// What is attached to a stream so that the shared device is open while the stream is: no sound goes through it.
pub(super) struct Hold(#[expect(dead_code, reason = "it is held")] Arc<Opened>);

impl AudioPort for Hold {
    fn sample_rate(&self) -> u32 {
        48_000
    }

    fn role(&self) -> Role {
        Role::NONE
    }
}

/// A port beside the device, which is open for it.
struct Beside<P> {
    port: P,
    _hold: Hold,
}

impl<P: AudioPort> AudioPort for Beside<P> {
    fn sample_rate(&self) -> u32 {
        self.port.sample_rate()
    }

    fn role(&self) -> Role {
        self.port.role()
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        self.port.produce(tick, frame)
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        self.port.consume(tick, frame);
    }

    fn is_over(&self) -> bool {
        self.port.is_over()
    }

    fn clock(&self) -> Option<ClockReading> {
        self.port.clock()
    }
}

/// Does what may block where nobody waits for it but this task.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeviceError> + Send + 'static,
) -> Result<T, DeviceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| DeviceError::System {
        direction: Direction::Output,
        message: error.to_string(),
    })?
}
