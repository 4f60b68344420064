//! `RtpTransport` by itself: its states, and both scenarios of the documents.

mod script;

use RtpTransportState::{Established, Init, Invalid, Local, Null};
use offhook_rtp_media::srtp::SrtpPolicy;
use offhook_sdp::{Media, RtpFormat, SessionDescription};
use offhook_session::media::MediaCommand;
use offhook_session::{RtpTransport, RtpTransportError, RtpTransportState, SecurityError};
use script::{Commands, Plane};
use std::net::{IpAddr, SocketAddr};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// A plane, and what was told to it.
fn plane() -> (Plane, Commands) {
    let commands = Commands::default();
    (Plane::new(commands.clone()), commands)
}

fn transport(srtp: SrtpPolicy) -> RtpTransport {
    RtpTransport::new(srtp, SrtpPolicy::Off)
}

/// A description with audio on these ports, or on 4000.
fn sdp(transport: Option<&RtpTransport>) -> SessionDescription {
    let local = transport.and_then(RtpTransport::local).map(|local| local.rtp);
    let rtp: SocketAddr = local.unwrap_or_else(|| "192.0.2.9:4000".parse().unwrap());
    let audio = Media::audio(rtp.port(), [RtpFormat::pcmu()]);
    SessionDescription::new(1, rtp.ip()).with_media([audio])
}

/// What a method does to a transport.
fn apply(transport: &mut RtpTransport, method: &str, plane: &mut Plane) -> Result<(), RtpTransportError> {
    match method {
        "set_init" => transport.set_init(plane, HERE),
        "set_local" => transport.set_local(&mut sdp(Some(transport)), 0),
        "set_established" => transport.set_established(&mut sdp(Some(transport)), &sdp(None), 0),
        _ => {
            transport.close(plane);
            Ok(())
        }
    }
}

/// A transport on the shortest way to a state.
fn in_state(state: RtpTransportState, plane: &mut Plane) -> RtpTransport {
    let mut made = transport(SrtpPolicy::Off);
    let way: &[&str] = match state {
        Null => &[],
        Init => &["set_init"],
        Local => &["set_init", "set_local"],
        Established => &["set_init", "set_established"],
        Invalid => &["close"],
    };
    for method in way {
        apply(&mut made, method, plane).unwrap();
    }
    assert_eq!(made.state(), state);
    made
}

#[test]
fn every_method_in_every_state_does_what_the_diagram_says() {
    let methods = ["set_init", "set_local", "set_established", "close"];
    let table = [
        (Null, [Some(Init), None, None, Some(Invalid)]),
        (Init, [Some(Init), Some(Local), Some(Established), Some(Invalid)]),
        (Local, [Some(Init), None, Some(Established), Some(Invalid)]),
        (Established, [Some(Init), None, None, Some(Invalid)]),
        (Invalid, [None, None, None, Some(Invalid)]),
    ];
    for (state, row) in table {
        for (method, expected) in methods.into_iter().zip(row) {
            let (mut plane, _) = plane();
            let mut transport = in_state(state, &mut plane);
            let result = apply(&mut transport, method, &mut plane);
            let wanted = match expected {
                Some(_) => Ok(()),
                None => Err(RtpTransportError::WrongState { state, method }),
            };
            assert_eq!(result, wanted, "{method} in {state}");
            assert_eq!(
                transport.state(),
                expected.unwrap_or(state),
                "{method} in {state}"
            );
            let has_ports = !matches!(transport.state(), Null | Invalid);
            assert_eq!(transport.local().is_some(), has_ports, "{method} in {state}");
            let knows_remote = transport.state() == Established;
            assert_eq!(
                transport.remote_rtp().is_some(),
                knows_remote,
                "{method} in {state}"
            );
        }
    }
}

/// The offer may be changed by `set_local`, the answer by the answerer's `set_established`, and neither by the offerer's.
#[test]
fn an_offer_and_its_answer_pass_through_both_ends() {
    for (srtp, encrypted) in [
        (SrtpPolicy::Off, false),
        (SrtpPolicy::Optional, true),
        (SrtpPolicy::Required, true),
    ] {
        let ((mut plane, _), (mut their_plane, _)) = (plane(), plane());
        let (mut ours, mut theirs) = (transport(srtp), transport(SrtpPolicy::Optional));
        ours.set_init(&mut plane, HERE).unwrap();
        theirs
            .set_init(&mut their_plane, "10.0.0.2".parse().unwrap())
            .unwrap();
        let ports = ours.local().unwrap();
        assert_eq!(
            (ports.rtp.port() % 2, ports.rtcp.port()),
            (0, ports.rtp.port() + 1)
        );

        let mut offer = sdp(Some(&ours));
        let plain = offer.clone();
        ours.set_local(&mut offer, 0).unwrap();
        assert_eq!(offer != plain, encrypted, "{srtp:?}");
        let mut answer = sdp(Some(&theirs));
        answer.media[0].protocol = offer.media[0].protocol.clone();
        let received: SessionDescription = offer.to_string().parse().unwrap();
        theirs.set_established(&mut answer, &received, 0).unwrap();
        assert_eq!(answer.media[0].attributes.contains("crypto"), encrypted);

        let before = offer.clone();
        let received: SessionDescription = answer.to_string().parse().unwrap();
        ours.set_established(&mut offer, &received, 0).unwrap();
        assert_eq!(offer, before);
        assert_eq!(ours.remote_rtp(), theirs.local().map(|local| local.rtp));
        assert_eq!(theirs.remote_rtp(), ours.local().map(|local| local.rtp));
        for end in [&ours, &theirs] {
            assert_eq!(end.keying().is_some(), encrypted, "{srtp:?}");
        }
    }
}

#[test]
fn who_demands_encryption_does_not_agree_without_it() {
    let (mut plane, _) = plane();
    let mut ours = transport(SrtpPolicy::Required);
    ours.set_init(&mut plane, HERE).unwrap();
    let mut answer = sdp(Some(&ours));
    let untouched = answer.clone();
    let refused = ours.set_established(&mut answer, &sdp(None), 0);
    assert_eq!(refused, Err(SecurityError::Required.into()));
    assert_eq!((ours.state(), answer), (Init, untouched));
    assert_eq!(ours.srtp_policy(), SrtpPolicy::Required);
    assert_eq!(ours.dtls_srtp_policy(), SrtpPolicy::Off);
}

#[test]
fn sections_that_are_not_there_or_refused_change_nothing() {
    let (mut plane, _) = plane();
    let mut ours = in_state(Init, &mut plane);
    let mut refused = sdp(Some(&ours));
    refused.media[0].port = 0;
    for index in [0, 1] {
        let wanted = Err(RtpTransportError::NoSection(index));
        assert_eq!(ours.set_local(&mut refused.clone(), index), wanted);
        assert_eq!(
            ours.set_established(&mut sdp(Some(&ours)), &refused, index),
            wanted
        );
        assert_eq!(
            ours.set_established(&mut refused.clone(), &sdp(None), index),
            wanted
        );
    }
    let mut nowhere = sdp(None);
    nowhere.connection = None;
    let wanted = Err(RtpTransportError::NoAddress);
    assert_eq!(ours.set_established(&mut sdp(Some(&ours)), &nowhere, 0), wanted);
    assert_eq!(ours.state(), Init);
}

#[test]
fn a_transport_is_used_again_with_its_ports_and_other_keys_until_it_is_closed() {
    let (mut plane, commands) = plane();
    let mut ours = transport(SrtpPolicy::Optional);
    ours.set_init(&mut plane, HERE).unwrap();
    let ports = ours.local();
    let mut offer = sdp(Some(&ours));
    ours.set_local(&mut offer, 0).unwrap();
    ours.set_init(&mut plane, HERE).unwrap();
    let mut again = sdp(Some(&ours));
    ours.set_local(&mut again, 0).unwrap();
    assert_eq!(ours.local(), ports);
    assert_ne!(again.media[0].attributes, offer.media[0].attributes, "other keys");
    ours.close(&mut plane);
    ours.close(&mut plane);
    let told = commands.lock().unwrap();
    assert_eq!(told.len(), 1);
    assert!(
        matches!(told[0], MediaCommand::Stop { stream } if Some(stream) == ports.map(|ports| ports.stream))
    );
}
