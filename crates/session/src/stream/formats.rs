//! The RTP formats of audio: what is offered, and what both sides share.

use super::{Agreed, StreamError};
use offhook_rtp_media::codec::AudioCodec;
use offhook_sdp::RtpFormat;
use offhook_sdp::offer_answer::{FormatMatch, match_answer};

/// The first payload type that we give to a codec without a fixed one (RFC 3551 §3: 96 to 127 are free for that).
const FIRST_DYNAMIC_PAYLOAD: u8 = 96;

/// What nearly all peers use for telephone events (RFC 4733 leaves it open).
const TELEPHONE_EVENT_PAYLOAD: u8 = 101;

/// Telephone events beside a codec that runs at 48 kHz.
const TELEPHONE_EVENT_48K_PAYLOAD: u8 = 102;

/// What is offered for these codecs: their formats, and what goes with them.
pub(super) fn formats_of(codecs: &[AudioCodec]) -> Vec<RtpFormat> {
    let mut next_dynamic = FIRST_DYNAMIC_PAYLOAD;
    let mut formats: Vec<RtpFormat> = Vec::with_capacity(codecs.len() + 2);
    for codec in codecs {
        let spec = codec.spec();
        let payload_type = spec.static_payload.unwrap_or_else(|| {
            next_dynamic += 1;
            next_dynamic - 1
        });
        let format = RtpFormat::new(payload_type, spec.name, spec.clock_rate, spec.channels);
        formats.push(match spec.fmtp {
            Some(parameters) => format.with_fmtp(parameters),
            None => format,
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

/// The codec that a format names, if it is one of ours.
pub(super) fn codec_of(format: &RtpFormat) -> Option<AudioCodec> {
    // Opus has two channels whatever a peer writes, as `RtpFormat::same_encoding` takes it.
    let channels = if format.is("opus") { 2 } else { format.channels };
    AudioCodec::from_rtpmap(&format.encoding, format.clock_rate, channels)
}

/// Whether comfort noise of 8000 Hz fits beside a codec: G.722 has that clock, but not that sample rate.
pub(super) fn has_comfort_noise(format: &RtpFormat) -> bool {
    codec_of(format).is_some_and(|codec| codec.spec().sample_rate == 8000)
}
