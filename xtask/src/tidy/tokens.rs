//! Rust source as a flat run of tokens with line numbers: enough to find a path or a macro wherever it stands,
//! also inside other macros, and nothing in comments or strings.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// One token.
pub(super) struct Token {
    pub(super) text: String,
    /// Counted from 1.
    pub(super) line: usize,
}

/// What to do with items behind `#[cfg(test)]`.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Tests {
    Keep,
    Skip,
}

/// Splits a file into tokens. A file that does not parse gives the lexer's complaint.
pub(super) fn tokens(text: &str, tests: Tests) -> Result<Vec<Token>, String> {
    let stream: TokenStream = text.parse().map_err(|error| format!("does not parse: {error}"))?;
    let mut flat = Vec::new();
    flatten(stream, tests, &mut flat);
    Ok(flat)
}

/// The places at which a sequence of token texts begins.
pub(super) fn find<'a>(tokens: &'a [Token], sequence: &'a [&str]) -> impl Iterator<Item = usize> + 'a {
    tokens
        .windows(sequence.len())
        .filter(move |window| {
            window
                .iter()
                .zip(sequence)
                .all(|(token, want)| token.text == *want)
        })
        .map(|window| window[0].line)
}

fn flatten(stream: TokenStream, tests: Tests, flat: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        if tests == Tests::Skip
            && is_punct(&tree, '#')
            && let Some(TokenTree::Group(attribute)) = trees.peek()
            && is_cfg_test(attribute)
        {
            trees.by_ref().find(ends_item);
            continue;
        }
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                flat.push(Token {
                    text: open.to_owned(),
                    line,
                });
                flatten(group.stream(), tests, flat);
                flat.push(Token {
                    text: close.to_owned(),
                    line: group.span_close().start().line,
                });
            }
            leaf => flat.push(Token {
                text: leaf.to_string(),
                line,
            }),
        }
    }
}

fn is_punct(tree: &TokenTree, sign: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_cfg_test(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// An item ends with its body in braces, or with a semicolon.
fn ends_item(tree: &TokenTree) -> bool {
    is_punct(tree, ';') || matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}
