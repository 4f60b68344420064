//! A request before it is known which way it goes.

use crate::endpoint::{Body, Core};
use crate::header::{Contact, Params};
use crate::{HeaderName, Method, Request};
use offhook_sansio::Path;

/// What a usage says in a request; the rest follows from the way that it takes.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) contact: Option<ContactDraft>,
    pub(crate) headers: Vec<(HeaderName<'static>, String)>,
    /// Extensions of this method, said in Supported behind those of the endpoint.
    pub(crate) supported: Vec<&'static str>,
    pub(crate) body: Option<Body>,
    /// Expires, where the method has one.
    pub(crate) expires: Option<u32>,
}

/// A Contact before its address is known.
#[derive(Clone, Debug)]
pub(crate) struct ContactDraft {
    pub(crate) user: String,
    pub(crate) params: Params,
    /// The address that the path gives, even where the account has a GRUU (RFC 5627 §4.1).
    pub(crate) is_binding: bool,
}

impl ContactDraft {
    /// The remote target of a dialog.
    pub(crate) fn target(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            params: Params::new(),
            is_binding: false,
        }
    }
}

impl Draft {
    pub(crate) fn new(method: Method) -> Self {
        Self {
            method,
            contact: None,
            headers: Vec::new(),
            supported: Vec::new(),
            body: None,
            expires: None,
        }
    }

    /// Adds what it says to a request that goes along this path.
    pub(super) fn write_to(&self, core: &Core, request: &mut Request, path: Path) {
        let headers = request.headers_mut();
        if let Some(contact) = &self.contact {
            let mut address = if contact.is_binding {
                core.binding(&contact.user, path)
            } else {
                core.contact(&contact.user, path)
            };
            address.params = contact.params.clone();
            headers.push_typed(&Contact::Addr(address));
        }
        for (name, value) in &self.headers {
            headers.push(*name, value);
        }
        if let Some(expires) = self.expires {
            headers.push(HeaderName::Expires, expires.to_string());
        }
        core.describe_in_request(headers, &self.supported);
        if let Some(body) = &self.body {
            request.set_body(&body.content_type, body.bytes.clone());
        }
    }
}
