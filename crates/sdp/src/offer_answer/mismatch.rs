//! Whether an answer fits an offer, and an offer the one before.

use crate::{Media, MediaKind, Text};

/// How a list of media does not fit the one it refers to.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// An answer needs as many sections as the offer (RFC 3264 §6).
    #[error("{actual} media sections instead of {expected}")]
    MediaCount {
        /// Sections of the offer.
        expected: usize,
        /// Sections of the answer.
        actual: usize,
    },
    /// A later offer has at least as many sections as the one before (RFC 3264 §8).
    #[error("{actual} media sections, at least {before} are needed")]
    MediaRemoved {
        /// Sections before.
        before: usize,
        /// Sections now.
        actual: usize,
    },
    /// The section of an answer is of another kind than the offer's.
    #[error("media {index} is {actual} instead of {expected}")]
    Kind {
        /// Which section, from 0.
        index: usize,
        /// The offer's kind.
        expected: MediaKind,
        /// The answer's kind.
        actual: MediaKind,
    },
    /// The section of an answer uses another protocol than the offer's.
    #[error("media {index} uses {actual} instead of {expected}")]
    Protocol {
        /// Which section, from 0.
        index: usize,
        /// The offer's protocol.
        expected: Text,
        /// The answer's protocol.
        actual: Text,
    },
    /// A section that the offer removes cannot be accepted (RFC 3264 §6, §8.2).
    #[error("media {index} is accepted, but its offer has port 0")]
    AcceptedRemoved {
        /// Which section, from 0.
        index: usize,
    },
    /// The answer bundles a section that the offer did not bundle, or not with the others (RFC 9143 §7.4).
    #[error("media {index} is in a bundle that was not offered")]
    NotBundled {
        /// Which section, from 0.
        index: usize,
    },
    /// The answer refuses the section whose transport a bundle in force uses (RFC 9143 §7.3.3).
    #[error("media {index} is refused, but carries its bundle")]
    TagRefused {
        /// Which section, from 0.
        index: usize,
    },
    /// An accepted section names no format.
    #[error("media {index} is accepted without a format")]
    NoFormat {
        /// Which section, from 0.
        index: usize,
    },
}

/// Checks the media of an answer against those of the offer. A refused section may say what it likes otherwise.
pub(super) fn check_answer(offer: &[Media], answer: &[Media]) -> Result<(), Mismatch> {
    if offer.len() != answer.len() {
        return Err(Mismatch::MediaCount {
            expected: offer.len(),
            actual: answer.len(),
        });
    }
    for (index, (offered, answered)) in offer.iter().zip(answer).enumerate() {
        if answered.is_rejected() {
            continue;
        }
        if offered.is_rejected() {
            return Err(Mismatch::AcceptedRemoved { index });
        }
        if offered.kind != answered.kind {
            return Err(Mismatch::Kind {
                index,
                expected: offered.kind.clone(),
                actual: answered.kind.clone(),
            });
        }
        if !offered.protocol.eq_ignore_ascii_case(&answered.protocol) {
            return Err(Mismatch::Protocol {
                index,
                expected: offered.protocol.clone(),
                actual: answered.protocol.clone(),
            });
        }
        if answered.formats.is_empty() {
            return Err(Mismatch::NoFormat { index });
        }
    }
    Ok(())
}

/// Checks the media of an offer against those that are in force.
pub(super) fn check_offer(before: &[Media], offer: &[Media]) -> Result<(), Mismatch> {
    if offer.len() < before.len() {
        return Err(Mismatch::MediaRemoved {
            before: before.len(),
            actual: offer.len(),
        });
    }
    Ok(())
}
