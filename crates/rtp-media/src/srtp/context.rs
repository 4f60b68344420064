//! Both directions of one stream.

use super::{KeyLifetime, MasterKey, SrtpReceiver, SrtpSender};

/// What both sides agreed upon: each protects what it sends with a key of its own (RFC 4568 §6.1, RFC 5764 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// For what we send.
    pub local: MasterKey,
    /// Packets that we may send under it. Default: all that the RFC allows.
    pub lifetime: KeyLifetime,
    /// For what the peer sends.
    pub remote: MasterKey,
}

impl SrtpKeys {
    /// Two keys that live as long as keys may.
    pub fn new(local: MasterKey, remote: MasterKey) -> Self {
        Self {
            local,
            lifetime: KeyLifetime::default(),
            remote,
        }
    }
}

/// The state behind the keys of a stream.
#[derive(Debug)]
pub(crate) struct SrtpContext {
    keys: SrtpKeys,
    pub(crate) sender: SrtpSender,
    pub(crate) receiver: SrtpReceiver,
}

impl SrtpContext {
    pub(crate) fn new(keys: SrtpKeys) -> Self {
        Self {
            sender: SrtpSender::with_lifetime(&keys.local, keys.lifetime),
            receiver: SrtpReceiver::new(&keys.remote),
            keys,
        }
    }

    /// Takes the keys of a re-negotiation. A key that is the same as before goes on: most re-negotiations change none, and to
    /// begin anew under it would send under indices that were used.
    pub(crate) fn update(&mut self, keys: &SrtpKeys) {
        if keys.local != self.keys.local {
            self.sender.rekey(&keys.local, keys.lifetime);
        }
        if keys.remote != self.keys.remote {
            self.receiver.rekey(&keys.remote);
        }
        self.keys.clone_from(keys);
    }
}
