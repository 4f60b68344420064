//! When the program is asked to leave: by a signal, or because nobody reads any more what it says.

use std::sync::OnceLock;
use tokio::sync::watch;

/// Told for the whole program: what nobody hears is noticed far from whoever ends the calls.
static LEAVE: OnceLock<watch::Sender<bool>> = OnceLock::new();

/// That the program shall leave, at whatever moment that is said: it is remembered, so none falls between two waits.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let receiver = LEAVE.get_or_init(|| watch::channel(false).0).subscribe();
        let signal = signalled();
        tokio::spawn(async move {
            signal.await;
            leave();
        });
        Self(receiver)
    }

    /// Waits until the program shall leave.
    pub(crate) async fn wait(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|interrupted| *interrupted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Has the program leave as a signal would.
pub(crate) fn leave() {
    if let Some(leave) = LEAVE.get() {
        leave.send_replace(true);
    }
}

/// The next signal that asks the program to leave, of those that come after this call: Ctrl-C and its sharper sister, a polite
/// `kill`, and the terminal that goes away.
#[cfg(unix)]
fn signalled() -> impl Future<Output = ()> + Send {
    use std::task::Poll;
    use tokio::signal::unix::{SignalKind, signal};
    let mut kinds = vec![
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::quit(),
    ];
    // Who starts a program with nohup wants it to outlive the terminal.
    if !is_ignored(SignalKind::hangup().as_raw_value()) {
        kinds.push(SignalKind::hangup());
    }
    // Where the system lets nobody listen, signals do what they always do.
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    std::future::poll_fn(move |context| {
        let came = signals
            .iter_mut()
            .any(|signal| signal.poll_recv(context).is_ready());
        if came { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// Whether the program was started to ignore this signal, where the system says so.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, signal))
}

/// Reads the mask of ignored signals of `/proc/PID/status`: the first signal is its lowest bit.
#[cfg(unix)]
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u128::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// See above.
#[cfg(not(unix))]
async fn signalled() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::ignores;

    #[test]
    fn the_mask_tells_which_signals_are_ignored() {
        let status = "Name:\toffhook\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(ignores(status, 1));
        assert!(ignores(status, 13));
        assert!(!ignores(status, 2));
        assert!(!ignores("Name:\toffhook\n", 1));
    }
}
