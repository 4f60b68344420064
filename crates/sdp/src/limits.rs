//! How much of a peer's text is read, and how kindly.

/// The most that a description may hold. Beyond it the text is refused, before memory is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in the whole text. Default 65,535: what a UDP datagram can carry; real ones stay below 10,000.
    pub bytes: usize,
    /// Lines in the whole text. Default 2,000: an offer of 16 media with 100 ICE candidates each fits.
    pub lines: usize,
    /// Bytes in one line. Default 8,192: keys, paths and candidates stay below 1,000. A typed attribute takes memory in
    /// proportion to its line.
    pub line_bytes: usize,
    /// `m=` sections. Default 64: more streams than any user interface shows, room for those long removed.
    pub media: usize,
    /// `a=` lines in one section. Default 512: ICE candidates and RTCP feedback of a browser take about 100.
    pub attributes: usize,
    /// Formats in one `m=` line. Default 128: there are that many payload types.
    pub formats: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 65_535,
            lines: 2_000,
            line_bytes: 8_192,
            media: 64,
            attributes: 512,
            formats: 128,
        }
    }
}

/// How deviations from RFC 8866 are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Reads what real peers send: lines ended by LF alone, empty lines, no `s=` (read as `-`), no `t=` (read as
    /// `0 0`), fields out of order, unknown fields (skipped), repeated fields (the first counts), several spaces
    /// between parts, numbers of `o=` beyond 64 bits (their low 64 bits), bytes that are not UTF-8 (replaced by
    /// U+FFFD), media without any connection data.
    #[default]
    Lenient,
    /// Refuses each of these with its line and reason: for tests of what we write ourselves.
    Strict,
}

/// Limits and policy of one parse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// How much is read.
    pub limits: Limits,
    /// How kindly.
    pub policy: Policy,
}

impl ParseOptions {
    /// Default limits, strict policy.
    pub fn strict() -> Self {
        Self {
            policy: Policy::Strict,
            ..Self::default()
        }
    }
}
