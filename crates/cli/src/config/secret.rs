//! References to secrets. The configuration says where a secret is, never what it is; it is read late, and shown to nobody.

use ridethrough_driver::Secret;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What a clear text is refused with. Never quotes it.
pub(crate) const CLEAR_TEXT: &str = "a secret must not stand in the configuration itself";
/// What anything else that is no reference is refused with.
pub(crate) const NO_REFERENCE: &str = "a secret is given by one of `file`, `env` and `credential`";
/// More than any password or key.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Where systemd puts a service's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is. It is read when it is needed; a change is seen at the next start or reload.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(crate) enum SecretSource {
    /// In a file of its own, readable by the controller's user only. One newline at its end does not count. A relative path
    /// begins at the folder of the configuration file.
    File(PathBuf),
    /// In an environment variable of the controller.
    Env(String),
    /// In a systemd credential of that name (`LoadCredential=` of the service).
    Credential(String),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the file {} cannot be read", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the environment variable {0} is not set")]
    Env(String),
    #[error("there are no systemd credentials here, so credential {0} cannot be read")]
    NoCredentials(String),
    #[error("{0} holds no text")]
    NotText(String),
    #[error("{0} is empty")]
    Empty(String),
    #[error("{0} is larger than 64 KiB, which no secret is")]
    TooLarge(String),
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is empty.
    pub(crate) fn read(&self) -> Result<Secret, SecretError> {
        let text = match self {
            Self::File(path) => read_file(path)?,
            Self::Env(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => return Err(SecretError::Env(name.clone())),
                Err(std::env::VarError::NotUnicode(_)) => return Err(SecretError::NotText(self.to_string())),
            },
            Self::Credential(name) => read_file(&credential_path(name)?)?,
        };
        let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            return Err(SecretError::Empty(self.to_string()));
        }
        Ok(Secret::new(text.to_owned()))
    }

    /// The file it is in, where it is in one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Env(_) | Self::Credential(_) => None,
        }
    }

    /// Takes relative paths from that folder.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&path);
        }
    }
}

fn credential_path(name: &str) -> Result<PathBuf, SecretError> {
    let folder = std::env::var_os(CREDENTIALS).ok_or_else(|| SecretError::NoCredentials(name.to_owned()))?;
    Ok(Path::new(&folder).join(name))
}

fn read_file(path: &Path) -> Result<String, SecretError> {
    let shown = || format!("the file {}", path.display());
    let failed = |source| SecretError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::TooLarge(shown()));
    }
    String::from_utf8(bytes).map_err(|_| SecretError::NotText(shown()))
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Credential(name) => write!(f, "the systemd credential {name}"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnlyReference)
    }
}

/// Anything but a reference may be a secret in clear: nothing of it may enter a message.
struct OnlyReference;

impl<'de> Visitor<'de> for OnlyReference {
    type Value = SecretSource;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference to a secret such as { file = \"...\" }")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let wrong = || A::Error::custom(NO_REFERENCE);
        let reference = match map.next_key::<String>()?.as_deref() {
            Some("file") => SecretSource::File(map.next_value()?),
            Some("env") => SecretSource::Env(map.next_value()?),
            Some("credential") => SecretSource::Credential(map.next_value()?),
            _ => return Err(wrong()),
        };
        if map.next_key::<String>()?.is_some() { Err(wrong()) } else { Ok(reference) }
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<SecretSource, E> {
        Err(E::custom(CLEAR_TEXT))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretSource, E> {
        Err(E::custom(CLEAR_TEXT))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretSource, E> {
        Err(E::custom(CLEAR_TEXT))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretSource, E> {
        Err(E::custom(CLEAR_TEXT))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<SecretSource, A::Error> {
        Err(A::Error::custom(CLEAR_TEXT))
    }
}

/// The file a private key is in, for a program that reads it itself. Written `{ file = "..." }`, or as the path alone.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
pub(crate) struct KeyFile {
    /// The file with the private key, readable by the controller's user only. A relative path begins at the folder of the
    /// configuration file.
    pub(crate) file: PathBuf,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFileTable {
    file: PathBuf,
}

impl<'de> Deserialize<'de> for KeyFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = PathBuf;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the file of a private key such as { file = \"...\" }")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PathBuf, A::Error> {
                let table: KeyFileTable = serde::Deserialize::deserialize(MapAccessDeserializer::new(map))?;
                Ok(table.file)
            }
            fn visit_str<E: Error>(self, path: &str) -> Result<PathBuf, E> {
                if path.contains("-----BEGIN") || path.contains('\n') { Err(E::custom(CLEAR_TEXT)) } else { Ok(path.into()) }
            }
        }
        deserializer.deserialize_any(Either).map(|file| Self { file })
    }
}
