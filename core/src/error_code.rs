//! The error codes of the contract: one code, one HTTP status, one meaning, one thing to do.

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($variant:ident = $name:literal, $status:literal, $meaning:literal, $hint:literal;)*) => {
        /// Why a call was refused. The HTTP status of an answer follows from its code.
        ///
        /// The enum is the one definition: `registrar.error_codes()` lists it in SQL and `docs/errors.md` documents it;
        /// a test holds the three together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
            /// A code that this version does not know: the other end is newer. Update it to learn more.
            #[serde(other)]
            Unknown,
        }

        impl ErrorCode {
            /// Every code of the contract, in the order of the documentation.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The code as it stands in an answer, e.g. `email_exists`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)* ErrorCode::Unknown => "unknown" }
            }

            /// The HTTP status (RFC 9110) of an answer whose outcome is this code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(ErrorCode::$variant => $status,)* ErrorCode::Unknown => 500 }
            }

            /// What the code means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(ErrorCode::$variant => $meaning,)* ErrorCode::Unknown => "An unknown code." }
            }

            /// What the caller can do about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(ErrorCode::$variant => $hint,)* ErrorCode::Unknown => "Update the client." }
            }
        }
    };
}

error_codes! {
    ValidationFailed = "validation_failed", 400, "A field is missing or malformed.",
        "Correct the fields listed in errors and call again.";
    InvalidCredentials = "invalid_credentials", 401, "The identifier or the password is wrong.",
        "Check both, or reset the password.";
    TokenInvalid = "token_invalid", 401, "The token is unknown, already used or replaced by a newer one.",
        "Use the newest message, or ask for a new token with resend_verification.";
    SessionExpired = "session_expired", 401, "The session has ended.",
        "Sign in again.";
    Forbidden = "forbidden", 403, "The caller may not do this.",
        "Call with a key or a user that has the right to.";
    NotConfirmed = "not_confirmed", 403, "The e-mail address or phone number is not confirmed yet.",
        "Confirm it with the newest message, or ask for a new one.";
    UserBanned = "user_banned", 403, "The user is banned.",
        "An administrator can lift the ban.";
    UserNotFound = "user_not_found", 404, "There is no such user.",
        "Check the identifier, or register the user.";
    ProfileNotFound = "profile_not_found", 404, "The user has no profile.",
        "Create one with create_profile.";
    EmailExists = "email_exists", 409, "The e-mail address belongs to a confirmed user.",
        "Sign in, or reset the password.";
    PhoneExists = "phone_exists", 409, "The phone number belongs to another user.",
        "Sign in with it, or use another number.";
    ProfileExists = "profile_exists", 409, "The user already has a profile.",
        "Change it with update_profile.";
    UserDeleted = "user_deleted", 410, "The user was deleted.",
        "Register again.";
    TokenExpired = "token_expired", 410, "The token is past its life.",
        "Ask for a new one with resend_verification.";
    OtpExpired = "otp_expired", 410, "The one-time code is past its life.",
        "Ask for a new one with send_otp.";
    WeakPassword = "weak_password", 422, "The password does not meet the policy.",
        "Choose a longer one; every reason is listed in errors.";
    InvalidRole = "invalid_role", 422, "The role is not one of registrar_private.roles.",
        "Use one of the roles the hint names, or have the owner add it.";
    Locked = "locked", 423, "Too many failed attempts; the account is locked for a while.",
        "Wait, or reset the password.";
    RateLimited = "rate_limited", 429, "Too many requests.",
        "Wait as long as Retry-After says.";
    Internal = "internal", 500, "The database refused a statement; nothing was written.",
        "A superuser finds the cause in the newest row of registrar_private.audit_log with outcome internal.";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_itself() {
        for &code in ErrorCode::ALL {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), code);
        }
    }

    #[test]
    fn a_code_of_a_newer_server_is_unknown_not_an_error() {
        assert_eq!(serde_json::from_str::<ErrorCode>("\"quantum_flux\"").unwrap(), ErrorCode::Unknown);
    }

    #[test]
    fn every_status_is_a_client_or_server_error() {
        for code in ErrorCode::ALL {
            assert!((400..=599).contains(&code.status()), "{code}");
        }
    }
}
