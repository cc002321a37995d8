//! The guest: Debian's cloud kernel and one static program of ours as PID 1. Built once, kept under `target/lab-guest`.

use crate::gate::target_dir;
use crate::process::run;
use anyhow::{Context, Result, bail};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

const SOURCE: &str = include_str!("../guest/init.c");
const MODULES: [&str; 8] = [
    "button",
    "evdev",
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_console",
];

/// Where kernel and initrd lie; built if they are not there.
pub(crate) fn image() -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    SOURCE.hash(&mut hasher);
    MODULES.hash(&mut hasher);
    let dir = target_dir().join("lab-guest").join(format!("{:016x}", hasher.finish()));
    if dir.join("initrd").exists() && dir.join("kernel").exists() {
        return Ok(dir);
    }
    let parent = dir.parent().context("it has one")?;
    fs::create_dir_all(parent)?;
    let work = tempfile::Builder::new().prefix("build").tempdir_in(parent)?;
    build(work.path())?;
    let made = work.path().join("out");
    if let Err(error) = fs::rename(&made, &dir)
        && !dir.join("initrd").exists()
    {
        return Err(error).context("put the guest image in its place");
    }
    Ok(dir)
}

fn build(work: &Path) -> Result<()> {
    let out = work.join("out");
    let root = work.join("root");
    fs::create_dir_all(root.join("modules"))?;
    fs::create_dir_all(root.join("dev"))?;
    fs::create_dir_all(&out)?;
    let kernel = fetch_kernel(work)?;
    let unpacked = work.join("kernel");
    run("dpkg-deb", &["-x", &text(&kernel), &text(&unpacked)])?;
    let vmlinuz = find(&unpacked.join("boot"), "vmlinuz-")?;
    fs::copy(vmlinuz, out.join("kernel"))?;
    for module in MODULES {
        // Some are built in, depending on the kernel; the guest says in its console what it misses.
        let found = run("find", &[&text(&unpacked.join("lib/modules")), "-name", &format!("{module}.ko")])?;
        if let Some(path) = found.lines().next() {
            fs::copy(path, root.join("modules").join(format!("{module}.ko")))?;
        }
    }
    let source = work.join("init.c");
    fs::write(&source, SOURCE)?;
    run("gcc", &["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", &text(&root.join("init")), &text(&source)])?;
    let pack = format!("cd '{}' && find . | cpio --quiet -o -H newc -R 0:0 > '{}'", text(&root), text(&out.join("initrd")));
    run("sh", &["-c", &pack]).map(drop)
}

fn fetch_kernel(work: &Path) -> Result<PathBuf> {
    let depends = run("apt-cache", &["depends", "linux-image-cloud-amd64"])?;
    let package =
        depends.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).context("the kernel package has a name")?;
    run("sh", &["-c", &format!("cd '{}' && apt-get -qq download {package}", text(work))])?;
    find(work, package)
}

fn find(dir: &Path, prefix: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    bail!("no {prefix}* in {}", dir.display())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
