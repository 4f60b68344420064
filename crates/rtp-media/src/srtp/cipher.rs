//! Session keys at work: one packet encrypted and signed, or checked and decrypted, where it lies.

use super::cm::Aes;
use super::hmac::HmacSha1;
use super::key::{Label, MasterKey};
use super::{SrtpError, SrtpSuite};
use crate::ids::Ssrc;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Octets of an AEAD tag.
const GCM_TAG: usize = 16;

/// Octets of an RTCP tag of the other suites: 80 bits, however short the RTP tag (RFC 4568 §6.2.2).
const RTCP_TAG: usize = 10;

/// Octets of the word that carries the index of an RTCP packet.
pub(super) const INDEX_WORD: usize = 4;

/// Octets of an RTCP packet that stay readable: the first header and the sender's SSRC (RFC 3711 §3.4).
pub(super) const RTCP_CLEAR: usize = 8;

/// The flag of the index word that says "encrypted".
pub(super) const ENCRYPTED: u32 = 1 << 31;

/// A packet's place in its stream: what makes its keystream its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) ssrc: Ssrc,
    /// 48 bits for RTP, 31 for RTCP.
    pub(super) index: u64,
}

/// Keys of one direction of RTP.
pub(super) struct RtpCipher {
    keys: Keys,
    tag: usize,
}

/// Keys of one direction of RTCP.
pub(super) struct RtcpCipher(Keys);

// One value per direction of a stream: its size does not matter, its being in one piece does.
#[allow(clippy::large_enum_variant)]
enum Keys {
    Cm {
        aes: Aes,
        hmac: HmacSha1,
        salt: Zeroizing<[u8; 14]>,
    },
    Gcm {
        key: LessSafeKey,
        salt: Zeroizing<[u8; 12]>,
    },
}

impl Keys {
    fn derive(master: &MasterKey, encryption: Label, authentication: Label, salt: Label) -> Self {
        match master.suite() {
            SrtpSuite::AeadAes128Gcm => Self::gcm(&master.derive::<16>(encryption)[..], master.derive(salt)),
            SrtpSuite::AeadAes256Gcm => Self::gcm(&master.derive::<32>(encryption)[..], master.derive(salt)),
            suite => {
                let key = master.derive::<32>(encryption);
                Self::Cm {
                    aes: Aes::new(&key[..suite.key_len()]),
                    hmac: HmacSha1::new(&master.derive(authentication)),
                    salt: master.derive(salt),
                }
            }
        }
    }

    fn gcm(key: &[u8], salt: Zeroizing<[u8; 12]>) -> Self {
        let algorithm = if key.len() == 16 {
            &AES_128_GCM
        } else {
            &AES_256_GCM
        };
        let key = UnboundKey::new(algorithm, key).expect("the key has the algorithm's length");
        Self::Gcm {
            key: LessSafeKey::new(key),
            salt,
        }
    }
}

impl RtpCipher {
    pub(super) fn new(master: &MasterKey) -> Self {
        Self {
            keys: Keys::derive(
                master,
                Label::RtpEncryption,
                Label::RtpAuthentication,
                Label::RtpSalt,
            ),
            tag: master.suite().rtp_overhead(),
        }
    }

    /// Protects the packet in `buffer[..len]`, whose payload begins at `payload`; returns its new length. The caller has
    /// checked that the tag fits.
    pub(super) fn protect(&self, place: Place, buffer: &mut [u8], payload: usize, len: usize) -> usize {
        let end = len + self.tag;
        match &self.keys {
            Keys::Cm { aes, hmac, salt } => {
                aes.xor_keystream(counter(salt, place), &mut buffer[payload..len]);
                let tag = hmac.sign(&buffer[..len], &roll_over(place.index));
                buffer[len..end].copy_from_slice(&tag[..self.tag]);
            }
            Keys::Gcm { key, salt } => {
                let (header, rest) = buffer[..end].split_at_mut(payload);
                let (data, tag) = rest.split_at_mut(len - payload);
                seal(key, nonce(salt, place), header, data, tag);
            }
        }
        end
    }

    /// Checks and decrypts a packet; returns its new length.
    pub(super) fn unprotect(
        &self,
        place: Place,
        packet: &mut [u8],
        payload: usize,
    ) -> Result<usize, SrtpError> {
        let len = packet
            .len()
            .checked_sub(self.tag)
            .filter(|len| *len >= payload)
            .ok_or(SrtpError::Malformed { len: packet.len() })?;
        match &self.keys {
            Keys::Cm { aes, hmac, salt } => {
                let tag = hmac.sign(&packet[..len], &roll_over(place.index));
                if !equal(&tag[..self.tag], &packet[len..]) {
                    return Err(SrtpError::Forged);
                }
                aes.xor_keystream(counter(salt, place), &mut packet[payload..len]);
            }
            Keys::Gcm { key, salt } => {
                let (header, sealed) = packet.split_at_mut(payload);
                open(key, nonce(salt, place), header, sealed)?;
            }
        }
        Ok(len)
    }
}

impl RtcpCipher {
    pub(super) fn new(master: &MasterKey) -> Self {
        Self(Keys::derive(
            master,
            Label::RtcpEncryption,
            Label::RtcpAuthentication,
            Label::RtcpSalt,
        ))
    }

    /// Octets that a packet grows by.
    pub(super) fn overhead(&self) -> usize {
        match self.0 {
            Keys::Cm { .. } => INDEX_WORD + RTCP_TAG,
            Keys::Gcm { .. } => INDEX_WORD + GCM_TAG,
        }
    }

    /// Where the index word of a protected packet lies: before the tag, or with AEAD behind it (RFC 7714 §9.2).
    pub(super) fn index_at(&self, len: usize) -> Option<usize> {
        let behind = match self.0 {
            Keys::Cm { .. } => INDEX_WORD + RTCP_TAG,
            Keys::Gcm { .. } => INDEX_WORD,
        };
        let shortest = RTCP_CLEAR + self.overhead();
        (len >= shortest).then(|| len - behind)
    }

    /// Protects the compound in `buffer[..len]`; returns its new length. The caller has checked that it fits.
    pub(super) fn protect(&self, place: Place, buffer: &mut [u8], len: usize) -> usize {
        let word = (place.index as u32 | ENCRYPTED).to_be_bytes();
        let end = len + self.overhead();
        match &self.0 {
            Keys::Cm { aes, hmac, salt } => {
                aes.xor_keystream(counter(salt, place), &mut buffer[RTCP_CLEAR..len]);
                let tag = hmac.sign(&buffer[..len], &word);
                buffer[len..len + INDEX_WORD].copy_from_slice(&word);
                buffer[len + INDEX_WORD..end].copy_from_slice(&tag[..RTCP_TAG]);
            }
            Keys::Gcm { key, salt } => {
                let (header, rest) = buffer[..end].split_at_mut(RTCP_CLEAR);
                let (data, rest) = rest.split_at_mut(len - RTCP_CLEAR);
                let (tag, index) = rest.split_at_mut(GCM_TAG);
                seal(key, nonce(salt, place), &rtcp_aad(header, word), data, tag);
                index.copy_from_slice(&word);
            }
        }
        end
    }

    /// Checks and decrypts a compound whose index word, `word`, the caller has found; returns its new length.
    pub(super) fn unprotect(
        &self,
        place: Place,
        packet: &mut [u8],
        word: [u8; INDEX_WORD],
    ) -> Result<usize, SrtpError> {
        let len = packet.len() - self.overhead();
        match &self.0 {
            Keys::Cm { aes, hmac, salt } => {
                let tag = hmac.sign(&packet[..len + INDEX_WORD], &[]);
                if !equal(&tag[..RTCP_TAG], &packet[len + INDEX_WORD..]) {
                    return Err(SrtpError::Forged);
                }
                aes.xor_keystream(counter(salt, place), &mut packet[RTCP_CLEAR..len]);
            }
            Keys::Gcm { key, salt } => {
                let (header, sealed) = packet[..len + GCM_TAG].split_at_mut(RTCP_CLEAR);
                open(key, nonce(salt, place), &rtcp_aad(header, word), sealed)?;
            }
        }
        Ok(len)
    }
}

/// The counter block of a packet (RFC 3711 §4.1.1). For RTCP the index has 31 bits and the same place.
fn counter(salt: &[u8; 14], place: Place) -> [u8; 16] {
    let mut counter = [0; 16];
    counter[..14].copy_from_slice(salt);
    let mixed =
        u128::from_be_bytes(counter) ^ (u128::from(place.ssrc.0) << 64) ^ (u128::from(place.index) << 16);
    mixed.to_be_bytes()
}

/// RFC 7714 §8.1 and §9.1: SSRC and index, filled up with zeros; a roll-over counter with its sequence number is the index.
fn nonce(salt: &[u8; 12], place: Place) -> Nonce {
    let place = u128::from(place.ssrc.0) << 48 | u128::from(place.index);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&place.to_be_bytes()[4..]);
    for (octet, salt) in nonce.iter_mut().zip(salt) {
        *octet ^= salt;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// What an encrypted compound authenticates beside its ciphertext (RFC 7714 §9.2).
fn rtcp_aad(header: &[u8], word: [u8; INDEX_WORD]) -> [u8; RTCP_CLEAR + INDEX_WORD] {
    let mut aad = [0; RTCP_CLEAR + INDEX_WORD];
    aad[..RTCP_CLEAR].copy_from_slice(header);
    aad[RTCP_CLEAR..].copy_from_slice(&word);
    aad
}

fn seal(key: &LessSafeKey, nonce: Nonce, aad: &[u8], data: &mut [u8], tag: &mut [u8]) {
    let made = key
        .seal_in_place_separate_tag(nonce, Aad::from(aad), data)
        .expect("a datagram is shorter than what one nonce may encrypt");
    tag.copy_from_slice(made.as_ref());
}

fn open(key: &LessSafeKey, nonce: Nonce, aad: &[u8], sealed: &mut [u8]) -> Result<(), SrtpError> {
    match key.open_in_place(nonce, Aad::from(aad), sealed) {
        Ok(_) => Ok(()),
        Err(_) => Err(SrtpError::Forged),
    }
}

/// The upper 32 bits of an index.
fn roll_over(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// Takes the same time wherever the first difference is.
fn equal(ours: &[u8], theirs: &[u8]) -> bool {
    ours.ct_eq(theirs).into()
}

#[cfg(test)]
impl RtpCipher {
    /// A cipher of AEAD whose session key is known, as RFC 7714 §16 uses it.
    pub(super) fn from_session_key(key: &[u8], salt: [u8; 12]) -> Self {
        Self {
            keys: Keys::gcm(key, Zeroizing::new(salt)),
            tag: GCM_TAG,
        }
    }
}

#[cfg(test)]
impl RtcpCipher {
    /// See [`RtpCipher::from_session_key`].
    pub(super) fn from_session_key(key: &[u8], salt: [u8; 12]) -> Self {
        Self(Keys::gcm(key, Zeroizing::new(salt)))
    }
}
