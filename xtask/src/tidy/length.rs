//! Files of at most 500 lines, functions of at most 70, tests included.
//!
//! A function is counted from `fn` to its closing brace, without attributes and comments above it. A function inside a macro's
//! body cannot be seen.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Finding;
use super::exceptions::{self, Exceptions};
use super::tree::RustFile;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

pub(super) fn check(file: &RustFile<'_>, exceptions: &mut Exceptions, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        let allowed = exceptions.lines_max(file.path).unwrap_or(FILE_LINES_MAX);
        if lines > allowed {
            findings.push(Finding::new(
                file.path,
                allowed + 1,
                format!("{lines} lines in a file, {allowed} are allowed"),
                format!("split it by meaning, or list it with a reason in {}", exceptions::FILE),
            ));
        }
    }
    let mut functions = Functions::default();
    functions.visit_file(&file.syntax);
    for function in functions.found {
        if function.lines <= FUNCTION_LINES_MAX {
            continue;
        }
        let subject = format!("{}::{}", file.path, function.name);
        let allowed = exceptions.lines_max(&subject).unwrap_or(FUNCTION_LINES_MAX);
        if function.lines > allowed {
            findings.push(Finding::new(
                file.path,
                function.line,
                format!("`{}` has {} lines, {allowed} are allowed", function.name, function.lines),
                "keep the branching here and move the straight work into functions of its own",
            ));
        }
    }
}

#[derive(Debug)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

#[derive(Debug, Default)]
struct Functions {
    found: Vec<Function>,
}

impl Functions {
    fn note(&mut self, signature: &syn::Signature, body: Span) {
        let line = signature.span().start().line;
        let lines = body.end().line + 1 - line;
        self.found.push(Function { name: signature.ident.to_string(), line, lines });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.note(&node.sig, node.block.span());
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.note(&node.sig, node.block.span());
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        if let Some(block) = &node.default {
            self.note(&node.sig, block.span());
        }
        visit::visit_trait_item_fn(self, node);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::SourceFile;
    use super::*;

    fn found(text: &str, listed: &str) -> Vec<String> {
        let file = SourceFile::planted("a.rs", text);
        let file = RustFile::parse(&file).expect("the plant parses");
        let mut findings = Vec::new();
        let mut exceptions = Exceptions::parse(listed, &mut findings);
        check(&file, &mut exceptions, &mut findings);
        exceptions.check_all_used(&mut findings);
        findings.iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    fn function(head: &str, statements: usize) -> String {
        format!("{head} {{\n{}}}\n", "    f();\n".repeat(statements))
    }

    #[test]
    fn a_function_of_seventy_lines_passes_and_one_more_is_found() {
        assert_eq!(found(&function("fn a()", 68), ""), Vec::<String>::new());
        let expected = ["3: `a` has 71 lines, 70 are allowed"];
        assert_eq!(found(&format!("// x\n\n{}", function("fn a()", 69)), ""), expected);
    }

    #[test]
    fn methods_trait_defaults_and_tests_count_too() {
        for (open, close) in
            [("impl A {", "}"), ("trait A {", "}"), ("#[cfg(test)] mod tests {", "}"), ("fn outer() { if true {", "} }")]
        {
            let text = format!("{open}\n{}{close}\n", function("fn inner()", 69));
            let found = found(&text, "");
            assert!(found.iter().any(|line| line.contains("`inner` has 71")), "{open}: {found:?}");
        }
    }

    #[test]
    fn a_file_of_five_hundred_lines_passes_and_one_more_is_found() {
        assert_eq!(found(&"\n".repeat(500), ""), Vec::<String>::new());
        assert_eq!(found(&"\n".repeat(501), ""), ["501: 501 lines in a file, 500 are allowed"]);
    }

    #[test]
    fn a_listed_reason_lifts_the_limit_and_no_further() {
        let listed = "a.rs 502 one table of codes\n";
        assert_eq!(found(&"\n".repeat(502), listed), Vec::<String>::new());
        assert_eq!(found(&"\n".repeat(503), listed), ["503: 503 lines in a file, 502 are allowed"]);
        let listed = "a.rs::a 71 one arm per code\n";
        assert_eq!(found(&function("fn a()", 69), listed), Vec::<String>::new());
    }
}
