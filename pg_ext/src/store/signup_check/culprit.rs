//! Who is to blame for an error: the function and line that it arose in, the trigger that runs the function, and the role whose
//! rights were in force. What the error's text names is looked up in the catalogue, and told only where it is there.

use pgrx::pg_sys::BuiltinOid::{INT2OID, OIDOID, TEXTOID};
use pgrx::pg_sys::Oid;
use pgrx::spi::SpiClient;
use registrar_core::{ErrorContext, Frame};

use super::shapes::Step;
use crate::pg::PgError;
use crate::store::plans::Statement;

/// What is known of where an error comes from.
pub(super) struct Culprit {
    pub(super) trigger: Option<Trigger>,
    pub(super) function: Option<Function>,
    pub(super) line: Option<i32>,
    /// The role whose rights were in force.
    pub(super) acting: Oid,
    /// The statement in the function that failed.
    pub(super) statement: Option<String>,
}

/// A trigger of somebody's.
#[derive(Clone)]
pub(super) struct Trigger {
    /// `name ON schema.table`, quoted where needed.
    pub(super) name: String,
    /// The statement that makes it.
    pub(super) definition: String,
    pub(super) is_before: bool,
    /// With whose rights a foreign key's action, or registrar, writes the trigger's table.
    table_owner: Oid,
    /// Whether the step of the sign-up sets it off itself.
    is_of_step: bool,
}

/// A function that was running.
#[derive(Clone)]
pub(super) struct Function {
    oid: Oid,
    /// As `ALTER FUNCTION` takes it.
    pub(super) name: String,
    pub(super) is_definer: bool,
    pub(super) owner: Oid,
    /// Its own, where it has one.
    pub(super) search_path: Option<String>,
}

/// Where in the sign-up an error arose: in which step, if not at the commit, and on which table.
struct Place<'a> {
    step: Option<&'a Step>,
    table: Option<Oid>,
    error: &'a PgError,
}

impl Culprit {
    /// Finds whoever is to blame for an error that a step of a sign-up by `role` ended with; the commit is no step.
    pub(super) fn find(client: &mut SpiClient<'_>, step: Option<&Step>, error: &PgError, role: Oid) -> Self {
        let context = ErrorContext::read(error.context.as_deref().unwrap_or_default());
        let place = Place { step, table: step.and_then(|step| auth_table(client, step.table)), error };
        let functions: Vec<_> = context.frames.iter().map(|frame| Function::running(client, frame, &place)).collect();
        let calls = functions.iter().zip(&context.frames);
        let triggers = calls.filter_map(|(function, frame)| {
            Trigger::running(client, function.as_ref()?, frame.called_by.as_deref(), &place)
        });
        let triggers: Vec<_> = triggers.collect();

        let definer = functions.iter().flatten().find(|function| function.is_definer).map(|function| function.owner);
        // What set off a trigger elsewhere without a function between was a foreign key, or registrar: both write as the table's owner.
        let elsewhere = triggers.first().filter(|_| step.is_some() && !triggers.iter().any(|found| found.is_of_step));
        let mut culprit = Self {
            acting: definer.or(elsewhere.map(|trigger| trigger.table_owner)).unwrap_or(role),
            trigger: triggers.first().cloned(),
            function: functions.first().cloned().flatten(),
            line: context.frames.first().and_then(|frame| frame.line),
            statement: context.statement,
        };
        if context.frames.is_empty() {
            culprit.blame_silent_trigger(client, &place);
        }
        culprit
    }

    /// Where an error tells of no function: the only trigger that can be meant and would leave no word in it, if there is just one.
    fn blame_silent_trigger(&mut self, client: &mut SpiClient<'_>, place: &Place<'_>) {
        let (Some(step), Some(table)) = (place.step, place.table) else { return };
        let is_elsewhere = place.error.table.as_deref().is_some_and(|table| table != step.table);
        let silent = match (place.error.is_not_written(), is_elsewhere) {
            (true, _) => &SUPPRESSING,
            (false, true) => &IN_C,
            (false, false) => return,
        };
        let found = silent.run(client, &[table.into(), step.event.trigger_type().into()]);
        let functions: Vec<Oid> = found.filter_map(|row| row.get(1).ok().flatten()).collect();
        let [function] = functions[..] else { return };
        self.function = Function::load(client, function);
        self.trigger = self.function.as_ref().and_then(|function| Trigger::running(client, function, None, place));
    }

    /// `line 5 of public.handle_new_user()`, or as much of it as is known.
    pub(super) fn place(&self) -> Option<String> {
        let function = &self.function.as_ref()?.name;
        Some(self.line.map_or_else(|| function.clone(), |line| format!("line {line} of {function}")))
    }
}

static AUTH_TABLE: Statement = Statement::new(
    "SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = 'auth' AND c.relname = $1",
    &[TEXTOID],
);

/// The table of that name in the schema `auth`.
fn auth_table(client: &mut SpiClient<'_>, name: &str) -> Option<Oid> {
    AUTH_TABLE.run(client, &[name.into()]).first().get_one().ok().flatten()
}

// A trigger that makes nothing of the row, and says nothing.
static SUPPRESSING: Statement = Statement::new(
    "SELECT t.tgfoid FROM pg_catalog.pg_trigger AS t
     WHERE t.tgrelid = $1 AND t.tgtype & $2 <> 0 AND t.tgtype & 3 = 3 AND t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal",
    &[OIDOID, INT2OID],
);

// Functions of other languages than C tell of themselves in the error's context.
static IN_C: Statement = Statement::new(
    "SELECT t.tgfoid FROM pg_catalog.pg_trigger AS t
     JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
     JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
     WHERE t.tgrelid = $1 AND t.tgtype & $2 <> 0 AND l.lanname = 'c' AND t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal",
    &[OIDOID, INT2OID],
);

// The error tells the schema only where it was not on the search_path. Of functions of one name the one is meant that the step's
// own trigger calls, or whose arguments are those, or that is some trigger's.
static FUNCTION: Statement = Statement::new(
    "SELECT p.oid
     FROM pg_catalog.pg_proc AS p
     JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
     CROSS JOIN LATERAL (SELECT p.oid::regprocedure::text) AS signature (text)
     WHERE p.proname = $1 AND n.nspname = coalesce($2, n.nspname)
     ORDER BY
         EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgfoid = p.oid AND t.tgrelid = $4) DESC,
         signature.text = $3 OR right(signature.text, length($3) + 1) = '.' || $3 DESC,
         EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgfoid = p.oid) DESC,
         p.oid
     LIMIT 1",
    &[TEXTOID, TEXTOID, TEXTOID, OIDOID],
);

static FUNCTION_BY_ID: Statement = Statement::new(
    "SELECT p.oid::regprocedure::text, p.prosecdef, p.proowner, (
         SELECT substr(item, length('search_path=') + 1) FROM unnest(p.proconfig) AS item
         WHERE starts_with(item, 'search_path=')
     )
     FROM pg_catalog.pg_proc AS p WHERE p.oid = $1",
    &[OIDOID],
);

impl Function {
    /// The function that a frame of the error's context tells of.
    fn running(client: &mut SpiClient<'_>, frame: &Frame, place: &Place<'_>) -> Option<Self> {
        let arguments = [
            frame.name.as_str().into(),
            frame.schema.as_deref().into(),
            frame.signature.as_str().into(),
            place.table.into(),
        ];
        let oid = FUNCTION.run(client, &arguments).first().get_one().ok().flatten()?;
        Self::load(client, oid)
    }

    fn load(client: &mut SpiClient<'_>, oid: Oid) -> Option<Self> {
        let row = FUNCTION_BY_ID.run(client, &[oid.into()]).first();
        Some(Self {
            oid,
            name: row.get(1).ok().flatten()?,
            is_definer: row.get(2).ok().flatten()?,
            owner: row.get(3).ok().flatten()?,
            search_path: row.get(4).ok().flatten(),
        })
    }
}

// How well a trigger fits: the statement that called its function names its table, or the error is about its table, or the step is.
static TRIGGERS: Statement = Statement::new(
    "SELECT
         format('%I ON %s', t.tgname, t.tgrelid::regclass),
         pg_get_triggerdef(t.oid),
         t.tgtype & 2 <> 0,
         c.relowner,
         fits.of_step,
         t.tgrelid,
         4 * CASE
             WHEN strpos($6, format('%I.%I', n.nspname, c.relname)) > 0 THEN 2
             WHEN strpos($6, format('%I', c.relname)) > 0 THEN 1
             ELSE 0
         END + 2 * fits.of_table::integer + fits.of_step::integer
     FROM pg_catalog.pg_trigger AS t
     JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL (
         SELECT coalesce(t.tgrelid = $2 AND t.tgtype & $3 <> 0, false), coalesce(n.nspname = $4 AND c.relname = $5, false)
     ) AS fits (of_step, of_table)
     WHERE t.tgfoid = $1 AND t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal
     ORDER BY 7 DESC, t.tgname",
    &[OIDOID, OIDOID, INT2OID, TEXTOID, TEXTOID, TEXTOID],
);

impl Trigger {
    /// The trigger that called a function, where no trigger of another table fits as well.
    fn running(
        client: &mut SpiClient<'_>,
        function: &Function,
        called_by: Option<&str>,
        place: &Place<'_>,
    ) -> Option<Self> {
        let arguments = [
            function.oid.into(),
            place.table.into(),
            place.step.map(|step| step.event.trigger_type()).into(),
            place.error.schema.as_deref().into(),
            place.error.table.as_deref().into(),
            called_by.unwrap_or_default().into(),
        ];
        let mut found = TRIGGERS.run(client, &arguments).filter_map(|row| {
            let trigger = Self {
                name: row.get(1).ok().flatten()?,
                definition: row.get(2).ok().flatten()?,
                is_before: row.get(3).ok().flatten()?,
                table_owner: row.get(4).ok().flatten()?,
                is_of_step: row.get(5).ok().flatten()?,
            };
            Some((trigger, row.get::<Oid>(6).ok().flatten()?, row.get::<i32>(7).ok().flatten()?))
        });
        let (best, table, fit) = found.next()?;
        let is_clear = found.all(|(_, other, less)| other == table || less < fit);
        is_clear.then_some(best)
    }
}
