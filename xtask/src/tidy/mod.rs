//! The rules that the compiler does not check. Each rule is a function from a [`Tree`] to findings, and each has
//! tests that show it failing.

mod arrows;
mod docs;
mod length;
mod map;
mod marks;
mod named_paths;
mod purity;
mod tokens;
mod tree;

use crate::process::ChoreError;
use std::fmt;
use std::path::Path;
use tree::Tree;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// Counted from 1; 0 speaks of the file as a whole.
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("arrows point down", arrows::check),
    ("cores have no I/O", purity::check),
    ("paths in ARCHITECTURE.md exist", named_paths::check),
    ("public items are documented", docs::check),
    ("no row of the map is open", map::check),
    ("no unfinished marks", marks::check),
    ("files stay readable", length::check),
];

/// Checks the whole workspace.
pub(crate) fn run(root: &Path) -> Result<(), ChoreError> {
    let tree = Tree::read(root)?;
    let mut broken = 0;
    for (name, rule) in RULES {
        let mut findings = rule(&tree);
        findings.sort();
        for finding in &findings {
            eprintln!("{finding}");
        }
        println!(
            "tidy: {name}: {}",
            if findings.is_empty() { "ok" } else { "BROKEN" }
        );
        broken += findings.len();
    }
    match broken {
        0 => Ok(()),
        count => Err(ChoreError::Found(format!("tidy found {count} places to mend"))),
    }
}
