//! Every `select!` begins with `biased;`: without it tokio draws the arm, and no seed replays.

use proc_macro2::{TokenStream, TokenTree};

use super::Finding;
use super::tree::RustFile;

pub(super) fn check(file: &RustFile<'_>, findings: &mut Vec<Finding>) {
    walk(file.path, file.tokens.clone(), findings);
}

/// On tokens, not on syntax: a select may stand inside another macro, or inside an arm of a select.
fn walk(path: &str, tokens: TokenStream, findings: &mut Vec<Finding>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        if index >= 2 && is_select(&tokens[index - 2], &tokens[index - 1]) && !is_biased(group) {
            findings.push(Finding::new(
                path,
                tokens[index - 2].span().start().line,
                "`select!` without `biased;`",
                "write `biased;` first, order the arms, and say why that order",
            ));
        }
        walk(path, group.stream(), findings);
    }
}

fn is_select(name: &TokenTree, bang: &TokenTree) -> bool {
    matches!(name, TokenTree::Ident(ident) if ident == "select")
        && matches!(bang, TokenTree::Punct(punct) if punct.as_char() == '!')
}

fn is_biased(group: &proc_macro2::Group) -> bool {
    let mut tokens = group.stream().into_iter();
    let first = tokens.next();
    let second = tokens.next();
    matches!(first, Some(TokenTree::Ident(ident)) if ident == "biased")
        && matches!(second, Some(TokenTree::Punct(punct)) if punct.as_char() == ';')
}

#[cfg(test)]
mod tests {
    use super::super::tree::SourceFile;
    use super::*;

    fn lines_found(text: &str) -> Vec<usize> {
        let file = SourceFile::planted("a.rs", text);
        let file = RustFile::parse(&file).expect("the plant parses");
        let mut findings = Vec::new();
        check(&file, &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_select_that_draws_its_arm_is_found() {
        assert_eq!(lines_found("fn a() {\n    tokio::select! {\n        _ = b() => {}\n    }\n}\n"), [2]);
        assert_eq!(lines_found("fn a() { select! { biased_looking = b() => {} } }"), [1]);
    }

    #[test]
    fn a_select_inside_a_biased_one_is_found_too() {
        let text = "fn a() { select! { biased; _ = b() => {\nselect! { _ = c() => {} } } } }";
        assert_eq!(lines_found(text), [2]);
    }

    #[test]
    fn a_biased_select_passes() {
        assert!(lines_found("fn a() { tokio::select! { biased; _ = b() => {} } }").is_empty());
    }
}
