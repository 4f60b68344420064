//! What an application hears of a session.

use crate::media::StreamId;
use crate::{AudioDescription, Originator, SessionId, StreamDescription, StreamEvent};
#[cfg(feature = "tokio")]
use crate::{AudioEvent, FileTransferEvent};
use offhook_sip_core::{Method, NameAddr, StatusCode, Uri};
use std::fmt;
use std::time::{Duration, Instant};

/// A notification of a session, with the names and the order of the SIP SIMPLE documents (`SIPSession...`).
///
/// An outgoing call: `NewOutgoing`, any number of `GotRingIndication` and `GotProvisionalResponse`, `WillStart`,
/// `DidStart`, `WillEnd`, `DidEnd`. An incoming one begins with `NewIncoming`. A call that is never established ends
/// with `DidFail` and nothing after it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// Somebody calls. Answer with `accept` or `reject`.
    NewIncoming {
        /// Who calls, as the From header field says: not verified by anybody.
        remote_identity: NameAddr,
        /// Whom they want.
        local_identity: NameAddr,
        /// What they propose.
        streams: Streams,
        /// The session whose place it wants to take (RFC 3891), as the last step of an attended transfer: accepting it ends
        /// that one. Whether the caller may is yours to decide, best by who they have proven to be (RFC 3891 §8).
        replaces: Option<SessionId>,
    },
    /// Our call goes out.
    NewOutgoing {
        /// Whom we call.
        remote_identity: NameAddr,
        /// What we propose.
        streams: Streams,
    },
    /// The other side rings (180).
    GotRingIndication,
    /// Another provisional answer.
    GotProvisionalResponse {
        /// 101 to 199, 180 excepted.
        code: StatusCode,
        /// The peer's words.
        reason: String,
    },
    /// The other side sent our call elsewhere (3xx), and [`SessionConfig::redirects`](crate::SessionConfig::redirects)
    /// follows.
    Redirected {
        /// Where to.
        target: Uri,
    },
    /// Both sides have agreed; the streams are being started.
    WillStart,
    /// The session is established and its streams run.
    DidStart {
        /// The streams that both sides agreed upon.
        streams: Streams,
    },
    /// The session was never established. Nothing follows.
    DidFail {
        /// Who refused or gave up.
        originator: Originator,
        /// The SIP status code; 0 when the cause has none.
        code: u16,
        /// The reason phrase, or what went wrong on this side.
        reason: String,
        /// Where a 3xx says that the other side can be reached, best first; empty otherwise.
        redirect_identities: Vec<NameAddr>,
    },
    /// An established session is about to end.
    WillEnd,
    /// An established session has ended. Nothing follows.
    DidEnd {
        /// Who ended it.
        originator: Originator,
        /// Why.
        reason: String,
        /// From `DidStart` to `WillEnd`.
        duration: Duration,
    },
    /// One side has put the other on hold, or taken it off.
    DidChangeHoldState {
        /// Which side.
        originator: Originator,
        /// True for hold.
        on_hold: bool,
        /// True when some of the streams that can be held are not.
        partial: bool,
    },
    /// A hold, or the end of one, that was asked for here came to nothing: all is as it was. What could be heard can be heard again.
    DidNotChangeHoldState {
        /// True where it was to be held.
        on_hold: bool,
        /// The SIP status code; a success where the other side agreed by something that cannot be followed.
        code: u16,
        /// Its reason phrase, or what is wrong.
        reason: String,
    },
    /// One side wants to add streams. Accept or reject the proposal where it is the other's.
    GotProposal {
        /// Which side proposes.
        originator: Originator,
        /// What it proposes.
        streams: Streams,
    },
    /// A proposal was accepted.
    GotAcceptProposal {
        /// Which side accepted.
        originator: Originator,
        /// The streams that are added.
        streams: Streams,
    },
    /// A proposal was rejected, or taken back (487).
    GotRejectProposal {
        /// Which side rejected, or took it back.
        originator: Originator,
        /// The SIP status code.
        code: u16,
        /// Its reason phrase.
        reason: String,
        /// What is not added.
        streams: Streams,
    },
    /// A proposal was accepted, but came to nothing.
    HadProposalFailure {
        /// Why.
        reason: String,
        /// What is not added.
        streams: Streams,
    },
    /// The streams of the session have changed.
    DidRenegotiateStreams {
        /// How.
        action: RenegotiationAction,
        /// Which streams were added or removed.
        streams: Streams,
    },
    /// We asked the other side to call somebody else (`SIPSessionTransferNewOutgoing`).
    TransferNewOutgoing {
        /// Whom.
        target: NameAddr,
    },
    /// The other side asks us to call somebody else (`SIPSessionTransferNewIncoming`): accept or reject the transfer. Without
    /// an answer it is declined after 32 s.
    TransferNewIncoming {
        /// Whom.
        target: NameAddr,
        /// Who wants it, as the other side says (RFC 3892).
        referred_by: Option<NameAddr>,
        /// Whether we are to take the other side's place in a session that it has with them (RFC 3891).
        is_attended: bool,
    },
    /// The side that was asked will call.
    TransferDidStart,
    /// How its call gets on.
    TransferGotProgress {
        /// 100 to 199.
        code: StatusCode,
        /// Its reason phrase.
        reason: String,
    },
    /// Its call is established. The side that asked ends this session now.
    TransferDidEnd,
    /// It came to nothing; this session goes on.
    TransferDidFail {
        /// The SIP status code; 0 when the cause has none.
        code: u16,
        /// Its reason phrase, or what went wrong.
        reason: String,
    },
    /// A transaction of the call's dialog is complete: its INVITE, a re-INVITE, or its BYE. It comes before what it brings about.
    /// An INVITE that is sent again by itself, after a challenge, a 491 or along another route, is told once, with its last
    /// response. What sessions do by themselves (session timers, PRACK, UPDATE) is not told, and what was under way where a call ends
    /// for another reason is not either.
    DidProcessTransaction {
        /// Who sent the request.
        originator: Originator,
        /// Its method.
        method: Method,
        /// The SIP status code of its final response, or 408 where none came.
        code: u16,
        /// Its reason phrase, or what stands in for it.
        reason: String,
        /// Whether the other side acknowledged our 2xx to its INVITE. `None` where that is not known: for what we refused, for an
        /// INVITE of ours, and for other methods.
        ack_received: Option<bool>,
    },
    /// About one stream.
    Stream {
        /// Which.
        stream: StreamId,
        /// What.
        event: StreamEvent,
    },
}

impl SessionEvent {
    /// The stream that wants to hear that this event was read.
    #[cfg(feature = "tokio")]
    pub(crate) fn taken_from(&self) -> Option<StreamId> {
        match self {
            Self::Stream { stream, event } if event.is_waited_for() => Some(*stream),
            _ => None,
        }
    }

    /// True for figures that make older ones of the same stream worthless.
    #[cfg(feature = "tokio")]
    pub(crate) fn replaces(&self, older: &Self) -> bool {
        let kind = |event: &Self| match event {
            Self::Stream {
                stream,
                event: StreamEvent::Audio(AudioEvent::Statistics(_)),
            } => Some((*stream, 0)),
            Self::Stream {
                stream,
                event: StreamEvent::FileTransfer(FileTransferEvent::Progress { .. }),
            } => Some((*stream, 1)),
            _ => None,
        };
        kind(self).is_some_and(|own| kind(older) == Some(own))
    }
}

/// What became of streams by a renegotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RenegotiationAction {
    /// They were added.
    Add,
    /// They were removed.
    Remove,
}

/// A [`SessionEvent`] with the instant at which it came about.
#[derive(Clone, Debug)]
pub struct Stamped<T> {
    /// When.
    pub timestamp: Instant,
    /// What.
    pub event: T,
}

/// The streams of a session as they stand when an event is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streams(Vec<StreamDescription>);

impl Streams {
    pub(crate) fn new(streams: Vec<StreamDescription>) -> Self {
        Self(streams)
    }

    /// The audio stream.
    pub fn audio(&self) -> Result<&AudioDescription, NoSuchStream> {
        let mut audio = self.0.iter().filter_map(|stream| match stream {
            StreamDescription::Audio(audio) => Some(audio),
            _ => None,
        });
        audio.next().ok_or(NoSuchStream("audio"))
    }

    /// All streams, in the order of the session description.
    pub fn iter(&self) -> std::slice::Iter<'_, StreamDescription> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Streams {
    type Item = &'a StreamDescription;
    type IntoIter = std::slice::Iter<'a, StreamDescription>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, stream) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{stream}")?;
        }
        Ok(())
    }
}

/// The session has no stream of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session has no {0} stream")]
pub struct NoSuchStream(pub &'static str);
