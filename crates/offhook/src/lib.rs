//! Real-time communication end-points in a few lines: the facade over the Offhook crates.
//!
//! Hello world: a wideband audio call to a test number that plays a tune.
//!
//! ```no_run
//! use offhook::prelude::*;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), offhook::Error> {
//!     let app = Application::start(FileStorage::new("config")?).await?;
//!     let mut session = app.call("sip:3333@sip2sip.info".parse()?, [AudioStream::offer()]).await?;
//!     while let Some(event) = session.next_event().await {
//!         match event {
//!             SessionEvent::GotRingIndication => println!("Ringing!"),
//!             SessionEvent::DidStart { streams } => println!("Audio session: {}", streams.audio()?.describe()),
//!             SessionEvent::DidFail { reason, .. } => println!("Failed to connect: {reason}"),
//!             SessionEvent::DidEnd { .. } => println!("Session ended"),
//!             _ => {}
//!         }
//!     }
//!     app.stop().await;
//!     Ok(())
//! }
//! ```
//!
//! [`Application`] finds the way to the other side by DNS, speaks SIP, negotiates the codec, runs the media thread and
//! the sound card (feature `device`). What it stands on can be used alone: each layer is a crate of its own, see
//! ARCHITECTURE.md in the repository.
//!
//! # Standards
//!
//! The tables on the pages of the crates below say which RFCs are kept, and how far; this crate adds none of its own.

mod alert;
mod application;
mod builder;
mod error;
mod sound;

pub use application::{Application, ApplicationEvent, SoundRole};
pub use builder::ApplicationBuilder;
pub use error::Error;

pub use offhook_account::{
    Account, AccountId, FileStorage, InvalidAccountId, MemoryStorage, Settings, Storage,
};
pub use offhook_audio_mixer::{
    AudioPort, Burst, Cadence, DeviceChoice, DeviceError, DeviceInfo, DeviceMixer, DeviceMixerError,
    DeviceOptions, Direction, Gain, KNOWS_CARDS, LastingEvent, PlayerEvent, PlayerEvents, PlayerOptions,
    RecordError, Recording, Summary as RecordingSummary, TonePlayer, WaveError, WaveFile, WavePlayer,
    WaveRecorder, devices as sound_devices,
};
pub use offhook_conference::{AudioConference, ConferenceError};
pub use offhook_lookup::LookupError;
pub use offhook_rtp_media::Statistics;
pub use offhook_rtp_media::codec::{AudioCodec, UnknownCodec};
pub use offhook_rtp_media::dtmf::Digit;
pub use offhook_rtp_media::jitter::JitterConfig;
pub use offhook_rtp_media::srtp::{SrtpPolicy, SrtpSuite};
pub use offhook_sansio::Transport;
pub use offhook_session::media::{Attachment, OpenError, RfbContext, StreamId};
pub use offhook_session::tokio::{
    CommandError, LocalError, MsrpRelay, MsrpRelaySettings, Publication, RecordingOptions, Registration,
    RelayUsage, Session, StartError, StreamBridge, Subscription, VoiceDevice, select_file,
};
pub use offhook_session::{
    AudioDescription, AudioEvent, AudioStream, ChatDescription, ChatEvent, ChatMessage, ChatStream,
    Composing, DesktopSharingDescription, DesktopSharingEvent, DesktopSharingHandler, DesktopSharingStream,
    DtmfMethod, ExternalMediaStream, FileSelector, FileTransferDescription, FileTransferEvent,
    FileTransferStream, MediaStream, MediaStreamRegistry, Originator, RecordedParties, RenegotiationAction,
    RfbRole, SessionError, SessionEvent, SessionId, StreamDescription, StreamError, StreamEvent, StreamKind,
    Streams, ToolCommand, ToolCommandError, recording_name,
};
pub use offhook_session::{Direction as MediaDirection, MediaKind, RtpFormat};
pub use offhook_sip_core::endpoint::{Trace, TransportFailure};
pub use offhook_sip_core::invitation::{Cause, RedirectPolicy};
pub use offhook_sip_core::tokio::{
    Certificate, ClientCertificates, TlsError, TlsOptions, TlsVersion, Trust, WebSocketConfig,
};
pub use offhook_sip_core::{
    Body, PublicationEvent, ReceivedMessage, SubscribeError, SubscriptionEvent, SubscriptionState,
};
pub use offhook_sip_core::{NameAddr, RegistrationEvent, Route, SipUri, StatusCode, Uri, UriError};

/// What most programs need, in one import.
pub mod prelude {
    pub use crate::{
        Account, Application, ApplicationEvent, Attachment, AudioCodec, AudioStream, FileStorage,
        MemoryStorage, Originator, Session, SessionEvent, SipUri, StatusCode, WaveFile, WavePlayer,
        WaveRecorder,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
