//! A VM's definition in our words: what it is, what it needs, why it cannot move. Pure.

use super::xml::{self, Element, XmlError};
use ridethrough_model::Bytes;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The namespace of our element in a VM's `<metadata>`.
const NAMESPACE: &str = "urn:ridethrough:1";
/// Tags of one VM that are looked at.
const TAGS_MAX: usize = 256;

/// What a definition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) memory: Bytes,
    pub(super) cpus: u32,
    pub(super) tags: BTreeSet<String>,
    pub(super) needs: BTreeSet<String>,
    pub(super) move_blockers: Vec<String>,
    /// Its guest agent has connected.
    pub(super) has_agent: bool,
    pub(super) suspend_blockers: Vec<String>,
    /// Disks that go along in a move: what the guest calls them, and the folder they lie in.
    pub(super) copied_disks: Vec<(String, String)>,
}

/// Reads a domain's XML. What is missing counts as nothing; unknown elements are skipped.
pub(super) fn read(text: &str, shared_paths: &[PathBuf], copy_disks: bool) -> Result<Definition, XmlError> {
    let domain = xml::parse(text)?;
    let copied: Vec<(String, String)> = devices(&domain, "disk").filter_map(|disk| copied(disk, shared_paths)).collect();
    Ok(Definition {
        memory: domain.child("memory").map_or(Bytes::ZERO, memory),
        cpus: cpus(&domain),
        tags: tags(&domain),
        needs: needs(&domain),
        move_blockers: blockers(&domain, shared_paths, copy_disks),
        suspend_blockers: bound_to_host(&domain).collect(),
        copied_disks: if copy_disks { copied } else { Vec::new() },
        has_agent: has_agent(&domain),
    })
}

fn memory(element: &Element) -> Bytes {
    let number: u64 = element.text.trim().parse().unwrap_or(0);
    let unit: u64 = match element.attribute("unit").unwrap_or("KiB") {
        "b" | "bytes" => 1,
        "KB" => 1000,
        "M" | "MiB" => 1 << 20,
        "MB" => 1_000_000,
        "G" | "GiB" => 1 << 30,
        "GB" => 1_000_000_000,
        "T" | "TiB" => 1 << 40,
        "TB" => 1_000_000_000_000,
        // libvirt always answers in KiB; the rest is for definitions written by hand.
        _ => 1 << 10,
    };
    Bytes(number.saturating_mul(unit))
}

fn cpus(domain: &Element) -> u32 {
    let Some(vcpu) = domain.child("vcpu") else { return 1 };
    vcpu.attribute("current").and_then(|now| now.parse().ok()).or_else(|| vcpu.text.trim().parse().ok()).unwrap_or(1)
}

/// `<rt:tags xmlns:rt="urn:ridethrough:1"><rt:tag>power:critical</rt:tag></rt:tags>`, or the tags as text between spaces or commas.
fn tags(domain: &Element) -> BTreeSet<String> {
    let Some(metadata) = domain.child("metadata") else { return BTreeSet::new() };
    let groups = metadata.children.iter().filter(|child| child.is_in(NAMESPACE, "tags"));
    groups
        .flat_map(|tags| {
            let single = tags.children.iter().filter(|tag| tag.is_in(NAMESPACE, "tag")).map(|tag| tag.text.trim());
            single.chain(tags.text.split([',', ' ', '\t', '\n', '\r']))
        })
        .filter(|tag| !tag.is_empty())
        .take(TAGS_MAX)
        .map(str::to_owned)
        .collect()
}

fn devices<'a>(domain: &'a Element, kind: &'a str) -> impl Iterator<Item = &'a Element> {
    domain.child("devices").into_iter().flat_map(move |devices| devices.all(kind))
}

/// Whether the guest has opened the channel of its agent; only a running VM says so.
fn has_agent(domain: &Element) -> bool {
    let is_agent = |channel: &&Element| channel.attribute_at(&["target"], "name") == Some("org.qemu.guest_agent.0");
    let mut channels = devices(domain, "channel").filter(is_agent);
    channels.any(|channel| channel.attribute_at(&["target"], "state") == Some("connected"))
}

fn needs(domain: &Element) -> BTreeSet<String> {
    devices(domain, "interface")
        .filter_map(|interface| {
            let source = interface.child("source")?;
            let name = match interface.attribute("type")? {
                "network" => source.attribute("network"),
                "bridge" => source.attribute("bridge"),
                "direct" => source.attribute("dev"),
                _ => None,
            }?;
            Some(format!("network:{name}"))
        })
        .collect()
}

fn blockers(domain: &Element, shared_paths: &[PathBuf], copy_disks: bool) -> Vec<String> {
    let disks = devices(domain, "disk").filter_map(|disk| match copied(disk, shared_paths) {
        Some(_) if copy_disks => None,
        Some(_) => disk_blocker(disk, shared_paths).map(|why| format!("{why} and `copy_disks` is off")),
        None => disk_blocker(disk, shared_paths),
    });
    disks.chain(bound_to_host(domain)).collect()
}

/// A disk that libvirt can take along in a move: a file that is written and not shared. What it is called, and its folder.
fn copied(disk: &Element, shared_paths: &[PathBuf]) -> Option<(String, String)> {
    let is_disk = matches!(disk.attribute("device"), None | Some("disk")) && disk.attribute("type") == Some("file");
    if !is_disk || disk.child("readonly").is_some() || disk.child("shareable").is_some() {
        return None;
    }
    let path = Path::new(disk.attribute_at(&["source"], "file")?);
    let is_shared = shared_paths.iter().any(|shared| path.starts_with(shared));
    let folder = path.parent().filter(|_| !is_shared)?;
    Some((disk.attribute_at(&["target"], "dev")?.to_owned(), folder.display().to_string()))
}

/// The folder that a storage pool is, where it is one.
pub(super) fn pool_folder(definition: &str) -> Option<String> {
    let pool = xml::parse(definition).ok()?;
    let is_folder = matches!(pool.attribute("type"), Some("dir" | "fs" | "netfs"));
    pool.text_at(&["target", "path"]).filter(|_| is_folder).map(|path| path.trim_end_matches('/').to_owned())
}

/// What binds a VM's memory to the hardware it runs on.
fn bound_to_host(domain: &Element) -> impl Iterator<Item = String> {
    let passed_through = devices(domain, "hostdev").map(|device| {
        let kind = device.attribute("type").unwrap_or("unknown");
        format!("it uses a {kind} device of its host")
    });
    let interfaces = devices(domain, "interface")
        .filter(|interface| matches!(interface.attribute("type"), Some("hostdev" | "vdpa")))
        .map(|_| "a network interface is hardware of its host".to_owned());
    let shares = devices(domain, "filesystem").map(|share| {
        let directory = share.attribute_at(&["source"], "dir").unwrap_or("a directory");
        format!("it shares {directory} with its host")
    });
    let tpm = devices(domain, "tpm")
        .filter(|tpm| tpm.attribute_at(&["backend"], "type") == Some("passthrough"))
        .map(|_| "it uses the TPM of its host".to_owned());
    let input = devices(domain, "input")
        .filter(|input| matches!(input.attribute("type"), Some("passthrough" | "evdev")))
        .map(|_| "it uses a keyboard or mouse of its host".to_owned());
    let sealed = domain.child("launchSecurity").map(|_| "its memory is encrypted by the host's processor".to_owned());
    passed_through.chain(interfaces).chain(shares).chain(tpm).chain(input).chain(sealed)
}

fn disk_blocker(disk: &Element, shared_paths: &[PathBuf]) -> Option<String> {
    let target = disk.attribute_at(&["target"], "dev").unwrap_or("without a name");
    // An empty CD drive has no source.
    let source = disk.child("source")?;
    let kind = disk.attribute("type").unwrap_or("unknown");
    // `<shareable/>` is the administrator's word that several hosts may use it at once.
    if kind == "network" || disk.child("shareable").is_some() {
        return None;
    }
    let is_shared = |path: &str| shared_paths.iter().any(|shared| Path::new(path).starts_with(shared));
    let (what, path) = match kind {
        "file" => ("a local file", source.attribute("file")?),
        "block" => ("a local block device", source.attribute("dev")?),
        "dir" => ("a local directory", source.attribute("dir")?),
        "volume" => {
            let pool = source.attribute("pool").unwrap_or("without a name");
            return Some(format!("disk {target} is in the storage pool {pool}, which is not known to be shared"));
        }
        "nvme" => return Some(format!("disk {target} is an NVMe device of its host")),
        other => return Some(format!("disk {target} is of the kind {other}, which is not known to be shared")),
    };
    (!is_shared(path)).then(|| format!("disk {target} is {what}"))
}

/// Reads the identity a host's firmware shows from its capabilities.
pub(super) fn host_uuid(capabilities: &str) -> Option<String> {
    let capabilities = xml::parse(capabilities).ok()?;
    capabilities.text_at(&["host", "uuid"]).map(str::to_ascii_lowercase)
}

#[cfg(test)]
#[path = "domain_tests.rs"]
mod tests;
