//! `SIPp`, by its built-in scenarios or one of ours, and the statistics that it keeps.

use super::child::{Running, wait};
use super::disagreement::{Disagreement, holds, same};
use super::ports::{LOOPBACK, Seat};
use super::stage::Stage;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);
/// `SIPp`'s `uas` stays four seconds after the BYE, in case its 200 was lost.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// Which scenario `SIPp` plays.
#[derive(Clone, Copy, Debug)]
pub(super) enum Play<'a> {
    /// Built into `SIPp`, by its name: `uac`, `uas`.
    BuiltIn(&'a str),
    /// An XML file that is committed with the harness.
    File(&'a str),
}

/// A running `SIPp`.
#[derive(Debug)]
pub(super) struct Sipp {
    running: Running,
    statistics: PathBuf,
    uri: String,
    calls: u64,
}

impl Sipp {
    /// Starts `SIPp` on a seat's ports for a number of calls, one at a time.
    pub(super) fn start(
        stage: &Stage<'_>,
        seat: Seat,
        play: Play<'_>,
        calls: u64,
        further: &[&str],
    ) -> Result<Self, Disagreement> {
        let name = match seat {
            Seat::First => "sipp",
            Seat::Second => "sipp-2",
            Seat::Third => "sipp-3",
        };
        let file = |kind: &str| format!("{name}.{kind}");
        let statistics = stage.file(&file("csv"));
        let port = stage.ports().sip(seat);
        let (media, _) = stage.ports().media(seat);
        let mut command = Command::new("sipp");
        match play {
            Play::BuiltIn(name) => command.args(["-sn", name]),
            Play::File(name) => command.arg("-sf").arg(stage.asset(name)),
        };
        command
            .current_dir(stage.folder())
            .args(["-nostdin", "-i", &LOOPBACK.to_string(), "-p", &port.to_string()])
            .args(["-mi", &LOOPBACK.to_string(), "-mp", &media.to_string()])
            .args(["-m", &calls.to_string(), "-l", "1"])
            .args(["-trace_stat", "-fd", "1", "-stf"])
            .arg(&statistics)
            .args(["-trace_msg", "-message_file", &file("messages")])
            .args(["-trace_err", "-error_file", &file("errors")])
            .args(further);
        let running = Running::start(stage, name, &mut command)?;
        let transport = if further.contains(&"t1") { "tcp" } else { "udp" };
        wait(stage, name, "SIP port", PATIENCE, || is_bound(transport, port))?;
        Ok(Self {
            running,
            statistics,
            uri: format!("sip:sipp@{LOOPBACK}:{port}"),
            calls,
        })
    }

    /// Where it can be called.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Waits for its end: every call succeeded, nothing was repeated, nothing came that its scenario does not have.
    pub(super) fn succeeds(&mut self, stage: &Stage<'_>) -> Result<(), Disagreement> {
        let code = self.running.end(stage, ENDS_WITHIN)?;
        let table = std::fs::read_to_string(&self.statistics)
            .map_err(|cause| Disagreement::file(&self.statistics, cause))?;
        for (column, want) in [
            ("SuccessfulCall(C)", self.calls),
            ("FailedCall(C)", 0),
            ("Retransmissions(C)", 0),
            ("FailedUnexpectedMessage(C)", 0),
            ("OutOfCallMsgs(C)", 0),
        ] {
            let got = last_value(&table, column);
            holds(
                &format!("SIPp's {column}"),
                got == Some(want),
                &want,
                &got.map_or_else(|| "nothing".to_owned(), |got| got.to_string()),
            )?;
        }
        same("SIPp's exit code", &code, &Some(0))
    }
}

/// A column's value in the last line of `SIPp`'s table.
fn last_value(table: &str, column: &str) -> Option<u64> {
    let mut lines = table.lines();
    let index = lines.next()?.split(';').position(|name| name == column)?;
    lines.last()?.split(';').nth(index)?.parse().ok()
}

/// Whether somebody has a port, without taking it away from them for a moment.
///
/// The kernel writes its table while sockets come and go, so that a row can be left out of one reading: who asks waits, and asks again.
fn is_bound(transport: &str, port: u16) -> Result<Option<()>, Disagreement> {
    let path = PathBuf::from(format!("/proc/net/{transport}"));
    let table = std::fs::read_to_string(&path).map_err(|cause| Disagreement::file(&path, cause))?;
    Ok(has_local_port(&table, port).then_some(()))
}

/// Whether a row of the kernel's table of sockets has this port on our side of it.
fn has_local_port(table: &str, port: u16) -> bool {
    let ending = format!(":{port:04X}");
    table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|local| local.ends_with(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_last_line_of_a_column_counts() {
        let table = "StartTime;SuccessfulCall(C);FailedCall(C);\nx;0;0;\nx;2;1;\n";
        assert_eq!(last_value(table, "SuccessfulCall(C)"), Some(2));
        assert_eq!(last_value(table, "FailedCall(C)"), Some(1));
        assert_eq!(last_value(table, "Nonsense"), None);
        assert_eq!(last_value("", "FailedCall(C)"), None);
    }

    #[test]
    fn only_our_side_of_the_table_counts() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
                     102: 0100007F:13C4 0100007F:13C6 07 00000000:00000000 00:00000000\n";
        assert!(has_local_port(table, 5060));
        assert!(!has_local_port(table, 5062));
        assert!(!has_local_port("", 5060));
    }

    #[test]
    fn a_bound_port_is_seen_without_binding_it() {
        let socket = std::net::UdpSocket::bind((LOOPBACK, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let patience = Instant::now() + PATIENCE;
        while is_bound("udp", port).unwrap().is_none() {
            assert!(Instant::now() < patience, "port {port} is not in the table");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
