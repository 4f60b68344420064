//! Which crate may depend on which: the drawing in ARCHITECTURE.md, as a table.

use super::Finding;
use super::tree::Tree;

/// A crate's folder, and the folders it may name as dependencies. A new arrow is a design change: it comes with
/// its own commit and its own line in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("sansio", &[]),
    ("digest", &["sansio"]),
    ("sdp", &["sansio", "digest"]),
    ("sip-core", &["sansio", "digest"]),
    ("msrp", &["sansio", "digest"]),
    ("audio-mixer", &["sansio", "digest"]),
    ("lookup", &["sansio", "digest", "sip-core"]),
    ("rtp-media", &["sansio", "digest", "sdp"]),
    ("account", &["sansio", "digest", "lookup", "sip-core"]),
    (
        "session",
        &[
            "sansio",
            "digest",
            "account",
            "rtp-media",
            "audio-mixer",
            "msrp",
            "lookup",
            "sip-core",
            "sdp",
        ],
    ),
    (
        "conference",
        &[
            "sansio",
            "digest",
            "session",
            "account",
            "rtp-media",
            "audio-mixer",
            "msrp",
            "lookup",
            "sip-core",
            "sdp",
        ],
    ),
    (
        "offhook",
        &[
            "sansio",
            "digest",
            "conference",
            "session",
            "account",
            "rtp-media",
            "audio-mixer",
            "msrp",
            "lookup",
            "sip-core",
            "sdp",
        ],
    ),
    ("cli", &["offhook"]),
    ("testkit", &["sansio"]),
    // The map links to what any crate offers.
    (
        "docs",
        &[
            "offhook",
            "sansio",
            "digest",
            "conference",
            "session",
            "account",
            "rtp-media",
            "audio-mixer",
            "msrp",
            "lookup",
            "sip-core",
            "sdp",
        ],
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.manifests()
        .flat_map(|(layer, path, text)| check_manifest(layer, path, text))
        .collect()
}

fn check_manifest(layer: &str, path: &str, text: &str) -> Vec<Finding> {
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == layer) else {
        return vec![Finding::new(
            path,
            0,
            format!("`{layer}` has no row in the table of arrows"),
        )];
    };
    let manifest: toml::Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(path, 0, error.to_string())],
    };
    let mut findings = Vec::new();
    for (section, is_for_tests) in [
        ("dependencies", false),
        ("build-dependencies", false),
        ("dev-dependencies", true),
    ] {
        for target in reached(&manifest, section) {
            let fine = allowed.contains(&target.as_str())
                || (is_for_tests && (target == "testkit" || stands_on(layer, &target)));
            if !fine {
                findings.push(Finding::new(
                    path,
                    line_of(text, &target),
                    format!("`{layer}` may not reach `{target}` ({section})"),
                ));
            }
        }
    }
    findings
}

/// Whether a crate reaches another over any number of arrows: its tests may then play the peer with it.
fn stands_on(layer: &str, target: &str) -> bool {
    let arrows = ARROWS.iter().find(|(from, _)| *from == layer);
    arrows.is_some_and(|(_, below)| {
        below
            .iter()
            .any(|next| *next == target || stands_on(next, target))
    })
}

/// The folders of our own crates that a section names, under `[target.*]` as well.
fn reached(manifest: &toml::Table, section: &str) -> Vec<String> {
    let per_target = manifest
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten();
    std::iter::once(manifest)
        .chain(per_target.filter_map(|(_, table)| table.as_table()))
        .filter_map(|table| table.get(section)?.as_table())
        .flat_map(toml::Table::keys)
        .filter_map(|name| match name.as_str() {
            "offhook" => Some("offhook".to_owned()),
            other => other.strip_prefix("offhook-").map(str::to_owned),
        })
        .collect()
}

fn line_of(text: &str, target: &str) -> usize {
    text.lines()
        .position(|line| line.trim_start().contains(target))
        .map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(layer: &str, manifest: &str) -> Vec<Finding> {
        check(&Tree::of(&[(&format!("crates/{layer}/Cargo.toml"), manifest)]))
    }

    #[test]
    fn an_arrow_that_points_down_is_fine() {
        let manifest = "[dependencies]\noffhook-sip-core.workspace = true\nbytes = \"1\"";
        assert_eq!(findings("lookup", manifest), []);
    }

    #[test]
    fn an_arrow_that_points_up_is_found_with_its_line() {
        let found = findings(
            "sip-core",
            "[dependencies]\nbytes = \"1\"\noffhook-session.workspace = true",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].line, found[0].file.as_str()),
            (3, "crates/sip-core/Cargo.toml")
        );
    }

    #[test]
    fn tests_may_use_whatever_their_crate_stands_on_and_nothing_above() {
        assert_eq!(
            findings("cli", "[dev-dependencies]\noffhook-sip-core.workspace = true"),
            []
        );
        assert_eq!(
            findings("cli", "[dependencies]\noffhook-sip-core.workspace = true").len(),
            1
        );
        assert_eq!(
            findings("sip-core", "[dev-dependencies]\noffhook.workspace = true").len(),
            1
        );
    }

    #[test]
    fn an_arrow_that_points_sideways_is_found() {
        assert_eq!(
            findings(
                "sdp",
                "[dependencies]\noffhook-sip-core = { path = \"../sip-core\" }"
            )
            .len(),
            1
        );
        assert_eq!(
            findings(
                "audio-mixer",
                "[dependencies]\noffhook-rtp-media.workspace = true"
            )
            .len(),
            1
        );
    }

    #[test]
    fn an_arrow_behind_a_target_or_for_tests_counts_as_well() {
        let behind = "[target.'cfg(unix)'.dependencies]\noffhook-session.workspace = true";
        assert_eq!(findings("sdp", behind).len(), 1);
        assert_eq!(
            findings("sdp", "[dev-dependencies]\noffhook-session.workspace = true").len(),
            1
        );
        assert_eq!(
            findings("sdp", "[dev-dependencies]\noffhook-testkit.workspace = true"),
            []
        );
        assert_eq!(
            findings("sdp", "[dependencies]\noffhook-testkit.workspace = true").len(),
            1
        );
    }

    #[test]
    fn the_pages_may_reach_every_library_and_nobody_reaches_the_pages() {
        let page = |manifest| check(&Tree::of(&[("docs/Cargo.toml", manifest)]));
        assert_eq!(
            page("[dependencies]\noffhook-sdp.workspace = true\noffhook.workspace = true"),
            []
        );
        assert_eq!(page("[dependencies]\noffhook-cli.workspace = true").len(), 1);
        assert_eq!(
            findings("cli", "[dependencies]\noffhook-docs = { path = \"../../docs\" }").len(),
            1
        );
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_eq!(findings("utils", "[package]").len(), 1);
    }
}
