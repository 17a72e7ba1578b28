//! The ways in which passwords are hashed, here and elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a password was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HashScheme {
    /// argon2id (RFC 9106), what registrar makes itself.
    Argon2id,
    /// argon2i.
    Argon2i,
    /// argon2d.
    Argon2d,
    /// bcrypt: `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// bcrypt as `crypt_blowfish` made it up to 1.0.4, wrong for characters beyond ASCII: `$2x$`.
    #[serde(rename = "bcrypt_2x")]
    Bcrypt2x,
    /// bcrypt of a SHA-256, by Django or passlib.
    BcryptSha256,
    /// PBKDF2 (RFC 8018) with HMAC-SHA-1, by Django, passlib or Werkzeug.
    Pbkdf2Sha1,
    /// PBKDF2 with HMAC-SHA-256.
    Pbkdf2Sha256,
    /// PBKDF2 with HMAC-SHA-512.
    Pbkdf2Sha512,
    /// scrypt (RFC 7914), by Django, passlib or Werkzeug.
    Scrypt,
    /// Firebase's scrypt, under the key of its project: `$fbscrypt$`, as Supabase Auth writes it.
    FirebaseScrypt,
    /// The portable hash of phpass, by WordPress, Drupal 6 or phpBB: `$P$`, `$H$`.
    Phpass,
    /// SHA-256-crypt: `$5$`.
    Sha256Crypt,
    /// SHA-512-crypt: `$6$`.
    Sha512Crypt,
    /// One SHA-1, salted or not: weak.
    Sha1,
    /// One MD5, salted or not: weak.
    Md5,
}

impl HashScheme {
    /// Whether an app's pepper is behind passwords of this scheme: Devise makes bcrypt.
    #[must_use]
    pub fn takes_pepper(self) -> bool {
        matches!(self, Self::Bcrypt | Self::Bcrypt2x)
    }

    /// The name, as reports have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argon2id => "argon2id",
            Self::Argon2i => "argon2i",
            Self::Argon2d => "argon2d",
            Self::Bcrypt => "bcrypt",
            Self::Bcrypt2x => "bcrypt_2x",
            Self::BcryptSha256 => "bcrypt_sha256",
            Self::Pbkdf2Sha1 => "pbkdf2_sha1",
            Self::Pbkdf2Sha256 => "pbkdf2_sha256",
            Self::Pbkdf2Sha512 => "pbkdf2_sha512",
            Self::Scrypt => "scrypt",
            Self::FirebaseScrypt => "firebase_scrypt",
            Self::Phpass => "phpass",
            Self::Sha256Crypt => "sha256_crypt",
            Self::Sha512Crypt => "sha512_crypt",
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
        }
    }
}

impl fmt::Display for HashScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
