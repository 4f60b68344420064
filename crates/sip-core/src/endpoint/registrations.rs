//! The endpoint's registrations.

use super::Endpoint;
use crate::registration::{
    Granted, Register, RegisterError, Registration, RegistrationId, RegistrationState,
};
use std::time::{Duration, Instant};

impl Endpoint {
    /// Registers an address of record, and keeps it registered until [`unregister`](Self::unregister).
    pub fn register(&mut self, now: Instant, register: Register) -> Result<RegistrationId, RegisterError> {
        let limit = self.core.config.limits.registrations;
        if self.registrations.len() >= limit {
            return Err(RegisterError::Limit { limit });
        }
        if register.routes.is_empty() {
            return Err(RegisterError::NoRoute);
        }
        let id = RegistrationId(self.fresh_number());
        let registration = Registration::start(&mut self.core, now, id, register)?;
        self.registrations.insert(id, registration);
        Ok(id)
    }

    /// Where a registration stands; `None` once it is over.
    pub fn registration_state(&self, id: RegistrationId) -> Option<RegistrationState> {
        self.registrations.get(id).map(Registration::state)
    }

    /// How long the newest success of a registration is good still.
    pub fn registration_expires_in(&self, now: Instant, id: RegistrationId) -> Option<Duration> {
        self.registrations.get(id)?.expires_in(now)
    }

    /// What the registrar gave with its newest success: bindings, Service-Route, GRUUs. `None` while not registered.
    pub fn registration_granted(&self, id: RegistrationId) -> Option<&Granted> {
        self.registrations.get(id)?.granted()
    }

    /// What was asked to be registered.
    pub fn registration_settings(&self, id: RegistrationId) -> Option<&Register> {
        self.registrations.get(id).map(Registration::what)
    }

    /// Changes how long a registration shall last, in seconds, from its next refresh on.
    pub fn set_registration_expires(&mut self, id: RegistrationId, seconds: u32) {
        self.registrations.with(&mut self.core, id, |registration, _| {
            registration.set_expires(seconds);
        });
    }

    /// Registers again at once: after a change of network, or when the user is impatient. Does nothing while a
    /// REGISTER is on its way; behind an [`unregister`](Self::unregister) that is, it registers again once that has its
    /// answer, or its time is over, instead of ending.
    pub fn refresh_registration(&mut self, now: Instant, id: RegistrationId) {
        self.registrations.with(&mut self.core, id, |registration, core| {
            registration.refresh(core, now);
        });
    }

    /// Takes a registration back: REGISTER with Expires 0, behind one that is on its way. It is given 2 s.
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) {
        self.registrations.with(&mut self.core, id, |registration, core| {
            registration.unregister(core, now);
        });
    }
}
