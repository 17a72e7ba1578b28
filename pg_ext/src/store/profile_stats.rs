//! What `profile_stats` counts.

use pgrx::Spi;
use pgrx::pg_sys::BuiltinOid::{INT4OID, TEXTOID, UUIDARRAYOID};
use pgrx::spi::SpiClient;
use registrar_core::{CompletionShare, DayCount, FieldError, MissingField, ProfileStats};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::columns::Columns;
use super::plans::{self, Statement};
use super::profile_tables::ProfileTable;
use super::user_rows;
use crate::pg::{self, LockMode};

/// What the profile table itself tells.
#[derive(Deserialize)]
struct Completion {
    profiles: u64,
    distribution: Vec<CompletionShare>,
    missing_fields: Vec<MissingField>,
}

/// What registrar's own tables tell.
#[derive(Deserialize)]
struct Troubles {
    open_failures: u64,
    warnings: u64,
}

/// Counts users, profiles and what they lack.
///
/// # Errors
/// Where the table is gone.
pub(crate) fn of(table: &ProfileTable, days: i32) -> Result<ProfileStats, FieldError> {
    let locked = table.lock(LockMode::Read).map_err(|_| table.gone())?;
    // The table's owner may not read auth.users, nor registrar the table: each counts with its own rights.
    let deleted = pg::as_registrar(|| Spi::connect_mut(user_rows::deleted));
    let completion: Completion = Spi::connect_mut(|client| {
        pg::as_role(locked.owner, || {
            json(plans::run_text(client, &completion_query(table), &[UUIDARRAYOID.value()], &[deleted.into()]))
        })
    });
    Ok(pg::as_registrar(|| Spi::connect_mut(|client| stats(client, table, completion, days))))
}

fn stats(client: &mut SpiClient<'_>, table: &ProfileTable, completion: Completion, days: i32) -> ProfileStats {
    let name = [table.schema.as_str().into(), table.name.as_str().into()];
    let troubles: Troubles = json(TROUBLES.run(client, &name));
    let [schema, name] = name;
    let days: Vec<DayCount> = json(DAYS.run(client, &[schema, name, days.into()]));
    let users = user_rows::count(client);
    let complete =
        completion.distribution.iter().filter(|share| share.percentage == 100).map(|share| share.profiles).sum();
    ProfileStats {
        table: table.display_name(),
        users,
        profiles: completion.profiles,
        without_profile: users.saturating_sub(completion.profiles),
        complete,
        incomplete: completion.profiles - complete,
        completion_distribution: completion.distribution,
        missing_fields: completion.missing_fields,
        days,
        open_failures: troubles.open_failures,
        warnings: troubles.warnings,
    }
}

/// One pass over the table: profiles by the fields that they lack, from which the rest follows.
fn completion_query(table: &ProfileTable) -> String {
    let required = table.required().count();
    let percentage = match required {
        0 => "100".to_owned(),
        required => format!("({required} - cardinality(missing)) * 100 / {required}"),
    };
    format!(
        "WITH by_missing AS (
             SELECT {missing} AS missing, count(*) AS profiles FROM {table} AS profile
             WHERE NOT EXISTS (SELECT FROM unnest($1) AS deleted (id) WHERE deleted.id = profile.{user})
             GROUP BY 1
         ), by_percentage AS (
             SELECT {percentage} AS percentage, sum(profiles) AS profiles FROM by_missing GROUP BY 1
         ), by_field AS (
             SELECT field, sum(profiles) AS profiles FROM by_missing, unnest(missing) AS field GROUP BY 1
         )
         SELECT json_build_object(
             'profiles', (SELECT coalesce(sum(profiles), 0) FROM by_missing),
             'distribution', (SELECT coalesce(json_agg(d ORDER BY percentage), '[]') FROM by_percentage AS d),
             'missing_fields', (SELECT coalesce(json_agg(f ORDER BY profiles DESC, field), '[]') FROM by_field AS f)
         )::text",
        missing = table.missing_fields(),
        table = table.quoted(),
        user = table.quoted_user_column(),
    )
}

static TROUBLES: Statement = Statement::new(
    "SELECT json_build_object(
         'open_failures', (
             SELECT count(*) FROM registrar_private.profile_failures WHERE schema_name = $1 AND table_name = $2
         ),
         'warnings', (
             SELECT count(*) FROM registrar_private.profile_warnings WHERE schema_name = $1 AND table_name = $2
         )
     )::text",
    &[TEXTOID, TEXTOID],
);

// A failure that was repaired is no row of profile_failures any more: the audit log tells of those, by the table's name.
static DAYS: Statement = Statement::made_by(
    |client| {
        let not_deleted = user_rows::not_deleted(&Columns::of_auth(client, "users"));
        format!(
            "SELECT coalesce(json_agg(json_build_object('day', day.start, 'sign_ups', coalesce(u.users, 0), 'failures', coalesce(f.failures, 0))
                                      ORDER BY day.start DESC), '[]')::text
             FROM (
                 SELECT (now() AT TIME ZONE 'UTC')::date - place AS start FROM generate_series(0, $3 - 1) AS place
             ) AS day
             LEFT JOIN (
                 SELECT (u.created_at AT TIME ZONE 'UTC')::date AS start, count(*) AS users
                 FROM auth.users AS u
                 WHERE {not_deleted} AND u.created_at >= now() - make_interval(days => $3)
                 GROUP BY 1
             ) AS u USING (start)
             LEFT JOIN (
                 SELECT (a.occurred_at AT TIME ZONE 'UTC')::date AS start, count(*) AS failures
                 FROM registrar_private.audit_log AS a
                 WHERE a.action = 'fill_profile' AND a.occurred_at >= now() - make_interval(days => $3)
                     AND starts_with(a.detail, $1 || '.' || $2 || ':')
                 GROUP BY 1
             ) AS f USING (start)"
        )
    },
    &[TEXTOID, TEXTOID, INT4OID],
);

fn json<T: DeserializeOwned>(rows: pgrx::spi::SpiTupleTable<'_>) -> T {
    let text: Option<String> = rows.first().get_one().ok().flatten();
    serde_json::from_str(&text.unwrap_or_default()).expect("the query makes what is read")
}
