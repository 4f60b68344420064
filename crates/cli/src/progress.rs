//! Bars that grow while a person waits.

use crate::report::Reporter;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use offhook::{FileTransferEvent, StreamEvent, StreamId};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::OnceLock;

/// Where all bars are: what is said meanwhile stands above them.
static SCREEN: OnceLock<MultiProgress> = OnceLock::new();

/// Says something while there are no bars on the screen.
pub(crate) fn above_bars<T>(say: impl FnOnce() -> T) -> T {
    match SCREEN.get() {
        Some(screen) => screen.suspend(say),
        None => say(),
    }
}

/// One bar for each file on standard error, where that is a terminal and nobody asked for JSON.
pub(crate) struct Progress {
    screen: Option<&'static MultiProgress>,
    bars: HashMap<StreamId, ProgressBar>,
}

impl Progress {
    pub(crate) fn new(reporter: Reporter) -> Self {
        let is_watched = !reporter.is_json() && std::io::stderr().is_terminal();
        Self {
            screen: is_watched.then(|| SCREEN.get_or_init(MultiProgress::new)),
            bars: HashMap::new(),
        }
    }

    pub(crate) fn take(&mut self, stream: StreamId, event: &StreamEvent) {
        let Some(screen) = self.screen else { return };
        match event {
            StreamEvent::FileTransfer(FileTransferEvent::Progress { transferred, size }) => {
                let bar = self
                    .bars
                    .entry(stream)
                    .or_insert_with(|| screen.add(bar(size.unwrap_or(0))));
                bar.set_position(*transferred);
            }
            StreamEvent::FileTransfer(FileTransferEvent::DidFinish { .. }) | StreamEvent::DidFail { .. } => {
                if let Some(bar) = self.bars.remove(&stream) {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }
}

impl Drop for Progress {
    /// Of what was broken off no bar is left: the last sentence begins a line of its own.
    fn drop(&mut self) {
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
    }
}

fn bar(size: u64) -> ProgressBar {
    let template = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style)
}
