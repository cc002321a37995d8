//! Alerts that can reach nobody, or would give a secret away.

use super::{check_with, said};
use crate::config::lint::lint;
use crate::config::tests::read_texts;
use expect_test::expect;

#[test]
fn point_8_alerts_that_reach_nobody_or_show_a_secret_are_refused() {
    check_with("[alert.ops.command]\nrun = [\"/usr/bin/logger\"]\n", expect![""]);
    check_with(
        "[alert.ops.email]\nserver = \"mail\"\nfrom = \"nobody\"\nto = [\"ops@example.org\"]\n",
        expect![[r#"
        error RT0172: alert ops: `nobody` is not a mail address.
          --> a.toml:33:8
           |
        33 | [alert.ops.email]
           |        ^^^
           = Mend it; docs/alerts.md shows how alerts are written.
    "#]],
    );
    check_with(
        "[alert.ops.email]\nserver = \"mail\"\ntls = \"off\"\nuser = \"rt\"\npassword = { env = \"PATH\" }\n\
         from = \"rt@example.org\"\nto = [\"ops@example.org\"]\n",
        expect![[r#"
            error RT0173: alert ops: the password would go over the network in clear text.
              --> a.toml:35:7
               |
            35 | tls = "off"
               |       ^^^^^
               = Use `tls = "starttls"` or `"tls"`, or a mail server on this machine.
        "#]],
    );
    check_with(
        "[alert.chat.webhook]\nurl = \"http://chat/x\"\ntoken = { env = \"PATH\" }\n",
        expect![[r#"
        error RT0173: alert chat: the token would go over the network in clear text.
          --> a.toml:34:7
           |
        34 | url = "http://chat/x"
           |       ^^^^^^^^^^^^^^^
           = Use `https://`, or take the token out.
    "#]],
    );
    check_with(
        "[alert.chat.webhook]\nurl = \"chat.example.org\"\n",
        expect![[r#"
        error RT0172: alert chat: `chat.example.org` is no address: relative URL without a base.
          --> a.toml:33:8
           |
        33 | [alert.chat.webhook]
           |        ^^^^
           = Mend it; docs/alerts.md shows how alerts are written.
    "#]],
    );
    check_with(
        "[alert.sms.command]\nrun = []\n",
        expect![[r#"
        error RT0172: alert sms: there is no program.
          --> a.toml:33:8
           |
        33 | [alert.sms.command]
           |        ^^^
           = Mend it; docs/alerts.md shows how alerts are written.
    "#]],
    );
}

#[test]
fn point_8_that_nobody_is_told_is_said() {
    let config = read_texts(&["[ups.a.nut]\nhost = \"h\"\nups = \"u\"\n"]).expect("it can be read");
    assert!(lint(&config).iter().any(|located| located.finding.code == "RT0174"));
    assert!(!said("").contains("RT0174"), "without a UPS there is nothing to tell");
}
