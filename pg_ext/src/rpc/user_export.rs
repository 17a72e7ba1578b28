//! `export_users`: what `users import` reads back.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{ErrorCode, FieldError, UserExportPage};
use uuid::Uuid;

use super::answer::{Done, Refusal, answer};
use super::caller::Caller;
use super::page;
use crate::pg::{self, Jsonb};
use crate::settings;
use crate::store::audit_log::Action;
use crate::store::{from_pg_uuid, user_export, user_rows};

/// Recorded, unlike other calls that read: it is how a list of everybody leaves the database.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn export_users(
    p_after: default!(Option<pgrx::Uuid>, "NULL"),
    p_limit: default!(Option<i32>, "1000"),
    p_with_hashes: default!(Option<bool>, "false"),
) -> Jsonb {
    let caller = Caller::current();
    pg::as_registrar(|| {
        answer(Action::ExportUsers, |client, _| {
            caller.require_trusted()?;
            let with_hashes = p_with_hashes == Some(true);
            if with_hashes && !settings::export_password_hashes() {
                return Err(hashes_stay().into());
            }
            export(client, p_after.map(from_pg_uuid), with_hashes, page::limit(p_limit)?)
        })
    })
}

fn export(
    client: &mut SpiClient<'_>,
    after: Option<Uuid>,
    with_hashes: bool,
    limit: i64,
) -> Result<Done<UserExportPage>, Refusal> {
    let total = after.is_none().then(|| user_rows::count(client));
    let users = user_export::page(client, after, with_hashes, limit);
    let next = page::next(&users, limit, |user| user.id);
    let peppered = users.iter().filter(|user| user.is_peppered).count() as u64;
    let users = users.into_iter().map(|user| user.columns).collect();
    let data = UserExportPage { users, next, total, peppered };
    Ok(Done { status: 200, message: "Users exported".into(), user_id: None, data })
}

fn hashes_stay() -> FieldError {
    FieldError::new("with_hashes", ErrorCode::Forbidden, "Hashes of passwords do not leave this database.").with_hint(
        "The owner allows it: ALTER DATABASE … SET registrar.export_password_hashes = on; new sessions have it.",
    )
}
