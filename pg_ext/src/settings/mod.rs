//! The settings of the extension (`registrar.…`), each with why its default is its default.
//!
//! All are `SUSET`: the owner sets them with `ALTER DATABASE … SET` or `ALTER SYSTEM`, a session cannot weaken them.

use std::ffi::{CStr, CString};
use std::ops::RangeInclusive;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use registrar_core::{Region, Rules};

use crate::pg::configuration;

mod messages;
mod password_hashes;
mod sessions;
mod sign_in;

pub(crate) use messages::{
    fresh_session, max_sends_per_address, max_sends_per_recipient, otp_creates_users, otp_lifetime, otp_max_tries,
    password_reset_lifetime, send_interval,
};
pub(crate) use password_hashes::{export_password_hashes, hash_policy};
pub(crate) use sessions::{
    access_token_lifetime, jwt_secret, refresh_grace, session_idle_timeout, session_lifetime, session_token_lifetime,
};
pub(crate) use sign_in::{sign_in_failures_to_longest_lockout, sign_in_lockout, sign_in_max_failures_per_address};

/// 30 minutes: long enough for a slow mail server and a distracted reader, short enough that a mailbox opened later by
/// somebody else holds no live token (OWASP Forgot Password Cheat Sheet: tokens "expire after an appropriate period").
static VERIFICATION_TOKEN_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(30 * 60);

/// Empty: a number without a country code is ambiguous, and guessing the country would send codes to strangers.
static DEFAULT_PHONE_REGION: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// 16 KiB: user metadata stands in every Supabase access token, and proxies limit a header to 8 to 16 KiB.
static MAX_METADATA_BYTES: GucSetting<i32> = GucSetting::<i32>::new(16 * 1024);

/// 1: the gateway stands behind one proxy (Kong in self-hosted Supabase), which appends the address it was called from to
/// X-Forwarded-For. What stands further left was sent by the client and may be made up.
static TRUSTED_PROXIES: GucSetting<i32> = GucSetting::<i32>::new(1);

/// A setting that is a number.
struct Number {
    name: &'static CStr,
    meaning: &'static CStr,
    detail: &'static CStr,
    setting: &'static GucSetting<i32>,
    range: RangeInclusive<i32>,
    unit: GucFlags,
}

impl Number {
    fn define(self) {
        let (least, most) = (*self.range.start(), *self.range.end());
        let context = GucContext::Suset;
        GucRegistry::define_int_guc(
            self.name,
            self.meaning,
            self.detail,
            self.setting,
            least,
            most,
            context,
            self.unit,
        );
    }
}

/// Makes the settings known to PostgreSQL; called once, when the library is loaded.
pub(crate) fn define() {
    GucRegistry::define_int_guc(
        c"registrar.verification_token_lifetime",
        c"How long a verification token is valid.",
        c"A token lives from the registration or the resend that made it; the setting in force then decides.",
        &VERIFICATION_TOKEN_LIFETIME,
        60,
        7 * 24 * 3600,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_string_guc(
        c"registrar.default_phone_region",
        c"Country whose national phone numbers are understood (ISO 3166-1 alpha-2, like US).",
        c"Where it is empty, only numbers with a country code are accepted.",
        &DEFAULT_PHONE_REGION,
        GucContext::Suset,
        GucFlags::empty(),
    );
    GucRegistry::define_int_guc(
        c"registrar.max_metadata_bytes",
        c"Largest p_metadata of a registration, as JSON text.",
        c"Larger documents belong in a table of the app's own.",
        &MAX_METADATA_BYTES,
        0,
        1024 * 1024,
        GucContext::Suset,
        GucFlags::UNIT_BYTE,
    );
    GucRegistry::define_int_guc(
        c"registrar.trusted_proxies",
        c"Number of proxies before the gateway that append to X-Forwarded-For.",
        c"The address in the audit log is that many entries from the right; 0 ignores the header.",
        &TRUSTED_PROXIES,
        0,
        16,
        GucContext::Suset,
        GucFlags::empty(),
    );
    messages::define();
    password_hashes::define();
    sessions::define();
    sign_in::define();
    configuration::reserve_prefix(c"registrar");
}

/// Life of a verification token, in seconds.
pub(crate) fn verification_token_lifetime() -> i32 {
    VERIFICATION_TOKEN_LIFETIME.get()
}

/// The rules that a registration is checked by. A region that is no country's is as none.
pub(crate) fn rules() -> Rules {
    let region = DEFAULT_PHONE_REGION.get();
    Rules {
        default_phone_region: region.as_deref().and_then(|code| code.to_str().ok()).and_then(Region::parse),
        max_metadata_bytes: usize::try_from(MAX_METADATA_BYTES.get()).unwrap_or_default(),
        hashes: hash_policy(),
    }
}

/// How many entries of X-Forwarded-For, from the right, come from proxies that are trusted.
pub(crate) fn trusted_proxies() -> usize {
    usize::try_from(TRUSTED_PROXIES.get()).unwrap_or_default()
}
