//! Header field names: known ones interned, compact forms understood (RFC 3261 §7.3.3, §20).

use std::fmt;

macro_rules! names {
    ($($variant:ident $text:literal $($compact:literal)?;)*) => {
        /// The name of a header field. Names compare without regard to case, and a compact form is the name
        /// that it abbreviates.
        ///
        /// Wherever a function wants a name, a `&str` does too:
        /// ```
        /// use offhook_sip_core::HeaderName;
        /// assert_eq!(HeaderName::from("call-id"), HeaderName::CallId);
        /// assert_eq!(HeaderName::from("i"), HeaderName::CallId);
        /// assert_eq!(HeaderName::from("X-Colour"), HeaderName::Other("x-colour"));
        /// ```
        #[derive(Clone, Copy)]
        #[non_exhaustive]
        pub enum HeaderName<'a> {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// A name that this crate has no word for. Use [`HeaderName::from`] to make one from text, so
            /// that known names stay known.
            Other(&'a str),
        }

        /// Every known name; its index is the name's id.
        pub(crate) const KNOWN: &[HeaderName<'static>] = &[$(HeaderName::$variant),*];

        /// Their spelling, by id.
        static TEXT: [&str; KNOWN.len()] = [$($text),*];

        impl<'a> HeaderName<'a> {
            /// The name in the spelling of its RFC.
            pub const fn as_str(self) -> &'a str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }

            /// The one-letter form, where there is one.
            pub const fn compact(self) -> Option<char> {
                match self {
                    $($(Self::$variant => Some($compact),)?)*
                    _ => None,
                }
            }

            #[inline]
            pub(crate) const fn id(self) -> u8 {
                #[repr(u8)]
                #[expect(clippy::enum_variant_names, reason = "ContentId is a header field's name")]
                enum Id { $($variant,)* }
                match self {
                    $(Self::$variant => Id::$variant as u8,)*
                    Self::Other(_) => UNKNOWN,
                }
            }
        }
    };
}

/// The id of a name that is not among [`KNOWN`].
pub(crate) const UNKNOWN: u8 = u8::MAX;

names! {
    Via "Via" 'v';
    From "From" 'f';
    To "To" 't';
    CallId "Call-ID" 'i';
    CSeq "CSeq";
    Contact "Contact" 'm';
    MaxForwards "Max-Forwards";
    ContentLength "Content-Length" 'l';
    ContentType "Content-Type" 'c';
    Route "Route";
    RecordRoute "Record-Route";
    Accept "Accept";
    AcceptContact "Accept-Contact" 'a';
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AlertInfo "Alert-Info";
    Allow "Allow";
    AllowEvents "Allow-Events" 'u';
    AnswerMode "Answer-Mode";
    AuthenticationInfo "Authentication-Info";
    Authorization "Authorization";
    CallInfo "Call-Info";
    ContentDisposition "Content-Disposition";
    ContentEncoding "Content-Encoding" 'e';
    ContentId "Content-ID";
    ContentLanguage "Content-Language";
    ContentTransferEncoding "Content-Transfer-Encoding";
    Date "Date";
    Diversion "Diversion";
    ErrorInfo "Error-Info";
    Event "Event" 'o';
    Expires "Expires";
    FlowTimer "Flow-Timer";
    Geolocation "Geolocation";
    HistoryInfo "History-Info";
    Identity "Identity" 'y';
    InfoPackage "Info-Package";
    InReplyTo "In-Reply-To";
    Join "Join";
    MaxBreadth "Max-Breadth";
    MimeVersion "MIME-Version";
    MinExpires "Min-Expires";
    MinSe "Min-SE";
    Organization "Organization";
    PAssertedIdentity "P-Asserted-Identity";
    PAssociatedUri "P-Associated-URI";
    Path "Path";
    PPreferredIdentity "P-Preferred-Identity";
    Priority "Priority";
    Privacy "Privacy";
    ProxyAuthenticate "Proxy-Authenticate";
    ProxyAuthorization "Proxy-Authorization";
    ProxyRequire "Proxy-Require";
    RAck "RAck";
    Reason "Reason";
    RecvInfo "Recv-Info";
    ReferredBy "Referred-By" 'b';
    ReferSub "Refer-Sub";
    ReferTo "Refer-To" 'r';
    RejectContact "Reject-Contact" 'j';
    Replaces "Replaces";
    ReplyTo "Reply-To";
    RequestDisposition "Request-Disposition" 'd';
    Require "Require";
    RetryAfter "Retry-After";
    RSeq "RSeq";
    Server "Server";
    ServiceRoute "Service-Route";
    SessionExpires "Session-Expires" 'x';
    SipEtag "SIP-ETag";
    SipIfMatch "SIP-If-Match";
    Subject "Subject" 's';
    SubscriptionState "Subscription-State";
    Supported "Supported" 'k';
    TargetDialog "Target-Dialog";
    Timestamp "Timestamp";
    Unsupported "Unsupported";
    UserAgent "User-Agent";
    Warning "Warning";
    WwwAuthenticate "WWW-Authenticate";
}

/// The id of the name in `text`, or [`UNKNOWN`].
pub(crate) fn lookup(text: &[u8]) -> u8 {
    let [first, .., last] = text else {
        return match text {
            [letter] => COMPACT[*letter as usize],
            _ => UNKNOWN,
        };
    };
    let mut id = TABLE[slot(*first, *last, text[text.len() / 2], text.len())];
    while id != UNKNOWN {
        let name = TEXT[id as usize].as_bytes();
        if text == name || text.eq_ignore_ascii_case(name) {
            return id;
        }
        id = NEXT[id as usize];
    }
    UNKNOWN
}

/// How many bytes [`lookup_usual`] looks at: as many as one register pair holds.
const WORD: usize = 16;

/// Id and length of the name at the start of `line`, where it is a known one in the spelling of its RFC, shorter than
/// 16 bytes and with its colon directly behind it, as almost all are. `None` says nothing: [`lookup`] knows the rest.
///
/// What it finds lies in one line, since no known name has CR, LF or colon.
#[inline]
pub(crate) fn lookup_usual(line: &[u8]) -> Option<(u8, usize)> {
    let word = u128::from_le_bytes(*line.first_chunk::<WORD>()?);
    let mut id = USUAL.table[usual_slot(word)];
    while id != UNKNOWN {
        let usual = &USUAL.names[id as usize];
        if (word ^ usual.text) & usual.mask == 0 {
            return Some((id, usual.len));
        }
        id = usual.next;
    }
    None
}

/// Names by [`usual_slot`]; those that share one are chained, the more frequent first.
struct Usual {
    table: [u8; SLOTS],
    names: [UsualName; KNOWN.len()],
}

/// A name with its colon, as [`lookup_usual`] reads it; longer ones are in no chain.
#[derive(Clone, Copy)]
struct UsualName {
    text: u128,
    /// Which bits of a line are those of the name and its colon.
    mask: u128,
    len: usize,
    next: u8,
}

static USUAL: Usual = usual();

/// The first three bytes choose: no name with its colon is shorter, and few that are frequent share them.
const fn usual_slot(word: u128) -> usize {
    // 2^32 divided by the golden ratio spreads the bits into the upper ones.
    (((word as u32) << 8).wrapping_mul(0x9E37_79B1) >> (32 - SLOTS.ilog2())) as usize
}

const fn usual() -> Usual {
    let nothing = UsualName {
        text: 0,
        mask: 0,
        len: 0,
        next: UNKNOWN,
    };
    let mut usual = Usual {
        table: [UNKNOWN; SLOTS],
        names: [nothing; KNOWN.len()],
    };
    let mut id = KNOWN.len();
    while id > 0 {
        id -= 1;
        let name = KNOWN[id].as_str().as_bytes();
        if name.len() >= WORD {
            continue;
        }
        let mut text = b':' as u128;
        let mut at = name.len();
        while at > 0 {
            at -= 1;
            text = (text << 8) | name[at] as u128;
        }
        let slot = usual_slot(text);
        usual.names[id] = UsualName {
            text,
            mask: u128::MAX >> (8 * (WORD - 1 - name.len())),
            len: name.len(),
            next: usual.table[slot],
        };
        usual.table[slot] = id as u8;
    }
    usual
}

const SLOTS: usize = 512;

/// Names by [`slot`]; those that share one are chained through [`NEXT`].
static TABLE: [u8; SLOTS] = tables().0;
static NEXT: [u8; KNOWN.len()] = tables().1;
static COMPACT: [u8; 256] = compact_forms();

const fn slot(first: u8, last: u8, middle: u8, len: usize) -> usize {
    let (first, last, middle) = (
        (first | 0x20) as usize,
        (last | 0x20) as usize,
        (middle | 0x20) as usize,
    );
    (first * 7 + last * 31 + middle * 113 + len * 17) % SLOTS
}

const fn tables() -> ([u8; SLOTS], [u8; KNOWN.len()]) {
    let mut table = [UNKNOWN; SLOTS];
    let mut next = [UNKNOWN; KNOWN.len()];
    // Backwards, so that of two names in one slot the more frequent (first listed) is tried first.
    let mut id = KNOWN.len();
    while id > 0 {
        id -= 1;
        let name = KNOWN[id].as_str().as_bytes();
        let at = slot(name[0], name[name.len() - 1], name[name.len() / 2], name.len());
        next[id] = table[at];
        table[at] = id as u8;
    }
    (table, next)
}

const fn compact_forms() -> [u8; 256] {
    let mut table = [UNKNOWN; 256];
    let mut id = 0;
    while id < KNOWN.len() {
        if let Some(letter) = KNOWN[id].compact() {
            table[letter as usize] = id as u8;
            table[letter.to_ascii_uppercase() as usize] = id as u8;
        }
        id += 1;
    }
    table
}

impl<'a> From<&'a str> for HeaderName<'a> {
    fn from(text: &'a str) -> Self {
        match lookup(text.as_bytes()) {
            UNKNOWN => Self::Other(text),
            id => KNOWN[id as usize],
        }
    }
}

impl PartialEq<HeaderName<'_>> for HeaderName<'_> {
    fn eq(&self, other: &HeaderName<'_>) -> bool {
        self.id() == other.id()
            && (self.id() != UNKNOWN || self.as_str().eq_ignore_ascii_case(other.as_str()))
    }
}

impl Eq for HeaderName<'_> {}

impl fmt::Display for HeaderName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HeaderName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_in_its_compact_form() {
        for (id, name) in KNOWN.iter().enumerate() {
            assert_eq!(lookup(name.as_str().as_bytes()), id as u8, "{name}");
            assert_eq!(lookup(name.as_str().to_ascii_uppercase().as_bytes()), id as u8);
            assert_eq!(lookup(name.as_str().to_ascii_lowercase().as_bytes()), id as u8);
            if let Some(letter) = name.compact() {
                assert_eq!(lookup(letter.to_string().as_bytes()), id as u8);
            }
        }
    }

    #[test]
    fn the_usual_spelling_is_found_where_its_colon_follows() {
        for (id, name) in KNOWN.iter().enumerate() {
            let want = (name.as_str().len() < WORD).then_some((id as u8, name.as_str().len()));
            assert_eq!(
                lookup_usual(format!("{name}: 0123456789abcdef").as_bytes()),
                want,
                "{name}"
            );
            let behind = format!("{name}:1\r\nA: 0123456789abcdef");
            assert_eq!(lookup_usual(behind.as_bytes()), want, "{name}");
        }
        for unusual in [
            "via: 0123456789abcdef",
            "Via : 0123456789abcdef",
            "Vi: 0123456789abcdef",
            ": 0123456789abcdefgh",
            "\0: 0123456789abcdefgh",
            "Via;: 0123456789abcdef",
            "Via:",
            "X-Colour: 0123456789abcdef",
        ] {
            assert_eq!(lookup_usual(unusual.as_bytes()), None, "{unusual}");
        }
    }

    #[test]
    fn unknown_names_compare_without_case() {
        assert_eq!(HeaderName::from("X-A"), HeaderName::from("x-a"));
        assert_ne!(HeaderName::from("X-A"), HeaderName::from("X-B"));
        assert_eq!(lookup(b""), UNKNOWN);
        assert_eq!(lookup(b"z"), UNKNOWN);
        assert_eq!(lookup(b"Vi"), UNKNOWN);
    }
}
