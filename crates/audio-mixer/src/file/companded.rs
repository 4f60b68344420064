//! Samples of wave files that are G.711 A-law or µ-law bytes.

/// Which law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Law {
    A,
    Mu,
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
