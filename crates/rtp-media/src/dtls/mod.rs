//! DTLS-SRTP (RFC 5763, RFC 5764): the keys of SRTP agreed on between the two ends themselves, on the path of the media.
//!
//! Signalling carries the fingerprint of a certificate and who begins; the handshake then proves, over the sockets of the
//! media, that the other end is the one that holds it. Whoever reads the signalling learns no key.
//!
//! [`DtlsAssociation`] is one handshake as a plain value: datagrams and time in, datagrams and one [`DtlsEvent`] out. An
//! [`AudioTransport`](crate::AudioTransport) whose [`SrtpKeying`](crate::SrtpKeying) is DTLS owns one for each of its ports,
//! and neither plays nor sends anything before the fingerprint is proven.
//!
//! Version 1.2, with AEAD cipher suites and certificates of either kind, ECDSA and RSA. The records and flights are those of
//! the crate `rtc-dtls`; what of the network reaches it, how much, and what counts as proof is decided here. Its keys and nonces
//! come from the system's generator, not from [`Entropy`](offhook_sansio::Entropy): a handshake is not repeatable to the byte.

mod association;
mod certificate;
mod fingerprint;
mod flight;
mod records;
#[cfg(test)]
mod tests;

pub use association::{
    DtlsAssociation, DtlsEvent, DtlsFailure, DtlsParameters, DtlsRole, HANDSHAKE_TIMEOUT, MAX_DATAGRAMS,
};
pub use certificate::{CertificateError, DtlsCertificate};
pub use fingerprint::{CertificateFingerprint, FingerprintHash};
pub use flight::MAX_PENDING;
pub use records::{MAX_MESSAGE, MAX_RECORDS, SMALLEST_FRAGMENT};
