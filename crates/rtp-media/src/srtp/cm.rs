//! AES in counter mode (RFC 3711 §4.1.1, RFC 6188 §2).

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes256Enc, Block};

/// Blocks of keystream made at once: those of 20 ms of G.711. A call for eight and one for the other two take half as long again.
const BATCH: usize = 10;

/// Octets of a block.
const BLOCK: usize = 16;

/// The block cipher with its key schedule. It is wiped from memory when dropped.
pub(super) enum Aes {
    /// With a key of 128 bits.
    Short(Aes128Enc),
    /// With a key of 256 bits.
    Long(Aes256Enc),
}

impl Aes {
    /// # Panics
    /// When the key has neither 16 nor 32 octets: the crypto suites have no others.
    pub(super) fn new(key: &[u8]) -> Self {
        let of_suite = "a suite's key has 16 or 32 octets";
        if key.len() == BLOCK {
            Self::Short(Aes128Enc::new_from_slice(key).expect(of_suite))
        } else {
            Self::Long(Aes256Enc::new_from_slice(key).expect(of_suite))
        }
    }

    /// Adds the keystream that begins at `counter`. Its last 16 bits count blocks, which 2^16 blocks of a packet can never
    /// make wrap.
    pub(super) fn xor_keystream(&self, counter: [u8; BLOCK], data: &mut [u8]) {
        match self {
            Self::Short(aes) => xor_keystream(aes, counter, data),
            Self::Long(aes) => xor_keystream(aes, counter, data),
        }
    }
}

fn xor_keystream(aes: &impl BlockCipherEncrypt<BlockSize = Block16>, counter: [u8; BLOCK], data: &mut [u8]) {
    let counter = u128::from_be_bytes(counter);
    let mut blocks = [Block::default(); BATCH];
    for (batch, data) in (0u128..).zip(data.chunks_mut(BATCH * BLOCK)) {
        let keystream = &mut blocks[..data.len().div_ceil(BLOCK)];
        for (place, block) in (batch * BATCH as u128..).zip(keystream.iter_mut()) {
            *block = Block::from((counter + place).to_be_bytes());
        }
        aes.encrypt_blocks(keystream);
        let (whole, rest) = data.as_chunks_mut::<BLOCK>();
        for (data, block) in whole.iter_mut().zip(keystream.iter()) {
            let mixed = u128::from_ne_bytes(*data) ^ u128::from_ne_bytes(block.0);
            *data = mixed.to_ne_bytes();
        }
        for (data, key) in rest.iter_mut().zip(keystream.iter().skip(whole.len()).flatten()) {
            *data ^= key;
        }
    }
}

type Block16 = aes::cipher::array::typenum::U16;

#[cfg(test)]
mod tests {
    use super::super::hex::hex;
    use super::*;

    const COUNTER: &str = "F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000";

    /// The keystream of a segment of 65,282 blocks, where the RFCs print it.
    fn check(key: &str, first: [&str; 3], last: [&str; 3]) {
        let counter = hex(COUNTER).try_into().unwrap();
        let mut stream = vec![0; 1_044_512];
        Aes::new(&hex(key)).xor_keystream(counter, &mut stream);
        let blocks: Vec<_> = stream.chunks(BLOCK).map(<[u8]>::to_vec).collect();
        assert_eq!(blocks[..3], first.map(hex));
        assert_eq!(blocks[0xfeff..], last.map(hex));
    }

    #[test]
    fn the_keystream_is_that_of_rfc_3711_b2() {
        check(
            "2B7E151628AED2A6ABF7158809CF4F3C",
            [
                "E03EAD0935C95E80E166B16DD92B4EB4",
                "D23513162B02D0F72A43A2FE4A5F97AB",
                "41E95B3BB0A2E8DD477901E4FCA894C0",
            ],
            [
                "EC8CDF7398607CB0F2D21675EA9EA1E4",
                "362B7C3C6773516318A077D7FC5073AE",
                "6A2CC3787889374FBEB4C81B17BA6C44",
            ],
        );
    }

    #[test]
    fn the_keystream_is_that_of_rfc_6188_7_1() {
        check(
            "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98",
            [
                "92bdd28a93c3f52511c677d08b5515a4",
                "9da71b2378a854f67050756ded165bac",
                "63c4868b7096d88421b563b8c94c9a31",
            ],
            [
                "cea518c90fd91ced9cbb18c078a54711",
                "3dbc4814f4da5f00a08772b63c6a046d",
                "6eb246913062a16891433e97dd01a57f",
            ],
        );
    }

    #[test]
    fn any_length_takes_the_same_keystream() {
        let aes = Aes::new(&[3; 16]);
        let mut long = [0; 400];
        aes.xor_keystream([9; 16], &mut long);
        for len in 0..400 {
            let mut short = vec![0; len];
            aes.xor_keystream([9; 16], &mut short);
            assert_eq!(short, long[..len], "{len}");
        }
    }
}
