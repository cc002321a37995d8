//! Names that say nothing: they become the first refuge of code without an owner.

use syn::visit::{self, Visit};

use super::Finding;
use super::tree::RustFile;

/// As a file, a folder or a module, alone or as a part between underscores.
const MODULES: &[&str] = &["common", "util", "utils", "helper", "helpers", "manager", "misc", "types"];
/// At the end of a type's name.
const TYPE_ENDS: &[&str] = &["Manager", "Helper", "Util", "Utils"];

pub(super) fn check(file: &RustFile<'_>, findings: &mut Vec<Finding>) {
    let stem = file.path.trim_end_matches(".rs");
    for part in stem.split('/') {
        if let Some(word) = empty_word(part) {
            findings.push(finding(file.path, 1, &format!("`{part}` is named `{word}`")));
        }
    }
    let mut names = Names { path: file.path, findings };
    names.visit_file(&file.syntax);
}

fn empty_word(name: &str) -> Option<&'static str> {
    MODULES.iter().copied().find(|word| name.split(['_', '-']).any(|part| part == *word))
}

fn finding(path: &str, line: usize, what: &str) -> Finding {
    Finding::new(path, line, what, "name the thing it owns, or move each part to its owner")
}

#[derive(Debug)]
struct Names<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Names<'_> {
    fn check_type(&mut self, ident: &syn::Ident) {
        let name = ident.to_string();
        if TYPE_ENDS.iter().any(|end| name.ends_with(end)) {
            let line = ident.span().start().line;
            self.findings.push(finding(self.path, line, &format!("type `{name}` says nothing")));
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        let name = node.ident.to_string();
        if let Some(word) = empty_word(&name) {
            let line = node.ident.span().start().line;
            let what = format!("module `{name}` is named `{word}`");
            self.findings.push(finding(self.path, line, &what));
        }
        visit::visit_item_mod(self, node);
    }

    fn visit_item_struct(&mut self, node: &'ast syn::ItemStruct) {
        self.check_type(&node.ident);
        visit::visit_item_struct(self, node);
    }

    fn visit_item_enum(&mut self, node: &'ast syn::ItemEnum) {
        self.check_type(&node.ident);
        visit::visit_item_enum(self, node);
    }

    fn visit_item_trait(&mut self, node: &'ast syn::ItemTrait) {
        self.check_type(&node.ident);
        visit::visit_item_trait(self, node);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::SourceFile;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        let file = SourceFile::planted(path, text);
        let file = RustFile::parse(&file).expect("the plant parses");
        let mut findings = Vec::new();
        check(&file, &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_file_or_folder_that_says_nothing_is_found() {
        for path in ["crates/a/src/util.rs", "crates/a/tests/common/x.rs", "a/vm_manager.rs"] {
            assert_eq!(found(path, "//! Head.\n"), [1], "{path}");
        }
        assert!(found("crates/a/src/commonwealth.rs", "").is_empty());
    }

    #[test]
    fn a_module_or_type_that_says_nothing_is_found_at_its_line() {
        assert_eq!(found("a.rs", "mod a {\n    mod helpers {}\n}\n"), [2]);
        assert_eq!(found("a.rs", "\nstruct PlanManager;\nenum Helper {}\n"), [2, 3]);
        assert!(found("a.rs", "struct Plan; mod plan {}").is_empty());
    }
}
