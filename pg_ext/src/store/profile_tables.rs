//! `registrar_private.profile_tables`: which tables hold profiles, with the statements that write and read them.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use pgrx::Spi;
use pgrx::pg_sys::BuiltinOid::{JSONBOID, OIDOID, TEXTOID};
use pgrx::pg_sys::{Oid, UUIDOID};
use pgrx::spi::SpiClient;
use registrar_core::{ErrorCode, FieldError, ProfileField};

use super::plans::Statement;
use super::profile_fields::{Column, Field};
use super::profile_statements::Shape;
use super::remembered::{Slot, remembered};
use crate::pg::{self, Jsonb, LockMode, LockedTable, PgError, TrappedStatement, configuration, subtransaction};

/// An attached profile table as the catalogue has it now.
pub(crate) struct ProfileTable {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) user_column: String,
    /// The only column of the primary key; the user's where it has several, or is missing.
    pub(crate) primary_key: String,
    pub(crate) on_failure: OnFailure,
    pub(crate) fields: Vec<Field>,
    /// The columns, once a statement needs them.
    columns: RefCell<Option<Rc<TableColumns>>>,
    statements: Kept<Shape>,
    /// As of which generation of the catalogue these are.
    made_as_of: Cell<u64>,
    queries: Kept<String>,
    binary_row: OnceCell<TrappedStatement>,
}

/// The columns of a profile table.
#[derive(Default)]
pub(super) struct TableColumns {
    /// The SQL of their defaults, each by its column.
    pub(super) defaults: HashMap<String, String>,
    /// Their names and types, in order.
    pub(super) types: Vec<(String, Oid)>,
}

type Kept<K> = RefCell<HashMap<K, Rc<TrappedStatement>>>;

/// What becomes of a sign-up whose profile fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// It stands, and the failure is recorded, to be repaired.
    Queue,
    /// It fails too.
    Block,
    /// It stands, and nothing is recorded.
    Ignore,
}

impl OnFailure {
    pub(crate) const WORDS: [&str; 3] = ["queue", "block", "ignore"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "queue" => Some(Self::Queue),
            "block" => Some(Self::Block),
            "ignore" => Some(Self::Ignore),
            _ => None,
        }
    }
}

/// Most statements kept for one table: an app has a handful of sign-up forms, but whoever signs up chooses the keys, and a
/// plan takes 35 kB.
const MAX_STATEMENTS: usize = 64;

impl ProfileTable {
    /// `schema.name`, as people write it.
    pub(crate) fn display_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The statement of that shape, prepared once. The table must be locked.
    pub(crate) fn statement(&self, client: &mut SpiClient<'_>, shape: &Shape) -> Rc<TrappedStatement> {
        // Whoever held the lock that was waited for may have given a column another default, which stands in the statements.
        let generation = configuration::generation();
        if self.made_as_of.replace(generation) != generation {
            self.statements.take();
            self.columns.take();
        }
        if let Some(statement) = self.statements.borrow().get(shape) {
            return Rc::clone(statement);
        }
        let text = self.text(shape, || self.columns(client));
        let statement = Rc::new(TrappedStatement::prepare(client, &text, &shape.types()));
        keep(&self.statements, shape.clone(), statement)
    }

    /// The table must be locked: to print an expression PostgreSQL locks it, which must not be where nothing guards the wait.
    fn columns(&self, client: &mut SpiClient<'_>) -> Rc<TableColumns> {
        if let Some(columns) = &*self.columns.borrow() {
            return Rc::clone(columns);
        }
        let mut columns = TableColumns::default();
        for row in TABLE_COLUMNS.run(client, &[self.schema.as_str().into(), self.name.as_str().into()]) {
            let (Ok(Some(name)), Ok(Some(oid))) = (row.get::<String>(1), row.get(2)) else { continue };
            if let Ok(Some(default)) = row.get(3) {
                columns.defaults.insert(name.clone(), default);
            }
            columns.types.push((name, oid));
        }
        let columns = Rc::new(columns);
        self.columns.replace(Some(Rc::clone(&columns)));
        columns
    }

    /// A statement with that text, prepared once.
    pub(crate) fn query(&self, client: &SpiClient<'_>, text: &str, types: &[Oid]) -> Rc<TrappedStatement> {
        if let Some(statement) = self.queries.borrow().get(text) {
            return Rc::clone(statement);
        }
        let statement = Rc::new(TrappedStatement::prepare(client, text, types));
        keep(&self.queries, text.to_owned(), statement)
    }

    /// The query of `get_profile`, prepared once.
    pub(crate) fn binary_row(&self, client: &SpiClient<'_>) -> &TrappedStatement {
        self.binary_row.get_or_init(|| TrappedStatement::prepare(client, &self.binary_row_query(), &[UUIDOID]))
    }

    /// The table held still.
    pub(crate) fn lock(&self, mode: LockMode) -> Result<LockedTable, PgError> {
        let locked = pg::lock_table(&self.schema, &self.name, mode);
        locked.ok_or_else(|| PgError::undefined_table(&self.schema, &self.name))
    }

    /// What a caller is told where the table is gone.
    pub(crate) fn gone(&self) -> FieldError {
        let name = self.display_name();
        FieldError::of_call(ErrorCode::Internal, format!("The profile table {name} is gone."))
            .with_hint(format!("Bring it back, or detach it with SELECT registrar.detach_profile_table('{name}');"))
    }

    /// The field of a column.
    pub(crate) fn field(&self, column: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.spec.column == column)
    }
}

fn keep<K: Eq + Hash>(kept: &Kept<K>, key: K, statement: Rc<TrappedStatement>) -> Rc<TrappedStatement> {
    let mut kept = kept.borrow_mut();
    if kept.len() >= MAX_STATEMENTS {
        kept.clear();
    }
    kept.insert(key, Rc::clone(&statement));
    statement
}

thread_local! {
    static TABLES: Slot<Vec<Rc<ProfileTable>>> = const { RefCell::new(None) };
}

/// Every attached table, the primary one first; none, with a warning in the server's log, where they cannot even be read.
pub(crate) fn attached() -> Rc<Vec<Rc<ProfileTable>>> {
    let tables = remembered(&TABLES, || {
        subtransaction(|| Ok(pg::with_search_path(|| pg::as_registrar(|| Spi::connect_mut(load)))))
    });
    tables.unwrap_or_else(|error: PgError| {
        pgrx::warning!("registrar could not read its profile tables ({}): {}", error.sqlstate(), error.message);
        Rc::default()
    })
}

/// The attached table of that name, with or without its schema, quoted or not; the primary one where none is named.
pub(crate) fn named(name: Option<&str>) -> Option<Rc<ProfileTable>> {
    let tables = attached();
    let found = match name {
        None => tables.first(),
        Some(name) => {
            let is_named = |table: &&Rc<ProfileTable>| {
                table.name == name || table.display_name() == name || table.quoted() == name
            };
            tables.iter().find(is_named)
        }
    };
    found.cloned()
}

// Ordered by position: the first is the primary one. A table or column that is gone keeps its row: writing the profile then
// fails with a reason that names it.
static ALL: Statement = Statement::new(
    "SELECT p.schema_name::text, p.table_name::text, p.user_column::text, p.on_failure, p.fields::text, key.name, c.oid
     FROM registrar_private.profile_tables AS p
     LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schema_name
     LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.table_name
     LEFT JOIN LATERAL (
         SELECT min(a.attname::text) AS name
         FROM pg_catalog.pg_index AS i
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1
     ) AS key ON true
     ORDER BY p.position",
    &[],
);

static COLUMNS: Statement = Statement::new(
    "SELECT jsonb_object_agg(a.attname, jsonb_build_object(
         'type', format_type(a.atttypid, NULL),
         'modified_type', CASE WHEN a.atttypmod <> -1 THEN format_type(a.atttypid, a.atttypmod) END,
         'kind', CASE
             WHEN t.typcategory = 'A' THEN 'array'
             WHEN t.typname IN ('json', 'jsonb') THEN 'json'
             WHEN t.typcategory = 'S' THEN 'text'
             ELSE 'other'
         END,
         'is_domain', t.typtype = 'd',
         'max_length', CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
         'is_not_null', a.attnotnull,
         'is_computed', a.attgenerated <> '' OR a.attidentity <> ''
     ))::text
     FROM pg_catalog.pg_attribute AS a
     JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped",
    &[OIDOID],
);

static TABLE_COLUMNS: Statement = Statement::new(
    "SELECT a.attname::text, a.atttypid, pg_get_expr(d.adbin, d.adrelid)
     FROM pg_catalog.pg_class AS c
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
     WHERE n.nspname = $1 AND c.relname = $2
     ORDER BY a.attnum",
    &[TEXTOID, TEXTOID],
);

pub(super) fn load(client: &mut SpiClient<'_>) -> Vec<Rc<ProfileTable>> {
    let mut tables = Vec::new();
    for row in ALL.run(client, &[]) {
        let text = |place| row.get::<String>(place).ok().flatten();
        let (Some(schema), Some(name), Some(user_column), Some(fields)) = (text(1), text(2), text(3), text(5)) else {
            continue;
        };
        let on_failure = text(4).as_deref().and_then(OnFailure::from_word).unwrap_or(OnFailure::Queue);
        let (specs, errors) = ProfileField::parse_all(&fields);
        if let [error, ..] = &errors[..] {
            pgrx::warning!("a field of the profile table {schema}.{name} cannot be read: {}", error.message);
        }
        let relation = row.get::<Oid>(7).ok().flatten();
        tables.push(Rc::new(ProfileTable {
            fields: fields_of(client, relation, specs),
            primary_key: text(6).unwrap_or_else(|| user_column.clone()),
            schema,
            name,
            user_column,
            on_failure,
            columns: RefCell::default(),
            statements: RefCell::default(),
            made_as_of: Cell::new(configuration::generation()),
            queries: RefCell::default(),
            binary_row: OnceCell::new(),
        }));
    }
    tables
}

/// The fields with the columns that the table has; it has none where it is gone.
pub(super) fn fields_of(client: &mut SpiClient<'_>, relation: Option<Oid>, specs: Vec<ProfileField>) -> Vec<Field> {
    let json: Option<String> =
        relation.and_then(|relation| COLUMNS.run(client, &[relation.into()]).first().get_one().ok().flatten());
    let columns: HashMap<String, Column> =
        json.map(|json| serde_json::from_str(&json).expect("the query makes what Column reads")).unwrap_or_default();
    let field = |spec: ProfileField| {
        let column = columns.get(&spec.column).cloned().unwrap_or_else(Column::missing);
        Field::new(spec, column)
    };
    specs.into_iter().map(field).collect()
}

// Where all is as asked for, not even a number of the sequence is used: a migration may attach again and again.
static ATTACH: Statement = Statement::new(
    "INSERT INTO registrar_private.profile_tables (schema_name, table_name, user_column, fields, on_failure)
     SELECT $1, $2, $3, $4, $5
     WHERE NOT EXISTS (
         SELECT FROM registrar_private.profile_tables AS p
         WHERE (p.schema_name, p.table_name, p.user_column, p.fields, p.on_failure) = ($1, $2, $3, $4, $5)
     )
     ON CONFLICT (schema_name, table_name) DO UPDATE
     SET user_column = excluded.user_column, fields = excluded.fields, on_failure = excluded.on_failure",
    &[TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID],
);

/// Attaches a table, or changes how it is attached.
pub(crate) fn attach(
    client: &mut SpiClient<'_>,
    (schema, name): (&str, &str),
    user_column: &str,
    fields: &[ProfileField],
    on_failure: &str,
) {
    ATTACH.run(client, &[schema.into(), name.into(), user_column.into(), Jsonb::of(&fields).into(), on_failure.into()]);
}

static DETACH: Statement = Statement::new(
    "DELETE FROM registrar_private.profile_tables WHERE schema_name = $1 AND table_name = $2",
    &[TEXTOID, TEXTOID],
);

/// Detaches a table; whether it was attached.
pub(crate) fn detach(client: &mut SpiClient<'_>, schema: &str, name: &str) -> bool {
    !DETACH.run(client, &[schema.into(), name.into()]).is_empty()
}
