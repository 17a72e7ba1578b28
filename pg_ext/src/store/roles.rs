//! `registrar_private.roles`.

use pgrx::pg_sys::BuiltinOid::TEXTOID;
use pgrx::spi::SpiClient;
use registrar_core::{ErrorCode, FieldError};

use super::plans::Statement;

static FIND: Statement = Statement::new("SELECT name FROM registrar_private.roles WHERE name = $1", &[TEXTOID]);
static DEFAULT: Statement = Statement::new("SELECT name FROM registrar_private.roles WHERE is_default", &[]);
static ALL: Statement = Statement::new("SELECT string_agg(name, ', ' ORDER BY name) FROM registrar_private.roles", &[]);

/// The role of that name, or the default one.
///
/// # Errors
/// `invalid_role` on `role`, naming the roles there are.
pub(crate) fn resolve(client: &mut SpiClient<'_>, name: Option<&str>) -> Result<String, FieldError> {
    let found = match name {
        Some(name) => FIND.run(client, &[name.into()]),
        None => DEFAULT.run(client, &[]),
    };
    found.first().get_one().ok().flatten().ok_or_else(|| {
        let roles: Option<String> = ALL.run(client, &[]).first().get_one().ok().flatten();
        FieldError::new("role", ErrorCode::InvalidRole, "There is no such role.")
            .with_hint(format!("Roles are: {}.", roles.unwrap_or_default()))
    })
}
