//! The chunks of a wave file: where its samples begin, and what they are.
//!
//! RIFF, and RF64 (EBU Tech 3306) for what is longer than 4 GiB. A format tag of `WAVE_FORMAT_EXTENSIBLE` stands for that in its
//! sub-format.

use super::companded::Law;
use std::io::{self, Read};

/// What stands before the samples of a wave file.
pub(super) struct Head {
    pub(super) format: Format,
    /// Frames that it promises, or as many as there can be.
    pub(super) frames: u64,
    /// The promise is meant.
    is_promised: bool,
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

/// What is wrong with a file.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is a file of another kind.
    NotAWave,
    /// It contradicts itself.
    Damaged(&'static str),
    /// Samples of a kind that is not played.
    Unsupported,
    /// More than is kept in memory.
    TooLong,
    /// It cannot be read.
    System(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Head {
    /// Reads a file up to its first sample. Programs that cannot go back to the header leave a length in it that is as great as
    /// they can, or none for the file as well: what follows counts, in whole frames.
    pub(super) fn read(file: &mut impl Read) -> Result<Self, Fault> {
        let magic = up_to(12, file)?;
        if !matches!(magic.first_chunk(), Some(b"RIFF" | b"RF64" | b"BW64")) || !magic.ends_with(b"WAVE") {
            return Err(Fault::NotAWave);
        }
        // How long the file is, by its header, and how much of that has been read.
        let (told, mut at) = (u32_at(&magic, 4).map_or(0, u64::from), 4);
        let (mut format, mut long) = (None, None);
        loop {
            let head = up_to(8, file)?;
            let Some((name, length)) = head.first_chunk::<4>().zip(u32_at(&head, 4)) else {
                return Err(Fault::Damaged("it ends before its samples begin"));
            };
            if name == b"data" {
                let format: Format = format.ok_or(Fault::Damaged("its samples come before their format"))?;
                let length = match (length, long) {
                    (u32::MAX, Some(long)) => long,
                    (0, _) if told <= at + 8 || told >= UNKNOWN => u64::from(u32::MAX),
                    (length, _) => u64::from(length),
                };
                return Ok(Self {
                    format,
                    frames: length / format.frame_len() as u64,
                    is_promised: length < UNKNOWN,
                });
            }
            let body = up_to(u64::from(length).min(LONGEST), file)?;
            match name {
                b"ds64" => long = u64_at(&body, 8),
                b"fmt " => format = Some(Format::read(&body)?),
                _ => {}
            }
            // Chunks are padded to even lengths.
            let padded = u64::from(length) + u64::from(length % 2);
            at += 8 + padded;
            let rest = padded - body.len() as u64;
            io::copy(&mut file.take(rest), &mut io::sink())?;
        }
    }

    /// Frames that were promised besides those that are `there`: the file was cut off.
    pub(super) fn missing(&self, there: u64) -> u64 {
        if self.is_promised {
            self.frames.saturating_sub(there)
        } else {
            0
        }
    }
}

/// The next bytes of a file, or what is left of it.
pub(super) fn up_to(length: u64, file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Format {
    fn read(body: &[u8]) -> Result<Self, Fault> {
        const SHORT: &str = "its format is cut off";
        let [tag, channels] = [0, 2].map(|at| u16_at(body, at));
        let (mut tag, channels) = tag.zip(channels).ok_or(Fault::Damaged(SHORT))?;
        let rate = u32_at(body, 4).ok_or(Fault::Damaged(SHORT))?;
        let bits = u16_at(body, 14).ok_or(Fault::Damaged(SHORT))?;
        if channels == 0 || rate == 0 {
            return Err(Fault::Damaged("it has no channel, or no rate"));
        }
        if tag == EXTENSIBLE {
            let sub_format = body.get(24..40).ok_or(Fault::Damaged(SHORT))?;
            if !sub_format.ends_with(SUB_FORMATS) {
                return Err(Fault::Unsupported);
            }
            tag = u16_at(sub_format, 0).ok_or(Fault::Damaged(SHORT))?;
        }
        let encoding = match (tag, bits) {
            (PCM, 1..=8) => Encoding::Unsigned8,
            (PCM, 9..=32) => Encoding::Signed(usize::from(bits).div_ceil(8)),
            (FLOAT, 32) => Encoding::Float32,
            (FLOAT, 64) => Encoding::Float64,
            (A_LAW, 8) => Encoding::Companded(Law::A),
            (MU_LAW, 8) => Encoding::Companded(Law::Mu),
            _ => return Err(Fault::Unsupported),
        };
        Ok(Self {
            encoding,
            channels,
            rate,
        })
    }

    /// Bytes of one sample of each channel.
    pub(super) fn frame_len(self) -> usize {
        usize::from(self.channels) * self.encoding.len()
    }

    /// The mean of the channels of a frame, as a 16-bit sample.
    pub(super) fn mono(self, frame: &[u8]) -> i16 {
        let samples = frame.chunks_exact(self.encoding.len());
        let sum: f32 = samples.map(|sample| self.encoding.value(sample)).sum();
        // `as` saturates, and makes silence of what is not a number.
        (sum / f32::from(self.channels)).round() as i16
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

    /// As a 16-bit sample with what lies between them.
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

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// What is read of a chunk: formats are not longer.
const LONGEST: u64 = 40;

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
