//! Settings and accounts as documents: defaults, round trips, and what is refused.

use offhook_account::{
    Account, AccountId, AudioCodec, Document, MemoryStorage, Settings, SettingsError, SoundDevice, Storage,
};
use offhook_sansio::Transport;
use proptest::prelude::*;

#[test]
fn an_empty_document_and_none_give_the_documented_defaults() {
    let mut storage = MemoryStorage::new();
    let defaults = Settings::load(&storage).unwrap();
    storage.store(&Document::Settings, "").unwrap();
    assert_eq!(Settings::load(&storage).unwrap(), defaults);
    assert_eq!(
        defaults.user_agent(),
        concat!("Offhook/", env!("CARGO_PKG_VERSION"))
    );
    defaults.store(&mut storage).unwrap();
    assert_eq!(
        storage.load(&Document::Settings).unwrap().unwrap(),
        "[sip]\ntransport_list = [\"tls\", \"tcp\", \"udp\"]\n\n\
         [rtp]\nport_range = \"50000-50500\"\ntimeout = 30\n\
         audio_codec_list = [\"opus\", \"G722\", \"PCMU\", \"PCMA\", \"iLBC\", \"GSM\"]\n\n\
         [audio]\nsample_rate = 32000\ninput_device = \"system_default\"\noutput_device = \"system_default\"\n\
         alert_device = \"system_default\"\n"
    );

    let account = Account::new(id("alice@example.com"));
    assert_eq!(
        (
            account.enabled,
            account.sip.register,
            account.sip.register_interval
        ),
        (false, true, 600)
    );
    assert!(account.sip.always_use_my_proxy);
    assert_eq!(account.audio_codecs(&defaults), AudioCodec::ALL);
    assert_eq!(
        account.transports(&defaults),
        [Transport::Tls, Transport::Tcp, Transport::Udp]
    );
}

#[test]
fn sound_devices_are_named_or_the_systems_or_none() {
    let mut storage = MemoryStorage::default();
    let mut settings = Settings::default();
    settings.audio.input_device = SoundDevice::None;
    settings.audio.alert_device = SoundDevice::Named("Headset \"H2\"".to_owned());
    settings.store(&mut storage).expect("memory");
    assert_eq!(Settings::load(&storage).expect("what was stored"), settings);
}

#[test]
fn an_account_is_read_back_and_its_password_is_kept_apart() {
    let mut storage = MemoryStorage::new();
    let account = full_account();
    account.store(&mut storage).unwrap();
    assert_eq!(
        Account::load(&storage, account.id()).unwrap(),
        Some(account.clone())
    );
    let document = storage
        .load(&Document::Account(account.id().clone()))
        .unwrap()
        .unwrap();
    assert!(!document.contains("wonderland"), "{document}");
    assert!(document.contains("outbound_proxy = \"sip:proxy.example.com:5061;transport=tls\""));
    assert!(!format!("{account:?} {storage:?}").contains("wonderland"));

    let mut without = account.clone();
    without.auth.password = "".into();
    without.store(&mut storage).unwrap();
    let secrets = Document::Secrets(account.id().clone());
    assert_eq!(storage.load(&secrets).unwrap(), None);

    Account::delete(&mut storage, account.id()).unwrap();
    assert_eq!(Account::load(&storage, account.id()).unwrap(), None);
    assert_eq!(storage.accounts().unwrap(), []);
}

#[test]
fn broken_documents_are_refused_with_place_line_and_reason() {
    for (text, line, reason) in [
        (
            "[rtp]\ntimeot = 30\n",
            2,
            "unknown field `timeot`, expected one of",
        ),
        ("\n\n[rtp\n", 3, ""),
        ("[rtp]\n\ntimeout = \"long\"\n", 3, "invalid type"),
        ("[rtp]\ntimeout = -1\n", 2, ""),
        (
            "[rtp]\nport_range = \"5-6\"\n",
            2,
            "\"5-6\" is not a range of ports",
        ),
        (
            "[audio]\nsample_rate = 44100\n",
            2,
            "\"44100\" is not 16000, 32000 or 48000",
        ),
        (
            "[sip]\ntransport_list = [\"udp\", \"sctp\"]\n",
            2,
            "\"sctp\" is not one of udp, tcp",
        ),
        (
            "[sip]\ntransport_list = []\n",
            2,
            "at least one transport is needed",
        ),
        (
            "[rtp]\naudio_codec_list = [\"opus\", \"MP3\"]\n",
            2,
            "\"MP3\" is not one of opus",
        ),
        (
            "default_account = \"alice\"\n",
            1,
            "\"alice\" is not an account: expected user@domain",
        ),
    ] {
        let mut storage = MemoryStorage::new();
        storage.store(&Document::Settings, text).unwrap();
        match Settings::load(&storage) {
            Err(SettingsError::Broken {
                document,
                line: found,
                reason: said,
            }) => {
                assert_eq!(
                    (document.as_str(), found),
                    ("the settings in memory", line),
                    "{text:?}: {said}"
                );
                assert!(said.contains(reason), "{text:?}: {said}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
    let mut storage = MemoryStorage::new();
    let alice = id("alice@example.com");
    storage
        .store(
            &Document::Account(alice.clone()),
            "[sip]\noutbound_proxy = \"a b\"\n",
        )
        .unwrap();
    let error = Account::load(&storage, &alice).unwrap_err().to_string();
    assert!(
        error.starts_with("account alice@example.com in memory, line 2: \"a b\" is not a SIP URI"),
        "{error}"
    );
}

#[test]
fn a_broken_secret_is_not_shown_in_the_error() {
    let mut storage = MemoryStorage::new();
    let account = full_account();
    account.store(&mut storage).unwrap();
    for text in [
        "password = 4711",
        "# mine\npassword = wonderland",
        "wonderland = 1",
    ] {
        let secrets = Document::Secrets(account.id().clone());
        storage.store(&secrets, text).unwrap();
        let error = Account::load(&storage, account.id()).unwrap_err().to_string();
        assert!(
            error.contains("the secrets of alice@example.com in memory, line"),
            "{error}"
        );
        assert!(
            !error.contains("4711") && !error.contains("wonderland"),
            "{error}"
        );
    }
}

#[test]
fn a_proxy_may_be_written_without_its_scheme() {
    let mut storage = MemoryStorage::new();
    let alice = id("alice@example.com");
    let text = "[sip]\noutbound_proxy = \"proxy.example.com:5061;transport=tls\"\n";
    storage.store(&Document::Account(alice.clone()), text).unwrap();
    let account = Account::load(&storage, &alice).unwrap().unwrap();
    let proxy = account.sip.outbound_proxy.unwrap();
    assert_eq!(proxy.as_str(), "sip:proxy.example.com:5061;transport=tls");
}

#[test]
fn requests_go_by_the_proxy_to_our_domain_and_to_others_as_the_setting_says() {
    let mut account = full_account();
    let ours = "sip:bob@Example.com".parse().unwrap();
    let theirs = "sip:bob@other.test".parse().unwrap();
    let proxy = account.sip.outbound_proxy.clone().unwrap();
    account.sip.always_use_my_proxy = true;
    assert_eq!(
        (account.next_hop(&ours), account.next_hop(&theirs)),
        (&proxy, &proxy)
    );
    account.sip.always_use_my_proxy = false;
    assert_eq!(
        (account.next_hop(&ours), account.next_hop(&theirs)),
        (&proxy, &theirs)
    );
    account.sip.outbound_proxy = None;
    assert_eq!(account.next_hop(&ours), &ours);
}

#[test]
fn credentials_follow_the_password_and_the_user_name() {
    let mut account = Account::new(id("alice@example.com"));
    assert!(account.credentials().is_none());
    account.auth.password = "wonderland".into();
    assert_eq!(account.credentials().unwrap().username(), "alice");
    account.auth.username = Some("a.liddell".to_owned());
    assert_eq!(account.credentials().unwrap().username(), "a.liddell");
}

#[test]
fn a_local_account_is_ready_and_does_not_register() {
    let account = Account::local("bob").unwrap();
    assert!(account.enabled && account.is_local() && !account.registers());
    assert_eq!(account.id().as_str(), "bob@local");
    assert_eq!(
        account.uri_at([192, 0, 2, 7].into()).as_str(),
        "sip:bob@192.0.2.7"
    );
    assert!(Account::local("b@d").is_err());
    let mut alice = Account::new(id("alice@example.com"));
    assert_eq!(
        alice.uri_at([192, 0, 2, 7].into()).as_str(),
        "sip:alice@example.com"
    );
    assert!(!alice.registers());
    alice.enabled = true;
    assert!(alice.registers());
}

proptest! {
    #[test]
    fn whatever_an_account_holds_is_read_back(
        display_name in proptest::option::of(any::<String>()),
        username in proptest::option::of(any::<String>()),
        password: String,
        enabled: bool,
        register: bool,
        register_interval: u32,
        codecs in proptest::option::of(proptest::sample::subsequence(AudioCodec::ALL.to_vec(), 0..=4)),
    ) {
        let mut account = full_account();
        account.display_name = display_name;
        account.auth.username = username;
        account.auth.password = password.into();
        account.enabled = enabled;
        account.sip.register = register;
        account.sip.register_interval = register_interval;
        account.rtp.audio_codec_list = codecs;
        let mut storage = MemoryStorage::new();
        account.store(&mut storage).unwrap();
        prop_assert_eq!(Account::load(&storage, account.id()).unwrap(), Some(account));
    }

    #[test]
    fn no_document_makes_the_reader_fail_otherwise_than_by_an_error(text: String) {
        let mut storage = MemoryStorage::new();
        storage.store(&Document::Settings, &text).unwrap();
        let _ = Settings::load(&storage);
    }
}

fn full_account() -> Account {
    let mut account = Account::new(id("alice@example.com"));
    account.display_name = Some("Alice \"A\" Liddell".to_owned());
    account.enabled = true;
    account.auth.username = Some("a.liddell".to_owned());
    account.auth.password = "wonder\"land\nwonderland".into();
    account.sip.outbound_proxy = Some("sip:proxy.example.com:5061;transport=tls".parse().unwrap());
    account.sip.transport_list = Some(vec![Transport::Udp]);
    account.rtp.audio_codec_list = Some(vec![AudioCodec::Pcma]);
    account
}

fn id(text: &str) -> AccountId {
    text.parse().unwrap()
}
