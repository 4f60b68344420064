//! The flow that a registrar reaches us by: kept alive, given up, replaced (RFC 5626 §4.4, §4.5).

use super::granted::Granted;
use super::machine::{Registration, Timer};
use crate::StatusCode;
use crate::client::Trouble;
use crate::endpoint::{Core, EndpointEvent, TransportFailure};
use crate::flow::{Answered, KeepAlive, Probe, ProbeDue, StunMessage};
use crate::invitation::Cause;
use offhook_sansio::Path;
use std::time::{Duration, Instant};

/// A connection that broke sooner than this was none: the next one is not tried at once. RFC 5626 §4.5 waits for the first
/// answer to a keep-alive, which the driver sees and a core does not.
const LASTING_FLOW: Duration = Duration::from_secs(30);

/// The flow that the registrar reaches us by (RFC 5626).
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) path: Path,
    since: Instant,
    /// Over UDP, where the registrar has agreed to it.
    probe: Option<Probe>,
}

impl Flow {
    /// RFC 5626 §4.5: whether it was a flow at all, before it failed.
    fn was_successful(&self, now: Instant) -> bool {
        match &self.probe {
            Some(probe) => probe.is_confirmed(),
            None => now.saturating_duration_since(self.since) >= LASTING_FLOW,
        }
    }
}

impl Registration {
    /// The registrar reaches us by this path from now on. It is kept alive where the first hop is known to agree: it has
    /// said so in Require, or in its Path (RFC 5626 §4.4, §8).
    pub(super) fn keep_flow(&mut self, core: &mut Core, now: Instant, path: Path, granted: &Granted) {
        let is_agreed = granted.is_outbound || granted.is_edge_outbound();
        let is_new = self.flow.as_ref().is_none_or(|flow| flow.path != path);
        if is_new {
            self.drop_flow(core);
        }
        if granted.is_outbound {
            core.standing.insert(self.id, self.device());
        }
        let flow = self.flow.get_or_insert(Flow {
            path,
            since: now,
            probe: None,
        });
        if path.transport.is_reliable() {
            if is_agreed {
                core.keep_alives.push(KeepAlive::new(path, granted.flow_timer));
            }
            return;
        }
        match &mut flow.probe {
            Some(probe) if is_agreed => probe.set_flow_timer(now, granted.flow_timer, &mut core.entropy),
            probe => *probe = is_agreed.then(|| Probe::new(now, granted.flow_timer, &mut core.entropy)),
        }
        self.schedule_probe();
    }

    fn schedule_probe(&mut self) {
        match self.flow.as_ref().and_then(|flow| flow.probe.as_ref()) {
            Some(probe) => self.timers.set(Timer::Probe, probe.at()),
            None => self.timers.stop(Timer::Probe),
        }
    }

    /// RFC 5626 §4.4.2.
    pub(super) fn probe(&mut self, core: &mut Core, now: Instant) {
        let Some(Flow {
            path,
            probe: Some(probe),
            ..
        }) = &mut self.flow
        else {
            return;
        };
        match probe.handle_timeout(now, &mut core.entropy) {
            ProbeDue::Send(id) => {
                core.probes.insert(id, self.id);
                core.transactions.send(*path, StunMessage::request(id).to_bytes());
            }
            ProbeDue::Failed => {
                let why = "nobody answers STUN keep-alives";
                return self.flow_failed(core, now, TransportFailure::Silent(why));
            }
            ProbeDue::Nothing => {}
        }
        self.schedule_probe();
    }

    /// An answer to a keep-alive came.
    pub(crate) fn handle_stun(&mut self, core: &mut Core, now: Instant, from: Path, answer: &StunMessage) {
        let Some(Flow {
            path,
            probe: Some(probe),
            ..
        }) = &mut self.flow
        else {
            return;
        };
        if (path.local, path.remote) != (from.local, from.remote) {
            return;
        }
        let asked = probe.pending();
        let failure = match probe.handle_answer(now, answer, &mut core.entropy) {
            Answered::Stray => return,
            Answered::Alive => {
                if let Some(id) = asked {
                    core.probes.remove(&id);
                }
                return self.schedule_probe();
            }
            Answered::Refused => TransportFailure::Silent("it refuses STUN keep-alives"),
            Answered::Moved => TransportFailure::AddressChanged,
        };
        self.flow_failed(core, now, failure);
    }

    fn flow_failed(&mut self, core: &mut Core, now: Instant, failure: TransportFailure) {
        self.timers.stop(Timer::Probe);
        let Some(path) = self.flow.as_ref().map(|flow| flow.path) else {
            return;
        };
        let reason = failure.to_string();
        core.events.push(EndpointEvent::TransportFailed { path, failure });
        if self.leaves() || self.client.is_busy() {
            // A REGISTER is on its way, and makes another flow of the same path.
            self.drop_flow(core);
        } else {
            self.replace_flow(core, now, &reason);
        }
    }

    /// RFC 5626 §4.5: a flow that worked is replaced at once, and one that never did after a while.
    pub(super) fn replace_flow(&mut self, core: &mut Core, now: Instant, why: &str) {
        let was_successful = self.flow.as_ref().is_some_and(|flow| flow.was_successful(now));
        self.drop_flow(core);
        if was_successful {
            self.begin(core, now);
            return;
        }
        let cause = Cause::Internal {
            status: StatusCode::FLOW_FAILED,
            reason: why.to_owned(),
        };
        self.wait_and_retry(core, now, Trouble::Unreachable, cause);
    }

    pub(super) fn drop_flow(&mut self, core: &mut Core) {
        self.timers.stop(Timer::Probe);
        core.standing.remove(&self.id);
        let probe = self.flow.take().and_then(|flow| flow.probe);
        if let Some(id) = probe.and_then(|probe| probe.pending()) {
            core.probes.remove(&id);
        }
    }

    /// Whose flow it is: several of one device know each other by this.
    fn device(&self) -> (String, String) {
        let instance = self.what.instance_id.clone().unwrap_or_default();
        (self.what.aor.uri.to_string(), instance)
    }

    /// RFC 5626 §4.5: whether another flow of this device has not failed.
    pub(super) fn another_stands(&self, core: &Core) -> bool {
        let device = self.device();
        core.standing
            .iter()
            .any(|(id, standing)| *id != self.id && *standing == device)
    }
}
