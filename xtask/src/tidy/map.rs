//! `docs/sipsimple-map.md` leaves no row open, and counts its rows as they are. Whether its links lead somewhere is
//! rustdoc's to say: the page is the crate page of `docs/`.

use super::Finding;
use super::tree::Tree;

const PAGE: &str = "docs/sipsimple-map.md";

/// How a remark begins where there is nothing to link to: with the reason, or with the crate that shall bring it.
const LEFT_OUT: &str = "left out: ";
const MISSING: &str = "missing: `offhook";

/// What became of a documented item.
#[derive(Clone, Copy)]
enum Fate {
    Mapped,
    Different,
    Missing,
}

/// One section of the page.
struct Area<'a> {
    line: usize,
    heading: &'a str,
    /// How many items met each [`Fate`].
    counts: [usize; 3],
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.get(PAGE) else {
        return vec![Finding::new(PAGE, 0, "is missing")];
    };
    let mut areas: Vec<Area<'_>> = Vec::new();
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(page.lines()) {
        if let Some(heading) = text.strip_prefix("## ") {
            areas.push(Area {
                line,
                heading,
                counts: [0; 3],
            });
        }
        let (Some(area), Some(row)) = (areas.last_mut(), row(text)) else {
            continue;
        };
        match fate(&row) {
            Some(fate) => area.counts[fate as usize] += 1,
            None => findings.push(Finding::new(
                PAGE,
                line,
                "give this row links, or a remark `left out: why`, or ``missing: `offhook-...` ``",
            )),
        }
    }
    findings.extend(areas.iter().filter_map(|area| miscounted(page, area)));
    findings
}

/// The cells of a row. `None` for text and the heads of tables.
fn row(text: &str) -> Option<Vec<&str>> {
    let inside = text.strip_prefix('|')?;
    let cells: Vec<&str> = inside
        .strip_suffix('|')
        .unwrap_or(inside)
        .split('|')
        .map(str::trim)
        .collect();
    let is_head = cells[0] == "documented" || cells[0].starts_with("---");
    (!is_head).then_some(cells)
}

/// What became of the item of a row: its cells are what is documented, what is ours, and a remark.
fn fate(cells: &[&str]) -> Option<Fate> {
    let [_, ours, remark] = cells else {
        return None;
    };
    match (ours.contains("[`offhook"), *remark) {
        (true, "") => Some(Fate::Mapped),
        (true, remark) if !remark.starts_with(LEFT_OUT) && !remark.starts_with(MISSING) => {
            Some(Fate::Different)
        }
        (false, remark) if ours.is_empty() && remark.starts_with(LEFT_OUT) => Some(Fate::Different),
        (false, remark) if ours.is_empty() && remark.starts_with(MISSING) => Some(Fate::Missing),
        _ => None,
    }
}

/// A finding unless the page's first table has the true row for an area.
fn miscounted(page: &str, area: &Area<'_>) -> Option<Finding> {
    let [mapped, different, missing] = area.counts;
    let row = format!("| {} | {mapped} | {different} | {missing} |", area.heading);
    let is_told = page.lines().any(|line| line == row);
    (!is_told).then(|| Finding::new(PAGE, area.line, format!("the counts should have the row `{row}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "| area | mapped | different | missing |\n|---|---|---|---|\n";

    fn findings(counts: &str, rows: &str) -> Vec<Finding> {
        let page =
            format!("{HEAD}{counts}\n## A: calls\n| documented | ours | remark |\n|---|---|---|\n{rows}");
        check(&Tree::of(&[(PAGE, &page)]))
    }

    #[test]
    fn each_fate_is_counted() {
        let rows = "| a | [`offhook_sdp::Media`] | |\n\
                    | b | [`offhook_sdp::Media`], [`offhook::Error`] | another name |\n\
                    | c | | left out: Rust has no need of it |\n\
                    | d | | missing: `offhook-ice` |\n";
        assert_eq!(findings("| A: calls | 1 | 2 | 1 |", rows), []);
    }

    #[test]
    fn a_row_that_is_open_is_found_with_its_line() {
        for open in [
            "| a | | |",
            "| a | | later |",
            "| a | | missing: |",
            "| a | `Media` | |",
            "| a | `Media` | missing: `offhook-ice` |",
            "| a | [`offhook_sdp::Media`] | missing: `offhook-ice` |",
            "| a | [`offhook_sdp::Media`] |",
            "| a | [`offhook_sdp::Media`] | either | or |",
        ] {
            let found = findings("| A: calls | 0 | 0 | 0 |", open);
            assert_eq!(
                found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
                [7],
                "{open}"
            );
        }
    }

    #[test]
    fn a_wrong_count_is_found_with_the_right_one() {
        let found = findings("| A: calls | 2 | 0 | 0 |", "| a | [`offhook_sdp::Media`] | |");
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("| A: calls | 1 | 0 | 0 |"), "{found:?}");
    }

    #[test]
    fn a_missing_page_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
