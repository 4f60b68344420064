//! The thread that owns the [`MediaEngine`] and the media sockets.
//!
//! It sleeps in the operating system until a packet arrives, a command comes or the next tick is due, so that
//! signalling work never delays sound and a packet is stamped with the time at which it really arrived.

use super::media_ports::Sockets;
use super::user_agent::StartError;
use crate::media::{Component, MediaCommand, MediaConfig, MediaEngine, MediaEvent, StreamId};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use offhook_sansio::{Entropy, WallClock};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::{debug, trace, warn};

/// Commands that may wait for the thread: it takes them at every tick, so this is many seconds of work.
const COMMAND_QUEUE: usize = 1024;

/// Packets taken from one socket before the others and the clock get their turn.
const PACKETS_PER_TURN: usize = 64;

/// Largest datagram that is read: an RTP packet never comes near it (RFC 3550 leaves it to the path's MTU).
const LARGEST_PACKET: usize = 4200;

/// When to offer an event again that there was no room for.
const RETRY: Duration = Duration::from_millis(20);

const WAKER: Token = Token(usize::MAX);

/// Takes events from the media thread; gives one back that there was no room for, to be offered again later.
pub(super) type EventSink = Box<dyn FnMut(MediaEvent) -> Option<MediaEvent> + Send>;

/// Orders to the thread.
pub(super) enum Order {
    Engine(MediaCommand),
    Open(StreamId, Sockets),
}

/// The way to the thread. Ends it when dropped, after what was ordered before.
pub(super) struct MediaThread {
    /// `None` only while it is dropped: that the way is closed is what ends the thread, even when the queue is full.
    orders: Option<SyncSender<Order>>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl MediaThread {
    /// Starts the thread.
    pub(super) fn spawn(
        config: MediaConfig,
        wall_clock: WallClock,
        entropy: Entropy,
        sink: EventSink,
    ) -> Result<Self, StartError> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (orders, inbox) = sync_channel(COMMAND_QUEUE);
        let engine = MediaEngine::new(config, Instant::now(), wall_clock, entropy)?;
        let worker = Worker {
            engine,
            poll,
            inbox,
            sockets: HashMap::new(),
            sink,
            unsent: None,
        };
        let thread = std::thread::Builder::new()
            .name("offhook-media".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            orders: Some(orders),
            waker,
            thread: Some(thread),
        })
    }

    /// Hands an order over. A full queue means that the thread hangs: the order is dropped and told.
    pub(super) fn send(&self, order: Order) {
        match self.orders.as_ref().map(|orders| orders.try_send(order)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => {
                warn!("the media thread does not keep up: an order was dropped");
            }
            Some(Err(TrySendError::Disconnected(_))) | None => debug!("the media thread has ended"),
        }
        self.wake();
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            warn!(%error, "cannot wake the media thread");
        }
    }
}

impl Drop for MediaThread {
    fn drop(&mut self) {
        self.orders = None;
        self.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the media thread panicked");
        }
    }
}

/// What lives on the thread.
struct Worker {
    engine: MediaEngine,
    poll: Poll,
    inbox: Receiver<Order>,
    sockets: HashMap<StreamId, Bound>,
    sink: EventSink,
    unsent: Option<MediaEvent>,
}

/// One stream's sockets with their place in the poll.
struct Bound {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl Bound {
    fn socket_mut(&mut self, component: Component) -> &mut UdpSocket {
        match component {
            Component::Rtp => &mut self.rtp,
            Component::Rtcp => &mut self.rtcp,
        }
    }
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut buffer = [0; LARGEST_PACKET];
        loop {
            if let Err(error) = self.poll.poll(&mut events, self.patience())
                && error.kind() != io::ErrorKind::Interrupted
            {
                warn!(%error, "the media thread cannot wait for packets and ends");
                return;
            }
            for event in &events {
                if let Some((stream, component)) = named_by(event.token()) {
                    self.receive(stream, component, &mut buffer);
                }
            }
            let is_over = self.obey();
            self.engine.handle_timeout(Instant::now());
            self.transmit();
            self.deliver_events();
            if is_over {
                return;
            }
        }
    }

    /// Carries out what was ordered. True when nobody will order anything any more.
    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Engine(command)) => self.engine.handle_command(Instant::now(), command),
                Ok(Order::Open(stream, sockets)) => self.open(stream, sockets),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    /// How long to sleep when nothing comes: to the next tick, or for ever while no stream runs.
    fn patience(&self) -> Option<Duration> {
        if self.unsent.is_some() {
            return Some(RETRY);
        }
        let due = self.engine.poll_timeout()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn open(&mut self, stream: StreamId, sockets: Sockets) {
        let mut bound = Bound {
            rtp: UdpSocket::from_std(sockets.rtp),
            rtcp: UdpSocket::from_std(sockets.rtcp),
        };
        let registry = self.poll.registry();
        let registered = registry
            .register(&mut bound.rtp, token(stream, Component::Rtp), Interest::READABLE)
            .and_then(|()| {
                registry.register(
                    &mut bound.rtcp,
                    token(stream, Component::Rtcp),
                    Interest::READABLE,
                )
            });
        match registered {
            Ok(()) => {
                self.sockets.insert(stream, bound);
            }
            Err(error) => warn!(%error, "cannot listen on media sockets"),
        }
    }

    /// Reads until the socket is empty, as an edge-triggered poll demands; a flood gets one turn at a time.
    fn receive(&mut self, stream: StreamId, component: Component, buffer: &mut [u8]) {
        let Some(bound) = self.sockets.get_mut(&stream) else {
            return;
        };
        let socket = bound.socket_mut(component);
        for _ in 0..PACKETS_PER_TURN {
            match socket.recv_from(buffer) {
                Ok((length, from)) => {
                    self.engine.handle_datagram(
                        Instant::now(),
                        stream,
                        component,
                        from,
                        &mut buffer[..length],
                    );
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error about an earlier packet: the peer's port is closed. RTCP and the timeout tell.
                Err(error) => debug!(%error, ?component, "receiving media"),
            }
        }
        // More may be waiting and the edge is used up: ask for a new one, so that the next round comes back here.
        let again = self
            .poll
            .registry()
            .reregister(socket, token(stream, component), Interest::READABLE);
        if let Err(error) = again {
            warn!(%error, "cannot listen on a media socket any more");
        }
    }

    fn transmit(&mut self) {
        let sockets = &mut self.sockets;
        self.engine.drain_transmits(|packet| {
            let Some(bound) = sockets.get_mut(&packet.stream) else {
                return;
            };
            // A packet that the system has no room for is lost, as it would be on the wire.
            if let Err(error) = bound
                .socket_mut(packet.component)
                .send_to(packet.bytes, packet.to)
            {
                trace!(%error, to = %packet.to, "sending media");
            }
        });
    }

    /// Events wait here while the receiver has no room: none is lost, and the clock does not stop.
    fn deliver_events(&mut self) {
        while let Some(event) = self.unsent.take().or_else(|| self.engine.poll_event()) {
            if let MediaEvent::Stopped { stream, .. } = event {
                self.sockets.remove(&stream);
            }
            self.unsent = (self.sink)(event);
            if self.unsent.is_some() {
                return;
            }
        }
    }
}

/// A token carries the stream and the component, so that no table is needed to read it.
fn token(stream: StreamId, component: Component) -> Token {
    Token(stream.0 as usize * 2 + usize::from(component == Component::Rtcp))
}

fn named_by(token: Token) -> Option<(StreamId, Component)> {
    if token == WAKER {
        return None;
    }
    let component = if token.0 % 2 == 1 {
        Component::Rtcp
    } else {
        Component::Rtp
    };
    Some((StreamId((token.0 / 2) as u32), component))
}
