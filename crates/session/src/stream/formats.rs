//! The RTP formats of audio: what is offered, and what both sides share.

use super::{Agreed, StreamError};
use offhook_rtp_media::codec::{AudioCodec, IlbcMode};
use offhook_rtp_media::{AudioConfig, MAX_OTHERS, OtherCodec, OtherEvents};
use offhook_sdp::attribute::{MaxPtime, Ptime};
use offhook_sdp::offer_answer::{FormatMatch, match_answer};
use offhook_sdp::{Attributes, OpusParameters, RtpFormat};
use std::time::Duration;

/// The first payload type that we give to a codec without a fixed one (RFC 3551 §3: 96 to 127 are free for that).
const FIRST_DYNAMIC_PAYLOAD: u8 = 96;

/// What nearly all peers use for telephone events (RFC 4733 leaves it open).
const TELEPHONE_EVENT_PAYLOAD: u8 = 101;

/// Telephone events beside a codec that runs at 48 kHz.
const TELEPHONE_EVENT_48K_PAYLOAD: u8 = 102;

/// What is offered for these codecs, with what we wish of Opus: their formats, and what goes with them. Those without a fixed
/// payload type are numbered in the order of `numbered`, which holds all of them.
pub(super) fn formats_of(
    codecs: &[AudioCodec],
    numbered: &[AudioCodec],
    opus: OpusParameters,
) -> Vec<RtpFormat> {
    let dynamic = |codec: &AudioCodec| {
        let mut dynamic = numbered
            .iter()
            .filter(|codec| codec.spec().static_payload.is_none());
        let place = dynamic.position(|other| other == codec).unwrap_or(numbered.len());
        u8::try_from(place)
            .unwrap_or(u8::MAX)
            .saturating_add(FIRST_DYNAMIC_PAYLOAD)
    };
    let mut formats: Vec<RtpFormat> = Vec::with_capacity(codecs.len() + 2);
    for codec in codecs {
        let spec = codec.spec();
        let payload_type = spec.static_payload.unwrap_or_else(|| dynamic(codec));
        let format = RtpFormat::new(payload_type, spec.name, spec.clock_rate, spec.channels);
        let wishes = if format.is("opus") {
            opus.to_string()
        } else {
            spec.fmtp.unwrap_or_default().to_owned()
        };
        formats.push(if wishes.is_empty() {
            format
        } else {
            format.with_fmtp(wishes)
        });
    }
    // Events share the clock of the codec that they interrupt (RFC 4733 §2.1).
    for (payload_type, clock_rate) in [
        (TELEPHONE_EVENT_PAYLOAD, 8000),
        (TELEPHONE_EVENT_48K_PAYLOAD, 48_000),
    ] {
        if formats.iter().any(|format| format.clock_rate == clock_rate) {
            formats.push(RtpFormat::telephone_event(payload_type, clock_rate));
        }
    }
    if formats.iter().any(has_comfort_noise) {
        formats.push(RtpFormat::comfort_noise());
    }
    formats
}

/// Milliseconds of audio in a packet that we send: what the other side wishes, if the codec can (RFC 8866 §6.4), never more than
/// it takes, and else what is usual.
pub(super) fn packet_time(codec: AudioCodec, remote: &Attributes) -> u32 {
    let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let wished = remote.get::<Ptime>().ok().flatten().map(|time| ms(time.0));
    let most = remote.get::<MaxPtime>().ok().flatten().map(|time| ms(time.0));
    let wished = wished.unwrap_or(codec.spec().ptime_ms);
    codec.ptime_within(most.map_or(wished, |most| most.min(wished)))
}

/// Pairs of formats that both descriptions share, the one to use first.
pub(super) fn shared_formats(agreed: Agreed<'_>) -> Option<Vec<FormatMatch>> {
    let local = agreed.local.media.get(agreed.index)?.rtp_formats();
    let remote = agreed.remote.media.get(agreed.index)?.rtp_formats();
    if agreed.is_offerer {
        return Some(match_answer(&local, &remote));
    }
    let turned = |pair: FormatMatch| FormatMatch {
        local: pair.remote,
        remote: pair.local,
    };
    Some(match_answer(&remote, &local).into_iter().map(turned).collect())
}

/// The formats of an answer: at most so many of the codecs that both sides have, with what goes with them; `None` when there
/// is no codec.
pub(super) fn formats_to_answer(pairs: &[FormatMatch], most: usize) -> Option<Vec<RtpFormat>> {
    let codecs = pairs.iter().filter(|pair| codec_of(&pair.remote).is_some());
    let codecs: Vec<RtpFormat> = codecs.map(answered).take(most).collect();
    if codecs.is_empty() {
        return None;
    }
    let goes_along = |format: &&RtpFormat| {
        let events = format.is("telephone-event");
        let shares_clock = codecs.iter().any(|codec| codec.clock_rate == format.clock_rate);
        (events && shares_clock) || (format.is("CN") && codecs.iter().any(has_comfort_noise))
    };
    let (noise, events): (Vec<_>, Vec<_>) = pairs
        .iter()
        .map(|pair| &pair.local)
        .filter(goes_along)
        .cloned()
        .partition(|format| format.is("CN"));
    Some([codecs, noise, events].concat())
}

/// Ours as it stands in the answer: of iLBC, in the mode that both sides then use.
fn answered(pair: &FormatMatch) -> RtpFormat {
    let local = pair.local.clone();
    match codec_agreed(pair) {
        Some(codec @ AudioCodec::Ilbc(_)) => local.with_fmtp(codec.spec().fmtp.unwrap_or_default()),
        _ => local,
    }
}

/// What is sent, by the number and the parameters of the other side, and all that may come, by the numbers of ours.
pub(super) fn agree_on_formats(config: &mut AudioConfig, sent: &FormatMatch, pairs: &[FormatMatch]) {
    let events = |pair: &&FormatMatch| pair.remote.is("telephone-event");
    let digits = pairs
        .iter()
        .filter(events)
        .find(|pair| pair.remote.clock_rate == sent.remote.clock_rate);
    let noise = pairs
        .iter()
        .find(|pair| has_comfort_noise(&sent.remote) && pair.remote.is("CN"));
    config.payload_type = sent.remote.payload_type;
    config.receive_payload_type = Some(sent.local.payload_type);
    config.remote_fmtp = sent.remote.fmtp.as_deref().map_or_else(String::new, String::from);
    config.dtmf_payload_type = digits.map(|pair| pair.remote.payload_type);
    config.comfort_noise_payload_type = noise.map(|pair| pair.remote.payload_type);
    let others = pairs.iter().filter(|pair| *pair != sent);
    config.other_codecs = others
        .filter_map(|pair| {
            Some(OtherCodec {
                payload_type: pair.local.payload_type,
                codec: codec_agreed(pair)?,
            })
        })
        .take(MAX_OTHERS)
        .collect();
    config.other_events = pairs
        .iter()
        .filter(events)
        .map(|pair| OtherEvents {
            payload_type: pair.local.payload_type,
            clock_rate: pair.local.clock_rate,
        })
        .filter(|other| Some(other.payload_type) != config.dtmf_payload_type)
        .take(MAX_OTHERS)
        .collect();
}

/// That nothing of what they have is among our codecs.
pub(super) fn nothing_in_common(codecs: &[AudioCodec], theirs: &[RtpFormat]) -> StreamError {
    let ours: Vec<_> = codecs.iter().map(|codec| codec.spec().name).collect();
    let theirs: Vec<_> = theirs
        .iter()
        .filter(|format| !format.is_auxiliary())
        .map(|format| &*format.encoding)
        .collect();
    StreamError::NoCommonCodec {
        ours: ours.join(", "),
        theirs: theirs.join(", "),
    }
}

/// Whether a format is one of these codecs. The mode of iLBC does not count: it is agreed on.
pub(super) fn is_among(codecs: &[AudioCodec], format: &RtpFormat) -> bool {
    codecs.iter().any(|codec| {
        let spec = codec.spec();
        RtpFormat::new(format.payload_type, spec.name, spec.clock_rate, spec.channels).same_encoding(format)
    })
}

/// The codec that both sides of a pair use, if it is one of ours.
pub(super) fn codec_agreed(pair: &FormatMatch) -> Option<AudioCodec> {
    Some(in_mode(codec_of(&pair.remote)?, pair.ilbc_mode()))
}

/// The codec that a format names, if it is one of ours.
pub(super) fn codec_of(format: &RtpFormat) -> Option<AudioCodec> {
    // Opus has two channels whatever a peer writes, as `RtpFormat::same_encoding` takes it.
    let channels = if format.is("opus") { 2 } else { format.channels };
    let codec = AudioCodec::from_rtpmap(&format.encoding, format.clock_rate, channels)?;
    Some(in_mode(codec, format.ilbc_mode()))
}

/// A codec in the mode that a format gives iLBC.
fn in_mode(codec: AudioCodec, mode: Option<offhook_sdp::IlbcMode>) -> AudioCodec {
    match mode {
        None => codec,
        Some(offhook_sdp::IlbcMode::Ms20) => AudioCodec::Ilbc(IlbcMode::Ms20),
        Some(offhook_sdp::IlbcMode::Ms30) => AudioCodec::Ilbc(IlbcMode::Ms30),
    }
}

/// Whether comfort noise of 8000 Hz fits beside a codec: G.722 has that clock, but not that sample rate.
fn has_comfort_noise(format: &RtpFormat) -> bool {
    codec_of(format).is_some_and(|codec| codec.spec().sample_rate == 8000)
}
