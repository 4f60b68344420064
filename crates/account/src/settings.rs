//! What holds for the whole application.

use crate::document::{self, SettingsError};
use crate::values::transport_list;
use crate::{AccountId, AudioCodec, Document, PortRange, SampleRate, SoundDevice, Storage};
use offhook_sansio::Transport;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The general settings, the document `config.toml`. All have defaults; an empty document is a good one.
///
/// A key that is not known is refused when the document is read: a setting that was misspelt would else be without
/// effect, and nobody would say so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The account that calls are made with when none is named. Default none: the first one that is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_account: Option<AccountId>,
    /// How we call ourselves in `User-Agent` (RFC 3261 §20.41). Default none: see [`user_agent`](Self::user_agent).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Signalling.
    pub sip: SipSettings,
    /// Media on the network.
    pub rtp: RtpSettings,
    /// Media in the machine.
    pub audio: AudioSettings,
}

/// Signalling, table `[sip]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SipSettings {
    /// The transports that may be used, the preferred first. Default TLS, TCP, UDP.
    #[serde(with = "transport_list")]
    pub transport_list: Vec<Transport>,
}

/// Media on the network, table `[rtp]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RtpSettings {
    /// Local ports of RTP and RTCP. Default `50000-50500`.
    pub port_range: PortRange,
    /// Seconds without a packet after which a stream counts as dead. Default 30.
    pub timeout: u32,
    /// The codecs that are offered, the preferred first. Default opus, G722, PCMU, PCMA, iLBC, GSM.
    pub audio_codec_list: Vec<AudioCodec>,
}

/// Media in the machine, table `[audio]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudioSettings {
    /// The rate at which audio is mixed. Default 32000.
    pub sample_rate: SampleRate,
    /// The microphone of calls (`input_device`). Default `system_default`; `none` is silence, all else the name of a device.
    pub input_device: SoundDevice,
    /// The loudspeaker of calls (`output_device`). Likewise.
    pub output_device: SoundDevice,
    /// The loudspeaker that rings (`alert_device`). Likewise.
    pub alert_device: SoundDevice,
}

impl Settings {
    /// Reads the settings; the defaults where nothing is stored.
    ///
    /// # Errors
    /// When the storage fails, or the document is broken: the error names place and line.
    pub fn load(storage: &dyn Storage) -> Result<Self, SettingsError> {
        Ok(document::load(storage, &Document::Settings)?.unwrap_or_default())
    }

    /// Stores the settings.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn store(&self, storage: &mut dyn Storage) -> Result<(), SettingsError> {
        document::store(storage, &Document::Settings, self)
    }

    /// The `User-Agent` to send: the one that is set, else the SDK and its version.
    pub fn user_agent(&self) -> &str {
        const DEFAULT: &str = concat!("Offhook/", env!("CARGO_PKG_VERSION"));
        self.user_agent.as_deref().unwrap_or(DEFAULT)
    }
}

impl RtpSettings {
    /// How long a stream may be without a packet.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout))
    }
}

impl Default for SipSettings {
    fn default() -> Self {
        Self {
            transport_list: vec![Transport::Tls, Transport::Tcp, Transport::Udp],
        }
    }
}

impl Default for RtpSettings {
    fn default() -> Self {
        Self {
            port_range: PortRange::default(),
            timeout: 30,
            audio_codec_list: AudioCodec::ALL.to_vec(),
        }
    }
}
