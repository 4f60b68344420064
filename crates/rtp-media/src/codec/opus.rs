//! Opus by `opus-pure`, as RFC 7587 carries it in RTP.

use super::{CodecError, Decoder, Encoder};
use opus_pure::{Application, Bandwidth, OpusDecoder, OpusEncoder, RateControl};

/// What the encoder's complexity is set to, of 0 to 10: see docs/decisions/0002-opus.md.
const COMPLEXITY: i32 = 5;

/// Bit rate when the peer sets no bound: RFC 7587 §3.1.1 gives 28 to 40 kbit/s for full-band speech.
const BITRATE: i32 = 32_000;

/// Loss the encoder is told to expect before the first report, in percent: without any, libopus and its ports
/// never add the redundancy that `useinbandfec` asks for.
const EXPECTED_LOSS: i32 = 5;

const SAMPLE_RATE: i32 = 48_000;

/// The format parameters of RFC 7587 §6.1, with their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the RFC's parameters, each on or off"
)]
pub struct OpusParameters {
    /// Highest sample rate that the receiver plays, in Hz. Default 48000.
    pub max_playback_rate: u32,
    /// Highest bit rate that the receiver wishes, in bit/s. Default none.
    pub max_average_bitrate: Option<u32>,
    /// The receiver prefers two channels. We send one all the same, which each receiver plays (RFC 7587 §6.1).
    pub stereo: bool,
    /// The sender is likely to send two channels. We mix them to one.
    pub sprop_stereo: bool,
    /// The receiver wants a constant bit rate.
    pub cbr: bool,
    /// The receiver can make use of redundancy.
    pub use_inband_fec: bool,
    /// The receiver prefers that nothing is sent in silence.
    pub use_dtx: bool,
}

impl Default for OpusParameters {
    fn default() -> Self {
        Self {
            max_playback_rate: 48_000,
            max_average_bitrate: None,
            stereo: false,
            sprop_stereo: false,
            cbr: false,
            use_inband_fec: false,
            use_dtx: false,
        }
    }
}

impl OpusParameters {
    /// Reads the value of an `a=fmtp` line. Unknown parameters, and values out of their range, are passed over
    /// (RFC 7587 §7).
    ///
    /// ```
    /// use offhook_rtp_media::codec::OpusParameters;
    /// let wishes = OpusParameters::parse("maxplaybackrate=16000; useinbandfec=1");
    /// assert!(wishes.use_inband_fec && !wishes.use_dtx);
    /// assert_eq!(wishes.max_playback_rate, 16_000);
    /// ```
    pub fn parse(fmtp: &str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in fmtp.split(';').filter_map(|parameter| parameter.split_once('=')) {
            let value = value.trim();
            let flag = value == "1";
            match name.trim().to_ascii_lowercase().as_str() {
                "maxplaybackrate" => {
                    if let Some(rate) = value.parse().ok().filter(|rate| (8000..=48_000).contains(rate)) {
                        parameters.max_playback_rate = rate;
                    }
                }
                "maxaveragebitrate" => {
                    let rate = value.parse().ok().filter(|rate| (6000..=510_000).contains(rate));
                    parameters.max_average_bitrate = rate.or(parameters.max_average_bitrate);
                }
                "stereo" => parameters.stereo = flag,
                "sprop-stereo" => parameters.sprop_stereo = flag,
                "cbr" => parameters.cbr = flag,
                "useinbandfec" => parameters.use_inband_fec = flag,
                "usedtx" => parameters.use_dtx = flag,
                _ => {}
            }
        }
        parameters
    }

    fn bandwidth(&self) -> Bandwidth {
        match self.max_playback_rate {
            ..12_000 => Bandwidth::Narrowband,
            12_000..16_000 => Bandwidth::Mediumband,
            16_000..24_000 => Bandwidth::Wideband,
            24_000..48_000 => Bandwidth::Superwideband,
            48_000.. => Bandwidth::Fullband,
        }
    }
}

struct Encoding {
    encoder: OpusEncoder,
    fec: bool,
    dtx: bool,
}

pub(super) fn encoder(parameters: OpusParameters) -> Result<Box<dyn Encoder>, CodecError> {
    let mut encoder =
        OpusEncoder::new(SAMPLE_RATE, 1, Application::Voip).map_err(|_| CodecError::Parameters)?;
    let bound = parameters.max_average_bitrate.map_or(BITRATE, |rate| rate as i32);
    encoder.bitrate_bps = BITRATE.min(bound);
    encoder.complexity = COMPLEXITY;
    encoder.rate_control = if parameters.cbr {
        RateControl::Cbr
    } else {
        RateControl::ConstrainedVbr
    };
    encoder.use_inband_fec = parameters.use_inband_fec;
    encoder.packet_loss_perc = if parameters.use_inband_fec {
        EXPECTED_LOSS
    } else {
        0
    };
    encoder.use_dtx = parameters.use_dtx;
    encoder.max_bandwidth = parameters.bandwidth();
    Ok(Box::new(Encoding {
        encoder,
        fec: parameters.use_inband_fec,
        dtx: parameters.use_dtx,
    }))
}

impl Encoder for Encoding {
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let len = self
            .encoder
            .encode_s16(pcm, pcm.len(), payload)
            .map_err(|_| CodecError::Frame { samples: pcm.len() })?;
        // A packet of two octets or less says only that nothing changed: it need not be sent (RFC 7587 §3.1.3).
        Ok(if self.dtx && len <= 2 { 0 } else { len })
    }

    fn expect_loss(&mut self, percent: u8) {
        if self.fec {
            self.encoder.packet_loss_perc = i32::from(percent).clamp(EXPECTED_LOSS, 50);
        }
    }
}

struct Decoding(OpusDecoder);

pub(super) fn decoder() -> Result<Box<dyn Decoder>, CodecError> {
    let decoder = OpusDecoder::new(SAMPLE_RATE, 1).map_err(|_| CodecError::Parameters)?;
    Ok(Box::new(Decoding(decoder)))
}

impl Decoder for Decoding {
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        let broken = CodecError::Payload { len: payload.len() };
        // An empty payload would ask the decoder for concealment.
        let need = opus_pure::packet::samples(payload, SAMPLE_RATE).map_err(|_| broken)?;
        let have = pcm.len();
        let pcm = pcm
            .get_mut(..need)
            .ok_or(CodecError::BufferTooSmall { need, have })?;
        self.0.decode_s16(payload, need, pcm).map_err(|_| broken)
    }

    fn conceal(&mut self, pcm: &mut [i16]) {
        if self.0.decode_s16(&[], pcm.len(), pcm).is_err() {
            pcm.fill(0);
        }
    }

    fn recover(&mut self, next_payload: &[u8], pcm: &mut [i16]) -> bool {
        self.0
            .decode_fec_s16(next_payload, pcm.len(), pcm)
            .is_ok_and(|samples| samples == pcm.len())
    }
}
