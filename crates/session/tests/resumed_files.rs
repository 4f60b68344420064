//! Files whose transfer breaks off, and goes on with another try.

#![cfg(feature = "tokio")]

mod calls;

use calls::{PATIENCE, call, incoming, start, start_with, until};
use offhook_msrp::relay::server::{RelayConfig, RelayUser};
use offhook_msrp::tokio::{MsrpRelaySettings, RelayServer};
use offhook_sdp::{Media, SessionDescription};
use offhook_session::media::{MediaEvent, StreamId};
use offhook_session::tokio::{MsrpRelay, RelayUsage, Session, UserAgent, UserAgentEvents, select_file};
use offhook_session::{
    Agreed, AudioStream, FileSelector, FileTransferEvent, FileTransferStream, MediaStream, MsrpEnd,
    MsrpTransport, SessionEvent, StreamContext, StreamDescription, StreamError, StreamEvent, StreamSettings,
};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Large enough that at [`SLOW`] it takes half a minute: no machine is so busy that it is through before it is cut off.
const SIZE: usize = 3_000_000;

/// Bytes a second through the relay that is cut off.
const SLOW: u64 = 100_000;

/// The same through one that is not cut off.
const STEADY: u64 = 1_500_000;

/// A folder with a file in it and an inbox, gone with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("offhook-resumed-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("inbox")).expect("a place for temporary files");
        let folder = Self(path);
        fs::write(folder.source(), content()).expect("there is room");
        folder
    }

    fn source(&self) -> PathBuf {
        self.0.join("source.bin")
    }

    fn inbox(&self) -> PathBuf {
        self.0.join("inbox")
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
        let entries = fs::read_dir(self.inbox()).expect("there");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// The length of what is kept for another try, once nobody writes it any more: the only thing there.
    async fn kept(&self) -> u64 {
        let names = self.arrived();
        let [part] = &names[..] else { panic!("{names:?}") };
        assert!(
            part.starts_with(".source.bin.") && Path::new(part).extension().is_some_and(|end| end == "part"),
            "{part}"
        );
        let part = fs::File::open(self.inbox().join(part)).expect("there");
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

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content() -> Vec<u8> {
    (0..SIZE as u32).map(|n| (n * 31 % 251) as u8).collect()
}

fn with_audio(stream: impl MediaStream) -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(AudioStream::offer().without_device()), Box::new(stream)]
}

/// Two who can call each other.
struct Two {
    alice: (UserAgent, UserAgentEvents),
    bob: (UserAgent, UserAgentEvents),
}

impl Two {
    /// Connected directly.
    fn directly() -> Self {
        Self {
            alice: start(),
            bob: start(),
        }
    }

    /// Through a slow relay.
    async fn slowly(bytes_per_second: u64) -> (Self, RelayServer) {
        let mut config = RelayConfig::new("msrp://127.0.0.1:0;tcp".parse().unwrap());
        config.allow_plain_auth = true;
        let mut user = RelayUser::new("secret");
        user.bytes_per_second = Some(bytes_per_second);
        config.users.insert("alice".to_owned(), user);
        let relay = RelayServer::bind("127.0.0.1:0".parse().unwrap(), config).await;
        let relay = relay.expect("a free port");
        let settings = MsrpRelaySettings::new("127.0.0.1", "alice", "secret")
            .with_host("127.0.0.1", relay.local_addr().port())
            .without_tls();
        let usage = RelayUsage::Always;
        let alice = start_with(|config| {
            config.msrp_relay = Some(MsrpRelay { settings, usage });
            config.sessions.streams.msrp_transport = MsrpTransport::Tcp;
        });
        (Self { alice, bob: start() }, relay)
    }

    /// Alice calls Bob. They talk as well: so the session outlives the file.
    async fn meet(&mut self, hers: impl MediaStream, his: impl MediaStream) -> (Session, Session) {
        let alice = call(&self.alice.0, self.bob.0.local_addr(), with_audio(hers)).await;
        let bob = incoming(&mut self.bob.1).await;
        bob.accept_with(with_audio(his)).await.expect("acceptable");
        (alice, bob)
    }
}

/// Begins a transfer through a slow relay and cuts it off in the middle; gives why it failed for who receives, unless the other side
/// was quicker to take the stream away.
async fn broken_off(hers: impl MediaStream, his: impl MediaStream, she_sends: bool) -> Option<String> {
    let (mut two, relay) = Two::slowly(SLOW).await;
    let (mut alice, mut bob) = two.meet(hers, his).await;
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

async fn failure(session: &mut Session) -> String {
    until(session, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::DidFail { reason },
            ..
        } => Some(reason.clone()),
        _ => None,
    })
    .await
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
    let folder = Folder::new("push");
    let inbox = FileTransferStream::receive(folder.inbox());
    let reason = broken_off(folder.to_send().await, inbox, true).await;
    let kept = folder.kept().await;
    assert!(kept > 50_000 && kept < SIZE as u64, "{kept}");
    let told = format!("; the first {kept} bytes are kept, another try goes on from there");
    assert!(reason.is_none_or(|reason| reason.ends_with(&told)));

    let mut two = Two::directly();
    let inbox = FileTransferStream::receive(folder.inbox());
    let (mut alice, mut bob) = two.meet(folder.to_send().await, inbox).await;
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
    let folder = Folder::new("pull");
    let wanted = folder.selector().await;
    let fetch = || FileTransferStream::fetch(wanted.clone(), folder.inbox());
    broken_off(fetch(), folder.to_send().await, false).await;
    let kept = folder.kept().await;

    let mut two = Two::directly();
    let (mut alice, mut bob) = two.meet(fetch(), folder.to_send().await).await;
    let (resumed, path) = finished(&mut alice).await;
    assert_eq!((resumed, finished(&mut bob).await.0), (Some(kept), Some(kept)));
    assert_eq!(fs::read(&path).expect("there"), content());
    assert_eq!(folder.arrived(), ["source.bin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_meanwhile_is_told_and_not_kept() {
    let folder = Folder::new("changed");
    let announced = folder.selector().await;
    let inbox = || FileTransferStream::receive(folder.inbox());
    broken_off(folder.to_send().await, inbox(), true).await;
    folder.kept().await;
    let mut changed = content();
    changed.reverse();
    fs::write(folder.source(), changed).expect("there is room");
    let mut two = Two::directly();
    let sent = FileTransferStream::send(folder.source(), announced);
    let (mut alice, mut bob) = two.meet(sent, inbox()).await;
    let told = "the hash of what came is not the one that was announced";
    assert_eq!(failure(&mut bob).await, told);
    assert!(failure(&mut alice).await.contains("did not keep the file"));
    folder.is_empty().await; // nothing is left to go wrong again

    // One that says what it is by now has nothing to do with what was kept of the other.
    let mut two = Two::directly();
    let (_alice, mut bob) = two.meet(folder.to_send().await, inbox()).await;
    assert_eq!(finished(&mut bob).await.0, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_to_go_on_later_keeps_nothing() {
    let folder = Folder::new("without");
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
    let folder = Folder::new("twice");
    let (mut slow, _relay) = Two::slowly(STEADY).await;
    let mut quick = Two::directly();
    let inbox = || FileTransferStream::receive(folder.inbox());
    let (_alice, mut first) = slow.meet(folder.to_send().await, inbox()).await;
    until(&mut first, |event| match event {
        SessionEvent::Stream {
            event: StreamEvent::FileTransfer(FileTransferEvent::Progress { .. }),
            ..
        } => Some(()),
        _ => None,
    })
    .await;
    let (_alice, mut second) = quick.meet(folder.to_send().await, inbox()).await;
    for session in [&mut second, &mut first] {
        let (resumed, path) = finished(session).await;
        assert_eq!(resumed, None);
        assert_eq!(fs::read(path).expect("there"), content());
    }
    assert_eq!(folder.arrived(), ["source-1.bin", "source.bin"]);
}

/// A sender of another make, in what it knows of ranges.
struct Stranger {
    stream: FileTransferStream,
    /// It says that it knows ranges, and sends all nevertheless.
    boasts: bool,
}

impl Stranger {
    fn forget(media: &mut Media) {
        media.attributes.remove("file-range");
    }
}

impl MediaStream for Stranger {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        self.stream.takes(offer, index)
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        self.stream.initialize(cx, local, settings)
    }

    fn offer(&self) -> Media {
        let mut media = self.stream.offer();
        assert!(media.attributes.contains("file-range"));
        if !self.boasts {
            Self::forget(&mut media);
        }
        media
    }

    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError> {
        self.stream.answer(offer, index)
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let mut remote = agreed.remote.clone();
        let asks = remote.media[agreed.index].attributes.contains("file-range");
        assert_eq!(asks, self.boasts, "only who knows ranges is asked for one");
        Self::forget(&mut remote.media[agreed.index]);
        let agreed = Agreed {
            remote: &remote,
            ..agreed
        };
        self.stream.start(cx, agreed)
    }

    fn is_running(&self) -> bool {
        self.stream.is_running()
    }

    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        self.stream.validate_update(remote, index)
    }

    fn update(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        self.stream.update(cx, agreed)
    }

    fn handle_media_event(
        &mut self,
        cx: &mut StreamContext<'_>,
        event: MediaEvent,
    ) -> Result<(), StreamError> {
        self.stream.handle_media_event(cx, event)
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        self.stream.end(cx);
    }

    fn id(&self) -> Option<StreamId> {
        self.stream.id()
    }

    fn msrp(&mut self) -> Option<&mut MsrpEnd> {
        self.stream.msrp()
    }

    fn describe(&self) -> StreamDescription {
        self.stream.describe()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_knows_no_ranges_sends_all_again() {
    for boasts in [false, true] {
        let folder = Folder::new(if boasts { "boasts" } else { "stranger" });
        let inbox = || FileTransferStream::receive(folder.inbox());
        broken_off(folder.to_send().await, inbox(), true).await;
        folder.kept().await;
        let mut two = Two::directly();
        let stream = folder.to_send().await;
        let (_alice, mut bob) = two.meet(Stranger { stream, boasts }, inbox()).await;
        let (resumed, path) = finished(&mut bob).await;
        assert_eq!(resumed, None);
        assert_eq!(fs::read(&path).expect("there"), content());
        assert_eq!(folder.arrived(), ["source.bin"]);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_where_a_part_would_be_is_no_way_out_of_the_folder() {
    let folder = Folder::new("link");
    let inbox = || FileTransferStream::receive(folder.inbox());
    broken_off(folder.to_send().await, inbox(), true).await;
    folder.kept().await;
    let names = folder.arrived();
    let part = folder.inbox().join(&names[0]);
    let outside = folder.0.join("outside");
    fs::rename(&part, &outside).expect("it is there");
    let before = fs::read(&outside).expect("there");
    std::os::unix::fs::symlink(&outside, &part).expect("a link");
    let mut two = Two::directly();
    let (_alice, mut bob) = two.meet(folder.to_send().await, inbox()).await;
    let (resumed, path) = finished(&mut bob).await;
    assert_eq!((resumed, fs::read(path).expect("there")), (None, content()));
    assert_eq!(fs::read(&outside).expect("there"), before);
    assert!(Path::new(&part).is_symlink());
}
