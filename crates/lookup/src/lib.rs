//! From a SIP URI to the routes that lead to it: RFC 3263 over DNS.
