//! Calls between two transports over a bad link, in virtual time.

mod clean;
mod codecs;
mod digits;
mod encrypted;
mod keyed_by_dtls;
mod link;
mod loss;
mod renegotiation;
mod reports;
mod silence;
mod timing;
