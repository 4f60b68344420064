//! Calls between two transports over a bad link, in virtual time.

mod clean;
mod link;
