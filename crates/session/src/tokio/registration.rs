//! A registration as an application holds it.

use super::session::post_surely;
use super::user_agent::CommandError;
use crate::SessionManager;
use offhook_sip_core::tokio::Handle;
use offhook_sip_core::{RegistrationEvent, RegistrationId};
use tokio::sync::mpsc;

/// A running registration: refreshed until [`unregister`](Self::unregister), or until it is dropped.
pub struct Registration {
    id: RegistrationId,
    handle: Handle<SessionManager>,
    events: mpsc::Receiver<RegistrationEvent>,
}

impl Registration {
    pub(super) fn new(
        id: RegistrationId,
        handle: Handle<SessionManager>,
        events: mpsc::Receiver<RegistrationEvent>,
    ) -> Self {
        Self { id, handle, events }
    }

    /// The next event; `None` after the last one.
    pub async fn next_event(&mut self) -> Option<RegistrationEvent> {
        self.events.recv().await
    }

    /// Takes the address back. Events go on until the provider has answered.
    pub async fn unregister(&self) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.unregister(now, id))
            .await?)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let id = self.id;
        post_surely(&self.handle, move |manager, now| manager.unregister(now, id));
    }
}
