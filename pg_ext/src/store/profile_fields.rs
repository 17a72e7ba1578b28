//! A field of a profile table in SQL: how its value is read, whether it fits, whether it is filled.

use pgrx::spi::{quote_identifier, quote_literal};
use registrar_core::{Bound, ErrorCode, FieldError, FieldSource, ProfileField};
use serde::Deserialize;
use serde_json::Value;

/// Longest text of a field without a maximum, in characters: a biography, not a file.
const MAX_CHARACTERS: usize = 10_000;

/// Largest value of a type that is neither a text nor of fixed length, in bytes of its text.
const MAX_BYTES: usize = 65_536;

/// A field as attached, and its column as the catalogue has it now.
pub(crate) struct Field {
    pub(crate) spec: ProfileField,
    /// The keys that lead to the value in the metadata.
    pub(crate) path: Vec<String>,
    column: Column,
}

/// What the catalogue says of a column.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Column {
    /// The type without its modifier: the assignment shall refuse what is too long, and a cast would cut it off.
    #[serde(rename = "type")]
    type_name: String,
    /// The type with its modifier, where it has one.
    modified_type: Option<String>,
    kind: Kind,
    /// Whether the type is a domain, whose constraints only PostgreSQL knows.
    is_domain: bool,
    /// Most characters, of a `varchar(n)`.
    max_length: Option<i64>,
    pub(crate) is_not_null: bool,
    /// Whether PostgreSQL computes it, so that nobody can write it.
    pub(crate) is_computed: bool,
}

/// What decides how a value is read and measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Text,
    Array,
    Json,
    Other,
}

impl Column {
    /// What stands for a column that is gone: writing it then fails with a reason that names it.
    pub(super) fn missing() -> Self {
        Self {
            type_name: "text".to_owned(),
            modified_type: None,
            kind: Kind::Other,
            is_domain: false,
            max_length: None,
            is_not_null: false,
            is_computed: false,
        }
    }
}

/// Where a statement takes a value from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ValueFrom {
    /// Where the field is attached to.
    Source,
    /// The same, already read as a text that surely fits: a parameter of its own, which needs no check.
    Checked,
    /// The values that a call was given, under the column's name.
    Given,
}

/// Why a value does not fit; the words that the diagnosing statement answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    Type,
    Null,
    Allowed,
    Minimum,
    Maximum,
    Size,
    /// Of the column's type, but not within its modifier, as of `varchar(5)[]` or `numeric(8, 2)`.
    Modifier,
}

impl Misfit {
    const CHECKED: [Misfit; 5] = [Misfit::Allowed, Misfit::Minimum, Misfit::Maximum, Misfit::Size, Misfit::Modifier];

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::CHECKED.into_iter().find(|misfit| misfit.as_word() == word)
    }

    pub(super) fn as_word(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Null => "null",
            Self::Allowed => "allowed",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Size => "size",
            Self::Modifier => "modifier",
        }
    }
}

impl Field {
    pub(super) fn new(spec: ProfileField, column: Column) -> Self {
        let path = spec.path().into_iter().map(str::to_owned).collect();
        Self { spec, path, column }
    }

    pub(crate) fn column(&self) -> &Column {
        &self.column
    }

    /// The column, quoted.
    pub(super) fn quoted(&self) -> String {
        quote_identifier(&self.spec.column)
    }

    /// Whether registrar ever fills it by itself.
    pub(crate) fn has_source(&self) -> bool {
        self.spec.source != FieldSource::None
    }

    /// The value, of the column's type, that `source` has; NULL where it has none.
    pub(super) fn value(&self, from: ValueFrom) -> String {
        let cast = &self.column.type_name;
        let (object, path) = match (from, self.spec.source) {
            (ValueFrom::Given, _) => ("source.given", vec![self.spec.column.as_str()]),
            (_, FieldSource::UserMetadata) => ("source.user_metadata", self.spec.path()),
            (_, FieldSource::AppMetadata) => ("source.app_metadata", self.spec.path()),
            (_, FieldSource::Email) => return format!("nullif(source.email, '')::{cast}"),
            (_, FieldSource::Phone) => return format!("('+' || nullif(source.phone, ''))::{cast}"),
            (_, FieldSource::None) => return format!("NULL::{cast}"),
        };
        let (json, text) = match path.as_slice() {
            [key] => {
                let key = quote_literal(key);
                (format!("({object} -> {key})"), format!("({object} ->> {key})"))
            }
            keys => {
                let keys = keys.iter().map(quote_literal).collect::<Vec<_>>().join(", ");
                (format!("({object} #> ARRAY[{keys}])"), format!("({object} #>> ARRAY[{keys}])"))
            }
        };
        match self.column.kind {
            Kind::Array => {
                format!("CASE WHEN {text} IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text({json}))::{cast} END")
            }
            Kind::Json => format!("nullif({json}, 'null')::{cast}"),
            Kind::Text | Kind::Other => format!("{text}::{cast}"),
        }
    }

    /// The value as the parameter of that number, which holds its text.
    pub(super) fn value_of_parameter(&self, number: usize) -> String {
        format!("${number}::{}", self.column.type_name)
    }

    /// Whether a text is surely a value that fits. Of one that may not be PostgreSQL has to judge.
    pub(super) fn surely_fits(&self, text: &str) -> bool {
        let spec = &self.spec;
        let is_allowed =
            || spec.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|value| scalar_text(value) == text));
        let is_unbounded = spec.minimum.is_none() && spec.maximum.is_none();
        let is_within = |size: i64| {
            spec.minimum.as_ref().is_none_or(|bound| bound.as_i64().is_some_and(|least| least <= size))
                && spec.maximum.as_ref().is_none_or(|bound| bound.as_i64().is_some_and(|most| size <= most))
        };
        match (self.column.kind, self.column.type_name.as_str()) {
            _ if self.column.is_domain => false,
            (Kind::Text, _) => {
                let characters = text.chars().count();
                let is_short =
                    characters <= self.max_characters() || spec.maximum.is_some() && self.column.max_length.is_none();
                is_short && i64::try_from(characters).is_ok_and(is_within) && is_allowed()
            }
            (Kind::Other, "integer") => {
                text.parse::<i32>().is_ok_and(|number| is_within(number.into())) && is_allowed()
            }
            (Kind::Other, "bigint") => text.parse::<i64>().is_ok_and(is_within) && is_allowed(),
            (Kind::Other, "boolean") => is_unbounded && spec.allowed.is_none() && matches!(text, "true" | "false"),
            _ => false,
        }
    }

    /// The value where there is one, else the field's default or the column's.
    pub(super) fn value_or_default(&self, column_default: Option<&String>) -> String {
        let default = self.own_default().or_else(|| column_default.cloned());
        match default {
            Some(default) => format!("coalesce({}, {default})", self.value(ValueFrom::Source)),
            None => self.value(ValueFrom::Source),
        }
    }

    /// The default that the field was attached with, in SQL.
    pub(super) fn own_default(&self) -> Option<String> {
        self.spec.default.as_ref().map(|default| self.literal(default))
    }

    fn literal(&self, value: &Value) -> String {
        let cast = &self.column.type_name;
        match (self.column.kind, value) {
            (_, Value::Null) => format!("NULL::{cast}"),
            (Kind::Array, value) => {
                format!("ARRAY(SELECT jsonb_array_elements_text({}))::{cast}", quote_literal(value.to_string()))
            }
            (Kind::Json, value) => format!("{}::{cast}", quote_literal(value.to_string())),
            (_, Value::String(text)) => format!("{}::{cast}", quote_literal(text)),
            (_, value) => format!("{}::{cast}", quote_literal(value.to_string())),
        }
    }

    /// The query for whether the default fits; it fails where the default or a limit is not of the column's type.
    pub(super) fn probe(&self) -> String {
        let value = self.own_default().unwrap_or_else(|| format!("NULL::{}", self.column.type_name));
        let conditions =
            self.conditions("made.value", true).into_iter().map(|(_, condition)| format!(" AND {condition}"));
        format!(
            "SELECT (made.value IS NULL) IS NOT NULL{} FROM (SELECT {value} AS value OFFSET 0) AS made",
            conditions.collect::<String>()
        )
    }

    /// What `value`, an expression, must hold to fit, each condition with what is wrong where it does not. Where the
    /// metadata is small, no value can exceed the general limit of size, and `is_guarded` may be false.
    pub(super) fn conditions(&self, value: &str, is_guarded: bool) -> Vec<(Misfit, String)> {
        let mut conditions = Vec::new();
        let cast = &self.column.type_name;
        if let Some(allowed) = &self.spec.allowed {
            let list = allowed.iter().map(|value| quote_literal(scalar_text(value))).collect::<Vec<_>>().join(", ");
            conditions.push(match self.column.kind {
                Kind::Array => (Misfit::Allowed, format!("{value} <@ ARRAY[{list}]::{cast}")),
                _ => (Misfit::Allowed, format!("{value} = ANY (ARRAY[{list}]::{cast}[])")),
            });
        }
        let measure = match self.column.kind {
            Kind::Text => Some(format!("char_length({value})")),
            Kind::Array => Some(format!("cardinality({value})")),
            Kind::Json | Kind::Other => None,
        };
        let mut bound = |misfit, operator, bound: &Option<Bound>| {
            let Some(bound) = bound else { return };
            let literal = quote_literal(bound.to_string());
            conditions.push(match &measure {
                Some(measure) => (misfit, format!("{measure} {operator} {literal}::bigint")),
                None => (misfit, format!("{value} {operator} {literal}::{cast}")),
            });
        };
        bound(Misfit::Minimum, ">=", &self.spec.minimum);
        bound(Misfit::Maximum, "<=", &self.spec.maximum);
        // A maximum bounds the size of a text, but not that of an array's elements.
        if is_guarded && (self.column.kind != Kind::Text || self.spec.maximum.is_none()) {
            conditions.push(match self.column.kind {
                Kind::Text => (Misfit::Size, format!("char_length({value}) <= {}", self.max_characters())),
                _ => (Misfit::Size, format!("octet_length({value}::text) <= {MAX_BYTES}")),
            });
        }
        // A condition on NULL is not false: there is nothing that could not fit.
        conditions.into_iter().map(|(misfit, condition)| (misfit, format!("({condition}) IS NOT FALSE"))).collect()
    }

    /// What holds where the column stores the value as it is, to be asked after a refusal. A cast to the modified type cuts texts
    /// off, and refuses numbers.
    pub(super) fn modifier_condition(&self, value: &str) -> Option<String> {
        let modified = self.column.modified_type.as_deref()?;
        let is_cut = matches!(self.column.kind, Kind::Text | Kind::Array);
        Some(if is_cut {
            format!("({value}::{modified} = {value}) IS NOT FALSE")
        } else {
            format!("({value}::{modified} IS NULL) IS NOT NULL")
        })
    }

    fn max_characters(&self) -> usize {
        let limit = self.column.max_length.and_then(|length| usize::try_from(length).ok());
        limit.unwrap_or(MAX_CHARACTERS)
    }

    /// Whether the field of a row, which `row` names, is filled.
    pub(crate) fn is_filled(&self, row: &str) -> String {
        let column = format!("{row}.{}", self.quoted());
        match self.column.kind {
            Kind::Text => format!("coalesce({column} <> '', false)"),
            Kind::Array => format!("coalesce(cardinality({column}) > 0, false)"),
            Kind::Json => format!("coalesce({column}::text NOT IN ('null', '{{}}', '[]', '\"\"'), false)"),
            Kind::Other => format!("{column} IS NOT NULL"),
        }
    }

    /// Whether a value that a call was given can be one of the column's at all; what is left to the type's own input is taken.
    pub(crate) fn misfit_of_given(&self, value: &Value) -> Option<Misfit> {
        match (value, self.column.kind) {
            (Value::Null, _) => self.column.is_not_null.then_some(Misfit::Null),
            (_, Kind::Json) => None,
            (Value::Array(items), Kind::Array) => {
                items.iter().any(|item| item.is_array() || item.is_object()).then_some(Misfit::Type)
            }
            (_, Kind::Array) | (Value::Array(_) | Value::Object(_), _) => Some(Misfit::Type),
            (value, Kind::Text) => (!value.is_string()).then_some(Misfit::Type),
            _ => None,
        }
    }

    /// That an index of the table cannot hold the value.
    pub(crate) fn exceeds_index(&self) -> FieldError {
        self.invalid("The value is too long for an index of the table.".to_owned(), None)
    }

    /// That the value violates a constraint of the table.
    pub(crate) fn violates(&self, constraint: &str) -> FieldError {
        self.invalid(format!("The value violates the constraint {constraint}."), None)
    }

    fn invalid(&self, message: String, hint: Option<String>) -> FieldError {
        let error = FieldError::new("", ErrorCode::ValidationFailed, message);
        FieldError { field: Some(self.spec.column.clone().into()), hint: hint.map(Into::into), ..error }
    }

    /// What is wrong, told for a person; never the value itself.
    pub(crate) fn error(&self, misfit: Misfit) -> FieldError {
        let spec = &self.spec;
        let bound = |bound: &Option<Bound>| bound.as_ref().map(ToString::to_string).unwrap_or_default();
        let unit = match self.column.kind {
            Kind::Text => " characters",
            Kind::Array => " elements",
            Kind::Json | Kind::Other => "",
        };
        let allowed = || {
            let values = spec.allowed.iter().flatten().map(scalar_text).collect::<Vec<_>>();
            (!values.is_empty()).then(|| format!("Allowed values: {}.", values.join(", ")))
        };
        let (message, hint) = match misfit {
            Misfit::Type => (format!("The value is not of type {}.", self.column.type_name), allowed()),
            Misfit::Null => ("The field cannot be null.".to_owned(), allowed()),
            Misfit::Allowed => ("The value is not one of those allowed.".to_owned(), allowed()),
            Misfit::Minimum => (format!("The least is {}{unit}.", bound(&spec.minimum)), None),
            Misfit::Maximum => (format!("The most is {}{unit}.", bound(&spec.maximum)), None),
            Misfit::Size if self.column.kind == Kind::Text => {
                (format!("The text is longer than {} characters.", self.max_characters()), None)
            }
            Misfit::Size => (format!("The value is larger than {MAX_BYTES} bytes."), None),
            Misfit::Modifier => {
                let modified = self.column.modified_type.as_deref().unwrap_or(&self.column.type_name);
                (format!("The value does not fit in {modified}."), None)
            }
        };
        self.invalid(message, hint)
    }
}

/// A value as the text that a scalar type reads.
fn scalar_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
