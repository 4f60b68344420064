//! Protocol cores are plain values: no clock, socket, thread, runtime or global random generator in them.

use super::Finding;
use super::tokens::{Tests, find, tokens};
use super::tree::Tree;

/// The crates that are drivers through and through: nothing in them is a core.
const NOT_CORES: &[&str] = &["cli", "offhook", "testkit"];

/// Where a crate keeps its driver, below its folder. `src/tokio` counts in every crate.
const DRIVERS: &[(&str, &str)] = &[
    ("audio-mixer", "src/device/"),     // talks to sound cards
    ("audio-mixer", "src/file/"),       // reads and writes wave files on threads of its own
    ("account", "src/file_storage.rs"), // settings on disk
    ("conference", "src/audio.rs"),     // a handle: what it joins is in the cores below
];

/// What a core never names, and what it is.
const FORBIDDEN: &[(&[&str], &str)] = &[
    (&["Instant", ":", ":", "now"], "reads the clock"),
    (&["Instant", "as"], "hides the clock behind another name"),
    (&["SystemTime"], "reads the clock"),
    (&["UdpSocket"], "opens a socket"),
    (&["TcpStream"], "opens a socket"),
    (&["TcpListener"], "opens a socket"),
    (&["UnixStream"], "opens a socket"),
    (&["UnixDatagram"], "opens a socket"),
    (&["UnixListener"], "opens a socket"),
    (&["ToSocketAddrs"], "resolves names"),
    (&["std", ":", ":", "thread"], "uses threads"),
    (&["thread", ":", ":", "spawn"], "uses threads"),
    (&["thread", ":", ":", "sleep"], "sleeps"),
    (&["tokio", ":", ":"], "uses a runtime"),
    (&["mio", ":", ":"], "does I/O"),
    (&["socket2", ":", ":"], "opens a socket"),
    (&["thread_rng"], "uses a global random generator"),
    (&["ThreadRng"], "uses a global random generator"),
    (&["OsRng"], "uses a global random generator"),
    (&["SysRng"], "uses a global random generator"),
    (&["getrandom"], "uses a global random generator"),
    (&["rand", ":", ":", "rng"], "uses a global random generator"),
    (&["rand", ":", ":", "random"], "uses a global random generator"),
    (
        &["RandomState", ":", ":", "new"],
        "uses a global random generator",
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.library_sources() {
        if NOT_CORES.contains(&source.layer) || is_driver(source.layer, source.below) {
            continue;
        }
        let tokens = match tokens(source.text, Tests::Skip) {
            Ok(tokens) => tokens,
            Err(complaint) => {
                findings.push(Finding::new(path, 0, complaint));
                continue;
            }
        };
        for (sequence, what) in FORBIDDEN {
            // `crate::tokio::...` names our own driver module, not the runtime.
            findings.extend(
                find(&tokens, sequence)
                    .filter(|line| !names_own_module(source.text, *line))
                    .map(|line| {
                        Finding::new(
                            path,
                            line,
                            format!("a core {what}: `{}`", sequence.join(" ").replace(" : : ", "::")),
                        )
                    }),
            );
        }
    }
    findings
}

fn is_driver(layer: &str, below: &str) -> bool {
    below.starts_with("src/tokio/")
        || below == "src/tokio.rs"
        || DRIVERS
            .iter()
            .any(|(of, prefix)| *of == layer && below.starts_with(prefix))
}

fn names_own_module(text: &str, line: usize) -> bool {
    let line = text.lines().nth(line - 1).unwrap_or_default();
    line.contains("crate::tokio") || line.contains("self::tokio")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        check(&Tree::of(&[(path, text)]))
    }

    #[test]
    fn each_forbidden_name_is_found_in_a_core() {
        for (sequence, _) in FORBIDDEN {
            let text = format!(
                "fn f() {{ let x = {} ; }}",
                sequence.join(" ").replace(": :", "::")
            );
            assert!(
                !findings("crates/sdp/src/lib.rs", &text).is_empty(),
                "{sequence:?} was not found"
            );
        }
    }

    #[test]
    fn a_name_inside_a_macro_is_found_with_its_line() {
        let found = findings(
            "crates/sip-core/src/dialog/mod.rs",
            "fn f() {\n  assert!(x < Instant::now());\n}",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn tests_comments_and_strings_may_name_anything() {
        let text = "/// Instant::now\nfn f() { g(\"std::thread\") }\n#[cfg(test)]\nmod tests { fn t() { Instant::now(); } }";
        assert_eq!(findings("crates/sdp/src/lib.rs", text), []);
        assert_eq!(
            findings("crates/sdp/src/parse/tests.rs", "fn t() { Instant::now(); }"),
            []
        );
        assert_eq!(
            findings("crates/sdp/tests/corpus.rs", "fn t() { Instant::now(); }"),
            []
        );
    }

    #[test]
    fn code_after_a_test_module_is_still_a_core() {
        let text = "#[cfg(test)]\nuse x::Y;\nfn f() { Instant::now() }";
        assert_eq!(findings("crates/sdp/src/lib.rs", text).len(), 1);
    }

    #[test]
    fn drivers_may_do_io() {
        let text = "fn f() { tokio::spawn(g()); Instant::now(); }";
        assert_eq!(findings("crates/sip-core/src/tokio/mod.rs", text), []);
        assert_eq!(findings("crates/audio-mixer/src/device/cpal.rs", text), []);
        assert_eq!(findings("crates/cli/src/main.rs", text), []);
        assert_eq!(findings("crates/sip-core/src/endpoint/mod.rs", text).len(), 2);
    }
}
