//! The simulated network between real sockets.

use super::{Impairment, Network, Traffic};
use bytes::Bytes;
use offhook_sansio::{Path, Transport};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long it sleeps at most: how much later than the [`Network`] says a datagram may leave.
const NAP: Duration = Duration::from_millis(1);

/// Largest datagram carried.
const LARGEST: usize = 2048;

/// Carries UDP between pairs of addresses and harms it as its [`Impairment`] says, on a thread of its own, until it is dropped.
///
/// Of each pair, either side sees the other at an address of the relay: what the left one sends to [`Pair::left`] comes out of
/// [`Pair::right`] towards the right one, and the other way round. From whoever else a datagram comes, it goes the same way.
#[derive(Debug)]
pub struct UdpRelay {
    pairs: Vec<Pair>,
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Traffic>>,
}

/// Addresses of a relay that stand for two that it carries between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Stands for the right one; the left one sends here.
    pub left: SocketAddr,
    /// Stands for the left one; the right one sends here.
    pub right: SocketAddr,
}

impl UdpRelay {
    /// Starts to carry between the two of each pair, on the loopback.
    ///
    /// # Errors
    /// When a socket or the thread cannot be had.
    pub fn start(
        between: &[(SocketAddr, SocketAddr)],
        impairment: Impairment,
        seed: u64,
    ) -> io::Result<Self> {
        let (mut pairs, mut doors) = (Vec::new(), Vec::new());
        for (left, right) in between {
            let (near, far) = (door()?, door()?);
            pairs.push(Pair {
                left: near.local_addr()?,
                right: far.local_addr()?,
            });
            // What comes in at a door leaves by the one after it, or before it.
            doors.push((near, *left));
            doors.push((far, *right));
        }
        let (stop, stopped) = channel();
        let network = Network::new(impairment, seed);
        let thread = std::thread::Builder::new()
            .name("impairing-relay".to_owned())
            .spawn(move || carry(&doors, network, &stopped))?;
        Ok(Self {
            pairs,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The relay's own addresses, pair by pair.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Ends it, and tells what it did.
    ///
    /// # Panics
    /// When the relay's thread panicked.
    pub fn stop(mut self) -> Traffic {
        self.stop = None;
        let thread = self.thread.take().expect("it is taken once");
        thread.join().expect("the relay runs until it is stopped")
    }
}

impl Drop for UdpRelay {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic was told by its thread; another one while this one unwinds would end the process.
            drop(thread.join());
        }
    }
}

fn door() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Doors by twos, each with the address behind it.
fn carry(doors: &[(UdpSocket, SocketAddr)], mut network: Network, stopped: &Receiver<()>) -> Traffic {
    let mut buffer = [0; LARGEST];
    while stopped.try_recv() == Err(TryRecvError::Empty) {
        let now = Instant::now();
        for (place, (socket, behind)) in doors.iter().enumerate() {
            let (_, to) = doors[place ^ 1];
            // An ICMP error of an earlier datagram is nothing new: the relay promises no delivery.
            while let Ok((len, _)) = socket.recv_from(&mut buffer) {
                let path = Path::new(Transport::Udp, *behind, to);
                network.send(now, path, Bytes::copy_from_slice(&buffer[..len]));
            }
        }
        while let Some(delivery) = network.poll_delivery(Instant::now()) {
            let to = delivery.path.local;
            if let Some((socket, _)) = doors.iter().find(|(_, behind)| *behind == to) {
                // What the system has no room for is lost.
                let _sent = socket.send_to(&delivery.bytes, to);
            }
        }
        let next = network
            .poll_timeout()
            .map_or(NAP, |at| at.saturating_duration_since(Instant::now()));
        std::thread::sleep(next.min(NAP));
    }
    network.traffic()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[test]
    fn each_side_sees_the_other_at_an_address_of_the_relay() {
        let ((alice, a), (bob, b)) = (end(), end());
        let relay = UdpRelay::start(&[(a, b)], Impairment::NONE, 1).unwrap();
        let pair = relay.pairs()[0];
        let mut buffer = [0; 16];
        alice.send_to(b"hello", pair.left).unwrap();
        assert_eq!(bob.recv_from(&mut buffer).unwrap(), (5, pair.right));
        bob.send_to(b"you", pair.right).unwrap();
        assert_eq!(alice.recv_from(&mut buffer).unwrap(), (3, pair.left));
        let traffic = relay.stop();
        assert_eq!((traffic.sent, traffic.delivered), (2, 2));
    }

    #[test]
    fn what_is_lost_does_not_arrive() {
        let ((alice, a), (bob, b)) = (end(), end());
        let lossy = Impairment {
            loss_per_mille: 500,
            ..Impairment::NONE
        };
        let relay = UdpRelay::start(&[(a, b)], lossy, 1).unwrap();
        let pair = relay.pairs()[0];
        bob.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut arrived = 0;
        for _ in 0..40 {
            alice.send_to(b"hello", pair.left).unwrap();
            arrived += u32::from(bob.recv_from(&mut [0; 16]).is_ok());
        }
        let traffic = relay.stop();
        assert!(arrived < 40 && traffic.lost > 0, "{arrived}, {traffic:?}");
    }
}
