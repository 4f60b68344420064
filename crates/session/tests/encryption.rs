//! What offers and answers say of encryption (RFC 4568), for each policy.

mod script;

use offhook_rtp_media::SrtpKeying;
use offhook_rtp_media::srtp::SrtpPolicy;
use offhook_session::{AudioStream, SessionState};
use script::{Script, sdp, version};

const KEY: &str = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

/// What becomes of an offer with a policy: code and media section of the answer, or the refusal.
fn answered(policy: SrtpPolicy, offer: &str) -> Result<String, String> {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(offer)));
    let stream = AudioStream::offer().with_srtp(policy);
    script.accept(id, stream).map_err(|error| error.clone())?;
    let (_, body) = script.last_response();
    Ok(body[body.find("m=").unwrap()..].replace("\r\n", "\n"))
}

#[test]
fn offers_are_answered_as_the_policy_says() {
    let line = format!("a=crypto:3 AES_CM_128_HMAC_SHA1_32 {KEY}");
    let plain = "m=audio 5004 RTP/AVP 0".to_owned();
    let opportunistic = format!("{plain}\n{line}");
    let secure = format!("m=audio 5004 RTP/SAVP 0\n{line}");
    let unknown = "m=audio 5004 RTP/SAVP 0\na=crypto:1 NEW inline:AAAA".to_owned();
    let no_keys = "m=audio 5004 RTP/SAVP 0".to_owned();
    for (policy, offer, outcome) in [
        (SrtpPolicy::Off, &plain, Ok((false, "RTP/AVP"))),
        (SrtpPolicy::Off, &opportunistic, Ok((false, "RTP/AVP"))),
        (SrtpPolicy::Off, &secure, Err("ours is off")),
        (SrtpPolicy::Optional, &plain, Ok((false, "RTP/AVP"))),
        (SrtpPolicy::Optional, &opportunistic, Ok((true, "RTP/AVP"))),
        (SrtpPolicy::Optional, &secure, Ok((true, "RTP/SAVP"))),
        (SrtpPolicy::Optional, &unknown, Err("no crypto suite in common")),
        (SrtpPolicy::Optional, &no_keys, Err("has none")),
        (SrtpPolicy::Required, &plain, Err("has none")),
        (SrtpPolicy::Required, &opportunistic, Ok((true, "RTP/AVP"))),
        (SrtpPolicy::Required, &secure, Ok((true, "RTP/SAVP"))),
    ] {
        match (answered(policy, offer), outcome) {
            (Ok(answer), Ok((encrypted, protocol))) => {
                assert!(
                    answer.starts_with(&format!("m=audio 40000 {protocol} 0\n")),
                    "{answer}"
                );
                let taken = answer.contains("a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:");
                assert_eq!(taken, encrypted, "{policy:?}\n{offer}\n{answer}");
                assert_eq!(answer.matches("a=crypto").count(), usize::from(encrypted));
                assert!(!answer.contains(KEY), "our key is our own");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (got, _) => panic!("{policy:?}\n{offer}\n{got:?}"),
        }
    }
}

#[test]
fn an_answer_without_usable_keys_is_no_call() {
    let offered = |script: &Script| String::from_utf8(script.last_request("INVITE").body().to_vec()).unwrap();
    for (section, lines) in [
        ("m=audio 5004 RTP/AVP 0", ""),
        ("m=audio 5004 RTP/SAVP 0", ""),
        (
            "m=audio 5004 RTP/SAVP 0",
            "\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
        ),
        (
            "m=audio 5004 RTP/SAVP 0",
            "\na=crypto:99 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
        ),
    ] {
        let mut script = Script::new();
        let id = script.call(AudioStream::offer().with_srtp(SrtpPolicy::Required));
        let offer = offered(&script);
        assert!(offer.contains("RTP/SAVP") && offer.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
        script.respond("INVITE", 200, Some(&sdp(&format!("{section}{lines}"))));
        assert_ne!(
            script.state(id),
            Some(SessionState::Connected),
            "{section}{lines}"
        );
        assert_eq!(script.count("BYE"), 1, "what the 200 established is ended");
        assert!(
            !script
                .media()
                .iter()
                .any(|command| command.starts_with("StartAudio"))
        );
    }
}

#[test]
fn a_renegotiation_takes_new_keys_of_the_peer_and_keeps_ours() {
    let section = |key: &str| format!("m=audio 5004 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}");
    let mut script = Script::new();
    let stream = AudioStream::offer().with_srtp(SrtpPolicy::Required);
    script.accepted(&sdp(&section(KEY)), stream);
    let keys = |script: &Script| match script.config().srtp {
        Some(SrtpKeying::Keys(keys)) => keys,
        other => panic!("{other:?}"),
    };
    let first = keys(&script);
    let other = KEY.replace("PS1u", "QQ1u");
    script.request("INVITE", Some(&version(2, &section(&other))));
    script.ack(None);
    let second = keys(&script);
    assert_eq!(first.local, second.local);
    assert_ne!(first.remote, second.remote);

    script.request("INVITE", Some(&version(3, "m=audio 5004 RTP/AVP 0")));
    assert_eq!(script.last_response().0, 488, "no way back into the clear");
    assert_eq!(keys(&script), second);
}
