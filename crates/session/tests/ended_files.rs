//! Files whose session, or stream, is ended before they are through: what became of them is told before the end is.

#![cfg(feature = "tokio")]

mod calls;

use calls::folder::Folder;
use calls::relay::{at, slow_relay};
use calls::{Two, boxed, until, until_started};
use offhook_session::tokio::{RelayUsage, Session, select_file};
use offhook_session::{AudioStream, FileTransferEvent, FileTransferStream, SessionEvent, StreamEvent};
use std::fs;

/// Of this a slow relay has enough for half a minute.
const SIZE: u64 = 3_000_000;

/// A file to send, and a folder to receive it in.
struct Files {
    outbox: Folder,
    inbox: Folder,
}

impl Files {
    fn new(name: &str) -> Self {
        let files = Self {
            outbox: Folder::new(&format!("ended-{name}")),
            inbox: Folder::new(&format!("ended-{name}-inbox")),
        };
        let content: Vec<u8> = (0..SIZE as u32).map(|n| (n * 31 % 251) as u8).collect();
        fs::write(files.outbox.join("report.bin"), content).expect("there is room");
        files
    }

    async fn to_send(&self) -> FileTransferStream {
        let path = self.outbox.join("report.bin");
        let selector = select_file(&path, "application/octet-stream", true).await;
        FileTransferStream::send(path, selector.expect("there"))
    }

    fn to_receive(&self) -> FileTransferStream {
        FileTransferStream::receive(self.inbox.path())
    }
}

/// Reads until so many bytes went over.
async fn until_transferred(session: &mut Session, wanted: u64) {
    until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(FileTransferEvent::Progress { transferred, .. }),
            ..
        } => (*transferred >= wanted).then_some(()),
        _ => None,
    })
    .await;
}

/// How a session and its file end, in order.
#[derive(Debug, PartialEq)]
enum Told {
    SessionWillEnd,
    WillEnd,
    DidFinish,
    DidFail(String),
    DidEnd,
    SessionDidEnd,
}

/// What is told of the end of a session and its file; of the latter alone where the session goes on.
async fn end_of(session: &mut Session, with_session: bool) -> Vec<Told> {
    let mut told = Vec::new();
    until(session, |event| {
        let told_now = match event {
            SessionEvent::WillEnd => Told::SessionWillEnd,
            SessionEvent::DidEnd { .. } => Told::SessionDidEnd,
            SessionEvent::Stream { event, .. } => match event {
                StreamEvent::WillEnd => Told::WillEnd,
                StreamEvent::FileTransfer(FileTransferEvent::DidFinish { .. }) => Told::DidFinish,
                StreamEvent::DidFail { reason } => Told::DidFail(reason.clone()),
                StreamEvent::DidEnd => Told::DidEnd,
                _ => return None,
            },
            _ => return None,
        };
        let is_last = told_now
            == if with_session {
                Told::SessionDidEnd
            } else {
                Told::DidEnd
            };
        told.push(told_now);
        is_last.then_some(())
    })
    .await;
    told
}

/// The only reason among what was told; the rest is in this order.
#[track_caller]
fn reason_of(mut told: Vec<Told>, order: &[Told]) -> String {
    let at = told.iter().position(|told| matches!(told, Told::DidFail(_)));
    let at = at.unwrap_or_else(|| panic!("nothing failed: {told:?}"));
    let Told::DidFail(reason) = told.remove(at) else {
        unreachable!("found above")
    };
    assert_eq!(told, order, "but for the failure at {at}");
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_in_the_middle_of_a_file_leaves_nobody_in_doubt() {
    let order = [
        Told::SessionWillEnd,
        Told::WillEnd,
        Told::DidEnd,
        Told::SessionDidEnd,
    ];
    for sender_ends in [true, false] {
        let files = Files::new(if sender_ends { "sender" } else { "receiver" });
        let relay = slow_relay(100_000).await;
        let mut two = Two::new(at("alice", &relay, RelayUsage::Always), |_| {});
        let streams = (boxed(files.to_send().await), boxed(files.to_receive()));
        let (mut alice, mut bob) = two.meet(streams.0, streams.1).await;
        until_transferred(&mut bob, 50_000).await;
        let ends = if sender_ends { &alice } else { &bob };
        ends.end().await.expect("it runs");
        let reason = reason_of(end_of(&mut bob, true).await, &order);
        let kept = "bytes are kept, another try goes on from there";
        assert!(
            reason.contains("; the first ") && reason.ends_with(kept),
            "{reason}"
        );
        let reason = reason_of(end_of(&mut alice, true).await, &order);
        let told = "the session ended before the other side had all of the file";
        assert!(!sender_ends || reason == told, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_all_was_taken_of_is_there_or_told_as_failed() {
    for disk_fails in [false, true] {
        let files = Files::new(if disk_fails { "taken-lost" } else { "taken" });
        let mut two = Two::new(|_| {}, |_| {});
        let streams = (boxed(files.to_send().await), boxed(files.to_receive()));
        let (mut alice, mut bob) = two.meet(streams.0, streams.1).await;
        if disk_fails {
            until_transferred(&mut bob, 1).await;
            // What is open may still be written, and finds no place at last.
            fs::remove_dir_all(files.inbox.path()).expect("it was there");
        }
        // She does not wait for his word that he has it in its place.
        until_transferred(&mut alice, SIZE).await;
        alice.end().await.expect("it runs");
        let told = end_of(&mut bob, true).await;
        assert_eq!(told.last(), Some(&Told::SessionDidEnd));
        assert_eq!(told[told.len() - 2], Told::DidEnd, "{told:?}");
        let finished = told.iter().filter(|told| **told == Told::DidFinish).count();
        let failed = told
            .iter()
            .filter(|told| matches!(told, Told::DidFail(_)))
            .count();
        let wanted = if disk_fails { (0, 1) } else { (1, 0) };
        assert_eq!((finished, failed), wanted, "{told:?}");
        if disk_fails {
            let reason = told.iter().find_map(|told| match told {
                Told::DidFail(reason) => Some(reason),
                _ => None,
            });
            assert!(
                reason.is_some_and(|reason| reason.contains("cannot write")),
                "{reason:?}"
            );
        } else {
            assert_eq!(files.inbox.names(), ["report.bin"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cancelled_tells_both_sides_and_leaves_the_call() {
    for sender_cancels in [true, false] {
        let files = Files::new(if sender_cancels { "cancel-out" } else { "cancel-in" });
        let relay = slow_relay(100_000).await;
        let mut two = Two::new(at("alice", &relay, RelayUsage::Always), |_| {});
        let talk = || AudioStream::offer().without_device();
        let hers = [boxed(talk()), boxed(files.to_send().await)]
            .into_iter()
            .flatten();
        let his = [boxed(talk()), boxed(files.to_receive())].into_iter().flatten();
        let (mut alice, mut bob) = two.meet(hers.collect(), his.collect()).await;
        until_started(&mut alice).await;
        let canceller = if sender_cancels { &mut alice } else { &mut bob };
        let stream = until(canceller, |event| match event {
            SessionEvent::Stream {
                stream,
                event: StreamEvent::FileTransfer(FileTransferEvent::Progress { .. }),
            } => Some(*stream),
            _ => None,
        })
        .await;
        canceller.remove_stream(stream).await.expect("it runs");
        for session in [&mut alice, &mut bob] {
            reason_of(end_of(session, false).await, &[Told::WillEnd, Told::DidEnd]);
        }
        alice.hold().await.expect("the call goes on");
        until(&mut bob, |event| {
            matches!(event, SessionEvent::DidChangeHoldState { .. }).then_some(())
        })
        .await;
        let names = files.inbox.names();
        assert!(!names.contains(&"report.bin".to_owned()), "{names:?}");
    }
}
