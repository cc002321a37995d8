//! What `cargo metadata` says of our crates and of everything they pull in, reduced to what the rules need.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

const PREFIX: &str = "ridethrough-";

/// One of our crates, by its short name (`model`).
#[derive(Debug)]
pub(super) struct Crate {
    pub(super) name: String,
    /// Relative to the workspace root.
    pub(super) manifest: String,
    pub(super) manifest_text: String,
    pub(super) uses: Vec<Use>,
}

/// A dependency as the manifest declares it, also where it is optional or for another machine only.
#[derive(Debug)]
pub(super) struct Use {
    /// The short name for our own.
    pub(super) name: String,
    pub(super) is_ours: bool,
    /// For tests, examples and benchmarks only.
    pub(super) is_dev: bool,
}

/// A package that is part of a build here, ours included.
#[derive(Debug)]
pub(super) struct PackageFacts {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) licence: Option<String>,
}

#[derive(Debug)]
pub(super) struct Graph {
    pub(super) crates: Vec<Crate>,
    pub(super) packages: Vec<PackageFacts>,
}

/// Only for this machine's kind: what other systems would need is not downloaded, and not built either.
pub(super) fn read(root: &Path) -> Result<Graph> {
    let metadata = MetadataCommand::new()
        .cargo_path(crate::cargo())
        .manifest_path(root.join("Cargo.toml"))
        .other_options(vec!["--filter-platform".to_owned(), host()?])
        .exec()
        .context("cargo metadata")?;
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut crates = Vec::new();
    for package in metadata.workspace_packages() {
        crates.push(our_crate(root, package, &ours)?);
    }
    let built = built(root)?;
    let packages = packages(&metadata).into_iter().filter(|found| built.contains(&(found.name.clone(), found.version.clone())));
    Ok(Graph { crates, packages: packages.collect() })
}

/// Name and version of what a build takes. `cargo metadata` also names optional packages that another feature only would extend
/// if they were there (`ring?/std`); `cargo tree` does not.
fn built(root: &Path) -> Result<BTreeSet<(String, String)>> {
    let output = Command::new(crate::cargo())
        .current_dir(root)
        .args(["tree", "--workspace", "--all-features", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"])
        .output()
        .context("cargo tree could not be started")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("cargo tree writes UTF-8")?;
    let package = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        Some((name.to_owned(), rest.split(' ').next()?.to_owned()))
    };
    Ok(text.lines().filter_map(package).collect())
}

fn our_crate(root: &Path, package: &Package, ours: &BTreeSet<&str>) -> Result<Crate> {
    let path = package.manifest_path.as_std_path();
    let manifest_text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let uses = package.dependencies.iter().map(|dependency| Use {
        name: short(&dependency.name),
        is_ours: ours.contains(dependency.name.as_str()),
        is_dev: dependency.kind == DependencyKind::Development,
    });
    Ok(Crate { name: short(&package.name), manifest, manifest_text, uses: uses.collect() })
}

fn packages(metadata: &Metadata) -> Vec<PackageFacts> {
    let resolved: BTreeSet<_> = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| &node.id).collect();
    let packages = metadata.packages.iter().filter(|package| resolved.contains(&package.id));
    packages
        .map(|package| PackageFacts {
            name: package.name.to_string(),
            version: package.version.to_string(),
            licence: package.license.clone(),
        })
        .collect()
}

fn short(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).to_owned()
}

/// The target triple of this machine, as rustc names it.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("rustc could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("`rustc -vV` does not name its host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_holds_our_crates_their_edges_and_what_they_pull_in() {
        let graph = read(crate::workspace_root()).expect("cargo metadata answers");
        let decide = graph.crates.iter().find(|found| found.name == "decide").expect("decide");
        assert_eq!(decide.manifest, "crates/decide/Cargo.toml");
        assert!(decide.uses.iter().any(|used| used.name == "model" && used.is_ours && !used.is_dev));
        assert!(decide.uses.iter().any(|used| used.name == "proptest" && used.is_dev));
        let serde = graph.packages.iter().find(|found| found.name == "serde").expect("serde");
        assert_eq!(serde.licence.as_deref(), Some("MIT OR Apache-2.0"));
        let has = |name: &str| graph.packages.iter().any(|found| found.name == name);
        assert!(has("rustls-webpki") && !has("ring"), "an option that nobody takes is not part of the build");
    }
}
