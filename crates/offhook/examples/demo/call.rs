//! The call as the caller lives it.

use crate::Outcome;
use crate::judge::Fault;
use crate::screen::Screen;
use crate::sound::{Folder, LEAD};
use crate::test_number::stream;
use offhook::{
    Application, AudioCodec, AudioEvent, Recording, SessionEvent, SipUri, Statistics, StreamEvent,
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What is heard after the last sample was played: it is on its way, and waits in a jitter buffer.
const TAIL: Duration = Duration::from_millis(500);

/// How long each part of the call may take before it counts as failed: connecting, and hanging up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls, plays and listens until everything was heard, and hangs up.
pub(crate) async fn place(
    app: &Application,
    uri: &SipUri,
    codec: AudioCodec,
    sound: Duration,
    folder: &Folder,
    screen: &mut Screen,
) -> Outcome<()> {
    screen.line("looking up", &uri.to_string());
    let routes = app.routes(uri).await?;
    let route = routes.first().ok_or("there is no way to the test number")?;
    screen.line("calling", &format!("{} over {}", route.address, route.transport));
    let (stream, recording) = stream(codec, &folder.caller_played(), folder.caller_heard())?;
    let outcome = talk(app, uri, stream, LEAD + sound + TAIL, screen).await;
    finish(recording).await?;
    outcome
}

async fn talk(
    app: &Application,
    uri: &SipUri,
    stream: offhook::AudioStream,
    length: Duration,
    screen: &mut Screen,
) -> Outcome<()> {
    let mut session = app.call(uri.clone(), [stream]).await?;
    let mut deadline = Instant::now() + PATIENCE;
    let mut phase = Phase::Connecting;
    loop {
        tokio::select! {
            event = session.next_event() => match event.ok_or("the caller has stopped")? {
                SessionEvent::GotRingIndication => screen.line("ringing", "at the test number"),
                SessionEvent::DidStart { streams } => {
                    let audio = streams.audio()?;
                    screen.line("established", &describe(audio));
                    (phase, deadline) = (Phase::Talking, Instant::now() + length);
                }
                SessionEvent::Stream { event: StreamEvent::Audio(event), .. } => match event {
                    AudioEvent::Statistics(figures) => screen.live("RTP", &figures_of(&figures)),
                    AudioEvent::DidTimeoutRtp => screen.line("RTP", "nothing arrives"),
                    _ => {}
                },
                SessionEvent::DidFail { code, reason, .. } => {
                    return Err(format!("the call was not established: {code} {reason}").into());
                }
                SessionEvent::DidEnd { originator, reason, duration } => {
                    screen.line("ended", &format!("by the {originator} side after {:.1} s: {reason}", duration.as_secs_f64()));
                    return match phase {
                        Phase::HangingUp => Ok(()),
                        _ => Err("the call ended before everything was heard".into()),
                    };
                }
                _ => {}
            },
            () = sleep_until(deadline) => match phase {
                Phase::Talking => {
                    screen.line("hanging up", "everything was played");
                    session.end().await?;
                    (phase, deadline) = (Phase::HangingUp, Instant::now() + PATIENCE);
                }
                _ => return Err(format!("nothing happened for {} s", PATIENCE.as_secs()).into()),
            },
            _ = tokio::signal::ctrl_c() => {
                session.end().await?;
                return Err("interrupted".into());
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Phase {
    Connecting,
    Talking,
    HangingUp,
}

/// Closes a recording whose session is over.
pub(crate) async fn finish(recording: Recording) -> Outcome<()> {
    let finished = tokio::task::spawn_blocking(|| recording.finish()).await?;
    finished.map_err(Fault::from)?;
    Ok(())
}

fn describe(audio: &offhook::AudioDescription) -> String {
    match (audio.local_rtp, audio.remote_rtp) {
        (Some(local), Some(remote)) => {
            format!("{}, RTP from {local} to {remote}", audio.describe())
        }
        _ => audio.describe(),
    }
}

fn figures_of(figures: &Statistics) -> String {
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let round_trip = figures.round_trip.map_or_else(
        || "not yet known".to_owned(),
        |time| format!("{:.1} ms", millis(time)),
    );
    format!(
        "sent {}, received {}, lost {}, late {}, jitter {:.1} ms, round trip {round_trip}",
        figures.packets_sent,
        figures.packets_received,
        figures.packets_lost,
        figures.late,
        millis(figures.jitter),
    )
}
