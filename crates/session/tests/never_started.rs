//! Streams over MSRP whose peer agrees and then does nothing: they fail in time, and the session goes on with the others.

#![cfg(feature = "tokio")]

mod calls;

use calls::altered::{Alteration, Altered};
use calls::folder::Folder;
use calls::{Two, until, why_it_failed};
use offhook_sdp::{Attribute, Media};
use offhook_session::tokio::select_file;
use offhook_session::{
    AudioStream, ChatEvent, ChatMessage, ChatStream, DesktopSharingHandler, DesktopSharingStream,
    FileTransferStream, MediaStream, SessionEvent, StreamEvent,
};
use std::fs;
use std::time::Duration;

/// What is long enough for who answers at all. Nobody does here, so a slow machine changes nothing.
const LIMIT: Duration = Duration::from_millis(500);

/// Agrees to a stream, and then neither connects nor says a word to who does: the system accepts connections by itself.
struct Mute {
    setup: &'static str,
}

impl Alteration for Mute {
    fn answer(&self, media: &mut Media) {
        media.attributes.set(Attribute::with_value("setup", self.setup));
    }

    fn starts(&self) -> bool {
        false
    }
}

fn with_audio(stream: impl MediaStream) -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(AudioStream::offer().without_device()), Box::new(stream)]
}

/// Alice offers audio and a stream to a mute, who waits for her or promises to come; the audio outlives it.
async fn fails_alone(mut hers: impl FnMut() -> Box<dyn MediaStream>, mut his: impl FnMut() -> Streams) {
    for (setup, told) in [
        (
            "active",
            "no connection: the other side did not connect within 500ms",
        ),
        (
            "passive",
            "no connection: the other side does not answer at 127.0.0.1:",
        ),
    ] {
        let mut two = Two::new(
            |config| config.sessions.streams.msrp_start_timeout = LIMIT,
            |_| {},
        );
        let audio = || -> Box<dyn MediaStream> { Box::new(AudioStream::offer().without_device()) };
        let (mut alice, mut bob) = two.meet(vec![audio(), hers()], his()(setup)).await;
        let reason = why_it_failed(&mut alice).await;
        assert!(reason.starts_with(told), "{setup}: {reason}");
        // They talk.
        alice.hold().await.expect("the call goes on");
        until(&mut bob, |event| {
            matches!(event, SessionEvent::DidChangeHoldState { .. }).then_some(())
        })
        .await;
    }
}

/// His streams, by what they say of the setup.
type Streams = Box<dyn FnOnce(&'static str) -> Vec<Box<dyn MediaStream>>>;

fn mute(stream: impl MediaStream) -> Streams {
    Box::new(|setup| {
        with_audio(Altered {
            stream,
            by: Mute { setup },
        })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_nobody_connects_fails_alone() {
    fails_alone(|| Box::new(ChatStream::new()), || mute(ChatStream::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_fetches_fails_alone() {
    let folder = Folder::new("never-started");
    let path = folder.join("source");
    fs::write(&path, "what nobody wants").expect("there is room");
    let selector = select_file(&path, "text/plain", true).await.expect("there");
    let inbox = Folder::new("never-started-inbox");
    fails_alone(
        || Box::new(FileTransferStream::send(&path, selector.clone())),
        || mute(FileTransferStream::receive(inbox.path())),
    )
    .await;
    assert_eq!(inbox.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_that_nobody_shows_fails_alone() {
    fails_alone(
        || Box::new(DesktopSharingStream::new(DesktopSharingHandler::InternalViewer)),
        || mute(DesktopSharingStream::new(DesktopSharingHandler::InternalServer)),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_in_a_chat_that_never_began_is_told_as_lost() {
    let mut two = Two::new(
        |config| config.sessions.streams.msrp_start_timeout = LIMIT,
        |_| {},
    );
    let (mut alice, _bob) = two
        .meet(with_audio(ChatStream::new()), mute(ChatStream::new())("active"))
        .await;
    let sent = alice
        .send_message(ChatMessage::text("early"))
        .await
        .expect("queued");
    until(&mut alice, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::Chat(ChatEvent::DidNotDeliverMessage { message_id, .. }),
            ..
        } => (*message_id == sent).then_some(()),
        _ => None,
    })
    .await;
}
