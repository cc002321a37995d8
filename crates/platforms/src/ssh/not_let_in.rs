//! What the words of `ssh` mean when a host does not let us in, and what a person can do about it.

/// Why a host did not let us in; `None` where ssh says nothing of the kind. `scan` is what `ssh-keyscan` is asked for the host's key.
pub(crate) fn not_let_in(said: &str, user: Option<&str>, scan: &str, known_hosts: &str) -> Option<String> {
    if said.contains("IDENTIFICATION HAS CHANGED") {
        return Some(format!(
            "its host key is not the one in {known_hosts}: if the host was set up anew, check the key's fingerprint on the host \
             and replace its line; if not, somebody else answers there"
        ));
    }
    if said.contains("Host key verification failed") {
        return Some(format!(
            "its host key is not in {known_hosts}: add it with `ssh-keyscan {scan} >> {known_hosts}` and compare its fingerprint \
             with the one on the host"
        ));
    }
    if said.contains("Permission denied (") || said.contains("Too many authentication failures") {
        let whom = user.map_or_else(|| "us".to_owned(), |user| format!("`{user}`"));
        return Some(format!("it does not let {whom} in with this key: add the public key to that user's authorized_keys"));
    }
    None
}
