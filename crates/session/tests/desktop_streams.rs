//! A shared desktop between two user agents on loopback, with programs at both ends that play VNC.

#![cfg(feature = "tokio")]

mod calls;

use calls::{PATIENCE, Pair, boxed, until, until_started, why_it_failed};
use offhook_session::media::RfbContext;
use offhook_session::tokio::Session;
use offhook_session::{
    AudioStream, ChatEvent, ChatMessage, ChatStream, DesktopSharingEvent, DesktopSharingHandler,
    DesktopSharingStream, MediaStream, MsrpTransport, Originator, SessionEvent, StreamDescription,
    StreamEvent,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// A time that no test waits out.
const LONG: Duration = Duration::from_mins(1);

/// Alice and Bob share a desktop, and nothing else.
async fn sharing(hers: DesktopSharingHandler, his: DesktopSharingHandler) -> Pair {
    Pair::new(desktop(hers), desktop(his)).await
}

fn desktop(handler: DesktopSharingHandler) -> Vec<Box<dyn MediaStream>> {
    boxed(DesktopSharingStream::new(handler))
}

async fn desktop_event<R>(
    session: &mut Session,
    mut choose: impl FnMut(&DesktopSharingEvent) -> Option<R>,
) -> R {
    until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::DesktopSharing(event),
            ..
        } => choose(event),
        _ => None,
    })
    .await
}

/// Whether a stream failed before the end, and who ended the session.
async fn end_of(session: &mut Session) -> (bool, Originator) {
    let mut failed = false;
    until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::DidFail { .. },
            ..
        } => {
            failed = true;
            None
        }
        SessionEvent::DidEnd { originator, .. } => Some((failed, *originator)),
        _ => None,
    })
    .await
}

async fn send(session: &Session, data: Vec<u8>) -> Result<(), String> {
    let sent = session.with_stream(None, |stream: &mut DesktopSharingStream, cx| {
        stream.send(cx, data)
    });
    sent.await.map_err(|error| error.to_string())
}

/// Where a VNC viewer shall connect to.
async fn viewer_address(session: &Session) -> SocketAddr {
    let described = session.with_stream(None, |stream: &mut DesktopSharingStream, _| Ok(stream.describe()));
    match described.await.expect("it is there") {
        StreamDescription::DesktopSharing(desktop) => {
            assert_eq!(desktop.transport, MsrpTransport::Tls, "by default");
            desktop.viewer_address.expect("it listens")
        }
        other => panic!("{other:?}"),
    }
}

/// What a viewer waits for: somebody who listens where `DesktopSharingHandler::external_server` connects to.
async fn vnc_server() -> (TcpListener, DesktopSharingHandler) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, DesktopSharingHandler::external_server(address))
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    let accepted = timeout(PATIENCE, listener.accept()).await.expect("in time");
    accepted.expect("it connects").0
}

/// Bytes that are all different from their neighbours, for which a shift shows.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|n| (n.wrapping_mul(0x9E37_79B9) >> 13) as u8)
        .collect()
}

async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    let reading = stream.read_exact(&mut data);
    timeout(PATIENCE, reading)
        .await
        .expect("in time")
        .expect("it comes");
    data
}

/// Viewer and server are programs of their own, whoever of the two calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_what_a_server_shows_bit_for_bit() {
    for viewer_calls in [true, false] {
        let (listener, server) = vnc_server().await;
        let viewer = DesktopSharingHandler::external_viewer().with_connect_timeout(LONG);
        let mut pair = if viewer_calls {
            sharing(viewer, server).await
        } else {
            sharing(server, viewer).await
        };
        let (watching, sharing) = if viewer_calls {
            (&mut pair.alice, &mut pair.bob)
        } else {
            (&mut pair.bob, &mut pair.alice)
        };
        let address = viewer_address(watching).await;
        let mut viewer = TcpStream::connect(address).await.expect("it listens");
        let mut server = accepted(&listener).await;
        // The server speaks first, and the viewer answers.
        server.write_all(b"RFB 003.008\n").await.expect("it reads");
        assert_eq!(read(&mut viewer, 12).await, b"RFB 003.008\n");
        viewer.write_all(b"RFB 003.007\n").await.expect("it reads");
        assert_eq!(read(&mut server, 12).await, b"RFB 003.007\n");
        for session in [watching, sharing] {
            desktop_event(session, |event| {
                matches!(event, DesktopSharingEvent::HandlerDidConnect { .. }).then_some(())
            })
            .await;
        }
        let frame = pattern(5_000_001);
        let writing = frame.clone();
        let showing = tokio::spawn(async move {
            server.write_all(&writing).await.expect("it reads");
            server
        });
        assert!(
            read(&mut viewer, frame.len()).await == frame,
            "every byte in its place"
        );
        let _server = showing.await.expect("it wrote");
        // Only one viewer was expected.
        assert!(TcpStream::connect(address).await.is_err());
        pair.alice.end().await.expect("running");
        assert_eq!(end_of(&mut pair.bob).await, (false, Originator::Remote));
        assert_eq!(end_of(&mut pair.alice).await, (false, Originator::Local));
        assert_eq!(viewer.read(&mut [0; 1]).await.ok(), Some(0), "the viewer is left");
    }
}

/// A desktop that waits for its viewer loses nothing of what the server said meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_comes_late_misses_nothing() {
    let (listener, server) = vnc_server().await;
    let viewer = DesktopSharingHandler::external_viewer().with_connect_timeout(LONG);
    let mut pair = sharing(viewer, server).await;
    let mut server = accepted(&listener).await;
    let frame = pattern(2_000_000);
    let writing = frame.clone();
    let showing = tokio::spawn(async move {
        let _ = server.write_all(&writing).await;
        server
    });
    until_started(&mut pair.alice).await;
    let address = viewer_address(&pair.alice).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut viewer = TcpStream::connect(address).await.expect("it listens");
    assert!(read(&mut viewer, frame.len()).await == frame);
    drop(showing.await);
}

/// The application itself is viewer and server: bytes as events and commands, no faster than they are read.
#[tokio::test(flavor = "multi_thread")]
async fn applications_show_and_see_by_themselves() {
    let mut pair = sharing(
        DesktopSharingHandler::InternalServer,
        DesktopSharingHandler::InternalViewer,
    )
    .await;
    until_started(&mut pair.alice).await;
    let shown = pattern(20_000_000);
    let mut to_show = shown.chunks(50_000).map(<[u8]>::to_vec);
    let (mut seen, mut waited, mut all_is_given) = (Vec::new(), 0, false);
    let mut next = to_show.next();
    while seen.len() < shown.len() {
        // Until there is no room.
        while let Some(frame) = next.clone() {
            match send(&pair.alice, frame).await {
                Ok(()) => next = to_show.next(),
                Err(error) => {
                    assert!(
                        error.ends_with("wait already for the other side to take them"),
                        "{error}"
                    );
                    waited += 1;
                    break;
                }
            }
        }
        if next.is_none() && !std::mem::replace(&mut all_is_given, true) {
            send(&pair.bob, b"thank you".to_vec())
                .await
                .expect("there is room");
        }
        let alice = &mut pair.alice;
        tokio::select! {
            () = desktop_event(&mut pair.bob, |event| match event {
                DesktopSharingEvent::GotData { data } => {
                    seen.extend_from_slice(data);
                    Some(())
                }
                _ => None,
            }) => {}
            () = desktop_event(alice, |event| {
                matches!(event, DesktopSharingEvent::CanSend).then_some(())
            }), if next.is_some() => {}
        }
    }
    assert!(seen == shown, "every byte in its place");
    assert!(waited > 0, "400 pieces were never too many");
    let mut thanks = Vec::new();
    while thanks.len() < 9 {
        desktop_event(&mut pair.alice, |event| match event {
            DesktopSharingEvent::GotData { data } => {
                thanks.extend_from_slice(data);
                Some(())
            }
            _ => None,
        })
        .await;
    }
    assert_eq!(thanks, b"thank you");
}

/// A viewer that does not read stops the server; nothing grows in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_stands_still_stops_the_server() {
    let (listener, server) = vnc_server().await;
    let viewer = DesktopSharingHandler::external_viewer().with_connect_timeout(LONG);
    let pair = sharing(viewer, server).await;
    let mut viewer = TcpStream::connect(viewer_address(&pair.alice).await)
        .await
        .expect("it listens");
    let mut server = accepted(&listener).await;
    let written = Arc::new(AtomicU64::new(0));
    let counter = written.clone();
    let showing = tokio::spawn(async move {
        let frame = vec![7; 64 * 1024];
        while server.write_all(&frame).await.is_ok() {
            counter.fetch_add(frame.len() as u64, Ordering::Relaxed);
        }
    });
    // It comes to a stop: the same figure for a second.
    let begin = Instant::now();
    let mut last = (0, Instant::now());
    while last.0 == 0 || last.1.elapsed() < Duration::from_secs(1) {
        assert!(begin.elapsed() < PATIENCE, "still writing after {} bytes", last.0);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = written.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    // What systems keep in the three connections, and our own small queues: not what was written for ever.
    assert!(last.0 < 64 * 1024 * 1024, "{} bytes are somewhere", last.0);
    // And goes on when the viewer reads.
    let more = last.0 as usize + 1_000_000;
    assert_eq!(read(&mut viewer, more).await.len(), more);
    drop(pair);
    timeout(PATIENCE, showing)
        .await
        .expect("the server is left")
        .expect("no panic");
}

/// What is told when a VNC program is not there, and that a chat in the same session goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_fails_its_stream_alone() {
    let (listener, nobody) = vnc_server().await;
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let chat = || Box::new(ChatStream::new()) as Box<dyn MediaStream>;
    let hers = vec![chat(), desktop(DesktopSharingHandler::InternalViewer).remove(0)];
    let his = vec![chat(), desktop(nobody).remove(0)];
    let mut pair = Pair::new(hers, his).await;
    let (context, reason) = desktop_event(&mut pair.bob, |event| match event {
        DesktopSharingEvent::HandlerDidFail { context, reason } => Some((*context, reason.clone())),
        _ => None,
    })
    .await;
    assert_eq!(context, RfbContext::Connecting);
    let expected = format!("no connection with the VNC server at {address}: ");
    assert!(reason.starts_with(&expected), "{reason}");
    assert_eq!(why_it_failed(&mut pair.bob).await, reason);
    // The other side is told that the desktop is over, and the chat is not.
    until(&mut pair.alice, |event| {
        match event {
            // Before her side had started, or after.
            SessionEvent::DidStart { streams } | SessionEvent::DidRenegotiateStreams { streams, .. } => {
                (streams.len() == 1).then_some(())
            }
            _ => None,
        }
    })
    .await;
    pair.bob
        .send_message(ChatMessage::text("sorry"))
        .await
        .expect("it runs");
    until(&mut pair.alice, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::Chat(ChatEvent::GotMessage { message }),
            ..
        } => {
            assert_eq!(message.as_text(), Some("sorry"));
            Some(())
        }
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_never_comes_is_given_up() {
    let patience = Duration::from_millis(200);
    let viewer = DesktopSharingHandler::external_viewer().with_connect_timeout(patience);
    let mut pair = sharing(viewer, DesktopSharingHandler::InternalServer).await;
    let reason = why_it_failed(&mut pair.alice).await;
    assert_eq!(reason, "no connection with a VNC viewer within 200ms");
    let (_, originator) = end_of(&mut pair.alice).await;
    assert_eq!(originator, Originator::Local, "nothing else was in the session");
    assert_eq!(end_of(&mut pair.bob).await, (false, Originator::Remote));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_leaves_is_told_with_its_reason() {
    let (listener, server) = vnc_server().await;
    let mut pair = sharing(server, DesktopSharingHandler::InternalViewer).await;
    let mut server = accepted(&listener).await;
    server.write_all(b"goodbye").await.expect("it reads");
    let last = desktop_event(&mut pair.bob, |event| match event {
        DesktopSharingEvent::GotData { data } => Some(data.clone()),
        _ => None,
    })
    .await;
    assert_eq!(&last[..], b"goodbye");
    drop(server);
    let reason = why_it_failed(&mut pair.alice).await;
    assert_eq!(reason, "the VNC server closed its connection");
    assert_eq!(end_of(&mut pair.bob).await, (false, Originator::Remote));
}

/// A desktop comes into a call and leaves it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_is_added_to_a_call_and_removed() {
    let audio = || vec![Box::new(AudioStream::offer().without_device()) as Box<dyn MediaStream>];
    let mut pair = Pair::new(audio(), audio()).await;
    until_started(&mut pair.alice).await;
    let (listener, server) = vnc_server().await;
    pair.alice.add_streams(desktop(server)).await.expect("connected");
    until(&mut pair.bob, |event| {
        matches!(event, SessionEvent::GotProposal { .. }).then_some(())
    })
    .await;
    let proposal = desktop(DesktopSharingHandler::InternalViewer);
    pair.bob.accept_proposal(proposal).await.expect("proposed");
    let mut server = accepted(&listener).await;
    server.write_all(b"frame").await.expect("it reads");
    let stream = until(&mut pair.bob, |event| match event {
        SessionEvent::Stream {
            stream,
            event: StreamEvent::DesktopSharing(DesktopSharingEvent::GotData { .. }),
        } => Some(*stream),
        _ => None,
    })
    .await;
    pair.bob.remove_stream(stream).await.expect("connected");
    let end = timeout(PATIENCE, server.read(&mut [0; 1]))
        .await
        .expect("in time");
    assert!(matches!(end, Ok(0) | Err(_)), "the server is left");
    pair.alice.end().await.expect("the call goes on until here");
    end_of(&mut pair.bob).await;
}
