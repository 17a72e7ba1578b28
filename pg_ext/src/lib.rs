//! registrar: atomic registration of users inside PostgreSQL. This file is the table of contents.

mod jsonb_format;
mod jsonb_serializer;
mod origin;
mod pg;
mod rpc;
mod settings;
mod store;
mod trigger;

use pgrx::prelude::*;

pgrx::pg_module_magic!();

// The install script, in load order. Tables, views and grants are not in it: registrar.setup() makes them.
extension_sql_file!("../sql/install/roles.sql", name = "roles", bootstrap);
extension_sql_file!("../sql/install/functions.sql", name = "functions", finalize);

#[pg_guard]
extern "C-unwind" fn _PG_init() {
    settings::define();
    pg::configuration::watch();
}

/// What `cargo pgrx test` asks of a crate with `#[pg_test]`s.
#[cfg(test)]
pub mod pg_test {
    /// Called before the first test.
    pub fn setup(_options: Vec<&str>) {}

    /// Lines for the test server's postgresql.conf.
    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        Vec::new()
    }
}
