//! A mixer on a thread of its own that ticks steadily.

use crate::mixer::AudioMixer;
use crate::pace::TickClock;
use crate::port::AudioPort;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

type Command<P> = Box<dyn FnOnce(&mut AudioMixer<P>) + Send>;

/// Drives a mixer in real time: for programs that have no clock of their own for it.
///
/// The thread owns the mixer; commands travel to it as closures and are carried out between two ticks. Ticks are due at
/// fixed times after the start, so that a late one does not delay those after it, or in step with a sound card
/// ([`AudioMixer::set_clock`]). After a stall of more than [`CATCH_UP`](Self::CATCH_UP), as when a laptop wakes up, what was
/// due before is left out and counted. Ports that [are over](AudioPort::is_over) leave, and are dropped on a second thread, so that
/// one that takes its time does not hold up the others.
pub struct MixerThread<P: AudioPort + 'static = Box<dyn AudioPort>> {
    commands: Option<SyncSender<Command<P>>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<AudioMixer<P>>>,
}

/// What the thread tells of itself.
#[derive(Default)]
struct Shared {
    skipped: AtomicU64,
    /// The bits of the speed of the followed device; 0 is none.
    speed: AtomicU64,
    /// A command got no answer: the thread ends, or has ended.
    gone: AtomicBool,
}

/// The thread of a mixer has ended: one of its ports panicked, or a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mixer's thread has ended: a port or a command panicked")]
pub struct MixerGone;

impl<P: AudioPort + 'static> MixerThread<P> {
    /// Most commands that wait for the next tick; further callers wait for room.
    pub const MAX_COMMANDS: usize = 256;

    /// So late a tick is still made up for: the sound cards' rings hold as much.
    pub const CATCH_UP: Duration = Duration::from_millis(200);

    /// Starts to tick.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(mixer: AudioMixer<P>) -> io::Result<Self> {
        let (commands, inbox) = sync_channel(Self::MAX_COMMANDS);
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let thread = thread::Builder::new().name("offhook-mixer".into());
        let thread = thread.spawn(move || run(mixer, &inbox, &told))?;
        Ok(Self {
            commands: Some(commands),
            shared,
            thread: Some(thread),
        })
    }

    /// Has a command carried out before the next tick and waits for its result: at most about one tick, or two where the ports take
    /// more time than there is.
    ///
    /// A command that panics ends the thread, as a port that does: nobody could say what it left half done.
    ///
    /// # Errors
    /// [`MixerGone`] when the thread has ended, be it by this command.
    pub fn call<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut AudioMixer<P>) -> T + Send + 'static,
    ) -> Result<T, MixerGone> {
        let (told, result) = sync_channel(1);
        let command: Command<P> = Box::new(move |mixer| drop(told.send(command(mixer))));
        let commands = self.commands.as_ref().ok_or(MixerGone)?;
        let done = commands.send(command).map_err(|_| MixerGone);
        let done = done.and_then(|()| result.recv().map_err(|_| MixerGone));
        if done.is_err() {
            self.shared.gone.store(true, Ordering::Relaxed);
        }
        done
    }

    /// Whether the thread has ended, and no tick will come: a port or a command panicked.
    pub fn has_ended(&self) -> bool {
        self.shared.gone.load(Ordering::Relaxed) || self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ticks that were left out because the thread did not get to run in time.
    pub fn skipped_ticks(&self) -> u64 {
        self.shared.skipped.load(Ordering::Relaxed)
    }

    /// How fast ticks come in step with the card that the mixer follows ([`AudioMixer::set_clock`]): 1 is as fast as by the
    /// system's clock. `None` while they come by the system's clock.
    pub fn followed_speed(&self) -> Option<f64> {
        let bits = self.shared.speed.load(Ordering::Relaxed);
        (bits != 0).then(|| f64::from_bits(bits))
    }

    /// Stops ticking and gives the mixer back with all its ports.
    ///
    /// # Errors
    /// [`MixerGone`] when the thread has ended before.
    pub fn stop(mut self) -> Result<AudioMixer<P>, MixerGone> {
        self.join().ok_or(MixerGone)
    }

    fn join(&mut self) -> Option<AudioMixer<P>> {
        drop(self.commands.take());
        self.thread.take()?.join().ok()
    }
}

impl<P: AudioPort + 'static> Drop for MixerThread<P> {
    fn drop(&mut self) {
        if self.thread.is_some() && self.join().is_none() {
            tracing::warn!("the mixer's thread panicked");
        }
    }
}

impl<P: AudioPort + 'static> fmt::Debug for MixerThread<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MixerThread")
            .field("skipped_ticks", &self.skipped_ticks())
            .finish_non_exhaustive()
    }
}

fn run<P: AudioPort + 'static>(
    mut mixer: AudioMixer<P>,
    inbox: &Receiver<Command<P>>,
    shared: &Shared,
) -> AudioMixer<P> {
    let tick = mixer.config().tick;
    let mut clock = TickClock::new(tick, Instant::now() + tick.duration());
    let mut departures = Departures::default();
    loop {
        let due = clock.due();
        if !obey(&mut mixer, inbox, due) {
            return mixer;
        }
        let now = Instant::now();
        mixer.tick(due);
        while let Some((_, port)) = mixer.take_departed() {
            departures.see_off(port);
        }
        clock.advance(mixer.clock_reading());
        let skipped = clock.skip(now, MixerThread::<P>::CATCH_UP);
        shared.skipped.fetch_add(skipped, Ordering::Relaxed);
        let speed = clock.followed_speed().unwrap_or_default();
        shared.speed.store(speed.to_bits(), Ordering::Relaxed);
    }
}

/// Carries out commands as they come until a tick is due; they do not move it. A mixer with more to do than there is time takes those
/// that wait nevertheless. False when nobody will send any more.
fn obey<P: AudioPort + 'static>(
    mixer: &mut AudioMixer<P>,
    inbox: &Receiver<Command<P>>,
    due: Instant,
) -> bool {
    let mut late = 0;
    while late < MixerThread::<P>::MAX_COMMANDS {
        let patience = due.saturating_duration_since(Instant::now());
        late += usize::from(patience.is_zero());
        match inbox.recv_timeout(patience) {
            Ok(command) => command(mixer),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

/// Where ports are dropped that left by themselves: one may wait for a thread or a disk. The thread is started by the first of
/// them, and ends with the mixer's, after the last.
struct Departures<P>(Option<(Sender<P>, JoinHandle<()>)>);

impl<P> Default for Departures<P> {
    fn default() -> Self {
        Self(None)
    }
}

impl<P: AudioPort + 'static> Departures<P> {
    fn see_off(&mut self, port: P) {
        if self.0.is_none() {
            let (ports, departed) = channel();
            let drop_all = move || departed.into_iter().for_each(drop);
            let thread = thread::Builder::new().name("offhook-departed".into());
            self.0 = thread.spawn(drop_all).ok().map(|thread| (ports, thread));
        }
        // Without a thread it is dropped here; so it is if an earlier one panicked.
        if let Some((ports, _)) = &self.0 {
            drop(ports.send(port));
        }
    }
}

impl<P> Drop for Departures<P> {
    fn drop(&mut self) {
        if let Some((ports, thread)) = self.0.take() {
            drop(ports);
            if thread.join().is_err() {
                tracing::warn!("a port panicked while it was dropped");
            }
        }
    }
}
