//! The table of all scenarios.

mod bad_input;
mod calls;
mod crossings;
mod desktop;
mod encrypted;
mod endings;
mod flows;
mod hold;
mod kamailio;
mod libsrtp;
mod messages;
mod registration;
mod rehearsal;
mod ringing;
mod sipp_calls;
mod sound_card;
mod tcp;
mod tones;
mod tools;
mod transfers;

use super::disagreement::Disagreement;
use super::packets::Traffic;
use super::stage::Stage;

/// One story, told with real programs.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What a pass shows, in a line.
    pub(super) shows: &'static str,
    /// What must have gone over the wire.
    pub(super) traffic: Traffic,
    pub(super) play: fn(&Stage<'_>) -> Result<(), Disagreement>,
}

/// All scenarios, in the order in which they are played: first those that show whether the peers themselves work.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        rehearsal::SCENARIOS,
        tones::SCENARIOS,
        encrypted::SCENARIOS,
        endings::SCENARIOS,
        ringing::SCENARIOS,
        hold::SCENARIOS,
        transfers::SCENARIOS,
        sipp_calls::SCENARIOS,
        crossings::SCENARIOS,
        flows::SCENARIOS,
        tcp::SCENARIOS,
        registration::SCENARIOS,
        kamailio::SCENARIOS,
        messages::SCENARIOS,
        desktop::SCENARIOS,
        tools::SCENARIOS,
        bad_input::SCENARIOS,
        sound_card::SCENARIOS,
        libsrtp::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_folders_and_each_is_there_once() {
        let mut seen = HashSet::new();
        for scenario in all() {
            let plain =
                |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
            assert!(scenario.name.chars().all(plain), "{}", scenario.name);
            assert!(seen.insert(scenario.name), "{} is there twice", scenario.name);
        }
    }
}
