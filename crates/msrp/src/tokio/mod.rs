//! The driver: MSRP sessions on Tokio's sockets.
//!
//! Whoever offers an MSRP stream in SDP first prepares one end, puts its `local_path` into the `path` attribute, and
//! completes it with the path of the answer; who answers does the same in the other order. [`ConnectorDirect`] opens the
//! connection, [`AcceptorDirect`] takes one, [`MsrpServer`] takes many on one port. All serve one session each and are
//! used up by `complete`; dropping them cleans up. Sessions that are given the same [`SharedConnections`] use one
//! connection to the same peer; a server takes several sessions on one connection in any case.
//!
//! ```
//! use offhook_msrp::tokio::{AcceptorDirect, ConnectorDirect};
//! use offhook_msrp::{OutgoingMessage, SessionEvent};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let acceptor = AcceptorDirect::prepare("127.0.0.1:0".parse()?).await?;
//! let connector = ConnectorDirect::prepare(None)?;
//! // The paths go through SDP.
//! let alices = connector.session_config(acceptor.local_path().clone());
//! let bobs = acceptor.session_config(connector.local_path().clone());
//!
//! let (alice, bob) = tokio::join!(connector.complete(alices), acceptor.complete(bobs));
//! let (alice, mut bob) = (alice?, bob?);
//! alice.handle().deliver(OutgoingMessage::new("text/plain", "hello")).await?;
//! let Some(SessionEvent::Message(message)) = bob.next_event().await else { panic!() };
//! assert_eq!(message.body, "hello");
//! # Ok(())
//! # }
//! ```

mod accept;
mod connect;
mod door;
mod driver;
mod handle;
#[cfg(feature = "tls")]
mod identity;
mod inbox;
mod relay;
mod relay_server;
mod seat;
mod server;
mod sharing;
mod stream;
mod transport;

pub use accept::AcceptorDirect;
pub use connect::{ConnectError, ConnectorDirect, TurnedAway};
pub use driver::MsrpConnection;
pub use handle::{DeliverError, SessionGone, SessionHandle};
#[cfg(feature = "tls")]
pub use identity::TlsIdentity;
pub use inbox::SessionEvents;
pub use relay::{
    Acceptor, AcceptorRelay, Connector, ConnectorRelay, MsrpRelaySettings, RelayAddress, RelayResolver,
    Resolving, get_acceptor, get_connector,
};
pub use relay_server::RelayServer;
pub use server::{Expected, MsrpServer, ServerConfig};
pub use sharing::SharedConnections;
pub use transport::{MsrpTransport, ReadError, SendChunk};

use offhook_sansio::Entropy;
use std::io;

/// A generator seeded by the operating system.
fn entropy() -> io::Result<Entropy> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| io::Error::other("no randomness"))?;
    Ok(Entropy::from_seed(seed))
}
