//! What the streams of a session tell.

use super::{ChatEvent, DesktopSharingEvent, FileTransferEvent};
use offhook_rtp_media::Statistics;
use offhook_rtp_media::dtmf::Digit;
use offhook_rtp_media::srtp::SrtpSuite;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A notification of one stream, with the names of the SIP SIMPLE documents (`MediaStream...`, `AudioStream...`,
/// `ChatStream...`, `FileTransferStream...`, `DesktopSharing...`).
///
/// Each stream begins with `DidInitialize`. One that both sides agreed upon goes on with `DidStart` or `DidFail`, one
/// that ends with `WillEnd` and `DidEnd`; what became of a file may be told between these two.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamEvent {
    /// Its ports are open, and it can be offered.
    DidInitialize,
    /// It runs.
    DidStart,
    /// It cannot run, or cannot go on. `WillEnd` and `DidEnd` follow, as far as they were not told.
    DidFail {
        /// What is wrong, in words for a person.
        reason: String,
    },
    /// It is about to end.
    WillEnd,
    /// It has ended; nothing follows.
    DidEnd,
    /// Of an audio stream.
    Audio(AudioEvent),
    /// Of a chat stream.
    Chat(ChatEvent),
    /// Of a file transfer.
    FileTransfer(FileTransferEvent),
    /// Of a shared desktop.
    DesktopSharing(DesktopSharingEvent),
}

impl StreamEvent {
    /// True for an event that is never dropped, as its stream listens to the other side no longer while too many of them wait for the
    /// application. Whoever drives sessions says by [`SessionManager::event_taken`](crate::SessionManager::event_taken) that one
    /// was read; the handle `tokio::Session` does.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        matches!(
            self,
            Self::Chat(_) | Self::DesktopSharing(DesktopSharingEvent::GotData { .. })
        )
    }
}

/// What an [`AudioStream`](super::AudioStream) tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AudioEvent {
    /// The remote party pressed a key (`AudioStreamGotDTMF`).
    GotDtmf {
        /// Which.
        digit: Digit,
    },
    /// Media comes from another address than negotiated, or is spoken by another codec (`AudioStreamDidChangeRTPParameters`).
    DidChangeRtpParameters {
        /// What we speak now.
        codec: String,
        /// Samples a second of its sound.
        sample_rate: u32,
        /// Where media comes from now.
        remote: SocketAddr,
    },
    /// The other side has not agreed to other codecs; the stream goes on with those that it had.
    CodecChangeDidFail {
        /// Why, in words for a person.
        reason: String,
    },
    /// The stream is about to be recorded (`AudioStreamWillStartRecordingAudio`).
    WillStartRecording {
        /// To this file.
        path: PathBuf,
    },
    /// The stream is being recorded (`AudioStreamDidStartRecordingAudio`).
    DidStartRecording {
        /// To this file.
        path: PathBuf,
    },
    /// The recording is about to end (`AudioStreamWillStopRecordingAudio`).
    WillStopRecording {
        /// To this file.
        path: PathBuf,
    },
    /// The recording has ended (`AudioStreamDidStopRecordingAudio`). Its file is closed soon after.
    DidStopRecording {
        /// To this file.
        path: PathBuf,
    },
    /// The recording broke off: the disk is full, say. The stream goes on, and what was written until then is kept.
    RecordingDidFail {
        /// To this file.
        path: PathBuf,
        /// What is wrong, in words for a person.
        reason: String,
    },
    /// DTLS proved who the other side is and gave the keys: media flows from now on, encrypted (`RTPStreamDidEnableEncryption`).
    DidEnableEncryption {
        /// By what.
        suite: SrtpSuite,
    },
    /// No media has arrived for the time that the settings allow (`RTPStreamDidTimeout`). The session goes on.
    DidTimeoutRtp,
    /// The figures of the running stream, once a second.
    Statistics(Box<Statistics>),
}
