//! G.711: A-law and µ-law, as ITU-T G.711 tables 1 and 2 define them on 16-bit samples.

use super::{CodecError, Concealer, Decoder, Encoder, room};

/// The two companding laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// A-law: most of the world.
    A,
    /// µ-law: North America and Japan.
    U,
}

/// Encodes one sample in A-law.
pub const fn a_law_encode(sample: i16) -> u8 {
    // One's complement mirrors the negative half, so that -1 falls into the cell of +0.
    let magnitude = (if sample < 0 { !sample } else { sample }) >> 4;
    // The float's exponent is the chord and the upper bits of its fraction are the place in it. Written so, a loop
    // over samples is turned into vector instructions.
    let chord = ((magnitude as f32).to_bits() >> 19) as i16 - ((127 + 3) << 4);
    let code = if magnitude > 15 { chord } else { magnitude };
    // Even bits are inverted on the line (G.711 table 1a, note 2).
    (if sample < 0 { code as u8 } else { code as u8 | 0x80 }) ^ 0x55
}

/// Decodes one A-law octet.
pub const fn a_law_decode(octet: u8) -> i16 {
    let code = (octet ^ 0x55) as i16;
    let segment = (code & 0x70) >> 4;
    let step = (code & 0x0f) << 4;
    let magnitude = match segment {
        0 => step + 8,
        1 => step + 0x108,
        _ => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Encodes one sample in µ-law.
pub const fn u_law_encode(sample: i16) -> u8 {
    const BIAS: i16 = 33;
    const CLIP: i16 = 0x1fff;
    let magnitude = ((if sample < 0 { !sample } else { sample }) >> 2) + BIAS;
    let magnitude = if magnitude > CLIP { CLIP } else { magnitude };
    // As in A-law: a float is a chord and a place in it.
    let code = ((magnitude as f32).to_bits() >> 19) as i16 - ((127 + 5) << 4);
    // All bits are inverted on the line (G.711 table 2a, note 2).
    !(if sample < 0 { code as u8 | 0x80 } else { code as u8 })
}

/// Decodes one µ-law octet.
pub const fn u_law_decode(octet: u8) -> i16 {
    let code = !octet as i16;
    let segment = (code & 0x70) >> 4;
    let magnitude = ((((code & 0x0f) << 3) + 0x84) << segment) - 0x84;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

const A_LAW: [i16; 256] = decode_table(Law::A);
const U_LAW: [i16; 256] = decode_table(Law::U);

const fn decode_table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = match law {
            Law::A => a_law_decode(octet as u8),
            Law::U => u_law_decode(octet as u8),
        };
        octet += 1;
    }
    table
}

struct G711Encoder(Law);

struct G711Decoder {
    table: &'static [i16; 256],
    concealer: Concealer,
}

pub(super) fn encoder(law: Law) -> Box<dyn Encoder> {
    Box::new(G711Encoder(law))
}

pub(super) fn decoder(law: Law) -> Box<dyn Decoder> {
    Box::new(G711Decoder {
        table: match law {
            Law::A => &A_LAW,
            Law::U => &U_LAW,
        },
        concealer: Concealer::new(8000),
    })
}

impl Encoder for G711Encoder {
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let payload = room(payload, pcm.len())?;
        // One loop for each law: a call through a pointer would not become vector instructions.
        let samples = payload.iter_mut().zip(pcm);
        match self.0 {
            Law::A => samples.for_each(|(octet, sample)| *octet = a_law_encode(*sample)),
            Law::U => samples.for_each(|(octet, sample)| *octet = u_law_encode(*sample)),
        }
        Ok(pcm.len())
    }
}

impl Decoder for G711Decoder {
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        let pcm = room(pcm, payload.len())?;
        for (sample, octet) in pcm.iter_mut().zip(payload) {
            *sample = self.table[usize::from(*octet)];
        }
        self.concealer.heard(pcm);
        Ok(pcm.len())
    }

    fn conceal(&mut self, pcm: &mut [i16]) {
        self.concealer.conceal(pcm);
    }

    fn restart(&mut self) {
        self.concealer.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decision values of tables 1 and 2: where the 128 cells of the positive half begin. Each chord's steps are
    /// twice as wide as those of the one before.
    fn decision_values(law: Law) -> Vec<i32> {
        let mut values = match law {
            Law::U => (0..16)
                .map(|place| if place == 0 { 0 } else { 2 * place - 1 })
                .collect::<Vec<_>>(),
            Law::A => (0..32).map(|place| 2 * place).collect(),
        };
        let mut step = 4;
        let mut next = match law {
            Law::U => 31,
            Law::A => 64,
        };
        while values.len() < 129 {
            for _ in 0..16 {
                values.push(next);
                next += step;
            }
            step *= 2;
        }
        values.truncate(129);
        values
    }

    /// A cell's place in the positive half, and the level it decodes to: the middle, but zero for the first of µ-law.
    fn check(law: Law, encode: fn(i16) -> u8, decode: fn(u8) -> i16, line: fn(u8) -> u8, unused_bits: u32) {
        let values = decision_values(law);
        for cell in 0..128usize {
            let middle = (values[cell] + values[cell + 1]) << unused_bits >> 1;
            let level = if law == Law::U && cell == 0 { 0 } else { middle };
            assert_eq!(
                i32::from(decode(line(cell as u8 | 0x80))),
                level,
                "{law:?} {cell}"
            );
            assert_eq!(i32::from(decode(line(cell as u8))), -level);
        }
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(if sample < 0 { !sample } else { sample }) >> unused_bits;
            let cell = values.partition_point(|value| *value <= magnitude).min(128) as u8 - 1;
            let sign = if sample < 0 { 0 } else { 0x80 };
            assert_eq!(encode(sample), line(cell | sign), "{law:?} {sample}");
        }
    }

    #[test]
    fn every_cell_is_the_one_of_the_standards_tables() {
        // 14 bits in µ-law, 13 in A-law. On the line, µ-law inverts all bits of a code whose sign bit is 1 for
        // positive, but the sign; A-law inverts the even ones.
        check(Law::U, u_law_encode, u_law_decode, |code| code ^ 0x7f, 2);
        check(Law::A, a_law_encode, a_law_decode, |code| code ^ 0x55, 3);
        assert_eq!((u_law_decode(0x80), u_law_decode(0x00)), (32124, -32124));
        assert_eq!((a_law_decode(0xaa), a_law_decode(0x2a)), (32256, -32256));
    }

    #[test]
    fn decoding_and_encoding_again_gives_the_same_octet() {
        for octet in 0..=255u8 {
            assert_eq!(a_law_encode(a_law_decode(octet)), octet);
            // µ-law has two zeros; the negative one comes back positive.
            let again = u_law_encode(u_law_decode(octet));
            assert!(again == octet || (octet == 0x7f && again == 0xff));
        }
    }
}
