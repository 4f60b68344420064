//! Fuzzing of `offhook-sdp`.

use offhook_sdp::offer_answer::{Negotiation, NegotiationState, Preference, answer_formats, match_answer};
use offhook_sdp::{Direction, Media, ParseOptions, RtpFormat, SessionDescription};

/// Any bytes: read, write, read again; the second reading gives the same, and no view panics.
pub fn sdp_parse(data: &[u8]) {
    if let Ok(strict) = SessionDescription::parse_with(data, &ParseOptions::strict()) {
        let lenient = SessionDescription::parse(data).expect("lenient reads all that strict reads");
        assert_eq!(lenient, strict);
    }
    let Ok(session) = SessionDescription::parse(data) else {
        return;
    };
    let text = session.to_string();
    assert_eq!(SessionDescription::parse(text.as_bytes()), Ok(session.clone()));
    for media in &session.media {
        let formats = media.rtp_formats();
        let own = match_answer(&formats, &formats);
        assert_eq!(own.len(), formats.len(), "each format matches itself");
        let direction = media.direction(&session);
        assert_eq!(direction.reversed().reversed(), direction);
        let _ = media.media_address(&session);
        let _ = media.rtcp_address(&session);
        let _ = (media.attributes.ptime(), media.attributes.maxptime());
    }
}

/// Operations on two negotiations, one byte each; descriptions may be spoiled on the way. Whatever happens, the
/// state machine keeps its rules: counts of sections match, versions never go back, a refused event changes nothing.
pub fn sdp_offer_answer(data: &[u8]) {
    let mut sides = [side(1), side(2)];
    let mut versions = [0; 2];
    let mut wire: Option<(usize, bool, SessionDescription)> = None; // to whom, is it an offer, what
    for byte in data.iter().take(256) {
        let at = usize::from(byte & 1);
        let before = sides[at].state();
        let media = media(&sides[at], byte >> 3);
        let written = match (byte >> 1) & 3 {
            0 => sides[at]
                .create_offer(media)
                .ok()
                .cloned()
                .map(|offer| (true, offer)),
            1 => sides[at]
                .create_answer(media)
                .ok()
                .cloned()
                .map(|answer| (false, answer)),
            2 => {
                let rolled = sides[at].rollback().is_ok();
                assert_eq!(
                    rolled,
                    matches!(
                        before,
                        NegotiationState::OfferSent | NegotiationState::OfferReceived
                    )
                );
                None
            }
            _ => {
                if let Some((to, is_offer, mut description)) = wire.take() {
                    spoil(&mut description, byte >> 3);
                    let text = description.to_string();
                    let read = SessionDescription::parse(text.as_bytes()).expect("we read what we write");
                    let _ = if is_offer {
                        sides[to].handle_offer(read).map(drop)
                    } else {
                        sides[to].handle_answer(read)
                    };
                }
                None
            }
        };
        if let Some((is_offer, description)) = written {
            assert!(description.origin.session_version <= versions[at] + 1 || versions[at] == 0);
            assert!(description.origin.session_version >= versions[at]);
            versions[at] = description.origin.session_version;
            wire = Some((1 - at, is_offer, description));
        }
        for side in &sides {
            if let (Some(local), Some(remote)) = (side.local(), side.remote()) {
                assert_eq!(local.media.len(), remote.media.len());
            }
            let settled = matches!(side.state(), NegotiationState::Idle | NegotiationState::Stable);
            assert_eq!(settled, side.offer().is_none());
        }
    }
}

fn side(session_id: u64) -> Negotiation {
    Negotiation::new(SessionDescription::new(session_id, [192, 0, 2, 1].into()))
}

/// Media that answer the offer under way, or make an offer of one to four streams.
fn media(side: &Negotiation, variant: u8) -> Vec<Media> {
    let supported = [
        RtpFormat::opus(113),
        RtpFormat::pcmu(),
        RtpFormat::telephone_event(101, 8000),
    ];
    if let Some(offer) = side.offer() {
        let answer = |offered: &Media| {
            let shared = answer_formats(&offered.rtp_formats(), &supported, Preference::Answerer);
            if shared.is_empty() || offered.is_rejected() {
                return offered.rejection();
            }
            let direction = offered.direction(offer).answered_with(Direction::SendRecv);
            Media::audio(5000, shared.into_iter().map(|pair| pair.local)).with_direction(direction)
        };
        return offer.media.iter().map(answer).collect();
    }
    let first = usize::from(variant & 1);
    let count = usize::from(variant >> 1 & 3) + 1;
    vec![Media::audio(4000 + u16::from(variant), supported[first..].to_vec()); count]
}

fn spoil(description: &mut SessionDescription, how: u8) {
    match how {
        1 => drop(description.media.pop()),
        2 => description.media.iter_mut().for_each(|media| media.port = 0),
        3 => description
            .media
            .iter_mut()
            .for_each(|media| media.formats.clear()),
        4 => description.origin.session_version = 0,
        _ => {}
    }
}
