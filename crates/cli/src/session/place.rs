//! One session among others, from its first event to its last.

use super::order::{Ask, Kind};
use super::seat;
use crate::args::ToolArgs;
use crate::call::{place_with, settle};
use crate::exit::{Code, Failure};
use crate::media::{Media, Recorded};
use crate::orders::{Order, refused};
use crate::report::Reporter;
use crate::setup::failure;
use offhook::{
    Application, AudioConference, ChatMessage, ChatStream, CommandError, Error, ExternalMediaStream,
    FileTransferStream, MediaStream, NameAddr, Session, SessionEvent, SessionId, SipUri, StatusCode,
    StreamDescription, Streams, select_file,
};
use std::path::{Path, PathBuf};
use tokio::sync::{OnceCell, mpsc};

/// What all sessions share.
pub(super) struct Room {
    pub(super) app: Application,
    pub(super) media: Media,
    pub(super) tool: ToolArgs,
    /// Where files go that others send; none are taken without it.
    pub(super) dir: Option<PathBuf>,
    /// Whether all that is proposed is accepted.
    pub(super) auto_answer: bool,
    /// Made for the first who joins.
    pub(super) conference: OnceCell<AudioConference>,
    /// Sessions that transfers lead to.
    pub(super) led: mpsc::Sender<Place>,
}

impl Room {
    pub(super) async fn call(
        &self,
        target: SipUri,
        kinds: &[Kind],
        reporter: Reporter,
    ) -> Result<Place, Failure> {
        let mut recorded = Vec::new();
        let streams = self.streams(kinds, &mut recorded)?;
        let placed = place_with(&self.app, target, streams, reporter).await;
        Ok(Place {
            session: placed?,
            recorded,
            proposed: None,
        })
    }

    /// Leaves the conference to the others, or comes back.
    pub(super) async fn step(&self, out: bool) -> Result<(), Failure> {
        let Some(conference) = self.conference.get() else {
            return Err(Failure::new(Code::Usage, "nobody has joined a conference"));
        };
        let stepped = if out {
            conference.hold().await
        } else {
            conference.unhold().await
        };
        stepped.map_err(|error| failure(error.into()))
    }

    async fn conference(&self) -> Result<&AudioConference, Error> {
        self.conference.get_or_try_init(|| self.app.conference()).await
    }

    fn streams(
        &self,
        kinds: &[Kind],
        recorded: &mut Vec<Recorded>,
    ) -> Result<Vec<Box<dyn MediaStream>>, Failure> {
        let mut streams: Vec<Box<dyn MediaStream>> = Vec::new();
        for kind in kinds {
            match kind {
                Kind::Audio => {
                    let (stream, recording) = self.media.next_stream()?;
                    recorded.extend(recording);
                    streams.push(Box::new(stream));
                }
                Kind::Chat => streams.push(Box::new(ChatStream::new())),
                Kind::Tool => {
                    let tool = self.tool.stream();
                    streams.push(Box::new(tool.ok_or_else(no_tool)?));
                }
                Kind::Files => {}
            }
        }
        Ok(streams)
    }

    /// Streams of these kinds for what the other side proposes, or of all kinds that we can take.
    fn answers(
        &self,
        proposed: &Streams,
        wanted: &[Kind],
        recorded: &mut Vec<Recorded>,
    ) -> Result<Vec<Box<dyn MediaStream>>, Failure> {
        let wants = |kind| wanted.is_empty() || wanted.contains(&kind);
        let mut streams: Vec<Box<dyn MediaStream>> = Vec::new();
        // It takes what it speaks before others do. Of media that only a tool can take nobody has told.
        if wants(Kind::Tool)
            && let Some(tool) = self.tool.stream()
        {
            streams.push(Box::new(tool));
        }
        for stream in proposed {
            match (stream, &self.dir) {
                (StreamDescription::Audio(_), _) if wants(Kind::Audio) => {
                    streams.extend(self.streams(&[Kind::Audio], recorded)?);
                }
                (StreamDescription::Chat(_), _) if wants(Kind::Chat) => {
                    streams.extend(self.streams(&[Kind::Chat], recorded)?);
                }
                (StreamDescription::FileTransfer(file), Some(dir))
                    if file.is_incoming && wants(Kind::Files) =>
                {
                    streams.push(Box::new(FileTransferStream::receive(dir)));
                }
                _ => {}
            }
        }
        Ok(streams)
    }
}

fn no_tool() -> Failure {
    Failure::new(Code::Usage, "no tool was named: start with --tool")
}

/// A session with what belongs to it here.
pub(super) struct Place {
    pub(super) session: Session,
    recorded: Vec<Recorded>,
    /// What the other side proposes and nobody has answered.
    proposed: Option<Proposed>,
}

/// What waits for an answer.
struct Proposed {
    streams: Streams,
    /// The session itself, not a change of it.
    is_new: bool,
}

impl Place {
    pub(super) fn incoming(session: Session) -> Self {
        Self {
            session,
            recorded: Vec::new(),
            proposed: None,
        }
    }

    /// Tells what happens and does what is asked, until the session is over.
    pub(super) async fn run(mut self, room: &Room, reporter: Reporter, mut asked: mpsc::Receiver<seat::Ask>) {
        let mut established = false;
        loop {
            tokio::select! {
                event = self.session.next_event() => {
                    let Some(event) = event else { break };
                    reporter.session(&event);
                    established |= matches!(event, SessionEvent::DidStart { .. });
                    self.take(event, room, reporter).await;
                }
                Some(ask) = asked.recv() => {
                    if let Err(error) = self.obey(ask, room).await {
                        refused(reporter, &error.message);
                    }
                }
            }
        }
        asked.close();
        while let Ok(late) = asked.try_recv() {
            if !matches!(late, seat::Ask::Plain(Ask::Call(Order::HangUp))) {
                refused(reporter, "the session is over");
            }
        }
        for recorded in self.recorded {
            let outcome = if established {
                Ok(())
            } else {
                Err(Failure::new(Code::NotAnswered, ""))
            };
            if let Err(failure) = settle(Some(recorded), outcome).await
                && established
            {
                refused(reporter, &failure.message);
            }
        }
    }

    /// What an event asks for.
    async fn take(&mut self, event: SessionEvent, room: &Room, reporter: Reporter) {
        let proposed = match event {
            SessionEvent::NewIncoming { streams, .. } => {
                let _ = self.session.send_ring_indication().await; // the caller may have gone
                Proposed {
                    streams,
                    is_new: true,
                }
            }
            SessionEvent::GotProposal { streams, .. } => Proposed {
                streams,
                is_new: false,
            },
            // Taken back.
            SessionEvent::GotRejectProposal { .. } => return self.proposed = None,
            SessionEvent::TransferNewIncoming { target, .. } => {
                return self.go_on_with(target, room, reporter).await;
            }
            SessionEvent::DidStart { .. } => {
                return room.media.begin_recording(&self.session, reporter).await;
            }
            _ => return,
        };
        self.proposed = Some(proposed);
        if room.auto_answer
            && let Err(error) = self.accept(&[], room).await
        {
            refused(reporter, &error.message);
            // Over already, as a rule.
            let _ = self.reject(StatusCode::TEMPORARILY_UNAVAILABLE).await;
        }
    }

    async fn obey(&mut self, ask: seat::Ask, room: &Room) -> Result<(), Failure> {
        let ask = match ask {
            seat::Ask::Plain(ask) => ask,
            seat::Ask::TransferTo(other) => return self.transfer_to(other).await,
        };
        let done = match ask {
            Ask::Accept(kinds) => return self.accept(&kinds, room).await,
            Ask::Reject(code) => return self.reject(code).await,
            Ask::Add(kinds) => {
                let streams = room.streams(&kinds, &mut self.recorded)?;
                self.session.add_streams(streams).await
            }
            Ask::Remove(kind) => self.remove(kind).await,
            Ask::SendFile(path) => return self.send_file(&path).await,
            Ask::Say(text) => self.session.send_message(ChatMessage::text(text)).await.map(drop),
            Ask::Join => return self.join(room).await.map_err(failure),
            Ask::Leave => return self.leave(room).await.map_err(failure),
            Ask::Call(Order::HangUp) => self.session.end().await,
            Ask::Call(order) => order.carry_out(&self.session).await,
        };
        done.map_err(|error| failure(error.into()))
    }

    /// Accepts what is proposed, or what of it is wanted.
    async fn accept(&mut self, wanted: &[Kind], room: &Room) -> Result<(), Failure> {
        let Some(Proposed { streams, is_new }) = self.proposed.take() else {
            return Err(nothing_proposed());
        };
        let answers = room.answers(&streams, wanted, &mut self.recorded)?;
        let done = match (answers.is_empty(), is_new) {
            (true, true) => self.session.reject(StatusCode::NOT_ACCEPTABLE_HERE).await,
            (true, false) => {
                self.session
                    .reject_proposal(StatusCode::NOT_ACCEPTABLE_HERE)
                    .await
            }
            (false, true) => self.session.accept_with(answers).await,
            (false, false) => self.session.accept_proposal(answers).await,
        };
        if let Err(CommandError::Device(_) | CommandError::Relay(_) | CommandError::RelayTls(_)) = &done {
            // Nothing was answered yet.
            self.proposed = Some(Proposed { streams, is_new });
        }
        done.map_err(|error| failure(error.into()))
    }

    async fn reject(&mut self, code: StatusCode) -> Result<(), Failure> {
        let done = match self.proposed.take() {
            Some(Proposed { is_new: true, .. }) => self.session.reject(code).await,
            Some(_) => self.session.reject_proposal(code).await,
            None => return Err(nothing_proposed()),
        };
        done.map_err(|error| failure(error.into()))
    }

    async fn remove(&self, kind: Kind) -> Result<(), CommandError> {
        let stream = match kind {
            Kind::Chat => {
                let chat = self
                    .session
                    .with_stream(None, |chat: &mut ChatStream, _| Ok(chat.id()));
                chat.await?
            }
            Kind::Tool => {
                let tool = self
                    .session
                    .with_stream(None, |tool: &mut ExternalMediaStream, _| Ok(tool.id()));
                tool.await?
            }
            Kind::Audio | Kind::Files => Some(self.session.audio_stream().await?),
        };
        match stream {
            Some(stream) => self.session.remove_stream(stream).await,
            None => Ok(()), // it has gone this moment
        }
    }

    async fn send_file(&self, path: &Path) -> Result<(), Failure> {
        let selector = select_file(path, "application/octet-stream", true).await;
        let selector = selector.map_err(|error| {
            let message = format!("cannot read {}: {error}", path.display());
            Failure::new(Code::Play, message)
        })?;
        let stream = FileTransferStream::send(path, selector);
        let added = self.session.add_streams(vec![Box::new(stream)]).await;
        added.map_err(|error| failure(error.into()))
    }

    async fn transfer_to(&self, other: SessionId) -> Result<(), Failure> {
        let done = self.session.transfer_to(other).await;
        done.map_err(|error| failure(error.into()))
    }

    async fn join(&self, room: &Room) -> Result<(), Error> {
        let stream = self.session.audio_stream().await?;
        Ok(room.conference().await?.add(stream).await?)
    }

    async fn leave(&self, room: &Room) -> Result<(), Error> {
        let stream = self.session.audio_stream().await?;
        Ok(room.conference().await?.remove(stream).await?)
    }

    /// Calls whom the other side sends us to, as a session of its own.
    async fn go_on_with(&mut self, target: NameAddr, room: &Room, reporter: Reporter) {
        let (stream, recorded) = match room.media.next_stream() {
            Ok(media) => media,
            Err(failure) => return refused(reporter, &failure.message),
        };
        match room.app.accept_transfer(&self.session, target, [stream]).await {
            Ok(session) => {
                let place = Self {
                    session,
                    recorded: recorded.into_iter().collect(),
                    proposed: None,
                };
                // Nobody takes it when the program leaves.
                let _ = room.led.send(place).await;
            }
            Err(error) => {
                refused(reporter, &failure(error).message);
                let _ = self.session.reject_transfer(StatusCode::DECLINE).await;
            }
        }
    }
}

fn nothing_proposed() -> Failure {
    Failure::new(Code::Usage, "nothing is proposed")
}
