//! A stream of an application's own, by what is public alone: registered, offered, and matched by priority like those built in.

#![cfg(feature = "tokio")]

mod calls;

use calls::{Pair, Two, boxed, call, incoming, until, until_started};
use offhook_sdp::{Direction, Media, MediaKind, RtpFormat, SessionDescription};
use offhook_session::media::{LocalMedia, MediaCommand, MediaEvent, StreamId};
use offhook_session::tokio::{Session, UserAgentConfig};
use offhook_session::{
    Agreed, AudioStream, MediaStream, OtherDescription, RenegotiationAction, SessionEvent, StreamContext,
    StreamDescription, StreamError, StreamEvent, StreamKind, StreamSettings,
};
use std::net::{IpAddr, SocketAddr};

/// Readings of a machine, as RTP of a format that nobody else knows. It may be any kind of section that has the format.
struct Telemetry {
    kind: MediaKind,
    local: Option<LocalMedia>,
    /// Where the other side wants its readings.
    remote: Option<SocketAddr>,
    /// It takes an offer, and then thinks better of it.
    changes_its_mind: bool,
}

impl Telemetry {
    fn of(kind: MediaKind) -> Self {
        Self {
            kind,
            local: None,
            remote: None,
            changes_its_mind: false,
        }
    }

    fn new() -> Self {
        Self::of(MediaKind::Application)
    }

    /// The kind, asked before others that have less than this.
    fn kind(priority: i32) -> StreamKind {
        StreamKind::new("telemetry", priority, |remote, index| {
            let stream = Self::of(remote.media.get(index)?.kind.clone());
            let is_taken = stream.takes(remote, index);
            is_taken.then(|| Box::new(stream) as Box<dyn MediaStream>)
        })
    }

    fn section(&self) -> Media {
        let port = self.local.map_or(0, |local| local.rtp.port());
        let readings = RtpFormat::new(120, "x-readings", 1_000, 1);
        let mut media = Media::new(self.kind.clone(), port, "RTP/AVP");
        media.set_rtp_formats([readings]);
        media.with_direction(Direction::SendRecv)
    }

    fn follow(&mut self, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let section = &agreed.remote.media[agreed.index];
        assert!(!section.is_rejected(), "what is refused is not begun");
        let address = section.media_address(agreed.remote);
        self.remote = Some(address.ok_or(StreamError::NoAddress)?);
        Ok(())
    }
}

impl MediaStream for Telemetry {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        offer.media.get(index).is_some_and(|section| {
            let formats = section.rtp_formats();
            section.kind == self.kind && formats.iter().any(|format| format.is("x-readings"))
        })
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        _: &StreamSettings,
    ) -> Result<(), StreamError> {
        self.local = Some(cx.plane.open(local)?);
        cx.tell(StreamEvent::DidInitialize);
        Ok(())
    }

    fn offer(&self) -> Media {
        self.section()
    }

    fn answer(&mut self, _: &SessionDescription, _: usize) -> Result<Media, StreamError> {
        if self.changes_its_mind {
            return Err(StreamError::Lacks("readings"));
        }
        Ok(self.section())
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        self.follow(agreed)?;
        cx.tell(StreamEvent::DidStart);
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.remote.is_some()
    }

    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        self.takes(remote, index)
    }

    fn update(&mut self, _: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        self.follow(agreed)
    }

    fn handle_media_event(&mut self, _: &mut StreamContext<'_>, _: MediaEvent) -> Result<(), StreamError> {
        Ok(())
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        self.remote = None;
        if let Some(LocalMedia { stream, .. }) = self.local.take() {
            cx.tell(StreamEvent::WillEnd);
            cx.plane.send(MediaCommand::Stop { stream });
            cx.tell(StreamEvent::DidEnd);
        }
    }

    fn id(&self) -> Option<StreamId> {
        self.local.map(|local| local.stream)
    }

    fn describe(&self) -> StreamDescription {
        StreamDescription::Other(OtherDescription {
            kind: "telemetry".to_owned(),
            protocol: self.section().protocol.to_string(),
        })
    }
}

fn knowing(config: &mut UserAgentConfig) {
    config.sessions.registry.add(Telemetry::kind(0));
}

/// What streams are called, in the order of the session description.
fn names(streams: &offhook_session::Streams) -> Vec<String> {
    let name = |stream: &StreamDescription| match stream {
        StreamDescription::Audio(_) => "audio".to_owned(),
        StreamDescription::Other(other) => other.kind.clone(),
        other => format!("{other:?}"),
    };
    streams.iter().map(name).collect()
}

async fn proposed(session: &mut Session) -> Vec<String> {
    until(session, |event| match event {
        SessionEvent::NewIncoming { streams, .. } | SessionEvent::GotProposal { streams, .. } => {
            Some(names(streams))
        }
        _ => None,
    })
    .await
}

fn audio_and(stream: Telemetry) -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(AudioStream::offer().without_device()), Box::new(stream)]
}

/// Where each side sends its readings to, and where it takes them.
async fn addresses(session: &Session) -> (SocketAddr, SocketAddr) {
    let addresses = session.with_stream(None, |stream: &mut Telemetry, _| {
        let local = stream.local.map(|local| local.rtp);
        Ok((local.expect("it is open"), stream.remote.expect("it runs")))
    });
    addresses.await.expect("there is one")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_offered_accepted_and_ended_like_those_built_in() {
    let mut pair = Pair::of(
        Two::new(knowing, knowing),
        audio_and(Telemetry::new()),
        audio_and(Telemetry::new()),
    )
    .await;
    assert_eq!(proposed(&mut pair.bob).await, ["audio", "telemetry"]);
    for session in [&mut pair.alice, &mut pair.bob] {
        let started = until(session, |event| match event {
            SessionEvent::DidStart { streams } => Some(names(streams)),
            _ => None,
        });
        assert_eq!(started.await, ["audio", "telemetry"]);
    }
    let ((hers, to_him), (his, to_her)) = (addresses(&pair.alice).await, addresses(&pair.bob).await);
    assert_eq!((to_him, to_her), (his, hers));
    // A hold of the audio leaves it alone, for it does not know how to be held.
    pair.alice.hold().await.expect("running");
    until(&mut pair.bob, |event| match event {
        SessionEvent::DidChangeHoldState { on_hold, .. } => on_hold.then_some(()),
        _ => None,
    })
    .await;
    let stream = pair.alice.with_stream(None, |stream: &mut Telemetry, _| {
        stream.id().ok_or(StreamError::NotRunning("telemetry"))
    });
    let stream = stream.await.expect("there is one");
    pair.alice.remove_stream(stream).await.expect("connected");
    let removed = until(&mut pair.bob, |event| match event {
        SessionEvent::DidRenegotiateStreams { action, streams } => Some((*action, names(streams))),
        _ => None,
    });
    assert_eq!(
        removed.await,
        (RenegotiationAction::Remove, vec!["telemetry".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_added_to_a_running_session_and_refused_where_nobody_knows_it() {
    let audio = || boxed(AudioStream::offer().without_device());
    let mut pair = Pair::of(Two::new(knowing, knowing), audio(), audio()).await;
    until_started(&mut pair.alice).await;
    until_started(&mut pair.bob).await;
    pair.alice
        .add_streams(boxed(Telemetry::new()))
        .await
        .expect("connected");
    assert_eq!(proposed(&mut pair.bob).await, ["telemetry"]);
    pair.bob
        .accept_proposal(boxed(Telemetry::new()))
        .await
        .expect("proposed");
    for session in [&mut pair.alice, &mut pair.bob] {
        until(session, |event| match event {
            SessionEvent::DidRenegotiateStreams { action, .. } => {
                (*action == RenegotiationAction::Add).then_some(())
            }
            _ => None,
        })
        .await;
    }

    let mut two = Two::new(knowing, |_| {});
    let (mut alice, mut bob) = two.meet(audio_and(Telemetry::new()), audio()).await;
    assert_eq!(proposed(&mut bob).await, ["audio"], "of others he is not told");
    let started = until(&mut alice, |event| match event {
        SessionEvent::DidStart { streams } => Some(names(streams)),
        _ => None,
    });
    assert_eq!(started.await, ["audio"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_refused_is_begun_by_neither_side() {
    let refusing = Telemetry {
        changes_its_mind: true,
        ..Telemetry::new()
    };
    let mut pair = Pair::of(
        Two::new(knowing, knowing),
        audio_and(Telemetry::new()),
        audio_and(refusing),
    )
    .await;
    for session in [&mut pair.alice, &mut pair.bob] {
        let started = until(session, |event| match event {
            SessionEvent::DidStart { streams } => Some(names(streams)),
            _ => None,
        });
        assert_eq!(started.await, ["audio"]);
    }
}

/// One section that two kinds could take.
#[tokio::test(flavor = "multi_thread")]
async fn the_kind_with_the_higher_priority_is_asked_first() {
    for (priority, name) in [(3, "telemetry"), (1, "audio")] {
        let mut two = Two::new(knowing, |config| {
            config.sessions.registry.add(Telemetry::kind(priority));
        });
        let offered = boxed(Telemetry::of(MediaKind::Audio));
        let _alice = call(&two.alice.0, two.bob.0.local_addr(), offered).await;
        let mut bob = incoming(&mut two.bob.1).await;
        assert_eq!(proposed(&mut bob).await, [name], "{priority}");
    }
}
