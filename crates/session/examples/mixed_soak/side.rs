//! One side of the session: what it does, and what it must see.

use crate::lossy::lossy;
use bytes::Bytes;
use offhook_sansio::Entropy;
use offhook_session::media::StreamId;
use offhook_session::tokio::{CommandError, Session, select_file};
use offhook_session::{
    AudioEvent, ChatEvent, ChatMessage, ChatStream, DesktopSharingEvent, DesktopSharingHandler,
    DesktopSharingStream, FileTransferEvent, FileTransferStream, MediaStream, RfbRole, SessionEvent,
    StreamDescription, StreamEvent, Streams,
};
use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, interval, sleep_until};

/// Streams that come and go, at most.
const MOST_EXTRAS: usize = 5;

/// How long what is under way at the end may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Said last: nothing more is said after it.
const OVER: &str = "over";

/// How much of the desktop goes at a time.
const PIECE: usize = 8 * 1024;

/// Which of the two.
pub(crate) enum Role {
    Caller {
        files: Vec<Box<dyn MediaStream>>,
        lasts: Duration,
    },
    Called,
}

pub(crate) struct Side {
    session: Session,
    role: Role,
    entropy: Entropy,
    folder: PathBuf,
    started: Instant,
    /// Audio, chat and desktop; then both files.
    lasting: Vec<StreamId>,
    extras: Vec<StreamId>,
    chat: Chat,
    desktop: Desktop,
    files_done: u32,
    /// Packets of the audio that lasts: sent, received, lost.
    audio: (u64, u64, u64),
    done: Done,
}

/// The chat that lasts: its messages are numbers.
#[derive(Default)]
struct Chat {
    sent: u64,
    undelivered: HashSet<String>,
    heard: u64,
    /// We have said that we are done.
    is_over: bool,
    /// The other side has.
    is_over_there: bool,
}

/// The desktop that lasts: its bytes count.
#[derive(Default)]
struct Desktop {
    id: Option<StreamId>,
    sent: u64,
    seen: u64,
    is_full: bool,
}

/// What was done at random.
#[derive(Debug, Default)]
struct Done {
    holds: u32,
    proposed: u32,
    accepted: u32,
    removed: u32,
    /// Not in this state.
    not_now: u32,
    /// Why extras failed.
    failed: Vec<String>,
}

impl Side {
    pub(crate) fn new(session: Session, role: Role, seed: u64, folder: &Path) -> Self {
        Self {
            session,
            role,
            entropy: Entropy::from_number(seed),
            folder: folder.to_owned(),
            started: Instant::now(),
            lasting: Vec::new(),
            extras: Vec::new(),
            chat: Chat::default(),
            desktop: Desktop::default(),
            files_done: 0,
            audio: (0, 0, 0),
            done: Done::default(),
        }
    }

    fn is_caller(&self) -> bool {
        matches!(self.role, Role::Caller { .. })
    }

    /// Follows the session to its end, and tells what went over.
    pub(crate) async fn run(mut self) -> Result<String, Box<dyn Error>> {
        let lasts = match &self.role {
            Role::Caller { lasts, .. } => *lasts,
            // The other side ends it.
            Role::Called => Duration::from_hours(24),
        };
        let end = Instant::now() + lasts;
        let (mut seconds, mut frames) = (
            interval(Duration::from_secs(1)),
            interval(Duration::from_millis(20)),
        );
        let mut next_whim = Instant::now();
        let mut is_ending = false;
        loop {
            let is_complete = self.lasting.len() == 5;
            let is_over = Instant::now() >= end || self.chat.is_over_there;
            tokio::select! {
                event = self.session.next_event() => {
                    let event = event.ok_or("the session has no last event")?;
                    if let SessionEvent::DidEnd { .. } = event {
                        break;
                    }
                    self.take(event, is_ending).await?;
                }
                _ = seconds.tick(), if is_complete && !is_over => self.say().await?,
                _ = frames.tick(), if is_complete && !is_over && self.is_caller() => self.show().await?,
                () = sleep_until(next_whim), if is_complete && !is_over => {
                    next_whim = Instant::now() + self.entropy.duration(Duration::from_millis(500), Duration::from_secs(3));
                    self.follow_a_whim().await?;
                }
                () = sleep_until(end), if !is_over => {}
                () = sleep_until(end + PATIENCE), if self.is_caller() => return Err(format!("at the end {} is missing", self.summary()).into()),
            }
            if is_over && is_complete && !self.chat.is_over {
                self.chat.is_over = true;
                self.tell(OVER.to_owned()).await?;
            }
            if !is_ending && self.is_caller() && self.is_settled() {
                is_ending = true;
                self.session.end().await?;
            }
        }
        if !self.is_settled() {
            return Err(format!("it ended with {} alone", self.summary()).into());
        }
        Ok(self.summary())
    }

    /// Whether both are done, and all arrived that was sent, as far as this side knows.
    fn is_settled(&self) -> bool {
        let (_, heard, _) = self.audio;
        let are_done = self.chat.is_over && self.chat.is_over_there;
        are_done
            && self.chat.undelivered.is_empty()
            && self.chat.heard > 0
            && self.files_done == 2
            && heard > 0
    }

    fn summary(&self) -> String {
        let (sent, heard, lost) = self.audio;
        format!(
            "{} s; audio: {sent} packets sent, {heard} heard, {lost} lost; chat: {} said, {} of them undelivered, {} heard; \
             {} of 2 files; desktop: {} bytes shown, {} seen; {:?}",
            self.started.elapsed().as_secs(),
            self.chat.sent,
            self.chat.undelivered.len(),
            self.chat.heard,
            self.files_done,
            self.desktop.sent,
            self.desktop.seen,
            self.done
        )
    }

    async fn take(&mut self, event: SessionEvent, is_ending: bool) -> Result<(), Box<dyn Error>> {
        match event {
            SessionEvent::DidStart { .. } => {
                if let Role::Caller { files, .. } = &mut self.role {
                    let files = std::mem::take(files);
                    self.session.add_streams(files).await?;
                }
            }
            SessionEvent::DidFail { reason, .. } => return Err(reason.into()),
            SessionEvent::GotProposal { streams, .. } => {
                let answers = self.answers(&streams);
                self.done.accepted += 1;
                // Taken back at this moment, perhaps.
                if let Err(error) = self.session.accept_proposal(answers).await {
                    self.forgive(error)?;
                }
            }
            SessionEvent::Stream { stream, event } => self.take_of_stream(stream, event, is_ending).await?,
            _ => {}
        }
        Ok(())
    }

    async fn take_of_stream(
        &mut self,
        stream: StreamId,
        event: StreamEvent,
        is_ending: bool,
    ) -> Result<(), Box<dyn Error>> {
        let lasts = self.lasting.contains(&stream);
        match event {
            StreamEvent::DidStart if self.lasting.len() < 5 => {
                self.lasting.push(stream);
                let is_desktop = self
                    .session
                    .with_stream(Some(stream), |_: &mut DesktopSharingStream, _| Ok(()));
                if is_desktop.await.is_ok() {
                    self.desktop.id = Some(stream);
                }
            }
            StreamEvent::DidStart => self.extras.push(stream),
            StreamEvent::DidFail { reason } if lasts => return Err(format!("{stream:?}: {reason}").into()),
            StreamEvent::DidFail { reason } => self.done.failed.push(format!(
                "{stream:?} after {:.3} s: {reason}",
                self.started.elapsed().as_secs_f64()
            )),
            // The other side may end the session, and that is told of its streams first.
            StreamEvent::DidEnd if lasts && !is_ending && self.is_caller() => {
                return Err(format!("{stream:?} ended").into());
            }
            StreamEvent::DidEnd => self.extras.retain(|extra| *extra != stream),
            StreamEvent::Audio(AudioEvent::Statistics(figures)) if lasts => {
                self.audio = (
                    figures.packets_sent,
                    figures.packets_received,
                    figures.packets_lost,
                );
            }
            StreamEvent::Chat(event) if lasts => self.take_of_chat(event)?,
            StreamEvent::DesktopSharing(event) if lasts => self.take_of_desktop(event)?,
            StreamEvent::FileTransfer(FileTransferEvent::DidFinish { .. }) if lasts => self.files_done += 1,
            _ => {}
        }
        Ok(())
    }

    fn take_of_chat(&mut self, event: ChatEvent) -> Result<(), Box<dyn Error>> {
        match event {
            ChatEvent::GotMessage { message } if message.as_text() == Some(OVER) => {
                self.chat.is_over_there = true;
            }
            ChatEvent::GotMessage { message } => {
                let number = message.as_text().unwrap_or_default().parse::<u64>()?;
                if number != self.chat.heard {
                    return Err(format!("message {number} came after {}", self.chat.heard).into());
                }
                self.chat.heard += 1;
            }
            ChatEvent::DidDeliverMessage { message_id } => drop(self.chat.undelivered.remove(&message_id)),
            ChatEvent::DidNotDeliverMessage { reason, .. } => return Err(reason.into()),
            _ => {}
        }
        Ok(())
    }

    fn take_of_desktop(&mut self, event: DesktopSharingEvent) -> Result<(), Box<dyn Error>> {
        match event {
            DesktopSharingEvent::GotData { data } => {
                let mut expected = counting(self.desktop.seen);
                if !data.iter().all(|byte| Some(*byte) == expected.next()) {
                    return Err(format!("the desktop is torn at byte {}", self.desktop.seen).into());
                }
                self.desktop.seen += data.len() as u64;
            }
            DesktopSharingEvent::CanSend => self.desktop.is_full = false,
            _ => {}
        }
        Ok(())
    }

    /// What the other side proposes is accepted.
    fn answers(&mut self, proposed: &Streams) -> Vec<Box<dyn MediaStream>> {
        let inbox = self.folder.join(if self.is_caller() { "hers" } else { "his" });
        let mut answers: Vec<Box<dyn MediaStream>> = Vec::new();
        for stream in proposed {
            match stream {
                StreamDescription::Audio(_) => answers.push(Box::new(lossy(self.entropy.u64()))),
                StreamDescription::Chat(_) => answers.push(Box::new(ChatStream::new())),
                StreamDescription::FileTransfer(file) if file.is_incoming => {
                    answers.push(Box::new(FileTransferStream::receive(&inbox)));
                }
                StreamDescription::FileTransfer(file) => {
                    let path = self.folder.join("from-bob");
                    answers.push(Box::new(FileTransferStream::send(path, file.selector.clone())));
                }
                StreamDescription::DesktopSharing(desktop) => {
                    let handler = match desktop.role {
                        RfbRole::Viewer => DesktopSharingHandler::InternalViewer,
                        RfbRole::Server => DesktopSharingHandler::InternalServer,
                    };
                    answers.push(Box::new(DesktopSharingStream::new(handler)));
                }
                _ => {}
            }
        }
        answers
    }

    async fn say(&mut self) -> Result<(), Box<dyn Error>> {
        self.tell(self.chat.sent.to_string()).await?;
        self.chat.sent += 1;
        Ok(())
    }

    async fn tell(&mut self, text: String) -> Result<(), Box<dyn Error>> {
        let id = self.session.send_message(ChatMessage::text(text)).await?;
        self.chat.undelivered.insert(id);
        Ok(())
    }

    async fn show(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(id) = self.desktop.id.filter(|_| !self.desktop.is_full) else {
            return Ok(());
        };
        let piece: Bytes = counting(self.desktop.sent).take(PIECE).collect();
        let sent = self
            .session
            .with_stream(Some(id), move |desktop: &mut DesktopSharingStream, cx| {
                Ok(desktop.send(cx, piece))
            });
        match sent.await? {
            Ok(()) => self.desktop.sent += PIECE as u64,
            Err(_) => self.desktop.is_full = true,
        }
        Ok(())
    }

    /// Holds, adds or removes.
    async fn follow_a_whim(&mut self) -> Result<(), Box<dyn Error>> {
        let done = match self.entropy.below(8) {
            0 => {
                self.done.holds += 1;
                self.session.hold().await
            }
            1 | 2 => self.session.unhold().await,
            _ if self.extras.len() >= MOST_EXTRAS => self.remove_one().await,
            3 => self.add(ChatStream::new()).await,
            4 => {
                let audio = lossy(self.entropy.u64());
                self.add(audio).await
            }
            5 => {
                self.add(DesktopSharingStream::new(DesktopSharingHandler::InternalViewer))
                    .await
            }
            6 => {
                let path = std::env::current_exe()?;
                let selector = select_file(&path, "application/octet-stream", true).await?;
                self.add(FileTransferStream::send(path, selector)).await
            }
            _ => self.remove_one().await,
        };
        done.or_else(|error| self.forgive(error))
    }

    async fn add(&mut self, stream: impl MediaStream) -> Result<(), CommandError> {
        self.session.add_streams(vec![Box::new(stream)]).await?;
        self.done.proposed += 1;
        Ok(())
    }

    async fn remove_one(&mut self) -> Result<(), CommandError> {
        if self.extras.is_empty() {
            return Ok(());
        }
        let which = self.entropy.below(self.extras.len() as u32) as usize;
        self.session.remove_stream(self.extras[which]).await?;
        self.done.removed += 1;
        Ok(())
    }

    /// A session that changes at this moment says that it cannot be changed: that is all that may be wrong.
    fn forgive(&mut self, error: CommandError) -> Result<(), Box<dyn Error>> {
        match error {
            CommandError::Session(_) => {
                self.done.not_now += 1;
                Ok(())
            }
            error => Err(error.into()),
        }
    }
}

/// Bytes that tell where they stand.
fn counting(from: u64) -> impl Iterator<Item = u8> {
    (from..).map(|at| (at % 251) as u8)
}
