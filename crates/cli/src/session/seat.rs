//! What the desk knows of a session that runs.

use crate::place::{Ask, Place};
use offhook::SessionId;
use tokio::sync::mpsc::{self, error::TrySendError};

/// Orders that may wait for a session.
const ORDERS: usize = 64;

/// The way to a session.
pub(super) struct Seat {
    id: SessionId,
    remote: String,
    orders: mpsc::Sender<Ask>,
}

impl Seat {
    /// A seat for a session, and where its orders arrive.
    pub(super) fn new(place: &Place) -> (Self, mpsc::Receiver<Ask>) {
        let (orders, asked) = mpsc::channel(ORDERS);
        let seat = Self {
            id: place.session.id(),
            remote: place.session.remote_identity().uri.to_string(),
            orders,
        };
        (seat, asked)
    }

    pub(super) fn id(&self) -> SessionId {
        self.id
    }

    /// Who is on the other side.
    pub(super) fn remote(&self) -> &str {
        &self.remote
    }

    /// Hands an order over.
    ///
    /// # Errors
    /// What to tell the person.
    pub(super) fn ask(&self, ask: Ask) -> Result<(), &'static str> {
        self.orders.try_send(ask).map_err(|error| match error {
            TrySendError::Full(_) => "the session has enough to do",
            TrySendError::Closed(_) => "the session is over",
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.orders.is_closed()
    }
}
