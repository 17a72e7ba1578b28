//! Passwords and their hashes.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use argon2::{Argon2, Params};
use secrecy::{ExposeSecret, SecretString};

use crate::{FieldError, HashCost, HashPolicy, password_policy};

/// Longest hash that `auth.users.encrypted_password varchar(255)` holds.
const MAX_HASH_BYTES: usize = 255;
/// Most lanes of argon2 that are accepted, and dearest bcrypt, as log2 of its rounds.
const MAX_LANES: u32 = 16;
const MAX_BCRYPT_COST: u32 = 16;
/// Salt and result of a hash that no password has: zeros.
const NOBODYS: &str = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// How much of a password bcrypt looks at.
const BCRYPT_BYTES: usize = 72;
/// Cheapest bcrypt that is left as it is.
const MIN_BCRYPT_COST: u32 = 10;

/// A plain password that meets the policy. Debug shows nothing of it, and it is wiped from memory when dropped.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// Most bytes of a password: above any passphrase, below what makes hashing it a burden (OWASP Password Storage).
    pub const MAX_BYTES: usize = 1024;

    /// Checks a new password by the policy. `known` are the user's address, number and name, as far as they are at hand: a password that is no
    /// more than one of them is weak.
    ///
    /// # Errors
    /// Every reason at once, on `password`: `weak_password` below 8 characters, and for one of the ten thousand most used or one that is no
    /// harder to guess; `validation_failed` above 1024 bytes.
    pub fn parse(typed: SecretString, known: &[&str]) -> Result<Self, Vec<FieldError>> {
        let reasons = password_policy::reasons(typed.expose_secret(), known);
        if reasons.is_empty() { Ok(Self(typed)) } else { Err(reasons) }
    }

    /// Hashes with argon2id and a new salt, at the default cost: 19 MiB, two passes, one lane, about 30 ms of one core.
    ///
    /// # Panics
    /// As [`hash_with`](Self::hash_with).
    #[must_use]
    pub fn hash(&self) -> PasswordHash {
        self.hash_with(&HashPolicy::default())
    }

    /// The same at the cost of a policy.
    ///
    /// # Panics
    /// Where the operating system has no randomness, or not as much memory.
    #[must_use]
    pub fn hash_with(&self, policy: &HashPolicy) -> PasswordHash {
        let hash = policy.argon2().hash_password(self.0.expose_secret().as_bytes());
        PasswordHash(hash.expect("the parameters are valid, and randomness and memory are at hand").to_string().into())
    }
}

/// A password hash of a scheme that both registrar and Supabase Auth verify: a PHC string of argon2id or argon2i (version
/// 19), or bcrypt in modular crypt format (`$2a$`, `$2b$`, `$2y$`). Debug shows nothing of it.
#[derive(Debug, Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Checks that a string is such a hash, complete, and no dearer to verify than the default policy allows.
    ///
    /// # Errors
    /// As [`parse_within`](Self::parse_within).
    pub fn parse(hash: SecretString) -> Result<Self, FieldError> {
        Self::parse_within(&HashPolicy::default(), hash)
    }

    /// Checks that a string is such a hash, complete, and no dearer to verify than a policy allows (argon2), or cost 16 (bcrypt).
    ///
    /// # Errors
    /// `validation_failed` on `password_hash`, with the accepted schemes as hint; the hash is never repeated.
    pub fn parse_within(policy: &HashPolicy, hash: SecretString) -> Result<Self, FieldError> {
        let refused = |message: &'static str| {
            FieldError::invalid("password_hash", message)
                .with_hint("Accepted are PHC strings of argon2id and argon2i (v=19), and bcrypt ($2a$, $2b$, $2y$).")
        };
        let text = hash.expose_secret();
        if text.len() > MAX_HASH_BYTES {
            return Err(refused("The password hash is longer than 255 characters."));
        }
        let cost = if text.starts_with("$argon2") { argon2_cost(text, policy.dearest) } else { bcrypt_cost(text) };
        match cost {
            None => Err(refused("This is not a password hash of a known scheme.")),
            Some(Cost::Excessive) => Err(refused("The password hash is too costly to verify.")),
            Some(Cost::Bearable) => Ok(Self(hash)),
        }
    }

    /// The hash, to be stored.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// A newer hash of a password that was verified against this one, where this one is cheaper than the policy's: argon2id with less memory
    /// or fewer passes, argon2i, or bcrypt below cost 10 (OWASP Password Storage Cheat Sheet). bcrypt has seen the first 72 bytes only: of a
    /// longer password it is not known whether the rest is right, and it stays as it is.
    #[must_use]
    pub fn renewed(&self, policy: &HashPolicy, verified: &SecretString) -> Option<Self> {
        let is_known_whole = self.expose().starts_with("$argon2") || verified.expose_secret().len() <= BCRYPT_BYTES;
        (self.is_outdated(policy) && is_known_whole).then(|| Password(verified.clone()).hash_with(policy))
    }

    fn is_outdated(&self, policy: &HashPolicy) -> bool {
        let text = self.expose();
        if !text.starts_with("$argon2") {
            let parts: Option<bcrypt::HashParts> = text.parse().ok();
            return parts.is_none_or(|parts| parts.get_cost() < MIN_BCRYPT_COST);
        }
        let Ok(hash) = phc::PasswordHash::new(text) else { return true };
        let cost = Params::try_from(&hash).map(|params| HashCost { memory: params.m_cost(), passes: params.t_cost() });
        hash.algorithm.as_str() != "argon2id" || cost.is_ok_and(|cost| cost.is_below(policy.new))
    }

    /// A hash at the cost of new ones that is nobody's, to be verified for who has none: the time shall not tell whether there is
    /// such a user.
    #[must_use]
    pub fn nobodys(policy: &HashPolicy) -> Self {
        let argon2 = policy.argon2();
        let (memory, passes) = (argon2.params().m_cost(), argon2.params().t_cost());
        Self(format!("$argon2id$v=19$m={memory},t={passes},p=1${NOBODYS}").into())
    }

    /// Whether the password is the one that was hashed. Costs what the hash was made to cost.
    #[must_use]
    pub fn verify(&self, password: &SecretString) -> bool {
        let (hash, password) = (self.expose(), password.expose_secret());
        if hash.starts_with("$argon2") {
            phc::PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        } else {
            bcrypt::verify(password, hash).unwrap_or(false)
        }
    }
}

enum Cost {
    Bearable,
    Excessive,
}

fn cost(excessive: bool) -> Cost {
    if excessive { Cost::Excessive } else { Cost::Bearable }
}

fn argon2_cost(text: &str, dearest: HashCost) -> Option<Cost> {
    let hash = phc::PasswordHash::new(text).ok()?;
    let known = matches!(hash.algorithm.as_str(), "argon2id" | "argon2i");
    if !known || hash.version != Some(19) || hash.salt.is_none() || hash.hash.is_none() {
        return None;
    }
    let params = Params::try_from(&hash).ok()?;
    let HashCost { memory, passes } = dearest;
    Some(cost(params.m_cost() > memory || params.t_cost() > passes || params.p_cost() > MAX_LANES))
}

fn bcrypt_cost(text: &str) -> Option<Cost> {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    let parts: bcrypt::HashParts = text.parse().ok().filter(|_| known && text.len() == 60)?;
    (4..=31).contains(&parts.get_cost()).then(|| cost(parts.get_cost() > MAX_BCRYPT_COST))
}

/// What a caller sends as the user's password: the plain one, its hash, or (as `Option::None`) neither.
#[derive(Debug, Clone)]
pub enum Credential {
    /// To be hashed where it arrives.
    Password(Password),
    /// To be stored as it is.
    Hash(PasswordHash),
}

impl Credential {
    /// Reads what was sent, of which there can be one only. `known` is as in [`Password::parse`].
    ///
    /// # Errors
    /// Those of [`Password::parse`] and [`PasswordHash::parse`], and `validation_failed` where both were sent.
    pub fn parse(
        hash: Option<SecretString>,
        password: Option<SecretString>,
        known: &[&str],
        policy: &HashPolicy,
    ) -> Result<Option<Self>, Vec<FieldError>> {
        match (hash, password) {
            (None, None) => Ok(None),
            (Some(hash), None) => {
                PasswordHash::parse_within(policy, hash).map(|hash| Some(Self::Hash(hash))).map_err(|error| vec![error])
            }
            (None, Some(password)) => Password::parse(password, known).map(|password| Some(Self::Password(password))),
            (Some(_), Some(_)) => {
                let both = FieldError::invalid("password_hash", "Both a password and a password hash were sent.");
                Err(vec![both.with_hint("Send one of them.")])
            }
        }
    }

    /// The hash to store, made now where only the password is known.
    #[must_use]
    pub fn into_hash(self, policy: &HashPolicy) -> PasswordHash {
        match self {
            Self::Password(password) => password.hash_with(policy),
            Self::Hash(hash) => hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    /// `openbsd` test vector of bcrypt: the password is `U*U`.
    const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    /// The argon2id vector of the reference implementation's command line: `password`, `somesalt`, -t 2 -m 16 -p 1.
    const ARGON2ID: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    fn parse(hash: &str) -> Result<PasswordHash, FieldError> {
        PasswordHash::parse(hash.into())
    }

    #[test]
    fn published_vectors_verify() {
        assert!(parse(BCRYPT).unwrap().verify(&"U*U".into()));
        assert!(!parse(BCRYPT).unwrap().verify(&"U*V".into()));
        assert!(parse(ARGON2ID).unwrap().verify(&"password".into()));
        assert!(!parse(ARGON2ID).unwrap().verify(&"Password".into()));
    }

    #[test]
    fn hashing_uses_the_documented_parameters_and_verifies() {
        let hash = Password::parse("correct horse battery staple".into(), &[]).unwrap().hash();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash.verify(&"correct horse battery staple".into()));
        assert!(parse(hash.expose()).is_ok());
    }

    #[test]
    fn a_hash_that_is_cheaper_than_todays_is_outdated() {
        assert!(!Password::parse("correct horse".into(), &[]).unwrap().hash().is_outdated(&HashPolicy::default()));
        assert!(parse(BCRYPT).unwrap().is_outdated(&HashPolicy::default()), "cost 5");
        assert!(!parse(&BCRYPT.replace("$05$", "$10$")).unwrap().is_outdated(&HashPolicy::default()));
        assert!(!parse(ARGON2ID).unwrap().is_outdated(&HashPolicy::default()));
        assert!(parse(&ARGON2ID.replace("argon2id", "argon2i")).unwrap().is_outdated(&HashPolicy::default()));
        assert!(parse(&ARGON2ID.replace("m=65536", "m=19455")).unwrap().is_outdated(&HashPolicy::default()));
        assert!(parse(&ARGON2ID.replace("t=2", "t=1")).unwrap().is_outdated(&HashPolicy::default()));
    }

    #[test]
    fn a_newer_hash_is_made_only_of_a_password_that_was_verified_whole() {
        let cheap = |password: &str| parse(&bcrypt::hash(password, 4).unwrap()).unwrap();
        let (short, long) = ("p".repeat(72), "p".repeat(73));
        assert!(cheap(&short).renewed(&HashPolicy::default(), &short.as_str().into()).unwrap().verify(&short.into()));
        assert!(cheap(&long).verify(&format!("{}?", &long[..72]).into()), "bcrypt does not see the last byte");
        assert!(cheap(&long).renewed(&HashPolicy::default(), &long.into()).is_none());
        assert!(parse(ARGON2ID).unwrap().renewed(&HashPolicy::default(), &"password".into()).is_none());
    }

    #[test]
    fn nobodys_hash_costs_what_todays_does() {
        let [nobodys, todays] = [
            PasswordHash::nobodys(&HashPolicy::default()),
            Password::parse("correct horse".into(), &[]).unwrap().hash(),
        ];
        let begins = |hash: &PasswordHash| hash.expose().rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(begins(&nobodys), begins(&todays));
        assert_eq!(nobodys.expose().len(), todays.expose().len());
        assert!(parse(nobodys.expose()).is_ok() && !nobodys.verify(&"correct horse".into()));
    }

    #[test]
    fn a_policy_of_other_costs_decides_what_is_cheap_and_what_too_dear() {
        let costs = |memory, passes| HashCost { memory, passes };
        let policy = HashPolicy { new: costs(32, 3), dearest: costs(64 * 1024, 3) };
        let hash = Password::parse("correct horse".into(), &[]).unwrap().hash_with(&policy);
        assert!(hash.expose().starts_with("$argon2id$v=19$m=32,t=3,p=1$") && !hash.is_outdated(&policy));
        assert!(PasswordHash::nobodys(&policy).expose().starts_with("$argon2id$v=19$m=32,t=3,p=1$"));
        let parse = |hash: String| PasswordHash::parse_within(&policy, hash.into());
        assert!(parse(ARGON2ID.to_owned()).is_ok() && parse(ARGON2ID.replace("m=65536", "m=65537")).is_err());
        assert!(parse(ARGON2ID.replace("t=2", "t=4")).is_err());
        let impossible = HashPolicy { new: costs(0, 0), ..policy };
        assert!(
            Password::parse("correct horse".into(), &[]).unwrap().hash_with(&impossible).expose().contains("m=8,t=1")
        );
    }

    #[test]
    fn what_is_no_complete_known_hash_is_refused() {
        let truncated = &BCRYPT[..59];
        let unknown = BCRYPT.replace("$2a$", "$2z$");
        for hash in [
            "",
            "password",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            truncated,
            &format!("{BCRYPT}a"),
            &unknown,
            "$2a$05$",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$AAAAAAAA",
            "$argon2x$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$",
            "$1$salt$x",
            "pbkdf2_sha256$600000$salt$hash",
            &"$".repeat(300),
        ] {
            assert_eq!(parse(hash).unwrap_err().code, ErrorCode::ValidationFailed, "{hash}");
        }
    }

    #[test]
    fn a_hash_that_would_stall_the_server_is_refused() {
        for hash in [
            ARGON2ID.replace("m=65536", "m=4194304"),
            ARGON2ID.replace("t=2", "t=4000000000"),
            BCRYPT.replace("$05$", "$31$"),
        ] {
            assert!(parse(&hash).unwrap_err().message.contains("costly"), "{hash}");
        }
        assert!(parse(&BCRYPT.replace("$05$", "$00$")).is_err());
        assert!(parse(&BCRYPT.replace("$05$", "$99$")).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let password = Password::parse("correct horse".into(), &[]).unwrap();
        let shown = format!("{:?} {:?}", password, Credential::Hash(parse(BCRYPT).unwrap()));
        assert!(!shown.contains("horse") && !shown.contains("CCCC"), "{shown}");
    }
}
