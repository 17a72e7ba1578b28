//! The statements on a profile table, made from its fields: the same for one user and for many.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys::{JSONBARRAYOID, JSONBOID, Oid, TEXTARRAYOID, TEXTOID, UUIDARRAYOID, UUIDOID};
use pgrx::spi::{quote_identifier, quote_literal, quote_qualified_identifier};

use super::profile_fields::{Field, Misfit, ValueFrom};
use super::profile_tables::{ProfileTable, TableColumns};
use crate::pg::row_json;

/// What is done with a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Write {
    /// Insert it.
    Insert,
    /// Insert it, unless the user has one.
    InsertIfMissing,
    /// Insert it, or overwrite the fields that have a source.
    Refill,
    /// Update some of its fields.
    Update,
}

/// What a write returns of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Returning {
    Nothing,
    /// The row, to be read by [`row_json`].
    Row,
    /// `{"user_id", "profile_id", "profile"}`.
    Answer,
}

/// Whose profiles a statement writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Users {
    /// One, whose columns are the parameters $1 to $5; $6 are values given; $7 is a new key for the profile; from $8 on stand texts
    /// that were checked.
    One,
    /// Many, with an array for each of these columns, and one of new keys.
    Many,
}

/// One statement out of those that a table can have. A field whose place is `None` is left to its default, or as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) write: Write,
    pub(crate) users: Users,
    pub(crate) fields: Vec<Option<ValueFrom>>,
    /// Whether a value may be as large as to be refused for it alone.
    pub(crate) is_guarded: bool,
    /// Whether a primary key that is a random UUID by default is taken from the parameters: to have PostgreSQL make it takes a
    /// tenth of what all of the row does.
    pub(crate) brings_key: bool,
    pub(crate) returning: Returning,
}

/// The number of the first parameter that is a checked text.
const FIRST_CHECKED: usize = 8;

const ONE_TYPES: [Oid; 7] = [UUIDOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID, JSONBOID, UUIDOID];
const MANY_TYPES: [Oid; 6] = [UUIDARRAYOID, JSONBARRAYOID, JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID, UUIDARRAYOID];

/// The default of a key that is a random UUID, as PostgreSQL prints its own function.
const RANDOM_KEY: &str = "gen_random_uuid()";

impl Users {
    /// The types of the parameters that every such statement has.
    pub(super) fn types(self) -> &'static [Oid] {
        match self {
            Self::One => &ONE_TYPES,
            Self::Many => &MANY_TYPES,
        }
    }
}

impl Shape {
    /// The types of its parameters.
    pub(super) fn types(&self) -> Vec<Oid> {
        let checked = self.fields.iter().filter(|from| **from == Some(ValueFrom::Checked));
        self.users.types().iter().copied().chain(checked.map(|_| TEXTOID)).collect()
    }

    /// Of many users some have a value and some have not; and a value that is gone from its source gives way to the default.
    fn needs_defaults(&self) -> bool {
        self.fields.contains(&Some(ValueFrom::Source)) && (self.users == Users::Many || self.write == Write::Update)
            || self.brings_key
    }

    fn needs_columns(&self) -> bool {
        self.needs_defaults() || self.returning == Returning::Row
    }
}

/// The users that the parameters describe, as a relation.
fn source(users: Users) -> &'static str {
    match users {
        Users::One => {
            "(SELECT $1 AS user_id, $2 AS user_metadata, $3 AS app_metadata, $4 AS email, $5 AS phone, $6 AS given, $7 AS key)
             AS source"
        }
        Users::Many => "unnest($1, $2, $3, $4, $5, $6) AS source (user_id, user_metadata, app_metadata, email, phone, key)",
    }
}

/// The columns of a row in the form in which [`row_json`] reads them.
fn row_columns(types: &[(String, Oid)]) -> String {
    let column = |(name, oid): &(String, Oid)| {
        let name = quote_identifier(name);
        if row_json::is_plain(*oid) { format!("profile.{name}") } else { format!("to_jsonb(profile.{name}) AS {name}") }
    };
    types.iter().map(column).collect::<Vec<_>>().join(", ")
}

impl ProfileTable {
    /// The table, qualified and quoted.
    pub(crate) fn quoted(&self) -> String {
        quote_qualified_identifier(&self.schema, &self.name)
    }

    pub(crate) fn quoted_user_column(&self) -> String {
        quote_identifier(&self.user_column)
    }

    /// The text of a statement. `columns` are the table's, which not every statement needs.
    pub(super) fn text(&self, shape: &Shape, columns: impl FnOnce() -> Rc<TableColumns>) -> String {
        let columns = if shape.needs_columns() { columns() } else { Rc::default() };
        let defaults = &columns.defaults;
        let mut next = FIRST_CHECKED..;
        let fields = self.fields.iter().zip(&shape.fields);
        let mut written: Vec<Assignment> =
            fields.filter_map(|(field, from)| assignment(field, *from, shape, defaults, &mut next)).collect();
        written.extend(self.key_assignment(shape, defaults));
        let table = self.quoted();
        let user = self.quoted_user_column();
        let values: String = written.iter().map(|field| format!(", {} AS {}", field.value, field.name)).collect();
        let source = format!("(SELECT source.user_id{values} FROM {}) AS made", source(shape.users));
        let conditions: Vec<&str> = written.iter().flat_map(|field| &field.conditions).map(String::as_str).collect();
        let returning = match shape.returning {
            Returning::Nothing => String::new(),
            Returning::Row => format!(" RETURNING {}", row_columns(&columns.types)),
            Returning::Answer => format!(" RETURNING {}", self.answer()),
        };
        if shape.write == Write::Update {
            let set: Vec<_> = written.iter().map(|field| format!("{} = made.{}", field.column, field.name)).collect();
            let conditions: String = conditions.iter().map(|condition| format!(" AND {condition}")).collect();
            return format!(
                "UPDATE {table} AS profile SET {} FROM {source} WHERE profile.{user} = made.user_id{conditions}{returning}",
                set.join(", ")
            );
        }
        let columns: String = written.iter().map(|field| format!(", {}", field.column)).collect();
        let names: String = written.iter().map(|field| format!(", made.{}", field.name)).collect();
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let conflict = self.on_conflict(shape.write);
        format!(
            "INSERT INTO {table} AS profile ({user}{columns}) SELECT made.user_id{names} FROM {source}{filter}{conflict}{returning}"
        )
    }

    /// The key that the parameters bring, where the column's default would make one like it.
    fn key_assignment(&self, shape: &Shape, defaults: &HashMap<String, String>) -> Option<Assignment> {
        let key = &self.primary_key;
        let is_wanted = shape.brings_key && *key != self.user_column && self.field(key).is_none();
        (is_wanted && defaults.get(key).is_some_and(|default| default == RANDOM_KEY)).then(|| Assignment {
            column: quote_identifier(key),
            name: quote_identifier("new key"),
            value: "source.key".to_owned(),
            conditions: Vec::new(),
        })
    }

    fn on_conflict(&self, write: Write) -> String {
        let user = self.quoted_user_column();
        // Of a column that the INSERT does not name, excluded has the default.
        let overwritten = self.fields.iter().filter(|field| field.has_source()).map(Field::quoted);
        let overwrite: Vec<_> = overwritten.map(|column| format!("{column} = excluded.{column}")).collect();
        match write {
            Write::Insert | Write::Update => String::new(),
            Write::Refill if !overwrite.is_empty() => {
                format!(" ON CONFLICT ({user}) DO UPDATE SET {}", overwrite.join(", "))
            }
            Write::InsertIfMissing | Write::Refill => format!(" ON CONFLICT ({user}) DO NOTHING"),
        }
    }

    /// The query for why one field's value does not fit: a word of [`Misfit`], or NULL where
    /// it does. That it is not of the column's type shows by the query's failing.
    pub(super) fn diagnosis(&self, field: &Field, from: ValueFrom) -> String {
        let modifier = field.modifier_condition("made.value").map(|condition| (Misfit::Modifier, condition));
        let cases: String = field
            .conditions("made.value", true)
            .into_iter()
            .chain(modifier)
            .map(|(misfit, condition)| format!("WHEN NOT ({condition}) THEN '{}' ", misfit.as_word()))
            .collect();
        let value = field.value(from);
        // MATERIALIZED by OFFSET: the value is read even where there is no condition on it.
        let checked = if cases.is_empty() { String::new() } else { format!("CASE {cases}END, ") };
        format!(
            "SELECT {checked}made.value IS NULL FROM (SELECT {value} AS value FROM {} OFFSET 0) AS made",
            source(Users::One)
        )
    }

    /// The row as JSON with whose it is.
    fn answer(&self) -> String {
        let user = self.quoted_user_column();
        let key = quote_identifier(&self.primary_key);
        format!(
            "json_build_object('user_id', profile.{user}, 'profile_id', profile.{key}, 'profile', row_to_json(profile))"
        )
    }

    /// The query for a user's profile as JSON text.
    pub(crate) fn row_query(&self) -> String {
        format!(
            "SELECT row_to_json(profile)::text FROM {} AS profile WHERE profile.{} = $1",
            self.quoted(),
            self.quoted_user_column()
        )
    }

    /// The query for the key of a user's row.
    pub(crate) fn key_query(&self) -> String {
        format!(
            "SELECT to_jsonb(profile.{})::text FROM {} AS profile WHERE profile.{} = $1",
            quote_identifier(&self.primary_key),
            self.quoted(),
            self.quoted_user_column()
        )
    }

    /// The query of `get_profile`. Every name is qualified: the function has no `search_path` of its own, which would take as
    /// long as the look-up.
    pub(super) fn binary_row_query(&self) -> String {
        format!(
            "SELECT pg_catalog.to_jsonb(profile) FROM {} AS profile WHERE profile.{} OPERATOR(pg_catalog.=) $1",
            self.quoted(),
            self.quoted_user_column()
        )
    }

    /// The query for a user's profile with the names of the required fields that are not filled.
    pub(crate) fn check_query(&self) -> String {
        format!(
            "SELECT json_build_object('profile', row_to_json(profile), 'missing_fields', {})::text
             FROM {} AS profile WHERE profile.{} = $1",
            self.missing_fields(),
            self.quoted(),
            self.quoted_user_column()
        )
    }

    /// The names of the required fields that are not filled in the row named `profile`, as an array.
    pub(crate) fn missing_fields(&self) -> String {
        let cases: Vec<_> = self
            .required()
            .map(|field| {
                let name = quote_literal(&field.spec.column);
                format!("CASE WHEN NOT ({}) THEN {name} END", field.is_filled("profile"))
            })
            .collect();
        format!("array_remove(ARRAY[{}]::text[], NULL)", cases.join(", "))
    }

    /// The fields that a complete profile has.
    pub(crate) fn required(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.spec.required)
    }

    /// The users from $1 to $2 who have a profile, as an array.
    pub(crate) fn users_within_query(&self) -> String {
        let user = self.quoted_user_column();
        format!(
            "SELECT array_agg(profile.{user}) FROM {} AS profile WHERE profile.{user} BETWEEN $1 AND $2",
            self.quoted()
        )
    }
}

/// What a statement does with a field.
struct Assignment {
    column: String,
    /// The name of the value in the statement; a column's own may be one of `source`'s.
    name: String,
    value: String,
    conditions: Vec<String>,
}

fn assignment(
    field: &Field,
    from: Option<ValueFrom>,
    shape: &Shape,
    defaults: &HashMap<String, String>,
    checked: &mut impl Iterator<Item = usize>,
) -> Option<Assignment> {
    let value = match (from, shape.users, shape.write) {
        (Some(ValueFrom::Given), ..) => field.value(ValueFrom::Given),
        (Some(ValueFrom::Checked), ..) => field.value_of_parameter(checked.next()?),
        (Some(ValueFrom::Source), ..) if shape.needs_defaults() => {
            field.value_or_default(defaults.get(&field.spec.column))
        }
        (Some(ValueFrom::Source), ..) => field.value(ValueFrom::Source),
        (None, _, Write::Update) => return None,
        (None, ..) => field.own_default()?,
    };
    let name = quote_identifier(format!("new {}", field.spec.column));
    let made = format!("made.{name}");
    let conditions = match from {
        Some(ValueFrom::Source | ValueFrom::Given) => {
            field.conditions(&made, shape.is_guarded).into_iter().map(|(_, condition)| condition).collect()
        }
        Some(ValueFrom::Checked) | None => Vec::new(),
    };
    Some(Assignment { column: field.quoted(), name, value, conditions })
}
