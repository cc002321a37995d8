//! Where a mutant can lie, and how it is put there: only by insertions, so that many live in one text and the text still compiles.
//!
//! Three kinds: a yes becomes a no (comparisons, `matches!`, questions like `is_…`), a statement is left out, a function answers at
//! once. Not here: changed operators and numbers; a comparison that is flipped stands for its neighbours.

use anyhow::{Context, Result};
use proc_macro2::{LineColumn, Span};
use std::collections::BTreeMap;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ExprMethodCall, ImplItemFn, ItemConst, ItemFn, ItemMod, ItemStatic, ReturnType, Signature, Stmt, Type};

/// One mutant.
#[derive(Debug)]
pub(super) struct Site {
    /// Its number.
    pub(super) id: u32,
    /// In which file.
    pub(super) file: String,
    line: usize,
    what: String,
}

impl Site {
    /// Where and what, in a line.
    pub(super) fn text(&self) -> String {
        format!("{}:{} {}", self.file, self.line, self.what.replace('|', "\\|"))
    }
}

/// Puts every mutant into a text.
pub(super) fn plant(file: &str, text: &str, sites: &mut Vec<Site>) -> Result<String> {
    let parsed = syn::parse_file(text).with_context(|| format!("{file} cannot be parsed"))?;
    let mut finder = Finder { file, text, sites, insertions: BTreeMap::new() };
    finder.visit_file(&parsed);
    let insertions = finder.insertions;
    let mut mutated = String::with_capacity(text.len() * 2);
    let mut from = 0;
    for (at, (closing, opening)) in insertions {
        mutated.push_str(&text[from..at]);
        mutated.push_str(&closing);
        mutated.push_str(&opening);
        from = at;
    }
    mutated.push_str(&text[from..]);
    Ok(mutated)
}

struct Finder<'a> {
    file: &'a str,
    text: &'a str,
    sites: &'a mut Vec<Site>,
    /// At a byte: what closes there, then what opens there.
    insertions: BTreeMap<usize, (String, String)>,
}

const SHOWN_MAX: usize = 90;

impl Finder<'_> {
    fn byte(&self, at: LineColumn) -> usize {
        let before: usize = self.text.split_inclusive('\n').take(at.line - 1).map(str::len).sum();
        let line = &self.text[before..];
        before + line.char_indices().nth(at.column).map_or(line.len(), |(place, _)| place)
    }

    fn number(&mut self, span: Span, kind: &str) -> u32 {
        let id = u32::try_from(self.sites.len() + 1).expect("there are not that many");
        let shown = &self.text[self.byte(span.start())..self.byte(span.end())];
        let shown: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = shown.chars().take(SHOWN_MAX).collect();
        let what = format!("{kind} `{shown}`");
        self.sites.push(Site { id, file: self.file.to_owned(), line: span.start().line, what });
        id
    }

    /// What encloses is visited first: it opens before and closes after what it encloses.
    fn wrap(&mut self, span: Span, open: &str, close: &str) {
        let (start, end) = (self.byte(span.start()), self.byte(span.end()));
        self.insertions.entry(start).or_default().1.push_str(open);
        self.insertions.entry(end).or_default().0.insert_str(0, close);
    }

    fn flip(&mut self, span: Span) {
        let id = self.number(span, "not");
        self.wrap(span, &format!("crate::mutant::flip({id}, "), ")");
    }

    fn answer(&mut self, signature: &Signature, block: &syn::Block) {
        if signature.constness.is_some() {
            return;
        }
        let answers: &[&str] = match &signature.output {
            ReturnType::Default => &[""],
            ReturnType::Type(_, output) => match &**output {
                Type::Path(path) => match path.path.segments.last().map(|last| last.ident.to_string()).as_deref() {
                    Some("bool") => &["true", "false"],
                    Some("Option") => &["None"],
                    Some("Vec") => &["Vec::new()"],
                    _ => &[],
                },
                _ => &[],
            },
        };
        for answer in answers {
            let id = self.number(signature.span(), &format!("answers `{answer}` at once:"));
            let at = self.byte(block.brace_token.span.open().end());
            let early = format!(" if crate::mutant::on({id}) {{ return {answer}; }}");
            self.insertions.entry(at).or_default().1.push_str(&early);
        }
    }
}

fn is_question(call: &ExprMethodCall) -> bool {
    let name = call.method.to_string();
    let starts = ["is_", "has_", "contains", "starts_with", "was_"].iter().any(|start| name.starts_with(start));
    starts || ["any", "all"].contains(&name.as_str())
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("test"))
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
    fn visit_item_const(&mut self, _: &'ast ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if item.sig.constness.is_none() {
            self.answer(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }
    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if item.sig.constness.is_none() {
            self.answer(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }
    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(expression @ (Expr::MethodCall(_) | Expr::Assign(_) | Expr::Binary(_)), Some(_)) = statement {
            let id = self.number(expression.span(), "leaves out");
            self.wrap(statement.span(), &format!("if !crate::mutant::on({id}) {{ "), " }");
        }
        visit::visit_stmt(self, statement);
    }
    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Binary(binary)
                if matches!(
                    binary.op,
                    BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_)
                ) =>
            {
                self.flip(expression.span());
            }
            Expr::Macro(call) if call.mac.path.is_ident("matches") => self.flip(expression.span()),
            Expr::MethodCall(call) if is_question(call) => self.flip(expression.span()),
            _ => {}
        }
        visit::visit_expr(self, expression);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_insertions_and_the_text_still_parses() {
        let text = "const A: bool = 1 < 2;\nfn f(x: &mut Vec<u8>, y: u8) -> bool {\n    x.push(y);\n    if let Some(z) = x.first() && *z > 3 && x.is_empty() { return false; }\n    matches!(y, 1 | 2) || x.iter().any(|x| *x == y)\n}\n";
        let mut sites = Vec::new();
        let mutated = plant("f.rs", text, &mut sites).expect("it parses");
        syn::parse_file(&mutated).expect("it still parses");
        let found: Vec<String> = sites.iter().map(Site::text).collect();
        let found = found.join("\n");
        for part in
            ["leaves out `x.push(y)`", "not `*z > 3`", "not `x.is_empty()`", "not `matches!(y, 1 \\| 2)`", "not `*x == y`"]
        {
            assert!(found.contains(part), "{part} in\n{found}");
        }
        assert_eq!(sites.len(), 8, "{found}");
        assert!(mutated.starts_with("const A: bool = 1 < 2;"), "a constant is no question");
    }
}
