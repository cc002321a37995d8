//! What needs what, and when something counts as ready.

use super::{SOUND, check_with, said};
use expect_test::expect;

#[test]
fn rules_for_vms_that_make_no_sense() {
    check_with(
        "[[vm]]\nneeds = [\"db\"]\nmatch = {}\n[[vm]]\nmatch = { name = \"app\" }\n[[vm]]\nmatch = { name = \"db\" }\nready = { tcp = \"db\" }\n[[vm]]\nmatch = { name = \"web\" }\nready = { agent = true, http = \"http://web\" }\n[return]\nstarts_per_host = 0\n",
        expect![[r#"
            error RT0117: vm 1: it says nothing about its VMs, so it has none.
              --> a.toml:33:1
               |
            33 | [[vm]]
               | ^^^^^^
               = Add `match = { name = "..." }`, `{ tag = "..." }` or `{ platform = "..." }`.

            warning RT0134: vm 2: it says neither `needs` nor `ready`: it has no effect.
              --> a.toml:36:1
               |
            36 | [[vm]]
               | ^^^^^^
               = Add `needs = ["..."]` or `ready = { ... }`, or take it out.

            error RT0134: vm 3: `tcp` is no `host:port`.
              --> a.toml:40:9
               |
            40 | ready = { tcp = "db" }
               |         ^^^^^^^^^^^^^^
               = Write a name or address, a colon and the port, as in "db.example:5432".

            error RT0134: vm 4: `ready` asks in 2 ways; it must be one.
              --> a.toml:43:9
               |
            43 | ready = { agent = true, http = "http://web" }
               |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = Write one of `agent = true`, `tcp = "host:port"`, `http = "http://..."`.

            error RT0123: return: with `starts_per_host = 0` nothing ever comes back.
              --> a.toml:45:19
               |
            45 | starts_per_host = 0
               |                   ^
               = Take at least 1.
        "#]],
    );
}

#[test]
fn rules_for_vms_as_they_are_meant_are_silent() {
    let text = "[[vm]]\nmatch = { name = \"app-*\" }\nneeds = [\"db-*\"]\nready = { http = \"http://{name}/health\", within = \"3m\" }\n[return]\nstarts_per_host = 2\nstarts_per_site = 8\n";
    assert_eq!(said(&format!("{SOUND}{text}")), said(SOUND));
}
