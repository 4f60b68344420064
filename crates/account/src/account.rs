//! One SIP address and how it is used.

use crate::document::{self, SettingsError};
use crate::values::{sip_uri, transport_list};
use crate::{AccountId, AudioCodec, Document, Secret, Settings, Storage};
use offhook_digest::Credentials;
use offhook_sansio::Transport;
use offhook_sip_core::SipUri;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// An account: one SIP address with its settings, the document `accounts/<id>.toml`.
///
/// The password is stored apart from the rest. As with [`Settings`], a key that is not known is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which address it is.
    id: AccountId,
    /// The name that others see. Default none.
    pub display_name: Option<String>,
    /// Whether the account is used at all. Default false: an account is first filled in, then enabled.
    pub enabled: bool,
    /// Who we are to the servers of the domain.
    pub auth: AuthSettings,
    /// Signalling.
    pub sip: AccountSipSettings,
    /// Media on the network.
    pub rtp: AccountRtpSettings,
}

/// Who we are to the servers of the domain, table `[auth]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthSettings {
    /// The user name for authentication. Default none: that of the id.
    pub username: Option<String>,
    /// The password; empty when there is none.
    pub password: Secret,
}

/// Signalling, table `[sip]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountSipSettings {
    /// Whether to register (RFC 3261 §10). Default true.
    pub register: bool,
    /// For how many seconds a registration is asked. Default 600.
    pub register_interval: u32,
    /// Where requests go first; the port and transport that it names are used. Default none: the domain.
    #[serde(with = "sip_uri", skip_serializing_if = "Option::is_none")]
    pub outbound_proxy: Option<SipUri>,
    /// Whether requests to other domains go by the proxy too. Default true.
    pub always_use_my_proxy: bool,
    /// The transports that may be used, the preferred first. Default none: those of [`Settings`].
    #[serde(with = "transport_list::option", skip_serializing_if = "Option::is_none")]
    pub transport_list: Option<Vec<Transport>>,
}

/// Media on the network, table `[rtp]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountRtpSettings {
    /// The codecs that are offered, the preferred first. Default none: those of [`Settings`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_codec_list: Option<Vec<AudioCodec>>,
}

impl Account {
    /// An account with default settings: not enabled, without password.
    pub fn new(id: AccountId) -> Self {
        let register = !id.is_local();
        Self {
            id,
            display_name: None,
            enabled: false,
            auth: AuthSettings::default(),
            sip: AccountSipSettings {
                register,
                ..AccountSipSettings::default()
            },
            rtp: AccountRtpSettings::default(),
        }
    }

    /// An enabled account for direct calls from address to address: no provider, no registration.
    ///
    /// Its id is `user@local`; the URI that others see is `sip:user@<our address>`.
    ///
    /// # Errors
    /// When the text is no user name.
    pub fn local(username: &str) -> Result<Self, crate::InvalidAccountId> {
        let mut account = Self::new(AccountId::new(username, AccountId::LOCAL_DOMAIN)?);
        account.enabled = true;
        Ok(account)
    }

    /// Which address it is. It cannot be changed: another address is another account.
    pub fn id(&self) -> &AccountId {
        &self.id
    }

    /// True for an account without a provider.
    pub fn is_local(&self) -> bool {
        self.id.is_local()
    }

    /// The address of record, for From and for registering. For a local account see [`uri_at`](Self::uri_at).
    #[expect(clippy::missing_panics_doc, reason = "an id that makes no URI cannot be made")]
    pub fn uri(&self) -> SipUri {
        let uri = format!("sip:{}", self.id).parse();
        uri.expect("checked when the id was made")
    }

    /// The URI for From when requests leave from this address of ours: that of a local account is its contact.
    pub fn uri_at(&self, address: IpAddr) -> SipUri {
        if self.is_local() {
            return self.uri().with_host(&address.into());
        }
        self.uri()
    }

    /// What answers a challenge: `None` without a password.
    pub fn credentials(&self) -> Option<Credentials> {
        if self.auth.password.is_empty() {
            return None;
        }
        let username = self.auth.username.as_deref().unwrap_or(self.id.username());
        Some(Credentials::new(username, self.auth.password.expose()))
    }

    /// True when the account registers now: it is enabled, wants to, and has a provider.
    pub fn registers(&self) -> bool {
        self.enabled && self.sip.register && !self.is_local()
    }

    /// The transports that may be used, the preferred first.
    pub fn transports<'a>(&'a self, settings: &'a Settings) -> &'a [Transport] {
        let own = self.sip.transport_list.as_ref();
        own.unwrap_or(&settings.sip.transport_list)
    }

    /// The codecs that are offered, the preferred first.
    pub fn audio_codecs<'a>(&'a self, settings: &'a Settings) -> &'a [AudioCodec] {
        let own = self.rtp.audio_codec_list.as_ref();
        own.unwrap_or(&settings.rtp.audio_codec_list)
    }

    /// The URI that a lookup has to find for a request to `destination`: the proxy's, where the request goes by
    /// it, else the destination.
    pub fn next_hop<'a>(&'a self, destination: &'a SipUri) -> &'a SipUri {
        let ours = destination.host_str().eq_ignore_ascii_case(self.id.domain());
        match &self.sip.outbound_proxy {
            Some(proxy) if ours || self.sip.always_use_my_proxy => proxy,
            _ => destination,
        }
    }

    /// Reads an account with its password; `None` where it is not stored.
    ///
    /// # Errors
    /// When the storage fails, or a document is broken: the error names place and line.
    pub fn load(storage: &dyn Storage, id: &AccountId) -> Result<Option<Self>, SettingsError> {
        let Some(stored) = document::load::<StoredAccount>(storage, &Document::Account(id.clone()))? else {
            return Ok(None);
        };
        let secrets = document::load::<StoredSecrets>(storage, &Document::Secrets(id.clone()))?;
        Ok(Some(Self {
            id: id.clone(),
            display_name: stored.display_name,
            enabled: stored.enabled,
            auth: AuthSettings {
                username: stored.auth.username,
                password: secrets.unwrap_or_default().password.into(),
            },
            sip: stored.sip,
            rtp: stored.rtp,
        }))
    }

    /// Stores the account, its password apart.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn store(&self, storage: &mut dyn Storage) -> Result<(), SettingsError> {
        // The password first: an account that can be read is then complete.
        let secrets = Document::Secrets(self.id.clone());
        if self.auth.password.is_empty() {
            storage.remove(&secrets)?;
        } else {
            let password = self.auth.password.expose().to_owned();
            document::store(storage, &secrets, &StoredSecrets { password })?;
        }
        let stored = StoredAccount {
            display_name: self.display_name.clone(),
            enabled: self.enabled,
            auth: StoredAuth {
                username: self.auth.username.clone(),
            },
            sip: self.sip.clone(),
            rtp: self.rtp.clone(),
        };
        document::store(storage, &Document::Account(self.id.clone()), &stored)
    }

    /// Removes an account and its password from the storage; does nothing where it is not stored.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn delete(storage: &mut dyn Storage, id: &AccountId) -> Result<(), SettingsError> {
        storage.remove(&Document::Account(id.clone()))?;
        storage.remove(&Document::Secrets(id.clone()))?;
        Ok(())
    }
}

impl AccountSipSettings {
    /// For how long a registration is asked.
    pub fn register_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.register_interval))
    }
}

impl Default for AccountSipSettings {
    fn default() -> Self {
        Self {
            register: true,
            register_interval: 600,
            outbound_proxy: None,
            always_use_my_proxy: true,
            transport_list: None,
        }
    }
}

/// An account as its document holds it.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StoredAccount {
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    enabled: bool,
    auth: StoredAuth,
    sip: AccountSipSettings,
    rtp: AccountRtpSettings,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StoredAuth {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
}

/// The document `secrets/<id>.toml`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StoredSecrets {
    password: String,
}
