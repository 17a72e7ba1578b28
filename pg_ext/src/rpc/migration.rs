//! `migration_sql`: run by the owner of the database.

use pgrx::prelude::*;

use super::setup::require_setup;
use crate::store::migration_script;

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn migration_sql() -> String {
    Spi::connect_mut(|client| {
        require_setup(client);
        migration_script::write(client)
    })
}
