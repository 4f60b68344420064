//! Typed attributes as properties: what the grammar allows is read, what is written is read back, and no value makes
//! a type fail otherwise than by saying that it is malformed.

use offhook_sdp::attribute::{
    AcceptTypes, AcceptWrappedTypes, Candidate, Chatroom, ConnectionReuse, Content, Crypto, ExtMap, FileDate,
    FileDisposition, FileIcon, FileRange, FileSelector, FileTransferId, Fingerprint, Fmtp, Group, IceOptions,
    IcePwd, IceUfrag, Label, MalformedAttribute, MaxPtime, MaxSize, Mid, Path, Property, Ptime,
    RemoteCandidates, Rtcp, RtcpFeedback, RtcpXr, Rtpmap, Setup, Ssrc, SsrcGroup, TypedAttribute,
};
use offhook_sdp::{Attribute, Attributes, Limits, ParseErrorKind, ParseOptions, SessionDescription};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use std::fmt::Debug;

/// Each type with the values that its RFC's grammar allows, as a regular expression.
macro_rules! for_each_type {
    ($call:ident) => {
        $call::<AcceptTypes>("(\\*|[a-z]{1,9}/(\\*|[a-z0-9.+-]{1,20}(;[a-z]{1,4}=[a-z0-9]{1,4})?))( text/[a-z]{1,9}| \\*){0,5}");
        $call::<AcceptWrappedTypes>("\\*|[a-z]{1,9}/[a-z]{1,9}");
        $call::<Candidate>(
            "[a-zA-Z0-9+/]{1,32} (25[0-6]|[1-9][0-9]?) (UDP|TCP|new) [1-9][0-9]{0,8} [0-9a-f:.]{1,39} [0-9]{1,4} \
             typ (host|srflx|prflx|relay|new)( raddr [0-9a-f:.]{1,39} rport [0-9]{1,4})?( tcptype (active|passive|so))?\
             ( [a-z]{3}[0-9] [!-~]{1,20}){0,5}",
        );
        $call::<Chatroom>("([a-z.]{1,12}( [a-z.]{1,12}){0,5})?");
        $call::<ConnectionReuse>("new|existing");
        $call::<Content>("(slides|speaker|sl|main|alt|new)(,(main|x)){0,3}");
        $call::<Crypto>(
            "[0-9]{1,9} (AES_CM_128_HMAC_SHA1_(80|32)|NEW) inline:[a-zA-Z0-9+/]{40}(\\|2\\^([1-9]|[1-3][0-9]|4[0-8])|\\|[1-9][0-9]{0,12})?\
             (\\|[0-9]{1,18}:(8|9|[1-9][0-9]))?(;inline:[a-zA-Z0-9+/]{40}){0,3}\
             ( KDR=[01][0-9]| WSH=[1-9][0-9]{2}| UNENCRYPTED_SRTP| UNENCRYPTED_SRTCP| UNAUTHENTICATED_SRTP| FEC_ORDER=FEC_SRTP\
             | FEC_KEY=inline:[a-zA-Z0-9+/]{40}| -[!-~]{1,20}){0,6}",
        );
        $call::<ExtMap>("(1?[1-9]|4[12][0-9]{2})(/(sendrecv|sendonly|recvonly|inactive))? urn:[!-~]{1,40}( [!-~]{1,20}){0,3}");
        $call::<FileDate>(
            "creation:\"(Mon, )?1[0-9] May 20[0-9]{2} [01][0-9]:[0-5][0-9](:[0-5][0-9])? [+-][0-9]{4}\"\
             ( (modification|read):\"1 Jan 1999 00:00 \\+0000\")?",
        );
        $call::<FileDisposition>("render|attachment|[a-z-]{1,20}");
        $call::<FileIcon>("cid:[!-~]{1,40}");
        $call::<FileRange>("[1-9][0-9]{0,3}-([1-9][0-9]{5,17}|\\*)");
        $call::<FileSelector>(
            "name:\"([a-zA-Z ./\u{e4}\u{20ac}'-]|%2[0-9]){1,40}\"( type:[a-z]{1,9}/[a-z0-9.+-]{1,20}(;[a-z]{1,4}=\"[a-z ]{1,9}\")?)?\
             ( size:[0-9]{1,18})?( hash:sha-1(:[0-9A-F]{2}){20}){0,2}",
        );
        $call::<FileTransferId>("[A-Za-z0-9._-]{1,64}");
        $call::<Fingerprint>("sha-1 [0-9A-F]{2}(:[0-9A-F]{2}){19}|sha-256 [0-9A-Fa-f]{2}(:[0-9A-F]{2}){31}");
        $call::<Fmtp>("[0-9]{1,3} [!-~]{1,20}(; [!-~]{1,20}){0,5}");
        $call::<Group>("(BUNDLE|LS|FID|NEW)( [a-z0-9]{1,8}){0,9}");
        $call::<IceOptions>("[a-z0-9+/]{1,9}( [a-z0-9+/]{1,9}){0,5}");
        $call::<IcePwd>("[a-zA-Z0-9+/]{22,256}");
        $call::<IceUfrag>("[a-zA-Z0-9+/]{4,256}");
        $call::<Label>("[!#-'*+.0-9A-Z^-~-]{1,40}");
        $call::<MaxPtime>("[1-9][0-9]{0,3}(\\.[0-9]{1,6})?");
        $call::<MaxSize>("[0-9]{1,19}");
        $call::<Mid>("[!#-'*+.0-9A-Z^-~-]{1,40}");
        $call::<Path>("msrps?://[!-~]{1,40}( (msrp|MSRPS)://[!-~]{1,40}){0,3}");
        $call::<Ptime>("[1-9][0-9]{0,3}(\\.[0-9]{1,6})?");
        $call::<RemoteCandidates>("[12] [0-9a-f:.]{1,39} [0-9]{1,4}( [12] [0-9a-f:.]{1,39} [0-9]{1,4}){0,3}");
        $call::<Rtcp>("[0-9]{1,4}( IN IP[46] [0-9a-f:.]{1,39})?");
        $call::<RtcpFeedback>("(\\*|[0-9]{1,2}) ((nack|ack|[a-z-]{6,9})( [!-~]{1,20}){0,3}|trr-int [0-9]{1,9}|ccm fir)");
        $call::<RtcpXr>("(voip-metrics|rcvr-rtt=(all|sender)(:[0-9]{1,5})?|[!-~]{1,20})?( [!-~]{1,20}){0,4}");
        $call::<Rtpmap>("[0-9]{1,2} [!-.0-~]{1,20}/[1-9][0-9]{0,8}(/[1-9])?");
        $call::<Setup>("active|passive|actpass|holdconn");
        $call::<Ssrc>("[0-9]{1,9} (cname|msid|x)(:[!-~]{1,20}( [!-~]{1,20})?)?");
        $call::<SsrcGroup>("(FID|FEC-FR|SIM|NEW)( [0-9]{1,9}){0,8}");
    };
}

#[test]
fn what_the_grammar_allows_is_read_and_read_back_as_it_is_written() {
    fn check<A: TypedAttribute + PartialEq + Debug>(grammar: &'static str) {
        let strategy = proptest::string::string_regex(grammar).unwrap();
        runner()
            .run(&strategy, |value| {
                let read = value.parse::<A>();
                prop_assert!(read.is_ok(), "{}:{}", A::NAME, value);
                fixed_point::<A>(&value)
            })
            .unwrap();
    }
    for_each_type!(check);
}

#[test]
fn damaged_values_are_malformed_or_read_to_a_fixed_point() {
    fn check<A: TypedAttribute + PartialEq + Debug>(grammar: &'static str) {
        let valid = proptest::string::string_regex(grammar).unwrap();
        let damage = (any::<prop::sample::Index>(), "[ -~\u{e4}]{0,2}", any::<bool>());
        runner()
            .run(&(valid, damage), |(value, (at, with, cut))| {
                let mut letters: Vec<char> = value.chars().chain([' ']).collect();
                let at = at.index(letters.len());
                let end = if cut { letters.len() } else { at + 1 };
                letters.splice(at..end, with.chars());
                fixed_point::<A>(&letters.into_iter().collect::<String>())
            })
            .unwrap();
    }
    for_each_type!(check);
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    })
}

/// What can be read is written, read again and is the same; in its line, too.
fn fixed_point<A: TypedAttribute + PartialEq + Debug>(value: &str) -> TestCaseResult {
    let Ok(typed) = value.parse::<A>() else {
        return Ok(());
    };
    let written = typed.to_string();
    let line = Attribute::from(&typed);
    let attributes: Attributes = [line].into_iter().collect();
    prop_assert_eq!(attributes.get::<A>(), written.parse::<A>().map(Some));
    prop_assert_eq!(
        written.parse::<A>(),
        Ok(typed),
        "{} written as {}",
        value,
        written
    );
    Ok(())
}

#[test]
fn what_is_malformed_differs_from_what_is_absent() {
    fn check<A: TypedAttribute + PartialEq + Debug>(_grammar: &'static str) {
        let absent = Attributes::new();
        assert_eq!(absent.get::<A>(), Ok(None));
        let malformed: Attributes = [Attribute::with_value(A::NAME, "\u{20ac} ")]
            .into_iter()
            .collect();
        assert_eq!(malformed.get::<A>(), Err(MalformedAttribute(A::NAME)));
        assert_eq!(malformed.all::<A>().count(), 1);
    }
    for_each_type!(check);

    let text = "v=0\na=rtcp-mux\na=ice-lite:yes\no=- 1 1 IN IP4 h\n";
    let session: SessionDescription = text.parse().unwrap();
    assert_eq!(session.attributes.has(Property::RtcpMux), Ok(true));
    assert_eq!(session.attributes.has(Property::BundleOnly), Ok(false));
    assert_eq!(
        session.attributes.has(Property::IceLite),
        Err(MalformedAttribute("ice-lite"))
    );
}

#[test]
fn the_sections_attribute_goes_before_the_sessions() {
    let text = "v=0\no=- 1 1 IN IP4 h\na=setup:passive\na=ice-ufrag:8hhY\nm=audio 9 RTP/AVP 0\na=setup:active\n\
                m=audio 9 RTP/AVP 0\nm=audio 9 RTP/AVP 0\na=setup:sideways\n";
    let session: SessionDescription = text.parse().unwrap();
    let setup = |at: usize| session.media[at].attribute_in::<Setup>(&session);
    assert_eq!(setup(0), Ok(Some(Setup::Active)));
    assert_eq!(setup(1), Ok(Some(Setup::Passive)));
    assert_eq!(setup(2), Err(MalformedAttribute("setup")));
    let ufrag = session.media[0]
        .attribute_in::<IceUfrag>(&session)
        .unwrap()
        .unwrap();
    assert_eq!(ufrag.as_str(), "8hhY");
}

#[test]
fn the_length_of_a_line_and_so_of_a_typed_value_has_a_limit() {
    let text = format!("v=0\no=- 1 1 IN IP4 h\na=path:{}\n", "msrp://a ".repeat(1000));
    let read = |line_bytes| {
        let limits = Limits {
            line_bytes,
            ..Limits::default()
        };
        let options = ParseOptions {
            limits,
            ..ParseOptions::default()
        };
        SessionDescription::parse_with(text.as_bytes(), &options)
    };
    let error = read(Limits::default().line_bytes).unwrap_err();
    assert_eq!((error.line, error.kind), (3, ParseErrorKind::LineTooLong(8192)));
    let session = read(10_000).unwrap();
    assert_eq!(
        session.attributes.get::<Path>().unwrap().unwrap().words().len(),
        1000
    );
}
