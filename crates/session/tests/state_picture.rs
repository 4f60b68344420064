//! Draws the state machine of sessions into `docs/session-states.svg`, from the table that the sessions themselves follow.

use offhook_session::{SessionState, SessionTrigger};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The states with the middle of their boxes.
const PLACES: [(SessionState, (i32, i32)); 11] = [
    (SessionState::Null, (120, 370)),
    (SessionState::Connecting, (420, 190)),
    (SessionState::Incoming, (420, 550)),
    (SessionState::Accepting, (720, 550)),
    (SessionState::Connected, (1080, 370)),
    (SessionState::SendingProposal, (1080, 190)),
    (SessionState::CancellingProposal, (1460, 190)),
    (SessionState::ReceivedProposal, (1080, 550)),
    (SessionState::AcceptingProposal, (1460, 550)),
    (SessionState::Terminating, (720, 790)),
    (SessionState::Terminated, (1460, 790)),
];
const BOX: (i32, i32) = (190, 56);

/// Groups of states in a frame, so that what holds for all of them is drawn once: those where a trigger fits; left, top,
/// width, height.
const FRAMES: [(SessionTrigger, [i32; 4]); 2] = [
    (SessionTrigger::Hold, [280, 60, 1310, 600]),
    (SessionTrigger::SendDigits, [940, 95, 640, 550]),
];

#[test]
fn the_picture_in_docs_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/session-states.svg");
    let drawn = draw();
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    if before != drawn {
        std::fs::write(&path, drawn).expect("docs can be written");
        panic!(
            "{} was not of today: it is drawn anew, look at it and commit it",
            path.display()
        );
    }
}

/// What a group of states has in common.
#[derive(Default)]
struct Common {
    /// Done in each of them, without leaving it.
    within: Vec<SessionTrigger>,
    /// Leads from each of them to one state.
    out: BTreeMap<String, (SessionState, Vec<SessionTrigger>)>,
}

fn common(group: &[SessionState]) -> Common {
    let mut common = Common::default();
    for trigger in SessionTrigger::ALL {
        let within = group.iter().all(|state| state.after(trigger) == Some(*state));
        let leads = group[0].after(trigger).filter(|to| !group.contains(to));
        let out = leads.filter(|to| group.iter().all(|state| state.after(trigger) == Some(*to)));
        if within {
            common.within.push(trigger);
        } else if let Some(to) = out {
            common
                .out
                .entry(to.to_string())
                .or_insert((to, Vec::new()))
                .1
                .push(trigger);
        }
    }
    common
}

fn draw() -> String {
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1610 850\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0L10 5L0 10z\"/></marker></defs>\n\
         <rect width=\"1610\" height=\"850\" fill=\"white\"/>\n\
         <text x=\"20\" y=\"30\" font-size=\"18\">States of a session (SessionState::after)</text>\n",
    );
    let mut said: Vec<(SessionState, SessionTrigger)> = Vec::new();
    for (fitting, [left, top, width, height]) in FRAMES {
        let fits = |state: &SessionState| state.after(fitting).is_some();
        let group: Vec<_> = SessionState::ALL.into_iter().filter(fits).collect();
        let mut common = common(&group);
        let is_new = |trigger: &SessionTrigger| !said.contains(&(group[0], *trigger));
        common.within.retain(is_new);
        common.out.retain(|_, (_, triggers)| triggers.iter().all(is_new));
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"14\" fill=\"none\" stroke=\"#888\" \
             stroke-dasharray=\"6 4\"/>\n<text x=\"{}\" y=\"{}\" font-style=\"italic\">in each: {}</text>",
            left + 14,
            top + 22,
            labels(&common.within)
        );
        for (to, triggers) in common.out.values() {
            let (x, y) = place(*to);
            arrow(&mut svg, (x, top + height), (x, y - BOX.1 / 2), &labels(triggers));
            said.extend(
                group
                    .iter()
                    .flat_map(|state| triggers.iter().map(|trigger| (*state, *trigger))),
            );
        }
        said.extend(
            group
                .iter()
                .flat_map(|state| common.within.iter().map(|trigger| (*state, *trigger))),
        );
    }
    for (from, _) in PLACES {
        for (to, _) in PLACES {
            let leads = |trigger: &SessionTrigger| {
                from.after(*trigger) == Some(to) && !said.contains(&(from, *trigger))
            };
            let triggers: Vec<_> = SessionTrigger::ALL.into_iter().filter(leads).collect();
            if from != to && !triggers.is_empty() {
                connect(&mut svg, place(from), place(to), &labels(&triggers));
            }
        }
    }
    for (state, (x, y)) in PLACES {
        let own = |trigger: &SessionTrigger| {
            state.after(*trigger) == Some(state) && !said.contains(&(state, *trigger))
        };
        let own: Vec<_> = SessionTrigger::ALL.into_iter().filter(own).collect();
        let _ = writeln!(
            svg,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"#eef4ff\" stroke=\"black\"/>\n\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-weight=\"bold\">{state:?}</text>\n\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{}</text>",
            x - BOX.0 / 2,
            y - BOX.1 / 2,
            BOX.0,
            BOX.1,
            y - 4,
            y + 15,
            labels(&own)
        );
    }
    svg + "</svg>\n"
}

fn place(state: SessionState) -> (i32, i32) {
    let (_, place) = PLACES
        .into_iter()
        .find(|(placed, _)| *placed == state)
        .expect("each has a place");
    place
}

/// Names for the eye: without the small words that a sentence needs.
fn labels(triggers: &[SessionTrigger]) -> String {
    let name = |trigger: &SessionTrigger| {
        let name = trigger.to_string();
        let short = [" to", " in", " from", " of"]
            .iter()
            .find_map(|small| name.strip_suffix(small));
        short.unwrap_or(&name).to_owned()
    };
    triggers.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// An arrow between the borders of two boxes, to the right of the straight way, so that the way back has room.
fn connect(svg: &mut String, from: (i32, i32), to: (i32, i32), label: &str) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    if dx.abs() > dy.abs() {
        let side = dx.signum() * BOX.0 / 2;
        let aside = dx.signum() * 12;
        arrow(
            svg,
            (from.0 + side, from.1 + aside),
            (to.0 - side, to.1 + aside),
            label,
        );
    } else {
        let side = dy.signum() * BOX.1 / 2;
        let aside = -dy.signum() * 60;
        arrow(
            svg,
            (from.0 + aside, from.1 + side),
            (to.0 + aside, to.1 - side),
            label,
        );
    }
}

fn arrow(svg: &mut String, from: (i32, i32), to: (i32, i32), label: &str) {
    let (x, y) = (i32::midpoint(from.0, to.0), i32::midpoint(from.1, to.1));
    let _ = writeln!(
        svg,
        "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"black\" marker-end=\"url(#tip)\"/>",
        from.0, from.1, to.0, to.1
    );
    let parts: Vec<_> = label.split(", ").collect();
    for (line, part) in parts.iter().enumerate() {
        let y = y + 4 + 15 * line as i32 - 7 * (parts.len() as i32 - 1);
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" stroke=\"white\" stroke-width=\"4\" \
             paint-order=\"stroke\">{part}</text>"
        );
    }
}
