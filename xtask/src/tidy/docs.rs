//! Every public item of a library says what it is. The compiler's `missing_docs` sees only what one build
//! configuration reaches; this reads every file, whatever features guard it.

use super::Finding;
use super::tree::Tree;
use syn::spanned::Spanned;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, Visibility};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.library_sources().filter(|(_, source)| source.layer != "cli") {
        match syn::parse_file(source.text) {
            Ok(file) => Reader {
                tree,
                path,
                findings: &mut findings,
            }
            .items(&file.items),
            Err(error) => findings.push(Finding::new(path, error.span().start().line, error.to_string())),
        }
    }
    findings
}

struct Reader<'a> {
    tree: &'a Tree,
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Mod(module) => {
                let explained = is_documented(&module.attrs) || self.file_explains(&module.ident.to_string());
                if is_public(&module.vis) && !explained {
                    self.missing("module", &module.ident);
                }
                if let Some((_, items)) = &module.content {
                    self.items(items);
                }
            }
            Item::Struct(item) => {
                self.public("struct", &item.vis, &item.attrs, &item.ident);
                if is_public(&item.vis) {
                    self.fields(&item.fields);
                }
            }
            Item::Enum(item) if is_public(&item.vis) => {
                self.public("enum", &item.vis, &item.attrs, &item.ident);
                for variant in &item.variants {
                    if !is_documented(&variant.attrs) && !has_error_text(&variant.attrs) {
                        self.missing("variant", &variant.ident);
                    }
                }
            }
            Item::Trait(item) if is_public(&item.vis) => {
                self.public("trait", &item.vis, &item.attrs, &item.ident);
                for item in &item.items {
                    if let TraitItem::Fn(function) = item
                        && !is_documented(&function.attrs)
                    {
                        self.missing("method", &function.sig.ident);
                    }
                }
            }
            Item::Impl(block) if block.trait_.is_none() => {
                for item in &block.items {
                    match item {
                        ImplItem::Fn(item) => self.public("method", &item.vis, &item.attrs, &item.sig.ident),
                        ImplItem::Const(item) => self.public("constant", &item.vis, &item.attrs, &item.ident),
                        _ => {}
                    }
                }
            }
            Item::Fn(item) => self.public("function", &item.vis, &item.attrs, &item.sig.ident),
            Item::Const(item) => self.public("constant", &item.vis, &item.attrs, &item.ident),
            Item::Static(item) => self.public("static", &item.vis, &item.attrs, &item.ident),
            Item::Type(item) => self.public("type", &item.vis, &item.attrs, &item.ident),
            _ => {}
        }
    }

    fn fields(&mut self, fields: &Fields) {
        let Fields::Named(fields) = fields else { return };
        for field in &fields.named {
            if let Some(name) = &field.ident {
                self.public("field", &field.vis, &field.attrs, name);
            }
        }
    }

    fn public(&mut self, kind: &str, visibility: &Visibility, attributes: &[Attribute], name: &syn::Ident) {
        if is_public(visibility) && !is_documented(attributes) && !is_test(attributes) {
            self.missing(kind, name);
        }
    }

    fn missing(&mut self, kind: &str, name: &syn::Ident) {
        let line = name.span().start().line;
        self.findings.push(Finding::new(
            self.path,
            line,
            format!("public {kind} `{name}` has no doc"),
        ));
    }

    /// True when the file of a module begins with `//!`.
    fn file_explains(&self, module: &str) -> bool {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let stem = self.path.strip_suffix(".rs").unwrap_or(self.path);
        [folder, stem]
            .iter()
            .flat_map(|base| [format!("{base}/{module}.rs"), format!("{base}/{module}/mod.rs")])
            .filter_map(|file| self.tree.get(&file))
            .any(|text| text.trim_start().starts_with("//!"))
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        _ => &[],
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_documented(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("doc"))
}

/// An error's message, by `#[error("...")]`, says what the variant is.
fn has_error_text(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("error"))
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .span()
                .source_text()
                .is_some_and(|text| text.contains("test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/sdp/src/lib.rs", text),
            ("crates/sdp/src/told.rs", "//! Told here."),
            ("crates/sdp/src/bare.rs", "use x;"),
        ]);
        check(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn each_kind_of_public_item_without_doc_is_found() {
        for (text, name) in [
            ("pub fn f() {}", "function `f`"),
            ("pub struct S;", "struct `S`"),
            ("/// S\npub struct S { pub f: u8 }", "field `f`"),
            ("/// E\npub enum E { A }", "variant `A`"),
            ("/// T\npub trait T { fn m(); }", "method `m`"),
            ("impl S { pub fn m(&self) {} }", "method `m`"),
            ("impl S { pub const C: u8 = 0; }", "constant `C`"),
            ("pub const C: u8 = 0;", "constant `C`"),
            ("pub type T = u8;", "type `T`"),
            ("pub mod m {}", "module `m`"),
            ("pub mod bare;", "module `bare`"),
            ("mod inner { pub fn f() {} }", "function `f`"),
        ] {
            assert_eq!(missing(text), [format!("public {name} has no doc")], "{text}");
        }
    }

    #[test]
    fn private_documented_and_test_items_pass() {
        let text = "fn f() {} pub(crate) struct S { pub a: u8 } /// D\npub struct D; pub mod told;
                    impl Clone for D { fn clone(&self) -> D { D } }
                    #[cfg(test)] mod tests { pub fn helper() {} }";
        assert_eq!(missing(text), [] as [String; 0]);
    }
}
