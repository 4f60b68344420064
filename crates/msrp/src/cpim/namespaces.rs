//! Namespaces of header fields (RFC 3862 §3.4).

use super::CPIM_NAMESPACE;
use super::header::{self, Header, split_name};

/// What the prefixes stand for at some line of a message.
pub(super) struct Namespaces<'a> {
    /// Prefix and URI, each prefix once; the empty one is that of names without a prefix.
    declared: Vec<(&'a str, &'a str)>,
}

/// The name of a header field or a feature, whatever prefix the message has for its namespace (RFC 3862 §3.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QualifiedName {
    /// The URI of its namespace. `None` when its prefix is not declared; then the name has it still.
    pub namespace: Option<String>,
    /// The name in that namespace.
    pub name: String,
}

impl<'a> Namespaces<'a> {
    /// What holds in the first line.
    pub(super) fn new() -> Self {
        Self {
            declared: vec![("", CPIM_NAMESPACE)],
        }
    }

    /// What holds after these lines.
    pub(super) fn after(headers: &'a [Header]) -> Self {
        let mut namespaces = Self::new();
        for header in headers {
            namespaces.pass(header);
        }
        namespaces
    }

    /// Goes on behind a line, which may be a declaration. A bare `NS` is one under any default namespace: nobody could leave
    /// a default otherwise.
    pub(super) fn pass(&mut self, header: &'a Header) {
        let (prefix, name) = header.name();
        if name != "NS" || !(prefix.is_empty() || self.uri(prefix) == Some(CPIM_NAMESPACE)) {
            return;
        }
        if let Some((prefix, uri)) = declaration(header.value()) {
            self.declared.retain(|(known, _)| *known != prefix);
            self.declared.push((prefix, uri));
        }
    }

    /// The namespace that a prefix stands for.
    pub(super) fn uri(&self, prefix: &str) -> Option<&'a str> {
        let found = self.declared.iter().find(|(known, _)| *known == prefix);
        found.map(|(_, uri)| *uri)
    }

    /// A prefix that stands for a namespace, and has no characters that we would not write.
    pub(super) fn prefix(&self, namespace: &str) -> Option<&'a str> {
        let is_it = |(prefix, uri): &&(&str, &str)| *uri == namespace && header::name(prefix) == *prefix;
        self.declared.iter().find(is_it).map(|(prefix, _)| *prefix)
    }

    /// A prefix that stands for nothing.
    pub(super) fn free_prefix(&self) -> String {
        let mut number = 1;
        while self.uri(&format!("ns{number}")).is_some() {
            number += 1;
        }
        format!("ns{number}")
    }

    /// What a name means here.
    pub(super) fn resolve(&self, name: &str) -> QualifiedName {
        let (prefix, local) = split_name(name);
        let namespace = self.uri(prefix).map(str::to_owned);
        QualifiedName {
            name: if namespace.is_some() { local } else { name }.to_owned(),
            namespace,
        }
    }
}

/// Prefix and URI of an `NS` header field (RFC 3862 §4.6).
fn declaration(value: &str) -> Option<(&str, &str)> {
    let (prefix, uri) = value.split_once('<')?;
    Some((prefix.trim(), uri.strip_suffix('>')?))
}
