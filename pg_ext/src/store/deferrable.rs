//! Whether this database has a deferrable constraint at all.

use std::cell::RefCell;

use pgrx::Spi;
use pgrx::spi::SpiClient;

use super::plans::Statement;
use super::remembered::{Slot, remembered};
use crate::pg::PgError;

static EXISTS: Statement =
    Statement::new("SELECT true FROM pg_catalog.pg_trigger WHERE tgdeferrable AND tgenabled <> 'D' LIMIT 1", &[]);

thread_local! {
    static IN_USE: Slot<bool> = const { RefCell::new(None) };
}

/// Whether any trigger (a foreign key's, a unique constraint's, a constraint trigger) may be deferred. Where none may,
/// nothing can fail at commit, and the check of what would is saved.
pub(crate) fn in_use() -> Result<bool, PgError> {
    let load = || Ok(Spi::connect_mut(|client: &mut SpiClient<'_>| !EXISTS.run(client, &[]).is_empty()));
    remembered(&IN_USE, load).map(|in_use| *in_use)
}
