//! Documents on disk.

use offhook_account::{Account, AccountId, AccountManager, Document, FileStorage, Settings, Storage};
use offhook_sansio::Entropy;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn accounts_and_settings_are_read_back_by_a_new_storage() {
    let folder = Folder::new("read-back");
    let mut storage = FileStorage::new(folder.path()).unwrap();
    let settings = Settings {
        default_account: Some("bob@example.com".parse().unwrap()),
        ..Settings::default()
    };
    settings.store(&mut storage).unwrap();
    for name in ["bob@example.com", "alice@example.com"] {
        account(name).store(&mut storage).unwrap();
    }

    let storage = FileStorage::new(folder.path()).unwrap();
    assert_eq!(Settings::load(&storage).unwrap(), settings);
    let mut manager = AccountManager::new(Entropy::from_number(1));
    manager.load(&storage).unwrap();
    let ids: Vec<_> = manager.accounts().map(|account| account.id().as_str()).collect();
    assert_eq!(ids, ["alice@example.com", "bob@example.com"]);
    assert_eq!(manager.accounts().next(), Some(&account("alice@example.com")));
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_alone_even_when_they_were_not_before() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("modes");
    let mut storage = FileStorage::new(folder.path()).unwrap();
    let secrets = folder.path().join("secrets/alice@example.com.toml");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    account("alice@example.com").store(&mut storage).unwrap();
    Settings::default().store(&mut storage).unwrap();
    assert_eq!(mode(&secrets), 0o600);
    assert_eq!(mode(secrets.parent().unwrap()), 0o700);
    assert_eq!(
        mode(&folder.path().join("accounts/alice@example.com.toml")),
        0o600
    );
    assert_eq!(mode(&folder.path().join("config.toml")), 0o600);

    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o644)).unwrap();
    account("alice@example.com").store(&mut storage).unwrap();
    assert_eq!(mode(&secrets), 0o600);
}

#[test]
fn a_document_is_replaced_as_a_whole_and_leftovers_do_no_harm() {
    let folder = Folder::new("replace");
    let mut storage = FileStorage::new(folder.path()).unwrap();
    let alice: AccountId = "alice@example.com".parse().unwrap();
    let leftover = folder.path().join("accounts/alice@example.com.toml.new");
    fs::write(&leftover, "enabled = tr").unwrap();
    assert_eq!(storage.accounts().unwrap(), []);
    storage
        .store(&Document::Account(alice.clone()), "enabled = true\n")
        .unwrap();
    storage.store(&Document::Account(alice.clone()), "").unwrap();
    assert_eq!(
        storage
            .load(&Document::Account(alice.clone()))
            .unwrap()
            .as_deref(),
        Some("")
    );
    assert!(!leftover.exists());
    storage.remove(&Document::Account(alice.clone())).unwrap();
    storage.remove(&Document::Account(alice)).unwrap();
    assert_eq!(storage.accounts().unwrap(), []);
}

#[test]
fn errors_name_the_file_and_the_line() {
    let folder = Folder::new("errors");
    let storage = FileStorage::new(folder.path()).unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "[sip]\ntransport_lst = [\"udp\"]\n").unwrap();
    let error = Settings::load(&storage).unwrap_err().to_string();
    let expected = format!("{}, line 2: unknown field `transport_lst`", config.display());
    assert!(error.starts_with(&expected), "{error}");

    fs::write(&config, [0xff, 0xfe]).unwrap();
    let error = Settings::load(&storage).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot read {}: ", config.display())),
        "{error}"
    );

    let stranger = folder.path().join("accounts/notes.toml");
    fs::write(&stranger, "").unwrap();
    let error = storage.accounts().unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{} is not named after an account", stranger.display())),
        "{error}"
    );
}

#[test]
fn no_account_id_names_a_file_elsewhere() {
    let folder = Folder::new("names");
    let mut storage = FileStorage::new(folder.path()).unwrap();
    for name in [
        "../../evil@example.com",
        ".hidden@example.com",
        "a/b@example.com",
        "a%20b@example.com",
        "~$&=@h",
    ] {
        let id: AccountId = name.parse().unwrap_or_else(|error| panic!("{error}"));
        Account::new(id.clone()).store(&mut storage).unwrap();
        assert_eq!(storage.accounts().unwrap(), std::slice::from_ref(&id), "{name}");
        let place = PathBuf::from(storage.place(&Document::Account(id.clone())));
        assert_eq!(place.parent().unwrap(), folder.path().join("accounts"));
        Account::delete(&mut storage, &id).unwrap();
    }
}

fn account(name: &str) -> Account {
    let mut account = Account::new(name.parse().unwrap());
    account.auth.password = "wonderland".into();
    account
}

/// A folder of its own for a test, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("account-{test}"));
        let _ = fs::remove_dir_all(&folder);
        Self(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
