//! The formats of audio that are offered, answered and agreed on, with what goes along (RFC 3264 §6.1).

mod script;

use offhook_rtp_media::codec::{AudioCodec, IlbcMode};
use offhook_sdp::OpusParameters;
use offhook_session::AudioStream;
use script::{Script, answer_with, sdp};

const PCMU: &str = "m=audio 5004 RTP/AVP 0";

/// Accepts an offer with all codecs; gives the lines of the answer's media.
#[track_caller]
fn answer_to(offer: &str) -> String {
    answer_with(AudioStream::offer(), offer)
}

#[test]
fn an_answer_has_one_codec_by_the_number_that_the_offer_gave_it() {
    for (offer, section) in [
        (PCMU, "m=audio 40000 RTP/AVP 0\n"),
        ("m=audio 5004 RTP/AVP 8 0", "m=audio 40000 RTP/AVP 8\n"),
        ("m=audio 5004 RTP/AVP 18 9 0", "m=audio 40000 RTP/AVP 9\n"),
        (
            "m=audio 5004 RTP/AVP 117 0\na=rtpmap:117 opus/48000/2",
            "m=audio 40000 RTP/AVP 117\n",
        ),
        // RFC 7587 §7: opus is always declared with two channels; a peer that forgets them means the same.
        (
            "m=audio 5004 RTP/AVP 117 0\na=rtpmap:117 opus/48000",
            "m=audio 40000 RTP/AVP 117\n",
        ),
        (
            "m=audio 5004 RTP/AVP 96 99\na=rtpmap:96 PCMA/8000\na=rtpmap:99 telephone-event/8000",
            "m=audio 40000 RTP/AVP 96 99\n",
        ),
    ] {
        let answer = answer_to(offer);
        assert!(answer.starts_with(section), "{offer}:\n{answer}");
    }
}

/// RFC 3264 §6.1: each format of the answer may come at any time.
#[test]
fn an_answer_may_have_all_codecs_with_what_goes_along() {
    let maps =
        "a=rtpmap:117 opus/48000/2\na=rtpmap:110 telephone-event/8000\na=rtpmap:111 telephone-event/48000";
    for (formats, answered) in [
        ("8 117 0 110 111", "8 117 0 110 111"),
        ("0 18 13 110 9", "0 9 13 110"),
        ("117 111", "117 111"),
        ("9 110 111", "9 110"),
    ] {
        let offer = format!("m=audio 5004 RTP/AVP {formats}\n{maps}");
        let answer = answer_with(AudioStream::offer().with_all_codecs_answered(), &offer);
        let section = format!("m=audio 40000 RTP/AVP {answered}\n");
        assert!(answer.starts_with(&section), "{offer}:\n{answer}");
    }
}

#[test]
fn all_formats_of_the_answer_may_come_and_the_first_is_sent() {
    let ours = [AudioCodec::Opus, AudioCodec::Pcma, AudioCodec::Pcmu];
    let mut script = Script::new();
    script.call(AudioStream::offer().with_codecs(&ours));
    // The answer numbers Opus and the events of its clock otherwise.
    let answer = "m=audio 5004 RTP/AVP 8 120 0 101 121\na=rtpmap:120 opus/48000/2\n\
                  a=rtpmap:101 telephone-event/8000\na=rtpmap:121 telephone-event/48000";
    script.respond("INVITE", 200, Some(&sdp(answer)));
    let config = script.config();
    assert_eq!((config.codec, config.payload_type), (AudioCodec::Pcma, 8));
    assert_eq!(config.dtmf_payload_type, Some(101));
    let others: Vec<_> = config
        .other_codecs
        .iter()
        .map(|other| (other.payload_type, other.codec))
        .collect();
    assert_eq!(others, [(96, AudioCodec::Opus), (0, AudioCodec::Pcmu)]);
    let events: Vec<_> = config
        .other_events
        .iter()
        .map(|other| (other.payload_type, other.clock_rate))
        .collect();
    assert_eq!(events, [(102, 48_000)]);
}

/// RFC 5506 §5: offered always, answered where it was offered, used where both say so.
#[test]
fn reduced_size_is_used_where_both_sides_say_so() {
    for (line, agreed) in [("\na=rtcp-rsize", true), ("", false)] {
        let mut script = Script::new();
        script.accepted(&sdp(&format!("{PCMU}{line}")), AudioStream::offer());
        assert_eq!(script.config().rtcp_reduced_size, agreed);
        assert_eq!(script.last_response().1.contains("a=rtcp-rsize\r\n"), agreed);

        let mut script = Script::new();
        script.call(AudioStream::offer());
        let offer = String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned();
        assert!(offer.contains("a=rtcp-rsize\r\n"), "{offer}");
        script.respond("INVITE", 200, Some(&sdp(&format!("{PCMU}{line}"))));
        assert_eq!(script.config().rtcp_reduced_size, agreed);
    }
}

/// RFC 8866 §6.4: the peer's wish, as far as the codec can follow it.
#[test]
fn packets_are_as_long_as_the_other_side_wishes() {
    for (format, times, ms) in [
        ("0", "", 20),
        ("0", "a=ptime:40", 40),
        ("0", "a=ptime:30\na=maxptime:20", 20),
        ("0", "a=maxptime:150", 20),
        ("0", "a=ptime:200", 120),
        ("0", "a=ptime:nonsense", 20),
        ("3", "a=ptime:30", 20),
        ("117", "a=rtpmap:117 opus/48000/2\na=ptime:3\na=maxptime:120", 10),
    ] {
        let mut script = Script::new();
        let offer = format!("m=audio 5004 RTP/AVP {format}\n{times}");
        script.accepted(&sdp(offer.trim_end()), AudioStream::offer());
        assert_eq!(script.config().ptime_ms, ms, "{offer}");
    }
}

/// RFC 7587 §6.1: what each side wishes is what the other sends.
#[test]
fn wishes_for_opus_go_both_ways() {
    let wishes = OpusParameters {
        max_playback_rate: 16_000,
        max_average_bitrate: Some(20_000),
        dtx: true,
        ..OpusParameters::default()
    };
    let theirs = "maxplaybackrate=8000;cbr=1;stereo=1";
    let mut script = Script::new();
    let offer = format!("m=audio 5004 RTP/AVP 117\na=rtpmap:117 opus/48000/2\na=fmtp:117 {theirs}");
    script.accepted(&sdp(&offer), AudioStream::offer().with_opus(wishes));
    assert_eq!(script.config().remote_fmtp, theirs);
    let answer = script.last_response().1;
    let ours = "a=fmtp:117 maxplaybackrate=16000; maxaveragebitrate=20000; usedtx=1\r\n";
    assert!(answer.contains(ours), "{answer}");
    let plain = answer_with(AudioStream::offer().with_opus(OpusParameters::default()), &offer);
    assert!(!plain.contains("a=fmtp"), "{plain}");
    assert!(answer_to(&offer).contains("a=fmtp:117 useinbandfec=1\n"));
}

/// RFC 3952 §5: both sides use the mode of the lower bandwidth, whoever offered which, and our answer says so.
#[test]
fn ilbc_is_spoken_in_the_lower_mode_of_both() {
    use IlbcMode::{Ms20, Ms30};
    for (ours, theirs, agreed) in [
        (Ms20, "\na=fmtp:99 mode=20\na=ptime:20", Ms20),
        (Ms20, "\na=fmtp:99 mode=30\na=ptime:20", Ms30),
        (Ms20, "", Ms30),
        (Ms30, "\na=fmtp:99 mode=20", Ms30),
    ] {
        let agreed = AudioCodec::Ilbc(agreed);
        let ms = agreed.spec().ptime_ms;
        let stream = || AudioStream::offer().with_codecs(&[AudioCodec::Ilbc(ours)]);
        let media = format!("m=audio 5004 RTP/AVP 99\na=rtpmap:99 ilbc/8000{theirs}");

        let mut script = Script::new();
        script.accepted(&sdp(&media), stream());
        let config = script.config();
        assert_eq!(
            (config.codec, config.payload_type, config.ptime_ms),
            (agreed, 99, ms),
            "{media}"
        );
        let answer = script.last_response().1;
        assert!(answer.contains("a=rtpmap:99 iLBC/8000\r\n"), "{answer}");
        assert!(answer.contains(&format!("a=fmtp:99 mode={ms}\r\n")), "{answer}");

        let mut script = Script::new();
        script.call(stream());
        let offer = String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned();
        let wish = AudioCodec::Ilbc(ours).spec().ptime_ms;
        assert!(offer.contains(&format!("a=fmtp:96 mode={wish}\r\n")), "{offer}");
        script.respond("INVITE", 200, Some(&sdp(&media)));
        let config = script.config();
        assert_eq!(
            (config.codec, config.payload_type, config.ptime_ms),
            (agreed, 99, ms),
            "{media}"
        );
    }
}

/// RFC 3551 §4.5.11 and §6: linear audio by its fixed numbers and by others.
#[test]
fn linear_audio_is_agreed_on_with_its_rate_and_channels() {
    for (offer, name, number) in [
        ("m=audio 5004 RTP/AVP 10", "L16/44100/2", 10),
        ("m=audio 5004 RTP/AVP 11", "L16/44100", 11),
        (
            "m=audio 5004 RTP/AVP 97 98\na=rtpmap:97 L16/16000/2\na=rtpmap:98 L16/16000",
            "L16/16000",
            98,
        ),
    ] {
        let codec: AudioCodec = name.parse().unwrap();
        let mut script = Script::new();
        script.accepted(&sdp(offer), AudioStream::offer().with_codecs(&[codec]));
        let config = script.config();
        assert_eq!((config.codec, config.payload_type), (codec, number), "{offer}");
        let answer = script.last_response().1;
        assert!(
            answer.contains(&format!("m=audio 40000 RTP/AVP {number}\r\n")),
            "{answer}"
        );
    }
}

#[test]
fn telephone_events_are_answered_at_the_clock_of_the_codec_only() {
    let events = "a=rtpmap:110 telephone-event/8000\na=rtpmap:111 telephone-event/48000";
    let opus = format!("m=audio 5004 RTP/AVP 117 110 111\na=rtpmap:117 opus/48000/2\n{events}");
    assert!(answer_to(&opus).starts_with("m=audio 40000 RTP/AVP 117 111\n"));
    let pcmu = format!("m=audio 5004 RTP/AVP 0 110 111\n{events}");
    assert!(answer_to(&pcmu).starts_with("m=audio 40000 RTP/AVP 0 110\n"));
}
