//! Every path that ARCHITECTURE.md names exists, so that its walk through the code can be walked.

use super::Finding;
use super::tree::Tree;

const PAGE: &str = "ARCHITECTURE.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.get(PAGE) else {
        return vec![Finding::new(PAGE, 0, "is missing")];
    };
    let mut findings = Vec::new();
    for (index, line) in page.lines().enumerate() {
        for path in line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|text| looks_like_a_path(text))
        {
            if !tree.exists(path) {
                findings.push(Finding::new(PAGE, index + 1, format!("`{path}` does not exist")));
            }
        }
    }
    findings
}

/// A word with a slash that begins at a folder of the root, or a file name with one of our endings.
fn looks_like_a_path(text: &str) -> bool {
    let is_word = !text.contains(char::is_whitespace) && !text.contains("::") && !text.contains('*');
    let rooted = [
        "crates/", "xtask/", "fuzz/", "docs/", "bench/", ".github/", ".ci/",
    ];
    let endings = [".rs", ".toml", ".md"];
    is_word
        && (rooted.iter().any(|root| text.starts_with(root)) || endings.iter().any(|end| text.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_found_with_its_line() {
        let page = "Read `crates/sdp/src/lib.rs`,\nthen `crates/sdp/src/gone.rs` and `docs/`.";
        let tree = Tree::of(&[(PAGE, page), ("crates/sdp/src/lib.rs", ""), ("docs/a.md", "")]);
        assert_eq!(
            check(&tree),
            [Finding::new(PAGE, 2, "`crates/sdp/src/gone.rs` does not exist")]
        );
    }

    #[test]
    fn code_and_prose_are_not_paths() {
        let tree = Tree::of(&[(PAGE, "`Session::call`, `and/or`, `cargo xtask test`, `crates/*`")]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_missing_page_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
