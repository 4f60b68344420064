//! The addresses that registrars gave to this device (RFC 5627).

use crate::{Granted, Uri};
use std::collections::HashMap;

/// GRUUs by the user part of the Contacts that they stand for.
#[derive(Debug, Default)]
pub(crate) struct Gruus(HashMap<String, Given>);

#[derive(Debug)]
struct Given {
    public: Option<Uri>,
    temporary: Option<Uri>,
}

impl Gruus {
    /// RFC 5627 §4.2: there may be one of them, or the other, or both.
    pub(crate) fn keep(&mut self, user: &str, granted: &Granted) {
        let (public, temporary) = (granted.public_gruu.clone(), granted.temporary_gruu.clone());
        if public.is_some() || temporary.is_some() {
            self.0.insert(user.to_owned(), Given { public, temporary });
        }
    }

    pub(crate) fn remove(&mut self, user: &str) {
        self.0.remove(user);
    }

    /// The one that says who we are, where there is one (RFC 5627 §4.4).
    pub(super) fn open(&self, user: &str) -> Option<&Uri> {
        let given = self.0.get(user)?;
        given.public.as_ref().or(given.temporary.as_ref())
    }

    /// The one that does not (RFC 5627 §3.3).
    pub(super) fn anonymous(&self, user: &str) -> Option<&Uri> {
        self.0.get(user)?.temporary.as_ref()
    }
}
