//! Profiles as the calls create and update them: from values that were given, each of them checked.

use pgrx::datum::DatumWithOid;
use registrar_core::{ErrorCode, FieldError, nearest_name};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::profile_fields::{Field, ValueFrom};
use super::profile_statements::{Returning, Shape, Users, Write};
use super::profile_tables::ProfileTable;
use super::profiles::{self, Rights, Values};
use crate::pg::{Jsonb, LockMode, PgError, UserRow};

/// Unknown names that are told: a handful are typing errors, thousands are another document.
const MAX_UNKNOWN: usize = 20;

/// Characters of an unknown name that are told: no column's is longer.
const MAX_NAME: usize = 63;

/// Why a profile was not written.
pub(crate) enum NotWritten {
    /// These fields are to blame.
    Fields(Vec<FieldError>),
    /// There is one already.
    Exists,
    /// There is none.
    Missing,
    /// PostgreSQL refused the statement.
    Raised(PgError),
}

impl From<PgError> for NotWritten {
    fn from(error: PgError) -> Self {
        Self::Raised(error)
    }
}

/// The values that a call was given, each for a field of the table.
pub(crate) struct Given<'v> {
    values: &'v Map<String, Value>,
    places: Vec<bool>,
}

impl<'v> Given<'v> {
    /// # Errors
    /// One for each key that is no field, naming the nearest, and for each value that does not fit its column, where one of
    /// them cannot even be tried.
    pub(crate) fn check(
        table: &ProfileTable,
        values: &'v Map<String, Value>,
        rights: Rights,
    ) -> Result<Self, Vec<FieldError>> {
        let known = || table.fields.iter().map(|field| field.spec.column.as_str());
        let mut errors = Vec::new();
        let mut unknowns = 0;
        for (name, value) in values {
            match table.field(name) {
                None if unknowns == MAX_UNKNOWN => {}
                None => {
                    unknowns += 1;
                    errors.push(unknown(name, nearest_name(name, known()), known()));
                }
                Some(field) => errors.extend(field.misfit_of_given(value).map(|misfit| field.error(misfit))),
            }
        }
        let places = known().map(|name| values.contains_key(name)).collect();
        let given = Self { values, places };
        if errors.is_empty() {
            return Ok(given);
        }
        errors.extend(given.misfits_besides(table, &errors, rights));
        Err(errors)
    }

    /// What is wrong with the other values, so that all is told at once.
    fn misfits_besides(&self, table: &ProfileTable, errors: &[FieldError], rights: Rights) -> Vec<FieldError> {
        // Of a table that is gone nothing can be told.
        if table.lock(LockMode::Read).is_err() {
            return Vec::new();
        }
        let is_told = |column: &str| errors.iter().any(|error| error.field.as_deref() == Some(column));
        let untold = |(field, is_given): (&Field, &bool)| {
            (*is_given && !is_told(&field.spec.column)).then_some(ValueFrom::Given)
        };
        let fields: Vec<_> = table.fields.iter().zip(&self.places).map(untold).collect();
        let values = Values::given(Uuid::nil(), self.parameter());
        let misfits = profiles::misfits(table, &fields, &values, rights);
        misfits.into_iter().map(|(place, misfit)| table.fields[place].error(misfit)).collect()
    }

    fn parameter(&self) -> DatumWithOid<'static> {
        Jsonb::of(self.values).into()
    }
}

fn unknown<'n>(name: &str, nearest: Option<&str>, known: impl Iterator<Item = &'n str>) -> FieldError {
    let hint = match nearest {
        Some(nearest) => format!("Did you mean {nearest}?"),
        None => format!("Fields are: {}.", known.collect::<Vec<_>>().join(", ")),
    };
    let error = FieldError::invalid("", "There is no such field.").with_hint(hint);
    FieldError { field: Some(name.chars().take(MAX_NAME).collect::<String>().into()), ..error }
}

/// Creates a profile from the values given, else from where each field is attached to; the answer of `create_profile` as JSON.
pub(crate) fn create(
    table: &ProfileTable,
    user: &UserRow<'_>,
    given: &Given<'_>,
    rights: Rights,
) -> Result<String, NotWritten> {
    let values = Values::of(user, given.parameter());
    let mut fields = values.present(table);
    for (field, _) in fields.iter_mut().zip(&given.places).filter(|(_, is_given)| **is_given) {
        *field = Some(ValueFrom::Given);
    }
    let mut shape = shape(Write::Insert, fields, &values);
    match write(table, &shape, &values, rights) {
        // What the metadata have and does not fit is not the caller's fault: it gives way to the default.
        Err(NotWritten::Fields(errors)) => {
            let is_given = |error: &FieldError| given.values.contains_key(error.field.as_deref().unwrap_or_default());
            if errors.is_empty() || errors.iter().any(is_given) {
                return Err(NotWritten::Fields(errors));
            }
            shape.fields.iter_mut().filter(|from| **from == Some(ValueFrom::Source)).for_each(|from| *from = None);
            write(table, &shape, &values, rights)
        }
        Err(NotWritten::Missing) => Err(PgError::not_written().into()),
        written => written,
    }
}

/// Updates the fields given and no other, so that two writers at once lose nothing of either; the answer of `update_profile`
/// as JSON.
pub(crate) fn update(
    table: &ProfileTable,
    user_id: Uuid,
    given: &Given<'_>,
    rights: Rights,
) -> Result<String, NotWritten> {
    let values = Values::given(user_id, given.parameter());
    let fields = given.places.iter().map(|is_given| is_given.then_some(ValueFrom::Given)).collect();
    write(table, &shape(Write::Update, fields, &values), &values, rights)
}

fn shape(write: Write, fields: Vec<Option<ValueFrom>>, values: &Values<'_>) -> Shape {
    // The caller may have no right to write a key.
    let brings_key = false;
    Shape {
        write,
        users: Users::One,
        fields,
        is_guarded: values.is_guarded(),
        brings_key,
        returning: Returning::Answer,
    }
}

fn write(table: &ProfileTable, shape: &Shape, values: &Values<'_>, rights: Rights) -> Result<String, NotWritten> {
    let refusal = match profiles::write(table, shape, values, rights) {
        Ok(done) if done.rows > 0 => return Ok(done.answer.unwrap_or_default()),
        Ok(_) => None,
        Err(error) if error.is_of_data() || error.is_unique_violation() || error.is_not_null_violation() => Some(error),
        Err(error) => return Err(error.into()),
    };
    if refusal.as_ref().is_some_and(PgError::is_unique_violation)
        && shape.write == Write::Insert
        && profiles::read(table, values.user_id).is_some()
    {
        return Err(NotWritten::Exists);
    }
    let misfits = profiles::misfits(table, &shape.fields, values, rights);
    if !misfits.is_empty() {
        let errors = misfits.into_iter().map(|(place, misfit)| table.fields[place].error(misfit)).collect();
        return Err(NotWritten::Fields(errors));
    }
    let Some(error) = refusal else { return Err(NotWritten::Missing) };
    let columns = profiles::constrained_columns(table, &error);
    let constraint = error.constraint.clone().unwrap_or_default();
    let blamed = table.fields.iter().filter(|field| columns.contains(&field.spec.column));
    let errors: Vec<_> = blamed.map(|field| field.violates(&constraint)).collect();
    if !errors.is_empty() {
        return Err(NotWritten::Fields(errors));
    }
    if error.is_unique_violation() || error.is_of_data() {
        let error = FieldError::of_call(
            ErrorCode::ValidationFailed,
            format!("The table refuses the values: {}.", error.message_without_values()),
        );
        return Err(NotWritten::Fields(vec![error]));
    }
    Err(error.into())
}
