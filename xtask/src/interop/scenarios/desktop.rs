//! A desktop of the VNC server of somebody else, seen with a viewer of somebody else through a session of ours.

use super::Scenario;
use crate::interop::disagreement::Disagreement;
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::{CommandLine, Offhook};
use crate::interop::screen::{Paint, SharedDesktop, Viewer};
use crate::interop::stage::Stage;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "desktop_shared",
        shows: "who shares calls; TigerVNC's viewer draws what its server shows, pixel by pixel, before and after a change",
        traffic: Traffic::Offer,
        play: |stage| play(stage, Caller::Shares),
    },
    Scenario {
        name: "desktop_seen",
        shows: "the same with who wants to see as the caller",
        traffic: Traffic::Offer,
        play: |stage| play(stage, Caller::Sees),
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Shares,
    Sees,
}

const BLUE: Paint = Paint {
    ink: [0x20, 0x60, 0xA0],
    paper: [0xE0, 0xC0, 0x20],
};
const RED: Paint = Paint {
    ink: [0xB0, 0x10, 0x30],
    paper: [0xF8, 0xF0, 0xE8],
};

fn play(stage: &Stage<'_>, caller: Caller) -> Result<(), Disagreement> {
    let desktop = SharedDesktop::start(stage)?;
    desktop.paint(stage, BLUE)?;
    let (mut sharing, mut seeing) = meet(stage, &desktop, caller)?;
    let wanted = seeing.event(stage, "viewer_wanted")?;
    let viewer = Viewer::start(stage, wanted["address"].as_str().unwrap_or_default())?;
    viewer.shows(stage, BLUE)?;
    desktop.paint(stage, RED)?;
    viewer.shows(stage, RED)?;
    viewer.close()?;
    for program in [&mut sharing, &mut seeing] {
        program.leaves_with(stage, 0)?;
    }
    Ok(())
}

/// Starts both: who shares, and who sees.
fn meet(
    stage: &Stage<'_>,
    desktop: &SharedDesktop,
    caller: Caller,
) -> Result<(Offhook, Offhook), Disagreement> {
    let at = |seat| format!("{LOOPBACK}:{}", stage.ports().sip(seat));
    let uri = format!("sip:desk@{}", at(Seat::Second));
    let line = |words: &[&str], seat| CommandLine::new(words).option("--listen", &at(seat));
    let vnc = desktop.vnc_address();
    if caller == Caller::Shares {
        let mut seeing = line(&["view-desktop", "--sessions", "1"], Seat::Second).start(stage, "view")?;
        seeing.event(stage, "listening")?;
        let sharing = line(&["share-desktop", &uri, "--vnc", &vnc], Seat::First).start(stage, "share")?;
        return Ok((sharing, seeing));
    }
    let words = ["share-desktop", "--auto-answer", "--sessions", "1", "--vnc", &vnc];
    let mut sharing = line(&words, Seat::Second).start(stage, "share")?;
    sharing.event(stage, "listening")?;
    let seeing = line(&["view-desktop", &uri], Seat::First).start(stage, "view")?;
    Ok((sharing, seeing))
}
