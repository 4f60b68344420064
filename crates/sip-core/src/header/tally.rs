//! How often each known header field is there.

use super::name::{KNOWN, UNKNOWN};
use super::{HeaderName, Headers};

/// Which known names a message has, found in one pass: for checks that ask about many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// The bits of their ids.
    present: u128,
    repeated: u128,
}

const _: () = assert!(KNOWN.len() <= u128::BITS as usize);

impl Tally {
    pub(crate) fn of(headers: &Headers) -> Self {
        let mut tally = Self::default();
        for entry in headers.entries.iter().filter(|entry| entry.id != UNKNOWN) {
            let bit = 1 << entry.id;
            tally.repeated |= tally.present & bit;
            tally.present |= bit;
        }
        tally
    }

    /// Whether a field of this known name is there.
    pub(crate) fn has(self, name: HeaderName<'static>) -> bool {
        self.present & (1 << name.id()) != 0
    }

    /// Whether fields of this known name are there more than once.
    pub(crate) fn repeats(self, name: HeaderName<'static>) -> bool {
        self.repeated & (1 << name.id()) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart_by_name_in_any_form() {
        let mut headers = Headers::new();
        for name in ["Via", "v", "Warning", "X-Other", "X-Other"] {
            headers.push(name, "1");
        }
        let tally = Tally::of(&headers);
        assert!(tally.has(HeaderName::Via) && tally.repeats(HeaderName::Via));
        assert!(tally.has(HeaderName::Warning) && !tally.repeats(HeaderName::Warning));
        assert!(!tally.has(HeaderName::To) && !tally.repeats(HeaderName::To));
    }
}
