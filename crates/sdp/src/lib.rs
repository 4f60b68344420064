//! Session descriptions (RFC 8866) as types, and the offer/answer model (RFC 3264).
