//! Nothing unfinished, nothing switched off, nothing left over from debugging.

use super::Finding;
use super::tokens::{Tests, find, tokens};
use super::tree::Tree;

const MARKS: &[(&[&str], &str)] = &[
    (&["todo", "!"], "`todo!`: write it or leave it out"),
    (
        &["unimplemented", "!"],
        "`unimplemented!`: write it or leave it out",
    ),
    (&["dbg", "!"], "`dbg!` left over"),
    (
        &["#", "[", "ignore"],
        "`#[ignore]`: a test that does not run shows nothing",
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        match tokens(text, Tests::Keep) {
            Ok(tokens) => {
                for (sequence, what) in MARKS {
                    findings.extend(find(&tokens, sequence).map(|line| Finding::new(path, line, *what)));
                }
            }
            Err(complaint) => findings.push(Finding::new(path, 0, complaint)),
        }
        let ignored = |line: &str| {
            let line = line.trim_start();
            (line.starts_with("///") || line.starts_with("//!")) && line.contains("```ignore")
        };
        findings.extend(
            text.lines()
                .enumerate()
                .filter(|(_, line)| ignored(line))
                .map(|(index, _)| {
                    Finding::new(
                        path,
                        index + 1,
                        "an ignored example: a reader will copy it, so let it compile",
                    )
                }),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<Finding> {
        check(&Tree::of(&[("crates/sdp/tests/a.rs", text)]))
    }

    #[test]
    fn each_mark_is_found_also_in_tests_and_macros() {
        assert_eq!(findings("fn f() {\n todo!()\n}")[0].line, 2);
        assert_eq!(findings("fn f() { unimplemented!(\"later\") }").len(), 1);
        assert_eq!(
            findings("#[cfg(test)] mod t { fn f() { vec![dbg!(1)]; } }").len(),
            1
        );
        assert_eq!(findings("#[test]\n#[ignore]\nfn t() {}").len(), 1);
        assert_eq!(findings("#[test]\n#[ignore = \"slow\"]\nfn t() {}").len(), 1);
        assert_eq!(findings("/// ```ignore\n/// f()\n/// ```\nfn f() {}").len(), 1);
    }

    #[test]
    fn words_in_comments_and_strings_are_not_marks() {
        assert_eq!(findings("// todo!() is refused\nfn f() { g(\"dbg!\") }"), []);
    }
}
