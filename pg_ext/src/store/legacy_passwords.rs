//! `registrar_private.legacy_passwords`: imported hashes that Supabase Auth cannot verify. In `auth.users` a reference stands for each; it
//! goes when the password is replaced, whoever replaces it.

use pgrx::pg_sys::BuiltinOid::{TEXTOID, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{HashPolicy, PasswordHash};
use secrecy::SecretString;
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;

/// What a reference begins with; the uuid of its hash follows.
pub(super) const REFERENCE: &str = "$registrar-legacy$";

static FIND: Statement = Statement::new(
    "SELECT l.hash, p.pepper
     FROM registrar_private.legacy_passwords AS l
     LEFT JOIN registrar_private.legacy_peppers AS p ON p.id = l.pepper_id
     WHERE l.user_id = $1 AND l.reference::text = $2",
    &[UUIDOID, TEXTOID],
);

/// The hash that a reference stands for; `None` where it is none, or too dear by today's policy.
pub(super) fn find(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    reference: &str,
    policy: &HashPolicy,
) -> Option<PasswordHash> {
    let row = FIND.run(client, &[pg_uuid(user_id).into(), reference.into()]).first();
    let (hash, pepper) = row.get_two::<String, String>().ok()?;
    PasswordHash::stored(policy, hash?.into(), pepper.map(SecretString::from))
}

static FORGET: Statement =
    Statement::new("DELETE FROM registrar_private.legacy_passwords WHERE user_id = $1", &[UUIDOID]);

/// Deletes the hash of a user who has another by now.
pub(super) fn forget(client: &mut SpiClient<'_>, user_id: Uuid) {
    FORGET.run(client, &[pg_uuid(user_id).into()]);
}
