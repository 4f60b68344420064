//! Everything that can be wrong before a call: one sentence, the documented exit code, nothing left behind.

mod support;

use std::net::UdpSocket;
use std::time::{Duration, Instant};
use support::{Folder, Program};

/// The words for a call that is wrong in one way.
#[track_caller]
fn check(words: &[&str], code: i32, sentence_has: &str) {
    let begin = Instant::now();
    let ended = Program::start(words).end();
    let text = format!("{words:?}: {}", ended.stderr);
    assert_eq!(ended.code, Some(code), "{text}");
    ended.failed_with(code);
    assert!(ended.stderr.contains(sentence_has), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{text}");
}

#[test]
fn wrong_addresses() {
    for uri in [
        "",
        "sip:",
        "alice",
        "sip:@",
        "sip:a b@c",
        "mailto:a@b",
        "sip:bob@[::1",
        "sip:bob@host:99999",
    ] {
        check(&["call", uri], 10, "is not a SIP URI");
    }
    check(
        &["call", "sip:bob@127.0.0.1", "--account", "alice"],
        10,
        "is not an account",
    );
    check(
        &["call", "sip:bob@127.0.0.1", "--proxy", "nonsense"],
        10,
        "is not a SIP URI",
    );
}

#[test]
fn unknown_codecs() {
    for (list, named) in [("G729", "G729"), ("opus,,PCMU", ""), ("PCMU,mp3", "mp3")] {
        check(&["call", "sip:bob@127.0.0.1", "--codec", list], 11, named);
        check(
            &["answer", "--listen", "127.0.0.1:0", "--codec", list],
            11,
            "choose from opus, G722, PCMU, PCMA, iLBC, GSM",
        );
    }
}

#[test]
fn files_that_cannot_be_played() {
    let folder = Folder::new("unplayable");
    let text = folder.file("text.wav", "this is no sound");
    let empty = folder.file("empty.wav", "");
    for path in [&folder.path("missing.wav"), &text, &empty, &folder.path("")] {
        check(&["call", "sip:bob@127.0.0.1", "--play", path], 12, path);
    }
}

#[test]
fn recordings_that_cannot_be_written() {
    let folder = Folder::new("unwritable");
    let file = folder.file("file", "");
    for path in [
        folder.path(""),
        folder.path("no/such/folder.wav"),
        format!("{file}/below.wav"),
    ] {
        check(&["call", "sip:bob@127.0.0.1", "--record", &path], 13, &path);
    }
    assert_eq!(folder.files(), ["file"]);
}

/// Root could put a recording in the place of a device, and nobody would find the device again.
#[cfg(unix)]
#[test]
fn a_device_is_not_replaced_by_a_recording() {
    use std::os::unix::fs::FileTypeExt;
    check(
        &["call", "sip:bob@127.0.0.1", "--record", "/dev/null"],
        13,
        "/dev/null",
    );
    let there = std::fs::metadata("/dev/null").expect("still there");
    assert!(there.file_type().is_char_device());
}

#[test]
fn addresses_that_cannot_be_listened_at() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    check(&["answer", "--listen", &address], 14, &address);
    // RFC 5737: nobody's.
    check(
        &["call", "sip:bob@127.0.0.1", "--listen", "192.0.2.1:0"],
        14,
        "192.0.2.1",
    );
}

#[test]
fn names_that_nobody_has() {
    // RFC 6761: never resolves.
    check(
        &["call", "sip:bob@nobody.invalid", "--listen", "127.0.0.1:0"],
        15,
        "nobody.invalid",
    );
}

#[test]
fn ports_at_which_nobody_listens() {
    let folder = Folder::new("nobody");
    let gone = UdpSocket::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("bound");
    let begin = Instant::now();
    let record = folder.path("heard.wav");
    // Linux tells by ICMP, at once; elsewhere the patience for an answer runs out.
    let patience: &[&str] = if cfg!(target_os = "linux") {
        &[]
    } else {
        &["--ring-timeout", "0.5"]
    };
    let mut program = Program::call(gone, &[patience, &["--record", &record]].concat());
    program.wait_for("new_outgoing");
    let ended = program.end();
    ended.failed_with(15);
    assert_eq!(ended.event("did_fail")["originator"], "local");
    // Without a response there is nothing that could be cancelled; the end does not wait for Timer B (32 s).
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn password_files() {
    let folder = Folder::new("password");
    let missing = folder.path("missing");
    let account = ["--account", "sip:alice@127.0.0.1"];
    for path in [&missing, &folder.path("")] {
        let words = [&["register"], &account[..], &["--password-file", path]].concat();
        check(&words, 2, path);
    }
    check(&["register"], 2, "--account");
}

#[test]
fn what_is_no_command_line_gets_the_usage() {
    for words in [
        &["call"][..],
        &["sing"],
        &["call", "sip:a@b", "--duration", "soon"],
        &["answer", "--reject", "200"],
        &["answer", "--reject", "486", "--auto-answer"],
        &["call", "sip:a@b", "--password-file", "x"],
        &["call", "sip:a@b", "--transport", "sctp"],
        &["call", "sip:a@b", "--listen", "here"],
    ] {
        let ended = Program::start(words).end();
        assert_eq!(ended.code, Some(2), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("error: "), "{words:?}: {}", ended.stderr);
        assert!(ended.events.is_empty());
    }
}

#[test]
fn a_folder_for_recordings_that_cannot_be_written() {
    let folder = Folder::new("no-recordings");
    let file = folder.file("file", "no folder");
    for place in [file.clone(), format!("{file}/calls")] {
        check(
            &["call", "sip:bob@127.0.0.1:9", "--record-dir", &place],
            13,
            "cannot write",
        );
    }
    assert_eq!(folder.files(), ["file"]);
}

/// Answers a call with 302, as a phone that is elsewhere today.
fn redirects(socket: &UdpSocket) {
    let mut buffer = [0; 4096];
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a socket");
    let (len, from) = socket.recv_from(&mut buffer).expect("an INVITE");
    let invite = String::from_utf8_lossy(&buffer[..len]).into_owned();
    let echoed = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let headers: Vec<_> = invite
        .lines()
        .filter(|line| echoed.iter().any(|name| line.starts_with(name)))
        .collect();
    let headers = headers
        .join("\r\n")
        .replacen("\r\nCall-ID", ";tag=elsewhere\r\nCall-ID", 1);
    let moved = format!(
        "SIP/2.0 302 Moved\r\n{headers}\r\nContact: <sip:bob@elsewhere.test>\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(moved.as_bytes(), from).expect("it goes out");
}

#[test]
fn where_a_redirection_points_is_told() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let uri = format!("sip:bob@{}", socket.local_addr().expect("it has one"));
    let call = Program::start(["call", &uri, "--listen", "127.0.0.1:0", "--no-device"]);
    redirects(&socket);
    let ended = call.end();
    ended.failed_with(20);
    let failed = ended.event("did_fail");
    assert_eq!(failed["code"], 302);
    assert_eq!(failed["redirect_identities"][0], "sip:bob@elsewhere.test");
}
