//! Descriptions of real peers, each with what we keep of it.

use offhook_sdp::{Direction, MediaKind, ParseOptions, SessionDescription};
use std::fs;
use std::path::Path;
use std::time::Duration;

#[test]
fn every_file_of_the_corpus_is_written_back_byte_for_byte() {
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let session = SessionDescription::parse_with(&bytes, &ParseOptions::strict())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            session.to_string(),
            String::from_utf8(bytes).unwrap(),
            "{}",
            path.display()
        );
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn an_audio_offer_yields_its_formats_addresses_and_packet_time() {
    let session = load("r-offer.sdp");
    assert_eq!(session.origin.username, "alice");
    assert_eq!(session.origin.session_id, 2_890_844_526);
    let audio = &session.media[0];
    assert_eq!(audio.kind, MediaKind::Audio);
    assert_eq!(
        formats(&session, 0),
        ["PCMU/8000", "PCMA/8000", "G722/8000", "telephone-event/8000"]
    );
    assert_eq!(audio.rtp_formats()[3].fmtp.as_deref(), Some("0-16"));
    assert_eq!(audio.attributes.ptime(), Some(Duration::from_millis(20)));
    assert_eq!(audio.direction(&session), Direction::SendRecv);
    assert_eq!(
        audio.media_address(&session),
        Some("192.0.2.10:49170".parse().unwrap())
    );
    assert_eq!(
        audio.rtcp_address(&session),
        Some("192.0.2.10:49171".parse().unwrap())
    );
}

#[test]
fn a_browsers_offer_names_its_rtcp_address_and_allows_multiplexing() {
    let mut session = load("r-webrtc.sdp");
    assert_eq!(session.attributes.value("group"), Some("BUNDLE 0"));
    let audio = &session.media[0];
    assert_eq!(audio.protocol, "UDP/TLS/RTP/SAVPF");
    assert_eq!(formats(&session, 0)[0], "opus/48000/2");
    assert_eq!(audio.rtp_formats()[0].fmtp_parameter("useinbandfec"), Some("1"));
    assert_eq!(audio.attributes.values("candidate").count(), 4);
    assert!(audio.attributes.rtcp_mux());
    assert_eq!(audio.rtcp_address(&session), audio.media_address(&session));
    session.media[0].attributes.remove("rtcp-mux");
    assert_eq!(
        session.media[0].rtcp_address(&session),
        Some("217.130.243.155:51472".parse().unwrap())
    );
}

#[test]
fn an_offer_of_audio_and_chat_keeps_both_sections_apart() {
    let session = load("c-ice-msrp.sdp");
    let [audio, chat] = &session.media[..] else {
        panic!("{} media", session.media.len())
    };
    assert_eq!(audio.attributes.values("crypto").count(), 2);
    assert_eq!(audio.attributes.values("candidate").count(), 8);
    assert_eq!(chat.kind, MediaKind::Message);
    assert_eq!(chat.formats.to_string(), "*");
    assert_eq!(chat.rtp_formats(), []);
    assert_eq!(chat.attributes.value("setup"), Some("active"));
    assert_eq!(
        chat.media_address(&session),
        Some("192.0.2.10:2855".parse().unwrap())
    );
}

fn formats(session: &SessionDescription, media: usize) -> Vec<String> {
    let maps = session.media[media].rtp_formats().into_iter();
    maps.map(|format| format.rtpmap().to_string().split_once(' ').unwrap().1.to_owned())
        .collect()
}

fn load(name: &str) -> SessionDescription {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    SessionDescription::parse(&fs::read(path).unwrap()).unwrap()
}
