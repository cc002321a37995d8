//! What a person gets wrong, on real peers: each has words to act on.

use crate::stage::{SOON, Stage};
use std::fs;

/// `check --connect` with a wrong password, a UPS that does not exist, an unknown host key.
pub fn wrong_credentials_and_names(stage: &mut Stage) {
    let good = fs::read_to_string(stage.config_path()).expect("it was written");
    let (code, text) = stage.run(&["check", "--connect"]);
    assert_eq!(code, 0, "the stage's own configuration is sound:\n{text}");
    let wrong = stage.lab.dir().join("wrong-password");
    fs::write(&wrong, "not the password").expect("it is written");
    fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("it is ours");
    let secret = stage.upsd.password_file().to_string_lossy().into_owned();
    let bmc_secret = stage.lab.bmc(1).password_file.to_string_lossy().into_owned();
    let cases = [
        (good.replacen(&secret, &wrong.to_string_lossy(), 1), "rack-a", "RT02"),
        (good.replacen("ups = \"rack-b\"\nuser", "ups = \"rack-x\"\nuser", 1), "rack-b", "rack-c"),
        (good.replacen(&bmc_secret, &wrong.to_string_lossy(), 1), "kvm1", "RT02"),
    ];
    for (config, subject, words) in cases {
        assert_ne!(config, good, "the case changes something");
        fs::write(stage.config_path(), &config).expect("it is written");
        let (code, text) = stage.run(&["check", "--connect"]);
        assert_ne!(code, 0, "{subject} is wrong:\n{text}");
        assert!(text.contains(subject) && text.contains(words), "{subject}, {words}:\n{text}");
        assert!(!text.contains("not the password"), "no secret is shown:\n{text}");
    }
    fs::write(stage.config_path(), good).expect("it is written");
}

/// The controller says who finishes the job in the domain it stands in; the stage armed the others.
pub fn arming(stage: &mut Stage) {
    let uuid = stage.lab.host_uuid(2);
    let (code, text) = stage.run(&["disarm", "rack-b"]);
    assert_eq!(code, 0, "{text}");
    if let Some(mut controller) = stage.controller.take() {
        assert_eq!(controller.terminate(), Some(0), "a clean end:\n{}", controller.log());
    }
    stage.serve(&[("RIDETHROUGH_SMBIOS_UUID", &uuid)]);
    let (code, text) = stage.run(&["arm", "rack-b"]);
    assert_eq!(code, 0, "it is armed, and told what that means:\n{text}");
    assert!(text.contains("RT0415") && text.contains("kvm2"), "{text}");
    stage.until("rack-a stayed armed over the restart", SOON, |stage| {
        stage.status().is_some_and(|status| status["domains"][0]["mode"] == "armed")
    });
    let (code, text) = stage.run(&["arm", "rack-x"]);
    assert!(code != 0 && text.contains("rack-a"), "it names the known ones:\n{text}");
    if let Some(mut controller) = stage.controller.take() {
        assert_eq!(controller.terminate(), Some(0));
    }
    stage.serve(&[]);
    stage.arm("rack-b");
}

/// Rule 12: it speaks to the configured peers and to nobody else.
pub fn rule_12_calls_nobody_else(stage: &mut Stage) {
    let listed = stage.lab.command("ss", &["-Htunp".to_owned()]).expect("ss runs");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    // The namespace holds the controller, what it starts, and the peers of the lab.
    let ours: Vec<&str> = text.lines().collect();
    let address = stage.lab.controller_address();
    let subnet = address.rsplit_once('.').expect("an IPv4 address").0.to_owned();
    assert!(ours.iter().any(|line| line.contains(":3493")), "it speaks to upsd:\n{text}");
    for line in ours {
        let peer = line.split_whitespace().nth(5).unwrap_or_default();
        assert!(peer.starts_with(&format!("{subnet}.")) || peer.starts_with("127.0.0.1:"), "nobody configured {peer}:\n{line}");
    }
}
