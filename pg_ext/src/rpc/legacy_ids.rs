//! `legacy_user_id` and `foreign_key_script`: how the app's own tables follow their users. Run by the owner of the database.

use pgrx::prelude::*;

use super::setup::{raise, require_setup};
use crate::pg::{self, Relation};
use crate::store::{legacy_ids, pg_uuid};

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn legacy_user_id(p_source: Option<&str>, p_legacy_id: Option<&str>) -> Option<pgrx::Uuid> {
    let (source, legacy_id) = (p_source?, p_legacy_id?);
    let user = pg::as_registrar(|| Spi::connect_mut(|client| legacy_ids::user(client, source, legacy_id)));
    let Some(user) = user else {
        raise(
            PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION,
            format!("no user was imported from {source} whose id was {legacy_id}"),
            "registrar.import_rows says what became of each row of a source.",
        )
    };
    Some(pg_uuid(user))
}

#[pg_extern(stable)]
#[search_path(pg_catalog, pg_temp)]
fn foreign_key_script(p_table: Option<Relation>, p_source: default!(Option<&str>, "NULL")) -> Option<String> {
    let table = p_table?.0;
    Spi::connect_mut(|client| {
        require_setup(client);
        let name: Option<String> = Spi::get_one_with_args("SELECT $1::regclass::text", &[table.into()]).ok().flatten();
        let name = name.unwrap_or_default();
        let sources = pg::as_registrar(|| legacy_ids::sources(client, table));
        let source = match (p_source, &sources[..]) {
            (Some(source), _) => source.to_owned(),
            (None, [source]) => source.clone(),
            (None, _) => raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("no import, or more than one, is called like {name}"),
                "Name it, as the answer of import_users does: p_source => '…'.",
            ),
        };
        Some(legacy_ids::foreign_key_script(client, table, &name, &source))
    })
}
