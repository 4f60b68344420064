//! External media tools as processes: started with what was negotiated, watched, and ended with their sessions.

#![cfg(all(unix, feature = "tokio"))]

mod calls;

use calls::folder::Folder;
use calls::{PATIENCE, Pair, boxed, until, until_started, why_it_failed};
use offhook_sdp::{MediaKind, RtpFormat};
use offhook_session::{ExternalMediaStream, MediaStream, SessionEvent, ToolCommand};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A tool that is a script of the shell; its arguments follow.
fn tool(script: &str, arguments: &[&str]) -> Vec<Box<dyn MediaStream>> {
    let words = ["-c", script, "tool"]
        .into_iter()
        .chain(arguments.iter().copied());
    external(ToolCommand::new("sh", words).expect("a command"))
}

fn external(command: ToolCommand) -> Vec<Box<dyn MediaStream>> {
    let formats = [RtpFormat::new(96, "VP8", 90_000, 1)];
    boxed(ExternalMediaStream::new(MediaKind::Video, formats, command))
}

/// Waits until a file says so.
async fn file_that(path: &Path, is_right: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if is_right(&text) {
            return text;
        }
        assert!(Instant::now() < end, "{}: {text}", path.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Writes its arguments and its standard input down, and stays.
const NOTES: &str = r#"out="$1"; shift; for word; do echo "$word"; done > "$out"; cat >> "$out"; echo end >> "$out"; exec sleep 60"#;

#[tokio::test(flavor = "multi_thread")]
async fn both_tools_are_told_where_the_other_is() {
    let folder = Folder::new("tool-told");
    let files = [folder.join("alice"), folder.join("bob")];
    let notes = |file: &Path| {
        let file = file.to_str().expect("plain names");
        tool(
            NOTES,
            &[
                file,
                "{local_ip} {local_port}",
                "{remote_ip} {remote_port}",
                "$(id);{payload_type}",
            ],
        )
    };
    let mut pair = Pair::new(notes(&files[0]), notes(&files[1])).await;
    until_started(&mut pair.alice).await;
    until_started(&mut pair.bob).await;
    let mut said = Vec::new();
    for file in &files {
        said.push(file_that(file, |text| text.ends_with("end\n")).await);
    }
    let line = |who: usize, number: usize| said[who].lines().nth(number).expect("a line");
    assert_eq!(line(0, 0), line(1, 1), "what is local to her is remote to him");
    assert_eq!(line(0, 1), line(1, 0));
    assert!(line(0, 0).starts_with("127.0.0.1 "), "{}", said[0]);
    assert_eq!(line(0, 2), "$(id);96", "no shell has read it");
    let port = line(0, 0).split(' ').next_back().expect("a port");
    assert!(
        said[0].contains(&format!("m=video {port} RTP/AVP 96\r\n")),
        "{}",
        said[0]
    );
    pair.alice.end().await.expect("running");
    until(&mut pair.bob, |event| {
        matches!(event, SessionEvent::DidEnd { .. }).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_fails_is_told_with_its_code_and_its_last_words() {
    let stays = tool("exec sleep 60", &[]);
    let fails = tool("echo first >&2; echo 'no camera' >&2; exit 3", &[]);
    let mut pair = Pair::new(stays, fails).await;
    assert_eq!(
        why_it_failed(&mut pair.bob).await,
        "sh ended with exit code 3: no camera"
    );
    until(&mut pair.alice, |event| {
        matches!(event, SessionEvent::DidEnd { .. } | SessionEvent::DidFail { .. }).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_not_there_is_told_by_its_name() {
    let missing = external("offhook-no-such-tool {local_port}".parse().expect("a command"));
    let mut pair = Pair::new(tool("exec sleep 60", &[]), missing).await;
    let reason = why_it_failed(&mut pair.bob).await;
    assert!(
        reason.starts_with("cannot start offhook-no-such-tool: "),
        "{reason}"
    );
}

/// Asked first, with all that it has started; and ended where it does not listen.
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_ends_with_its_session_whether_it_wants_or_not() {
    let folder = Folder::new("tool-end");
    let (polite, stubborn) = (folder.join("polite"), folder.join("stubborn"));
    let path = |path: &Path| path.to_str().expect("plain names").to_owned();
    let listens = r#"trap 'echo asked >> "$1"; exit 0' TERM; echo $$ > "$1"; while :; do sleep 0.05; done"#;
    let does_not = r#"trap '' TERM; echo $$ > "$1"; while :; do sleep 0.05; done"#;
    let mut pair = Pair::new(
        tool(listens, &[&path(&polite)]),
        tool(does_not, &[&path(&stubborn)]),
    )
    .await;
    until_started(&mut pair.alice).await;
    until_started(&mut pair.bob).await;
    file_that(&polite, |text| text.ends_with('\n')).await;
    let stubborn = file_that(&stubborn, |text| text.ends_with('\n')).await;
    pair.alice.end().await.expect("running");
    file_that(&polite, |text| text.ends_with("asked\n")).await;
    // The other is ended after its grace.
    let process = PathBuf::from("/proc").join(stubborn.trim());
    let end = Instant::now() + PATIENCE;
    while process.exists() {
        assert!(Instant::now() < end, "it still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
