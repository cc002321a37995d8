//! What `ssh` logs, changed by dice: it becomes one short line for a person, and nothing else than away or not let in.

use super::{Config, Ssh, shown};
use ridethrough_driver::FailureKind;
use ridethrough_driver::conformance::fuzz;

const LOGS: [&[u8]; 5] = [
    b"@@@@@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r\n",
    b"No ED25519 host key is known for kvm1 and you have requested strict checking.\r\nHost key verification failed.\r\n",
    b"root@kvm1: Permission denied (publickey,password).\r\n",
    b"ssh: connect to host kvm1 port 22: Connection refused\r\n",
    b"kex_exchange_identification: banner line contains invalid characters\r\n",
];

#[test]
fn point_1_almost_logs_of_ssh_are_away_or_not_let_in() {
    let ssh = Ssh::new(Config {
        address: "kvm1".into(),
        port: 22,
        user: "root".into(),
        key: None,
        known_hosts: None,
        command: "true".into(),
    });
    fuzz::feed("ssh", &LOGS, |bytes| {
        let said = String::from_utf8_lossy(bytes);
        let line = shown(&said);
        assert!(line.chars().count() <= 300 && !line.contains(char::is_control), "{line:?}");
        let failure = ssh.refusal(&said).to_failure();
        assert!(matches!(failure.kind, FailureKind::Unauthorized | FailureKind::Unreachable), "{failure:?}");
        assert!(failure.message.chars().count() < 700, "{failure:?}");
    });
}
