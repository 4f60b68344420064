//! Running over all values of one header field.

use std::marker::PhantomData;

use super::{HeaderError, Headers, TypedHeader};
use crate::parse::lex;

/// All values of a typed field; see [`Headers::typed_all`].
#[derive(Clone, Debug)]
pub struct TypedAll<'a, H> {
    headers: &'a Headers,
    /// The entry to look at next.
    next: usize,
    /// The entry within whose list we stand, and how far.
    within: Option<(usize, usize)>,
    kind: PhantomData<H>,
}

impl<'a, H> TypedAll<'a, H> {
    pub(super) fn new(headers: &'a Headers) -> Self {
        Self {
            headers,
            next: 0,
            within: None,
            kind: PhantomData,
        }
    }
}

impl<H: TypedHeader> Iterator for TypedAll<'_, H> {
    type Item = Result<H, HeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (index, start) = if let Some(place) = self.within.take() {
                place
            } else {
                let ahead = &self.headers.entries[self.next..];
                let index = self.next + ahead.iter().position(|e| self.headers.matches(e, H::NAME))?;
                self.next = index + 1;
                (index, 0)
            };
            let entry = &self.headers.entries[index];
            if !H::LIST {
                return Some(H::parse(
                    self.headers.header_value(entry, self.headers.value(entry)),
                ));
            }
            let value = self.headers.value(entry);
            let end = start + lex::list_element_end(&value[start..]);
            if end < value.len() {
                self.within = Some((index, end + 1));
            }
            let element = lex::trim(&value[start..end]);
            // A field with nothing in it is an empty list; an empty place between commas is an error.
            if element.is_empty() && start == 0 && end == value.len() {
                continue;
            }
            let text = &value[start + element.start..start + element.end];
            return Some(H::parse(self.headers.header_value(entry, text)));
        }
    }
}
