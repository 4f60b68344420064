//! Chat and files between two user agents on loopback: real SIP, real MSRP, real disks.

#![cfg(feature = "tokio")]

mod calls;

use calls::altered::{Alteration, Altered};
use calls::folder::Folder;
use calls::{Pair, boxed, call, incoming, start, until, until_started};
use offhook_msrp::MsrpPath;
use offhook_msrp::cpim::Notification;
use offhook_msrp::cpim::imdn::Disposition;
use offhook_rtp_media::dtmf::Digit;
use offhook_sdp::{Attribute, SessionDescription};
use offhook_session::tokio::{Session, select_file};
use offhook_session::{
    Agreed, AudioEvent, AudioStream, ChatEvent, ChatMessage, ChatStream, Composing, FileTransferEvent,
    FileTransferStream, MediaStream, MsrpTransport, RenegotiationAction, SessionEvent, StreamDescription,
    StreamError, StreamEvent,
};
use offhook_sip_core::StatusCode;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// Waits until one stream was added or removed.
async fn until_renegotiated(session: &mut Session, wanted: RenegotiationAction) {
    until(session, |event| match event {
        SessionEvent::DidRenegotiateStreams { action, streams } => {
            assert_eq!((*action, streams.len()), (wanted, 1));
            Some(())
        }
        _ => None,
    })
    .await;
}

async fn chat_event<R>(session: &mut Session, mut choose: impl FnMut(&ChatEvent) -> Option<R>) -> R {
    until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::Chat(event),
            ..
        } => choose(event),
        _ => None,
    })
    .await
}

fn chat() -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(ChatStream::new())]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_talk_by_chat_and_hear_of_delivery() {
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let mut outgoing = call(&alice, bob.local_addr(), chat()).await;
    // Sent before there is anybody to read it: it waits.
    let early = outgoing
        .send_message(ChatMessage::text("early"))
        .await
        .expect("queued");
    let mut answered = incoming(&mut bob_events).await;
    answered.accept_with(chat()).await.expect("acceptable");
    let first = chat_event(&mut answered, |event| match event {
        ChatEvent::GotMessage { message } => Some(message.clone()),
        _ => None,
    })
    .await;
    assert_eq!(first.as_text(), Some("early"));
    for session in [&outgoing, &answered] {
        let described = session.with_stream(None, |chat: &mut ChatStream, _| Ok(chat.describe()));
        let StreamDescription::Chat(chat) = described.await.expect("it runs") else {
            panic!("a chat is a chat")
        };
        assert_eq!(chat.transport, MsrpTransport::Tls, "by default");
    }
    assert_eq!(first.media_type(), "text/plain");
    let sender = first.sender.expect("wrapped in CPIM");
    assert!(sender.uri().starts_with("sip:alice@"), "{}", sender.uri());
    assert!(first.timestamp.is_some());
    chat_event(&mut outgoing, |event| match event {
        ChatEvent::DidDeliverMessage { message_id } => (*message_id == early).then_some(()),
        _ => None,
    })
    .await;

    answered
        .send_composing_indication(Composing::Active)
        .await
        .expect("it runs");
    answered
        .send_message(ChatMessage::text("hello back"))
        .await
        .expect("sent");
    chat_event(&mut outgoing, |event| match event {
        ChatEvent::GotComposingIndication { composing, .. } => {
            let _: () = assert_eq!(*composing, Composing::Active);
            Some(())
        }
        _ => None,
    })
    .await;
    let back = chat_event(&mut outgoing, |event| match event {
        ChatEvent::GotMessage { message } => Some(message.clone()),
        _ => None,
    })
    .await;
    assert_eq!(back.as_text(), Some("hello back"));
    outgoing.end().await.expect("running");
    until(&mut answered, |event| {
        matches!(event, SessionEvent::DidEnd { .. }).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_tells_that_a_message_arrived_and_was_shown() {
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let mut outgoing = call(&alice, bob.local_addr(), chat()).await;
    let mut answered = incoming(&mut bob_events).await;
    answered.accept_with(chat()).await.expect("acceptable");
    until_started(&mut outgoing).await;
    let message = ChatMessage::text("read this")
        .with_notifications(&[Notification::PositiveDelivery, Notification::Display]);
    let sent = outgoing.send_message(message).await.expect("it runs");
    let told = |wanted: Disposition| {
        let sent = sent.clone();
        move |event: &ChatEvent| match event {
            ChatEvent::GotNotification {
                message_id,
                disposition,
                sender,
            } => {
                assert_eq!((message_id, *disposition), (&sent, wanted));
                Some(sender.clone())
            }
            _ => None,
        }
    };
    let got = chat_event(&mut answered, |event| match event {
        ChatEvent::GotMessage { message } => Some(message.clone()),
        _ => None,
    })
    .await;
    let teller = chat_event(&mut outgoing, told(Disposition::Delivered)).await;
    assert!(teller.is_some_and(|teller| teller.uri().starts_with("sip:")));
    for _ in 0..2 {
        let shown = got.clone();
        answered
            .with_stream(None, move |chat: &mut ChatStream, cx| {
                chat.send_display_notification(cx, &shown)
            })
            .await
            .expect("it runs");
    }
    chat_event(&mut outgoing, told(Disposition::Displayed)).await;

    // Who asks for nothing is told nothing: the next that is heard is the message after it.
    outgoing
        .send_message(ChatMessage::text("and this"))
        .await
        .expect("it runs");
    let got = chat_event(&mut answered, |event| match event {
        ChatEvent::GotMessage { message } => Some(message.clone()),
        _ => None,
    })
    .await;
    assert_eq!(
        (got.as_text(), &got.notifications[..]),
        (Some("and this"), &[][..])
    );
    outgoing.end().await.expect("running");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_side_does_not_take_is_refused_here() {
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let mut outgoing = call(&alice, bob.local_addr(), chat()).await;
    let mut answered = incoming(&mut bob_events).await;
    let plain = ChatStream::new().with_accept_types(&["text/plain"], &[]);
    answered.accept_with(boxed(plain)).await.expect("acceptable");
    until_started(&mut outgoing).await;
    let error = outgoing
        .send_message(ChatMessage::new("image/png", "png"))
        .await
        .expect_err("only text is taken");
    assert_eq!(
        error.to_string(),
        "the other side takes text/plain, not image/png"
    );
    outgoing
        .send_message(ChatMessage::text("bare"))
        .await
        .expect("text is taken");
    let bare = chat_event(&mut answered, |event| match event {
        ChatEvent::GotMessage { message } => Some(message.clone()),
        _ => None,
    })
    .await;
    assert_eq!(bare.as_text(), Some("bare"));
    assert_eq!(bare.sender, None, "not wrapped");
}

async fn transfer(path: &Path, name: &str, into: &Path) -> (Vec<u64>, PathBuf) {
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let mut selector = select_file(path, "text/plain", true).await.expect("there");
    selector.name = Some(name.to_owned());
    let mut outgoing = call(
        &alice,
        bob.local_addr(),
        boxed(FileTransferStream::send(path, selector)),
    )
    .await;
    let mut answered = incoming(&mut bob_events).await;
    let proposed = until(&mut answered, |event| match event {
        SessionEvent::NewIncoming { streams, .. } => streams.iter().next().cloned(),
        _ => None,
    })
    .await;
    let StreamDescription::FileTransfer(proposed) = proposed else {
        panic!("{proposed:?}")
    };
    assert!(proposed.is_incoming);
    answered
        .accept_with(boxed(FileTransferStream::receive(into)))
        .await
        .expect("acceptable");
    let mut progress = Vec::new();
    let received = until(&mut answered, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(event),
            ..
        } => match event {
            FileTransferEvent::Progress { transferred, .. } => {
                progress.push(*transferred);
                None
            }
            FileTransferEvent::DidFinish { path } => Some(path.clone()),
            _ => None,
        },
        _ => None,
    })
    .await;
    until(&mut outgoing, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(FileTransferEvent::DidFinish { .. }),
            ..
        } => Some(()),
        _ => None,
    })
    .await;
    outgoing.end().await.expect("running");
    until(&mut answered, |event| {
        matches!(event, SessionEvent::DidEnd { .. }).then_some(())
    })
    .await;
    (progress, received)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_whole_under_a_name_that_leads_nowhere() {
    let folder = Folder::new("push");
    // More than a message that is kept in memory may have.
    let content: Vec<u8> = (0..6_000_000_u32).map(|n| (n * 31 % 251) as u8).collect();
    let source = folder.join("source");
    fs::write(&source, &content).expect("there is room");
    let inbox = Folder::new("push-inbox");
    let (progress, received) = transfer(&source, "../../report.txt", inbox.path()).await;
    assert_eq!(received, inbox.join("report.txt"));
    assert_eq!(fs::read(&received).expect("there"), content);
    assert_eq!(progress.last(), Some(&(content.len() as u64)));
    assert!(progress.is_sorted(), "{progress:?}");
    // What is there stays there.
    let (_, second) = transfer(&source, "report.txt", inbox.path()).await;
    assert_eq!(second, inbox.join("report-1.txt"));
    assert_eq!(
        inbox.names(),
        ["report-1.txt", "report.txt"],
        "and nothing half-done"
    );
}

/// So many sections no session description may have.
const MORE_THAN_SECTIONS: usize = 66;

/// A session may send files all day: each takes the section of one that is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_done_leaves_the_call_and_its_section_to_the_next() {
    let (folder, inbox) = (Folder::new("many"), Folder::new("many-inbox"));
    let source = folder.join("source");
    fs::write(&source, "one of many").expect("there is room");
    let audio = || boxed(AudioStream::offer().without_device());
    let mut pair = Pair::new(audio(), audio()).await;
    until_started(&mut pair.alice).await;
    until_started(&mut pair.bob).await;
    for _ in 0..MORE_THAN_SECTIONS {
        let selector = select_file(&source, "text/plain", true).await.expect("there");
        let file = boxed(FileTransferStream::send(&source, selector));
        pair.alice.add_streams(file).await.expect("connected");
        let sections = until(&mut pair.bob, |event| match event {
            SessionEvent::GotProposal { streams, .. } => Some(streams.len()),
            _ => None,
        })
        .await;
        assert_eq!(sections, 1);
        let receiving = boxed(FileTransferStream::receive(inbox.path()));
        pair.bob.accept_proposal(receiving).await.expect("proposed");
        for session in [&mut pair.alice, &mut pair.bob] {
            until_renegotiated(session, RenegotiationAction::Add).await;
            until(session, |event| match event {
                SessionEvent::Stream {
                    event: StreamEvent::FileTransfer(FileTransferEvent::DidFinish { .. }),
                    ..
                } => Some(()),
                SessionEvent::DidRenegotiateStreams { .. } => panic!("the file is whole first"),
                _ => None,
            })
            .await;
            until_renegotiated(session, RenegotiationAction::Remove).await;
        }
    }
    assert_eq!(inbox.names().len(), MORE_THAN_SECTIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_arrives_too() {
    let folder = Folder::new("empty");
    let source = folder.join("nothing");
    fs::write(&source, "").expect("there is room");
    let (_, received) = transfer(&source, "nothing", folder.path()).await;
    assert_eq!(fs::metadata(received).expect("there").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_another_hash_is_not_kept() {
    let folder = Folder::new("hash");
    let source = folder.join("source");
    fs::write(&source, "what was announced").expect("there is room");
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let selector = select_file(&source, "text/plain", true).await.expect("there");
    fs::write(&source, "what is there now!").expect("there is room");
    let streams = boxed(FileTransferStream::send(&source, selector));
    let _outgoing = call(&alice, bob.local_addr(), streams).await;
    let mut answered = incoming(&mut bob_events).await;
    let inbox = Folder::new("hash-inbox");
    answered
        .accept_with(boxed(FileTransferStream::receive(inbox.path())))
        .await
        .expect("acceptable");
    let reason = until(&mut answered, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::DidFail { reason },
            ..
        } => Some(reason.clone()),
        _ => None,
    })
    .await;
    assert_eq!(reason, "the hash of what came is not the one that was announced");
    until(&mut answered, |event| {
        matches!(event, SessionEvent::DidEnd { .. }).then_some(())
    })
    .await;
    assert_eq!(inbox.names(), [""; 0], "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_fetched_from_who_has_it() {
    let folder = Folder::new("pull");
    let source = folder.join("wanted");
    fs::write(&source, "here you are").expect("there is room");
    let selector = select_file(&source, "text/plain", true).await.expect("there");
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let inbox = Folder::new("pull-inbox");
    let streams = boxed(FileTransferStream::fetch(selector.clone(), inbox.path()));
    let mut outgoing = call(&alice, bob.local_addr(), streams).await;
    let answered = incoming(&mut bob_events).await;
    answered
        .accept_with(boxed(FileTransferStream::send(&source, selector)))
        .await
        .expect("acceptable");
    let received = until(&mut outgoing, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(FileTransferEvent::DidFinish { path }),
            ..
        } => Some(path.clone()),
        _ => None,
    })
    .await;
    assert_eq!(fs::read_to_string(received).expect("there"), "here you are");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_added_to_a_call_and_removed_again() {
    let ((alice, _alice_events), (bob, mut bob_events)) = (start(), start());
    let mut outgoing = call(
        &alice,
        bob.local_addr(),
        boxed(AudioStream::offer().without_device()),
    )
    .await;
    let mut answered = incoming(&mut bob_events).await;
    answered
        .accept_with(boxed(AudioStream::offer().without_device()))
        .await
        .expect("acceptable");
    until_started(&mut outgoing).await;
    until_started(&mut answered).await;

    outgoing.add_streams(chat()).await.expect("connected");
    let proposed = until(&mut answered, |event| match event {
        SessionEvent::GotProposal { streams, .. } => Some(streams.clone()),
        _ => None,
    })
    .await;
    assert!(matches!(proposed.iter().next(), Some(StreamDescription::Chat(_))));
    answered.accept_proposal(chat()).await.expect("proposed");
    for session in [&mut outgoing, &mut answered] {
        until_renegotiated(session, RenegotiationAction::Add).await;
    }
    outgoing
        .send_message(ChatMessage::text("while we talk"))
        .await
        .expect("it runs");
    let stream = until(&mut answered, |event| match event {
        SessionEvent::Stream {
            stream,
            event: StreamEvent::Chat(ChatEvent::GotMessage { message }),
        } => {
            let _: () = assert_eq!(message.as_text(), Some("while we talk"));
            Some(())
        }
        .map(|()| *stream),
        _ => None,
    })
    .await;

    answered.remove_stream(stream).await.expect("connected");
    for session in [&mut answered, &mut outgoing] {
        until_renegotiated(session, RenegotiationAction::Remove).await;
    }
    // And once more: the place of the old section is kept, the new one comes behind it.
    answered.add_streams(chat()).await.expect("connected");
    until(&mut outgoing, |event| {
        matches!(event, SessionEvent::GotProposal { .. }).then_some(())
    })
    .await;
    outgoing
        .reject_proposal(StatusCode::NOT_ACCEPTABLE_HERE)
        .await
        .expect("proposed");
    until(&mut answered, |event| match event {
        SessionEvent::GotRejectProposal { code, .. } => {
            let _: () = assert_eq!(*code, 488);
            Some(())
        }
        _ => None,
    })
    .await;
    answered.end().await.expect("the call goes on until here");
    until(&mut outgoing, |event| {
        matches!(event, SessionEvent::DidEnd { .. }).then_some(())
    })
    .await;
}

/// What one side may have waiting at the other: more than fits into all that lies between the two.
const FLOOD: usize = 1_000;

/// Sends the stream to a place where nobody listens.
struct DeadEnd;

impl Alteration for DeadEnd {
    fn agreed(&mut self, agreed: Agreed<'_>, remote: &mut SessionDescription) -> Result<(), StreamError> {
        let attributes = &mut remote.media[agreed.index].attributes;
        let Some(path) = attributes.value("path") else {
            return Ok(()); // it was taken away
        };
        let path: MsrpPath = path.parse().expect("a path");
        let session_id = path.last().session_id().expect("of a session");
        let nowhere = format!("msrps://127.0.0.1:1/{session_id};tcp");
        attributes.set(Attribute::with_value("path", nowhere));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_taken_away_before_it_is_connected_has_not_failed() {
    let audio = || boxed(AudioStream::offer().without_device());
    let Pair {
        mut alice, mut bob, ..
    } = Pair::new(audio(), audio()).await;
    until_started(&mut alice).await;
    until_started(&mut bob).await;
    alice.add_streams(chat()).await.expect("connected");
    until(&mut bob, |event| {
        matches!(event, SessionEvent::GotProposal { .. }).then_some(())
    })
    .await;
    let dead_end = Altered {
        stream: ChatStream::new(),
        by: DeadEnd,
    };
    bob.accept_proposal(boxed(dead_end)).await.expect("proposed");
    // He cannot connect; she thinks better of it.
    let mut added = None;
    until(&mut alice, |event| match event {
        SessionEvent::Stream {
            stream,
            event: StreamEvent::DidInitialize,
        } => {
            added = Some(*stream);
            None
        }
        SessionEvent::GotAcceptProposal { .. } => Some(()),
        _ => None,
    })
    .await;
    alice
        .remove_stream(added.expect("a chat"))
        .await
        .expect("connected");
    until(&mut bob, |event| {
        let SessionEvent::Stream { event, .. } = event else {
            return None;
        };
        assert!(!matches!(event, StreamEvent::DidFail { .. }), "{event:?}");
        matches!(event, StreamEvent::DidEnd).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_his_chat_makes_the_other_side_wait_and_loses_nothing() {
    let streams = || -> Vec<Box<dyn MediaStream>> {
        vec![
            Box::new(AudioStream::offer().without_device()),
            Box::new(ChatStream::new()),
        ]
    };
    let mut pair = Pair::new(streams(), streams()).await;
    until_started(&mut pair.alice).await;
    until_started(&mut pair.bob).await;
    for number in 0..FLOOD {
        let text = format!("{number} {}", "x".repeat(16_000));
        let sent = pair.alice.send_message(ChatMessage::text(&text)).await;
        sent.expect("there is room for it here");
    }
    // As long as he does not read, few are told as delivered.
    let delivered = |event: &SessionEvent| match event {
        SessionEvent::Stream {
            event: StreamEvent::Chat(ChatEvent::DidDeliverMessage { .. }),
            ..
        } => Some(()),
        _ => None,
    };
    let mut count = 0;
    while timeout(Duration::from_secs(3), until(&mut pair.alice, delivered))
        .await
        .is_ok()
    {
        count += 1;
    }
    assert!((1..FLOOD / 2).contains(&count), "{count}");
    // The other streams go on.
    let five = Digit::try_from('5').expect("a digit");
    pair.bob.send_dtmf(five).await.expect("the call goes on");
    until(&mut pair.alice, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::Audio(AudioEvent::GotDtmf { digit }),
            ..
        } => (*digit == five).then_some(()),
        _ => None,
    })
    .await;
    for number in 0..FLOOD {
        let text = chat_event(&mut pair.bob, |event| match event {
            ChatEvent::GotMessage { message } => message.as_text().map(str::to_owned),
            _ => None,
        });
        assert!(text.await.starts_with(&format!("{number} ")), "{number}");
    }
    while count < FLOOD {
        until(&mut pair.alice, delivered).await;
        count += 1;
    }
}
