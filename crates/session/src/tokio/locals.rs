//! Where a user agent receives SIP, which can change while it runs.

use super::user_agent::UserAgent;
use offhook_sansio::Transport;
use offhook_sip_core::tokio::{ChangeError, TlsError, TlsOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An address of ours was not changed; all is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The new one cannot be used, or the user agent has stopped.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// TLS cannot be used as told.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The addresses that a driver has told us last. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Locals(Arc<Mutex<Vec<(Transport, SocketAddr)>>>);

impl Locals {
    pub(super) fn new(locals: Vec<(Transport, SocketAddr)>) -> Self {
        Self(Arc::new(Mutex::new(locals)))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Transport, SocketAddr)>> {
        // Nothing that runs under this lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserAgent {
    /// Where SIP is received, by whichever transport; `0.0.0.0:0` when all were taken away.
    pub fn local_addr(&self) -> SocketAddr {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        self.locals
            .lock()
            .first()
            .map_or(nowhere, |(_, address)| *address)
    }

    /// By which transports SIP is received, and where.
    pub fn locals(&self) -> Vec<(Transport, SocketAddr)> {
        self.locals.lock().clone()
    }

    /// Changes the UDP port, 0 for a free one; opens UDP where there is none, or with `None` takes it away. New requests
    /// have the new port in Via and Contact; calls go on. Register again, so that the registrar knows.
    pub async fn set_local_udp_port(&self, port: Option<u16>) -> Result<(), LocalError> {
        *self.locals.lock() = self.handle.set_local_udp_port(port).await?;
        Ok(())
    }

    /// Changes the TCP port likewise. Connections stay.
    pub async fn set_local_tcp_port(&self, port: Option<u16>) -> Result<(), LocalError> {
        *self.locals.lock() = self.handle.set_local_tcp_port(port).await?;
        Ok(())
    }

    /// Changes what TLS believes and who we are, and the port of TLS likewise. Connections keep what they were opened
    /// with.
    pub async fn set_tls_options(&self, port: Option<u16>, options: &TlsOptions) -> Result<(), LocalError> {
        let tls = options.load()?;
        *self.locals.lock() = self.handle.set_tls_options(port, tls).await?;
        Ok(())
    }
}
