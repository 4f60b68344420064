//! Sound as bands of 8 kHz, as the parts of the audio processing of WebRTC take it.

use sonora::three_band_filter_bank::{NUM_BANDS, SPLIT_BAND_SIZE, ThreeBandFilterBank};

/// Samples of a band in 10 ms.
pub(super) const BAND_LEN: usize = SPLIT_BAND_SIZE;

/// 10 ms of sound: one band at 16 kHz, three at 48 kHz.
pub(super) struct Bands {
    bands: [[f32; BAND_LEN]; NUM_BANDS],
    count: usize,
}

impl Bands {
    pub(super) fn new(count: usize) -> Self {
        Self {
            bands: [[0.0; BAND_LEN]; NUM_BANDS],
            count,
        }
    }

    /// The lowest first.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut [f32; BAND_LEN]> {
        self.bands.iter_mut().take(self.count)
    }
}

/// Splits sound into bands and puts them together again.
pub(super) struct Splitter {
    bank: Option<ThreeBandFilterBank>,
}

impl Splitter {
    /// For sound at `rate` hertz: 16,000 or 48,000.
    pub(super) fn new(rate: u32) -> Self {
        let bank = (count(rate) > 1).then(ThreeBandFilterBank::new);
        Self { bank }
    }

    /// Splits 10 ms of sound.
    pub(super) fn split(&mut self, sound: &[f32], bands: &mut Bands) {
        match (&mut self.bank, <&[f32; _]>::try_from(sound)) {
            (Some(bank), Ok(sound)) => bank.analysis(sound, &mut bands.bands),
            _ => bands.bands[0].copy_from_slice(sound),
        }
    }

    /// Puts 10 ms together.
    pub(super) fn join(&mut self, bands: &Bands, sound: &mut [f32]) {
        match (&mut self.bank, <&mut [f32; _]>::try_from(&mut *sound)) {
            (Some(bank), Ok(sound)) => bank.synthesis(&bands.bands, sound),
            _ => sound.copy_from_slice(&bands.bands[0]),
        }
    }
}

/// How many bands sound at `rate` hertz has.
pub(super) fn count(rate: u32) -> usize {
    if rate > 16_000 { NUM_BANDS } else { 1 }
}
