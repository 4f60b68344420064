//! All accounts of the application.

use crate::{Account, AccountId, SettingsError, Storage};
use offhook_sansio::{Entropy, Outbox, Transport};
use offhook_sip_core::SipUri;
use std::net::SocketAddr;

/// Holds the accounts, knows the default one, and finds the one that a request is for.
///
/// Accounts are kept in the order in which they were added. After each change drain
/// [`poll_event`](Self::poll_event).
#[derive(Debug)]
pub struct AccountManager {
    accounts: Vec<Managed>,
    /// The account that was chosen as default; used while it is enabled.
    chosen: Option<AccountId>,
    /// The default that was last told in an event.
    told_default: Option<AccountId>,
    events: Outbox<AccountManagerEvent>,
    entropy: Entropy,
}

#[derive(Debug)]
struct Managed {
    account: Account,
    /// The user part of our contacts: random, so that a request to it can only be for this account; for a local
    /// account its own user.
    contact_user: String,
}

/// What happened to the accounts.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountManagerEvent {
    /// An account was added, or loaded.
    DidAddAccount {
        /// Which.
        id: AccountId,
    },
    /// An account was removed.
    DidRemoveAccount {
        /// Which.
        id: AccountId,
    },
    /// Another account is the default now.
    DidChangeDefaultAccount {
        /// The one before.
        old: Option<AccountId>,
        /// The one now.
        new: Option<AccountId>,
    },
}

/// The caller asked for what cannot be.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagerError {
    /// There is an account of that id already.
    #[error("account {0} exists already")]
    Exists(AccountId),
    /// There is no account of that id.
    #[error("there is no account {0}")]
    Unknown(AccountId),
    /// An account that is not enabled cannot be the default.
    #[error("account {0} is not enabled")]
    NotEnabled(AccountId),
}

impl AccountManager {
    /// A manager without accounts. `entropy` makes the user parts of contacts.
    pub fn new(entropy: Entropy) -> Self {
        Self {
            accounts: Vec::new(),
            chosen: None,
            told_default: None,
            events: Outbox::new(),
            entropy,
        }
    }

    /// Adds all stored accounts that are not there yet.
    ///
    /// # Errors
    /// When the storage fails or a document is broken; the accounts read before are there.
    pub fn load(&mut self, storage: &dyn Storage) -> Result<(), SettingsError> {
        for id in storage.accounts()? {
            if self.account(&id).is_none()
                && let Some(account) = Account::load(storage, &id)?
            {
                self.push(account);
            }
        }
        Ok(())
    }

    /// Adds an account.
    ///
    /// # Errors
    /// `Exists` when there is one of that id.
    pub fn add(&mut self, account: Account) -> Result<(), ManagerError> {
        if self.account(account.id()).is_some() {
            return Err(ManagerError::Exists(account.id().clone()));
        }
        self.push(account);
        Ok(())
    }

    /// Puts changed settings in place of those of the account of the same id.
    ///
    /// # Errors
    /// `Unknown` when there is none.
    pub fn update(&mut self, account: Account) -> Result<(), ManagerError> {
        let place = self
            .accounts
            .iter_mut()
            .find(|managed| managed.account.id() == account.id());
        let managed = place.ok_or_else(|| ManagerError::Unknown(account.id().clone()))?;
        managed.account = account;
        self.tell_default();
        Ok(())
    }

    /// Removes an account, and returns it if it was there.
    pub fn remove(&mut self, id: &AccountId) -> Option<Account> {
        let place = self
            .accounts
            .iter()
            .position(|managed| managed.account.id() == id)?;
        let Managed { account, .. } = self.accounts.remove(place);
        self.events
            .push(AccountManagerEvent::DidRemoveAccount { id: id.clone() });
        self.chosen = self.chosen.take().filter(|chosen| chosen != id);
        self.tell_default();
        Some(account)
    }

    /// The account of that id.
    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.managed(id).map(|managed| &managed.account)
    }

    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().map(|managed| &managed.account)
    }

    /// The account that calls are made with when none is named: the one that was chosen, while it is enabled, else
    /// the first that is enabled.
    pub fn default_account(&self) -> Option<&Account> {
        let chosen = self.chosen.as_ref().and_then(|id| self.account(id));
        let enabled = |account: &&Account| account.enabled;
        chosen.filter(enabled).or_else(|| self.accounts().find(enabled))
    }

    /// Chooses the default account.
    ///
    /// # Errors
    /// `Unknown` or `NotEnabled`.
    pub fn set_default_account(&mut self, id: &AccountId) -> Result<(), ManagerError> {
        match self.account(id) {
            None => Err(ManagerError::Unknown(id.clone())),
            Some(account) if !account.enabled => Err(ManagerError::NotEnabled(id.clone())),
            Some(_) => {
                self.chosen = Some(id.clone());
                self.tell_default();
                Ok(())
            }
        }
    }

    /// The enabled account that a request with this URI is for.
    ///
    /// In this order: whose contact it is, whose id it is, whose user name it has at whatever host (a provider may
    /// rewrite the host), and, for a URI with an address and no user, the local account.
    pub fn find_account(&self, uri: &SipUri) -> Option<&Account> {
        let enabled = || self.accounts.iter().filter(|managed| managed.account.enabled);
        let Some(user) = uri.user() else {
            uri.host().ip()?;
            return enabled()
                .map(|managed| &managed.account)
                .find(|account| account.is_local());
        };
        let own_id = |managed: &&Managed| {
            let id = managed.account.id();
            id.username() == user && id.domain().eq_ignore_ascii_case(uri.host_str())
        };
        enabled()
            .find(|managed| managed.contact_user == user)
            .or_else(|| enabled().find(own_id))
            .or_else(|| enabled().find(|managed| managed.account.id().username() == user))
            .map(|managed| &managed.account)
    }

    /// The URI by which an account can be reached at this address of ours: for Contact (RFC 3261 §8.1.1.8). UDP is
    /// not named, as it is the default.
    pub fn contact(&self, id: &AccountId, transport: Transport, address: SocketAddr) -> Option<SipUri> {
        let Managed {
            account,
            contact_user,
        } = self.managed(id)?;
        let own = account.uri();
        let contact = if account.is_local() {
            own
        } else {
            own.with_user(contact_user)
        };
        let contact = contact.with_host(&address.ip().into()).with_port(address.port());
        Some(match transport {
            Transport::Udp => contact,
            other => contact.with_param("transport", other.as_param()),
        })
    }

    /// What happened, until `None`.
    #[must_use = "an event that is taken and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<AccountManagerEvent> {
        self.events.pop()
    }

    fn managed(&self, id: &AccountId) -> Option<&Managed> {
        self.accounts.iter().find(|managed| managed.account.id() == id)
    }

    fn push(&mut self, account: Account) {
        let id = account.id().clone();
        let contact_user = if account.is_local() {
            id.username().to_owned()
        } else {
            self.random_user()
        };
        self.accounts.push(Managed {
            account,
            contact_user,
        });
        self.events.push(AccountManagerEvent::DidAddAccount { id });
        self.tell_default();
    }

    /// Eight random lower-case letters.
    fn random_user(&mut self) -> String {
        let letter = |_| char::from(b'a' + self.entropy.below(26) as u8);
        (0..8).map(letter).collect()
    }

    /// Says that the default changed, when it did.
    fn tell_default(&mut self) {
        let new = self.default_account().map(|account| account.id().clone());
        if new != self.told_default {
            let old = std::mem::replace(&mut self.told_default, new.clone());
            self.events
                .push(AccountManagerEvent::DidChangeDefaultAccount { old, new });
        }
    }
}
