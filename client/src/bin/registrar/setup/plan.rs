//! What is to be run, part by part, in a database as it is.

use super::Template;
use super::exposure::{self, Served};
use super::state::State;
use crate::database::quote_literal;

pub(super) const SETUP: &str = "SELECT registrar.setup()";
const DEFAULT_TEMPLATE: Template = Template::UserProfiles;

/// One thing that is made or found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) statements: Vec<String>,
    /// Whether the statements change anything.
    pub(super) changes: bool,
    /// What was made, or found.
    pub(super) detail: String,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) parts: Vec<Part>,
    /// The schemas that PostgREST should serve.
    pub(super) exposed: Vec<String>,
    title: String,
}

impl Plan {
    pub(super) fn new(state: &State, served: &Served, template: Option<Template>, wrappers_in: Option<&str>) -> Self {
        let exposure = exposure::plan(state, served);
        let mut parts = vec![extension(state), tables_and_triggers(), profile_table(state, template)];
        parts.extend(wrappers_in.map(wrappers));
        let mut exposed = Part {
            name: "exposed schema",
            changes: !exposure.statements.is_empty(),
            statements: exposure.statements,
            detail: exposure.detail,
        };
        // New functions are served once PostgREST has read the schema anew; told in vain it costs nothing.
        exposed.statements.push("NOTIFY pgrst, 'reload schema'".to_owned());
        parts.push(exposed);
        Self { parts, exposed: exposure.schemas, title: state.to_string() }
    }

    /// The statements as a script that psql runs, each part with what it is for.
    pub(super) fn script(&self) -> String {
        let mut script = format!("-- {}\n", self.title);
        for part in &self.parts {
            let (name, detail) = (part.name, &part.detail);
            script.push_str(&format!("\n-- {name}: {detail}\n"));
            for statement in &part.statements {
                script.push_str(&format!("{statement};\n"));
            }
        }
        script
    }
}

fn extension(state: &State) -> Part {
    let part = |statements: &[&str], detail: String| Part {
        name: "extension",
        changes: !statements.is_empty(),
        statements: statements.iter().map(|&statement| statement.to_owned()).collect(),
        detail,
    };
    let available = state.available.as_deref().unwrap_or_default();
    match state.installed.as_deref() {
        None => part(&["CREATE EXTENSION registrar"], format!("version {available}")),
        Some(installed) if installed == available || available.is_empty() => part(&[], format!("version {installed}")),
        Some(installed) => part(&["ALTER EXTENSION registrar UPDATE"], format!("version {installed} to {available}")),
    }
}

fn tables_and_triggers() -> Part {
    Part {
        name: "tables, triggers and rights",
        statements: vec![SETUP.to_owned()],
        changes: true,
        detail: "made where they are missing".to_owned(),
    }
}

/// A table that is attached already stays as its owner has attached it.
fn profile_table(state: &State, template: Option<Template>) -> Part {
    let part = |statements: Vec<String>, detail: String| Part {
        name: "profile table",
        changes: !statements.is_empty(),
        statements,
        detail,
    };
    let attached = state.profile_tables.join(", ");
    let name = match template {
        Some(Template::None) if attached.is_empty() => return part(Vec::new(), "none is wanted".to_owned()),
        None if !attached.is_empty() => return part(Vec::new(), format!("{attached} is attached")),
        Some(Template::None) => return part(Vec::new(), format!("{attached} is attached")),
        Some(template) => name_of(template),
        None => name_of(DEFAULT_TEMPLATE),
    };
    let table = format!("public.{name}");
    if state.profile_tables.contains(&table) {
        return part(Vec::new(), format!("{table} is attached"));
    }
    let create = format!("SELECT registrar.create_profile_table({})", quote_literal(name));
    let Some(owner) = &state.table_owner else { return part(vec![create], table) };
    // A table of the superuser's could not be changed by whoever looks after the app's other tables.
    let statements = vec![format!("SET ROLE {owner}"), create, "RESET ROLE".to_owned()];
    part(statements, format!("{table}, owned by {owner}"))
}

fn wrappers(schema: &str) -> Part {
    Part {
        name: "wrappers",
        statements: vec![format!("SELECT registrar.expose_api({})", quote_literal(schema))],
        changes: true,
        detail: format!("in the schema {schema}"),
    }
}

fn name_of(template: Template) -> &'static str {
    match template {
        Template::Profiles => "profiles",
        Template::UserProfiles => "user_profiles",
        Template::UserProfile => "user_profile",
        Template::None => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::new_database;
    use super::*;

    fn statements(state: &State, template: Option<Template>) -> Vec<String> {
        Plan::new(state, &Served::Unknown, template, None).parts.into_iter().flat_map(|part| part.statements).collect()
    }

    const RELOAD: &str = "NOTIFY pgrst, 'reload schema'";

    #[test]
    fn a_new_database_gets_everything() {
        assert_eq!(
            statements(&new_database(), None),
            ["CREATE EXTENSION registrar", SETUP, "SELECT registrar.create_profile_table('user_profiles')", RELOAD]
        );
    }

    #[test]
    fn one_that_has_everything_is_only_looked_at() {
        let state =
            State { installed: Some("0.1.0".into()), profile_tables: vec!["public.members".into()], ..new_database() };
        assert_eq!(statements(&state, None), [SETUP, RELOAD]);
        assert_eq!(statements(&state, Some(Template::None)), [SETUP, RELOAD]);
        let attached = State { profile_tables: vec!["public.profiles".into()], ..state.clone() };
        assert_eq!(statements(&attached, Some(Template::Profiles)), [SETUP, RELOAD]);
        let create = "SELECT registrar.create_profile_table('profiles')";
        assert_eq!(statements(&state, Some(Template::Profiles)), [SETUP, create, RELOAD]);
    }

    #[test]
    fn an_older_extension_is_updated() {
        let state = State { installed: Some("0.0.9".into()), ..new_database() };
        assert_eq!(statements(&state, Some(Template::None))[0], "ALTER EXTENSION registrar UPDATE");
    }

    #[test]
    fn the_profile_table_belongs_to_the_owner_of_the_database_where_that_can_be() {
        let state = State { table_owner: Some("\"App\"".into()), ..new_database() };
        let made = statements(&state, Some(Template::Profiles));
        let expected = ["SET ROLE \"App\"", "SELECT registrar.create_profile_table('profiles')", "RESET ROLE"];
        assert_eq!(made[2..5], expected);
    }

    #[test]
    fn the_script_is_what_is_run_with_what_it_is_for() {
        let plan = Plan::new(&new_database(), &Served::Unknown, Some(Template::None), Some("it's"));
        let expected = "\
-- PostgreSQL 15, database app, role postgres (superuser)

-- extension: version 0.1.0
CREATE EXTENSION registrar;

-- tables, triggers and rights: made where they are missing
SELECT registrar.setup();

-- profile table: none is wanted

-- wrappers: in the schema it's
SELECT registrar.expose_api('it''s');

-- exposed schema: there is no role authenticator: set PGRST_DB_SCHEMAS=\"public, registrar\" for PostgREST
NOTIFY pgrst, 'reload schema';
";
        assert_eq!(plan.script(), expected);
    }
}
