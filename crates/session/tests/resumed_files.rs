//! Files whose transfer breaks off, and goes on with another try.

#![cfg(feature = "tokio")]

mod calls;

use calls::altered::{Alteration, Altered};
use calls::folder::Folder;
use calls::relay::{at, slow_relay};
use calls::{PATIENCE, Two, until, why_it_failed};
use offhook_msrp::tokio::RelayServer;
use offhook_sdp::{Media, SessionDescription};
use offhook_session::tokio::{RelayUsage, Session, select_file};
use offhook_session::{
    Agreed, AudioStream, FileSelector, FileTransferEvent, FileTransferStream, MediaStream, SessionEvent,
    StreamError, StreamEvent,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Large enough that at [`SLOW`] it takes half a minute: no machine is so busy that it is through before it is cut off.
const SIZE: usize = 3_000_000;

/// Bytes a second through the relay that is cut off.
const SLOW: u64 = 100_000;

/// The same through one that is not cut off.
const STEADY: u64 = 1_500_000;

/// A folder with a file in it, and an inbox.
struct Files {
    outbox: Folder,
    inbox: Folder,
}

impl Files {
    fn new(name: &str) -> Self {
        let files = Self {
            outbox: Folder::new(&format!("resumed-{name}")),
            inbox: Folder::new(&format!("resumed-{name}-inbox")),
        };
        fs::write(files.source(), content()).expect("there is room");
        files
    }

    fn source(&self) -> PathBuf {
        self.outbox.join("source.bin")
    }

    fn inbox(&self) -> &Path {
        self.inbox.path()
    }

    async fn selector(&self) -> FileSelector {
        select_file(&self.source(), "application/octet-stream", true)
            .await
            .expect("there")
    }

    async fn to_send(&self) -> FileTransferStream {
        FileTransferStream::send(self.source(), self.selector().await)
    }

    fn arrived(&self) -> Vec<String> {
        self.inbox.names()
    }

    /// The length of what is kept for another try, once nobody writes it any more: the only thing there.
    async fn kept(&self) -> u64 {
        let names = self.arrived();
        let [part] = &names[..] else { panic!("{names:?}") };
        assert!(
            part.starts_with(".source.bin.") && Path::new(part).extension().is_some_and(|end| end == "part"),
            "{part}"
        );
        let part = fs::File::open(self.inbox.join(part)).expect("there");
        let end = Instant::now() + PATIENCE;
        while part.try_lock().is_err() {
            assert!(Instant::now() < end, "it is in use still");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        part.metadata().expect("there").len()
    }

    /// Waits until nothing of it is there any more.
    async fn is_empty(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.arrived().is_empty() {
            assert!(Instant::now() < end, "{:?}", self.arrived());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn content() -> Vec<u8> {
    (0..SIZE as u32).map(|n| (n * 31 % 251) as u8).collect()
}

fn with_audio(stream: impl MediaStream) -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(AudioStream::offer().without_device()), Box::new(stream)]
}

/// Two who are connected directly.
fn directly() -> Two {
    Two::new(|_| {}, |_| {})
}

/// Two of whom Alice is behind a slow relay.
async fn slowly(bytes_per_second: u64) -> (Two, RelayServer) {
    let relay = slow_relay(bytes_per_second).await;
    (Two::new(at("alice", &relay, RelayUsage::Always), |_| {}), relay)
}

/// Alice calls Bob. They talk as well: so the session outlives the file.
async fn meet(two: &mut Two, hers: impl MediaStream, his: impl MediaStream) -> (Session, Session) {
    two.meet(with_audio(hers), with_audio(his)).await
}

/// Begins a transfer through a slow relay and cuts it off in the middle; gives why it failed for who receives, unless the other side
/// was quicker to take the stream away.
async fn broken_off(hers: impl MediaStream, his: impl MediaStream, she_sends: bool) -> Option<String> {
    let (mut two, relay) = slowly(SLOW).await;
    let (mut alice, mut bob) = meet(&mut two, hers, his).await;
    let receiver = if she_sends { &mut bob } else { &mut alice };
    until(receiver, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(FileTransferEvent::Progress { transferred, .. }),
            ..
        } => (*transferred > 50_000).then_some(()),
        _ => None,
    })
    .await;
    drop(relay);
    let mut reasons = Vec::new();
    for session in [&mut alice, &mut bob] {
        reasons.push(end_of_file(session).await);
    }
    reasons.swap_remove(usize::from(she_sends))
}

/// The end of the stream that is not audio, and why it failed if it did.
async fn end_of_file(session: &mut Session) -> Option<String> {
    let mut failed = None;
    until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::DidFail { reason },
            ..
        } => {
            failed = Some(reason.clone());
            None
        }
        SessionEvent::Stream {
            event: StreamEvent::DidEnd,
            ..
        } => Some(()),
        _ => None,
    })
    .await;
    failed
}

/// Where a transfer went on, and where the file lies at last.
async fn finished(session: &mut Session) -> (Option<u64>, PathBuf) {
    let mut resumed = None;
    let path = until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(event),
            ..
        } => match event {
            FileTransferEvent::DidResume { transferred, size } => {
                assert_eq!((resumed, *size), (None, Some(SIZE as u64)));
                resumed = Some(*transferred);
                None
            }
            FileTransferEvent::Progress { transferred, .. } => {
                assert!(Some(*transferred) >= resumed, "{transferred} of {resumed:?}");
                None
            }
            FileTransferEvent::DidFinish { path } => Some(path.clone()),
            _ => None,
        },
        _ => None,
    })
    .await;
    (resumed, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_pushed_goes_on_where_it_broke_off() {
    let folder = Files::new("push");
    let inbox = FileTransferStream::receive(folder.inbox());
    let reason = broken_off(folder.to_send().await, inbox, true).await;
    let kept = folder.kept().await;
    assert!(kept > 50_000 && kept < SIZE as u64, "{kept}");
    let told = format!("; the first {kept} bytes are kept, another try goes on from there");
    assert!(reason.is_none_or(|reason| reason.ends_with(&told)));

    let mut two = directly();
    let inbox = FileTransferStream::receive(folder.inbox());
    let (mut alice, mut bob) = meet(&mut two, folder.to_send().await, inbox).await;
    let (resumed, path) = finished(&mut bob).await;
    assert_eq!(resumed, Some(kept));
    assert_eq!(
        finished(&mut alice).await.0,
        Some(kept),
        "the sender says so, too"
    );
    assert_eq!(fs::read(&path).expect("there"), content());
    assert_eq!(folder.arrived(), ["source.bin"], "nothing else is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_pulled_goes_on_where_it_broke_off() {
    let folder = Files::new("pull");
    let wanted = folder.selector().await;
    let fetch = || FileTransferStream::fetch(wanted.clone(), folder.inbox());
    broken_off(fetch(), folder.to_send().await, false).await;
    let kept = folder.kept().await;

    let mut two = directly();
    let (mut alice, mut bob) = meet(&mut two, fetch(), folder.to_send().await).await;
    let (resumed, path) = finished(&mut alice).await;
    assert_eq!((resumed, finished(&mut bob).await.0), (Some(kept), Some(kept)));
    assert_eq!(fs::read(&path).expect("there"), content());
    assert_eq!(folder.arrived(), ["source.bin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_meanwhile_is_told_and_not_kept() {
    let folder = Files::new("changed");
    let announced = folder.selector().await;
    let inbox = || FileTransferStream::receive(folder.inbox());
    broken_off(folder.to_send().await, inbox(), true).await;
    folder.kept().await;
    let mut changed = content();
    changed.reverse();
    fs::write(folder.source(), changed).expect("there is room");
    let mut two = directly();
    let sent = FileTransferStream::send(folder.source(), announced);
    let (mut alice, mut bob) = meet(&mut two, sent, inbox()).await;
    let told = "the hash of what came is not the one that was announced";
    assert_eq!(why_it_failed(&mut bob).await, told);
    assert!(why_it_failed(&mut alice).await.contains("did not keep the file"));
    folder.is_empty().await; // nothing is left to go wrong again

    // One that says what it is by now has nothing to do with what was kept of the other.
    let mut two = directly();
    let (_alice, mut bob) = meet(&mut two, folder.to_send().await, inbox()).await;
    assert_eq!(finished(&mut bob).await.0, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_to_go_on_later_keeps_nothing() {
    let folder = Files::new("without");
    let inbox = FileTransferStream::receive(folder.inbox()).without_resume();
    let reason = broken_off(folder.to_send().await, inbox, true).await;
    assert!(reason.is_none_or(|reason| !reason.contains("kept")));
    folder.is_empty().await;
    // Nor is anything kept that could not be known again.
    let nameless = FileSelector {
        hashes: Vec::new(),
        ..folder.selector().await
    };
    let sent = FileTransferStream::send(folder.source(), nameless);
    broken_off(sent, FileTransferStream::receive(folder.inbox()), true).await;
    folder.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_that_comes_twice_at_a_time_arrives_twice() {
    let folder = Files::new("twice");
    let (mut slow, _relay) = slowly(STEADY).await;
    let mut quick = directly();
    let inbox = || FileTransferStream::receive(folder.inbox());
    let (_alice, mut first) = meet(&mut slow, folder.to_send().await, inbox()).await;
    until(&mut first, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(FileTransferEvent::Progress { .. }),
            ..
        } => Some(()),
        _ => None,
    })
    .await;
    let (_alice, mut second) = meet(&mut quick, folder.to_send().await, inbox()).await;
    for session in [&mut second, &mut first] {
        let (resumed, path) = finished(session).await;
        assert_eq!(resumed, None);
        assert_eq!(fs::read(path).expect("there"), content());
    }
    assert_eq!(folder.arrived(), ["source-1.bin", "source.bin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_file_that_comes_twice_in_a_session_one_goes_on() {
    let folder = Files::new("twice-at-once");
    let inbox = || FileTransferStream::receive(folder.inbox());
    broken_off(folder.to_send().await, inbox(), true).await;
    let kept = folder.kept().await;
    let mut two = directly();
    let hers: [Box<dyn MediaStream>; 2] =
        [Box::new(folder.to_send().await), Box::new(folder.to_send().await)];
    let his: [Box<dyn MediaStream>; 2] = [Box::new(inbox()), Box::new(inbox())];
    let (_alice, mut bob) = two.meet(hers.into(), his.into()).await;
    let (mut resumed, mut done) = (Vec::new(), 0);
    until(&mut bob, |event| {
        if let SessionEvent::Stream {
            event: StreamEvent::FileTransfer(event),
            ..
        } = event
        {
            match event {
                FileTransferEvent::DidResume { transferred, .. } => resumed.push(*transferred),
                FileTransferEvent::DidFinish { .. } => done += 1,
                _ => {}
            }
        }
        (done == 2).then_some(())
    })
    .await;
    assert_eq!(resumed, [kept]);
    assert_eq!(folder.arrived(), ["source-1.bin", "source.bin"]);
}

/// What makes a sender one of another make, in what it knows of ranges.
struct Strangeness {
    /// It says that it knows ranges, and sends all nevertheless.
    boasts: bool,
}

impl Alteration for Strangeness {
    fn offer(&self, media: &mut Media) {
        assert!(media.attributes.contains("file-range"));
        if !self.boasts {
            media.attributes.remove("file-range");
        }
    }

    fn agreed(&mut self, agreed: Agreed<'_>, remote: &mut SessionDescription) -> Result<(), StreamError> {
        let attributes = &mut remote.media[agreed.index].attributes;
        let asks = attributes.contains("file-range");
        assert_eq!(asks, self.boasts, "only who knows ranges is asked for one");
        attributes.remove("file-range");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_knows_no_ranges_sends_all_again() {
    for boasts in [false, true] {
        let folder = Files::new(if boasts { "boasts" } else { "stranger" });
        let inbox = || FileTransferStream::receive(folder.inbox());
        broken_off(folder.to_send().await, inbox(), true).await;
        folder.kept().await;
        let mut two = directly();
        let stream = folder.to_send().await;
        let by = Strangeness { boasts };
        let (_alice, mut bob) = meet(&mut two, Altered { stream, by }, inbox()).await;
        let (resumed, path) = finished(&mut bob).await;
        assert_eq!(resumed, None);
        assert_eq!(fs::read(&path).expect("there"), content());
        assert_eq!(folder.arrived(), ["source.bin"]);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_where_a_part_would_be_is_no_way_out_of_the_folder() {
    let folder = Files::new("link");
    let inbox = || FileTransferStream::receive(folder.inbox());
    broken_off(folder.to_send().await, inbox(), true).await;
    folder.kept().await;
    let names = folder.arrived();
    let part = folder.inbox().join(&names[0]);
    let outside = folder.outbox.join("outside");
    fs::rename(&part, &outside).expect("it is there");
    let before = fs::read(&outside).expect("there");
    std::os::unix::fs::symlink(&outside, &part).expect("a link");
    let mut two = directly();
    let (_alice, mut bob) = meet(&mut two, folder.to_send().await, inbox()).await;
    let (resumed, path) = finished(&mut bob).await;
    assert_eq!((resumed, fs::read(path).expect("there")), (None, content()));
    assert_eq!(fs::read(&outside).expect("there"), before);
    assert!(Path::new(&part).is_symlink());
}

/// A file that is spoiled while it is sent, or before: both sides are told, the call goes on, and nothing has the file's name.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_shrinks_or_vanishes_fails_its_stream_alone() {
    for (name, is_begun, told) in [
        ("shrinks", true, "the file became shorter while it was sent"),
        ("vanishes", false, "cannot be read"),
    ] {
        let folder = Files::new(name);
        let (mut two, _relay) = slowly(SLOW).await;
        // More than fits into all that lies between the two.
        let source = fs::File::create(folder.source()).expect("there is room");
        source
            .set_len(64 * 1024 * 1024)
            .expect("nothing of it is written");
        let selector = select_file(&folder.source(), "application/octet-stream", false).await;
        let hers = FileTransferStream::send(folder.source(), selector.expect("there"));
        if !is_begun {
            fs::remove_file(folder.source()).expect("it was there");
        }
        let inbox = FileTransferStream::receive(folder.inbox());
        let (mut alice, mut bob) = meet(&mut two, hers, inbox).await;
        if is_begun {
            until(&mut bob, |event| match event {
                SessionEvent::Stream {
                    event: StreamEvent::FileTransfer(FileTransferEvent::Progress { transferred, .. }),
                    ..
                } => (*transferred > 50_000).then_some(()),
                _ => None,
            })
            .await;
            source.set_len(60_000).expect("it can be cut off");
        }
        let reason = end_of_file(&mut alice).await.expect("it failed");
        assert!(reason.contains(told), "{reason}");
        end_of_file(&mut bob).await;
        // They still talk.
        alice.hold().await.expect("the call goes on");
        until(&mut bob, |event| {
            matches!(event, SessionEvent::DidChangeHoldState { .. }).then_some(())
        })
        .await;
        let arrived = folder.arrived();
        assert!(!arrived.contains(&"source.bin".to_owned()), "{arrived:?}");
    }
}
