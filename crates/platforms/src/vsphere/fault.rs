//! What went wrong with a call, and vSphere's faults in our words. Pure; what is odd about vSphere is written here.

use super::soap::Fault;
use ridethrough_driver::{Error, FailureKind, TookEffect};
use ridethrough_model::Failure;

/// Why a call gave no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// No connection: nothing was sent.
    #[error("{0}")]
    NoConnection(String),
    /// It is not who we were told, or does not take our login.
    #[error("{0}")]
    Unauthorized(String),
    /// The call's time is over.
    #[error("no answer in time")]
    TooLate { sent: bool },
    /// The connection broke, or the answer did.
    #[error("{0}")]
    Lost(String),
    /// What came back is not what was asked for.
    #[error("its answer makes no sense: {0}")]
    Garbage(String),
    /// There is no service behind the address at the moment: vCenter is starting or stopping.
    #[error("vSphere's service is not up there (HTTP {0})")]
    NoService(u16),
    /// It said no.
    #[error("{}", .0.words())]
    Fault(Fault),
}

impl CallError {
    pub(super) fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Fault(fault) if fault.kind == kind)
    }

    /// Nobody is there, as far as can be told.
    pub(super) fn is_loss(&self) -> bool {
        matches!(self, Self::NoConnection(_) | Self::TooLate { .. } | Self::Lost(_) | Self::NoService(_))
    }

    /// As a driver's error: kind, and `TookEffect::No` where that is proven.
    pub(super) fn into_error(self, operation: &'static str) -> Error {
        let (kind, is_proven) = match &self {
            Self::NoConnection(_) | Self::NoService(_) => (FailureKind::Unreachable, true),
            Self::Unauthorized(_) => (FailureKind::Unauthorized, true),
            Self::TooLate { sent } => (if *sent { FailureKind::Unreachable } else { FailureKind::Busy }, !*sent),
            Self::Lost(_) => (FailureKind::Unreachable, false),
            Self::Garbage(_) => (FailureKind::Protocol, false),
            Self::Fault(fault) => classify(&fault.kind),
        };
        let error = Error::new(kind, operation, self.to_string());
        if is_proven { error.no_effect() } else { error }
    }
}

/// The kind, and whether it is proven that nothing happened. vSphere checks rights and states before it begins; once a task runs,
/// its error is judged by what is observed.
pub(super) fn classify(kind: &str) -> (FailureKind, bool) {
    match kind {
        "InvalidLogin"
        | "NotAuthenticated"
        | "NoPermission"
        | "RestrictedByAdministrator"
        | "HostAccessRestrictedToManagementServer"
        | "InvalidLocale"
        | "RestrictedVersion"
        | "InvalidClientCertificate"
        | "LicenseRestricted" => (FailureKind::Unauthorized, true),
        "ManagedObjectNotFound" | "NotFound" => (FailureKind::NotFound, true),
        // Something else is being done to it, or too much at once: the same may work later.
        "TaskInProgress"
        | "ConcurrentAccess"
        | "ResourceInUse"
        | "InUse"
        | "LimitExceeded"
        | "TooManyTasks"
        | "VAppTaskInProgress"
        | "ActiveVMsBlockingEVC"
        | "HeterogenousHostsBlockingEVC"
        | "FileLocked"
        | "SnapshotMoveNotSupported" => (FailureKind::Busy, true),
        "NotSupported"
        | "MethodNotFound"
        | "NotImplemented"
        | "MethodDisabled"
        | "MethodAlreadyDisabledFault"
        | "InvalidType"
        | "NotEnoughLicenses"
        | "LicenseExpired"
        | "FeatureRequirementsNotMet" => (FailureKind::Unsupported, true),
        // Checked before anything is touched.
        "InvalidPowerState"
        | "InvalidState"
        | "ToolsUnavailable"
        | "InvalidArgument"
        | "InvalidRequest"
        | "QuestionPending"
        | "InvalidHostState"
        | "InvalidVmState"
        | "InvalidVmConfig"
        | "InvalidDatastore"
        | "InvalidFolder"
        | "DisallowedOperationOnFailoverHost"
        | "AdminDisabled"
        | "InvalidName"
        | "InvalidProperty" => (FailureKind::Refused, true),
        // No room, or admission control of HA keeps it.
        "InsufficientResourcesFault"
        | "InsufficientMemoryResourcesFault"
        | "InsufficientCpuResourcesFault"
        | "InsufficientHostCapacityFault"
        | "InsufficientFailoverResourcesFault"
        | "InsufficientStandbyResource"
        | "InsufficientAgentVmsDeployed"
        | "NoCompatibleHost"
        | "NoCompatibleHardAffinityHost"
        | "InsufficientHostMemoryCapacityFault"
        | "InsufficientHostCpuCapacityFault" => (FailureKind::Refused, true),
        "HostNotConnected" | "HostNotReachable" | "NoHost" => (FailureKind::Unreachable, true),
        "HostCommunication" | "HostConnectFault" | "Timedout" | "NetworkDisruptedAndConfigRolledBack" => {
            (FailureKind::Unreachable, false)
        }
        _ => (FailureKind::Refused, false),
    }
}

/// An end without the wanted state, of which nothing more can come.
pub(super) fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure { kind, took_effect: TookEffect::No, message: message.into() }
}

/// The end of a task that failed.
pub(super) fn task_failure(fault: &Fault) -> Failure {
    failure(classify(&fault.kind).0, fault.words())
}

/// An error of which it is proven that nothing happened.
pub(super) fn declined(kind: FailureKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, operation, message).no_effect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fault_means_and_whether_anything_happened() {
        let of = |kind: &str| CallError::Fault(Fault::new(kind, "words")).into_error("x");
        for (fault, kind, took_effect) in [
            ("InvalidLogin", FailureKind::Unauthorized, TookEffect::No),
            ("NoPermission", FailureKind::Unauthorized, TookEffect::No),
            ("ManagedObjectNotFound", FailureKind::NotFound, TookEffect::No),
            ("TaskInProgress", FailureKind::Busy, TookEffect::No),
            ("ToolsUnavailable", FailureKind::Refused, TookEffect::No),
            ("InvalidPowerState", FailureKind::Refused, TookEffect::No),
            ("MethodNotFound", FailureKind::Unsupported, TookEffect::No),
            ("HostCommunication", FailureKind::Unreachable, TookEffect::Possible),
            // A fault nobody has heard of proves nothing.
            ("QuantumFault", FailureKind::Refused, TookEffect::Possible),
            ("", FailureKind::Refused, TookEffect::Possible),
        ] {
            let error = of(fault);
            assert_eq!((error.kind(), error.took_effect()), (kind, took_effect), "{fault}");
        }
    }

    #[test]
    fn what_was_not_sent_had_no_effect() {
        for (error, took_effect) in [
            (CallError::NoConnection(String::new()), TookEffect::No),
            (CallError::NoService(503), TookEffect::No),
            (CallError::TooLate { sent: false }, TookEffect::No),
            (CallError::TooLate { sent: true }, TookEffect::Possible),
            (CallError::Lost(String::new()), TookEffect::Possible),
            (CallError::Garbage(String::new()), TookEffect::Possible),
        ] {
            assert_eq!(error.clone().into_error("x").took_effect(), took_effect, "{error:?}");
        }
    }
}
