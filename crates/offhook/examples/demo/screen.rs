//! What a person reads while the call goes on.

use crate::judge::Verdict;
use crate::sound::{Folder, LEAD};
use std::error::Error;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::Instant;

/// Writes lines with the time since the start.
pub(crate) struct Screen {
    start: Instant,
    is_terminal: bool,
    /// The last line is to be written over by the next one of its kind.
    is_open: bool,
}

impl Screen {
    /// Says what is going to happen, and starts the clock.
    pub(crate) fn open(headline: &str) -> Self {
        print(&format!("{headline}\n\n"));
        Self {
            start: Instant::now(),
            is_terminal: stdout().is_terminal(),
            is_open: false,
        }
    }

    /// Something happened.
    pub(crate) fn line(&mut self, what: &str, text: &str) {
        self.close();
        let line = self.timed(what, text);
        print(&format!("{line}\n"));
    }

    /// Figures that change: on a terminal each line replaces the one before.
    pub(crate) fn live(&mut self, what: &str, text: &str) {
        let line = self.timed(what, text);
        if self.is_terminal {
            // To the first column, erase the line, and cut what is too long for the terminal instead of wrapping it.
            print(&format!("\r\x1b[2K\x1b[?7l{line}\x1b[?7h"));
            self.is_open = true;
        } else {
            print(&format!("{line}\n"));
        }
    }

    /// The quality of both directions, and where everything lies.
    pub(crate) fn table(&mut self, verdicts: &[Verdict], folder: &Folder) {
        self.close();
        print(&format!(
            "\n{:<23}{:>11}{:>16}{:>10}{:>10}{:>10}\n",
            "", "correlation", "segmental SNR", "gain", "delay", "compared"
        ));
        for verdict in verdicts {
            let quality = verdict.quality;
            print(&format!(
                "{:<23}{:>11.4}{:>13.1} dB{:>+7.2} dB{:>7.0} ms{:>8.2} s   {}\n",
                verdict.direction,
                quality.correlation,
                quality.segmental_snr,
                quality.gain_db,
                quality.delay_seconds() * 1000.0,
                quality.compared.as_secs_f64(),
                if verdict.fault.is_none() { "good" } else { "BAD" },
            ));
        }
        print(&format!(
            "The delay counts {} ms of silence before the sound, and a jitter buffer that waits for a busy machine.\n\n",
            LEAD.as_millis()
        ));
        for (what, path) in [
            ("caller played", folder.caller_played()),
            ("test number heard", folder.agent_heard()),
            ("test number played", folder.agent_played()),
            ("caller heard", folder.caller_heard()),
            ("picture", folder.picture()),
        ] {
            print(&format!("{what:<23}{}\n", path.display()));
        }
    }

    pub(crate) fn error(&mut self, error: &dyn Error) {
        self.close();
        let _ = writeln!(stderr(), "\nerror: {error}");
    }

    fn timed(&self, what: &str, text: &str) -> String {
        format!(
            "{:>7.2} s  {what:<12}  {text}",
            self.start.elapsed().as_secs_f64()
        )
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            print("\n");
        }
    }
}

/// A closed pipe is no reason to fail: whoever reads has read enough.
fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
