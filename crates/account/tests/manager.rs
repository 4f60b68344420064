//! Which account is the default, and which one a request is for.

use offhook_account::{Account, AccountId, AccountManager, AccountManagerEvent, ManagerError};
use offhook_sansio::{Entropy, Transport};
use std::collections::HashSet;

#[test]
fn requests_find_their_account_by_contact_id_and_user() {
    let mut manager = manager(&["alice@example.com", "alice@other.test", "bob@example.com"]);
    manager.add(Account::local("carol").unwrap()).unwrap();
    let mut off = Account::new(id("dave@example.com"));
    off.enabled = false;
    manager.add(off).unwrap();
    let address = "192.0.2.7:5080".parse().unwrap();
    let contact = manager
        .contact(&id("bob@example.com"), Transport::Tcp, address)
        .unwrap();
    for (uri, expected) in [
        (contact.as_str(), Some("bob@example.com")),
        ("sip:alice@example.com", Some("alice@example.com")),
        (
            "sip:alice@Other.test:5060;transport=tcp",
            Some("alice@other.test"),
        ),
        ("sip:alice@192.0.2.7", Some("alice@example.com")),
        ("sip:bob@unknown.test", Some("bob@example.com")),
        ("sip:carol@192.0.2.7:5080", Some("carol@local")),
        ("sip:192.0.2.7:5080", Some("carol@local")),
        ("sip:example.com", None),
        ("sip:dave@example.com", None),
        ("sip:eve@example.com", None),
    ] {
        let found = manager.find_account(&uri.parse().unwrap());
        assert_eq!(found.map(|account| account.id().as_str()), expected, "{uri}");
    }
}

#[test]
fn contacts_say_address_port_and_transport_and_have_users_of_their_own() {
    let mut manager = manager(&["alice@example.com", "bob@example.com"]);
    manager.add(Account::local("carol").unwrap()).unwrap();
    let address = "192.0.2.7:5080".parse().unwrap();
    let contact = |name: &str, transport| manager.contact(&id(name), transport, address).unwrap();
    let alice = contact("alice@example.com", Transport::Udp);
    let user = alice.user().unwrap();
    assert_eq!(user.len(), 8);
    assert!(user.bytes().all(|byte| byte.is_ascii_lowercase()), "{user}");
    assert_eq!(alice.as_str(), format!("sip:{user}@192.0.2.7:5080"));
    assert_ne!(contact("bob@example.com", Transport::Udp).user(), Some(user));
    assert_eq!(
        contact("carol@local", Transport::Tls).as_str(),
        "sip:carol@192.0.2.7:5080;transport=tls"
    );
    let v6 = manager.contact(
        &id("carol@local"),
        Transport::Udp,
        "[2001:db8::7]:5080".parse().unwrap(),
    );
    assert_eq!(v6.unwrap().as_str(), "sip:carol@[2001:db8::7]:5080");
    assert_eq!(
        manager.contact(&id("eve@example.com"), Transport::Udp, address),
        None
    );
}

#[test]
fn the_default_is_the_chosen_account_while_it_is_enabled_else_the_first_that_is() {
    use AccountManagerEvent::{DidAddAccount, DidChangeDefaultAccount, DidRemoveAccount};
    let mut manager = manager(&["alice@example.com", "bob@example.com"]);
    let (alice, bob) = (id("alice@example.com"), id("bob@example.com"));
    let default = |manager: &AccountManager| manager.default_account().map(|account| account.id().clone());
    assert_eq!(default(&manager), Some(alice.clone()));
    manager.set_default_account(&bob).unwrap();
    assert_eq!(default(&manager), Some(bob.clone()));

    let mut disabled = manager.account(&bob).unwrap().clone();
    disabled.enabled = false;
    manager.update(disabled).unwrap();
    assert_eq!(default(&manager), Some(alice.clone()));
    assert_eq!(
        manager.set_default_account(&bob),
        Err(ManagerError::NotEnabled(bob.clone()))
    );
    manager.remove(&alice).unwrap();
    assert_eq!(default(&manager), None);

    let change = |old: &AccountId, new: Option<&AccountId>| DidChangeDefaultAccount {
        old: Some(old.clone()),
        new: new.cloned(),
    };
    let events: Vec<_> = std::iter::from_fn(|| manager.poll_event()).collect();
    assert_eq!(
        events,
        [
            DidAddAccount { id: alice.clone() },
            DidChangeDefaultAccount {
                old: None,
                new: Some(alice.clone())
            },
            DidAddAccount { id: bob.clone() },
            change(&alice, Some(&bob)),
            change(&bob, Some(&alice)),
            DidRemoveAccount { id: alice.clone() },
            change(&alice, None),
        ]
    );
}

#[test]
fn one_id_is_one_account() {
    let mut manager = manager(&["alice@example.com"]);
    let alice = id("alice@EXAMPLE.com");
    assert_eq!(
        manager.add(Account::new(alice.clone())),
        Err(ManagerError::Exists(alice))
    );
    let bob = id("bob@example.com");
    assert_eq!(
        manager.update(Account::new(bob.clone())),
        Err(ManagerError::Unknown(bob.clone()))
    );
    assert_eq!(
        manager.set_default_account(&bob),
        Err(ManagerError::Unknown(bob.clone()))
    );
    assert_eq!(manager.remove(&bob), None);
}

#[test]
fn contact_users_differ() {
    let names: Vec<String> = (0..50)
        .map(|number| format!("user{number}@example.com"))
        .collect();
    let manager = manager(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let address = "192.0.2.7:5080".parse().unwrap();
    let contacts = names
        .iter()
        .map(|name| manager.contact(&id(name), Transport::Udp, address).unwrap());
    assert_eq!(
        contacts
            .map(|contact| contact.to_string())
            .collect::<HashSet<_>>()
            .len(),
        50
    );
}

fn manager(names: &[&str]) -> AccountManager {
    let mut manager = AccountManager::new(Entropy::from_number(1));
    for name in names {
        let mut account = Account::new(id(name));
        account.enabled = true;
        manager.add(account).unwrap();
    }
    manager
}

fn id(text: &str) -> AccountId {
    text.parse().unwrap()
}
