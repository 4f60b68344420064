//! Chats, files and desktops between two user agents, through relays of `offhook-msrp` (RFC 4976).

#![cfg(feature = "tokio")]

mod calls;

use calls::folder::Folder;
use calls::relay::{at, config, nowhere, relay, serve, settings};
use calls::{PATIENCE, Two, boxed, call, incoming, start, start_with, until, until_started};
use offhook_account::Account;
use offhook_msrp::tokio::RelayServer;
use offhook_rtp_media::dtmf::Digit;
use offhook_sansio::Transport;
use offhook_session::tokio::{MsrpRelay, RelayUsage, Session, UserAgentConfig, select_file};
use offhook_session::{
    AudioEvent, AudioStream, ChatEvent, ChatMessage, ChatStream, DesktopSharingEvent, DesktopSharingHandler,
    DesktopSharingStream, FileTransferEvent, FileTransferStream, MediaStream, MsrpTransport,
    RenegotiationAction, SessionEvent, StreamDescription, StreamEvent,
};
use offhook_sip_core::tokio::{TlsOptions, Trust};
use offhook_sip_core::{NameAddr, Route, SipUri};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

fn chat() -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(ChatStream::new())]
}

/// Alice calls Bob, and both run.
async fn meet(
    two: &mut Two,
    hers: Vec<Box<dyn MediaStream>>,
    his: Vec<Box<dyn MediaStream>>,
) -> (Session, Session) {
    let (mut alice, mut bob) = two.meet(hers, his).await;
    until_started(&mut alice).await;
    until_started(&mut bob).await;
    (alice, bob)
}

async fn say(from: &Session, to: &mut Session, text: &str) {
    from.send_message(ChatMessage::text(text)).await.expect("it runs");
    let heard = until(to, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::Chat(ChatEvent::GotMessage { message }),
            ..
        } => Some(message.as_text().map(str::to_owned)),
        _ => None,
    });
    assert_eq!(heard.await.as_deref(), Some(text));
}

async fn talk(alice: &mut Session, bob: &mut Session) {
    say(alice, bob, "hello Bob").await;
    say(bob, alice, "hello Alice").await;
}

async fn end(alice: &Session, bob: &mut Session) {
    alice.end().await.expect("running");
    until(bob, |event| {
        matches!(event, SessionEvent::DidEnd { .. }).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_behind_relays_of_their_own_talk() {
    let (hers, his) = (relay().await, relay().await);
    let mut two = Two::new(
        at("alice", &hers, RelayUsage::Always),
        at("bob", &his, RelayUsage::Always),
    );
    let (mut alice, mut bob) = meet(&mut two, chat(), chat()).await;
    assert_eq!((hers.place_count(), his.place_count()), (1, 1));
    talk(&mut alice, &mut bob).await;
    end(&alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_of_either_side_is_enough() {
    use RelayUsage::{Always, Inbound, InboundAndOutbound};
    let relay = relay().await;
    // Who has it, what goes through it, and how many places that takes.
    for (hers, his, places) in [
        (Some(InboundAndOutbound), None, 1),
        (Some(Always), None, 1),
        (None, Some(Always), 1),
        // He can reach her: he needs no relay.
        (None, Some(Inbound), 0),
        (Some(InboundAndOutbound), Some(InboundAndOutbound), 1),
        // She cannot be reached, and so connects; he cannot be reached but by his relay.
        (Some(Inbound), Some(Inbound), 1),
        (Some(Inbound), None, 0),
    ] {
        let of = |user, usage: Option<RelayUsage>| -> Box<dyn FnOnce(&mut UserAgentConfig)> {
            match usage {
                Some(usage) => Box::new(at(user, &relay, usage)),
                None => Box::new(nowhere),
            }
        };
        let mut two = Two::new(of("alice", hers), of("bob", his));
        let (mut alice, mut bob) = meet(&mut two, chat(), chat()).await;
        assert_eq!(relay.place_count(), places, "{hers:?} {his:?}");
        talk(&mut alice, &mut bob).await;
        end(&alice, &mut bob).await;
        // Its places go with their connections.
        let free = async {
            while relay.place_count() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.expect("given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_added_and_a_file_sent_through_a_relay() {
    let relay = relay().await;
    let mut two = Two::new(at("alice", &relay, RelayUsage::default()), nowhere);
    let audio = || -> Vec<Box<dyn MediaStream>> { vec![Box::new(AudioStream::offer().without_device())] };
    let (mut alice, mut bob) = meet(&mut two, audio(), audio()).await;
    assert_eq!(relay.place_count(), 0, "audio needs none");
    alice.add_streams(chat()).await.expect("connected");
    until(&mut bob, |event| {
        matches!(event, SessionEvent::GotProposal { .. }).then_some(())
    })
    .await;
    bob.accept_proposal(chat()).await.expect("proposed");
    for session in [&mut alice, &mut bob] {
        until(session, |event| {
            matches!(event, SessionEvent::DidRenegotiateStreams { .. }).then_some(())
        })
        .await;
    }
    talk(&mut alice, &mut bob).await;

    let folder = Folder::new("relayed");
    let source = folder.join("source");
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| (n * 31 % 251) as u8).collect();
    std::fs::write(&source, &content).expect("there is room");
    let mut selector = select_file(&source, "text/plain", true).await.expect("there");
    selector.name = Some("arrived".to_owned());
    let file: Vec<Box<dyn MediaStream>> = vec![Box::new(FileTransferStream::send(&source, selector))];
    alice.add_streams(file).await.expect("connected");
    until(&mut bob, |event| {
        matches!(event, SessionEvent::GotProposal { .. }).then_some(())
    })
    .await;
    let file: Vec<Box<dyn MediaStream>> = vec![Box::new(FileTransferStream::receive(folder.path()))];
    bob.accept_proposal(file).await.expect("proposed");
    let path = until(&mut bob, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(FileTransferEvent::DidFinish { path }),
            ..
        } => Some(path.clone()),
        _ => None,
    })
    .await;
    assert_eq!(std::fs::read(&path).expect("there"), content);
    end(&alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_is_seen_through_the_relays_of_both() {
    let (hers, his) = (relay().await, relay().await);
    let mut two = Two::new(
        at("alice", &hers, RelayUsage::Always),
        at("bob", &his, RelayUsage::Always),
    );
    let desktop = |handler| boxed(DesktopSharingStream::new(handler));
    let (mut alice, mut bob) = meet(
        &mut two,
        desktop(DesktopSharingHandler::InternalServer),
        desktop(DesktopSharingHandler::InternalViewer),
    )
    .await;
    assert_eq!((hers.place_count(), his.place_count()), (1, 1));
    let shown: Vec<u8> = (0..300_000_u32).map(|n| (n * 31 % 251) as u8).collect();
    for piece in shown.chunks(10_000).map(<[u8]>::to_vec) {
        let sent = alice.with_stream(None, |desktop: &mut DesktopSharingStream, cx| {
            desktop.send(cx, piece)
        });
        sent.await.expect("there is room for them");
    }
    assert_eq!(seen(&mut bob, shown.len()).await, shown);
    let pressed = b"a key".to_vec();
    let answered = pressed.clone();
    let sent = bob.with_stream(None, |desktop: &mut DesktopSharingStream, cx| {
        desktop.send(cx, answered)
    });
    sent.await.expect("there is room for it");
    assert_eq!(seen(&mut alice, pressed.len()).await, pressed);
    end(&alice, &mut bob).await;
}

/// So many bytes of what the other side shows, or does.
async fn seen(session: &mut Session, length: usize) -> Vec<u8> {
    let mut seen = Vec::new();
    until(session, |event| {
        if let SessionEvent::Stream {
            event: StreamEvent::DesktopSharing(DesktopSharingEvent::GotData { data }),
            ..
        } = event
        {
            seen.extend_from_slice(data);
        }
        (seen.len() >= length).then_some(())
    })
    .await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_gives_no_place_is_told_before_anybody_is_called() {
    let relay = relay().await;
    let strict = serve(config("msrp", false)).await;
    let gone = {
        let gone = calls::relay::relay().await;
        settings("alice", "alicepw", &gone)
    };
    let (bob, mut bobs_events) = start();
    for (settings, told) in [
        (settings("alice", "wrong", &relay), "was refused"),
        (settings("alice", "alicepw", &strict), "403"),
        (gone, "no connection to 127.0.0.1:"),
    ] {
        let settings = settings.without_tls();
        let usage = RelayUsage::Always;
        let (alice, _events) = start_with(|config| config.msrp_relay = Some(MsrpRelay { settings, usage }));
        let uri: SipUri = format!("sip:bob@{}", bob.local_addr()).parse().unwrap();
        let routes = vec![Route::new(Transport::Udp, bob.local_addr())];
        let account = Account::local("alice").expect("a name");
        let error = alice
            .call_with(&account, NameAddr::new(uri.into()), routes, chat())
            .await
            .err()
            .expect("there is no place")
            .to_string();
        assert!(error.starts_with("the MSRP relay gives no place: "), "{error}");
        assert!(error.contains(told), "{error}");
    }
    // Where nothing goes through the relay, nothing is asked of it: this call is the first that Bob sees.
    let usage = RelayUsage::Always;
    let settings = settings("alice", "wrong", &relay).without_tls();
    let (alice, _events) = start_with(|config| config.msrp_relay = Some(MsrpRelay { settings, usage }));
    let audio = Box::new(AudioStream::offer().without_device());
    let _call = call(&alice, bob.local_addr(), vec![audio]).await;
    let mut session = incoming(&mut bobs_events).await;
    let kinds = until(&mut session, |event| match event {
        SessionEvent::NewIncoming { streams, .. } => Some(
            streams
                .iter()
                .map(|stream| matches!(stream, StreamDescription::Audio(_)))
                .collect::<Vec<_>>(),
        ),
        _ => None,
    })
    .await;
    assert_eq!(kinds, [true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_dies_takes_the_chat_with_it_and_nothing_else() {
    let relay = relay().await;
    let address = relay.local_addr();
    let mut two = Two::new(at("alice", &relay, RelayUsage::default()), nowhere);
    let streams = || -> Vec<Box<dyn MediaStream>> {
        vec![
            Box::new(AudioStream::offer().without_device()),
            Box::new(ChatStream::new()),
        ]
    };
    let (mut alice, mut bob) = meet(&mut two, streams(), streams()).await;
    talk(&mut alice, &mut bob).await;
    drop(relay);
    let mut reasons = Vec::new();
    for session in [&mut alice, &mut bob] {
        let reason = until(session, |event| match event {
            SessionEvent::Stream {
                event: StreamEvent::DidFail { reason },
                ..
            } => Some(Some(reason.clone())),
            SessionEvent::DidRenegotiateStreams {
                action: RenegotiationAction::Remove,
                ..
            } => Some(None),
            _ => None,
        })
        .await;
        reasons.extend(reason);
    }
    // Who notices first takes the stream out of the session, and the other side may hear of that first.
    let expected = format!("the connection is over: the connection through the relay {address} ended");
    assert!(
        !reasons.is_empty() && reasons.iter().all(|reason| *reason == expected),
        "{reasons:?}"
    );
    let five = Digit::try_from('5').expect("a digit");
    alice.send_dtmf(five).await.expect("the call goes on");
    until(&mut bob, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::Audio(AudioEvent::GotDtmf { digit, .. }),
            ..
        } => (*digit == five).then_some(()),
        _ => None,
    })
    .await;
    end(&alice, &mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_believed_over_tls_by_its_certificate_alone() {
    let key = rcgen::KeyPair::generate().expect("randomness");
    let params = rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let certificate = params.expect("names").self_signed(&key).expect("a key");
    let pem = certificate.pem().into_bytes();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key: PrivateKeyDer<'static> = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let inward = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("usual")
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key)
        .expect("they fit");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(chain[0].clone()).expect("a certificate");
    let outward = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("usual")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = config("msrps", false);
    let relay = RelayServer::bind_tls(
        "127.0.0.1:0".parse().unwrap(),
        config,
        Arc::new(inward),
        Arc::new(outward),
    )
    .await
    .expect("a free port");

    let believing = || TlsOptions {
        trust: Trust::CaPem(pem.clone()),
        ..TlsOptions::default()
    };
    let at_relay = |user: &str| {
        let settings = settings(user, &format!("{user}pw"), &relay);
        let usage = RelayUsage::Always;
        Some(MsrpRelay { settings, usage })
    };
    for his in [at_relay("bob"), None] {
        let mut two = Two::new(
            |config| {
                config.tls = believing();
                config.msrp_relay = at_relay("alice");
            },
            |config| {
                config.tls = believing();
                config.msrp_relay = his;
            },
        );
        let (mut alice, mut bob) = meet(&mut two, chat(), chat()).await;
        for session in [&alice, &bob] {
            let described = session.with_stream(None, |chat: &mut ChatStream, _| Ok(chat.describe()));
            let StreamDescription::Chat(chat) = described.await.expect("it runs") else {
                panic!("a chat is a chat")
            };
            assert_eq!(chat.transport, MsrpTransport::Tls);
        }
        talk(&mut alice, &mut bob).await;
        end(&alice, &mut bob).await;
    }
    // Whom nobody has certified is told nothing, not even who we are.
    let (alice, _events) = start_with(|config| {
        config.tls = TlsOptions {
            trust: Trust::CaPem(Vec::new()),
            ..TlsOptions::default()
        };
        config.msrp_relay = at_relay("alice");
    });
    let uri: SipUri = "sip:bob@127.0.0.1:9".parse().unwrap();
    let routes = vec![Route::new(Transport::Udp, "127.0.0.1:9".parse().unwrap())];
    let account = Account::local("alice").expect("a name");
    let error = alice
        .call_with(&account, NameAddr::new(uri.into()), routes, chat())
        .await
        .err()
        .expect("nobody believes it");
    assert!(error.to_string().contains("MSRP relay"), "{error}");
}
