//! Wave files for tests.

use hound::{SampleFormat, WavSpec, WavWriter};
use offhook_audio_mixer::{WaveError, WaveFile};
use std::io::Cursor;

pub(crate) fn spec(
    channels: u16,
    sample_rate: u32,
    bits_per_sample: u16,
    sample_format: SampleFormat,
) -> WavSpec {
    WavSpec {
        channels,
        sample_rate,
        bits_per_sample,
        sample_format,
    }
}

pub(crate) fn bytes_of(spec: WavSpec, write: impl FnOnce(&mut WavWriter<Cursor<&mut Vec<u8>>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WavWriter::new(Cursor::new(&mut bytes), spec).expect("memory");
    write(&mut writer);
    writer.finalize().expect("memory");
    bytes
}

pub(crate) fn read(bytes: &[u8], rate: u32) -> Result<WaveFile, WaveError> {
    WaveFile::read("test.wav", bytes, rate)
}
