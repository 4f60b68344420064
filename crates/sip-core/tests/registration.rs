//! Registering with a registrar that the test plays (RFC 3261 §10), in virtual time.

mod support;

use offhook_digest::{Signed, Verifier, VerifierConfig, VerifyError};
use offhook_sansio::{Entropy, Transport};
use offhook_sip_core::RegistrationState::{Registered, Registering, Unregistered, Unregistering};
use offhook_sip_core::{HeaderName, RegistrationEvent, Request, Response, Route, StatusCode};
use std::time::Duration;
use support::registrar::{SHORT, Script, World, accept, grant, refuse};
use support::{ALICE, BOB};

#[test]
fn a_registration_is_refreshed_before_it_expires() {
    let mut world = World::new(grant(600), |_| {});
    assert_eq!(world.states(), [Registering, Registered]);
    let succeeded = world.events().find_map(|event| match event {
        RegistrationEvent::Succeeded {
            contacts,
            expires,
            contact,
            ..
        } => Some((contact.to_string(), contacts.len(), expires.as_secs())),
        _ => None,
    });
    assert_eq!(succeeded, Some(("<sip:alice@192.0.2.1:5060>".to_owned(), 2, 600)));
    assert_eq!(
        world.requests[0].1.uri().expect("valid").to_string(),
        "sip:example.com"
    );
    world.run(Duration::from_secs(565));
    assert_eq!(world.requests.len(), 1);
    world.run(Duration::from_secs(10));
    assert_eq!(world.requests.len(), 2);
    assert_eq!(
        world.header(0, HeaderName::CallId),
        world.header(1, HeaderName::CallId)
    );
    assert_eq!(world.header(1, HeaderName::CSeq), Some("2 REGISTER"));
}

#[test]
fn what_the_registrar_grants_counts_not_what_was_asked() {
    let mut world = World::new(grant(60), |_| {});
    world.run(Duration::from_secs(29));
    assert_eq!(world.requests.len(), 1);
    world.run(Duration::from_secs(2));
    assert_eq!(world.requests.len(), 2);
}

#[test]
fn the_password_is_proven_and_the_nonce_used_again() {
    let mut verifier = Verifier::new(VerifierConfig::new("example.com"), Entropy::from_number(9));
    let script: Script = Box::new(move |_, request, now| {
        let signed = Signed {
            method: "REGISTER",
            uri: "sip:example.com",
            body: b"",
        };
        let value = request.headers().get_str(HeaderName::Authorization);
        let verdict = value.map(|value| verifier.verify(now, value, &signed, |_| Some("wonderland".into())));
        if let Some(Ok(_)) = verdict {
            return accept(request, 120);
        }
        let mut response = Response::for_request(request, StatusCode::UNAUTHORIZED);
        for challenge in verifier.challenges(now, verdict == Some(Err(VerifyError::Stale))) {
            response
                .headers_mut()
                .push(HeaderName::WwwAuthenticate, challenge);
        }
        response
    });
    let mut world = World::new(script, |_| {});
    assert_eq!(world.states(), [Registering, Registered]);
    assert_eq!(world.requests.len(), 2);
    assert!(
        world
            .header(1, HeaderName::Authorization)
            .is_some_and(|value| value.contains("nc=00000001"))
    );
    world.run(Duration::from_secs(95));
    assert_eq!(world.requests.len(), 3, "the refresh needs no new challenge");
    assert!(
        world
            .header(2, HeaderName::Authorization)
            .is_some_and(|value| value.contains("nc=00000002"))
    );
}

#[test]
fn a_wrong_password_is_tried_once_and_then_only_each_minute_or_two() {
    let mut nonce = 0;
    let script: Script = Box::new(move |_, request, _| {
        nonce += 1;
        let mut response = Response::for_request(request, StatusCode::UNAUTHORIZED);
        let challenge = format!("Digest realm=\"r\", nonce=\"{nonce}\"");
        response
            .headers_mut()
            .push(HeaderName::WwwAuthenticate, challenge);
        response
    });
    let mut world = World::new(script, |_| {});
    world.run(Duration::from_secs(50));
    assert_eq!(world.requests.len(), 2);
    let failed = world.events().find_map(|event| match event {
        RegistrationEvent::Failed { cause, retry_after } => Some((cause.status(), retry_after.as_secs())),
        _ => None,
    });
    let (status, wait) = failed.expect("it failed");
    assert_eq!(status, Some(StatusCode::UNAUTHORIZED));
    assert!((60..=120).contains(&wait));
    world.run(Duration::from_secs(80));
    assert!(world.requests.len() > 2, "it is tried again");
}

#[test]
fn a_423_raises_the_interval_once() {
    let script: Script = Box::new(|_, request, _| {
        if request.headers().get_str(HeaderName::Expires) == Some("1800") {
            return accept(request, 1800);
        }
        let mut response = Response::for_request(request, StatusCode::INTERVAL_TOO_BRIEF);
        response.headers_mut().push(HeaderName::MinExpires, "1800");
        response
    });
    let world = World::new(script, |_| {});
    assert_eq!(world.requests.len(), 2);
    assert_eq!(world.states(), [Registering, Registered]);

    let stubborn: Script = Box::new(|_, request, _| {
        let mut response = Response::for_request(request, StatusCode::INTERVAL_TOO_BRIEF);
        response.headers_mut().push(HeaderName::MinExpires, "700");
        response
    });
    let mut world = World::new(stubborn, |_| {});
    world.run(Duration::from_secs(50));
    assert_eq!(world.requests.len(), 2);
    assert_eq!(world.states(), [Registering, Unregistered]);
}

#[test]
fn a_refusal_goes_to_the_next_route_and_then_waits() {
    let mut world = World::new(refuse(StatusCode::SERVER_INTERNAL_ERROR), |register| {
        register.routes.push(register.routes[0].clone());
    });
    world.run(Duration::from_secs(14));
    assert_eq!(world.requests.len(), 2);
    world.run(Duration::from_secs(27));
    assert!(world.requests.len() >= 4);
}

#[test]
fn retry_after_of_the_server_is_heeded() {
    let script: Script = Box::new(|_, request, _| {
        let mut response = Response::for_request(request, StatusCode::SERVICE_UNAVAILABLE);
        response.headers_mut().push(HeaderName::RetryAfter, "300");
        response
    });
    let mut world = World::new(script, |_| {});
    world.run(Duration::from_secs(298));
    assert_eq!(world.requests.len(), 1);
    world.run(Duration::from_secs(5));
    assert_eq!(world.requests.len(), 2);
}

#[test]
fn unregister_sends_expires_0_and_is_the_end() {
    let mut world = World::new(grant(0), |_| {});
    assert_eq!(world.states(), [Registering, Registered]);
    world.unregister();
    assert_eq!(world.header(1, HeaderName::Expires), Some("0"));
    assert_eq!(world.states()[2..], [Unregistering, Unregistered]);
    assert!(matches!(world.events().last(), Some(RegistrationEvent::Ended)));
    assert_eq!(world.net.alice().endpoint.registration_state(world.id), None);
    world.run(Duration::from_secs(1000));
    assert_eq!(world.requests.len(), 2);
}

#[test]
fn unregister_waits_for_the_register_on_its_way() {
    let mut world = World::new(grant(600), |_| {});
    let (now, id) = (world.net.now, world.id);
    world.net.alice().endpoint.refresh_registration(now, id);
    world.unregister();
    world.run(SHORT);
    assert_eq!(world.requests.len(), 3);
    assert_eq!(world.header(1, HeaderName::Expires), Some("600"));
    assert_eq!(world.header(2, HeaderName::Expires), Some("0"));
    assert!(matches!(world.events().last(), Some(RegistrationEvent::Ended)));
}

#[test]
fn a_registrar_that_is_gone_holds_nobody_up() {
    let mut world = World::new(grant(600), |_| {});
    world.net.fate = Box::new(|_| false);
    world.unregister();
    world.run(Duration::from_secs(2));
    assert!(matches!(
        world.events().last(),
        Some(RegistrationEvent::NotEnded { .. })
    ));
    assert!(world.net.alice().endpoint.is_idle());
}

#[test]
fn a_dead_registrar_is_tried_at_growing_intervals() {
    let mut world = World::new(grant(600), |_| {});
    world.net.fate = Box::new(|_| false);
    world.net.log.clear();
    world.run(Duration::from_secs(570 + 32 + 35));
    let waits: Vec<u64> = world
        .events()
        .filter_map(|event| match event {
            RegistrationEvent::Failed { retry_after, .. } => Some(retry_after.as_secs()),
            _ => None,
        })
        .collect();
    assert!(!waits.is_empty() && (30..=60).contains(&waits[0]), "{waits:?}");
    world.run(Duration::from_hours(4));
    let last = world.events().filter_map(|event| match event {
        RegistrationEvent::Failed { retry_after, .. } => Some(retry_after.as_secs()),
        _ => None,
    });
    assert!(last.last().is_some_and(|wait| (900..=1800).contains(&wait)));
}

const INSTANCE: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

/// A registrar with all that RFC 3327, 3608, 5626 and 5627 let it say.
fn full_service(request: &Request) -> Response {
    let mut response = Response::for_request(request, StatusCode::OK);
    let contact = request.headers().get_str(HeaderName::Contact).expect("a Contact");
    for (name, value) in [
        ("Require", "outbound"),
        ("Flow-Timer", "120"),
        ("Path", "<sip:edge.example.com;lr;ob>"),
        (
            "Service-Route",
            "<sip:edge.example.com;lr>, <sip:home.example.com;lr>",
        ),
    ] {
        response.headers_mut().push(name, value);
    }
    response.headers_mut().push(
        HeaderName::Contact,
        format!(
            "<sip:alice@192.0.2.9>;+sip.instance=\"<urn:uuid:other>\";expires=60, \
             {contact};expires=300;pub-gruu=\"sip:alice@example.com;gr={INSTANCE}\"\
             ;temp-gruu=\"sip:tgruu.7hs==jd7@example.com;gr\""
        ),
    );
    response
}

fn full_world() -> World {
    let mut world = World::new(Box::new(|_, request, _| full_service(request)), |register| {
        register.instance_id = Some(INSTANCE.to_owned());
        register.reg_id = Some(1);
        register.use_gruu = true;
        register.routes[0].transport = Transport::Tcp;
    });
    world
        .net
        .bob()
        .endpoint
        .add_local(Transport::Tcp, BOB.parse().expect("valid"));
    world
}

#[test]
fn instance_and_flow_are_named_and_what_the_registrar_gives_is_kept() {
    let mut world = full_world();
    assert_eq!(
        world.header(0, HeaderName::Contact),
        Some(
            "<sip:alice@192.0.2.1:5060;transport=tcp>;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"\
             ;reg-id=1"
        )
    );
    assert_eq!(
        world.header(0, HeaderName::Supported),
        Some("100rel, replaces, timer, path, gruu, outbound")
    );
    let id = world.id;
    let granted = world
        .net
        .alice()
        .endpoint
        .registration_granted(id)
        .expect("registered");
    assert_eq!(granted.expires.as_secs(), 300);
    assert!(granted.is_outbound);
    assert_eq!(granted.flow_timer.map(|timer| timer.as_secs()), Some(120));
    assert_eq!(granted.path.len(), 1);
    let gruu = format!("sip:alice@example.com;gr={INSTANCE}");
    assert_eq!(
        granted.public_gruu.as_ref().map(ToString::to_string),
        Some(gruu.clone())
    );
    assert_eq!(
        granted
            .temporary_gruu
            .as_ref()
            .map(ToString::to_string)
            .as_deref(),
        Some("sip:tgruu.7hs==jd7@example.com;gr")
    );

    // RFC 3608 §6.1: the proxy that both sides name is visited once. RFC 5627 §4.4: the GRUU is our Contact.
    let mut route = Route::new(Transport::Udp, BOB.parse().expect("valid"));
    route.outbound_proxy = Some("sip:edge.example.com;lr".parse().expect("valid"));
    let route = route.with_service_route(&granted.service_route.clone());
    let mut invite = support::invite_to(&[BOB.parse().expect("valid")]);
    invite.routes = vec![route];
    invite.contact_user = "alice".to_owned();
    let now = world.net.now;
    world
        .net
        .alice()
        .endpoint
        .invite(now, invite)
        .expect("it can be sent");
    let sent = world.net.alice().endpoint.poll_transmit().expect("the INVITE");
    let sent = String::from_utf8_lossy(&sent.bytes).into_owned();
    assert!(
        sent.contains("Route: <sip:edge.example.com;lr>\r\nRoute: <sip:home.example.com;lr>\r\n"),
        "{sent}"
    );
    assert_eq!(sent.matches("edge.example.com").count(), 1, "{sent}");
    assert!(sent.contains(&format!("Contact: <{gruu}>\r\n")), "{sent}");
}

/// RFC 5627 §3.3: who calls anonymously is reached by the GRUU that does not say who he is.
#[test]
fn an_anonymous_call_has_the_temporary_gruu() {
    let mut world = full_world();
    let mut invite = support::invite_to(&[BOB.parse().expect("valid")]);
    invite.contact_user = "alice".to_owned();
    invite.is_anonymous = true;
    let now = world.net.now;
    let endpoint = &mut world.net.alice().endpoint;
    endpoint.invite(now, invite).expect("it can be sent");
    let sent = endpoint.poll_transmit().expect("the INVITE");
    let sent = String::from_utf8_lossy(&sent.bytes).into_owned();
    let contact = support::wire::field(&sent, "Contact:");
    assert_eq!(contact, "Contact: <sip:tgruu.7hs==jd7@example.com;gr>");
}

#[test]
fn a_lasting_flow_that_breaks_is_replaced_at_once_and_a_short_one_after_a_wait() {
    let broken = |world: &mut World| {
        let path = offhook_sansio::Path::new(
            Transport::Tcp,
            ALICE.parse().expect("valid"),
            BOB.parse().expect("valid"),
        );
        let now = world.net.now;
        world.net.alice().endpoint.handle_transport_error(now, path);
        world.run(SHORT);
    };
    let mut world = full_world();
    world.run(Duration::from_secs(40));
    broken(&mut world);
    assert_eq!(world.requests.len(), 2);
    assert_eq!(
        world.header(0, HeaderName::CallId),
        world.header(1, HeaderName::CallId)
    );
    assert_eq!(world.states(), [Registering, Registered, Registering, Registered]);
    // RFC 5626 §4.5: this one lasted for less than a second.
    broken(&mut world);
    assert_eq!(world.requests.len(), 2);
    let wait = world.events().find_map(|event| match event {
        RegistrationEvent::Failed { retry_after, .. } => Some(retry_after.as_secs()),
        _ => None,
    });
    assert!(wait.is_some_and(|wait| (30..=60).contains(&wait)), "{wait:?}");
    world.run(Duration::from_secs(61));
    assert_eq!(world.requests.len(), 3);
    assert_eq!(world.states().last(), Some(&Registered));
}

#[test]
fn a_first_hop_without_outbound_is_done_without() {
    let mut world = World::new(
        Box::new(|n, request, _| match n {
            0 => Response::for_request(request, StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT),
            _ => accept(request, 600),
        }),
        |register| {
            register.instance_id = Some(INSTANCE.to_owned());
            register.reg_id = Some(1);
        },
    );
    world.run(SHORT);
    assert_eq!(world.states(), [Registering, Registered]);
    assert!(
        world
            .header(1, HeaderName::Contact)
            .is_some_and(|contact| !contact.contains("reg-id"))
    );
}

#[test]
fn a_nonce_that_ended_without_a_word_is_replaced_in_the_same_round() {
    let script: Script = Box::new(|n, request, _| {
        let nonce = if n < 2 { "first" } else { "second" };
        let answered = request.headers().get_str(HeaderName::Authorization);
        if answered.is_some_and(|value| value.contains(nonce)) {
            return accept(request, 600);
        }
        let mut response = Response::for_request(request, StatusCode::UNAUTHORIZED);
        let challenge = format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\"");
        response
            .headers_mut()
            .push(HeaderName::WwwAuthenticate, challenge);
        response
    });
    let mut world = World::new(script, |_| {});
    let (now, id) = (world.net.now, world.id);
    world.net.alice().endpoint.refresh_registration(now, id);
    world.run(SHORT);
    assert_eq!(world.states(), [Registering, Registered, Registering, Registered]);
    assert_eq!(world.requests.len(), 4);
}

/// RFC 3261 §10.2: the next REGISTER waits for the end of the last, and continues its numbers.
#[test]
fn who_registers_again_while_leaving_is_registered_behind_the_end() {
    let mut world = World::new(grant(600), |_| {});
    let (now, id) = (world.net.now, world.id);
    let endpoint = &mut world.net.alice().endpoint;
    endpoint.unregister(now, id);
    endpoint.refresh_registration(now, id);
    world.run(SHORT);
    let expires: Vec<_> = (0..3)
        .map(|index| world.header(index, HeaderName::Expires))
        .collect();
    assert_eq!(expires, [Some("600"), Some("0"), Some("600")]);
    assert_eq!(
        world.header(0, HeaderName::CallId),
        world.header(2, HeaderName::CallId)
    );
    assert_eq!(world.header(2, HeaderName::CSeq), Some("3 REGISTER"));
    assert_eq!(
        world.states()[2..],
        [Unregistering, Unregistered, Registering, Registered]
    );
    assert!(
        !world
            .events()
            .any(|event| matches!(event, RegistrationEvent::Ended))
    );
    let endpoint = &mut world.net.alice().endpoint;
    endpoint.unregister(now, id);
    endpoint.refresh_registration(now, id);
    endpoint.unregister(now, id);
    world.run(SHORT);
    assert_eq!(world.requests.len(), 4);
    assert!(
        world
            .events()
            .any(|event| matches!(event, RegistrationEvent::Ended))
    );
}

/// RFC 5627 §4.2: a failure has no impact on GRUUs, and the end of the registration has.
#[test]
fn a_gruu_outlives_failures_and_not_the_registration() {
    const GRUU: &str = "sip:alice@example.com;gr=urn:uuid:1";
    for (kind, refresh) in [("pub-gruu", 567), ("temp-gruu", 567)] {
        let script: Script = Box::new(move |index, request, _| {
            if index > 0 {
                return Response::for_request(request, StatusCode::SERVER_INTERNAL_ERROR);
            }
            let mut response = Response::for_request(request, StatusCode::OK);
            let contact = request.headers().get_str(HeaderName::Contact).expect("a Contact");
            let granted = format!("{contact};expires=600;{kind}=\"{GRUU}\"");
            response.headers_mut().push(HeaderName::Contact, granted);
            response
        });
        let mut world = World::new(script, |register| {
            register.instance_id = Some("urn:uuid:1".to_owned());
            register.use_gruu = true;
        });
        let contact = |world: &mut World| {
            let invite = support::invite_to(&["192.0.2.99:5060".parse().expect("valid")]);
            let now = world.net.now;
            let call = world
                .net
                .alice()
                .endpoint
                .invite(now, invite)
                .expect("it can be sent");
            let sent = world.net.alice().endpoint.poll_transmit().expect("an INVITE");
            let text = String::from_utf8_lossy(&sent.bytes).into_owned();
            world
                .net
                .alice()
                .endpoint
                .invitation(call)
                .expect("it calls")
                .end(now)
                .expect("it calls");
            let line = text
                .lines()
                .find(|line| line.starts_with("Contact:"))
                .expect("a Contact");
            line.to_owned()
        };
        assert_eq!(contact(&mut world), format!("Contact: <{GRUU}>"), "{kind}");
        world.run(Duration::from_secs(refresh - 1));
        assert_eq!(world.requests.len(), 1);
        world.run(Duration::from_secs(3));
        assert_eq!(world.requests.len(), 2, "refreshed more than 32 s before the end");
        assert_eq!(world.states().last(), Some(&Unregistered));
        assert_eq!(contact(&mut world), format!("Contact: <{GRUU}>"), "{kind}");
        world.run(Duration::from_secs(40));
        assert!(!contact(&mut world).contains("gr="), "{kind}");
    }
}
