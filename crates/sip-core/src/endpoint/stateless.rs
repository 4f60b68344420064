//! To tags of responses that no transaction keeps (RFC 3261 §8.2.7).

use crate::transaction::Essentials;
use offhook_sansio::Entropy;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Gives each request a To tag of its own, and a request that comes again the tag that it had before.
#[derive(Debug)]
pub(super) struct StatelessTags {
    secret: [u64; 2],
}

impl StatelessTags {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        Self {
            secret: [entropy.u64(), entropy.u64()],
        }
    }

    /// 16 hexadecimal digits, from what names the request.
    pub(super) fn tag(&self, essentials: &Essentials) -> String {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        essentials.via.branch().hash(&mut hasher);
        essentials.call_id.hash(&mut hasher);
        essentials.from.tag().hash(&mut hasher);
        essentials.cseq.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}
