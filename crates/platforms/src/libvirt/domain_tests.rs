//! Definitions as libvirt writes them, as people write them, and as nobody should.

use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn check(xml: &str, expect: Expect) {
    let shared = [PathBuf::from("/mnt/nfs")];
    expect.assert_eq(&match read(xml, &shared, false) {
        Ok(definition) => format!("{definition:#?}\n"),
        Err(error) => format!("{error}\n"),
    });
}

#[test]
fn a_vm_on_network_storage_may_move() {
    check(
        r#"<domain type='kvm' id='3'>
          <name>db1</name>
          <metadata>
            <other:thing xmlns:other="urn:other"><other:tag>not ours</other:tag></other:thing>
            <x:tags xmlns:x="urn:ridethrough:1"><x:tag>power:critical</x:tag><x:tag> site:a &amp; b </x:tag></x:tags>
          </metadata>
          <memory unit='KiB'>4194304</memory>
          <currentMemory unit='KiB'>2097152</currentMemory>
          <vcpu placement='static' current='2'>8</vcpu>
          <devices>
            <disk type='network' device='disk'><source protocol='rbd' name='pool/db1'/><target dev='vda' bus='virtio'/></disk>
            <disk type='file' device='disk'><source file='/mnt/nfs/db1.qcow2'/><target dev='vdb'/></disk>
            <disk type='block' device='disk'><source dev='/dev/mapper/cluster'/><target dev='vdc'/><shareable/></disk>
            <disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>
            <interface type='bridge'><source bridge='br0'/><target dev='vnet0'/></interface>
            <interface type='network'><source network='default' bridge='virbr0'/></interface>
            <interface type='user'/>
          </devices>
        </domain>"#,
        expect![[r#"
            Definition {
                memory: Bytes(
                    4294967296,
                ),
                cpus: 2,
                tags: {
                    "power:critical",
                    "site:a & b",
                },
                needs: {
                    "network:br0",
                    "network:default",
                },
                move_blockers: [],
                has_agent: false,
                suspend_blockers: [],
                copied_disks: [],
            }
        "#]],
    );
}

#[test]
fn what_ties_a_vm_to_its_host_is_named() {
    check(
        r#"<domain type='kvm'>
          <memory unit='MiB'>96</memory><vcpu>1</vcpu>
          <devices>
            <disk type='file' device='disk'><source file='/var/lib/libvirt/images/a.qcow2'/><target dev='vda'/></disk>
            <disk type='file' device='disk'><source file='/mnt/nfs-but-not-really/a.qcow2'/><target dev='vdb'/></disk>
            <disk type='block' device='disk'><source dev='/dev/vg0/a'/><target dev='vdc'/></disk>
            <disk type='volume' device='disk'><source pool='default' volume='a'/><target dev='vdd'/></disk>
            <disk type='nvme' device='disk'><source type='pci' namespace='1'/><target dev='vde'/></disk>
            <disk type='vhostuser'><source type='unix' path='/x'/><target dev='vdf'/></disk>
            <hostdev mode='subsystem' type='pci'><source/></hostdev>
            <interface type='hostdev'><source/></interface>
            <filesystem type='mount'><source dir='/srv'/><target dir='srv'/></filesystem>
            <tpm model='tpm-tis'><backend type='passthrough'/></tpm>
            <tpm model='tpm-crb'><backend type='emulator'/></tpm>
          </devices>
          <launchSecurity type='sev'/>
        </domain>"#,
        expect![[r#"
            Definition {
                memory: Bytes(
                    100663296,
                ),
                cpus: 1,
                tags: {},
                needs: {},
                move_blockers: [
                    "disk vda is a local file and `copy_disks` is off",
                    "disk vdb is a local file and `copy_disks` is off",
                    "disk vdc is a local block device",
                    "disk vdd is in the storage pool default, which is not known to be shared",
                    "disk vde is an NVMe device of its host",
                    "disk vdf is of the kind vhostuser, which is not known to be shared",
                    "it uses a pci device of its host",
                    "a network interface is hardware of its host",
                    "it shares /srv with its host",
                    "it uses the TPM of its host",
                    "its memory is encrypted by the host's processor",
                ],
                has_agent: false,
                suspend_blockers: [
                    "it uses a pci device of its host",
                    "a network interface is hardware of its host",
                    "it shares /srv with its host",
                    "it uses the TPM of its host",
                    "its memory is encrypted by the host's processor",
                ],
                copied_disks: [],
            }
        "#]],
    );
}

#[test]
fn tags_may_be_plain_text_and_an_empty_definition_is_one() {
    check(
        "<domain><metadata><tags xmlns='urn:ridethrough:1'>power:batch, web\n site-b</tags></metadata></domain>",
        expect![[r#"
            Definition {
                memory: Bytes(
                    0,
                ),
                cpus: 1,
                tags: {
                    "power:batch",
                    "site-b",
                    "web",
                },
                needs: {},
                move_blockers: [],
                has_agent: false,
                suspend_blockers: [],
                copied_disks: [],
            }
        "#]],
    );
}

#[test]
fn what_is_no_definition_is_an_error() {
    check("", expect!["it has no root element\n"]);
    check("<domain><devices>", expect!["it is no XML: it ends too early\n"]);
    check(&"<a>".repeat(200), expect!["it is larger than any document of libvirt\n"]);
}

#[test]
fn a_host_is_known_by_what_its_firmware_shows() {
    let uuid = host_uuid("<capabilities><host><uuid>0F0F0F0F-0000-4000-8000-000000000001</uuid></host></capabilities>");
    assert_eq!(uuid.as_deref(), Some("0f0f0f0f-0000-4000-8000-000000000001"));
    assert_eq!(host_uuid("<capabilities><host/></capabilities>"), None);
}

proptest! {
    #[test]
    fn no_text_breaks_the_reading(text in "[<>/&;'\"= a-z:]{0,80}") {
        let _ = read(&text, &[], true);
        let _ = read(&format!("<domain>{text}</domain>"), &[], true);
        let _ = host_uuid(&text);
    }
}
