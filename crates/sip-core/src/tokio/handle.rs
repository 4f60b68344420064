//! How the rest of the program talks to a core.

use super::Core;
use super::local::{ChangeError, LocalChange};
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::transports::{BindError, Transports};
use offhook_sansio::Transport;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

type Run<C> = Box<dyn FnOnce(&mut C, Instant) + Send>;

/// Our addresses, each with its transport.
type Locals = Vec<(Transport, SocketAddr)>;

type Change = Box<dyn FnOnce(&mut Transports) -> Vec<LocalChange> + Send>;

/// What the task does for a [`Handle`].
pub(super) enum Command<C> {
    Run(Run<C>),
    Change(Change),
    Stop(oneshot::Sender<()>),
}

/// The task of the driver has ended, and with it its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the driver has stopped")]
pub struct DriverGone;

/// A command could not be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// The queue of commands is full.
    #[error("too many commands wait")]
    Full,
    /// The driver has stopped.
    #[error("the driver has stopped")]
    Gone,
}

/// Runs commands on a core that a driver owns. Cheap to clone; when the last one is dropped, the driver stops.
pub struct Handle<C> {
    commands: mpsc::Sender<Command<C>>,
}

impl<C: Core> Handle<C> {
    pub(super) fn new(commands: mpsc::Sender<Command<C>>) -> Self {
        Self { commands }
    }

    /// Runs a closure on the core, with the time, and gives its result. The driver drains the core afterwards.
    ///
    /// A closure must not block: it holds up all calls of the core.
    pub async fn call<R, F>(&self, command: F) -> Result<R, DriverGone>
    where
        R: Send + 'static,
        F: FnOnce(&mut C, Instant) -> R + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let run = Command::Run(Box::new(move |core: &mut C, now| {
            // Nobody waits any more when the caller was dropped; the command is done all the same.
            let _ = reply.send(command(core, now));
        }));
        self.commands.send(run).await.map_err(|_| DriverGone)?;
        result.await.map_err(|_| DriverGone)
    }

    /// Runs a closure on the core soon, without waiting: from code that is not async.
    pub fn post<F>(&self, command: F) -> Result<(), PostError>
    where
        F: FnOnce(&mut C, Instant) + Send + 'static,
    {
        self.commands
            .try_send(Command::Run(Box::new(command)))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => PostError::Full,
                mpsc::error::TrySendError::Closed(_) => PostError::Gone,
            })
    }

    /// Changes the UDP port, 0 for a free one, or with `None` takes UDP away; where there is no UDP, it is opened at the
    /// addresses of the other transports. The new port is opened first: when that fails, all is as it was. Via and Contact
    /// follow at once; see [`Endpoint::move_local`](crate::Endpoint::move_local) for calls that stand. Gives all our
    /// addresses as they are then.
    pub async fn set_local_udp_port(&self, port: Option<u16>) -> Result<Locals, ChangeError> {
        self.change(move |transports| transports.set_port(Transport::Udp, port))
            .await
    }

    /// Changes the TCP port likewise. Connections stay, and go on to be used.
    pub async fn set_local_tcp_port(&self, port: Option<u16>) -> Result<Locals, ChangeError> {
        self.change(move |transports| transports.set_port(Transport::Tcp, port))
            .await
    }

    /// Changes what TLS believes and who we are, for TLS and WSS, and the port of TLS where it is another, 0 for a free
    /// one; with `None` takes TLS away, and opens it where there is none. Connections that stand keep what they were opened with.
    #[cfg(feature = "tls")]
    pub async fn set_tls_options(&self, port: Option<u16>, tls: Tls) -> Result<Locals, ChangeError> {
        self.change(move |transports| transports.set_tls(port, &tls))
            .await
    }

    async fn change<F>(&self, change: F) -> Result<Locals, ChangeError>
    where
        F: FnOnce(&mut Transports) -> Result<Vec<LocalChange>, BindError> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let command = Command::Change(Box::new(move |transports| {
            let (changes, outcome) = match change(transports) {
                Ok(changes) => (changes, Ok(transports.locals())),
                Err(error) => (Vec::new(), Err(error)),
            };
            let _ = reply.send(outcome);
            changes
        }));
        self.commands.send(command).await.map_err(|_| DriverGone)?;
        Ok(result.await.map_err(|_| DriverGone)??)
    }

    /// Lets the core end what it has begun ([`Core::begin_stop`]), for at most
    /// [`DriverConfig::stop_timeout`](super::DriverConfig::stop_timeout), and then ends the task and closes the
    /// sockets. Keep receiving events meanwhile, or drop their receiver.
    pub async fn stop(&self) -> Result<(), DriverGone> {
        let (reply, done) = oneshot::channel();
        self.commands
            .send(Command::Stop(reply))
            .await
            .map_err(|_| DriverGone)?;
        done.await.map_err(|_| DriverGone)
    }
}

impl<C> Handle<C> {
    /// A way to the driver that does not keep it running.
    pub fn downgrade(&self) -> WeakHandle<C> {
        WeakHandle {
            commands: self.commands.downgrade(),
        }
    }
}

/// A [`Handle`] that does not keep the driver running: for whoever serves a core rather than using it.
pub struct WeakHandle<C> {
    commands: mpsc::WeakSender<Command<C>>,
}

impl<C> WeakHandle<C> {
    /// The handle itself, unless all others are gone.
    pub fn upgrade(&self) -> Option<Handle<C>> {
        self.commands.upgrade().map(|commands| Handle { commands })
    }
}

impl<C> std::fmt::Debug for WeakHandle<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakHandle").finish_non_exhaustive()
    }
}

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
        }
    }
}

impl<C> std::fmt::Debug for Handle<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
