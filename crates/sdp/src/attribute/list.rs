//! The attributes of one section, as one text.

use super::{Attribute, AttributeRef, Direction, Fmtp, MaxPtime, Ptime, Rtcp, Rtpmap};
use crate::Text;
use crate::text::find;
use std::time::Duration;

/// The attributes of a session or of one media, in the order of the text. Unknown ones are kept.
///
/// They are kept as the text that they are read from and written as; what stands in it is read when asked for.
/// [`get`](Self::get), [`all`](Self::all) and [`has`](Self::has) give any attribute its type and tell a malformed one
/// from one that is absent. The views by name (`rtpmaps`, `ptime`, `rtcp`, ...) skip malformed ones: RFC 8866 §5.13
/// has receivers ignore what they do not understand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Whole lines: each begins with `a=` and ends with the only CRLF in it.
    lines: String,
}

impl Attributes {
    /// An empty list.
    pub const fn new() -> Self {
        Self { lines: String::new() }
    }

    /// Adds an attribute behind the others. A typed one is taken by reference: `push(&Setup::ActPass)`.
    pub fn push(&mut self, attribute: impl Into<Attribute>) {
        self.push_ref(AttributeRef::from(&attribute.into()));
    }

    fn push_ref(&mut self, attribute: AttributeRef<'_>) {
        match attribute.value {
            Some(value) => self.lines.extend(["a=", attribute.name, ":", value, "\r\n"]),
            None => self.push_line(attribute.name),
        }
    }

    /// Adds what stands between `a=` and the end of a line.
    pub(crate) fn push_line(&mut self, line: &str) {
        self.lines.extend(["a=", line, "\r\n"]);
    }

    /// Adds whole lines that stand in a description as they do here.
    pub(crate) fn push_lines(&mut self, lines: &str) {
        self.lines.push_str(lines);
    }

    /// The `a=` lines, each ended by CRLF: what is written.
    pub fn as_str(&self) -> &str {
        &self.lines
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        memchr::memchr_iter(b'\n', self.lines.as_bytes()).count()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> AttributeIter<'_> {
        AttributeIter { lines: &self.lines }
    }

    /// True when an attribute of that name is there, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// The value of the first attribute of that name that has one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// The values of all attributes of that name, in order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.named(name).flatten()
    }

    /// What follows the colon of each attribute of that name, if one does.
    pub(super) fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = Option<&'a str>> {
        self.iter()
            .filter(move |attribute| attribute.name == name)
            .map(|attribute| attribute.value)
    }

    /// Keeps those that `keep` wants.
    pub fn retain(&mut self, keep: impl FnMut(&AttributeRef<'_>) -> bool) {
        *self = self.iter().filter(keep).collect();
    }

    /// Removes all attributes of that name; true when there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        let is_there = self.contains(name);
        if is_there {
            self.retain(|attribute| attribute.name != name);
        }
        is_there
    }

    /// Puts an attribute in place of the first of its name, drops the others of that name; else adds it.
    pub fn set(&mut self, attribute: impl Into<Attribute>) {
        let attribute = attribute.into();
        let mut new = Some(AttributeRef::from(&attribute));
        let mut changed: Self = self
            .iter()
            .filter_map(|old| {
                if *old.name == *attribute.name {
                    new.take()
                } else {
                    Some(old)
                }
            })
            .collect();
        if let Some(new) = new {
            changed.push_ref(new);
        }
        *self = changed;
    }

    /// The direction, if one is said (RFC 8866 §6.7).
    pub fn direction(&self) -> Option<Direction> {
        self.iter().find_map(|attribute| attribute.name.parse().ok())
    }

    /// Says the direction, in place of any said before.
    pub fn set_direction(&mut self, direction: Direction) {
        self.retain(|attribute| attribute.name.parse::<Direction>().is_err());
        self.push(Attribute::new(Text::from_static(direction.as_str())));
    }

    /// All well-formed `rtpmap` lines (RFC 8866 §6.6).
    pub fn rtpmaps(&self) -> impl Iterator<Item = Rtpmap> + '_ {
        self.all().flatten()
    }

    /// All well-formed `fmtp` lines (RFC 8866 §6.15).
    pub fn fmtps(&self) -> impl Iterator<Item = Fmtp> + '_ {
        self.all().flatten()
    }

    /// How much audio the receiver wants in one packet (RFC 8866 §6.4).
    pub fn ptime(&self) -> Option<Duration> {
        self.get().ok()?.map(|Ptime(time)| time)
    }

    /// How much audio the receiver takes in one packet at most (RFC 8866 §6.5).
    pub fn maxptime(&self) -> Option<Duration> {
        self.get().ok()?.map(|MaxPtime(time)| time)
    }

    /// Where RTCP is received (RFC 3605).
    pub fn rtcp(&self) -> Option<Rtcp> {
        self.get().ok()?
    }

    /// True when RTP and RTCP may share one port (RFC 5761 §5.1.1).
    pub fn rtcp_mux(&self) -> bool {
        self.contains("rtcp-mux")
    }
}

/// Goes through [`Attributes`] in their order.
#[derive(Clone, Debug)]
pub struct AttributeIter<'a> {
    lines: &'a str,
}

impl<'a> Iterator for AttributeIter<'a> {
    type Item = AttributeRef<'a>;

    fn next(&mut self) -> Option<AttributeRef<'a>> {
        let end = find(self.lines.as_bytes(), b'\r')?;
        let line = &self.lines["a=".len()..end];
        self.lines = &self.lines[end + "\r\n".len()..];
        let colon = find(line.as_bytes(), b':');
        Some(AttributeRef {
            name: &line[..colon.unwrap_or(line.len())],
            value: colon.map(|colon| &line[colon + 1..]),
        })
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = AttributeRef<'a>;
    type IntoIter = AttributeIter<'a>;

    fn into_iter(self) -> AttributeIter<'a> {
        self.iter()
    }
}

impl<'a> FromIterator<AttributeRef<'a>> for Attributes {
    fn from_iter<I: IntoIterator<Item = AttributeRef<'a>>>(attributes: I) -> Self {
        let mut list = Self::new();
        attributes
            .into_iter()
            .for_each(|attribute| list.push_ref(attribute));
        list
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        let mut list = Self::new();
        attributes.into_iter().for_each(|attribute| list.push(attribute));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lines: &[(&'static str, &'static str)]) -> Attributes {
        lines
            .iter()
            .map(|(name, value)| Attribute::with_value(*name, *value))
            .collect()
    }

    #[test]
    fn set_keeps_the_place_and_removes_repetitions() {
        let mut attributes = list(&[("ptime", "20"), ("x", "1"), ("ptime", "30")]);
        attributes.set(Attribute::with_value("ptime", "40"));
        assert_eq!(attributes, list(&[("ptime", "40"), ("x", "1")]));
        attributes.set(Attribute::with_value("maxptime", "60"));
        assert_eq!(attributes.maxptime(), Some(Duration::from_millis(60)));
    }

    #[test]
    fn only_one_direction_stands_at_a_time() {
        let mut attributes = Attributes::new();
        attributes.set_direction(Direction::SendOnly);
        attributes.set_direction(Direction::Inactive);
        assert_eq!(attributes.len(), 1);
        assert_eq!(attributes.direction(), Some(Direction::Inactive));
    }

    #[test]
    fn an_attribute_comes_back_as_it_was_put_in() {
        let given = [
            Attribute::new("rtcp-mux"),
            Attribute::with_value("empty", ""),
            Attribute::with_value("path", "msrp://a.example:7654/jshA7we;tcp"),
        ];
        let attributes: Attributes = given.iter().cloned().collect();
        assert_eq!(attributes.iter().map(Attribute::from).collect::<Vec<_>>(), given);
        assert_eq!((attributes.len(), attributes.value("empty")), (3, Some("")));
        assert!(attributes.contains("rtcp-mux") && !attributes.contains("path:msrp"));
    }

    #[test]
    fn what_is_removed_is_gone_and_the_rest_keeps_its_order() {
        let mut attributes = list(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]);
        assert!(attributes.remove("a") && !attributes.remove("a"));
        assert_eq!(attributes, list(&[("b", "2"), ("c", "4")]));
    }
}
