//! A file past 600 lines holds a second noun.

use super::Finding;
use super::tree::Tree;

const MOST_LINES: usize = 600;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| Finding::new(path, 0, format!("{lines} lines, look for a second noun in it")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found() {
        let long = "// line\n".repeat(MOST_LINES + 1);
        assert_eq!(
            check(&Tree::of(&[("a.rs", &long), ("b.rs", "// short\n")])).len(),
            1
        );
    }
}
