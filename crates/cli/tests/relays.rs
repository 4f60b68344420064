//! The program goes through MSRP relays on this machine.

mod support;

use offhook_msrp::relay::server::{RelayConfig, RelayUser};
use offhook_msrp::tokio::RelayServer;
use support::{Folder, Program};
use tokio::runtime::Runtime;

/// A relay for alice and bob that takes passwords without TLS.
struct Relay {
    server: RelayServer,
    _runtime: Runtime,
}

impl Relay {
    fn start() -> Self {
        Self::of_speed(None)
    }

    /// One through which no more than so many bytes a second pass.
    fn of_speed(bytes_per_second: Option<u64>) -> Self {
        let runtime = Runtime::new().expect("threads");
        let mut config = RelayConfig::new("msrp://127.0.0.1:0;tcp".parse().expect("a URI"));
        config.allow_plain_auth = true;
        for user in ["alice", "bob"] {
            let mut user_there = RelayUser::new(format!("{user}'s secret"));
            user_there.bytes_per_second = bytes_per_second;
            config.users.insert(user.to_owned(), user_there);
        }
        let server = RelayServer::bind("127.0.0.1:0".parse().expect("an address"), config);
        let server = runtime.block_on(server).expect("a free port");
        Self {
            server,
            _runtime: runtime,
        }
    }

    /// What somebody says who goes through it by the name of one of its users.
    fn options(&self, user: &str, folder: &Folder) -> Vec<String> {
        let password = folder.file(user, &format!("{user}'s secret"));
        let option = self.option();
        let words = [&option, "--relay-user", user, "--relay-password-file", &password];
        words.map(str::to_owned).to_vec()
    }

    fn option(&self) -> String {
        format!(
            "--relay=127.0.0.1:{};transport=tcp",
            self.server.local_addr().port()
        )
    }
}

fn start(words: &[&str], options: &[String]) -> Program {
    let words = words.iter().copied();
    Program::start(words.chain(options.iter().map(String::as_str)))
}

#[test]
fn a_chat_goes_through_the_relays_of_both() {
    let folder = Folder::new("relays");
    let (hers, his) = (Relay::start(), Relay::start());
    let (password, hers_at) = (
        folder.file(
            "alice",
            "alice's secret
",
        ),
        hers.option(),
    );
    let words = ["chat", "--listen", "127.0.0.1:0", "--chats", "1"];
    let mut bob = start(&words, &his.options("bob", &folder));
    let uri = format!("sip:bob@{}", bob.listening());
    // The relay knows her by the account's name and password.
    let alice = Program::start_with_input(
        [
            "chat",
            &uri,
            "--listen",
            "127.0.0.1:0",
            &hers_at,
            "--account",
            "sip:alice@127.0.0.1",
            "--password-file",
            &password,
        ],
        "through two relays\n",
    );
    let (alice, bob) = (alice.end(), bob.end());
    alice.succeeded();
    bob.succeeded();
    assert_eq!(bob.event("got_message")["body"], "through two relays");
}

#[test]
fn files_arrive_through_the_relay_of_the_sender() {
    let folder = Folder::new("relayed-files");
    let relay = Relay::start();
    let inbox = folder.path("inbox");
    std::fs::create_dir(&inbox).expect("a folder of the test");
    let content = "a file ".repeat(50_000);
    let (one, two) = (folder.file("one.txt", &content), folder.file("two.txt", "two"));
    let (bob, uri) = Program::receive_files(&inbox);
    // What is offered without TLS is offered to a relay without TLS.
    let words = ["send-file", &uri, &one, &two, "--listen", "127.0.0.1:0"];
    let alice = start(&words, &relay.options("alice", &folder));
    let (alice, bob) = (alice.end(), bob.end());
    alice.succeeded();
    bob.succeeded();
    assert_eq!(
        std::fs::read_to_string(format!("{inbox}/one.txt")).expect("there"),
        content
    );
}

#[test]
fn a_relay_that_gives_no_place_is_told_in_one_sentence() {
    let folder = Folder::new("no-place");
    let relay = Relay::start();
    let (at, wrong) = (relay.option(), folder.file("alice", "guessed"));
    let user = ["--relay-user", "alice", "--relay-password-file", &wrong];
    // Nobody listens there, and nobody is called.
    let refused = Program::start([&["chat", "sip:bob@127.0.0.1:9", &at], &user[..]].concat()).end();
    refused.failed_with(26);
    assert!(
        refused.stderr.contains("the MSRP relay gives no place"),
        "{}",
        refused.stderr
    );
    // Who waits for others tells it when there is something to be relayed, and the caller hears that it is not now.
    let mut bob = Program::start([&["chat", "--listen", "127.0.0.1:0", &at], &user[..]].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    let plain = Relay::start();
    let words = ["chat", &uri, "--listen", "127.0.0.1:0"];
    let known = Folder::new("a-place");
    let alice = start(&words, &plain.options("alice", &known)).end();
    alice.failed_with(22);
    bob.end().failed_with(26);
    // Without a name there is nothing to say to a relay.
    Program::start(["chat", "sip:bob@127.0.0.1:9", &at])
        .end()
        .failed_with(2);
}

/// Which of the two does not live to see the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Sender,
    Receiver,
}

#[test]
fn a_file_goes_on_where_it_broke_off_whoever_is_killed() {
    for killed in [Killed::Sender, Killed::Receiver] {
        let folder = Folder::new(&format!("killed-{killed:?}"));
        let relay = Relay::of_speed(Some(100_000));
        let inbox = folder.path("inbox");
        std::fs::create_dir(&inbox).expect("a folder of the test");
        let content = "what is long enough to be cut off ".repeat(60_000);
        let file = folder.file("long.txt", &content);
        let (mut bob, uri) = Program::receive_files(&inbox);
        let words = ["send-file", &uri, &file, "--listen", "127.0.0.1:0"];
        let alice = start(&words, &relay.options("alice", &folder));
        while bob.wait_for("file_progress")["transferred"].as_u64() < Some(50_000) {}
        let left = match killed {
            Killed::Sender => {
                alice.signal("KILL");
                bob
            }
            Killed::Receiver => {
                bob.signal("KILL");
                alice
            }
        };
        // A relay does not tell either side that the other has gone.
        drop(relay);
        left.end().failed_with(24);
        let kept = std::fs::read_dir(&inbox)
            .expect("there")
            .next()
            .expect("a part")
            .expect("readable");
        let kept = kept.metadata().expect("there").len();
        assert!(kept >= 50_000, "{kept}");

        let (bob, uri) = Program::receive_files(&inbox);
        let alice = Program::start(["send-file", &uri, &file, "--listen", "127.0.0.1:0"]).end();
        let bob = bob.end();
        alice.succeeded();
        bob.succeeded();
        for program in [&alice, &bob] {
            assert_eq!(
                program.event("file_did_resume")["transferred"],
                kept,
                "{killed:?}"
            );
        }
        assert_eq!(
            std::fs::read_to_string(format!("{inbox}/long.txt")).expect("there"),
            content
        );
        assert_eq!(
            std::fs::read_dir(&inbox).expect("there").count(),
            1,
            "nothing else is left"
        );
    }
}
