//! What is typed, line by line.

use std::io::BufRead;
#[cfg(unix)]
use std::io::IsTerminal;
use tokio::sync::mpsc;

/// Lines that may wait to be taken.
const QUEUE: usize = 64;

/// The lines of standard input, read by a thread of their own: a terminal cannot be waited for in any other way.
pub(crate) struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Reads from now on.
    pub(crate) fn listen() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
                if sender.blocking_send(text(line)).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The same, unless the input is a terminal that somebody else is working at: a program in the background that reads it
    /// is stopped by the system.
    pub(crate) fn listen_in_front() -> Self {
        if is_in_front() {
            Self::listen()
        } else {
            Self(mpsc::channel(1).1)
        }
    }

    /// The next line; `None` when the input is over.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }
}

/// The text of a line. One that is no UTF-8 comes from a terminal of an older kind, and is read as Latin-1.
fn text(line: Vec<u8>) -> String {
    let read = String::from_utf8(line);
    let mut text = read.unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
    text.truncate(text.trim_end_matches('\r').len());
    text
}

#[cfg(unix)]
fn is_in_front() -> bool {
    let stdin = std::io::stdin();
    let owner = nix::unistd::tcgetpgrp(&stdin);
    // What is no terminal has no owner, and may be read.
    owner.is_ok_and(|owner| owner == nix::unistd::getpgrp()) || !stdin.is_terminal()
}

/// Elsewhere nobody is stopped for it.
#[cfg(not(unix))]
fn is_in_front() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn lines_of_any_encoding_are_read() {
        for (line, read) in [
            (&b"hello\r"[..], "hello"),
            ("gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            (b"gr\xfcn", "gr\u{fc}n"),
            (b"", ""),
        ] {
            assert_eq!(text(line.to_vec()), read);
        }
    }
}
