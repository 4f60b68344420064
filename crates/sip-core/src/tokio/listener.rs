//! Where connections are accepted, and from where they are opened.

use super::connection::News;
use super::protocol::Protocol;
use super::sources::{Place, is_same_port};
use socket2::{Domain, Protocol as IpProtocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long nothing is accepted when the system cannot: it has no file descriptor to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A local address, with what is spoken there.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: u64,
    bound: SocketAddr,
    /// What stands in Via and Contact, and as the local end of paths.
    pub(super) address: SocketAddr,
    pub(super) protocol: Protocol,
    place: Place,
    occupied: Occupied,
}

/// What keeps the port ours.
#[derive(Debug)]
enum Occupied {
    Listening(JoinHandle<()>),
    /// Nobody is listened to where we cannot say who we are, but the port is held: it stands in Via and Contact, and
    /// must not be somebody else's.
    Held(#[allow(dead_code, reason = "holds the port")] Socket),
}

impl Listener {
    pub(super) fn open(
        id: u64,
        address: SocketAddr,
        place: Place,
        protocol: Protocol,
        news: mpsc::Sender<News>,
    ) -> io::Result<Self> {
        let socket = bind(address, protocol.accepts())?;
        let bound = socket
            .local_addr()?
            .as_socket()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let occupied = if protocol.accepts() {
            socket.listen(BACKLOG)?;
            let listener = TcpListener::from_std(socket.into())?;
            Occupied::Listening(tokio::spawn(accept(listener, id, news)))
        } else {
            Occupied::Held(socket)
        };
        Ok(Self {
            id,
            bound,
            address: SocketAddr::new(place.advertised, bound.port()),
            place,
            protocol,
            occupied,
        })
    }

    /// Opens another port in place of this one, at the same address, or speaks something else at it.
    pub(super) fn reopened(
        &self,
        port: u16,
        protocol: Protocol,
        news: mpsc::Sender<News>,
    ) -> io::Result<Self> {
        let address = SocketAddr::new(self.bound.ip(), port);
        Self::open(self.id, address, self.place.clone(), protocol, news)
    }

    pub(super) fn is_everywhere(&self) -> bool {
        self.place.everywhere.is_some()
    }

    /// Whether what shall go from this address goes from here.
    pub(super) fn serves(&self, local: SocketAddr) -> bool {
        self.address == local || (self.is_everywhere() && is_same_port(self.address, local))
    }

    /// What the peer of a connection calls us that was accepted with this end.
    pub(super) fn local_of(&self, end: Option<SocketAddr>) -> SocketAddr {
        match end {
            Some(end) if self.is_everywhere() => SocketAddr::new(end.ip(), self.address.port()),
            _ => self.address,
        }
    }

    /// From where connections are opened, where it matters.
    pub(super) fn source(&self) -> Option<IpAddr> {
        let ip = self.bound.ip();
        (!ip.is_unspecified()).then_some(ip)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Occupied::Listening(task) = &self.occupied {
            task.abort();
        }
    }
}

fn bind(address: SocketAddr, to_listen: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(IpProtocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Elsewhere than on Windows this lets the port be used again while old connections time out, and nothing more; but a
    // port that is only held would be anybody's.
    socket.set_reuse_address(to_listen && cfg!(not(windows)))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

async fn accept(listener: TcpListener, id: u64, news: mpsc::Sender<News>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = news.closed() => return,
        };
        match accepted {
            Ok((stream, remote)) => {
                let accepted = News::Accepted {
                    stream,
                    listener: id,
                    remote,
                };
                if news.send(accepted).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
