//! The dry run of a sign-up: every shape, statement by statement as Supabase Auth writes it, and rolled back.

mod culprit;
mod fix;
mod fix_constraint;
mod fix_rights;
mod settings;
mod shapes;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use pgrx::Spi;
use pgrx::pg_sys::Oid;
use pgrx::spi::SpiClient;
use uuid::Uuid;

use self::culprit::Culprit;
use self::fix::Case;
use self::settings::{RoleSettings, statement_timeout};
use self::shapes::{AuthTables, Newcomer, Shape, Step};
use super::plans::Statement;
use super::{profile_failures, profile_warnings, storage};
use crate::pg::{self, PgError, TrappedStatement, subtransaction};

/// What came of one shape.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) shape: &'static str,
    /// Whether the sign-up stands.
    pub(crate) ok: bool,
    /// The step that failed, in words.
    pub(crate) statement: Option<String>,
    /// `name ON schema.table`.
    pub(crate) trigger: Option<String>,
    pub(crate) function: Option<String>,
    pub(crate) line: Option<i32>,
    pub(crate) table: Option<String>,
    pub(crate) constraint: Option<String>,
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) fix: Option<String>,
}

static USERS_OWNER: Statement = Statement::new(
    "SELECT c.relowner FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = 'auth' AND c.relname = 'users' AND c.relkind IN ('r', 'p', 'v', 'f')",
    &[],
);

/// Who owns `auth.users`, and so signs users up where Supabase Auth does; `None` where there is no such table.
pub(crate) fn owner_of_users(client: &mut SpiClient<'_>) -> Option<Oid> {
    USERS_OWNER.run(client, &[]).first().get_one().ok().flatten()
}

/// Why the caller's session or transaction is not one for a dry run.
pub(crate) enum Unfit {
    /// What the transaction has deferred would be checked, and blamed on the sign-up.
    Deferred(String),
    /// What the dry run calls could read on in it.
    Cursor(String),
}

static DEFERRABLE: Statement = Statement::new(
    "SELECT DISTINCT t.tgrelid, t.tgrelid::regclass::text FROM pg_catalog.pg_trigger AS t WHERE t.tgdeferrable ORDER BY 2",
    &[],
);

static CURSORS: Statement = Statement::new("SELECT c.name FROM pg_catalog.pg_cursors AS c", &[]);

/// Whether a dry run can be made here and now.
pub(crate) fn require_fit(client: &mut SpiClient<'_>) -> Result<(), Unfit> {
    for row in DEFERRABLE.run(client, &[]) {
        let (Some(table), Some(name)) = (row.get(1).ok().flatten(), row.get(2).ok().flatten()) else { continue };
        if pg::has_deferred(table) {
            return Err(Unfit::Deferred(name));
        }
    }
    let cursors: Vec<String> = CURSORS.run(client, &[]).filter_map(|row| row.get(1).ok().flatten()).collect();
    pg::other_open_cursor(cursors).map_or(Ok(()), |name| Err(Unfit::Cursor(name)))
}

/// Signs up one user of each shape as `role` would, and leaves none.
pub(crate) fn run(role: Oid, caller: Oid) -> Vec<Outcome> {
    let check = Spi::connect_mut(|client| SignupCheck {
        role,
        tables: AuthTables::load(client),
        settings: RoleSettings::load(client, role, caller),
        is_set_up: pg::as_registrar(|| storage::is_made(client)),
    });
    pg::dry_run(|| Shape::ALL.map(|shape| check.outcome(shape)).into())
}

struct SignupCheck {
    role: Oid,
    tables: AuthTables,
    settings: RoleSettings,
    /// Whether registrar keeps failures and warnings here.
    is_set_up: bool,
}

/// What came of a sign-up; none of it is a success to the subtransaction, which is always rolled back.
enum Attempt {
    Stood(Vec<Note>),
    Failed(PgError),
    /// A step took longer than the role may.
    Slow {
        taken: u64,
        limit: u64,
    },
}

impl From<PgError> for Attempt {
    fn from(error: PgError) -> Self {
        Self::Failed(error)
    }
}

/// What registrar recorded of a sign-up that stands.
struct Note {
    message: String,
    fix: String,
}

impl SignupCheck {
    fn outcome(&self, shape: Shape) -> Outcome {
        let newcomer = Newcomer::of(shape);
        let steps = newcomer.steps(&self.tables);
        let progress = Progress::default();
        let attempt = subtransaction(|| Err::<Infallible, _>(self.sign_up(&newcomer, &steps, &progress)));
        let step = steps.get(progress.at.get());
        match attempt {
            Err(Attempt::Stood(notes)) => stood(shape, notes),
            Err(Attempt::Failed(error)) => self.failed(&newcomer, shape, step, &error),
            Err(Attempt::Slow { taken, limit }) => Outcome {
                statement: Some(words(step)),
                sqlstate: Some("57014".to_owned()),
                message: Some(format!(
                    "took {taken} ms, and the statement_timeout of {} is {limit} ms",
                    pg::role_name(self.role)
                )),
                fix: Some(fix::slow(self.role, taken)),
                ..Outcome::of(shape)
            },
        }
    }

    /// Signs the newcomer up as the role, with its settings, as far as it goes.
    fn sign_up(&self, newcomer: &Newcomer, steps: &[Step], progress: &Progress) -> Attempt {
        let signed_up = pg::as_role(self.role, || {
            self.settings.apply();
            let limit = statement_timeout();
            for step in steps {
                in_time(limit, || progress.make(step))?;
                progress.at.set(progress.at.get() + 1);
            }
            in_time(limit, pg::settle_deferred_constraints)
        });
        signed_up.map_or_else(|failed| failed, |()| Attempt::Stood(self.notes(newcomer.id)))
    }

    /// The failures and warnings that registrar's triggers recorded.
    fn notes(&self, user_id: Uuid) -> Vec<Note> {
        if !self.is_set_up {
            return Vec::new();
        }
        let recorded = || {
            Spi::connect_mut(|client| {
                let failures = profile_failures::of_user(client, user_id).into_iter().map(|failure| Note {
                    message: format!(
                        "registrar could not fill {}, and has queued it: {} ({})",
                        failure.table, failure.message, failure.sqlstate
                    ),
                    fix: failure.hint,
                });
                let failures: Vec<_> = failures.collect();
                let warnings = profile_warnings::of_user(client, user_id).into_iter().map(|warning| Note {
                    message: format!("{} has its default: {}", warning.column, warning.message),
                    fix: format!("Have {} take such a value, or its field another source.", warning.column),
                });
                failures.into_iter().chain(warnings).collect()
            })
        };
        let recorded = || Ok::<_, PgError>(pg::with_search_path(|| pg::as_registrar(recorded)));
        subtransaction(recorded).unwrap_or_default()
    }

    fn failed(&self, newcomer: &Newcomer, shape: Shape, step: Option<&Step>, error: &PgError) -> Outcome {
        Spi::connect_mut(|client| {
            let culprit = Culprit::find(client, step, error, self.role);
            let case = Case {
                shape,
                step,
                error,
                culprit: &culprit,
                role_search_path: self.settings.get("search_path").unwrap_or_default(),
                user_id: newcomer.id.to_string(),
            };
            let fix = fix::fix(client, &case);
            Outcome {
                statement: Some(words(step)),
                table: error.table.as_deref().map(|table| match error.schema.as_deref() {
                    Some(schema) => format!("{schema}.{table}"),
                    None => table.to_owned(),
                }),
                constraint: error.constraint.clone(),
                sqlstate: Some(error.sqlstate()),
                message: Some(error.message.clone()),
                fix: Some(fix),
                trigger: culprit.trigger.map(|trigger| trigger.name),
                function: culprit.function.map(|function| function.name),
                line: culprit.line,
                ..Outcome::of(shape)
            }
        })
    }
}

impl Outcome {
    fn of(shape: Shape) -> Self {
        Self { shape: shape.name(), ..Self::default() }
    }
}

fn stood(shape: Shape, notes: Vec<Note>) -> Outcome {
    let (messages, fixes): (Vec<_>, Vec<_>) = notes.into_iter().map(|note| (note.message, note.fix)).unzip();
    let lines = |lines: Vec<String>| (!lines.is_empty()).then(|| lines.join("\n"));
    Outcome { ok: true, message: lines(messages), fix: lines(fixes), ..Outcome::of(shape) }
}

fn words(step: Option<&Step>) -> String {
    step.map_or("COMMIT", |step| step.words.as_str()).to_owned()
}

/// How far a sign-up has come.
#[derive(Default)]
struct Progress {
    /// The step that it stands at.
    at: Cell<usize>,
    /// What PostgreSQL may look at until the subtransaction is rolled back.
    statements: RefCell<Vec<Rc<TrappedStatement>>>,
}

impl Progress {
    fn make(&self, step: &Step) -> Result<(), PgError> {
        let rows = Spi::connect_mut(|client| {
            let statement = Rc::new(TrappedStatement::prepare(client, &step.text, &[]));
            self.statements.borrow_mut().push(Rc::clone(&statement));
            statement.execute(client, &[])
        })?;
        if rows == 0 && step.writes_a_row { Err(PgError::not_written()) } else { Ok(()) }
    }
}

/// A step, which must not take longer than so many milliseconds. The timeout itself would end the whole check.
fn in_time(limit: Option<u64>, step: impl FnOnce() -> Result<(), PgError>) -> Result<(), Attempt> {
    let begin = Instant::now();
    step()?;
    let taken = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    match limit {
        Some(limit) if taken > limit => Err(Attempt::Slow { taken, limit }),
        _ => Ok(()),
    }
}
