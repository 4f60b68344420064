//! HMAC-SHA1 (RFC 2104) over a packet where it lies, with both key blocks hashed once and for all.
//!
//! A packet of 160 octets of sound then takes four runs of the compression function. Through the `hmac` crate it takes the
//! same four and as long again for buffers that are copied.

use sha1::block_api::compress;
use zeroize::Zeroize;

/// Octets that the compression function takes at once.
const BLOCK: usize = 64;

/// Octets of the length field at the end of what is hashed.
const LENGTH: usize = 8;

/// The state that SHA-1 begins with (FIPS 180-4 §5.3.1).
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A tag in full; suites send its first octets.
pub(super) type Tag = [u8; 20];

/// The key of an HMAC, as the two states that it makes.
pub(super) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl HmacSha1 {
    pub(super) fn new(key: &[u8; 20]) -> Self {
        let hashed = |pad: u8| {
            let mut block = [pad; BLOCK];
            for (octet, key) in block.iter_mut().zip(key) {
                *octet ^= key;
            }
            let mut state = START;
            compress(&mut state, &[block]);
            block.zeroize();
            state
        };
        Self {
            inner: hashed(0x36),
            outer: hashed(0x5c),
        }
    }

    /// The tag of `message` followed by `suffix`.
    pub(super) fn sign(&self, message: &[u8], suffix: &[u8]) -> Tag {
        debug_assert!(suffix.len() < BLOCK - LENGTH, "the tail is two blocks at most");
        let mut state = self.inner;
        let (blocks, rest) = message.as_chunks::<BLOCK>();
        compress(&mut state, blocks);

        let mut tail = [[0; BLOCK]; 2];
        let flat = tail.as_flattened_mut();
        let end = rest.len() + suffix.len();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()..end].copy_from_slice(suffix);
        flat[end] = 0x80;
        let used = if end < BLOCK - LENGTH { 1 } else { 2 };
        let bits = (BLOCK + message.len() + suffix.len()) as u64 * 8;
        flat[used * BLOCK - LENGTH..used * BLOCK].copy_from_slice(&bits.to_be_bytes());
        compress(&mut state, &tail[..used]);

        let mut block = [0; BLOCK];
        block[..20].copy_from_slice(&octets(state));
        block[20] = 0x80;
        block[BLOCK - LENGTH..].copy_from_slice(&((BLOCK as u64 + 20) * 8).to_be_bytes());
        let mut state = self.outer;
        compress(&mut state, &[block]);
        octets(state)
    }
}

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

fn octets(state: [u32; 5]) -> Tag {
    let mut tag = [0; 20];
    for (octets, word) in tag.chunks_exact_mut(4).zip(state) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::super::hex::hex;
    use super::*;

    #[test]
    fn tags_are_those_of_rfc_2202() {
        let check = |key: [u8; 20], message: &[u8], tag: &str| {
            let hmac = HmacSha1::new(&key);
            for cut in 0..message.len().min(50) {
                let (message, suffix) = message.split_at(message.len() - cut);
                assert_eq!(hmac.sign(message, suffix)[..], hex(tag), "{cut}");
            }
        };
        // Cases 1 and 3; keys shorter than a block are filled up with zeros, so case 2 fits as well.
        check(
            [0x0b; 20],
            b"Hi There",
            "b617318655057264e28bc0b6fb378c8ef146be00",
        );
        check(
            [0xaa; 20],
            &[0xdd; 50],
            "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
        );
        let mut jefe = [0; 20];
        jefe[..4].copy_from_slice(b"Jefe");
        check(
            jefe,
            b"what do ya want for nothing?",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        );
    }

    #[test]
    fn a_message_of_any_length_is_padded_right() {
        use sha1::{Digest, Sha1};
        let key = [0x42; 20];
        let (mut inner, mut outer) = ([0x36; 64], [0x5c; 64]);
        for (place, octet) in key.iter().enumerate() {
            inner[place] ^= octet;
            outer[place] ^= octet;
        }
        for len in 0..300 {
            let message = vec![len as u8; len];
            let hashed = Sha1::new().chain_update(inner).chain_update(&message).finalize();
            let tag = Sha1::new().chain_update(outer).chain_update(hashed).finalize();
            assert_eq!(HmacSha1::new(&key).sign(&message, &[])[..], tag[..], "{len}");
        }
    }
}
