//! A session as an application holds it.

use super::equipment::Equipment;
use super::event_queue::EventQueue;
use super::user_agent::CommandError;
use crate::media::StreamId;
use crate::stream::{ChatMessage, ChatStream, Composing, MediaStream, StreamContext, StreamError};
use crate::{AudioStream, SessionEvent, SessionId, SessionManager, Stamped};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::dtmf::Digit;
use offhook_sip_core::tokio::{Handle, PostError};
use offhook_sip_core::{NameAddr, StatusCode, Uri};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle as Runtime;

/// A running session: commands go down, events come up.
///
/// Dropping it hangs up, so that no call goes on that nobody can end; one that rings here is answered with 480.
pub struct Session {
    id: SessionId,
    remote_identity: NameAddr,
    pub(super) handle: Handle<SessionManager>,
    equipment: Equipment,
    events: EventQueue,
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        remote_identity: NameAddr,
        handle: Handle<SessionManager>,
        equipment: Equipment,
        events: EventQueue,
    ) -> Self {
        Self {
            id,
            remote_identity,
            handle,
            equipment,
            events,
        }
    }

    /// The session's name.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Who the other side is, or says it is.
    pub fn remote_identity(&self) -> &NameAddr {
        &self.remote_identity
    }

    /// The next event; `None` after the last one (`DidEnd` or `DidFail`).
    pub async fn next_event(&mut self) -> Option<SessionEvent> {
        self.next_stamped().await.map(|stamped| stamped.event)
    }

    /// The next event with the instant at which it came about.
    pub async fn next_stamped(&mut self) -> Option<Stamped<SessionEvent>> {
        let stamped = self.events.next().await?;
        if let Some(stream) = stamped.event.taken_from() {
            self.say_taken(stream);
        }
        Some(stamped)
    }

    /// Lets a stream that waits for its events to be read go on.
    fn say_taken(&self, stream: StreamId) {
        let id = self.id;
        post_surely(&self.handle, move |manager, now| {
            manager.event_taken(now, id, stream);
        });
    }

    /// The name of its first audio stream, for a bridge or a conference.
    ///
    /// # Errors
    /// When it has none.
    pub async fn audio_stream(&self) -> Result<StreamId, CommandError> {
        self.with_stream(None, |audio: &mut AudioStream, _| {
            audio.id().ok_or(StreamError::NotRunning("audio"))
        })
        .await
    }

    /// Says that an incoming session rings here (180).
    pub async fn send_ring_indication(&self) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.send_ring_indication(now, id))
            .await??)
    }

    /// Accepts an incoming session with these streams; what else was proposed is refused.
    pub async fn accept(&self, streams: impl IntoIterator<Item = AudioStream>) -> Result<(), CommandError> {
        self.accept_with(boxed(streams)).await
    }

    /// Accepts an incoming session with streams of any kind.
    pub async fn accept_with(&self, streams: Vec<Box<dyn MediaStream>>) -> Result<(), CommandError> {
        let (id, streams) = (self.id, self.equip_for_offer(streams).await?);
        Ok(self
            .handle
            .call(move |manager, now| manager.accept(now, id, streams))
            .await??)
    }

    /// Equips streams for what the other side proposes.
    async fn equip_for_offer(
        &self,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<Vec<Box<dyn MediaStream>>, CommandError> {
        let id = self.id;
        let proposed = self.handle.call(move |manager, _| {
            let session = manager.session(id)?;
            session.proposed_description().cloned()
        });
        self.equipment.equip(streams, proposed.await?.as_ref()).await
    }

    /// Refuses an incoming session, usually with 486 (busy) or 603 (decline).
    pub async fn reject(&self, code: StatusCode) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.reject(now, id, code))
            .await??)
    }

    /// Sends the caller of an incoming session elsewhere (302).
    pub async fn redirect(&self, targets: Vec<NameAddr>) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.redirect(now, id, &targets))
            .await??)
    }

    /// Ends the session: CANCEL, BYE, or 480 for one that rings here. Events go on until the last one.
    pub async fn end(&self) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.end(now, id))
            .await??)
    }

    /// Puts the other side on hold.
    pub async fn hold(&self) -> Result<(), CommandError> {
        self.set_hold(true).await
    }

    /// Takes the other side off hold.
    pub async fn unhold(&self) -> Result<(), CommandError> {
        self.set_hold(false).await
    }

    /// Wishes other codecs for the session's first audio stream, in order of preference; what becomes of it comes as an event
    /// ([`AudioStream::set_codecs`]).
    pub async fn set_codecs(&self, codecs: Vec<AudioCodec>) -> Result<(), CommandError> {
        self.with_stream(None, move |audio: &mut AudioStream, _| audio.set_codecs(&codecs))
            .await
    }

    /// Samples a second of what is recorded.
    pub(super) fn mixer_rate(&self) -> u32 {
        self.equipment.mixer_rate
    }

    /// Sends a DTMF digit.
    pub async fn send_dtmf(&self, digit: Digit) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.send_dtmf(now, id, digit))
            .await??)
    }

    /// Proposes to add streams, behind any other change that is under way; what becomes of it comes as events.
    pub async fn add_streams(&self, streams: Vec<Box<dyn MediaStream>>) -> Result<(), CommandError> {
        let (id, streams) = (self.id, self.equipment.equip(streams, None).await?);
        Ok(self
            .handle
            .call(move |manager, now| manager.add_streams(now, id, streams))
            .await??)
    }

    /// Removes a stream. It ends at once, whatever the other side says.
    pub async fn remove_stream(&self, stream: StreamId) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.remove_stream(now, id, stream))
            .await??)
    }

    /// Takes our proposal of streams back.
    pub async fn cancel_proposal(&self) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.cancel_proposal(now, id))
            .await??)
    }

    /// Accepts what the other side proposes, with these streams; the rest of it is refused.
    pub async fn accept_proposal(&self, streams: Vec<Box<dyn MediaStream>>) -> Result<(), CommandError> {
        let (id, streams) = (self.id, self.equip_for_offer(streams).await?);
        Ok(self
            .handle
            .call(move |manager, now| manager.accept_proposal(now, id, streams))
            .await??)
    }

    /// Refuses what the other side proposes, usually with 488.
    pub async fn reject_proposal(&self, code: StatusCode) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.reject_proposal(now, id, code))
            .await??)
    }

    /// Asks the other side to call somebody else (blind transfer). How that goes comes as events; when the other side's call
    /// stands, this session ends.
    pub async fn transfer(&self, target: Uri) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.transfer(now, id, target))
            .await??)
    }

    /// Asks the other side to take our place in another session of the same user agent (attended transfer). When it has, both
    /// sessions end.
    pub async fn transfer_to(&self, other: SessionId) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.transfer_to(now, id, other))
            .await??)
    }

    /// Refuses the other side's transfer, usually with 603. [`UserAgent::accept_transfer`](super::UserAgent::accept_transfer)
    /// accepts one.
    pub async fn reject_transfer(&self, code: StatusCode) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.reject_transfer(now, id, code))
            .await??)
    }

    /// Sends a message on the session's chat, stamped with the present time, and gives its id. Before the chat runs it
    /// waits.
    pub async fn send_message(&self, mut message: ChatMessage) -> Result<String, CommandError> {
        if message.timestamp.is_none() {
            message.timestamp = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        }
        self.with_stream(None, |chat: &mut ChatStream, cx| chat.send_message(cx, message))
            .await
    }

    /// Says on the session's chat that somebody writes here, or no longer.
    pub async fn send_composing_indication(&self, composing: Composing) -> Result<(), CommandError> {
        self.with_stream(None, move |chat: &mut ChatStream, cx| {
            chat.send_composing_indication(cx, composing)
        })
        .await
    }

    /// Runs a command on the first stream of a type, or on the one with that name, and gives its result.
    pub async fn with_stream<S: MediaStream, R: Send + 'static>(
        &self,
        stream: Option<StreamId>,
        command: impl FnOnce(&mut S, &mut StreamContext<'_>) -> Result<R, StreamError> + Send + 'static,
    ) -> Result<R, CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.with_stream(now, id, stream, command))
            .await??)
    }

    async fn set_hold(&self, on_hold: bool) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, now| manager.set_hold(now, id, on_hold))
            .await??)
    }
}

/// Audio streams as streams of any kind.
pub(super) fn boxed(streams: impl IntoIterator<Item = AudioStream>) -> Vec<Box<dyn MediaStream>> {
    let streams = streams.into_iter();
    streams
        .map(|stream| Box::new(stream) as Box<dyn MediaStream>)
        .collect()
}

impl Drop for Session {
    fn drop(&mut self) {
        let id = self.id;
        post_surely(&self.handle, move |manager, now| {
            // Over already is what is wanted.
            let _ = manager.end(now, id);
        });
    }
}

/// Runs a command that must not get lost, though nobody can wait for it: from `drop`. That the user agent has stopped
/// is as good as done.
pub(super) fn post_surely<F>(handle: &Handle<SessionManager>, command: F)
where
    F: FnOnce(&mut SessionManager, Instant) + Clone + Send + 'static,
{
    if handle.post(command.clone()) == Err(PostError::Full)
        && let Ok(runtime) = Runtime::try_current()
    {
        let handle = handle.clone();
        runtime.spawn(async move { handle.call(command).await });
    }
}
