//! The chunks of a wave file: where its samples are, and what they are.
//!
//! RIFF, and RF64 (EBU Tech 3306) for what is longer than 4 GiB. A format tag of `WAVE_FORMAT_EXTENSIBLE` stands for that in its
//! sub-format.

use super::companded::Law;

/// The samples of a wave file, as they stand in it: whole frames only.
pub(super) struct Sound<'a> {
    pub(super) format: Format,
    pub(super) data: &'a [u8],
    /// Frames that the header promises besides: the file was cut off.
    pub(super) missing: u64,
}

/// What a header says about the samples that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) encoding: Encoding,
    pub(super) channels: u16,
    /// In hertz.
    pub(super) rate: u32,
}

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// One byte, 128 is silence.
    Unsigned8,
    /// So many bytes, 2 to 4, signed, the loudest bits last.
    Signed(usize),
    Float32,
    Float64,
    Companded(Law),
}

/// Why there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RiffFault {
    /// It is a file of another kind.
    NotAWave,
    /// It contradicts itself.
    Damaged(&'static str),
    /// Samples of a kind that is not played.
    Unsupported,
}

impl<'a> Sound<'a> {
    /// Finds the samples of a file. Programs that cannot go back to the header leave a length in it that is as great as they
    /// can: what is there counts, in whole frames.
    pub(super) fn find(file: &'a [u8]) -> Result<Self, RiffFault> {
        let magic = file.first_chunk().ok_or(RiffFault::NotAWave)?;
        if !matches!(magic, b"RIFF" | b"RF64" | b"BW64") || file.get(8..12) != Some(b"WAVE") {
            return Err(RiffFault::NotAWave);
        }
        let (mut format, mut long) = (None, None);
        for chunk in Chunks(&file[12..]) {
            match (&chunk.name, format) {
                (b"ds64", _) => long = u64_at(chunk.body, 8),
                (b"fmt ", _) => format = Some(Format::read(chunk.body)?),
                (b"data", None) => return Err(RiffFault::Damaged("its samples come before their format")),
                (b"data", Some(format)) => {
                    let length = match (chunk.length, long) {
                        (u32::MAX, Some(long)) => long,
                        (length, _) => u64::from(length),
                    };
                    let frame = format.frame_len();
                    let there = chunk.rest.len() / frame;
                    let frames = usize::try_from(length / frame as u64).unwrap_or(usize::MAX);
                    let missing = match frames.saturating_sub(there) as u64 {
                        _ if length >= UNKNOWN => 0,
                        missing => missing,
                    };
                    let data = &chunk.rest[..frames.min(there) * frame];
                    return Ok(Self {
                        format,
                        data,
                        missing,
                    });
                }
                _ => {}
            }
        }
        Err(RiffFault::Damaged("it ends before its samples begin"))
    }

    /// The samples of all channels in turn, as 16-bit samples with what lies between them.
    pub(super) fn samples(&self) -> impl Iterator<Item = f32> {
        let encoding = self.format.encoding;
        self.data
            .chunks_exact(encoding.len())
            .map(move |sample| encoding.value(sample))
    }
}

impl Format {
    fn read(body: &[u8]) -> Result<Self, RiffFault> {
        let short = RiffFault::Damaged("its format is cut off");
        let [tag, channels] = [0, 2].map(|at| u16_at(body, at));
        let (mut tag, channels) = tag.zip(channels).ok_or(short)?;
        let rate = u32_at(body, 4).ok_or(short)?;
        let bits = u16_at(body, 14).ok_or(short)?;
        if channels == 0 || rate == 0 {
            return Err(RiffFault::Damaged("it has no channel, or no rate"));
        }
        if tag == EXTENSIBLE {
            let sub_format = body.get(24..40).ok_or(short)?;
            if !sub_format.ends_with(SUB_FORMATS) {
                return Err(RiffFault::Unsupported);
            }
            tag = u16_at(sub_format, 0).ok_or(short)?;
        }
        let encoding = match (tag, bits) {
            (PCM, 1..=8) => Encoding::Unsigned8,
            (PCM, 9..=32) => Encoding::Signed(usize::from(bits).div_ceil(8)),
            (FLOAT, 32) => Encoding::Float32,
            (FLOAT, 64) => Encoding::Float64,
            (A_LAW, 8) => Encoding::Companded(Law::A),
            (MU_LAW, 8) => Encoding::Companded(Law::Mu),
            _ => return Err(RiffFault::Unsupported),
        };
        Ok(Self {
            encoding,
            channels,
            rate,
        })
    }

    /// Bytes of one sample of each channel.
    fn frame_len(self) -> usize {
        usize::from(self.channels) * self.encoding.len()
    }
}

impl Encoding {
    /// Bytes of a sample.
    fn len(self) -> usize {
        match self {
            Self::Unsigned8 | Self::Companded(_) => 1,
            Self::Signed(bytes) => bytes,
            Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    fn value(self, sample: &[u8]) -> f32 {
        match (self, sample) {
            (Self::Unsigned8, &[byte]) => f32::from(i16::from(byte) - 128) * 256.0,
            (Self::Companded(law), &[byte]) => f32::from(law.expand(byte)),
            (Self::Signed(_), &[low, high]) => f32::from(i16::from_le_bytes([low, high])),
            (Self::Signed(_), &[a, b, c]) => i32::from_le_bytes([0, a, b, c]) as f32 / 65_536.0,
            (Self::Signed(_), &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 65_536.0,
            (Self::Float32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]) * 32_768.0,
            (Self::Float64, sample) => {
                let sample = sample.first_chunk().copied().map_or(0.0, f64::from_le_bytes);
                (sample * 32_768.0) as f32
            }
            _ => 0.0,
        }
    }
}

/// One after the other, until the file ends.
struct Chunks<'a>(&'a [u8]);

struct Chunk<'a> {
    name: [u8; 4],
    /// As the file claims it.
    length: u32,
    /// What is there of it.
    body: &'a [u8],
    /// All that follows its head.
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let (head, rest) = self.0.split_at_checked(8)?;
        let length = u32_at(head, 4)?;
        let there = (length as usize).min(rest.len());
        // Chunks are padded to even lengths.
        let next = there + there % 2;
        self.0 = rest.get(next..).unwrap_or_default();
        Some(Chunk {
            name: *head.first_chunk()?,
            length,
            body: &rest[..there],
            rest,
        })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// Lengths from here on are not meant: no program writes a file of 2 GiB at once, and those that stream write one near 2 or 4
/// GiB, or the greatest of 64 bits.
const UNKNOWN: u64 = 0x7FFF_0000;

/// Format tags.
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const EXTENSIBLE: u16 = 0xFFFE;

/// How the identifier of a sub-format goes on that is a format tag.
const SUB_FORMATS: &[u8; 14] = b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71";
