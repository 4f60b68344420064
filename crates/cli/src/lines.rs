//! What is typed, line by line.

use std::io::BufRead;
use tokio::sync::mpsc;

/// Lines that may wait to be taken.
const QUEUE: usize = 64;

/// The lines of standard input, read by a thread of their own: a terminal cannot be waited for in any other way.
pub(crate) struct Lines(mpsc::Receiver<String>);

impl Lines {
    /// Reads from now on. Empty lines are passed over.
    pub(crate) fn listen() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if !line.trim().is_empty() && sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; `None` when the input is over.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }
}
