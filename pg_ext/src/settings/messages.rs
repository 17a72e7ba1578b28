//! The settings of what is sent to users: one-time codes, and tokens to reset a password with.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

use super::Number;

/// 10 minutes: the longest that NIST SP 800-63B-4 §3.1.3.2 lets an out-of-band secret live.
static OTP_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(10 * 60);

/// 5: who reads the code from a message does not need more, and of a million codes five are found in one of 200,000 challenges (NIST SP
/// 800-63B-4 §3.2.2 asks for a limit where a secret has less than 64 bits).
static OTP_MAX_TRIES: GucSetting<i32> = GucSetting::<i32>::new(5);

/// Off: whether an address or number that nobody registered becomes a user is the app's to say.
static OTP_CREATES_USERS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// 60 seconds: a message takes that long to arrive, and each costs the app money (Supabase Auth has the same default).
static SEND_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(60);

/// 5 an hour: above what somebody needs who mistypes, below what fills a mailbox or guesses a code: 25 tries an hour of a million (OWASP
/// Forgot Password Cheat Sheet, "protect against flooding").
static MAX_SENDS_PER_RECIPIENT: GucSetting<i32> = GucSetting::<i32>::new(5);

/// 100 an hour: an office or a mobile carrier behind one address; whoever pumps messages to numbers of their own needs thousands.
static MAX_SENDS_PER_ADDRESS: GucSetting<i32> = GucSetting::<i32>::new(100);

/// 30 minutes: time to find the message, and little for whoever finds the mailbox open later (OWASP Forgot Password Cheat Sheet asks for
/// "an appropriate period").
static PASSWORD_RESET_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(30 * 60);

/// 10 minutes: who has just signed in need not prove it again; who finds a device unlocked does (OWASP Authentication Cheat Sheet,
/// "Require Re-authentication for Sensitive Features").
static FRESH_SESSION: GucSetting<i32> = GucSetting::<i32>::new(10 * 60);

pub(super) fn define() {
    let settings = [
        Number {
            name: c"registrar.otp_lifetime",
            meaning: c"How long a one-time code is valid.",
            detail: c"The setting in force when the code is made decides.",
            setting: &OTP_LIFETIME,
            range: 30..=3600,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.otp_max_tries",
            meaning: c"How often a one-time code may be guessed at before it is void.",
            detail: c"A new code may be asked for all the same.",
            setting: &OTP_MAX_TRIES,
            range: 1..=100,
            unit: GucFlags::empty(),
        },
        Number {
            name: c"registrar.send_interval",
            meaning: c"How long after a message the next one of its kind may be sent to the same address or number.",
            detail: c"Of one-time codes, and of tokens to reset a password with.",
            setting: &SEND_INTERVAL,
            range: 0..=3600,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.max_sends_per_recipient",
            meaning: c"How many messages of a kind may be sent to one address or number within an hour.",
            detail: c"Of one-time codes, and of tokens to reset a password with.",
            setting: &MAX_SENDS_PER_RECIPIENT,
            range: 1..=1000,
            unit: GucFlags::empty(),
        },
        Number {
            name: c"registrar.max_sends_per_address",
            meaning: c"How many messages of a kind may be asked for from one network address within an hour.",
            detail: c"0 sets no limit. The address is the one that registrar.trusted_proxies vouch for.",
            setting: &MAX_SENDS_PER_ADDRESS,
            range: 0..=1_000_000,
            unit: GucFlags::empty(),
        },
        Number {
            name: c"registrar.password_reset_lifetime",
            meaning: c"How long a token to reset a password with is valid.",
            detail: c"The setting in force when the token is made decides.",
            setting: &PASSWORD_RESET_LIFETIME,
            range: 60..=24 * 3600,
            unit: GucFlags::UNIT_S,
        },
        Number {
            name: c"registrar.fresh_session",
            meaning: c"How long after signing in a user may change the password without the current one.",
            detail: c"0 asks for the current one always.",
            setting: &FRESH_SESSION,
            range: 0..=24 * 3600,
            unit: GucFlags::UNIT_S,
        },
    ];
    settings.into_iter().for_each(Number::define);
    GucRegistry::define_bool_guc(
        c"registrar.otp_creates_users",
        c"Whether a one-time code for an address or number that nobody has makes a user.",
        c"Where it is off, the answer is user_not_found.",
        &OTP_CREATES_USERS,
        GucContext::Suset,
        GucFlags::empty(),
    );
}

/// Life of a one-time code, in seconds.
pub(crate) fn otp_lifetime() -> i32 {
    OTP_LIFETIME.get()
}

/// Guesses at a one-time code.
pub(crate) fn otp_max_tries() -> i32 {
    OTP_MAX_TRIES.get()
}

/// Whether a one-time code makes a user where there is none.
pub(crate) fn otp_creates_users() -> bool {
    OTP_CREATES_USERS.get()
}

/// Time between two messages to one recipient, in seconds.
pub(crate) fn send_interval() -> i32 {
    SEND_INTERVAL.get()
}

/// Messages to one recipient within an hour.
pub(crate) fn max_sends_per_recipient() -> i64 {
    MAX_SENDS_PER_RECIPIENT.get().into()
}

/// Messages asked for from one network address within an hour; `None` where there is no limit.
pub(crate) fn max_sends_per_address() -> Option<i64> {
    Some(MAX_SENDS_PER_ADDRESS.get()).filter(|&limit| limit > 0).map(i64::from)
}

/// Life of a token to reset a password with, in seconds.
pub(crate) fn password_reset_lifetime() -> i32 {
    PASSWORD_RESET_LIFETIME.get()
}

/// How long a session counts as fresh, in seconds.
pub(crate) fn fresh_session() -> i32 {
    FRESH_SESSION.get()
}
