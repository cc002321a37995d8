//! Passwords in clear text, and TLS that cannot be set up.

use super::*;

const UPS: &str = "ups = \"a\"\n";
const HOST: &str = "host = \"10.0.0.5\"\nups = \"a\"\n";
const LOGIN: &str = "user = \"rt\"\npassword = { env = \"PATH\" }\n";

#[test]
fn point_2_nut_a_password_in_clear_text_to_another_machine_is_told_of() {
    check(
        UPS,
        &format!("{UPS}{LOGIN}"),
        expect![[r#"
        warning RT0140: UPS rack-a: its password goes over the network in clear text.
         --> a.toml:6:12
          |
        6 | password = { env = "PATH" }
          |            ^^^^^^^^^^^^^^^^
          = Give upsd a certificate and add `tls = { ca = "..." }` (docs/drivers-nut.md shows how), or keep
            both in a network of their own.
    "#]],
    );
    for here in ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"] {
        check(HOST, &format!("host = \"{here}\"\n{UPS}{LOGIN}"), expect![[""]]);
    }
    check(UPS, &format!("{UPS}{LOGIN}tls = {{}}\n"), expect![[""]]);
}

#[test]
fn point_2_nut_tls_that_cannot_be_set_up_is_an_error_where_it_stands() {
    check(
        UPS,
        &format!("{UPS}tls = {{ ca = \"/nowhere/ca.pem\" }}\n"),
        expect![[r#"
        error RT0141: UPS rack-a: the certificate authority /nowhere/ca.pem cannot be read: No such file or directory (os error 2).
         --> a.toml:5:14
          |
        5 | tls = { ca = "/nowhere/ca.pem" }
          |              ^^^^^^^^^^^^^^^^^
          = Put certificates and keys there in PEM (they begin with -----BEGIN), `key` without a passphrase.
    "#]],
    );
    check(
        UPS,
        &format!("{UPS}tls = {{ ca = \"/dev/null\" }}\n"),
        expect![[r#"
        error RT0141: UPS rack-a: what is named as certificate authority holds no certificate in PEM.
         --> a.toml:5:14
          |
        5 | tls = { ca = "/dev/null" }
          |              ^^^^^^^^^^^
          = Put certificates and keys there in PEM (they begin with -----BEGIN), `key` without a passphrase.
    "#]],
    );
    let pin = "00".repeat(32);
    check(
        UPS,
        &format!("{UPS}tls = {{ ca = \"/dev/null\", thumbprint = \"{pin}\" }}\n"),
        expect![[r#"
            error RT0141: UPS rack-a: `ca` and `thumbprint` are both there: keep one of them.
             --> a.toml:5:40
              |
            5 | tls = { ca = "/dev/null", thumbprint = "0000000000000000000000000000000000000000000000000000000000000000" }
              |                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = Put certificates and keys there in PEM (they begin with -----BEGIN), `key` without a passphrase.
        "#]],
    );
    check(
        UPS,
        &format!("{UPS}tls = {{ certificate = \"/dev/null\" }}\n"),
        expect![[r#"
        error RT0141: UPS rack-a: there is a `certificate` without its `key`.
         --> a.toml:5:23
          |
        5 | tls = { certificate = "/dev/null" }
          |                       ^^^^^^^^^^^
          = Put certificates and keys there in PEM (they begin with -----BEGIN), `key` without a passphrase.
    "#]],
    );
    check(
        UPS,
        &format!("{UPS}tls = {{ key = {{ env = \"PATH\" }} }}\n"),
        expect![[r#"
        error RT0141: UPS rack-a: there is a `key` without its `certificate`.
         --> a.toml:5:15
          |
        5 | tls = { key = { env = "PATH" } }
          |               ^^^^^^^^^^^^^^^^
          = Put certificates and keys there in PEM (they begin with -----BEGIN), `key` without a passphrase.
    "#]],
    );
}

#[test]
fn point_2_nut_upses_share_a_setup_of_tls_only_where_they_believe_the_same() {
    let text = |tls: &str| format!("[ups.a.nut]\nhost = \"h\"\nups = \"u\"\ntls = {{ {tls} }}\n");
    let read = |tls: &str| {
        let config = read_texts(&[&text(tls)]).unwrap_or_else(|findings| panic!("{}", shown(&findings)));
        let crate::config::section::Ups { nut, .. } = &config.upses.values().next().expect("a UPS").value;
        nut.tls.as_deref().expect("TLS").clone()
    };
    let pin = |digit: &str| format!("thumbprint = \"{}\"", digit.repeat(64));
    let identity = "certificate = \"c\", key = { file = \"k\" }".to_owned();
    let other = "certificate = \"c\", key = { file = \"l\" }".to_owned();
    let all = [String::new(), "ca = \"a\"".to_owned(), "ca = \"b\"".to_owned(), pin("0"), pin("1"), identity, other];
    for (index, one) in all.iter().enumerate() {
        for (position, another) in all.iter().enumerate() {
            assert_eq!(read(one).has_setup_of(&read(another)), index == position, "{one} and {another}");
        }
    }
    assert!(read("ca = \"a\", name = \"x\"").has_setup_of(&read("ca = \"a\"")), "the name is looked at elsewhere");
}
