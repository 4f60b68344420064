//! The agent that is called: it rings, answers, plays a tune, and records what it hears.

use crate::judge::Fault;
use crate::sound::{self, Folder};
use crate::{Outcome, call};
use offhook::{
    Application, ApplicationEvent, Attachment, AudioCodec, AudioStream, JitterConfig, Recording,
    SessionEvent, SipUri, WaveRecorder,
};
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long it rings: enough for a person to see it.
const RINGING: Duration = Duration::from_millis(300);

/// How long to wait for the end of a call that the caller has ended already.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running agent that answers one call.
pub(crate) struct TestNumber {
    app: Application,
    uri: SipUri,
    call: JoinHandle<Result<(), String>>,
    recording: Recording,
}

impl TestNumber {
    /// Lets an application answer the next call.
    pub(crate) fn answer(app: Application, codec: AudioCodec, folder: &Folder) -> Outcome<Self> {
        let uri = format!("sip:tune@{}", app.local_addr()).parse()?;
        let (stream, recording) = stream(codec, &folder.agent_played(), folder.agent_heard())?;
        let agent = app.clone();
        let call =
            tokio::spawn(async move { serve(&agent, stream).await.map_err(|error| error.to_string()) });
        Ok(Self {
            app,
            uri,
            call,
            recording,
        })
    }

    pub(crate) fn uri(&self) -> &SipUri {
        &self.uri
    }

    /// Stops the agent; waits for the end of its call if there was one.
    pub(crate) async fn stop(self, was_called: bool) -> Outcome<()> {
        let outcome = if was_called {
            timeout(PATIENCE, self.call).await?
        } else {
            self.call.abort();
            Ok(Ok(()))
        };
        self.app.stop().await;
        call::finish(self.recording).await?;
        Ok(outcome??)
    }
}

/// A stream that plays one file and records into another.
pub(crate) fn stream(
    codec: AudioCodec,
    played: &std::path::Path,
    heard: PathBuf,
) -> Result<(AudioStream, Recording), Fault> {
    let rate = codec.spec().sample_rate;
    let (recorder, recording) = WaveRecorder::start(heard, rate)?;
    let stream = AudioStream::offer()
        .with_codecs(&[codec])
        .with_jitter(patient())
        .with_port(Attachment::Talks, sound::player(played, rate)?)
        .with_port(Attachment::Listens, recorder);
    Ok((stream, recording))
}

/// Nobody waits for an answer here, and the machine may be compiling: a media thread that comes late, up to the 100 ms
/// that it makes up for, shall not be heard.
fn patient() -> JitterConfig {
    let delay = Duration::from_millis(120);
    JitterConfig {
        min_delay: delay,
        initial_delay: delay,
        ..JitterConfig::default()
    }
}

async fn serve(app: &Application, stream: AudioStream) -> Outcome<()> {
    let mut session = loop {
        match app.next_event().await {
            Some(ApplicationEvent::Incoming(session)) => break session,
            Some(_) => {}
            None => return Err("the test number has stopped".into()),
        }
    };
    session.send_ring_indication().await?;
    sleep(RINGING).await;
    session.accept([stream]).await?;
    while let Some(event) = session.next_event().await {
        if let SessionEvent::DidFail { code, reason, .. } = event {
            return Err(format!("the test number lost the call: {code} {reason}").into());
        }
    }
    Ok(())
}
