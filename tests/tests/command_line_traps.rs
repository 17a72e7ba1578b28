//! The command line connects as a superuser: what somebody has prepared for it in the database is not run.

use registrar_tests::{Database, Program, Stack, empty_database, one, plain_database};

const COMMANDS: [&[&str]; 5] =
    [&["env", "check"], &["doctor"], &["doctor", "--fix", "--yes"], &["selftest"], &["setup"]];

fn program(database: &Database) -> Program {
    Program::of(Stack::shared()).with_database(database)
}

/// What a trap does, which only a superuser can.
fn plant(database: &Database, trap: &str) {
    let sprung = format!(
        "CREATE TABLE public.sprung (by text);
         CREATE FUNCTION public.spring() RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO public.sprung VALUES (current_user); RETURN NULL; END $$;
         {trap}"
    );
    database.psql(&sprung).unwrap();
}

#[track_caller]
fn assert_not_sprung(database: &Database, after: &[&str]) {
    let sprung: i64 = one(&mut database.admin().unwrap(), "SELECT count(*) FROM public.sprung", &[]);
    assert_eq!(sprung, 0, "{after:?}");
}

#[test]
fn schemas_of_registrars_name_that_somebody_else_made_are_not_looked_into() {
    for schema in ["registrar", "registrar_private"] {
        let database = empty_database();
        let squatter = format!("squatter_{}", database.name());
        plant(
            &database,
            &format!(
                "CREATE ROLE {squatter};
                 CREATE SCHEMA {schema} AUTHORIZATION {squatter};
                 CREATE FUNCTION {schema}.doctor() RETURNS TABLE (\"check\" text) LANGUAGE sql AS 'SELECT public.spring()';
                 CREATE VIEW {schema}.profile_tables AS SELECT public.spring() AS schema_name, true AS is_present, 1 AS position;
                 CREATE VIEW {schema}.audit_log AS SELECT public.spring() AS user_agent"
            ),
        );
        for command in COMMANDS {
            let run = program(&database).run(command);
            assert_not_sprung(&database, command);
            if command[0] != "env" {
                run.assert_failed(1, &[schema, "somebody else's"]);
            }
        }
    }
}

#[test]
fn functions_in_public_that_fit_better_than_postgresqls_own_are_not_called() {
    let database = plain_database();
    plant(
        &database,
        "GRANT CREATE ON SCHEMA public TO PUBLIC;
         CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE sql AS 'SELECT public.spring()';
         CREATE FUNCTION public.format(text, name, name, name) RETURNS text LANGUAGE sql AS 'SELECT public.spring()';
         CREATE FUNCTION public.json_build_object(text, text) RETURNS json LANGUAGE sql AS 'SELECT public.spring()::json';
         CREATE FUNCTION public.starts_with(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.spring() IS NULL'",
    );
    let mut admin = database.admin().unwrap();
    let unguarded = "SELECT format('%I.%I', schema_name, table_name) FROM registrar.profile_tables";
    assert!(one::<Option<String>>(&mut admin, unguarded, &[]).is_none(), "the trap works");
    admin.batch_execute("DELETE FROM public.sprung").unwrap();
    for command in COMMANDS {
        program(&database).run(command);
        assert_not_sprung(&database, command);
    }
}
