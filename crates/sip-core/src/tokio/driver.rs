//! The task that owns a core.

use super::handle::{Command, Handle};
use super::local::LocalChange;
use super::transports::{Broken, Readable, Transports};
use crate::KeepAlive;
use crate::endpoint::{SourceAddresses, TransportFailure};
use offhook_sansio::{Path, Received, ServerId, Transmit};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

/// The verbs by which a driver drives a core; see the crate `offhook_sansio`.
pub trait Core: Send + 'static {
    /// What it tells its owner.
    type Event: Send + 'static;

    /// Takes bytes from the network.
    fn handle_received(&mut self, now: Instant, received: Received);

    /// Takes the news that something could not be sent along a path.
    fn handle_transport_error(&mut self, now: Instant, path: Path);

    /// Takes the same news of a connection that we opened or wanted to open, with the reason. Forgets the reason by
    /// default.
    fn handle_transport_failure(&mut self, now: Instant, path: Path, failure: TransportFailure) {
        let _ = failure;
        self.handle_transport_error(now, path);
    }

    /// Takes the news that who opened this connection has proven to be one of these domains. Ignores it by default.
    fn handle_authenticated(&mut self, path: Path, identities: Vec<String>) {
        let _ = (path, identities);
    }

    /// Runs the timers that are due.
    fn handle_timeout(&mut self, now: Instant);

    /// The next message to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// The next connection that is to be kept alive in another way. None by default.
    fn poll_keep_alive(&mut self) -> Option<KeepAlive> {
        None
    }

    /// The next event.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Takes the news of an address of ours that is new, is another now, or is gone. Ignores it by default.
    fn handle_local(&mut self, now: Instant, change: LocalChange) {
        let _ = (now, change);
    }

    /// Takes whom to ask which of our addresses leads to a peer, when the driver begins. Ignores it by default.
    fn set_source_addresses(&mut self, sources: SourceAddresses) {
        let _ = sources;
    }

    /// The name that the server of a path must prove to have. Without one, a connection is opened only where none is
    /// checked. Knows none by default.
    fn server_name(&self, id: ServerId) -> Option<Arc<str>> {
        let _ = id;
        None
    }

    /// Begins to end whatever peers would otherwise wait for. Does nothing by default.
    fn begin_stop(&mut self, now: Instant) {
        let _ = now;
    }

    /// True when what [`begin_stop`](Self::begin_stop) began is over. True by default.
    fn is_stopped(&self) -> bool {
        true
    }
}

/// How a driver runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverConfig {
    /// How many commands may wait. Default 256: more than a person or a script sends at once, and callers that
    /// are faster than the core wait.
    pub commands: usize,
    /// How many events may wait for their receiver. Default 256. When it is full, events stay in the core and
    /// nothing is received from the network until there is room; timers and commands go on.
    pub events: usize,
    /// How long a core may take to stop. Default 5 s: a call that ends gives its peer 3.5 s.
    pub stop_timeout: Duration,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            commands: 256,
            events: 256,
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// Starts the task that owns a core.
#[derive(Clone, Copy, Debug)]
pub struct Driver;

impl Driver {
    /// Starts the task. The core's events come out of the receiver; when it is dropped, they are discarded.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn<C: Core>(core: C, transports: Transports) -> (Handle<C>, mpsc::Receiver<C::Event>) {
        Self::spawn_with(DriverConfig::default(), core, transports)
    }

    /// Like [`spawn`](Self::spawn), with other sizes.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn_with<C: Core>(
        config: DriverConfig,
        core: C,
        transports: Transports,
    ) -> (Handle<C>, mpsc::Receiver<C::Event>) {
        let (commands_in, commands) = mpsc::channel(config.commands.max(1));
        let (events, events_out) = mpsc::channel(config.events.max(1));
        let task = Task {
            core,
            transports,
            events,
            stalled: false,
            stop_timeout: config.stop_timeout,
            stopping: None,
            waiting: Vec::new(),
        };
        tokio::spawn(task.run(commands));
        (Handle::new(commands_in), events_out)
    }
}

struct Task<C: Core> {
    core: C,
    transports: Transports,
    events: mpsc::Sender<C::Event>,
    /// The channel is full, and the core may have events still.
    stalled: bool,
    stop_timeout: Duration,
    /// Until when the core may take to stop.
    stopping: Option<Instant>,
    waiting: Vec<oneshot::Sender<()>>,
}

/// What the task woke up for.
enum Woken<C> {
    Command(Option<Command<C>>),
    Readable(Readable),
    Timer,
    Room,
}

impl<C: Core> Task<C> {
    async fn run(mut self, mut commands: mpsc::Receiver<Command<C>>) {
        self.core.set_source_addresses(self.transports.sources());
        for (transport, address) in self.transports.everywhere() {
            self.core
                .handle_local(now(), LocalChange::Everywhere(transport, address));
        }
        let mut sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        loop {
            self.drain().await;
            if self.is_done() {
                break;
            }
            let woken = self.wait(&mut commands, sleep.as_mut()).await;
            let now = now();
            match woken {
                Woken::Command(Some(Command::Run(run))) => run(&mut self.core, now),
                Woken::Command(Some(Command::Change(change))) => {
                    for change in change(&mut self.transports) {
                        self.core.handle_local(now, change);
                    }
                }
                Woken::Command(Some(Command::Stop(reply))) => {
                    self.waiting.push(reply);
                    self.begin_stop(now);
                }
                Woken::Command(None) => self.begin_stop(now),
                Woken::Readable(Readable::Udp(index)) => self.receive(index).await,
                Woken::Readable(Readable::Message(received)) => self.core.handle_received(now, received),
                Woken::Readable(Readable::Authenticated(path, identities)) => {
                    self.core.handle_authenticated(path, identities);
                }
                Woken::Readable(Readable::Broken(broken)) => self.tell_broken(now, broken),
                Woken::Timer => self.core.handle_timeout(now),
                Woken::Room => {}
            }
        }
        self.transports.close().await;
        for reply in self.waiting.drain(..) {
            let _ = reply.send(());
        }
    }

    async fn wait(
        &mut self,
        commands: &mut mpsc::Receiver<Command<C>>,
        mut sleep: Pin<&mut Sleep>,
    ) -> Woken<C> {
        let deadline = offhook_sansio::earliest(self.core.poll_timeout(), self.stopping);
        if let Some(deadline) = deadline
            && sleep.deadline().into_std() != deadline
        {
            sleep.as_mut().reset(deadline.into());
        }
        let all_handles_gone = self.stopping.is_some() && commands.is_closed() && commands.is_empty();
        tokio::select! {
            command = commands.recv(), if !all_handles_gone => Woken::Command(command),
            readable = self.transports.readable(), if !self.stalled => Woken::Readable(readable),
            () = sleep, if deadline.is_some() => Woken::Timer,
            _ = self.events.reserve(), if self.stalled => Woken::Room,
        }
    }

    /// Takes what has arrived on one socket, up to a batch, so that commands and timers get their turn.
    async fn receive(&mut self, index: usize) {
        for _ in 0..Transports::BATCH {
            let Some(received) = self.transports.try_receive(index) else {
                return;
            };
            self.core.handle_received(now(), received);
            self.drain().await;
            if self.stalled {
                return;
            }
        }
    }

    async fn drain(&mut self) {
        while let Some(transmit) = self.core.poll_transmit() {
            let path = transmit.path;
            let wanted = path.server.filter(|_| self.transports.wants_name(&path));
            let server = wanted.and_then(|id| self.core.server_name(id));
            if let Err(failure) = self.transports.send(&transmit, server).await {
                tracing::debug!(%path, %failure, "cannot send");
                let is_ours = path.server.is_some();
                self.tell_broken(
                    now(),
                    Broken {
                        path,
                        failure,
                        is_ours,
                    },
                );
            }
        }
        while let Some(keep_alive) = self.core.poll_keep_alive() {
            self.transports.keep_alive(keep_alive);
        }
        self.stalled = false;
        loop {
            match self.events.try_reserve() {
                Ok(permit) => match self.core.poll_event() {
                    Some(event) => permit.send(event),
                    None => return,
                },
                Err(mpsc::error::TrySendError::Full(())) => {
                    self.stalled = true;
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(())) => {
                    while self.core.poll_event().is_some() {}
                    return;
                }
            }
        }
    }

    fn tell_broken(&mut self, now: Instant, broken: Broken) {
        let Broken {
            path,
            failure,
            is_ours,
        } = broken;
        if is_ours {
            self.core.handle_transport_failure(now, path, failure);
        } else {
            self.core.handle_transport_error(now, path);
        }
    }

    fn begin_stop(&mut self, now: Instant) {
        if self.stopping.is_none() {
            self.stopping = Some(now + self.stop_timeout);
            self.core.begin_stop(now);
        }
    }

    fn is_done(&self) -> bool {
        self.stopping
            .is_some_and(|deadline| (self.core.is_stopped() && !self.stalled) || deadline <= now())
    }
}

/// Tokio's clock, which tests may pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeats numbers as events, and stops when it is told so a second time by its timer.
    #[derive(Default)]
    struct Counter {
        events: std::collections::VecDeque<u32>,
        stop_at: Option<Instant>,
        stopped: bool,
    }

    impl Core for Counter {
        type Event = u32;

        fn handle_received(&mut self, _: Instant, _: Received) {}

        fn handle_transport_error(&mut self, _: Instant, _: Path) {}

        fn handle_timeout(&mut self, now: Instant) {
            if self.stop_at.take_if(|at| *at <= now).is_some() {
                self.stopped = true;
            }
        }

        fn poll_transmit(&mut self) -> Option<Transmit> {
            None
        }

        fn poll_event(&mut self) -> Option<u32> {
            self.events.pop_front()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.stop_at
        }

        fn begin_stop(&mut self, now: Instant) {
            self.stop_at = Some(now + Duration::from_secs(2));
        }

        fn is_stopped(&self) -> bool {
            self.stopped
        }
    }

    fn small() -> DriverConfig {
        DriverConfig {
            events: 2,
            ..DriverConfig::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn events_wait_in_the_core_when_nobody_takes_them_and_none_is_lost() {
        let (handle, mut events) = Driver::spawn_with(small(), Counter::default(), Transports::new());
        handle
            .call(|core, _| core.events.extend(0..100))
            .await
            .expect("it runs");
        let left = handle
            .call(|core, _| core.events.len())
            .await
            .expect("commands go on");
        assert_eq!(left, 98);
        for want in 0..100 {
            assert_eq!(events.recv().await, Some(want));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stop_lets_the_core_finish() {
        let (handle, mut events) = Driver::spawn(Counter::default(), Transports::new());
        let start = tokio::time::Instant::now();
        handle.stop().await.expect("it runs");
        assert_eq!(start.elapsed().as_secs(), 2);
        assert_eq!(events.recv().await, None);
        assert_eq!(handle.call(|_, _| ()).await, Err(DriverGone));
        assert_eq!(handle.post(|_, _| ()), Err(PostError::Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn a_core_that_does_not_finish_is_given_up_on() {
        let config = DriverConfig {
            stop_timeout: Duration::from_secs(1),
            ..DriverConfig::default()
        };
        let (handle, _events) = Driver::spawn_with(config, Counter::default(), Transports::new());
        let start = tokio::time::Instant::now();
        handle.stop().await.expect("it runs");
        assert_eq!(start.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_handle_that_is_dropped_stops_the_task() {
        let (handle, mut events) = Driver::spawn(Counter::default(), Transports::new());
        drop(handle.clone());
        handle
            .post(|core, _| core.events.push_back(1))
            .expect("there is room");
        assert_eq!(events.recv().await, Some(1));
        drop(handle);
        assert_eq!(events.recv().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_receiver_events_are_discarded() {
        let (handle, events) = Driver::spawn_with(small(), Counter::default(), Transports::new());
        drop(events);
        handle
            .call(|core, _| core.events.extend(0..100))
            .await
            .expect("it runs");
        assert_eq!(handle.call(|core, _| core.events.len()).await, Ok(0));
    }

    use super::super::{DriverGone, PostError};
}
