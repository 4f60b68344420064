//! Opus by `opus-pure`, as RFC 7587 carries it in RTP.

use super::{CodecError, Decoder, Encoder, MAX_PACKET_MS, Resampler, room};
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
    /// Highest sample rate that the receiver plays, in Hz. Default 48000. No more than that is coded.
    pub max_playback_rate: u32,
    /// Highest bit rate that the receiver wishes, in bit/s. Default none.
    pub max_average_bitrate: Option<u32>,
    /// The receiver prefers two channels. We have one to send, and that is played by each receiver (RFC 7587 §6.1).
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
    /// Where the receiver plays less than the encoder would code of 48 kHz.
    narrowing: Option<Narrowing>,
    fec: bool,
    dtx: bool,
}

/// Audio at a lower rate: from 48 kHz the encoder would code speech no narrower than wideband.
struct Narrowing {
    resampler: Resampler,
    pcm: Box<[i16]>,
}

pub(super) fn encoder(parameters: OpusParameters) -> Result<Box<dyn Encoder>, CodecError> {
    let rate = match parameters.max_playback_rate {
        ..12_000 => 8000,
        12_000..16_000 => 12_000,
        16_000.. => SAMPLE_RATE,
    };
    let mut encoder = OpusEncoder::new(rate, 1, Application::Voip).map_err(|_| CodecError::Parameters)?;
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
    let longest = |rate: i32| (rate as u32 / 1000 * MAX_PACKET_MS) as usize;
    let resampler = Resampler::new(SAMPLE_RATE as u32, rate as u32, longest(SAMPLE_RATE))?;
    Ok(Box::new(Encoding {
        encoder,
        narrowing: resampler.map(|resampler| Narrowing {
            resampler,
            pcm: vec![0; longest(rate) + 1].into_boxed_slice(),
        }),
        fec: parameters.use_inband_fec,
        dtx: parameters.use_dtx,
    }))
}

impl Encoder for Encoding {
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let wrong = CodecError::Frame { samples: pcm.len() };
        let pcm = match &mut self.narrowing {
            Some(narrowing) if pcm.len() <= (SAMPLE_RATE as u32 / 1000 * MAX_PACKET_MS) as usize => {
                let len = narrowing.resampler.process(pcm, &mut narrowing.pcm);
                &narrowing.pcm[..len]
            }
            Some(_) => return Err(wrong),
            None => pcm,
        };
        let len = self
            .encoder
            .encode_s16(pcm, pcm.len(), payload)
            .map_err(|_| wrong)?;
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
        let pcm = room(pcm, need)?;
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

    fn restart(&mut self) {
        // It fails for no decoder that was made.
        let _ = self.0.reset_state();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| {
                let t = n as f32 / 48_000.0;
                let wave: f32 = (1..20)
                    .map(|harmonic| {
                        (t * 130.0 * harmonic as f32 * std::f32::consts::TAU).sin() / harmonic as f32
                    })
                    .sum();
                (wave * (t * 9.0).sin() * 6000.0) as i16
            })
            .collect()
    }

    fn payloads(fmtp: &str, pcm: &[i16]) -> Vec<Vec<u8>> {
        let mut encoder = encoder(OpusParameters::parse(fmtp)).unwrap();
        let mut payload = [0; 1275];
        pcm.chunks(960)
            .map(|frame| {
                let len = encoder.encode(frame, &mut payload).unwrap();
                payload[..len].to_vec()
            })
            .collect()
    }

    #[test]
    fn parameters_are_read_and_broken_ones_passed_over() {
        let all = "stereo=1;sprop-stereo=1; cbr=1;useinbandfec=1;usedtx=1;maxaveragebitrate=20000;maxplaybackrate=8000";
        let wanted = OpusParameters {
            max_playback_rate: 8000,
            max_average_bitrate: Some(20_000),
            stereo: true,
            sprop_stereo: true,
            cbr: true,
            use_inband_fec: true,
            use_dtx: true,
        };
        assert_eq!(OpusParameters::parse(all), wanted);
        let broken = "maxaveragebitrate=5;maxplaybackrate=x;cbr=2;useinbandfec;;=;minptime=10";
        assert_eq!(OpusParameters::parse(broken), OpusParameters::default());
    }

    #[test]
    fn the_peers_wishes_shape_the_packets() {
        let pcm = voice(48_000 * 2);
        let octets = |fmtp: &str| payloads(fmtp, &pcm).iter().map(Vec::len).sum::<usize>();
        assert!((4000..9000).contains(&octets("")), "{}", octets(""));
        assert!(octets("maxaveragebitrate=12000") < 3500);
        let constant = payloads("cbr=1", &pcm);
        assert!(constant.iter().all(|payload| payload.len() == 80));
        let widest = |fmtp: &str| {
            let payloads = payloads(fmtp, &pcm);
            let bandwidths = payloads
                .iter()
                .map(|payload| opus_pure::packet::bandwidth(payload).unwrap());
            bandwidths.map(|bandwidth| bandwidth as i32).max()
        };
        assert!(widest("") > Some(Bandwidth::Wideband as i32));
        assert_eq!(widest("maxplaybackrate=16000"), Some(Bandwidth::Wideband as i32));
        assert_eq!(
            widest("maxplaybackrate=12000"),
            Some(Bandwidth::Mediumband as i32)
        );
        assert_eq!(widest("maxplaybackrate=8000"), Some(Bandwidth::Narrowband as i32));
        let silent = payloads("usedtx=1", &vec![0; 48_000 * 2]);
        assert!(silent.iter().filter(|payload| payload.is_empty()).count() > 50);
    }

    #[test]
    fn redundancy_brings_a_lost_frame_back_better_than_concealment() {
        let payloads = payloads("useinbandfec=1", &voice(48_000 * 2));
        let mut errors = [0.0; 2];
        for lost in (20..90).step_by(5) {
            let play = |mode: usize| {
                let mut decoder = decoder().unwrap();
                let mut pcm = [0; 960];
                for payload in &payloads[..lost] {
                    decoder.decode(payload, &mut pcm).unwrap();
                }
                match mode {
                    0 => assert!(decoder.recover(&payloads[lost + 1], &mut pcm)),
                    1 => decoder.conceal(&mut pcm),
                    _ => assert_eq!(decoder.decode(&payloads[lost], &mut pcm), Ok(960)),
                }
                pcm
            };
            let wanted = play(2);
            for (mode, error) in errors.iter_mut().enumerate() {
                let difference = |(a, b): (&i16, &i16)| (f64::from(*a) - f64::from(*b)).powi(2);
                *error += play(mode).iter().zip(&wanted).map(difference).sum::<f64>();
            }
        }
        assert!(errors[0] < errors[1] / 2.0, "{errors:?}");
    }

    /// Packets of libopus 1.3.1, 48 kbit/s, music, two channels: a tone of 440 Hz and an amplitude of 16,384 on the left,
    /// nothing on the right. Each has two octets of length before it.
    const STEREO: &[u8] = include_bytes!("../../tests/data/opus-stereo.bin");

    #[test]
    fn two_channels_are_heard_as_their_middle_and_one_after_them_as_itself() {
        let mut decoder = decoder().unwrap();
        let (mut rest, mut pcm, mut heard) = (STEREO, [0; 960], Vec::new());
        while let Some((len, after)) = rest.split_first_chunk() {
            let (payload, after) = after.split_at(u16::from_be_bytes(*len).into());
            assert_eq!(decoder.decode(payload, &mut pcm), Ok(960));
            heard.extend(pcm);
            rest = after;
        }
        let steady = &heard[4800..16_800];
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (n, sample) in steady.iter().enumerate() {
            let angle = n as f64 * 440.0 / 48_000.0 * std::f64::consts::TAU;
            sine += f64::from(*sample) * angle.sin();
            cosine += f64::from(*sample) * angle.cos();
        }
        let amplitude = (sine.hypot(cosine)) * 2.0 / steady.len() as f64;
        assert!((amplitude - 8192.0).abs() < 100.0, "{amplitude}");
        let power: f64 = steady.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        let tone = amplitude.powi(2) / 2.0 * steady.len() as f64;
        assert!(tone / power > 0.99, "{}", tone / power);
        let voice = voice(48_000);
        let mut error = 0.0;
        let mut fresh = super::decoder().unwrap();
        for payload in payloads("", &voice) {
            let mut wanted = [0; 960];
            fresh.decode(&payload, &mut wanted).unwrap();
            decoder.decode(&payload, &mut pcm).unwrap();
            let difference = |(a, b): (&i16, &i16)| (f64::from(*a) - f64::from(*b)).powi(2);
            error = pcm.iter().zip(&wanted).map(difference).sum();
        }
        assert!(error < 960.0 * 100.0, "{error}");
    }

    #[test]
    fn broken_payloads_are_refused() {
        let mut decoder = decoder().unwrap();
        let mut pcm = [0; 5760];
        for payload in [&[][..], &[0xff, 0xff], &[3, 0]] {
            assert_eq!(
                decoder.decode(payload, &mut pcm),
                Err(CodecError::Payload { len: payload.len() })
            );
        }
    }
}
