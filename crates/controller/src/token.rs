//! The bearer token of the API: made on first start, kept in a file only its owner can read.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Random bytes in a token; twice as many characters.
const BYTES: usize = 32;
/// A token file larger than this is none.
const FILE_MAX: u64 = 4096;

/// The token. Shows itself to nobody by accident.
#[derive(Clone)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(secret)")
    }
}

impl Token {
    /// A token of that text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Reads the file; makes it, with mode 0600, if it is not there. A file that others may read is tightened.
    ///
    /// # Errors
    /// Whatever keeps it from being read or made, and `InvalidData` for a file without a usable token.
    pub fn read_or_make(path: &Path) -> io::Result<Self> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match made {
            Ok(mut file) => {
                let token = Self(random_text()?);
                writeln!(file, "{}", token.0)?;
                file.sync_all()?;
                Ok(token)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
            Err(error) => Err(error),
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let permissions = file.metadata()?.permissions();
        if permissions.mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "the token file was readable by others; tightened to 0600");
            file.set_permissions(PermissionsExt::from_mode(0o600))?;
        }
        let mut text = String::new();
        file.take(FILE_MAX).read_to_string(&mut text)?;
        let token = Self::new(&text);
        if token.0.len() < 16 || !token.0.bytes().all(|b| b.is_ascii_graphic()) {
            let message = "it holds no token of at least 16 characters";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(token)
    }

    /// Whether the text is this token, in a time that does not tell where they differ.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), text.as_bytes());
        let mut difference = ours.len() ^ theirs.len();
        for (place, byte) in ours.iter().enumerate() {
            let other = theirs.get(place).copied().unwrap_or(0);
            difference |= usize::from(black_box(byte ^ other));
        }
        black_box(difference) == 0
    }
}

fn random_text() -> io::Result<String> {
    use std::fmt::Write as _;
    let mut bytes = [0_u8; BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = String::with_capacity(2 * BYTES);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_for_the_owner_only_and_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("api-token");
        let made = Token::read_or_make(&path).expect("made");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(made.is(text.trim()) && text.trim().len() == 64);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("set");
        assert!(Token::read_or_make(&path).expect("read").is(text.trim()));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "a file open to others is tightened");
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new("0123456789abcdef");
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg", "\0"] {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        assert!(token.is("0123456789abcdef"));
    }

    #[test]
    fn an_empty_file_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("api-token");
        std::fs::write(&path, "\n").expect("written");
        let error = Token::read_or_make(&path).expect_err("no token in it");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
