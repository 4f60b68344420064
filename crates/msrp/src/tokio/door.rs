//! Those who have connected, and have not said yet what they want.

use super::accept::Arrival;
use crate::chunk::StatusCode;
use std::collections::VecDeque;
use std::io;
use tokio::task::{AbortHandle, JoinSet};

/// Who is at the door: so many may be silent at a time, and so many be told that they are refused. For one more the one that has
/// been silent for longest goes, so that nobody is kept out by those who say nothing.
#[derive(Debug)]
pub(super) struct Door<T = Arrival> {
    most: usize,
    arriving: JoinSet<io::Result<T>>,
    /// Those that arrive, the oldest first.
    silent: VecDeque<AbortHandle>,
    leaving: JoinSet<()>,
}

impl<T: Send + 'static> Door<T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            arriving: JoinSet::new(),
            silent: VecDeque::new(),
            leaving: JoinSet::new(),
        }
    }

    /// Somebody has connected; `receiving` hears what they say first.
    pub(super) fn enter(&mut self, receiving: impl Future<Output = io::Result<T>> + Send + 'static) {
        if self.silent.len() >= self.most {
            self.silent.retain(|arriving| !arriving.is_finished());
        }
        if self.silent.len() >= self.most
            && let Some(oldest) = self.silent.pop_front()
        {
            oldest.abort();
        }
        self.silent.push_back(self.arriving.spawn(receiving));
    }

    /// The next one who has said what they want, or has gone without; never, while nobody is there. Nothing is lost when it is
    /// not waited for.
    pub(super) async fn next(&mut self) -> io::Result<T> {
        loop {
            match self.arriving.join_next().await {
                Some(Ok(arrival)) => return arrival,
                Some(Err(_)) => {} // who was sent away
                None => std::future::pending().await,
            }
        }
    }
}

impl Door {
    /// Sends somebody away, with an answer if not too many others hear theirs.
    pub(super) fn refuse(&mut self, arrival: Arrival, status: StatusCode) {
        while self.leaving.try_join_next().is_some() {}
        if self.leaving.len() < self.most {
            self.leaving.spawn(arrival.refuse(status));
        }
    }
}
