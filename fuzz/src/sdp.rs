//! Fuzzing of `offhook-sdp`.

use offhook_sdp::attribute::{self, TypedAttribute};
use offhook_sdp::offer_answer::{
    BundlePolicy, Negotiation, NegotiationState, OfferedStream, Preference, add_section, answer_formats,
    match_answer,
};
use offhook_sdp::{
    Attribute, Attributes, Direction, HoldStyle, Media, MediaKind, ParseOptions, RtpFormat,
    SessionDescription, TelephoneEvents,
};
use std::fmt::Debug;

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
/// state machine keeps its rules: counts of sections match, versions never go back, a refused event changes nothing,
/// payload types keep their meaning in what each side offers.
pub fn sdp_offer_answer(data: &[u8]) {
    converse([side(1), side(2)], data);
}

/// The same between two sides that put sections on one transport, each as the first byte says.
pub fn sdp_bundle(data: &[u8]) {
    let Some((policies, data)) = data.split_first() else {
        return;
    };
    let policy = |number| match number % 3 {
        0 => BundlePolicy::Never,
        1 => BundlePolicy::Accept,
        _ => BundlePolicy::Offer,
    };
    let mut sides = [side(1), side(2)];
    sides[0].set_bundle_policy(policy(policies & 15));
    sides[1].set_bundle_policy(policy(policies >> 4));
    converse(sides, data);
}

fn converse(mut sides: [Negotiation; 2], data: &[u8]) {
    let mut versions = [0; 2];
    let mut wire: Option<(usize, bool, SessionDescription)> = None; // to whom, is it an offer, what
    for byte in data.iter().take(256) {
        let at = usize::from(byte & 1);
        let before = sides[at].state();
        let variant = byte >> 3;
        let written = match (byte >> 1) & 3 {
            0 => {
                let media = next_offer(&sides[at], variant | byte << 5);
                let before = sides[at].sections();
                let offer = sides[at].create_offer(media).ok().cloned();
                if let Some(offer) = &offer {
                    check_numbers(&before, &offer.media);
                }
                offer.map(|offer| (true, offer))
            }
            1 => {
                let answer = sides[at].answer_with(|stream| answer(stream, variant));
                answer.ok().cloned().map(|answer| (false, answer))
            }
            2 => {
                let rolled = sides[at].rollback().is_ok();
                let under_way = matches!(
                    before,
                    NegotiationState::OfferSent | NegotiationState::OfferReceived
                );
                assert_eq!(rolled, under_way);
                None
            }
            _ => {
                deliver(&mut sides, wire.take(), variant);
                None
            }
        };
        if let Some((is_offer, description)) = written {
            assert!(description.origin.session_version <= versions[at] + 1 || versions[at] == 0);
            assert!(description.origin.session_version >= versions[at]);
            versions[at] = description.origin.session_version;
            wire = Some((1 - at, is_offer, description));
        }
        sides.iter().for_each(check_side);
    }
}

fn deliver(sides: &mut [Negotiation; 2], wire: Option<(usize, bool, SessionDescription)>, variant: u8) {
    let Some((to, is_offer, mut description)) = wire else {
        return;
    };
    spoil(&mut description, variant);
    let text = description.to_string();
    let read = SessionDescription::parse(text.as_bytes()).expect("we read what we write");
    let _ = if is_offer {
        sides[to].handle_offer(read).map(drop)
    } else {
        sides[to].handle_answer(read)
    };
}

fn check_side(side: &Negotiation) {
    if let (Some(local), Some(remote)) = (side.local(), side.remote()) {
        assert_eq!(local.media.len(), remote.media.len());
    }
    check_bundles(side);
    let settled = matches!(side.state(), NegotiationState::Idle | NegotiationState::Stable);
    assert_eq!(settled, side.offer().is_none());
    for stream in side.agreed_streams() {
        assert!(stream.is_active() || stream.direction() == Direction::Inactive);
        assert!(stream.formats().len() <= stream.remote.formats.len().max(stream.local.formats.len()));
    }
}

/// A section is in one bundle at most, and all of a bundle go where its tagged one goes.
fn check_bundles(side: &Negotiation) {
    let mut seen = Vec::new();
    for bundle in side.bundles() {
        assert!(bundle.sections().contains(&bundle.tag()));
        for section in bundle.sections() {
            assert!(!seen.contains(section), "{section} is in two bundles");
            seen.push(*section);
        }
    }
    let streams: Vec<_> = side.agreed_streams().collect();
    for (index, stream) in streams.iter().enumerate() {
        let carrier = &streams[stream.transport_section()];
        assert_eq!(carrier.transport_section(), stream.transport_section());
        if !seen.contains(&index) {
            assert_eq!(stream.transport_section(), index);
        } else if stream.is_active() && carrier.is_active() {
            assert_eq!(stream.remote_address(), carrier.remote_address());
        }
    }
}

/// Any value as each typed attribute: malformed, or the same when written and read again.
pub fn sdp_attributes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    macro_rules! check {
        ($($type:ident),+ $(,)?) => {
            $(fixed_point::<attribute::$type>(text);)+
        };
    }
    check!(
        AcceptTypes,
        AcceptWrappedTypes,
        Candidate,
        Chatroom,
        ConnectionReuse,
        Content,
        Crypto,
        ExtMap,
        FileDate,
        FileDisposition,
        FileIcon,
        FileRange,
        FileSelector,
        FileTransferId,
        Fingerprint,
        Fmtp,
        Group,
        IceOptions,
        IcePwd,
        IceUfrag,
        Label,
        MaxPtime,
        MaxSize,
        Mid,
        Path,
        Ptime,
        RemoteCandidates,
        Rtcp,
        RtcpFeedback,
        RtcpXr,
        Rtpmap,
        Setup,
        Ssrc,
        SsrcGroup,
    );
    if let Ok(events) = text.parse::<TelephoneEvents>() {
        assert_eq!(events.to_string().parse(), Ok(events));
    }
    let opus = RtpFormat::opus(96)
        .with_fmtp(text)
        .opus_parameters()
        .expect("it is Opus");
    let again = RtpFormat::opus(96).with_fmtp(opus.to_string());
    assert_eq!(again.opus_parameters(), Some(opus));
}

fn fixed_point<A: TypedAttribute + PartialEq + Debug>(text: &str) {
    if let Ok(typed) = text.parse::<A>() {
        let line = Attribute::from(&typed);
        let attributes: Attributes = [line].into_iter().collect();
        assert_eq!(attributes.get::<A>(), Ok(Some(typed)), "{}:{text}", A::NAME);
    }
}

fn side(session_id: u64) -> Negotiation {
    Negotiation::new(SessionDescription::new(session_id, [192, 0, 2, 1].into()))
}

fn supported() -> [RtpFormat; 3] {
    [
        RtpFormat::opus(113),
        RtpFormat::pcmu(),
        RtpFormat::telephone_event(101, 8000),
    ]
}

/// The sections in force, changed: one more, one less, one on hold, one with other numbers, or all as they were.
fn next_offer(side: &Negotiation, variant: u8) -> Vec<Media> {
    let mut sections = side.sections();
    let place = usize::from(variant >> 3) % sections.len().max(1);
    match (variant & 7, sections.get_mut(place)) {
        (0, _) | (_, None) => {
            add_section(&mut sections, stream(variant));
        }
        (1, Some(section)) => *section = section.rejection(),
        (2, Some(section)) => *section = section.clone().held(HoldStyle::Direction),
        (3, Some(section)) => *section = section.clone().held(HoldStyle::ZeroAddress),
        (4, Some(section)) if !section.is_rejected() && section.transport().is_rtp() => {
            let shift = (variant >> 3) % 3;
            let mut formats = supported();
            formats[0].payload_type = 99 + shift;
            formats[2].payload_type = 101 - shift;
            section.set_rtp_formats(formats);
        }
        _ => {}
    }
    sections
}

fn stream(variant: u8) -> Media {
    let port = 4000 + u16::from(variant);
    match variant >> 3 & 3 {
        0 => Media::new(MediaKind::Message, port, "TCP/MSRP")
            .with_attribute(Attribute::with_value("path", "msrp://a:1/b;tcp")),
        1 => Media::audio(port, supported()).with_protocol("RTP/SAVP"),
        _ => Media::audio(port, supported()[usize::from(variant & 1)..].to_vec()),
    }
}

/// Media that answer the offer under way, each taken or refused.
fn answer(stream: OfferedStream<'_>, variant: u8) -> Option<Media> {
    if variant >> (stream.index & 3) & 1 == 1 && stream.change.is_new() {
        return None;
    }
    if !stream.media.transport().is_rtp() {
        return Some(stream.media.clone());
    }
    let shared = answer_formats(&stream.media.rtp_formats(), &supported(), Preference::Answerer);
    let direction = stream
        .media
        .direction(stream.offer)
        .answered_with(Direction::SendRecv);
    let formats = shared.into_iter().map(|pair| pair.local);
    let media = Media::audio(5000, formats)
        .with_direction(direction)
        .with_protocol(stream.media.protocol.clone());
    (!media.formats.is_empty()).then_some(media)
}

/// What a number stands for in a section stays, for as long as the section is in use.
fn check_numbers(before: &[Media], now: &[Media]) {
    for (before, now) in before.iter().zip(now) {
        if before.is_rejected() || now.is_rejected() || !now.transport().is_rtp() {
            continue;
        }
        for old in before.rtp_formats() {
            let clash = |new: &RtpFormat| new.payload_type == old.payload_type && !new.same_encoding(&old);
            assert!(!now.rtp_formats().iter().any(clash), "{before}{now}");
        }
    }
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
