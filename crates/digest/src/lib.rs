//! HTTP digest authentication (RFC 7616, RFC 8760), client and server, for SIP, MSRP relays, TURN and XCAP.
