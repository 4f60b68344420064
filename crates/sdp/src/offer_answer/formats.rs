//! Which formats two sides share (RFC 3264 §6.1).

use crate::{IlbcMode, RtpFormat, TelephoneEvents};

/// One format as each side numbers it.
///
/// Send with the payload type and by the parameters of `remote`; receive with the payload type of `local`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatMatch {
    /// As it stands in our description.
    pub local: RtpFormat,
    /// As it stands in the peer's description.
    pub remote: RtpFormat,
}

impl FormatMatch {
    /// The frame size that both sides of an iLBC stream use (RFC 3952 §5); `None` for another encoding.
    pub fn ilbc_mode(&self) -> Option<IlbcMode> {
        Some(self.local.ilbc_mode()?.agreed_with(self.remote.ilbc_mode()?))
    }

    /// The telephone events that may be sent: those that both sides take; `None` for another encoding.
    pub fn telephone_events(&self) -> Option<TelephoneEvents> {
        Some(
            self.local
                .telephone_events()?
                .intersect(&self.remote.telephone_events()?),
        )
    }
}

/// Whose order of formats an answer follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// The offer's: recommended (RFC 3264 §6.1), so that both sides send the same.
    #[default]
    Offerer,
    /// Our own.
    Answerer,
}

/// The formats of an answer: those of the offer that we support, in the preferred order.
///
/// Each keeps the offer's payload type and gets our parameters. Encodings are compared without regard to case,
/// with clock rate and channels. What accompanies a codec (telephone events, comfort noise) is taken at the clock
/// rate of a codec that is taken, for they share a timestamp (RFC 4733 §2.1); telephone events that were offered
/// at no such rate are taken as offered, since peers with Opus offer `telephone-event/8000` alone. An offer of
/// codecs of which none is supported gives an empty answer: refuse the media.
pub fn answer_formats(
    offer: &[RtpFormat],
    supported: &[RtpFormat],
    preference: Preference,
) -> Vec<FormatMatch> {
    let mut pairs = Vec::with_capacity(offer.len().min(supported.len()));
    match preference {
        Preference::Offerer => {
            for offered in offer {
                for ours in supported {
                    pair_up(offered, ours, &mut pairs);
                }
            }
        }
        Preference::Answerer => {
            for ours in supported {
                for offered in offer {
                    pair_up(offered, ours, &mut pairs);
                }
            }
        }
    }
    keep_companions(offer, &mut pairs);
    pairs
}

/// The formats of the peer's answer paired with those that we offered, in the answer's order: the first codec is
/// the one to send (RFC 3264 §7).
///
/// The answer may number a format otherwise than the offer (RFC 4317 §2.3). What was not offered is left out.
pub fn match_answer(offered: &[RtpFormat], answered: &[RtpFormat]) -> Vec<FormatMatch> {
    answered
        .iter()
        .filter_map(|remote| {
            let same = |local: &&RtpFormat| local.same_encoding(remote);
            let local = offered
                .iter()
                .filter(|local| local.payload_type == remote.payload_type)
                .find(same)
                .or_else(|| offered.iter().find(same))?;
            Some(FormatMatch {
                local: local.clone(),
                remote: remote.clone(),
            })
        })
        .collect()
}

/// Pairs an offered format with ours, unless they differ or one of them has its pair.
fn pair_up(offered: &RtpFormat, ours: &RtpFormat, pairs: &mut Vec<FormatMatch>) {
    let taken = pairs
        .iter()
        .any(|pair| pair.local.same_encoding(ours) || pair.remote.payload_type == offered.payload_type);
    if !taken && offered.same_encoding(ours) {
        let mut local = ours.clone();
        local.payload_type = offered.payload_type;
        let remote = offered.clone();
        pairs.push(FormatMatch { local, remote });
    }
}

fn keep_companions(offer: &[RtpFormat], pairs: &mut Vec<FormatMatch>) {
    let clock_rates: Vec<u32> = pairs
        .iter()
        .filter(|pair| !pair.local.is_auxiliary())
        .map(|pair| pair.local.clock_rate)
        .collect();
    if clock_rates.is_empty() && offer.iter().any(|format| !format.is_auxiliary()) {
        pairs.clear(); // companions of codecs that we do not have
        return;
    }
    if clock_rates.is_empty() {
        return; // a stream of events alone (RFC 4317 §2.4)
    }
    let fits = |pair: &FormatMatch| clock_rates.contains(&pair.local.clock_rate);
    let events_fit = pairs
        .iter()
        .any(|pair| pair.local.is("telephone-event") && fits(pair));
    pairs.retain(|pair| {
        !pair.local.is_auxiliary() || fits(pair) || (pair.local.is("telephone-event") && !events_fit)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supported() -> Vec<RtpFormat> {
        vec![
            RtpFormat::opus(113),
            RtpFormat::g722(),
            RtpFormat::pcmu(),
            RtpFormat::pcma(),
            RtpFormat::telephone_event(110, 48_000),
            RtpFormat::telephone_event(101, 8_000),
        ]
    }

    fn format(rtpmap: &str) -> RtpFormat {
        let map: crate::attribute::Rtpmap = rtpmap.parse().unwrap();
        RtpFormat::new(map.payload_type, map.encoding, map.clock_rate, map.channels)
    }

    fn check(offer: &[&str], preference: Preference, answer: &[&str]) {
        let offer: Vec<_> = offer.iter().map(|rtpmap| format(rtpmap)).collect();
        let found: Vec<_> = answer_formats(&offer, &supported(), preference)
            .into_iter()
            .map(|pair| pair.local.rtpmap().to_string())
            .collect();
        assert_eq!(found, answer, "{preference:?}");
    }

    #[test]
    fn answers_reuse_the_offers_numbers_in_the_preferred_order() {
        use Preference::{Answerer, Offerer};
        let phone = ["0 PCMU/8000", "8 pcma/8000", "96 OPUS/48000/2", "97 x/8000"];
        check(
            &phone,
            Offerer,
            &["0 PCMU/8000", "8 PCMA/8000", "96 opus/48000/2"],
        );
        check(
            &phone,
            Answerer,
            &["96 opus/48000/2", "0 PCMU/8000", "8 PCMA/8000"],
        );
        check(&["96 opus/48000"], Offerer, &["96 opus/48000/2"]);
        check(&["96 opus/16000/2", "18 G729/8000"], Offerer, &[]);
    }

    #[test]
    fn telephone_events_follow_the_clock_rate_of_the_codecs_taken() {
        let events = ["110 telephone-event/48000", "126 telephone-event/8000"];
        let check = |codecs: &[&'static str], events: &[&'static str], answer: &[&str]| {
            check(&[codecs, events].concat(), Preference::Offerer, answer);
        };
        check(
            &["0 PCMU/8000"],
            &events,
            &["0 PCMU/8000", "126 telephone-event/8000"],
        );
        check(
            &["111 opus/48000/2"],
            &events,
            &["111 opus/48000/2", "110 telephone-event/48000"],
        );
        check(
            &["111 opus/48000/2"],
            &events[1..],
            &["111 opus/48000/2", "126 telephone-event/8000"],
        );
        check(
            &["9 G722/8000", "111 opus/48000/2"],
            &events,
            &["9 G722/8000", "111 opus/48000/2", events[0], events[1]],
        );
    }

    #[test]
    fn events_without_a_shared_codec_are_not_a_call() {
        check(
            &["18 G729/8000", "101 telephone-event/8000"],
            Preference::Offerer,
            &[],
        );
        check(
            &["98 telephone-event/8000"],
            Preference::Offerer,
            &["98 telephone-event/8000"],
        );
    }

    #[test]
    fn parameters_of_both_sides_are_kept_apart() {
        let offer = [RtpFormat::opus(111).with_fmtp("minptime=10;useinbandfec=0")];
        let pairs = answer_formats(&offer, &supported(), Preference::Offerer);
        assert_eq!(pairs[0].remote.fmtp_parameter("useinbandfec"), Some("0"));
        assert_eq!(pairs[0].local.fmtp_parameter("useinbandfec"), Some("1"));
    }

    #[test]
    fn an_answer_may_number_formats_otherwise() {
        let offered = [format("0 PCMU/8000"), format("97 iLBC/8000")];
        let pairs = match_answer(&offered, &[format("99 ilbc/8000"), format("3 GSM/8000")]);
        assert_eq!(pairs.len(), 1);
        assert_eq!(
            (pairs[0].local.payload_type, pairs[0].remote.payload_type),
            (97, 99)
        );
    }
}
