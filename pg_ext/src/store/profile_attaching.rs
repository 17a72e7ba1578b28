//! Attaching a table as profile table: every fault is found before anything is filled, and told with its fix.

use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{OIDOID, Oid, TEXTOID};
use pgrx::spi::{SpiClient, quote_identifier, quote_literal, quote_qualified_identifier};
use registrar_core::{FieldError, FieldSource, ProfileField, nearest_name};
use serde_json::{Value, json};

use super::companion::Companion;
use super::plans;
use super::profile_fields::Field;
use super::profile_tables::{self, OnFailure, ProfileTable};
use crate::pg::{self, PgError, Relation, subtransaction};

/// What `attach_profile_table` is asked for.
pub(crate) struct Attachment<'a> {
    pub(crate) table: Relation,
    pub(crate) user_column: &'a str,
    /// `p_fields` as JSON text.
    pub(crate) fields: &'a str,
    pub(crate) on_failure: &'a str,
}

/// What the catalogue says of a table.
struct Found {
    schema: String,
    name: String,
    owner: Oid,
    /// Whether it is a table, partitioned or not.
    is_table: bool,
    columns: Vec<FoundColumn>,
}

struct FoundColumn {
    name: String,
    type_name: String,
    is_text: bool,
    /// Whether an insert that leaves it out fails.
    is_demanded: bool,
    is_unique: bool,
    refers_to_users: bool,
}

/// Attaches a table, or changes how it is attached, and returns how.
///
/// # Errors
/// Every fault, each with the column it is of and its fix. The caller must then raise: what was done by then goes with it.
pub(crate) fn attach(
    client: &mut SpiClient<'_>,
    attachment: &Attachment<'_>,
    caller: Oid,
) -> Result<Value, Vec<FieldError>> {
    let found = find(client, attachment.table).ok_or_else(|| vec![fault("table", "There is no such table.", "")])?;
    if !pg::has_rights_of_id(caller, found.owner) {
        let fix = format!("Have the owner of {}.{} attach it.", found.schema, found.name);
        return Err(vec![fault("table", "Only its owner may attach a table.", fix)]);
    }
    let mut faults = faults_of_table(&found, attachment);
    let (fields, malformed) = ProfileField::parse_all(attachment.fields);
    faults.extend(malformed);
    faults.extend(faults_of_columns(&found, attachment.user_column, &fields));
    let present = fields.iter().filter(|field| found.has_column(&field.column)).cloned().collect();
    let present = profile_tables::fields_of(client, Some(attachment.table.0), present);
    faults.extend(present.iter().flat_map(|field| faults_of_limits(field, found.owner)));
    if found.has_completion() {
        faults.extend(faults_of_schema(client, &found));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let name = (found.schema.as_str(), found.name.as_str());
    pg::as_registrar(|| {
        profile_tables::attach(client, name, attachment.user_column, &fields, attachment.on_failure);
    });
    let tables = pg::as_registrar(|| profile_tables::load(client));
    let is_it = |table: &&std::rc::Rc<ProfileTable>| (table.schema.as_str(), table.name.as_str()) == name;
    let table = tables.iter().find(is_it).expect("the table was attached just now");
    if found.has_completion() {
        pg::as_role(found.owner, || keep_completion(client, table));
    }
    Ok(json!({
        "table": table.display_name(),
        "user_column": table.user_column,
        "on_failure": attachment.on_failure,
        "fields": fields,
    }))
}

impl Found {
    fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// Whether the table has a column that tells whether a profile is complete.
    fn has_completion(&self) -> bool {
        self.columns.iter().any(|column| column.name == "profile_completed" && column.type_name == "boolean")
    }
}

fn faults_of_table(found: &Found, attachment: &Attachment<'_>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if OnFailure::from_word(attachment.on_failure).is_none() {
        let words = format!("Policies are: {}.", OnFailure::WORDS.join(", "));
        faults.push(fault("p_on_failure", "There is no such policy.", words));
    }
    if !found.is_table {
        faults.push(fault("table", "It is a view or a foreign table.", "Attach the table behind it."));
    }
    let (column, table) = (attachment.user_column, quote_qualified_identifier(&found.schema, &found.name));
    let quoted = quote_identifier(column);
    let Some(user) = found.columns.iter().find(|found| found.name == column) else {
        faults.push(no_such_column(found, column, column));
        return faults;
    };
    if user.type_name != "uuid" {
        let message = format!("The user's column is of type {}, not uuid.", user.type_name);
        faults.push(fault(column, message, "Users have UUIDs; take a column that refers to auth.users (id)."));
        return faults;
    }
    if !user.is_unique {
        let fix = format!("Fix: CREATE UNIQUE INDEX ON {table} ({quoted});");
        faults.push(fault(column, "No unique index is on it alone: a user could get two profiles.", fix));
    }
    if !user.refers_to_users {
        let fix = format!(
            "Fix: ALTER TABLE {table} ADD FOREIGN KEY ({quoted}) REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE;"
        );
        faults.push(fault(column, "No foreign key leads from it to auth.users (id).", fix));
    }
    faults
}

fn faults_of_columns(found: &Found, user_column: &str, fields: &[ProfileField]) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for field in fields {
        let column = found.columns.iter().find(|column| column.name == field.column);
        match column {
            None => faults.push(no_such_column(found, &field.column, user_column)),
            Some(_) if field.column == user_column => {
                faults.push(fault(&field.column, "It holds the user.", "Leave it out of the fields."));
            }
            Some(column) => {
                let is_contact = matches!(field.source, FieldSource::Email | FieldSource::Phone);
                if is_contact && !column.is_text {
                    let message =
                        format!("Its type is {}, which takes no e-mail address or phone number.", column.type_name);
                    faults.push(fault(&field.column, message, "Take a column of type text."));
                }
            }
        }
    }
    let filled = |name: &str| name == user_column || fields.iter().any(|field| field.column == name);
    for column in found.columns.iter().filter(|column| column.is_demanded && !filled(&column.name)) {
        let table = quote_qualified_identifier(&found.schema, &found.name);
        let fix = format!(
            "List it among the fields, or ALTER TABLE {table} ALTER COLUMN {} SET DEFAULT …;",
            quote_identifier(&column.name)
        );
        faults.push(fault(&column.name, "It is NOT NULL without a default, and no field fills it.", fix));
    }
    faults
}

fn no_such_column(found: &Found, column: &str, user_column: &str) -> FieldError {
    let names = || found.columns.iter().map(|column| column.name.as_str()).filter(|name| *name != user_column);
    let hint = match nearest_name(column, names()) {
        Some(nearest) => format!("Did you mean {nearest}?"),
        None => format!("Columns are: {}.", names().collect::<Vec<_>>().join(", ")),
    };
    fault(column, "There is no such column.", hint)
}

/// What keeps `profile_completed` is a function of the owner's beside the table.
fn faults_of_schema(client: &mut SpiClient<'_>, found: &Found) -> Vec<FieldError> {
    let complete = Companion::of(&found.schema, &found.name, "complete");
    let foreign = complete.is_foreign(client).then(|| complete.fault());
    foreign.into_iter().chain(fault_of_rights(client, found)).collect()
}

fn fault_of_rights(client: &mut SpiClient<'_>, found: &Found) -> Option<FieldError> {
    let may_create = "SELECT has_schema_privilege($1, n.oid, 'CREATE'), $1::regrole::text
                      FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $2";
    let arguments = [found.owner.into(), found.schema.as_str().into()];
    let row = plans::run_text(client, may_create, &[OIDOID, TEXTOID], &arguments).first();
    let (may_create, owner) = row.get_two::<bool, String>().ok()?;
    (may_create == Some(false)).then(|| {
        let fix = format!(
            "Fix: GRANT CREATE ON SCHEMA {} TO {};",
            quote_identifier(&found.schema),
            owner.unwrap_or_default()
        );
        fault("profile_completed", "The table's owner may not create the function that keeps it.", fix)
    })
}

/// Whether the default, the allowed values and the bounds are of the column's type, and the default is allowed. A type may run code
/// of its owner's: it runs with the rights of the table's.
fn faults_of_limits(field: &Field, owner: Oid) -> Vec<FieldError> {
    if field.column().is_computed {
        return vec![fault(&field.spec.column, "PostgreSQL computes the column.", "Leave it out of the fields.")];
    }
    if field.column().is_not_null && field.spec.default == Some(Value::Null) {
        return vec![fault(
            &field.spec.column,
            "The column is NOT NULL, and the default is null.",
            "Change one of them.",
        )];
    }
    let probe = subtransaction(|| {
        Spi::connect_mut(|client| {
            pg::as_role(owner, || {
                pg::TrappedStatement::prepare(client, &field.probe(), &[]).execute(client, &[])?;
                Ok::<_, PgError>(pg::first_returned(client).as_deref() == Some("t"))
            })
        })
    });
    let what = "default, allowed values, minimum or maximum";
    match probe {
        Ok(true) => Vec::new(),
        Ok(false) => {
            vec![fault(
                &field.spec.column,
                "The default is not among the values allowed.",
                "Change the default or the limits.",
            )]
        }
        Err(error) => {
            let message = format!("The column's type does not take its {what}: {}.", error.message);
            vec![fault(&field.spec.column, message, "Write them as the column's type reads them.")]
        }
    }
}

/// A trigger keeps the column `profile_completed` true exactly when the required fields are filled, whoever writes the row.
fn keep_completion(client: &mut SpiClient<'_>, table: &ProfileTable) {
    if table.field("profile_completed").is_some() {
        return;
    }
    let complete = |row: &str| {
        let filled: Vec<_> = table.required().map(|field| field.is_filled(row)).collect();
        if filled.is_empty() { "true".to_owned() } else { filled.join(" AND ") }
    };
    let (quoted, function) = (table.quoted(), Companion::of(&table.schema, &table.name, "complete").quoted());
    let script = format!(
        "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS {body};
         COMMENT ON FUNCTION {function}() IS 'Keeps profile_completed true exactly when the required fields are filled; made by registrar.attach_profile_table.';
         REVOKE ALL ON FUNCTION {function}() FROM PUBLIC;
         CREATE OR REPLACE TRIGGER registrar_profile_completed BEFORE INSERT OR UPDATE ON {quoted}
             FOR EACH ROW EXECUTE FUNCTION {function}();
         UPDATE {quoted} AS profile SET profile_completed = NOT profile_completed
         WHERE profile_completed IS DISTINCT FROM ({now});",
        body = quote_literal(format!("BEGIN NEW.profile_completed := {}; RETURN NEW; END", complete("NEW"))),
        now = complete("profile"),
    );
    client.update(&script, None, &[]).expect("PostgreSQL either runs a script or raises");
}

/// Detaches a table, which may be gone; whether it was attached.
///
/// # Errors
/// Where the caller owns neither the table nor, where that is gone, the database.
pub(crate) fn detach(client: &mut SpiClient<'_>, name: &str, caller: Oid) -> Result<bool, FieldError> {
    let Some(table) = profile_tables::named(Some(name)) else { return Ok(false) };
    let owner = "SELECT coalesce(
                     (SELECT c.relowner FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                      WHERE n.nspname = $1 AND c.relname = $2),
                     (SELECT d.datdba FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))";
    let arguments = [table.schema.as_str().into(), table.name.as_str().into()];
    let owner: Option<Oid> =
        plans::run_text(client, owner, &[TEXTOID, TEXTOID], &arguments).first().get_one().ok().flatten();
    if !owner.is_some_and(|owner| pg::has_rights_of_id(caller, owner)) {
        return Err(fault(
            "table",
            "Only its owner may detach a table.",
            "Where it is gone, the owner of the database may.",
        ));
    }
    Ok(pg::as_registrar(|| profile_tables::detach(client, &table.schema, &table.name)))
}

const FIND: &str = "
    SELECT n.nspname::text, c.relname::text, c.relowner, c.relkind IN ('r', 'p'),
           a.attname::text, format_type(a.atttypid, NULL), t.typcategory = 'S',
           a.attnotnull AND a.attidentity = '' AND d.oid IS NULL,
           EXISTS (
               SELECT FROM pg_catalog.pg_index AS i
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indisvalid
                   AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
           ),
           EXISTS (
               SELECT FROM pg_catalog.pg_constraint AS f
               WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.conkey = ARRAY[a.attnum]
                   AND f.confrelid = to_regclass('auth.users')
                   AND f.confkey = ARRAY[(
                       SELECT k.attnum FROM pg_catalog.pg_attribute AS k WHERE k.attrelid = f.confrelid AND k.attname = 'id'
                   )]
           )
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.oid = $1
    ORDER BY a.attnum";

fn find(client: &mut SpiClient<'_>, Relation(relation): Relation) -> Option<Found> {
    let mut found: Option<Found> = None;
    let relation: DatumWithOid<'_> = relation.into();
    for row in plans::run_text(client, FIND, &[OIDOID], &[relation]) {
        let text = |place| row.get::<String>(place).ok().flatten().unwrap_or_default();
        let is = |place| row.get::<bool>(place).ok().flatten().unwrap_or_default();
        let found = found.get_or_insert_with(|| Found {
            schema: text(1),
            name: text(2),
            owner: row.get::<Oid>(3).ok().flatten().unwrap_or(Oid::INVALID),
            is_table: is(4),
            columns: Vec::new(),
        });
        found.columns.push(FoundColumn {
            name: text(5),
            type_name: text(6),
            is_text: is(7),
            is_demanded: is(8),
            is_unique: is(9),
            refers_to_users: is(10),
        });
    }
    found
}

fn fault(field: &str, message: impl Into<String>, hint: impl Into<String>) -> FieldError {
    let error = FieldError::invalid("", message.into());
    let hint = hint.into();
    FieldError { field: Some(field.to_owned().into()), hint: (!hint.is_empty()).then(|| hint.into()), ..error }
}
