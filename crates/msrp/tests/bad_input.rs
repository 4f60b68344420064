//! What peers send who are broken or mean: each is answered as the RFC says or cut off, and the session beside it on the
//! same server goes on.
#![cfg(feature = "tokio")]

use offhook_msrp::session::{CloseReason, Delivery};
use offhook_msrp::tokio::{ConnectorDirect, MsrpConnection, MsrpServer, ServerConfig};
use offhook_msrp::{MsrpPath, OutgoingMessage, SessionConfig, SessionEvent};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const THEIRS: &str = "msrp://127.0.0.1:9/mallory;tcp";

/// A server with a healthy session, and a raw connection that is bound to another one.
struct Scene {
    server: MsrpServer,
    healthy: (MsrpConnection, MsrpConnection),
    victim: MsrpConnection,
    mallory: TcpStream,
    ours: String,
}

impl Scene {
    async fn set(adjust: impl FnOnce(&mut SessionConfig)) -> Self {
        let mut config = ServerConfig::default();
        config.head_timeout = Duration::from_millis(300);
        let server = MsrpServer::bind("127.0.0.1:0".parse().unwrap(), config)
            .await
            .unwrap();
        let healthy = pair(&server).await;
        let expected = server.prepare(None).unwrap();
        let ours = expected.local_path().to_string();
        let mut config = expected.session_config(THEIRS.parse().unwrap());
        config.message_limits.bytes = 100_000;
        config.stall_timeout = Duration::from_millis(300);
        adjust(&mut config);
        let mut mallory = TcpStream::connect(server.local_addr()).await.unwrap();
        let bind = request("bind", "SEND", &ours, THEIRS, "Message-ID: bind\r\n", "$");
        mallory.write_all(bind.as_bytes()).await.unwrap();
        let victim = expected.complete(config).await.unwrap();
        let mut scene = Self {
            server,
            healthy,
            victim,
            mallory,
            ours,
        };
        assert!(scene.hear().await.starts_with("MSRP bind 200 "));
        scene
    }

    async fn say(&mut self, text: &str) {
        self.mallory.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next chunk that mallory hears; empty at the end of the connection.
    async fn hear(&mut self) -> String {
        let mut heard = Vec::new();
        let hearing = async {
            while !heard.ends_with(b"$\r\n") {
                match self.mallory.read_u8().await {
                    Ok(byte) => heard.push(byte),
                    Err(_) => return,
                }
            }
        };
        timeout(PATIENCE, hearing).await.expect("an answer or the end");
        String::from_utf8(heard).unwrap()
    }

    /// Mallory says something and is answered with a status.
    async fn is_answered(&mut self, text: &str, status: &str) {
        self.say(text).await;
        let heard = self.hear().await;
        let got = heard.split(' ').nth(2).map(|word| word.trim_end().to_owned());
        assert_eq!(got.as_deref(), Some(status), "{heard:?}");
        self.others_are_well().await;
    }

    /// The victim's session ends for this reason, and the connection with it.
    async fn is_cut_off(&mut self, is_it: impl Fn(&CloseReason) -> bool) {
        loop {
            match timeout(PATIENCE, self.victim.next_event())
                .await
                .expect("an end in time")
            {
                Some(SessionEvent::Closed(reason)) => {
                    assert!(is_it(&reason), "{reason:?}");
                    break;
                }
                Some(_) => {}
                None => panic!("no reason was told"),
            }
        }
        while !self.hear().await.is_empty() {}
        self.others_are_well().await;
    }

    async fn others_are_well(&mut self) {
        let (alice, bob) = &mut self.healthy;
        let delivered = alice
            .handle()
            .deliver(OutgoingMessage::new("text/plain", "still there?"));
        timeout(PATIENCE, delivered).await.unwrap().unwrap();
        let heard = timeout(PATIENCE, bob.next_event()).await.unwrap();
        assert!(matches!(heard, Some(SessionEvent::Message(_))), "{heard:?}");
    }
}

async fn pair(server: &MsrpServer) -> (MsrpConnection, MsrpConnection) {
    let expected = server.prepare(None).unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let (a, b): (MsrpPath, MsrpPath) = (connector.local_path().clone(), expected.local_path().clone());
    let (alice, bob) = tokio::join!(
        connector.complete(SessionConfig::new(a.clone(), b.clone())),
        expected.complete(SessionConfig::new(b, a))
    );
    (alice.unwrap(), bob.unwrap())
}

fn request(id: &str, method: &str, to: &str, from: &str, rest: &str, flag: &str) -> String {
    format!("MSRP {id} {method}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{rest}-------{id}{flag}\r\n")
}

/// A chunk with a body.
fn chunk(id: &str, to: &str, range: &str, body: &str, flag: &str) -> String {
    let rest =
        format!("Message-ID: msg1\r\nByte-Range: {range}\r\nContent-Type: text/plain\r\n\r\n{body}\r\n");
    request(id, "SEND", to, THEIRS, &rest, flag)
}

#[tokio::test]
async fn responses_with_wrong_transaction_ids_are_ignored() {
    let mut scene = Scene::set(|_| {}).await;
    let ours = scene.ours.clone();
    for id in ["wrong1", "bind", "0123456789abcdef0"] {
        scene.say(&request(id, "403 no", &ours, THEIRS, "", "$")).await;
    }
    scene
        .is_answered(&chunk("good1", &ours, "1-2/2", "hi", "$"), "200")
        .await;
}

#[tokio::test]
async fn an_end_line_with_another_transaction_id_is_body() {
    let mut scene = Scene::set(|_| {}).await;
    let ours = scene.ours.clone();
    let body =
        "a\r\n-------good2$\r\nMSRP good2 SEND\r\n-------good1?\r\n-------good1$x\r\n------good1$\r\nz";
    scene
        .is_answered(&chunk("good1", &ours, "1-*/*", body, "$"), "200")
        .await;
    match scene.victim.next_event().await {
        Some(SessionEvent::Message(message)) => assert_eq!(message.body, body),
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn paths_of_other_sessions_are_answered_481() {
    let mut scene = Scene::set(|_| {}).await;
    let ours = scene.ours.clone();
    let other = ours.replace(";tcp", "x;tcp");
    scene
        .is_answered(&chunk("abcd1", &other, "1-2/2", "hi", "$"), "481")
        .await;
    let from_other = request("abcd2", "SEND", &ours, "msrp://127.0.0.1:9/eve;tcp", "", "$");
    scene.is_answered(&from_other, "481").await;
    let no_path = "MSRP abcd3 SEND\r\nFrom-Path: msrp://127.0.0.1:9/mallory;tcp\r\n-------abcd3$\r\n";
    scene.is_answered(no_path, "400").await;
}

#[tokio::test]
async fn a_byte_range_that_lies_is_answered_400() {
    for range in [
        "0-1/2",
        "3-1/2",
        "1-9/2",
        "2-*/1",
        "1-2/3",
        "x",
        "1-2",
        "99999999999999999999-*/*",
    ] {
        let mut scene = Scene::set(|_| {}).await;
        let ours = scene.ours.clone();
        scene
            .is_answered(&chunk("abcd1", &ours, range, "hi", "$"), "400")
            .await;
    }
}

#[tokio::test]
async fn a_body_longer_than_announced_is_answered_400() {
    for range in ["1-2/9", "1-*/2", "8-*/9"] {
        let mut scene = Scene::set(|_| {}).await;
        let ours = scene.ours.clone();
        scene
            .is_answered(&chunk("abcd1", &ours, range, "hey", "+"), "400")
            .await;
    }
}

#[tokio::test]
async fn a_chunk_that_never_ends_is_stopped_and_then_cut_off() {
    let mut scene = Scene::set(|config| {
        config.discarded_bytes = 1_000_000;
        config.delivery = Delivery::Collected;
    })
    .await;
    let head = chunk("abcd1", &scene.ours.clone(), "1-*/*", "", "$");
    scene.say(&head[..head.len() - 16]).await;
    let piece = "x".repeat(10_000);
    for _ in 0..11 {
        scene.say(&piece).await;
    }
    assert!(scene.hear().await.starts_with("MSRP abcd1 413 "));
    for _ in 0..200 {
        if scene.mallory.write_all(piece.as_bytes()).await.is_err() {
            break;
        }
    }
    scene.is_cut_off(|reason| *reason == CloseReason::Flood).await;
}

#[tokio::test]
async fn floods_of_header_fields_are_cut_off() {
    for flood in [
        "MSRP abcd1 SEND\r\n".to_owned() + &"A: b\r\n".repeat(100),
        "MSRP abcd1 SEND\r\nA: ".to_owned() + &"x".repeat(20_000),
    ] {
        let mut scene = Scene::set(|_| {}).await;
        scene.say(&flood).await;
        scene
            .is_cut_off(|reason| matches!(reason, CloseReason::Unintelligible(_)))
            .await;
    }
}

#[tokio::test]
async fn who_sends_a_head_byte_by_byte_is_cut_off() {
    let mut scene = Scene::set(|_| {}).await;
    let text = request("abcd1", "SEND", &scene.ours.clone(), THEIRS, "", "$");
    for byte in text.bytes() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if scene.mallory.write_all(&[byte]).await.is_err() {
            break;
        }
    }
    scene.is_cut_off(|reason| *reason == CloseReason::Stalled).await;
}

#[tokio::test]
async fn who_connects_and_is_slow_does_not_keep_the_server_from_others() {
    let mut scene = Scene::set(|_| {}).await;
    let mut slow = TcpStream::connect(scene.server.local_addr()).await.unwrap();
    slow.write_all(b"MSRP ab").await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, slow.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert!(rest.is_empty(), "nothing is said to who never asked");
    scene.others_are_well().await;
}

#[tokio::test]
async fn what_is_not_msrp_is_cut_off() {
    let mut scene = Scene::set(|_| {}).await;
    scene.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    scene
        .is_cut_off(|reason| matches!(reason, CloseReason::Unintelligible(_)))
        .await;
}

#[tokio::test]
async fn unknown_methods_are_answered_501() {
    let mut scene = Scene::set(|_| {}).await;
    let ours = scene.ours.clone();
    for (id, method) in [("abcd1", "NICKNAME"), ("abcd2", "WHATEVER"), ("abcd3", "AUTH")] {
        scene
            .is_answered(&request(id, method, &ours, THEIRS, "", "$"), "501")
            .await;
    }
}

#[tokio::test]
async fn a_message_id_of_another_session_means_nothing_here() {
    let mut scene = Scene::set(|_| {}).await;
    let ours = scene.ours.clone();
    let report = "Message-ID: msg1\r\nByte-Range: 1-2/2\r\nStatus: 000 413 stop\r\n";
    scene
        .say(&request("abcd1", "REPORT", &ours, THEIRS, report, "$"))
        .await;
    scene
        .is_answered(&chunk("good1", &ours, "1-2/2", "hi", "$"), "200")
        .await;
}
