//! The example programs, started as processes as a user would: every option of theirs, directly, over TLS and through the
//! relay.
#![cfg(feature = "tls")]

mod faults;
mod files;
mod program;
mod protection;

use program::{Folder, Program, example};
use serde_json::Value;
use std::process::Command;

/// What connect calls itself where its path is not read from what it says.
const CALLER: &str = "msrp://127.0.0.1:2856/caller;tcp";

/// Starts listen at a port of its choice for the caller, and connect to it; what each says in the end.
fn meet(listen: &[&str], connect: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let caller = if connect.contains(&"--tls") {
        CALLER.replace("msrp:", "msrps:")
    } else {
        CALLER.to_owned()
    };
    let mut listener = Program::start(
        "listen",
        &[&["--port", "0", "--remote-path", &caller], listen].concat(),
    );
    let path = listener.path("listening");
    let connector = [&["--local-path", &caller, "--remote-path", &path], connect].concat();
    let connector = Program::start("connect", &connector);
    (connector.rest(), listener.rest())
}

fn count(lines: &[Value], event: &str) -> usize {
    lines.iter().filter(|line| line["event"] == event).count()
}

fn throughput(lines: &[Value], direction: &str) -> (u64, u64) {
    let last = lines.last().expect("a throughput line");
    assert_eq!(last["event"], "throughput");
    assert_eq!(last["direction"], direction);
    let seconds = last["seconds"].as_f64().unwrap();
    let speed = last["bytes_per_second"].as_f64().unwrap();
    assert!(seconds > 0.0 && (speed > 0.0 || last["bytes"] == 0));
    (
        last["messages"].as_u64().unwrap(),
        last["bytes"].as_u64().unwrap(),
    )
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 % 251) as u8).collect()
}

#[test]
fn messages_are_counted_at_both_ends_with_an_event_for_each() {
    let options = [
        "--size",
        "300",
        "--count",
        "40",
        "--window",
        "7",
        "--chunk",
        "100",
        "--success-report",
    ];
    let (sent, heard) = meet(&["--mode", "sink", "--session-id", "sink1"], &options);
    assert_eq!(throughput(&sent, "sent"), (40, 12_000));
    assert_eq!(throughput(&heard, "received"), (40, 12_000));
    assert_eq!(count(&heard, "message_ended"), 40);
    assert_eq!(count(&sent, "reported"), 120, "for each chunk");
    assert_eq!(
        (
            count(&sent, "ready"),
            count(&sent, "closed"),
            count(&heard, "closed")
        ),
        (1, 1, 1)
    );
    // Told to be quiet, both say only when they are ready and what it came to.
    let (sent, heard) = meet(&["--quiet"], &["--count", "500", "--quiet"]);
    assert_eq!(throughput(&sent, "sent"), (500, 100_000));
    assert_eq!(throughput(&heard, "received"), (500, 100_000));
    assert_eq!((sent.len(), heard.len()), (3, 2), "{sent:?} {heard:?}");
}

#[test]
fn an_echo_comes_back() {
    let (sent, heard) = meet(
        &["--mode", "echo"],
        &["--size", "77", "--count", "20", "--window", "7", "--echo"],
    );
    assert_eq!(throughput(&heard, "received"), (20, 1540));
    let echoes: Vec<_> = sent.iter().filter(|line| line["event"] == "message").collect();
    assert!(
        echoes.len() == 20 && echoes.iter().all(|echo| echo["bytes"] == 77),
        "{sent:?}"
    );
}

#[test]
fn an_echo_takes_no_message_beyond_its_limit() {
    let echo = [
        "--port",
        "0",
        "--remote-path",
        CALLER,
        "--mode",
        "echo",
        "--max-message",
        "100",
    ];
    for (size, is_taken) in [("100", true), ("101", false)] {
        let mut listener = Program::start("listen", &echo);
        let path = listener.path("listening");
        let connector = Program::start(
            "connect",
            &["--local-path", CALLER, "--remote-path", &path, "--size", size],
        );
        if is_taken {
            assert_eq!(throughput(&connector.rest(), "sent"), (1, 100));
        } else {
            let said = connector.complaint();
            assert!(said.starts_with("error: failed with 413"), "{said}");
        }
        assert_eq!(
            count(&listener.rest(), "message"),
            usize::from(is_taken),
            "of {size} bytes"
        );
    }
    let help = Command::new(example("listen")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("--max-message <BYTES>") && help.contains("[default: 10485760]"),
        "{help}"
    );
}

#[test]
fn errors_are_said_in_words() {
    let anybody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = format!("msrps://{}/peer;tcp", anybody.local_addr().unwrap());
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("msrp://{}/peer;tcp", deaf.local_addr().unwrap());
    std::thread::spawn(move || drop(deaf.accept()));
    for (name, args, words) in [
        (
            "connect",
            &["--remote-path", &*nobody][..],
            "error: the connection was not bound: the connection ended\n",
        ),
        (
            "connect",
            &["--remote-path", &*peer],
            "error: the peer's path begins with msrps:, which is by TLS: give --tls, too\n",
        ),
        (
            "listen",
            &["--port", "0", "--tls"],
            "error: --cert and --key are needed for this: TLS shows who we are\n",
        ),
        (
            "relay",
            &["nowhere/relay.toml"],
            "error: nowhere/relay.toml: No such file or directory (os error 2)\n",
        ),
        ("relay", &[], "error: usage: relay FILE.toml\n"),
    ] {
        assert_eq!(Program::start(name, args).complaint(), words, "{name} {args:?}");
    }
}

#[test]
fn a_relay_that_promises_tls_has_a_certificate_and_its_key() {
    let folder = Folder::new("half-tls");
    let (cert, key, _) = folder.certificate("relay.test");
    let (cert, key) = (format!("certificate = {cert:?}\n"), format!("key = {key:?}\n"));
    for (scheme, files, words) in [
        ("msrps", "", "an msrps `uri` needs a `certificate` and a `key`"),
        ("msrps", &*cert, "there is a `certificate`, but no `key`"),
        ("msrps", &*key, "there is a `key`, but no `certificate`"),
        ("msrp", &*cert, "there is a `certificate`, but no `key`"),
        ("msrp", &*key, "there is a `key`, but no `certificate`"),
    ] {
        let config = format!("uri = \"{scheme}://127.0.0.1:0;tcp\"\nlisten = \"127.0.0.1:0\"\n{files}");
        let path = folder.file("half.toml", config.as_bytes());
        let said = Program::start("relay", &[&path]).complaint();
        assert!(said.starts_with(&format!("error: {words}")), "{config}: {said}");
    }
}

#[test]
fn a_file_arrives_byte_by_byte_and_sessions_are_matched_by_their_ids_alone() {
    let folder = Folder::new("file");
    let file = folder.file("sent", &pattern(3_000_000));
    let directory = folder.0.display().to_string();
    let listen = [
        "--mode",
        "file",
        "--directory",
        &directory,
        "--session-match",
        "--address",
        "127.0.0.1",
    ];
    let (sent, heard) = meet(&listen, &["--file", &file, "--chunk", "100000"]);
    assert_eq!(throughput(&sent, "sent"), (1, 3_000_000));
    assert_eq!(throughput(&heard, "received"), (1, 3_000_000));
    let began = heard
        .iter()
        .find(|line| line["event"] == "message_began")
        .unwrap();
    assert_eq!(began["size"], 3_000_000);
    let name = format!("{}.received", began["message_id"].as_str().unwrap());
    assert_eq!(std::fs::read(folder.0.join(name)).unwrap(), pattern(3_000_000));
}

#[test]
fn more_than_the_queue_holds_is_sent_in_its_time() {
    let send = [
        "--size", "1000000", "--count", "30", "--window", "30", "--chunk", "1000000",
    ];
    let (sent, heard) = meet(&["--quiet"], &[&send[..], &["--quiet"]].concat());
    assert_eq!(throughput(&sent, "sent"), (30, 30_000_000));
    assert_eq!(throughput(&heard, "received"), (30, 30_000_000));
}

#[test]
fn paths_may_be_told_on_standard_input() {
    let mut listener = Program::start("listen", &["--port", "0"]);
    let mut connector = Program::start("connect", &["--count", "3"]);
    connector.tell(&listener.path("listening"));
    listener.tell(&connector.path("prepared"));
    assert_eq!(throughput(&connector.rest(), "sent").0, 3);
    assert_eq!(throughput(&listener.rest(), "received").0, 3);
}

#[test]
fn tls_wants_a_certificate_that_is_trusted() {
    let folder = Folder::new("tls");
    let (cert, key, print) = folder.certificate("listener");
    let secure = ["--tls", "--cert", &cert, "--key", &key];
    for trust in [&["--ca", &*cert][..], &["--no-verify"]] {
        let (sent, heard) = meet(&secure, &[&["--tls", "--count", "5"], trust].concat());
        assert_eq!(
            (throughput(&sent, "sent").0, throughput(&heard, "received").0),
            (5, 5)
        );
    }
    // Certificates of their own making, known by their fingerprints.
    let (own, own_key, own_print) = folder.certificate("connector");
    let (sent, _) = meet(
        &[&secure[..], &["--fingerprint", &own_print]].concat(),
        &[
            "--tls",
            "--cert",
            &own,
            "--key",
            &own_key,
            "--fingerprint",
            &print,
            "--count",
            "5",
        ],
    );
    assert_eq!(throughput(&sent, "sent").0, 5);
    // Without trust there is no session.
    let caller = CALLER.replace("msrp:", "msrps:");
    let waiting = ["--port", "0", "--remote-path", &caller, "--bind-timeout", "2"];
    let listen = [&waiting, &secure[..]].concat();
    let mut listener = Program::start("listen", &listen);
    let path = listener.path("listening");
    let connector = Program::start(
        "connect",
        &["--local-path", &caller, "--remote-path", &path, "--tls"],
    );
    let said = connector.complaint();
    assert!(
        said.starts_with("error: no TLS with the other end: ") && said.contains("UnknownIssuer"),
        "{said}"
    );
    assert!(said.contains("--ca FILE names whom to trust"), "{said}");
    let said = listener.complaint();
    assert!(
        said.starts_with("error: nobody bound the session in time: the last who connected went before")
            && said.contains("UnknownCA"),
        "{said}"
    );
}

#[test]
fn who_speaks_no_tls_is_told_as_that() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = format!("msrps://{}/peer;tcp", other.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let _ = std::io::Write::write_all(&mut stream, b"MSRP abcd 400 Bad request\r\n");
    });
    let said = Program::start("connect", &["--remote-path", &path, "--tls"]).complaint();
    assert!(said.contains("does the other end speak TLS?"), "{said}");
    answering.join().unwrap();
}

#[test]
fn a_path_on_standard_input_that_is_none_is_named() {
    let mut connector = Program::start("connect", &[]);
    connector.path("prepared");
    connector.tell("msrp//nowhere");
    let said = connector.complaint();
    assert!(
        said.starts_with("error: `msrp//nowhere` on standard input is no path: "),
        "{said}"
    );
}

/// A relay for alice and bob, by a configuration file, and its address.
fn relay(folder: &Folder, name: &str, head: &str) -> (Program, String) {
    let users = "[users.alice]\npassword = \"wonderland\"\nplaces = 4\nbytes_per_second = 100000000\nconnections = 8\n\
        [users.bob]\npassword = \"builder\"\n";
    let path = folder.file(
        name,
        format!("{head}\nlisten = \"127.0.0.1:0\"\nlongest = 600\n{users}").as_bytes(),
    );
    let mut relay = Program::start("relay", &[&path]);
    let address = relay.event("listening")["address"].as_str().unwrap().to_owned();
    (relay, address)
}

/// Both ends at these relays: a text and a file.
fn meet_at_relays(folder: &Folder, bobs: &[&str], alices: &[&str]) {
    let file = folder.file("sent", &pattern(500_000));
    let directory = folder.0.display().to_string();
    for (what, count) in [
        (&["--count", "10", "--success-report"][..], "10"),
        (&["--file", &file], "1"),
    ] {
        let mode = [
            "--mode",
            "file",
            "--directory",
            &directory,
            "--session-id",
            "bob1",
            "--count",
            count,
        ];
        let listen = [&mode[..], bobs].concat();
        let mut listener = Program::start("listen", &listen);
        let mut connector = Program::start("connect", &[what, alices].concat());
        let path = listener.path("listening");
        assert!(path.split(' ').count() >= 2, "its relay is on the way: {path}");
        connector.tell(&path);
        listener.tell(&connector.path("prepared"));
        let (sent, heard) = (connector.rest(), listener.rest());
        assert_eq!(throughput(&sent, "sent"), throughput(&heard, "received"));
        if what[0] == "--file" {
            let began = heard
                .iter()
                .find(|line| line["event"] == "message_began")
                .unwrap();
            let name = format!("{}.received", began["message_id"].as_str().unwrap());
            assert_eq!(std::fs::read(folder.0.join(name)).unwrap(), pattern(500_000));
        }
    }
}

#[test]
fn what_is_lost_behind_a_relay_is_a_fault() {
    let folder = Folder::new("lost");
    let (_relay, address) = relay(
        &folder,
        "relay",
        "uri = \"msrp://127.0.0.1:0;tcp\"\nallow_plain_auth = true",
    );
    let nobody = "msrp://127.0.0.1:1/nobody;tcp";
    let at = [
        "--relay",
        &address,
        "--relay-user",
        "alice",
        "--relay-password",
        "wonderland",
        "--relay-plain",
    ];
    let connector = Program::start("connect", &[&at[..], &["--remote-path", nobody]].concat());
    let (said, lines) = faults::words(connector, "sent");
    assert_eq!(said, "error: failed with 408 Timeout\n");
    assert_eq!(count(&lines, "send_failed"), 1, "{lines:?}");
    let wrong = [&at[..5], &["wrong", "--relay-plain", "--remote-path", nobody]].concat();
    let said = Program::start("connect", &wrong).complaint();
    assert!(
        said.contains("are --relay-user and --relay-password what the relay knows?"),
        "{said}"
    );
}

#[test]
fn two_ends_meet_at_a_relay_that_is_a_process_over_tls() {
    let folder = Folder::new("relay-tls");
    let (cert, key, _) = folder.certificate("relay.test");
    let head = format!(
        "uri = \"msrps://127.0.0.1:0;tcp\"\naliases = [\"relay.test\"]\ncertificate = {cert:?}\nkey = {key:?}\ntrust = {cert:?}"
    );
    let (_relay, address) = relay(&folder, "relay.toml", &head);
    let at = ["--relay", &address, "--relay-domain", "relay.test", "--ca", &cert];
    let bobs = [&at[..], &["--relay-user", "bob", "--relay-password", "builder"]].concat();
    let alices = [
        &at[..],
        &["--relay-user", "alice", "--relay-password", "wonderland"],
    ]
    .concat();
    meet_at_relays(
        &folder,
        &bobs,
        &[&alices[..], &["--relay-expires", "120"]].concat(),
    );
    let guess = [&at[..], &["--relay-user", "alice", "--relay-password", "guess"]].concat();
    assert!(!Program::start("connect", &guess).status().success());
}

#[test]
fn an_end_may_be_behind_two_relays() {
    let folder = Folder::new("relay-chain");
    let head = "uri = \"msrp://127.0.0.1:0;tcp\"\nallow_plain_auth = true\nrealm = \"chain\"";
    let (_near, near) = relay(&folder, "near.toml", head);
    let (_far, far) = relay(&folder, "far.toml", head);
    let through = format!("msrp://{far};tcp");
    let plain = ["--relay", &near, "--relay-domain", "127.0.0.1", "--relay-plain"];
    let bobs = [
        &plain[..],
        &["--relay-user", "bob", "--relay-password", "builder"],
    ]
    .concat();
    let alices = [
        &plain[..],
        &["--relay-user", "alice", "--relay-password", "wonderland"],
    ]
    .concat();
    meet_at_relays(
        &folder,
        &[&bobs[..], &["--relay-through", &through]].concat(),
        &alices,
    );
}

#[test]
fn relays_know_each_other_by_their_certificates() {
    let folder = Folder::new("relay-mutual");
    let tls = |name: &str, more: &str| {
        let (cert, key, _) = folder.certificate(name);
        let head = format!(
            "uri = \"msrps://127.0.0.1:0;tcp\"\naliases = [\"{name}\"]\nrealm = \"chain\"\ncertificate = {cert:?}\nkey = {key:?}\n{more}"
        );
        (cert, head)
    };
    let (near_cert, near_head) = tls("near.test", "");
    let (other_cert, _, _) = folder.certificate("other.test");
    for (trusted, is_taken) in [(&near_cert, true), (&other_cert, false)] {
        let (far_cert, far_head) = tls(
            "far.test",
            &format!("relays = {trusted:?}\nwants_relay_certificates = true"),
        );
        let (_far, far) = relay(&folder, "far.toml", &far_head);
        let near_head = format!("{near_head}\ntrust = {far_cert:?}");
        let (_near, near) = relay(&folder, "near.toml", &near_head);
        let at = [
            "--relay",
            &near,
            "--relay-domain",
            "near.test",
            "--ca",
            &near_cert,
        ];
        let through = format!("msrps://{far};tcp");
        let bobs = [
            "--relay-user",
            "bob",
            "--relay-password",
            "builder",
            "--relay-through",
            &through,
        ];
        let bobs = [&at[..], &bobs].concat();
        let alices = [
            &at[..],
            &["--relay-user", "alice", "--relay-password", "wonderland"],
        ]
        .concat();
        if is_taken {
            meet_at_relays(&folder, &bobs, &alices);
        } else {
            let said = Program::start("listen", &bobs).complaint();
            assert!(
                said.starts_with("error: the relay refused with 408 Timeout"),
                "{said}"
            );
        }
    }
}

#[test]
fn the_chunks_that_pass_are_shown_on_demand() {
    let listen = ["--port", "0", "--remote-path", CALLER, "--trace", "--count", "1"];
    let mut listener = Program::start("listen", &listen);
    let path = listener.path("listening");
    let args = [
        "--local-path",
        CALLER,
        "--remote-path",
        &path,
        "--size",
        "300",
        "--trace",
    ];
    let mut connector = Program::start("connect", &args);
    for (program, way, back) in [(&mut connector, '>', '<'), (&mut listener, '<', '>')] {
        assert!(program.status().success());
        let said = program.said_in_error();
        let seen: Vec<_> = said
            .lines()
            .filter_map(|line| Some((line.chars().next()?, line.split_once(' ')?.1.split_once(' ')?.1)))
            .collect();
        // The SEND that binds, and the message; each is answered.
        for (what, count) in [("SEND", 2), ("300 bytes", 1)] {
            let shown = seen.iter().filter(|shown| **shown == (way, what)).count();
            assert_eq!(shown, count, "{said}");
        }
        assert!(
            seen.iter().filter(|shown| **shown == (back, "200 OK")).count() >= 2,
            "{said}"
        );
    }
}
