//! The way to a port that works on a thread of its own, past the mixer that it is in.

use crate::port::{AudioPort, Role};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::Thread;

/// Commands for the port of a [`ThreadedPort`](crate::ThreadedPort), which has gone to a mixer: to mute it, or to set the options of a
/// [`VoiceProcessor`](crate::VoiceProcessor). Dropping it changes nothing.
pub struct PortHandle<P> {
    commands: Sender<Command<P>>,
    thread: Thread,
}

/// A command on its way, which tells how it leaves the port.
pub(super) type Command<P> = Box<dyn FnOnce(&mut P, &Told) + Send>;

/// The thread of a port has ended: its [`ThreadedPort`](crate::ThreadedPort) was dropped, or the port or a command panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the port's thread has ended: the port was dropped, or it or a command panicked")]
pub struct PortGone;

impl<P: AudioPort> PortHandle<P> {
    pub(super) fn new(commands: Sender<Command<P>>, thread: Thread) -> Self {
        Self { commands, thread }
    }

    /// Has a command carried out on the port's thread, between what it does for two ticks, and waits for its result. Announce a
    /// changed role with [`AudioMixer::port_did_change`](crate::AudioMixer::port_did_change) afterwards.
    ///
    /// # Errors
    /// [`PortGone`] when the thread has ended, be it by this command.
    pub fn call<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut P) -> T + Send + 'static,
    ) -> Result<T, PortGone> {
        let (done_told, result) = mpsc::sync_channel(1);
        // The role is told before the result, so that who has that may announce it.
        let command: Command<P> = Box::new(move |port, told| {
            let done = command(port);
            told.tell(port);
            drop(done_told.send(done));
        });
        self.commands.send(command).map_err(|_| PortGone)?;
        self.thread.unpark();
        result.recv().map_err(|_| PortGone)
    }
}

impl<P> fmt::Debug for PortHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortHandle").finish_non_exhaustive()
    }
}

/// What the port's thread tells of it.
#[derive(Debug)]
pub(super) struct Told {
    producer: AtomicBool,
    consumer: AtomicBool,
    over: AtomicBool,
}

impl Told {
    pub(super) fn of(port: &impl AudioPort) -> Self {
        let role = port.role();
        Self {
            producer: AtomicBool::new(role.producer),
            consumer: AtomicBool::new(role.consumer),
            over: AtomicBool::new(port.is_over()),
        }
    }

    pub(super) fn tell(&self, port: &impl AudioPort) {
        let role = port.role();
        self.producer.store(role.producer, Ordering::Relaxed);
        self.consumer.store(role.consumer, Ordering::Relaxed);
        self.over.store(port.is_over(), Ordering::Relaxed);
    }

    pub(super) fn role(&self) -> Role {
        Role {
            producer: self.producer.load(Ordering::Relaxed),
            consumer: self.consumer.load(Ordering::Relaxed),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
