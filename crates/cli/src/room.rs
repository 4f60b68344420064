//! What the sessions of the program share: the application, and what their streams are made of.

use crate::args::StreamArgs;
use crate::call::place_with;
use crate::exit::{Code, Failure};
use crate::media::{Media, Recorded};
use crate::orders::Kind;
use crate::place::Place;
use crate::report::Reporter;
use crate::setup::failure;
use offhook::{
    Application, AudioConference, ChatStream, DesktopSharingStream, Error, FileTransferStream, MediaStream,
    RfbRole, SipUri, StreamDescription, StreamId, Streams,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{OnceCell, mpsc};

/// Sessions that transfers led to, and that are not taken up yet.
const LED_TO: usize = 16;

pub(crate) struct Room {
    pub(crate) app: Application,
    pub(crate) media: Media,
    streams: StreamArgs,
    /// Made for the first who joins.
    conference: OnceCell<AudioConference>,
    /// Who is in it, by their streams.
    members: Mutex<BTreeMap<StreamId, String>>,
    /// Sessions that transfers lead to.
    led: mpsc::Sender<Place>,
}

/// Streams, and what is recorded of them.
pub(crate) type Made = (Vec<Box<dyn MediaStream>>, Vec<Recorded>);

impl Room {
    /// A room, and where the sessions arrive that transfers lead to.
    pub(crate) fn new(app: Application, media: Media, streams: StreamArgs) -> (Self, mpsc::Receiver<Place>) {
        let (led, led_to) = mpsc::channel(LED_TO);
        let room = Self {
            app,
            media,
            streams,
            conference: OnceCell::new(),
            members: Mutex::default(),
            led,
        };
        (room, led_to)
    }

    /// Calls somebody.
    pub(crate) async fn call(
        &self,
        target: SipUri,
        kinds: &[Kind],
        reporter: Reporter,
    ) -> Result<Place, Failure> {
        let (streams, recorded) = self.streams(kinds)?;
        let placed = place_with(&self.app, target, streams, reporter).await;
        Ok(Place::outgoing(placed?, recorded))
    }

    /// Leaves it to whoever has time for it to go on with a session that a transfer led to.
    pub(crate) fn lead(&self, place: Place) -> Result<(), &'static str> {
        self.led.try_send(place).map_err(|_| "too many transfers")
    }

    /// Takes a call into the conference, or out of it.
    pub(crate) async fn seat(
        &self,
        stream: StreamId,
        remote: String,
        joins: bool,
        reporter: Reporter,
    ) -> Result<(), Error> {
        let conference = self.conference().await?;
        if joins {
            conference.add(stream).await?;
            self.members().insert(stream, remote);
        } else {
            conference.remove(stream).await?;
        }
        self.tell_members(conference, reporter).await
    }

    /// Says who is in the conference: those whose calls are over have left it by themselves.
    async fn tell_members(&self, conference: &AudioConference, reporter: Reporter) -> Result<(), Error> {
        let there = conference.streams().await?;
        let members = {
            let mut members = self.members();
            members.retain(|stream, _| there.contains(stream));
            members.values().cloned().collect::<Vec<_>>()
        };
        let out = conference.on_hold();
        let who = match (members.is_empty(), out) {
            (true, _) => "nobody".to_owned(),
            (false, true) => members.join(", "),
            (false, false) => format!("{} and we", members.join(", ")),
        };
        reporter.say(
            "conference_did_change",
            json!({ "on_hold": out, "members": members }),
            &format!("In the conference: {who}"),
        );
        Ok(())
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<StreamId, String>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the conference to the others, or comes back.
    pub(crate) async fn step(&self, out: bool, reporter: Reporter) -> Result<(), Failure> {
        let Some(conference) = self.conference.get() else {
            return Err(Failure::new(Code::Usage, "nobody has joined a conference"));
        };
        if conference.on_hold() == out {
            return Ok(());
        }
        let stepped = if out {
            conference.hold().await
        } else {
            conference.unhold().await
        };
        stepped.map_err(|error| failure(error.into()))?;
        self.tell_members(conference, reporter).await.map_err(failure)
    }

    async fn conference(&self) -> Result<&AudioConference, Error> {
        self.conference.get_or_try_init(|| self.app.conference()).await
    }

    /// New streams of these kinds.
    pub(crate) fn streams(&self, kinds: &[Kind]) -> Result<Made, Failure> {
        let (mut streams, mut recorded): Made = Made::default();
        for kind in kinds {
            match kind {
                Kind::Audio => {
                    let (stream, recording) = self.media.next_stream()?;
                    recorded.extend(recording);
                    streams.push(Box::new(stream));
                }
                Kind::Chat => streams.push(Box::new(ChatStream::new())),
                Kind::Tool => streams.push(Box::new(self.streams.tool()?)),
                Kind::Share => streams.push(Box::new(DesktopSharingStream::new(self.streams.server()?))),
                Kind::View => streams.push(Box::new(DesktopSharingStream::new(self.streams.viewer()?))),
                // They are sent one by one.
                Kind::Files => {}
            }
        }
        Ok((streams, recorded))
    }

    /// Streams of these kinds for what the other side proposes, or of all kinds that we can take. Our desktop is shared only where it
    /// is asked for by name.
    pub(crate) fn answers(&self, proposed: &Streams, wanted: &[Kind]) -> Result<Made, Failure> {
        let wants = |kind| wanted.is_empty() || wanted.contains(&kind);
        let mut kinds = Vec::new();
        let mut files = Vec::<Box<dyn MediaStream>>::new();
        for stream in proposed {
            match stream {
                StreamDescription::Audio(_) if wants(Kind::Audio) => kinds.push(Kind::Audio),
                StreamDescription::Chat(_) if wants(Kind::Chat) => kinds.push(Kind::Chat),
                StreamDescription::Other(_) if wants(Kind::Tool) => kinds.push(Kind::Tool),
                StreamDescription::DesktopSharing(desktop) => match desktop.role {
                    RfbRole::Viewer if wants(Kind::View) && self.streams.viewer().is_ok() => {
                        kinds.push(Kind::View);
                    }
                    RfbRole::Server if wanted.contains(&Kind::Share) => kinds.push(Kind::Share),
                    _ => {}
                },
                StreamDescription::FileTransfer(file) if file.is_incoming && wants(Kind::Files) => {
                    files.extend(
                        self.streams
                            .dir
                            .iter()
                            .map(|dir| Box::new(FileTransferStream::receive(dir)) as _),
                    );
                }
                _ => {}
            }
        }
        let (mut streams, recorded) = self.streams(&kinds)?;
        streams.extend(files);
        Ok((streams, recorded))
    }
}
