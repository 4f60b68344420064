//! What TLS was asked for is not left out in silence.

use super::program::{Folder, Program};
use super::{CALLER, meet, throughput};
use std::net::TcpListener;

#[test]
fn who_asks_for_tls_does_not_speak_in_clear() {
    let folder = Folder::new("clear");
    let (cert, key, print) = folder.certificate("clear");
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    peer.set_nonblocking(true).unwrap();
    let path = format!("msrp://{}/peer;tcp", peer.local_addr().unwrap());
    for (option, asked) in [
        ("--tls", &["--tls"][..]),
        ("--no-verify", &["--no-verify"]),
        ("--ca", &["--ca", &cert]),
        ("--cert", &["--cert", &cert, "--key", &key]),
        (
            "--fingerprint",
            &["--fingerprint", &print, "--cert", &cert, "--key", &key],
        ),
    ] {
        let words = format!(
            "error: {option} is for TLS, and the peer's path begins with msrp:, which is without: write msrps: there, or \
             leave {option} out\n"
        );
        let given = [&["--remote-path", &path], asked].concat();
        assert_eq!(Program::start("connect", &given).complaint(), words);
        let given = [&["--port", "0", "--remote-path", CALLER], asked].concat();
        assert_eq!(Program::start("listen", &given).complaint(), words);
        // The path may come later.
        for (name, event) in [("connect", "prepared"), ("listen", "listening")] {
            if name == "listen" && option != "--cert" {
                continue; // which has no certificate to show
            }
            let mut program = Program::start(
                name,
                &[&["--local-path", CALLER], asked].concat()[2 * usize::from(name == "listen")..],
            );
            program.path(event);
            program.tell(&path);
            assert_eq!(program.complaint(), words, "{name}");
        }
    }
    assert!(peer.accept().is_err(), "nobody has connected");
}

#[test]
fn a_path_that_wants_tls_says_which_option_gives_it() {
    let path = "msrps://127.0.0.1:9/peer;tcp";
    for args in [
        ["connect", "--remote-path", path],
        ["listen", "--remote-path", path],
    ] {
        let said = Program::start(args[0], &args[1..]).complaint();
        assert_eq!(
            said,
            "error: the peer's path begins with msrps:, which is by TLS: give --tls, too\n"
        );
    }
}

#[test]
fn a_certificate_is_shown_with_those_under_which_it_stands() {
    let folder = Folder::new("chain");
    let (chain, key, root) = folder.chain();
    let secure = ["--tls", "--cert", &chain, "--key", &key];
    let (sent, heard) = meet(&secure, &["--tls", "--ca", &root]);
    assert_eq!(
        (throughput(&sent, "sent").0, throughput(&heard, "received").0),
        (1, 1)
    );
}

#[test]
fn a_path_by_another_transport_than_tcp_is_told() {
    let said = Program::start("connect", &["--remote-path", "msrp://127.0.0.1:9/x;udp"]).complaint();
    assert!(said.contains("no connection by udp"), "{said}");
}
