//! One UDP socket of a driver.

use super::sources::{Place, Sources, is_same_port};
use super::unreachable;
use bytes::Bytes;
use offhook_sansio::{Path, Received, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How large the kernel's buffers of a UDP socket shall be, in bytes: 4 MiB hold some 4,000 requests, a second's
/// burst that the task may take to come round. The kernel may give less.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// How many broken paths may wait; more are forgotten, and the timers of SIP do their work.
const BROKEN_QUEUE: usize = 256;

#[derive(Debug)]
pub(super) struct UdpTransport {
    socket: Arc<UdpSocket>,
    /// What stands in Via and Contact, and as the local end of paths.
    pub(super) address: SocketAddr,
    /// It stands for all addresses of this machine, and these tell which is a peer's.
    everywhere: Option<Sources>,
    broken: mpsc::Receiver<SocketAddr>,
    watch: JoinHandle<()>,
}

impl UdpTransport {
    /// Opens a socket at a place.
    pub(super) fn bind(address: SocketAddr, place: &Place) -> io::Result<Self> {
        let socket = Arc::new(open(address)?);
        let address = SocketAddr::new(place.advertised, socket.local_addr()?.port());
        unreachable::listen(&*socket, address.is_ipv4());
        let (sender, broken) = mpsc::channel(BROKEN_QUEUE);
        let watch = tokio::spawn(watch_errors(Arc::clone(&socket), sender));
        Ok(Self {
            socket,
            address,
            everywhere: place.everywhere.clone(),
            broken,
            watch,
        })
    }

    /// Opens another port in place of this one, at the same address.
    pub(super) fn reopened(&self, port: u16) -> io::Result<Self> {
        let bound = self.socket.local_addr()?;
        let place = Place {
            advertised: self.address.ip(),
            everywhere: self.everywhere.clone(),
        };
        Self::bind(SocketAddr::new(bound.ip(), port), &place)
    }

    pub(super) fn is_everywhere(&self) -> bool {
        self.everywhere.is_some()
    }

    /// Whether what shall go from this address goes from here.
    pub(super) fn serves(&self, local: SocketAddr) -> bool {
        self.address == local || (self.is_everywhere() && is_same_port(self.address, local))
    }

    /// The address by which this peer reaches us.
    fn local_towards(&self, peer: SocketAddr) -> SocketAddr {
        let ip = self
            .everywhere
            .as_ref()
            .and_then(|sources| sources.towards(peer.ip()));
        ip.map_or(self.address, |ip| SocketAddr::new(ip, self.address.port()))
    }

    pub(super) fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_recv_ready(context)
    }

    /// The next peer that a datagram could not be delivered to.
    pub(super) fn poll_broken(&mut self, context: &mut Context<'_>) -> Poll<Option<Path>> {
        let broken = self.broken.poll_recv(context);
        broken.map(|peer| peer.map(|peer| Path::new(Transport::Udp, self.local_towards(peer), peer)))
    }

    /// Takes a datagram, if there is one.
    pub(super) fn try_receive(&self, buffer: &mut [u8]) -> Option<Received> {
        loop {
            match self.socket.try_recv_from(buffer) {
                Ok((len, remote)) => {
                    return Some(Received {
                        path: Path::new(Transport::Udp, self.local_towards(remote), remote),
                        bytes: Bytes::copy_from_slice(&buffer[..len]),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // About an earlier datagram of ours, whose peer the watch tells. The next one may be there.
                Err(error) if unreachable::is_late_news(&error) => {}
                Err(error) => {
                    tracing::debug!(%error, "cannot receive");
                    return None;
                }
            }
        }
    }

    pub(super) async fn send(&self, bytes: &[u8], remote: SocketAddr) -> io::Result<()> {
        // An error may be about an earlier datagram to somebody else. This one has not been sent then.
        let sent = match self.try_send(bytes, remote).await {
            Err(error) if unreachable::is_late_news(&error) => self.try_send(bytes, remote).await,
            sent => sent,
        };
        sent.map(drop)
    }

    async fn try_send(&self, bytes: &[u8], remote: SocketAddr) -> io::Result<usize> {
        match self.socket.try_send_to(bytes, remote) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.send_to(bytes, remote).await
            }
            sent => sent,
        }
    }
}

impl Drop for UdpTransport {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // The kernel takes what it can of these.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Passes on whom the network could not deliver to, until the socket goes.
async fn watch_errors(socket: Arc<UdpSocket>, broken: mpsc::Sender<SocketAddr>) {
    while socket.ready(Interest::ERROR).await.is_ok() {
        for peer in unreachable::take(&*socket) {
            tracing::debug!(%peer, "unreachable");
            let _ = broken.try_send(peer);
        }
        // Says that all was taken: the next error wakes this task again.
        let nothing: io::Result<()> =
            socket.try_io(Interest::ERROR, || Err(io::ErrorKind::WouldBlock.into()));
        debug_assert!(nothing.is_err());
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_told_with_its_address_and_others_are_served() {
        let loopback: SocketAddr = "127.0.0.1:0".parse().expect("valid");
        let mut udp = UdpTransport::bind(loopback, &Place::at(loopback.ip())).expect("free");
        let listener = UdpTransport::bind(loopback, &Place::at(loopback.ip())).expect("free");
        let nobody = {
            let gone = std::net::UdpSocket::bind(loopback).expect("free");
            gone.local_addr().expect("bound")
        };
        udp.send(b"hello?", nobody).await.expect("taken by the network");
        let told = tokio::time::timeout(
            Duration::from_secs(2),
            poll_fn(|context| udp.poll_broken(context)),
        )
        .await;
        assert_eq!(told, Ok(Some(Path::new(Transport::Udp, udp.address, nobody))));

        // An error that is still on its way must not swallow a datagram to somebody else.
        udp.send(b"hello?", nobody).await.expect("taken by the network");
        udp.send(b"hello!", listener.address)
            .await
            .expect("taken by the network");
        listener.socket.readable().await.expect("open");
        let received = listener.try_receive(&mut [0; 64]).expect("readable");
        assert_eq!(received.bytes, "hello!");
    }
}
