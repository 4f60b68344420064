//! Accounts, their settings and where those are kept.
//!
//! Stands on `sip-core` (URIs) and the leaves `sansio` and `digest`; `session` and the facade stand on it. All but
//! [`FileStorage`] are plain values: no file, clock or random generator but the ones passed in.
//!
//! [`Settings`] hold for the whole application, an [`Account`] for one SIP address. Both are TOML documents in a
//! [`Storage`]: [`FileStorage`] keeps them in a folder, [`MemoryStorage`] in memory. [`AccountManager`] holds the
//! accounts and finds the one that an incoming request is for.
//!
//! ```
//! use offhook_account::{Account, AccountManager, MemoryStorage, Settings};
//! use offhook_sansio::Entropy;
//!
//! let mut storage = MemoryStorage::new();
//! let mut alice = Account::new("alice@example.com".parse()?);
//! alice.enabled = true;
//! alice.auth.password = "wonderland".into();
//! alice.store(&mut storage)?;
//!
//! let settings = Settings::load(&storage)?;
//! let mut accounts = AccountManager::new(Entropy::from_number(1));
//! accounts.load(&storage)?;
//! let alice = accounts.find_account(&"sip:alice@example.com".parse()?).expect("it is enabled");
//! assert_eq!(alice.transports(&settings), settings.sip.transport_list);
//! assert_eq!(alice.uri().to_string(), "sip:alice@example.com");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Standards
//!
//! | RFC | what | state |
//! |---|---|---|
//! | 3261 §8.1.1, §10 | the address of record, the contact, the settings of registration | yes; registering itself is `sip-core`'s |
//! | 5626, 5627 | instance id, GRUU | no |

mod account;
mod document;
mod file_storage;
mod id;
mod manager;
mod secret;
mod settings;
mod storage;
mod values;

pub use account::{Account, AccountRtpSettings, AccountSipSettings, AuthSettings};
pub use document::SettingsError;
pub use file_storage::FileStorage;
pub use id::{AccountId, InvalidAccountId};
pub use manager::{AccountManager, AccountManagerEvent, ManagerError};
pub use secret::Secret;
pub use settings::{AudioSettings, RtpSettings, Settings, SipSettings};
pub use storage::{Document, MemoryStorage, Storage, StorageError};
pub use values::{AudioCodec, InvalidValue, PortRange, SampleRate, SoundDevice};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
