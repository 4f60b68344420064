//! Payload type numbers keep their meaning (RFC 3264 §8.3.2).

use crate::attribute::AttributeRef;
use crate::{Attribute, Media, RtpFormat};

/// What each dynamic payload type stood for in the sections that we wrote, for as long as a section lives.
///
/// A number once given to a codec is never given to another one in the same section, and a codec that had a number
/// gets it again: packets under way are then never taken for something else.
#[derive(Clone, Debug, Default)]
pub(super) struct PayloadTypes {
    sections: Vec<Vec<RtpFormat>>,
}

impl PayloadTypes {
    /// Remembers what we wrote. What an offer removes is remembered as well, for the offer may be taken back.
    pub(super) fn record(&mut self, media: &[Media]) {
        self.sections.resize(media.len(), Vec::new());
        for (known, section) in self.sections.iter_mut().zip(media) {
            if !section.is_rejected() && section.transport().is_rtp() {
                for format in section.rtp_formats() {
                    let is_new = known.iter().all(|old| old.payload_type != format.payload_type);
                    if is_new && is_dynamic(format.payload_type) {
                        known.push(format);
                    }
                }
            }
        }
    }

    /// Forgets the sections that are no longer in force: their places may be used for other streams.
    pub(super) fn forget(&mut self, refused: impl Fn(usize) -> bool) {
        for (place, known) in self.sections.iter_mut().enumerate() {
            if refused(place) {
                known.clear();
            }
        }
    }

    /// Renumbers the formats of our next offer where a number had another meaning, or a codec another number.
    pub(super) fn apply(&self, media: &mut [Media]) {
        for (known, section) in self.sections.iter().zip(media) {
            if !known.is_empty() && !section.is_rejected() && section.transport().is_rtp() {
                let changes = changes(known, &section.rtp_formats());
                renumber(section, &changes);
            }
        }
    }
}

/// Payload types that no profile gives a meaning, and that RTCP's types do not collide with (RFC 5761 §4).
fn is_dynamic(payload_type: u8) -> bool {
    matches!(payload_type, 35..=63 | 96..=127)
}

/// Which numbers become which others.
fn changes(known: &[RtpFormat], wanted: &[RtpFormat]) -> Vec<(u8, u8)> {
    let mut taken: Vec<u8> = known.iter().map(|format| format.payload_type).collect();
    taken.extend(wanted.iter().map(|format| format.payload_type));
    let mut given: Vec<u8> = Vec::with_capacity(wanted.len());
    let mut changes = Vec::new();
    for format in wanted {
        let number = format.payload_type;
        let mut next = number;
        if is_dynamic(number) {
            let earlier = earlier_number(known, wanted, format).filter(|earlier| !given.contains(earlier));
            let clashes = known
                .iter()
                .any(|old| old.payload_type == number && !old.same_encoding(format));
            next = match earlier {
                Some(earlier) => earlier,
                None if clashes || given.contains(&number) => free_number(&taken).unwrap_or(number),
                None => number,
            };
        }
        given.push(next);
        taken.push(next);
        if next != number {
            changes.push((number, next));
        }
    }
    changes
}

/// The number that the format had before: the same format, or the only one of its encoding on both sides (formats
/// of one encoding may differ in their parameters, as the profiles of H.264 do).
fn earlier_number(known: &[RtpFormat], wanted: &[RtpFormat], format: &RtpFormat) -> Option<u8> {
    let mut alike = known.iter().filter(|old| old.same_encoding(format));
    let same = alike.clone().find(|old| old.fmtp == format.fmtp);
    let alone = wanted.iter().filter(|other| other.same_encoding(format)).count() == 1;
    let only = alike.next().filter(|_| alone && alike.next().is_none());
    same.or(only).map(|old| old.payload_type)
}

fn free_number(taken: &[u8]) -> Option<u8> {
    (96..=127).chain(35..=63).find(|number| !taken.contains(number))
}

/// Gives formats other numbers, in the `m=` line and in the attributes that refer to them.
fn renumber(media: &mut Media, changes: &[(u8, u8)]) {
    if changes.is_empty() {
        return;
    }
    let other = |number: &str| {
        let number: u8 = number.parse().ok()?;
        changes
            .iter()
            .find(|(old, _)| *old == number)
            .map(|(_, new)| *new)
    };
    let renamed = |format: &str| other(format).map_or_else(|| format.to_owned(), |new| new.to_string());
    media.formats = media.formats.iter().map(renamed).collect();
    media.attributes = media
        .attributes
        .iter()
        .map(|attribute| renumbered(attribute, other).unwrap_or_else(|| attribute.into()))
        .collect();
}

/// The attribute with its numbers changed: the one in front of `rtpmap`, `fmtp` and `rtcp-fb`, the `apt=` of
/// repetitions (RFC 4588 §8.1) and the list of redundant codecs (RFC 2198 §5).
fn renumbered(attribute: AttributeRef<'_>, other: impl Fn(&str) -> Option<u8>) -> Option<Attribute> {
    if !["rtpmap", "fmtp", "rtcp-fb"].contains(&attribute.name) {
        return None;
    }
    let new = |number: &str| other(number).map_or_else(|| number.to_owned(), |new| new.to_string());
    let (number, rest) = attribute.value?.split_once(' ')?;
    let is_list = rest.contains('/') && rest.split('/').all(|part| part.parse::<u8>().is_ok());
    let rest = if attribute.name != "fmtp" {
        rest.to_owned()
    } else if is_list {
        rest.split('/').map(new).collect::<Vec<_>>().join("/")
    } else {
        let parameter = |part: &str| match part.split_once("apt=") {
            Some((before, number)) if before.trim().is_empty() => {
                format!("{before}apt={}", new(number.trim()))
            }
            _ => part.to_owned(),
        };
        rest.split(';').map(parameter).collect::<Vec<_>>().join(";")
    };
    let value = format!("{} {rest}", new(number));
    Some(Attribute::with_value(attribute.name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Media {
        let text = format!("v=0\no=- 1 1 IN IP4 h\n{text}");
        text.parse::<crate::SessionDescription>().unwrap().media.remove(0)
    }

    fn check(before: &str, offer: &str, expected: &str) {
        let mut numbers = PayloadTypes::default();
        numbers.record(&[section(before)]);
        let mut media = [section(offer)];
        numbers.apply(&mut media);
        assert_eq!(media[0].to_string().replace("\r\n", "\n"), expected);
    }

    #[test]
    fn a_codec_gets_the_number_again_that_it_had() {
        check(
            "m=audio 9 RTP/AVP 96 0\na=rtpmap:96 opus/48000/2\n",
            "m=audio 9 RTP/AVP 113 0\na=rtpmap:113 opus/48000/2\na=fmtp:113 useinbandfec=1\n",
            "m=audio 9 RTP/AVP 96 0\na=rtpmap:96 opus/48000/2\na=fmtp:96 useinbandfec=1\n",
        );
    }

    #[test]
    fn a_number_is_not_given_to_another_codec() {
        check(
            "m=audio 9 RTP/AVP 101\na=rtpmap:101 opus/48000/2\n",
            "m=audio 9 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n",
            "m=audio 9 RTP/AVP 0 96\na=rtpmap:96 telephone-event/8000\na=fmtp:96 0-16\n",
        );
    }

    #[test]
    fn two_codecs_may_change_their_numbers_at_once() {
        check(
            "m=audio 9 RTP/AVP 97 98\na=rtpmap:97 speex/8000\na=rtpmap:98 speex/16000\n",
            "m=audio 9 RTP/AVP 98 97\na=rtpmap:98 speex/8000\na=rtpmap:97 speex/16000\n",
            "m=audio 9 RTP/AVP 97 98\na=rtpmap:97 speex/8000\na=rtpmap:98 speex/16000\n",
        );
    }

    #[test]
    fn what_refers_to_a_number_changes_with_it() {
        check(
            "m=audio 9 RTP/AVP 96 97\na=rtpmap:96 opus/48000/2\na=rtpmap:97 red/48000/2\n",
            "m=audio 9 RTP/AVPF 111 63\na=rtpmap:111 opus/48000/2\na=rtcp-fb:111 transport-cc\na=rtpmap:63 red/48000/2\n\
             a=fmtp:63 111/111\n",
            "m=audio 9 RTP/AVPF 96 97\na=rtpmap:96 opus/48000/2\na=rtcp-fb:96 transport-cc\na=rtpmap:97 red/48000/2\n\
             a=fmtp:97 96/96\n",
        );
        check(
            "m=video 9 RTP/AVP 100 101\na=rtpmap:100 VP8/90000\na=rtpmap:101 rtx/90000\na=fmtp:101 apt=100\n",
            "m=video 9 RTP/AVP 96 97\na=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96;rtx-time=9\n",
            "m=video 9 RTP/AVP 100 101\na=rtpmap:100 VP8/90000\na=rtpmap:101 rtx/90000\na=fmtp:101 apt=100;rtx-time=9\n",
        );
    }

    #[test]
    fn formats_of_one_encoding_are_told_apart_by_their_parameters() {
        let offer = "m=video 9 RTP/AVP 97 96\na=rtpmap:97 H264/90000\na=fmtp:97 packetization-mode=0\n\
                     a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1\n";
        let before = "m=video 9 RTP/AVP 98 99\na=rtpmap:98 H264/90000\na=fmtp:98 packetization-mode=1\n\
                      a=rtpmap:99 H264/90000\na=fmtp:99 packetization-mode=0\n";
        let expected = "m=video 9 RTP/AVP 99 98\na=rtpmap:99 H264/90000\na=fmtp:99 packetization-mode=0\n\
                        a=rtpmap:98 H264/90000\na=fmtp:98 packetization-mode=1\n";
        check(before, offer, expected);
    }

    #[test]
    fn a_section_that_is_gone_forgets_and_other_protocols_are_left_alone() {
        let opus = "m=audio 9 RTP/AVP 101\na=rtpmap:101 opus/48000/2\n";
        let events = "m=audio 9 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n";
        let mut numbers = PayloadTypes::default();
        numbers.record(&[section(opus)]);
        numbers.forget(|place| place == 0);
        let mut media = [section(events)];
        numbers.apply(&mut media);
        assert_eq!(media[0], section(events));
        let chat = "m=message 9 TCP/MSRP *\na=rtpmap:101 x/1\n";
        numbers.record(&[section(opus)]);
        let mut media = [section(chat)];
        numbers.apply(&mut media);
        assert_eq!(media[0], section(chat));
    }
}
