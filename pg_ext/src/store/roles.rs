//! `registrar_private.roles`.

use std::cell::RefCell;

use pgrx::spi::SpiClient;
use registrar_core::{ErrorCode, FieldError};

use super::plans::Statement;
use super::remembered::{Slot, remembered};

static ALL: Statement = Statement::new("SELECT name, is_default FROM registrar_private.roles ORDER BY name", &[]);

struct Roles {
    names: Vec<String>,
    default: Option<String>,
}

thread_local! {
    static ROLES: Slot<Roles> = const { RefCell::new(None) };
}

/// The role of that name, or the default one.
///
/// # Errors
/// `invalid_role` on `role`, naming the roles there are.
pub(crate) fn resolve(client: &mut SpiClient<'_>, name: Option<&str>) -> Result<String, FieldError> {
    let roles = remembered(&ROLES, || Ok::<_, FieldError>(load(client)))?;
    let found = match name {
        Some(name) => roles.names.iter().find(|role| *role == name),
        None => roles.default.as_ref(),
    };
    found.cloned().ok_or_else(|| {
        FieldError::new("role", ErrorCode::InvalidRole, "There is no such role.")
            .with_hint(format!("Roles are: {}.", roles.names.join(", ")))
    })
}

fn load(client: &mut SpiClient<'_>) -> Roles {
    let mut roles = Roles { names: Vec::new(), default: None };
    for row in ALL.run(client, &[]) {
        let Some(name) = row.get::<String>(1).ok().flatten() else { continue };
        if row.get::<bool>(2).ok().flatten() == Some(true) {
            roles.default = Some(name.clone());
        }
        roles.names.push(name);
    }
    roles
}
