//! Which schemas PostgREST serves, and how registrar comes to be among them.

use registrar_client::{Client, Error};

use super::state::State;
use crate::database::quote_literal;
use crate::failure::Failure;

pub(super) const SCHEMA: &str = "registrar";
/// What a Supabase project serves besides `public`, where nobody has said otherwise.
const SUPABASE: &[&str] = &["storage", "graphql_public"];

/// What the API says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Served {
    /// registrar is served, at this address.
    Registrar(String),
    /// Others are, and these are all.
    Others(Vec<String>),
    /// There is no API, or it does not say.
    Unknown,
}

/// Asks the API. Whether it answers at all is another step's question.
pub(super) async fn ask(api: Option<&Client>) -> Served {
    let Some(api) = api else { return Served::Unknown };
    match api.build_info().await {
        // A key without the right to call it is told so by the function, which is there then.
        Ok(_) | Err(Error::Forbidden { .. }) => Served::Registrar(api.base().to_owned()),
        Err(Error::NotExposed { message, .. }) => listed(&message).map_or(Served::Unknown, Served::Others),
        Err(_) => Served::Unknown,
    }
}

/// The schemas that PostgREST names where it is asked for another. Its words differ between versions.
fn listed(message: &str) -> Option<Vec<String>> {
    let list =
        ["schemas are exposed: ", "one of the following: "].iter().find_map(|words| message.split_once(words))?.1;
    let names: Vec<_> = list
        .split(',')
        .map(|name| name.trim().trim_end_matches('.').to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    (!names.is_empty()).then_some(names)
}

/// What is to be served, in the order in which PostgREST reads it: the first is that of requests that name none.
pub(super) struct Exposure {
    pub(super) schemas: Vec<String>,
    /// Those that make it so; none where it is so already or cannot be changed from within the database.
    pub(super) statements: Vec<String>,
    pub(super) detail: String,
}

pub(super) fn plan(state: &State, served: &Served) -> Exposure {
    let unchanged = |schemas, detail| Exposure { schemas, statements: Vec::new(), detail };
    let with_registrar = |mut schemas: Vec<String>| {
        schemas.retain(|name| name != SCHEMA);
        schemas.push(SCHEMA.to_owned());
        schemas
    };
    let setting = state.authenticator.as_ref().and_then(|authenticator| authenticator.settings.first());
    if let Served::Registrar(address) = served {
        return unchanged(Vec::new(), format!("served at {address}"));
    }
    let present = match (setting, served) {
        (Some(setting), _) => {
            setting.schemas.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        }
        (None, Served::Others(schemas)) => schemas.clone(),
        (None, _) => usual(state),
    };
    if setting.is_some() && present.iter().any(|name| name == SCHEMA) {
        return unchanged(present, "pgrst.db_schemas of the role authenticator names it".to_owned());
    }
    let schemas = with_registrar(present);
    let list = schemas.join(", ");
    if state.authenticator.is_none() {
        return unchanged(
            schemas,
            format!("there is no role authenticator: set PGRST_DB_SCHEMAS=\"{list}\" for PostgREST"),
        );
    }
    // Where the setting stands already, else for this database alone: another one has no such schema.
    let scope = match setting {
        Some(setting) if !setting.in_database => String::new(),
        _ => format!(" IN DATABASE {}", state.database),
    };
    let literal = quote_literal(&list);
    let statements = vec![
        format!("ALTER ROLE authenticator{scope} SET pgrst.db_schemas = {literal}"),
        "NOTIFY pgrst, 'reload config'".to_owned(),
    ];
    let known = if setting.is_none() && *served == Served::Unknown {
        "; this goes before PGRST_DB_SCHEMAS, so add what else that names"
    } else {
        ""
    };
    Exposure { schemas, statements, detail: format!("pgrst.db_schemas of the role authenticator is {list} now{known}") }
}

/// What PostgREST serves where nothing is known of it: in a Supabase project some schemas more.
fn usual(state: &State) -> Vec<String> {
    let there = |name: &&&str| state.schemas.iter().any(|schema| schema == **name);
    ["public"].into_iter().chain(SUPABASE.iter().filter(there).copied()).map(str::to_owned).collect()
}

/// The failure where the API still does not know the schema, with the one thing that is left to do.
pub(super) fn not_served(address: &str, schemas: &[String], error: &Error) -> Failure {
    let message = format!("The database is set up, but {address} does not serve the schema registrar: {error}.");
    let list = if schemas.is_empty() { "public, registrar".to_owned() } else { schemas.join(", ") };
    let hint = format!(
        "Set PGRST_DB_SCHEMAS=\"{list}\" in PostgREST's environment (or db-schemas in its file) and restart it; check that it \
         serves this database."
    );
    Failure::Unmet { exit_code: 1, code: error.code(), message, hint }
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::new_database;
    use super::super::state::{Authenticator, SchemaSetting};
    use super::*;

    fn with_settings(settings: &[(bool, &str)]) -> State {
        let settings = settings
            .iter()
            .map(|&(in_database, schemas)| SchemaSetting { in_database, schemas: schemas.into() })
            .collect();
        State { authenticator: Some(Authenticator { settings }), ..new_database() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_list_is_read_from_postgrests_own_words() {
        for message in [
            "Invalid schema: registrar. Only the following schemas are exposed: public, storage",
            "The schema must be one of the following: public, storage",
        ] {
            assert_eq!(listed(message), Some(names(&["public", "storage"])), "{message}");
        }
        assert_eq!(listed("Could not find the function registrar.build_info in the schema cache"), None);
    }

    #[test]
    fn what_the_setting_has_is_kept_and_changed_where_it_stands() {
        let of = |settings: &[(bool, &str)]| plan(&with_settings(settings), &Served::Unknown).statements;
        assert_eq!(
            of(&[(false, "api,  public")])[0],
            "ALTER ROLE authenticator SET pgrst.db_schemas = 'api, public, registrar'"
        );
        assert_eq!(
            of(&[(true, "api"), (false, "public, registrar")])[0],
            "ALTER ROLE authenticator IN DATABASE app SET pgrst.db_schemas = 'api, registrar'"
        );
        assert_eq!(of(&[(false, "public, registrar")]), Vec::<String>::new());
    }

    #[test]
    fn without_a_setting_what_the_api_serves_is_kept() {
        let none = with_settings(&[]);
        let served = plan(&none, &Served::Others(names(&["api", "storage"])));
        assert_eq!(
            served.statements,
            [
                "ALTER ROLE authenticator IN DATABASE app SET pgrst.db_schemas = 'api, storage, registrar'",
                "NOTIFY pgrst, 'reload config'"
            ]
        );
        assert_eq!(plan(&none, &Served::Unknown).schemas, ["public", "registrar"]);
        let supabase = State { schemas: names(&["auth", "graphql_public", "public", "storage"]), ..none.clone() };
        let guessed = plan(&supabase, &Served::Unknown);
        assert_eq!(guessed.schemas, ["public", "storage", "graphql_public", "registrar"]);
        assert!(guessed.detail.contains("goes before PGRST_DB_SCHEMAS"), "{}", guessed.detail);
        assert!(plan(&none, &Served::Registrar("http://a".into())).statements.is_empty());
    }

    #[test]
    fn without_the_role_nothing_is_run_and_what_to_set_is_told() {
        let exposure = plan(&new_database(), &Served::Unknown);
        assert!(exposure.statements.is_empty());
        assert!(exposure.detail.contains("PGRST_DB_SCHEMAS=\"public, registrar\""), "{}", exposure.detail);
    }
}
