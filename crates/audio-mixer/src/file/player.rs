//! Plays a wave file, once or often.

use super::wave::{WaveError, WaveFile};
use crate::gain::{Gain, Ramp};
use crate::mixer::{TickLength, kernel};
use crate::port::{AudioPort, Produced, Role, Tick};
use rtrb::{Consumer, Producer, RingBuffer};
use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How a file is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayerOptions {
    /// Percent of the amplitude: less than 100 is softer, more is louder, up to 1599; a soft limiter keeps it from clipping. Default
    /// 100.
    pub volume: u16,
    /// How many times the file is played; 0 is without end. Default 1.
    pub loop_count: u32,
    /// How long to wait between two plays. Default none.
    pub pause_time: Duration,
    /// Whether to play at once when started, rather than to wait for `pause_time` first. Default true.
    pub initial_play: bool,
    /// Whether the player leaves its mixer by itself when playing is over, for whatever reason. Default false: it can be started
    /// again.
    pub leave_at_end: bool,
}

impl Default for PlayerOptions {
    fn default() -> Self {
        Self {
            volume: 100,
            loop_count: 1,
            pause_time: Duration::ZERO,
            initial_play: true,
            leave_at_end: false,
        }
    }
}

/// What happened to a [`WavePlayer`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlayerEvent {
    /// The file is played for the first time since `start`.
    DidStart {
        /// The tick's time.
        at: Instant,
    },
    /// Playing is over.
    DidEnd {
        /// The tick's time, or that of the call of `stop`.
        at: Instant,
        /// Why.
        reason: EndReason,
    },
    /// The file could not be played.
    DidFail {
        /// The tick's time.
        at: Instant,
        /// What is wrong with the file.
        error: Arc<WaveError>,
    },
}

/// Why playing is over.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The file was played as often as it should be.
    Finished,
    /// It was, as far as it goes: its end is missing.
    CutOff {
        /// How much of what its header promises ([`WaveFile::missing`]).
        missing: Duration,
    },
    /// `stop` was called.
    Stopped,
}

/// A port that plays a wave file. It can be started and stopped any number of times.
///
/// Drain [`poll_event`](Self::poll_event) after ticks, or take the events to another thread with
/// [`with_events`](Self::with_events). At most [`MAX_EVENTS`](Self::MAX_EVENTS) wait; older ones give way.
#[derive(Debug)]
pub struct WavePlayer {
    rate: u32,
    source: Source,
    options: PlayerOptions,
    volume: Ramp,
    state: State,
    /// What was stopped in the middle: it fades out in the next tick, whatever is played by then.
    tail: Vec<i16>,
    started: bool,
    /// Playing is over, and was not begun again.
    ended: bool,
    plays_left: Option<u32>,
    events: VecDeque<PlayerEvent>,
    /// Where events go instead.
    told: Option<Producer<PlayerEvent>>,
}

/// The events of a [`WavePlayer`] that has gone to a mixer as one port of many.
pub struct PlayerEvents(Consumer<PlayerEvent>);

impl PlayerEvents {
    /// What happened, oldest first. At most [`WavePlayer::MAX_EVENTS`] wait; later ones are dropped.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<PlayerEvent> {
        self.0.pop().ok()
    }
}

impl fmt::Debug for PlayerEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayerEvents").finish_non_exhaustive()
    }
}

type Loading = Arc<OnceLock<Result<WaveFile, Arc<WaveError>>>>;

#[derive(Debug)]
enum Source {
    Loaded(WaveFile),
    /// Read anew at each start; the file of the last start is kept until the next.
    Path {
        path: PathBuf,
        loading: Loading,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Another thread reads the file.
    Loading,
    /// Silent for so many samples.
    Pausing {
        left: u64,
    },
    /// The next sample.
    Playing {
        next: usize,
    },
}

impl WavePlayer {
    /// Most events that wait to be polled.
    pub const MAX_EVENTS: usize = 8;

    /// A player of a file that is in memory already. It can be shared: clone the [`WaveFile`].
    pub fn new(file: WaveFile, options: PlayerOptions) -> Self {
        Self::with(file.rate(), Source::Loaded(file), options)
    }

    /// A player of a file that is read when the player is started, by a thread of its own, and brought to `rate` hertz:
    /// the rate of the mixer.
    pub fn from_path(path: impl Into<PathBuf>, rate: u32, options: PlayerOptions) -> Self {
        let source = Source::Path {
            path: path.into(),
            loading: Loading::default(),
        };
        Self::with(rate, source, options)
    }

    fn with(rate: u32, source: Source, options: PlayerOptions) -> Self {
        Self {
            rate,
            source,
            options,
            volume: Ramp::steady(Gain::from_percent(options.volume)),
            state: State::Idle,
            tail: Vec::new(),
            started: false,
            ended: false,
            plays_left: None,
            events: VecDeque::with_capacity(Self::MAX_EVENTS),
            told: None,
        }
    }

    /// The same player with its events apart, for whoever cannot reach it once it is in a mixer. What happened before stays
    /// with [`poll_event`](Self::poll_event).
    #[must_use]
    pub fn with_events(mut self) -> (Self, PlayerEvents) {
        let (told, events) = RingBuffer::new(Self::MAX_EVENTS);
        self.told = Some(told);
        (self, PlayerEvents(events))
    }

    /// Starts from the beginning with the next tick, or as soon as the file has been read. Does nothing while playing.
    pub fn start(&mut self) {
        if self.is_active() {
            return;
        }
        (self.started, self.ended) = (false, false);
        self.plays_left = (self.options.loop_count > 0).then_some(self.options.loop_count);
        if let Source::Path { path, loading } = &mut self.source {
            let (path, rate) = (path.clone(), self.rate);
            *loading = Loading::default();
            let result = Arc::clone(loading);
            let reader = thread::Builder::new().name("offhook-wave-reader".into());
            let read = move || drop(result.set(WaveFile::load(&path, rate).map_err(Arc::new)));
            if let Err(source) = reader.spawn(read)
                && let Source::Path { path, loading } = &self.source
            {
                let path = path.clone();
                // Cannot be set already: no thread holds it.
                let _ = loading.set(Err(Arc::new(WaveError::System { path, source })));
            }
            self.state = State::Loading;
        } else {
            self.begin();
        }
    }

    /// Stops at once: what is left of the sound fades out within one tick, under what is played by then if it is started again.
    pub fn stop(&mut self, now: Instant) {
        if !self.is_active() {
            return;
        }
        // What was never heard has nothing to fade out.
        if let State::Playing { next } = self.state
            && self.started
        {
            let rest = self.source.rest(next);
            let longest = TickLength::Ms20.duration().as_millis() as usize * self.rate as usize / 1000;
            self.tail.extend_from_slice(&rest[..rest.len().min(longest)]);
            kernel::scale(&mut self.tail, Ramp::steady(self.volume.begin()));
        }
        self.end(PlayerEvent::DidEnd {
            at: now,
            reason: EndReason::Stopped,
        });
    }

    /// Whether the player is between start and end, pauses included.
    pub fn is_active(&self) -> bool {
        self.state != State::Idle
    }

    /// The file (`file_name` of the SIP SIMPLE documents); `None` of a sound that a program made itself.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::Loaded(file) => file.path(),
            Source::Path { path, .. } => Some(path),
        }
    }

    /// How the file is played.
    pub fn options(&self) -> PlayerOptions {
        self.options
    }

    /// Changes how the file is played: the volume glides to what it shall be within the next tick, a new `pause_time` counts
    /// from the next pause on, the rest from the next start on.
    pub fn set_options(&mut self, options: PlayerOptions) {
        self.options = options;
        self.volume.aim(Gain::from_percent(options.volume));
    }

    /// What happened, oldest first.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<PlayerEvent> {
        self.events.pop_front()
    }

    fn begin(&mut self) {
        // Nothing sounds yet that could click.
        self.volume.advance();
        self.state = if self.options.initial_play {
            State::Playing { next: 0 }
        } else {
            self.pause()
        };
    }

    fn pause(&self) -> State {
        State::Pausing {
            left: self.pause_samples(),
        }
    }

    fn pause_samples(&self) -> u64 {
        let samples = self.options.pause_time.as_micros() * u128::from(self.rate) / 1_000_000;
        u64::try_from(samples).unwrap_or(u64::MAX)
    }

    /// Playing is over; `event` says how.
    fn end(&mut self, event: PlayerEvent) {
        (self.state, self.ended) = (State::Idle, true);
        self.push(event);
    }

    fn push(&mut self, event: PlayerEvent) {
        if let Some(told) = &mut self.told {
            // A full ring means that nobody polls.
            let _ = told.push(event);
            return;
        }
        if self.events.len() == Self::MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Looks whether the file has been read by now.
    fn await_file(&mut self, at: Instant) {
        let Source::Path { loading, .. } = &self.source else {
            return;
        };
        match loading.get() {
            None => {}
            Some(Ok(_)) => self.begin(),
            Some(Err(error)) => {
                let error = Arc::clone(error);
                self.end(PlayerEvent::DidFail { at, error });
            }
        }
    }

    /// Fills `frame` from the current state on; returns how much of it is sound or pause.
    fn fill(&mut self, at: Instant, frame: &mut [i16]) -> usize {
        let mut done = 0;
        while done < frame.len() {
            let room = &mut frame[done..];
            match self.state {
                State::Idle | State::Loading => break,
                State::Pausing { left: 0 } => self.state = State::Playing { next: 0 },
                State::Pausing { left } => {
                    let n = left.min(room.len() as u64) as usize;
                    room[..n].fill(0);
                    done += n;
                    self.state = State::Pausing {
                        left: left - n as u64,
                    };
                }
                State::Playing { next } => {
                    if !self.started {
                        self.started = true;
                        self.push(PlayerEvent::DidStart { at });
                    }
                    let rest = self.source.rest(next);
                    let n = rest.len().min(room.len());
                    room[..n].copy_from_slice(&rest[..n]);
                    done += n;
                    self.state = State::Playing { next: next + n };
                    if n == rest.len() {
                        self.end_of_file(at, next + n);
                    }
                }
            }
        }
        done
    }

    /// Lets what was stopped fade out within the frame.
    fn leave(&mut self, frame: &mut [i16]) {
        self.tail.truncate(frame.len());
        if !self.tail.is_empty() {
            kernel::glide(&mut self.tail, Ramp::fade_out());
            kernel::add(frame, &self.tail);
            self.tail.clear();
        }
    }

    fn end_of_file(&mut self, at: Instant, len: usize) {
        if let Some(left) = &mut self.plays_left {
            *left -= 1;
        }
        // An empty file without pauses, or with pauses of no sample, would be played infinitely often in one tick.
        let empty = len == 0 && self.pause_samples() == 0;
        if self.plays_left == Some(0) || empty {
            let missing = self.source.file().map_or(Duration::ZERO, WaveFile::missing);
            let reason = if missing.is_zero() {
                EndReason::Finished
            } else {
                EndReason::CutOff { missing }
            };
            self.end(PlayerEvent::DidEnd { at, reason });
        } else if self.options.pause_time.is_zero() {
            self.state = State::Playing { next: 0 };
        } else {
            self.state = self.pause();
        }
    }
}

impl Source {
    /// The file, when it has been read.
    fn file(&self) -> Option<&WaveFile> {
        match self {
            Self::Loaded(file) => Some(file),
            Self::Path { loading, .. } => loading.get().and_then(|result| result.as_ref().ok()),
        }
    }

    /// What is left of the file.
    fn rest(&self, next: usize) -> &[i16] {
        let samples = self.file().map_or(&[][..], WaveFile::samples);
        samples.get(next..).unwrap_or_default()
    }
}

impl AudioPort for WavePlayer {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::PRODUCER
    }

    fn is_over(&self) -> bool {
        self.ended && self.options.leave_at_end
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        if self.state == State::Loading {
            self.await_file(tick.now);
        }
        let done = self.fill(tick.now, frame);
        if done == 0 && self.tail.is_empty() {
            return Produced::Silence;
        }
        frame[done..].fill(0);
        kernel::scale(frame, self.volume);
        self.volume.advance();
        self.leave(frame);
        Produced::Audio
    }
}
