//! Whatever goes wrong in an application, in one type.

use crate::{CommandError, LocalError, LookupError, StartError};
use offhook_account::{SettingsError, StorageError};
use offhook_conference::ConferenceError;
use offhook_lookup::tokio::ResolverError;
use offhook_rtp_media::codec::UnknownCodec;
use offhook_session::NoSuchStream;
use offhook_sip_core::UriError;

/// Why something did not happen. Each message is a sentence that a person can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder for the settings cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The settings are broken, or cannot be read or written.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The default account that the settings name does not exist, or is not enabled.
    #[error(transparent)]
    Account(#[from] offhook_account::ManagerError),
    /// The name servers of the system cannot be found.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// The application cannot start: the port is busy, or the system refuses something.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The way to the other side cannot be found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A call or registration was refused before or while it ran.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A conference does not do what was asked.
    #[error(transparent)]
    Conference(#[from] ConferenceError),
    /// A port or a certificate was not changed.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The text is no SIP URI.
    #[error("not a SIP URI: {0}")]
    Uri(#[from] UriError),
    /// No codec has that name.
    #[error(transparent)]
    Codec(#[from] UnknownCodec),
    /// The mixer of the alert device cannot run.
    #[error(transparent)]
    Alert(#[from] offhook_audio_mixer::DeviceMixerError),
    /// The session has no such stream.
    #[error(transparent)]
    Stream(#[from] NoSuchStream),
}
