//! Wave files whose samples are G.711 A-law or µ-law bytes (format tags 6 and 7).

use std::io::{self, Read};

/// Which law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Law {
    A,
    Mu,
}

/// What a header says about the companded samples that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) law: Law,
    pub(super) channels: u16,
    pub(super) rate: u32,
    /// Length of the samples, in bytes, as the header claims it.
    pub(super) data_len: u32,
}

impl Header {
    /// Reads up to the first sample. `None` if the file is of another kind.
    pub(super) fn read(reader: &mut impl Read) -> io::Result<Option<Self>> {
        let riff: [u8; 12] = array(reader)?;
        if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WAVE") {
            return Ok(None);
        }
        let mut format = None;
        loop {
            let [a, b, c, d, len @ ..]: [u8; 8] = array(reader)?;
            let len = u32::from_le_bytes(len);
            match &[a, b, c, d] {
                b"fmt " if len >= 16 => {
                    let fields: [u8; 16] = array(reader)?;
                    format = Self::from_fields(fields);
                    skip(reader, len - 16)?;
                }
                b"data" => {
                    return Ok(format.map(|format| Self {
                        data_len: len,
                        ..format
                    }));
                }
                // Chunks are padded to even lengths.
                _ => skip(reader, len.saturating_add(len % 2))?,
            }
        }
    }

    fn from_fields(fields: [u8; 16]) -> Option<Self> {
        let [tag, tag_high, channels, channels_high, r0, r1, r2, r3, ..] = fields;
        let law = match u16::from_le_bytes([tag, tag_high]) {
            6 => Law::A,
            7 => Law::Mu,
            _ => return None,
        };
        let bits = u16::from_le_bytes([fields[14], fields[15]]);
        let channels = u16::from_le_bytes([channels, channels_high]);
        (bits == 8 && channels > 0).then_some(Self {
            law,
            channels,
            rate: u32::from_le_bytes([r0, r1, r2, r3]),
            data_len: 0,
        })
    }
}

impl Law {
    /// One byte as a 16-bit sample (ITU-T G.711, tables 1 and 2).
    pub(super) fn expand(self, byte: u8) -> i16 {
        match self {
            Self::A => {
                let byte = byte ^ 0x55;
                let (segment, step) = ((byte >> 4) & 7, i16::from(byte & 15));
                let size = match segment {
                    0 => (step << 4) + 8,
                    _ => ((step << 4) + 0x108) << (segment - 1),
                };
                if byte & 0x80 == 0 { -size } else { size }
            }
            Self::Mu => {
                let byte = !byte;
                let (segment, step) = ((byte >> 4) & 7, i16::from(byte & 15));
                let size = (((step << 3) + 0x84) << segment) - 0x84;
                if byte & 0x80 == 0 { size } else { -size }
            }
        }
    }
}

fn array<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(reader: &mut impl Read, len: u32) -> io::Result<()> {
    io::copy(&mut reader.take(len.into()), &mut io::sink()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_g711_come_out() {
        let mu = [(0xFF, 0), (0x7F, 0), (0x00, -32_124), (0x80, 32_124), (0xEF, 132)];
        let a = [
            (0xD5, 8),
            (0x55, -8),
            (0xAA, 32_256),
            (0x2A, -32_256),
            (0xC5, 264),
        ];
        for (byte, sample) in mu {
            assert_eq!(Law::Mu.expand(byte), sample, "µ-law {byte:#x}");
        }
        for (byte, sample) in a {
            assert_eq!(Law::A.expand(byte), sample, "A-law {byte:#x}");
        }
    }
}
