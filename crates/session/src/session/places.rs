//! The streams of a session, each at the place of its media section.

use crate::media::{MediaEvent, MediaPlane, StreamId};
use crate::stream::{
    Agreed, MediaStream, Parties, StreamContext, StreamDescription, StreamError, StreamEvent, StreamSettings,
};
use offhook_sansio::Outbox;
use offhook_sdp::offer_answer::Negotiation;
use offhook_sdp::{Media, SessionDescription};
use std::any::Any;
use std::net::IpAddr;
use std::time::Instant;
use tracing::debug;

/// The streams of a session in the order of the media sections; `None` where a section was refused or its stream is
/// over. What the streams tell is kept here until the session passes it on.
#[derive(Default)]
pub(super) struct Places {
    at: Vec<Option<Box<dyn MediaStream>>>,
    /// Ended, but not over.
    ending: Vec<Box<dyn MediaStream>>,
    told: Outbox<(StreamId, StreamEvent)>,
    /// All streams that were ever here.
    opened: Vec<StreamId>,
}

/// What both sides have agreed upon, and who made the offer.
#[derive(Clone, Copy)]
pub(super) struct Outcome<'a> {
    pub(super) negotiation: &'a Negotiation,
    pub(super) is_offerer: bool,
    pub(super) parties: Parties<'a>,
}

impl<'a> Outcome<'a> {
    fn agreed(
        self,
        local: &'a SessionDescription,
        remote: &'a SessionDescription,
        index: usize,
    ) -> Agreed<'a> {
        Agreed {
            local,
            remote,
            index,
            is_offerer: self.is_offerer,
            parties: self.parties,
        }
    }
}

/// The media side and the time, as all calls of streams need them.
pub(super) struct Stage<'a> {
    pub(super) now: Instant,
    pub(super) plane: &'a mut dyn MediaPlane,
}

impl Places {
    /// Runs a call of one stream and keeps what it tells.
    fn act<R>(
        told: &mut Outbox<(StreamId, StreamEvent)>,
        stage: &mut Stage<'_>,
        stream: &mut dyn MediaStream,
        call: impl FnOnce(&mut dyn MediaStream, &mut StreamContext<'_>) -> R,
    ) -> R {
        let before = stream.id();
        let mut events = Vec::new();
        let result = call(
            stream,
            &mut StreamContext::new(stage.now, stage.plane, &mut events),
        );
        // A stream has no name before it is initialised, and none after its end.
        if let Some(id) = stream.id().or(before) {
            told.extend(events.into_iter().map(|event| (id, event)));
        }
        result
    }

    /// Opens the ports of all streams, or of none, and gives the streams back.
    pub(super) fn initialize(
        &mut self,
        stage: &mut Stage<'_>,
        mut streams: Vec<Box<dyn MediaStream>>,
        local_ip: IpAddr,
        settings: &StreamSettings,
    ) -> Result<Vec<Box<dyn MediaStream>>, StreamError> {
        for index in 0..streams.len() {
            let opened = Self::act(&mut self.told, stage, &mut *streams[index], |stream, cx| {
                stream.initialize(cx, local_ip, settings)
            });
            if let Err(error) = opened {
                for stream in &mut streams[..index] {
                    Self::act(&mut self.told, stage, &mut **stream, MediaStream::end);
                }
                return Err(error);
            }
            self.opened.extend(streams[index].id());
        }
        Ok(streams)
    }

    /// Puts streams behind the others, as for an offer; gives their places.
    pub(super) fn append(&mut self, streams: Vec<Box<dyn MediaStream>>) -> Vec<usize> {
        self.put(streams, &[])
    }

    /// Puts streams at these free places, and behind the others when they are used up; gives their places.
    pub(super) fn put(&mut self, streams: Vec<Box<dyn MediaStream>>, free: &[usize]) -> Vec<usize> {
        let mut free = free.iter();
        let put = |stream| {
            if let Some(index) = free.next() {
                self.at[*index] = Some(stream);
                *index
            } else {
                self.at.push(Some(stream));
                self.at.len() - 1
            }
        };
        streams.into_iter().map(put).collect()
    }

    /// Makes sure that there are this many places at least, empty ones behind the others.
    pub(super) fn widen(&mut self, places: usize) {
        self.at.resize_with(places.max(self.at.len()), || None);
    }

    /// Gives each stream the first free section of an offer that it takes; one without a section ends. Gives the places.
    pub(super) fn place(
        &mut self,
        stage: &mut Stage<'_>,
        offer: &SessionDescription,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Vec<usize> {
        self.widen(offer.media.len());
        let mut placed = Vec::new();
        for mut stream in streams {
            let free = (0..offer.media.len()).find(|index| {
                self.at[*index].is_none() && !offer.media[*index].is_rejected() && stream.takes(offer, *index)
            });
            if let Some(index) = free {
                self.at[index] = Some(stream);
                placed.push(index);
            } else {
                Self::act(&mut self.told, stage, &mut *stream, MediaStream::end);
            }
        }
        placed
    }

    /// The media sections that answer an offer: our streams' where there is one for the place, refusals for the rest
    /// (RFC 3264 §6). The first refusal by a stream of ours comes with them.
    pub(super) fn answer(&mut self, offer: &SessionDescription) -> (Vec<Media>, Option<StreamError>) {
        let mut sections = Vec::with_capacity(offer.media.len());
        let mut refusal = None;
        for (index, offered) in offer.media.iter().enumerate() {
            let answer = match self.at.get_mut(index).and_then(Option::as_mut) {
                Some(stream) if !offered.is_rejected() => stream.answer(offer, index),
                _ => {
                    sections.push(offered.rejection());
                    continue;
                }
            };
            sections.push(answer.unwrap_or_else(|error| {
                debug!(%error, index, "refusing a media section");
                refusal.get_or_insert(error);
                offered.rejection()
            }));
        }
        (sections, refusal)
    }

    /// The media sections of a new offer of ours, with refused ones in their old places (RFC 3264 §8).
    pub(super) fn offer(&self, before: Option<&SessionDescription>) -> Vec<Media> {
        let before = before.map_or(&[][..], |local| &local.media);
        let places = self.at.len().max(before.len());
        (0..places)
            .filter_map(|index| match self.at.get(index).and_then(Option::as_ref) {
                Some(stream) => Some(stream.offer()),
                None => before.get(index).map(Media::rejection),
            })
            .collect()
    }

    /// Starts the chosen streams as both sides agreed, and ends those that cannot. Gives the places of those that start,
    /// and the last reason why one does not.
    pub(super) fn start(
        &mut self,
        stage: &mut Stage<'_>,
        outcome: Outcome<'_>,
        chosen: &[usize],
    ) -> (Vec<usize>, Option<StreamError>) {
        self.follow(stage, outcome, chosen, |stream, cx, agreed| {
            stream.start(cx, agreed)
        })
    }

    /// Lets the streams be heard before the other side accepts, as both sides would agree.
    pub(super) fn start_early(&mut self, stage: &mut Stage<'_>, outcome: Outcome<'_>) {
        let (Some(local), Some(remote)) = (outcome.negotiation.local(), outcome.negotiation.remote()) else {
            return;
        };
        for (index, place) in self.at.iter_mut().enumerate() {
            let Some(stream) = place else { continue };
            let agreed = outcome.agreed(local, remote, index);
            if agreed.is_refused() {
                continue;
            }
            let begun = Self::act(&mut self.told, stage, &mut **stream, |stream, cx| {
                stream.start_early(cx, agreed)
            });
            if let Err(error) = begun {
                debug!(%error, index, "a stream is not heard early");
            }
        }
    }

    /// Lets the other streams follow a renegotiation; a section that was refused ends its stream (RFC 3264 §8.2).
    pub(super) fn update(&mut self, stage: &mut Stage<'_>, outcome: Outcome<'_>, except: &[usize]) {
        let others: Vec<usize> = (0..self.at.len())
            .filter(|index| !except.contains(index))
            .collect();
        self.follow(stage, outcome, &others, |stream, cx, agreed| {
            stream.update(cx, agreed)
        });
    }

    fn follow(
        &mut self,
        stage: &mut Stage<'_>,
        outcome: Outcome<'_>,
        chosen: &[usize],
        mut call: impl FnMut(&mut dyn MediaStream, &mut StreamContext<'_>, Agreed<'_>) -> Result<(), StreamError>,
    ) -> (Vec<usize>, Option<StreamError>) {
        let (Some(local), Some(remote)) = (outcome.negotiation.local(), outcome.negotiation.remote()) else {
            return (Vec::new(), Some(StreamError::NotRunning("media")));
        };
        let (mut fine, mut failure) = (Vec::new(), None);
        for &index in chosen {
            let Some(stream) = self.at.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            let agreed = outcome.agreed(local, remote, index);
            let followed = if agreed.is_refused() {
                Err(StreamError::Refused(stream.describe().kind()))
            } else {
                Self::act(&mut self.told, stage, &mut **stream, |stream, cx| {
                    call(stream, cx, agreed)
                })
            };
            match followed {
                Ok(()) => fine.push(index),
                Err(error) => {
                    debug!(%error, index, "a stream ends with what was negotiated");
                    self.fail(stage, index, &error);
                    failure = Some(error);
                }
            }
        }
        (fine, failure)
    }

    /// Ends a stream that cannot go on.
    pub(super) fn fail(&mut self, stage: &mut Stage<'_>, index: usize, error: &StreamError) {
        let id = self.get(index).and_then(MediaStream::id);
        // Refused by the peer is an answer, not a failure.
        if let (Some(id), false) = (id, matches!(error, StreamError::Refused(_))) {
            let reason = error.to_string();
            self.told.push((id, StreamEvent::DidFail { reason }));
        }
        self.end(stage, index);
    }

    /// Ends one stream; its place stays empty.
    pub(super) fn end(&mut self, stage: &mut Stage<'_>, index: usize) {
        if let Some(mut stream) = self.at.get_mut(index).and_then(Option::take) {
            Self::act(&mut self.told, stage, &mut *stream, MediaStream::end);
            self.ending
                .extend(Some(stream).filter(|stream| stream.is_ending()));
        }
    }

    /// Ends all streams; they stay where they are, to be looked at.
    pub(super) fn end_all(&mut self, stage: &mut Stage<'_>) {
        for stream in self.at.iter_mut().flatten() {
            Self::act(&mut self.told, stage, &mut **stream, MediaStream::end);
        }
    }

    /// Ends streams that did not come to be; places behind the last stream are given up.
    pub(super) fn withdraw(&mut self, stage: &mut Stage<'_>, places: &[usize]) {
        for index in places {
            self.end(stage, *index);
        }
        while let Some(None) = self.at.last() {
            self.at.pop();
        }
    }

    /// Gives an event of the media side to the stream that it names. An error names the stream that ends by it.
    pub(super) fn handle_media_event(
        &mut self,
        stage: &mut Stage<'_>,
        id: StreamId,
        event: MediaEvent,
    ) -> Result<(), (usize, StreamError)> {
        let Some(index) = self.index_of(id) else {
            self.tell_ending(stage, id, event);
            return Ok(());
        };
        let Some(stream) = self.at[index].as_mut() else {
            return Ok(());
        };
        if let MediaEvent::Failed { error, .. } = event {
            return Err((index, error.into()));
        }
        Self::act(&mut self.told, stage, &mut **stream, |stream, cx| {
            stream.handle_media_event(cx, event)
        })
        .map_err(|error| (index, error))
    }

    /// Gives an event of the media side to a stream that is ending. One that fails is about to be over in any case.
    fn tell_ending(&mut self, stage: &mut Stage<'_>, id: StreamId, event: MediaEvent) {
        let mut ending = self.ending.iter_mut();
        if let Some(stream) = ending.find(|stream| stream.id() == Some(id)) {
            let told = Self::act(&mut self.told, stage, &mut **stream, |stream, cx| {
                stream.handle_media_event(cx, event)
            });
            debug!(?told, "a stream that ends heard something");
        }
        self.ending.retain(|stream| stream.is_ending());
    }

    /// True when no stream that was ended has anything to tell still.
    pub(super) fn are_over(&self) -> bool {
        self.ending.is_empty() && !self.iter().any(MediaStream::is_ending)
    }

    /// The application has read an event of that stream, unless it is over.
    pub(super) fn event_taken(&mut self, stage: &mut Stage<'_>, id: StreamId) {
        let mut streams = self.at.iter_mut().flatten();
        if let Some(stream) = streams.find(|stream| stream.id() == Some(id)) {
            Self::act(&mut self.told, stage, &mut **stream, MediaStream::event_taken);
        }
    }

    pub(super) fn handle_timeout(&mut self, stage: &mut Stage<'_>) {
        for stream in self.at.iter_mut().flatten().chain(&mut self.ending) {
            if stream.poll_timeout().is_some_and(|due| due <= stage.now) {
                Self::act(&mut self.told, stage, &mut **stream, |stream, cx| {
                    stream.handle_timeout(cx);
                });
            }
        }
        self.ending.retain(|stream| stream.is_ending());
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let ending = self.ending.iter().map(|stream| &**stream);
        let streams = self.iter().chain(ending);
        streams.filter_map(MediaStream::poll_timeout).min()
    }

    /// Runs a command on the first stream of a type, or on the one with that name.
    pub(super) fn with<S: MediaStream, R>(
        &mut self,
        stage: &mut Stage<'_>,
        id: Option<StreamId>,
        command: impl FnOnce(&mut S, &mut StreamContext<'_>) -> Result<R, StreamError>,
    ) -> Result<R, StreamError> {
        let stream = self.at.iter_mut().flatten().find(|stream| {
            let stream: &dyn Any = &***stream;
            stream.is::<S>()
        });
        let stream = match id {
            None => stream,
            Some(id) => self
                .at
                .iter_mut()
                .flatten()
                .find(|stream| stream.id() == Some(id)),
        };
        let stream = stream.ok_or(StreamError::NoSuchStream)?;
        Self::act(&mut self.told, stage, &mut **stream, |stream, cx| {
            let any: &mut dyn Any = stream;
            let stream = any.downcast_mut::<S>().ok_or(StreamError::NoSuchStream)?;
            command(stream, cx)
        })
    }

    pub(super) fn poll_event(&mut self) -> Option<(StreamId, StreamEvent)> {
        self.told.pop()
    }

    /// The streams that are here, and those that were.
    pub(super) fn opened(&self) -> &[StreamId] {
        &self.opened
    }

    pub(super) fn index_of(&self, id: StreamId) -> Option<usize> {
        self.at
            .iter()
            .position(|place| place.as_ref().is_some_and(|stream| stream.id() == Some(id)))
    }

    /// The place of the first stream that has done what it was for.
    pub(super) fn first_done(&self) -> Option<usize> {
        let is_done = |place: &Option<Box<dyn MediaStream>>| place.as_ref().is_some_and(|s| s.is_done());
        self.at.iter().position(is_done)
    }

    pub(super) fn get(&self, index: usize) -> Option<&dyn MediaStream> {
        self.at.get(index)?.as_deref()
    }

    /// The streams that there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn MediaStream> {
        self.at.iter().flatten().map(|stream| &**stream)
    }

    pub(super) fn set_hold(&mut self, stage: &mut Stage<'_>, on_hold: bool) {
        for stream in self.at.iter_mut().flatten() {
            Self::act(&mut self.told, stage, &mut **stream, |stream, cx| {
                stream.set_hold(cx, on_hold);
            });
        }
    }

    /// The other side refused what we offered.
    pub(super) fn offer_refused(&mut self, stage: &mut Stage<'_>, reason: &str) {
        for stream in self.at.iter_mut().flatten() {
            Self::act(&mut self.told, stage, &mut **stream, |stream, cx| {
                stream.offer_refused(cx, reason);
            });
        }
    }

    /// How many places there are, empty ones too.
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// True when every stream at these places runs, or is over.
    pub(super) fn are_running(&self, places: &[usize]) -> bool {
        places
            .iter()
            .filter_map(|index| self.get(*index))
            .all(MediaStream::is_running)
    }

    /// The streams at these places as they stand.
    pub(super) fn describe(&self, places: &[usize]) -> Vec<StreamDescription> {
        let streams = places.iter().filter_map(|index| self.get(*index));
        streams.map(MediaStream::describe).collect()
    }
}
