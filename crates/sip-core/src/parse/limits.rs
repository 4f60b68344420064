//! What a parser accepts before it says "too large".

/// Upper bounds on a message, so that a peer cannot make us hold or scan more than this.
///
/// Exceeding one gives [`ParseErrorKind::TooLarge`](crate::parse::ParseErrorKind::TooLarge), answered with 513; of the parts of a body, a
/// [`MultipartError`](crate::message::MultipartError).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of start line and header fields together. Default 65,536: what fits the largest UDP datagram.
    pub head_bytes: usize,
    /// Number of header field lines. Default 256: a request that crossed 70 proxies with Via and
    /// Record-Route each still fits.
    pub headers: usize,
    /// Bytes of the body. Default 1 MiB: far above any SDP, presence list or page of text; larger
    /// content has MSRP.
    pub body_bytes: usize,
    /// Bytes of the whole message. Default 1 MiB and 64 KiB: head and body at their largest.
    pub message_bytes: usize,
    /// Bytes of one header field with its name and folded lines. Default 16,384: a signed Identity or a
    /// certificate in a field fits.
    pub header_bytes: usize,
    /// Parts of one multipart body. Default 64: a resource list's notification has one per contact that changed.
    pub parts: usize,
    /// Multipart bodies within each other. Default 8: signed, encrypted and alternative bodies take three.
    pub nesting: usize,
}

impl Limits {
    /// See [`Limits::head_bytes`].
    pub const DEFAULT_HEAD_BYTES: usize = 64 * 1024;
    /// See [`Limits::headers`].
    pub const DEFAULT_HEADERS: usize = 256;
    /// See [`Limits::body_bytes`].
    pub const DEFAULT_BODY_BYTES: usize = 1024 * 1024;
    /// See [`Limits::message_bytes`].
    pub const DEFAULT_MESSAGE_BYTES: usize = Self::DEFAULT_HEAD_BYTES + Self::DEFAULT_BODY_BYTES;
    /// See [`Limits::header_bytes`].
    pub const DEFAULT_HEADER_BYTES: usize = 16 * 1024;
    /// See [`Limits::parts`].
    pub const DEFAULT_PARTS: usize = 64;
    /// See [`Limits::nesting`].
    pub const DEFAULT_NESTING: usize = 8;

    /// The largest head that offsets inside a message can address, whatever `head_bytes` says.
    pub(crate) const HARD_HEAD_BYTES: usize = 16 * 1024 * 1024;

    /// Sets [`Limits::head_bytes`].
    #[must_use]
    pub fn with_head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes;
        self
    }

    /// Sets [`Limits::headers`].
    #[must_use]
    pub fn with_headers(mut self, count: usize) -> Self {
        self.headers = count;
        self
    }

    /// Sets [`Limits::body_bytes`].
    #[must_use]
    pub fn with_body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// Sets [`Limits::message_bytes`].
    #[must_use]
    pub fn with_message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Sets [`Limits::header_bytes`].
    #[must_use]
    pub fn with_header_bytes(mut self, bytes: usize) -> Self {
        self.header_bytes = bytes;
        self
    }

    /// Sets [`Limits::parts`].
    #[must_use]
    pub fn with_parts(mut self, count: usize) -> Self {
        self.parts = count;
        self
    }

    /// Sets [`Limits::nesting`].
    #[must_use]
    pub fn with_nesting(mut self, depth: usize) -> Self {
        self.nesting = depth;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: Self::DEFAULT_HEAD_BYTES,
            headers: Self::DEFAULT_HEADERS,
            body_bytes: Self::DEFAULT_BODY_BYTES,
            message_bytes: Self::DEFAULT_MESSAGE_BYTES,
            header_bytes: Self::DEFAULT_HEADER_BYTES,
            parts: Self::DEFAULT_PARTS,
            nesting: Self::DEFAULT_NESTING,
        }
    }
}
