//! Who is writing (RFC 3994).

use std::time::{Duration, Instant};

/// The media type of an indication (RFC 3994 §4).
pub(super) const COMPOSING_TYPE: &str = "application/im-iscomposing+xml";

/// How long an indication is good where it does not say (RFC 3994 §3.4).
const DEFAULT_REFRESH: Duration = Duration::from_mins(2);

/// No shorter refresh is taken from, or sent to, a peer (RFC 3994 §3.3: at least 60 s).
const LEAST_REFRESH: Duration = Duration::from_mins(1);

/// No longer one either: an indication that nobody takes back must not stand for hours.
const LONGEST_REFRESH: Duration = Duration::from_mins(10);

/// After this long without a new sign of writing the writer counts as idle (RFC 3994 §3.2: 15 s).
const IDLE_AFTER: Duration = Duration::from_secs(15);

/// Whether somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Composing {
    /// Somebody is writing.
    Active,
    /// Nobody is.
    Idle,
}

impl Composing {
    /// The document of the indication.
    pub(super) fn to_xml(self, refresh: Duration) -> String {
        let (state, refresh) = match self {
            Self::Active => ("active", format!("<refresh>{}</refresh>", refresh.as_secs())),
            Self::Idle => ("idle", String::new()),
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\">\
             <state>{state}</state><contenttype>text/plain</contenttype>{refresh}</isComposing>"
        )
    }

    /// Reads an indication: the state and how long it is good. An unknown state is idle (RFC 3994 §3.3).
    pub(super) fn from_xml(bytes: &[u8]) -> Option<(Self, Duration)> {
        let text = std::str::from_utf8(bytes).ok()?;
        let document = roxmltree::Document::parse(text).ok()?;
        let root = document.root_element();
        if root.tag_name().name() != "isComposing" {
            return None;
        }
        let child = |name| {
            root.children()
                .find(|child| child.has_tag_name((root.tag_name().namespace().unwrap_or_default(), name)))
                .and_then(|child| child.text())
                .map(str::trim)
        };
        let composing = match child("state")? {
            "active" => Self::Active,
            _ => Self::Idle,
        };
        let refresh = child("refresh").and_then(|seconds| seconds.parse().ok());
        let refresh = refresh.map_or(DEFAULT_REFRESH, Duration::from_secs);
        Some((composing, refresh.clamp(LEAST_REFRESH, LONGEST_REFRESH)))
    }
}

/// When which indication is due, on both sides.
#[derive(Debug, Default)]
pub(super) struct ComposingTimers {
    /// While somebody here writes.
    local: Option<Writing>,
    /// While somebody there writes: until when that counts.
    remote_until: Option<Instant>,
}

#[derive(Debug)]
struct Writing {
    /// Nothing was typed since: idle from then on.
    idle_at: Instant,
    /// The other side wants to hear it again.
    refresh_at: Instant,
}

impl ComposingTimers {
    /// How long our indications are good.
    #[expect(clippy::unused_self, reason = "a value of the timers, constant for now")]
    pub(super) fn refresh(&self) -> Duration {
        DEFAULT_REFRESH
    }

    /// Somebody here writes, or no longer; true when the other side does not know it yet.
    pub(super) fn set_local(&mut self, now: Instant, composing: Composing) -> bool {
        match (composing, &mut self.local) {
            (Composing::Active, Some(writing)) => {
                writing.idle_at = now + IDLE_AFTER;
                false
            }
            (Composing::Active, local) => {
                *local = Some(Writing {
                    idle_at: now + IDLE_AFTER,
                    refresh_at: now + DEFAULT_REFRESH / 2,
                });
                true
            }
            (Composing::Idle, local) => local.take().is_some(),
        }
    }

    /// A message says by itself that nobody writes it any more.
    pub(super) fn message_sent(&mut self) {
        self.local = None;
    }

    /// The other side told of itself.
    pub(super) fn set_remote(&mut self, now: Instant, composing: Composing, refresh: Duration) {
        self.remote_until = (composing == Composing::Active).then_some(now + refresh);
    }

    pub(super) fn message_received(&mut self) {
        self.remote_until = None;
    }

    /// The indication that is due.
    pub(super) fn local_due(&mut self, now: Instant) -> Option<Composing> {
        let writing = self.local.as_mut()?;
        if writing.idle_at <= now {
            self.local = None;
            return Some(Composing::Idle);
        }
        if writing.refresh_at <= now {
            writing.refresh_at = now + DEFAULT_REFRESH / 2;
            return Some(Composing::Active);
        }
        None
    }

    /// True once when the other side's indication has run out.
    pub(super) fn remote_due(&mut self, now: Instant) -> bool {
        let due = self.remote_until.is_some_and(|until| until <= now);
        if due {
            self.remote_until = None;
        }
        due
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let local = self
            .local
            .as_ref()
            .map(|writing| writing.idle_at.min(writing.refresh_at));
        local.into_iter().chain(self.remote_until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indications_are_read_back() {
        for composing in [Composing::Active, Composing::Idle] {
            let xml = composing.to_xml(Duration::from_secs(90));
            let (read, refresh) = Composing::from_xml(xml.as_bytes()).expect("ours");
            assert_eq!(read, composing);
            if composing == Composing::Active {
                assert_eq!(refresh, Duration::from_secs(90));
            }
        }
    }

    /// The example of RFC 3994 §6.
    #[test]
    fn what_others_send_is_understood_and_nonsense_is_not() {
        let example = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"\n\
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n<state>active</state>\n\
             <contenttype>text/plain</contenttype>\n<refresh>90</refresh></isComposing>";
        let read = Composing::from_xml(example.as_bytes());
        assert_eq!(read, Some((Composing::Active, Duration::from_secs(90))));
        let short = example.replace(">90<", ">1<");
        assert_eq!(Composing::from_xml(short.as_bytes()).unwrap().1, LEAST_REFRESH);
        for nonsense in ["", "hello", "<x/>", "<isComposing/>", "\u{fffd}"] {
            assert_eq!(Composing::from_xml(nonsense.as_bytes()), None, "{nonsense}");
        }
    }

    #[test]
    fn writing_is_told_once_refreshed_and_ends_by_itself() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut timers = ComposingTimers::default();
        assert!(timers.set_local(start, Composing::Active));
        for second in (10..60).step_by(10) {
            assert!(
                !timers.set_local(after(second), Composing::Active),
                "known already"
            );
            assert_eq!(timers.local_due(after(second)), None);
        }
        timers.set_local(after(59), Composing::Active);
        assert_eq!(timers.local_due(after(60)), Some(Composing::Active), "refreshed");
        assert_eq!(timers.next(), Some(after(59) + IDLE_AFTER));
        assert_eq!(timers.local_due(after(74)), Some(Composing::Idle));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn the_other_side_counts_as_idle_when_it_says_no_more() {
        let start = Instant::now();
        let mut timers = ComposingTimers::default();
        timers.set_remote(start, Composing::Active, DEFAULT_REFRESH);
        assert!(!timers.remote_due(start + Duration::from_secs(119)));
        assert!(timers.remote_due(start + Duration::from_mins(2)));
        assert!(!timers.remote_due(start + Duration::from_secs(121)), "told once");
    }
}
