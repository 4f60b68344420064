//! The names of the servers that we ask for over TLS and WebSocket.

use crate::Host;
use offhook_sansio::ServerId;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Names by their numbers and back, as many as are allowed; the one that was used longest ago goes first.
#[derive(Debug)]
pub(crate) struct Servers {
    limit: usize,
    ids: HashMap<Arc<str>, Known>,
    names: HashMap<ServerId, Arc<str>>,
    next_id: NonZeroU32,
    /// Counts uses.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    id: ServerId,
    used: u64,
}

impl Servers {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            ids: HashMap::new(),
            names: HashMap::new(),
            next_id: NonZeroU32::MIN,
            clock: 0,
        }
    }

    /// The number of a name, which compares as DNS does (RFC 5922 §7.2).
    pub(super) fn id(&mut self, host: &Host) -> ServerId {
        let name = match host.ip() {
            Some(ip) => ip.to_string(),
            None => host.to_string().trim_end_matches('.').to_ascii_lowercase(),
        };
        self.clock += 1;
        if let Some(known) = self.ids.get_mut(name.as_str()) {
            known.used = self.clock;
            return known.id;
        }
        if self.ids.len() >= self.limit {
            self.forget_oldest();
        }
        let id = ServerId(self.next_id);
        // A number comes again after four thousand million names; by then nobody remembers the old one.
        self.next_id = self.next_id.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let name: Arc<str> = name.into();
        let used = self.clock;
        self.names.insert(id, Arc::clone(&name));
        self.ids.insert(name, Known { id, used });
        id
    }

    pub(super) fn name(&self, id: ServerId) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    fn forget_oldest(&mut self) {
        let oldest = self.ids.iter().min_by_key(|(_, known)| known.used);
        if let Some((name, known)) = oldest.map(|(name, known)| (Arc::clone(name), *known)) {
            self.ids.remove(&name);
            self.names.remove(&known.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        text.parse().expect("valid")
    }

    #[test]
    fn a_name_has_one_number_however_it_is_written() {
        let mut servers = Servers::new(8);
        let id = servers.id(&host("Example.COM."));
        assert_eq!(servers.id(&host("example.com")), id);
        assert_eq!(servers.name(id).map(|name| &**name), Some("example.com"));
        let v6 = servers.id(&host("[2001:db8::1]"));
        assert_ne!(v6, id);
        assert_eq!(servers.name(v6).map(|name| &**name), Some("2001:db8::1"));
    }

    #[test]
    fn the_name_used_longest_ago_goes_first_and_its_number_means_nobody_else() {
        let mut servers = Servers::new(2);
        let a = servers.id(&host("a.test"));
        let b = servers.id(&host("b.test"));
        assert_eq!(servers.id(&host("a.test")), a);
        let c = servers.id(&host("c.test"));
        assert_eq!(servers.name(b), None);
        assert!(servers.name(a).is_some() && servers.name(c).is_some());
        assert_ne!(servers.id(&host("b.test")), b);
        assert_eq!(servers.ids.len(), 2);
        assert_eq!(servers.names.len(), 2);
    }
}
