//! What went wrong at the edge: kind, whether it may have taken effect, operation, context, cause.

use ridethrough_model::{Failure, FailureKind, TookEffect};
use std::fmt;

/// The result of a driver call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call to a device, platform or host. Remote failures default to [`TookEffect::Possible`]; `No` must be proven.
pub struct Error {
    kind: FailureKind,
    took_effect: TookEffect,
    operation: &'static str,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error that may have taken effect.
    #[must_use]
    pub fn new(kind: FailureKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { kind, took_effect: TookEffect::Possible, operation, message: message.into(), context: Vec::new(), source: None }
    }
    /// States as proven that nothing happened.
    #[must_use]
    pub fn no_effect(mut self) -> Self {
        self.took_effect = TookEffect::No;
        self
    }
    /// Adds where or with what. Never a secret.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, value.to_string()));
        self
    }
    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
    /// What kind.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }
    /// Whether it may have been carried out.
    #[must_use]
    pub fn took_effect(&self) -> TookEffect {
        self.took_effect
    }
    /// As the journal keeps it: one line with the whole chain of causes.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        let mut message = self.to_string();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(self);
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Failure { kind: self.kind, took_effect: self.took_effect, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)?;
        if !self.context.is_empty() {
            let parts: Vec<String> = self.context.iter().map(|(key, value)| format!("{key} {value}")).collect();
            write!(f, " ({})", parts.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {self}", self.kind, self.took_effect)?;
        if let Some(source) = &self.source {
            write!(f, ": {source:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
