//! `attach_profile_table`, `detach_profile_table` and `create_profile_table`: run by the owner of the table, with the owner's
//! own rights.

use pgrx::prelude::*;
use registrar_core::FieldError;

use super::setup::{raise, require_setup};
use crate::pg::{self, Jsonb, Name, Relation};
use crate::store::profile_attaching::{self, Attachment};
use crate::store::profile_templates;

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn attach_profile_table(
    p_table: Option<Relation>,
    p_user_column: Option<Name>,
    p_fields: default!(Option<Jsonb>, "'[]'"),
    p_on_failure: default!(Option<&str>, "'queue'"),
) -> pgrx::JsonB {
    let (Some(table), Some(Name(user_column))) = (p_table, p_user_column) else {
        let hint = "SELECT registrar.attach_profile_table('public.profiles', 'user_id', '[\"first_name\"]');";
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "a table and its user column are required", hint)
    };
    let fields = p_fields.map_or_else(|| "[]".to_owned(), Jsonb::into_text);
    attach(&Attachment {
        table,
        user_column: &user_column,
        fields: &fields,
        on_failure: p_on_failure.unwrap_or("queue"),
    })
}

fn attach(attachment: &Attachment<'_>) -> pgrx::JsonB {
    let caller = pg::current_user_id();
    let attached = Spi::connect_mut(|client| {
        require_setup(client);
        profile_attaching::attach(client, attachment, caller)
    });
    match attached {
        Ok(attached) => pgrx::JsonB(attached),
        Err(faults) => refuse(&faults),
    }
}

/// Raises all faults at once: what is attached half would be found out by a user who signs up.
fn refuse(faults: &[FieldError]) -> ! {
    let lines: Vec<_> = faults.iter().map(fault).collect();
    let message = match faults {
        [_] => "the profile table cannot be attached: 1 fault".to_owned(),
        several => format!("the profile table cannot be attached: {} faults", several.len()),
    };
    pg_sys::panic::ErrorReport::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, "")
        .set_detail(lines.join("\n"))
        .set_hint("Nothing was changed. Mend what the detail lists, and attach again.")
        .report(PgLogLevel::ERROR);
    unreachable!("a report at level ERROR does not return")
}

fn fault(fault: &FieldError) -> String {
    let hint = fault.hint.as_deref().map(|hint| format!(" {hint}")).unwrap_or_default();
    format!("{}: {}{hint}", fault.field.as_deref().unwrap_or("table"), fault.message)
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn detach_profile_table(p_table: &str) -> bool {
    let caller = pg::current_user_id();
    let detached = Spi::connect_mut(|client| {
        require_setup(client);
        profile_attaching::detach(client, p_table, caller)
    });
    detached.unwrap_or_else(|fault| {
        let hint = fault.hint.clone().unwrap_or_default();
        raise(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, fault.message.clone(), hint)
    })
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn create_profile_table(p_template: Option<&str>, p_options: default!(Option<Jsonb>, "'{}'")) -> String {
    let options = p_options.map_or_else(|| "{}".to_owned(), Jsonb::into_text);
    let caller = pg::current_user_id();
    let created = Spi::connect_mut(|client| {
        require_setup(client);
        profile_templates::create(client, p_template.unwrap_or_default(), &options, caller)
    });
    created.unwrap_or_else(|faults| refuse(&faults))
}
