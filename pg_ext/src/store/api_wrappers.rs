//! Wrappers: functions in a schema of the app's that call registrar's of the same name, for callers that cannot name the schema
//! `registrar`.

use pgrx::spi::{SpiClient, SpiHeapTupleData, quote_identifier, quote_literal};
use registrar_core::nearest_name;
use serde::Serialize;

use super::setup_grants::{SCRIPT, SETUP_GRANTS};

/// What a wrapper's comment ends with. A wrapper is known by it together with all else that makes one: language, settings, the
/// rights it runs with, and a body that does nothing but call registrar's function. So what is taken for a wrapper can be
/// replaced or dropped without a loss, whoever made it, and one that was edited is none any more.
const MARK: &str = "Made by registrar.expose_api.";

/// What became of the wrappers, each list by name.
#[derive(Default, Serialize)]
pub(crate) struct Exposure {
    pub(crate) schema: String,
    pub(crate) created: Vec<String>,
    pub(crate) replaced: Vec<String>,
    pub(crate) kept: Vec<String>,
    pub(crate) dropped: Vec<String>,
}

impl Exposure {
    /// Whether anything is another than before.
    pub(crate) fn is_change(&self) -> bool {
        [&self.created, &self.replaced, &self.dropped].into_iter().any(|names| !names.is_empty())
    }
}

/// Why nothing is exposed.
pub(crate) enum Obstacle {
    NoSuchSchema {
        hint: String,
    },
    /// It is registrar's or PostgreSQL's own.
    ReservedSchema,
    /// The caller may create nothing in it.
    ClosedSchema,
    /// Names in `p_functions` that are none of the API's, each with what it may mean.
    UnknownFunctions(Vec<String>),
    /// Functions in the schema that are in the way, each with the reason.
    Collisions(Vec<String>),
}

/// A function as it is, or is to be, written.
struct Function {
    name: String,
    /// Name and input parameters, as statements about it name it.
    signature: String,
    /// Parameters with their defaults, and what is returned.
    head: String,
    attributes: String,
    body: String,
    comment: String,
    /// Who but the owner may execute it.
    grantees: Vec<String>,
}

/// A function of the schema that is a wrapper, or stands where one should.
struct Found {
    function: Function,
    display_name: String,
    owner: String,
    is_marked: bool,
    is_wrapper: bool,
    /// Whether its owner may have made it: else it could be changed at will after it was taken for a wrapper.
    is_trusted: bool,
    is_callers: bool,
}

/// Makes the wrappers in `schema` those of the functions named, or of all, with the caller's rights.
///
/// # Errors
/// What is in the way; nothing was changed then.
pub(crate) fn expose(client: &mut SpiClient<'_>, schema: &str, names: Option<&[String]>) -> Result<Exposure, Obstacle> {
    run(client, "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('registrar.expose_api', 0))");
    check_schema(client, schema)?;
    let wanted = choose(exposable(client), names)?;
    let found = found(client, schema, &wanted);
    let collisions: Vec<_> = found.iter().filter_map(Found::collision).collect();
    if !collisions.is_empty() {
        return Err(Obstacle::Collisions(collisions));
    }
    let mut exposure = Exposure { schema: schema.to_owned(), ..Exposure::default() };
    let schema = quote_identifier(schema);
    for old in found.iter().filter(|old| !wanted.iter().any(|wanted| wanted.name == old.function.name)) {
        drop_wrapper(client, &schema, &old.function);
        exposure.dropped.push(old.function.name.clone());
    }
    for wanted in wanted {
        let (fitting, outdated): (Vec<_>, Vec<_>) = found
            .iter()
            .map(|found| &found.function)
            .filter(|old| old.name == wanted.name)
            // What has other parameters or another result cannot be replaced in place.
            .partition(|old| old.head == wanted.head);
        for old in &outdated {
            drop_wrapper(client, &schema, old);
        }
        let is_as_wanted = fitting.iter().any(|old| old.is_as(&wanted));
        if !is_as_wanted {
            // Where there is none, one that somebody plants in this moment must not be replaced: it would stay that role's.
            let create = if fitting.is_empty() { "CREATE" } else { "CREATE OR REPLACE" };
            make(client, create, &schema, &wanted);
        }
        let is_granted_anew = grant(client, &schema, &wanted);
        let list = match (fitting.is_empty() && outdated.is_empty(), is_as_wanted && !is_granted_anew) {
            (true, _) => &mut exposure.created,
            (false, true) if outdated.is_empty() => &mut exposure.kept,
            (false, _) => &mut exposure.replaced,
        };
        list.push(wanted.name);
    }
    if exposure.is_change() {
        // Else the gateway learns of them when it is started again.
        run(client, "SELECT pg_catalog.pg_notify('pgrst', 'reload schema')");
    }
    Ok(exposure)
}

impl Function {
    fn is_as(&self, other: &Self) -> bool {
        (&self.attributes, &self.body, &self.comment) == (&other.attributes, &other.body, &other.comment)
    }
}

impl Found {
    /// Why it can be neither replaced nor dropped.
    fn collision(&self) -> Option<String> {
        let reason = match self {
            Self { is_wrapper: false, is_marked: false, .. } => "was not made by registrar.expose_api".to_owned(),
            Self { is_wrapper: false, .. } => "was changed since registrar.expose_api made it".to_owned(),
            Self { is_trusted: false, owner, .. } => {
                format!("belongs to {owner}, who owns neither the schema nor the database")
            }
            Self { is_callers: false, owner, .. } => format!("belongs to {owner}, whose rights you do not have"),
            _ => return None,
        };
        Some(format!("{} {reason}.", self.display_name))
    }
}

fn make(client: &mut SpiClient<'_>, create: &str, schema: &str, wanted: &Function) {
    let Function { name, signature, head, attributes, body, comment, .. } = wanted;
    let script = format!(
        "{create} FUNCTION {schema}.{name}{head}
             LANGUAGE sql {attributes} SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS {body};
         COMMENT ON FUNCTION {schema}.{signature} IS {comment}",
        name = quote_identifier(name),
        body = quote_literal(body),
        comment = quote_literal(comment)
    );
    run(client, &script);
}

fn drop_wrapper(client: &mut SpiClient<'_>, schema: &str, wrapper: &Function) {
    run(client, &format!("DROP FUNCTION {schema}.{}", wrapper.signature));
}

/// Lets those execute a wrapper who may execute what it calls, and nobody else: the database's default privileges may have said
/// otherwise. Whether that changed anything.
fn grant(client: &mut SpiClient<'_>, schema: &str, wanted: &Function) -> bool {
    let wrapper = format!("{schema}.{}", wanted.signature);
    let query = format!(
        "SELECT p.proowner::regrole::text, {GRANTEES} FROM pg_catalog.pg_proc AS p WHERE p.oid = $1::regprocedure"
    );
    let row = client.update(&*query, Some(1), &[wrapper.as_str().into()]).expect("a catalogue query").first();
    let owner: String = row.get(1).ok().flatten().unwrap_or_default();
    let granted: Vec<String> = row.get(2).ok().flatten().unwrap_or_default();
    let excess = granted.iter().filter(|role| !wanted.grantees.contains(role));
    let missing = wanted.grantees.iter().filter(|role| **role != owner && !granted.contains(role));
    let statements: Vec<_> = excess
        .map(|role| format!("REVOKE ALL ON FUNCTION {wrapper} FROM {role}"))
        .chain(missing.map(|role| format!("GRANT EXECUTE ON FUNCTION {wrapper} TO {role}")))
        .collect();
    for statement in &statements {
        run(client, statement);
    }
    !statements.is_empty()
}

fn check_schema(client: &mut SpiClient<'_>, schema: &str) -> Result<(), Obstacle> {
    let query = "SELECT n.nspname::text, has_schema_privilege(n.oid, 'CREATE') FROM pg_catalog.pg_namespace AS n ORDER BY n.nspname";
    let rows = client.update(query, None, &[]).expect("a catalogue query");
    let schemas: Vec<(String, bool)> =
        rows.filter_map(|row| Some((row.get(1).ok().flatten()?, row.get(2).ok().flatten()?))).collect();
    let is_reserved = |name: &str| {
        ["registrar", "registrar_private", "information_schema"].contains(&name) || name.starts_with("pg_")
    };
    match schemas.iter().find(|(name, _)| name == schema) {
        _ if is_reserved(schema) => Err(Obstacle::ReservedSchema),
        Some((_, true)) => Ok(()),
        Some((_, false)) => Err(Obstacle::ClosedSchema),
        None => {
            let names = || schemas.iter().map(|(name, _)| name.as_str()).filter(|name| !is_reserved(name));
            let hint = match nearest_name(schema, names()) {
                Some(nearest) => format!("Did you mean {nearest}?"),
                None => format!("Schemas are: {}.", names().collect::<Vec<_>>().join(", ")),
            };
            Err(Obstacle::NoSuchSchema { hint })
        }
    }
}

/// Those of the functions that are named; all where none is.
fn choose(exposable: Vec<Function>, names: Option<&[String]>) -> Result<Vec<Function>, Obstacle> {
    let Some(names) = names else { return Ok(exposable) };
    let known = || exposable.iter().map(|function| function.name.as_str());
    let unknown: Vec<_> = names
        .iter()
        .filter(|name| !known().any(|known| known == *name))
        .map(|name| match nearest_name(name, known()) {
            Some(nearest) => format!("{name}: did you mean {nearest}?"),
            None => format!("{name}: the functions are {}.", known().collect::<Vec<_>>().join(", ")),
        })
        .collect();
    if !unknown.is_empty() {
        return Err(Obstacle::UnknownFunctions(unknown));
    }
    Ok(exposable.into_iter().filter(|function| names.contains(&function.name)).collect())
}

/// The roles besides the owner that may execute the function `p`, as REVOKE and GRANT name them.
const GRANTEES: &str = "
    ARRAY(
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END
        FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
        WHERE acl.grantee <> p.proowner
        ORDER BY 1
    )";

/// The columns of a [`Function`], but for comment and grantees: of the function `p` as it is, with the body that its wrapper has.
const DESCRIPTION: &str = "
    p.proname::text,
    format('%I(%s)', p.proname, oidvectortypes(p.proargtypes)),
    format('(%s) RETURNS %s', pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)),
    concat_ws(' ',
        CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END,
        CASE WHEN p.proisstrict THEN 'STRICT' END,
        CASE p.proparallel WHEN 's' THEN 'PARALLEL SAFE' WHEN 'r' THEN 'PARALLEL RESTRICTED' ELSE 'PARALLEL UNSAFE' END
    )";

/// What the wrapper of the function `p` does.
const BODY: &str = "
    format(
        'SELECT registrar.%I(%s)',
        p.proname,
        (
            SELECT string_agg(format('%I => $%s', named.argument, named.place), ', ' ORDER BY named.place)
            FROM unnest(p.proargnames) WITH ORDINALITY AS named (argument, place)
            WHERE named.place <= p.pronargs
        )
    )";

/// The functions that callers of the API have: those that `setup()` gives them, less those that have been taken from them since.
fn exposable(client: &mut SpiClient<'_>) -> Vec<Function> {
    let query = format!(
        "WITH {SETUP_GRANTS}
         SELECT {DESCRIPTION}, {BODY}, concat_ws(E'\n\n', obj_description(p.oid, 'pg_proc'), $2), {GRANTEES}
         FROM pg_catalog.pg_proc AS p
         WHERE p.pronamespace = to_regnamespace('registrar') AND p.prokind = 'f'
             AND EXISTS (
                 SELECT FROM setup_grants AS g
                 WHERE g.object = 'ROUTINE ' || p.oid::regprocedure::text AND g.privilege = 'EXECUTE'
                     AND g.role IN ('anon', 'authenticated', 'service_role')
                     AND has_function_privilege(g.role, p.oid, 'EXECUTE')
             )
         ORDER BY p.proname"
    );
    let rows = client.update(&*query, None, &[SCRIPT.into(), MARK.into()]).expect("a catalogue query");
    rows.map(|row| Function::read(&row)).collect()
}

/// The wrappers in a schema, and whatever else bears the name of one wanted.
fn found(client: &mut SpiClient<'_>, schema: &str, wanted: &[Function]) -> Vec<Found> {
    let query = format!(
        "SELECT {DESCRIPTION}, p.prosrc, coalesce(obj_description(p.oid, 'pg_proc'), ''), {GRANTEES},
                p.oid::regprocedure::text, p.proowner::regrole::text, is_marked, is_wrapper,
                is_trusted OR r.rolname = current_user, pg_has_role(p.proowner, 'USAGE')
         FROM {functions}
         WHERE n.nspname = $2 AND (p.proname = ANY ($3) OR is_wrapper)
         ORDER BY p.oid::regprocedure::text",
        functions = functions()
    );
    let names: Vec<String> = wanted.iter().map(|function| function.name.clone()).collect();
    let rows = client.update(&*query, None, &[MARK.into(), schema.into(), names.into()]).expect("a catalogue query");
    rows.map(|row| Found {
        function: Function::read(&row),
        display_name: text(&row, 8),
        owner: text(&row, 9),
        is_marked: is(&row, 10),
        is_wrapper: is(&row, 11),
        is_trusted: is(&row, 12),
        is_callers: is(&row, 13),
    })
    .collect()
}

/// Every function `p` of the database; its schema `n`, owner `r`, and whether it is a wrapper. The parameter `$1` is [`MARK`].
fn functions() -> String {
    format!(
        "pg_catalog.pg_proc AS p
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
         JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
         JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
         JOIN pg_catalog.pg_database AS d ON d.datname = current_database()
         CROSS JOIN LATERAL (
             SELECT coalesce(right(obj_description(p.oid, 'pg_proc'), length($1)) = $1, false),
                    r.rolsuper OR p.proowner IN (n.nspowner, d.datdba)
         ) AS known (is_marked, is_trusted)
         CROSS JOIN LATERAL (
             SELECT is_marked AND p.prokind = 'f' AND l.lanname = 'sql' AND p.prosqlbody IS NULL AND NOT p.prosecdef
                 AND p.proconfig = ARRAY['search_path=pg_catalog, pg_temp'] AND p.prosrc = {BODY}
         ) AS made (is_wrapper)"
    )
}

/// The wrappers of a schema, as `expose_api` is called for them.
pub(super) struct ExposedSchema {
    pub(super) name: String,
    /// `None` where every function has one.
    pub(super) functions: Option<Vec<String>>,
    /// Who must call it: where that is neither a superuser nor the owner of the schema or database.
    pub(super) owner: Option<String>,
}

/// Every schema with wrappers in it.
pub(super) fn exposed(client: &mut SpiClient<'_>) -> Vec<ExposedSchema> {
    let all: Vec<String> = exposable(client).into_iter().map(|function| function.name).collect();
    let query = format!(
        "SELECT n.nspname::text, array_agg(DISTINCT p.proname::text ORDER BY p.proname::text),
                min(r.rolname::text) FILTER (WHERE NOT is_trusted)
         FROM {}
         WHERE is_wrapper
         GROUP BY n.nspname
         ORDER BY n.nspname",
        functions()
    );
    let rows = client.update(&*query, None, &[MARK.into()]).expect("a catalogue query");
    rows.map(|row| {
        let mut functions: Vec<String> = row.get(2).ok().flatten().unwrap_or_default();
        functions.retain(|name| all.contains(name));
        let functions = (functions != all).then_some(functions);
        ExposedSchema { name: text(&row, 1), functions, owner: row.get(3).ok().flatten() }
    })
    .collect()
}

impl Function {
    fn read(row: &SpiHeapTupleData<'_>) -> Self {
        Self {
            name: text(row, 1),
            signature: text(row, 2),
            head: text(row, 3),
            attributes: text(row, 4),
            body: text(row, 5),
            comment: text(row, 6),
            grantees: row.get(7).ok().flatten().unwrap_or_default(),
        }
    }
}

fn text(row: &SpiHeapTupleData<'_>, place: usize) -> String {
    row.get(place).ok().flatten().unwrap_or_default()
}

fn is(row: &SpiHeapTupleData<'_>, place: usize) -> bool {
    row.get(place).ok().flatten().unwrap_or_default()
}

fn run(client: &mut SpiClient<'_>, statement: &str) {
    client.update(statement, None, &[]).expect("PostgreSQL either runs a statement or raises");
}
