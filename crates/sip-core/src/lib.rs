//! SIP (RFC 3261): messages, URIs, transactions, dialogs, usages and an endpoint, free of I/O, with a Tokio driver.
