//! Addresses of ours that change while we run.

use super::handle::DriverGone;
use super::transports::BindError;
use offhook_sansio::Transport;
use std::net::SocketAddr;

/// What became of one of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalChange {
    /// It is new.
    Added(Transport, SocketAddr),
    /// It is another now.
    Moved {
        /// The transport.
        transport: Transport,
        /// What it was.
        from: SocketAddr,
        /// What it is.
        to: SocketAddr,
    },
    /// It stands for all addresses of this machine, at its port. Told before anything is sent, or behind
    /// [`Added`](Self::Added).
    Everywhere(Transport, SocketAddr),
    /// It is gone.
    Removed(Transport, SocketAddr),
}

/// An address of ours was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The new one cannot be used; the old one is there still.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The driver has ended.
    #[error(transparent)]
    Gone(#[from] DriverGone),
}
