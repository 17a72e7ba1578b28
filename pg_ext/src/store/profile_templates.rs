//! The profile tables that registrar knows how to make.

use pgrx::pg_sys::Oid;
use pgrx::spi::{SpiClient, quote_identifier, quote_literal, quote_qualified_identifier};
use registrar_core::{FieldError, ProfileField, nearest_name};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::companion::Companion;
use super::plans;
use super::profile_attaching::{self, Attachment};
use crate::pg::Relation;

struct Template {
    name: &'static str,
    /// With `{table}` for the table, and `{schema}` and `{name}` for what belongs to it.
    script: &'static str,
    user_column: &'static str,
    fields: &'static str,
}

macro_rules! template {
    ($name:literal, $user_column:literal) => {
        Template {
            name: $name,
            script: include_str!(concat!("../../sql/templates/", $name, ".sql")),
            user_column: $user_column,
            fields: include_str!(concat!("../../sql/templates/", $name, ".json")),
        }
    };
}

const TEMPLATES: &[Template] =
    &[template!("profiles", "id"), template!("user_profiles", "user_id"), template!("user_profile", "user_id")];

/// What makes a variant of a template.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The table's name; the template's unless given.
    name: Option<String>,
    /// The table's schema; `public` unless given.
    schema: Option<String>,
    /// Defaults in place of the template's, by column.
    #[serde(default)]
    defaults: Map<String, Value>,
    /// The fields of a complete profile, in place of the template's.
    required: Option<Vec<String>>,
    /// The policy of `attach_profile_table`.
    on_failure: Option<String>,
}

/// Makes a table from a template, as the caller's, and attaches it; returns its name. One that is there already is only
/// attached, as the options say now.
///
/// # Errors
/// Every fault of the options.
pub(crate) fn create(
    client: &mut SpiClient<'_>,
    template: &str,
    options: &str,
    caller: Oid,
) -> Result<String, Vec<FieldError>> {
    let Some(template) = TEMPLATES.iter().find(|known| known.name == template) else {
        let names: Vec<_> = TEMPLATES.iter().map(|known| known.name).collect();
        return Err(vec![fault(
            "p_template",
            "There is no such template.",
            format!("Templates are: {}.", names.join(", ")),
        )]);
    };
    let options: Options = serde_json::from_str(options).map_err(|error| {
        let hint = "Like {\"name\": \"student_profiles\", \"defaults\": {\"education_level\": \"high_school\"}, \"required\": [\"field_of_study\"]}.";
        vec![fault("p_options", format!("The options cannot be read: {error}."), hint)]
    })?;
    let fields = template.fields_with(&options)?;
    let (schema, name) =
        (options.schema.as_deref().unwrap_or("public"), options.name.as_deref().unwrap_or(template.name));
    let table = quote_qualified_identifier(schema, name);
    if relation(client, &table).is_none() {
        let touch = Companion::of(schema, name, "touch");
        if touch.is_foreign(client) {
            return Err(vec![touch.fault()]);
        }
        let script = template.script.replace("{table}", &table).replace("{touch}", &touch.quoted());
        client.update(&script, None, &[]).expect("PostgreSQL either runs a script or raises");
    }
    let relation = relation(client, &table).expect("the table was made just now");
    let attachment = Attachment {
        table: relation,
        user_column: template.user_column,
        fields: &serde_json::to_string(&fields).expect("fields have string keys only"),
        on_failure: options.on_failure.as_deref().unwrap_or("queue"),
    };
    profile_attaching::attach(client, &attachment, caller)?;
    // Also for whoever inserts a row by hand. That the columns take them is known by now.
    for (column, default) in &options.defaults {
        let default = literal(default);
        let alter = format!("ALTER TABLE {table} ALTER COLUMN {} SET DEFAULT {default}", quote_identifier(column));
        client.update(&alter, None, &[]).expect("PostgreSQL either runs a statement or raises");
    }
    Ok(format!("{schema}.{name}"))
}

impl Template {
    /// The template's fields with the options' in place.
    fn fields_with(&self, options: &Options) -> Result<Vec<ProfileField>, Vec<FieldError>> {
        let (mut fields, _) = ProfileField::parse_all(self.fields);
        let known: Vec<String> = fields.iter().map(|field| field.column.clone()).collect();
        let named = options.defaults.keys().chain(options.required.iter().flatten());
        let unknown: Vec<_> = named.filter(|name| !known.contains(name)).map(|name| no_field(name, &known)).collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        for field in &mut fields {
            if let Some(required) = &options.required {
                field.required = required.contains(&field.column);
            }
            field.default = options.defaults.get(&field.column).cloned();
        }
        Ok(fields)
    }
}

fn no_field(name: &str, known: &[String]) -> FieldError {
    let names = || known.iter().map(String::as_str);
    let hint = match nearest_name(name, names()) {
        Some(nearest) => format!("Did you mean {nearest}?"),
        None => format!("Fields are: {}.", names().collect::<Vec<_>>().join(", ")),
    };
    fault(name, "The template has no such field.", hint)
}

/// A default as SQL: PostgreSQL reads the text as the column's type.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => quote_literal(text),
        Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|item| quote_literal(item.as_str().map_or_else(|| item.to_string(), str::to_owned)))
                .collect();
            format!("ARRAY[{}]::text[]", items.join(", "))
        }
        other => quote_literal(other.to_string()),
    }
}

fn relation(client: &mut SpiClient<'_>, table: &str) -> Option<Relation> {
    let query = "SELECT to_regclass($1)::oid";
    let oid =
        plans::run_text(client, query, &[pgrx::pg_sys::TEXTOID], &[table.into()]).first().get_one().ok().flatten();
    oid.map(Relation)
}

fn fault(field: &str, message: impl Into<String>, hint: impl Into<String>) -> FieldError {
    let error = FieldError::invalid("", message.into()).with_hint(hint.into());
    FieldError { field: Some(field.to_owned().into()), ..error }
}
