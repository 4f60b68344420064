//! Bars that grow while a person waits.

use crate::report::Reporter;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use offhook::{FileTransferEvent, StreamEvent, StreamId};
use std::collections::HashMap;
use std::io::IsTerminal;

/// One bar for each file on standard error, where that is a terminal and nobody asked for JSON.
pub(crate) struct Progress {
    screen: Option<MultiProgress>,
    bars: HashMap<StreamId, ProgressBar>,
}

impl Progress {
    pub(crate) fn new(reporter: Reporter) -> Self {
        let is_watched = !reporter.is_json() && std::io::stderr().is_terminal();
        Self {
            screen: is_watched.then(MultiProgress::new),
            bars: HashMap::new(),
        }
    }

    pub(crate) fn take(&mut self, stream: StreamId, event: &StreamEvent) {
        let Some(screen) = &self.screen else { return };
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
                    bar.finish();
                }
            }
            _ => {}
        }
    }
}

fn bar(size: u64) -> ProgressBar {
    let template = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style)
}
