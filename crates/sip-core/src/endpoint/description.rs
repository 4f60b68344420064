//! What an endpoint says of itself in its messages: Allow, Supported and their like.

use super::config::EndpointConfig;
use crate::{HeaderName, Headers, Method};

/// The header fields that describe an endpoint. They follow from what it was configured with and go into many messages,
/// so they are written once.
#[derive(Debug)]
pub(super) struct Description {
    /// Allow, Supported, Recv-Info and Allow-Events.
    brief: Headers,
    /// Accept, Accept-Encoding and Accept-Language.
    bodies: Headers,
    allow: String,
}

impl Description {
    pub(super) fn new(config: &EndpointConfig) -> Self {
        let allow = allow(config);
        let mut brief = Headers::new();
        brief.push(HeaderName::Allow, &allow);
        let supported: Vec<&str> = config.extensions().collect();
        brief.push(HeaderName::Supported, supported.join(", "));
        if !config.info_packages.is_empty() {
            brief.push(HeaderName::RecvInfo, config.info_packages.join(", "));
        }
        if !config.incoming_events.is_empty() {
            brief.push(HeaderName::AllowEvents, config.incoming_events.join(", "));
        }
        let mut bodies = Headers::new();
        bodies.push(HeaderName::Accept, config.accept.join(", "));
        bodies.push(HeaderName::AcceptEncoding, "identity");
        bodies.push(HeaderName::AcceptLanguage, config.accept_language.join(", "));
        Self { brief, bodies, allow }
    }

    /// What a request or response that begins or refreshes a dialog says of us (RFC 3261 §13.2.1).
    pub(super) fn brief(&self) -> &Headers {
        &self.brief
    }

    /// What those are told besides who ask for the whole truth (RFC 3261 §11.2).
    pub(super) fn bodies(&self) -> &Headers {
        &self.bodies
    }

    /// The value of Allow.
    pub(super) fn allow(&self) -> &str {
        &self.allow
    }
}

fn allow(config: &EndpointConfig) -> String {
    let is_added = config.allows(&Method::Subscribe) && !config.allow.contains(&Method::Subscribe);
    let added = is_added.then_some(&Method::Subscribe);
    let methods: Vec<&str> = config.allow.iter().chain(added).map(Method::as_str).collect();
    methods.join(", ")
}
