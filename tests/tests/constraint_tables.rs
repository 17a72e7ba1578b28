//! Which tables and columns can refer to `auth.users`, and what is said of the others.

use postgres::Client;
use registrar_core::{Envelope, ErrorCode};
use registrar_tests::{ConstraintCall, Database, FixedIn, all, empty_database, one, supabase_database};
use serde_json::{Value, json};

fn database_with(script: &str) -> (Database, Client) {
    let database = supabase_database();
    database.psql(script).unwrap();
    let admin = database.admin().unwrap();
    (database, admin)
}

/// What is refused must be so whether it is looked at or fixed, in one transaction or in steps, and change nothing.
#[track_caller]
fn refused(database: &Database, admin: &mut Client, call: ConstraintCall<'_>) -> Envelope<Value> {
    let before = database.script(&["--inserts"]);
    let answer = call.verify(admin);
    assert_eq!((answer.success, &answer.data), (false, &None), "{answer:?}");
    assert_eq!(call.fix(admin), answer);
    assert_eq!(call.fix_in_steps(admin), answer);
    assert_eq!(database.script(&["--inserts"]), before);
    assert!(answer.errors.iter().all(|error| error.hint.is_some()), "{answer:?}");
    answer
}

#[track_caller]
fn assert_refused(
    (database, admin): &mut (Database, Client),
    call: ConstraintCall<'_>,
    field: &str,
    message: &str,
    hint: &str,
) {
    let answer = refused(database, admin, call);
    let error = &answer.errors[0];
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::ValidationFailed, Some(field)), "{error:?}");
    assert_eq!((&*error.message, error.hint.as_deref().unwrap()), (message, hint));
}

#[track_caller]
fn assert_settled(admin: &mut Client, call: ConstraintCall<'_>) {
    let again = call.fix(admin);
    assert_eq!(again.message, "There was nothing to do.", "{again:?}");
    let tested = &again.data.unwrap()["tested"];
    let works = json!({ "orphan_refused": true, "delete_cascades": true, "update_cascades": true, "reasons": {} });
    assert_eq!(tested, &works);
}

#[test]
fn what_is_no_table_of_the_apps_is_refused() {
    let mut database = database_with(
        "CREATE TABLE public.people (user_id uuid);
         CREATE VIEW public.sight AS SELECT * FROM public.people;
         CREATE MATERIALIZED VIEW public.copy AS SELECT * FROM public.people;
         CREATE SEQUENCE public.numbers;
         CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far;
         CREATE FOREIGN TABLE public.abroad (user_id uuid) SERVER far;
         CREATE TABLE public.parts (user_id uuid, part integer) PARTITION BY LIST (part);
         CREATE TABLE public.part_1 PARTITION OF public.parts FOR VALUES IN (1);
         CREATE TABLE public.mixed (user_id uuid, part integer) PARTITION BY LIST (part);
         CREATE FOREIGN TABLE public.mixed_1 PARTITION OF public.mixed FOR VALUES IN (1) SERVER far",
    );
    database.1.batch_execute("CREATE TEMPORARY TABLE mine (user_id uuid)").unwrap();
    let temporary: String =
        one(&mut database.1, "SELECT nspname::text FROM pg_namespace WHERE oid = pg_my_temp_schema()", &[]);
    let behind = "A foreign key is a table's: name the table behind it.";
    let own = "Name a table of the app's own.";
    let temporary = format!("{temporary}.mine");
    for (table, message, hint) in [
        ("public.sight", "public.sight is a view.", behind),
        ("public.copy", "public.copy is a materialized view.", behind),
        ("public.numbers", "public.numbers is no table.", "Name a table."),
        (
            "public.abroad",
            "public.abroad is a foreign table.",
            "PostgreSQL checks no foreign key of rows that it does not keep.",
        ),
        (
            &temporary,
            &format!("{temporary} is a temporary table."),
            "A temporary table can refer to temporary tables only.",
        ),
        (
            "public.part_1",
            "public.part_1 is a partition of public.parts.",
            "The foreign key belongs on all of them: name public.parts.",
        ),
        (
            "public.mixed",
            "The partition public.mixed_1 is a foreign table, which can have no foreign key.",
            "Detach it first.",
        ),
        ("pg_catalog.pg_class", "pg_catalog.pg_class is kept by PostgreSQL.", own),
        ("auth.users", "auth.users is kept by Supabase Auth, or registrar.setup() where there is none.", own),
        ("auth.identities", "auth.identities is kept by Supabase Auth, or registrar.setup() where there is none.", own),
        ("registrar_private.audit_log", "registrar_private.audit_log is kept by registrar.setup().", own),
    ] {
        assert_refused(&mut database, ConstraintCall::of(table), "table", message, hint);
    }
}

#[test]
fn a_name_that_means_nothing_is_told_with_what_it_may_mean() {
    let mut database = database_with(
        "CREATE TABLE public.people (user_id uuid, name text);
         CREATE SCHEMA crm; CREATE TABLE crm.contacts (user_id uuid); CREATE TABLE crm.\"Deals\" (\"User\" uuid)",
    );
    let malformed =
        "Write it as in SQL: public.profiles, or \"My Schema\".\"My Table\" where it has capitals or blanks.";
    for (table, message, hint) in [
        ("public.poeple", "There is no table public.poeple.", "Did you mean public.people?"),
        ("contacts", "There is no table public.contacts.", "Did you mean crm.contacts?"),
        ("crm.Deals", "There is no table crm.deals.", "Did you mean crm.\"Deals\"?"),
        ("public.x", "There is no table public.x.", "Check the name and its schema."),
        ("", "That is not the name of a table.", malformed),
        ("crm.My Deals", "That is not the name of a table.", malformed),
        ("app.crm.contacts", "That is not the name of a table.", malformed),
        ("\"public", "That is not the name of a table.", malformed),
        ("public.people; DROP TABLE public.people", "That is not the name of a table.", malformed),
    ] {
        assert_refused(&mut database, ConstraintCall::of(table), "table", message, hint);
    }
    for (column, hint) in [
        ("user_ids", "Did you mean user_id?"),
        ("x", "Columns are: user_id, name."),
        ("ctid", "Columns are: user_id, name."),
    ] {
        let call = ConstraintCall::of("public.people").column(column);
        assert_refused(&mut database, call, "column", "The table has no such column.", hint);
    }
    let call = ConstraintCall::of("public.people").orphans("ignore");
    let hint = "Choose one of: report, quarantine, delete.";
    assert_refused(&mut database, call, "orphans", "That is not what can become of orphans.", hint);
    let all_at_once = "SELECT registrar.verify_and_fix_constraint(NULL, NULL, NULL, 'ignore')";
    let answer: Value = one(&mut database.1, all_at_once, &[]);
    let fields: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["table", "column", "orphans"]);
    let nulls = "SELECT registrar.verify_and_fix_constraint('public.people', 'user_id', NULL, NULL)";
    assert_eq!(one::<Value>(&mut database.1, nulls, &[])["data"]["orphans"]["action"], "reported");
}

#[test]
fn a_column_of_another_type_is_for_a_person_to_decide() {
    let mut database = database_with(
        "CREATE TABLE public.people (as_text text, as_varchar varchar(40), number integer, list uuid[], own uuid,
                                     computed uuid GENERATED ALWAYS AS (own) STORED);
         INSERT INTO auth.users (id) VALUES (gen_random_uuid());
         INSERT INTO public.people (as_text, as_varchar) SELECT id::text, ' ' FROM auth.users",
    );
    let call = ConstraintCall::of("public.people");
    for (column, named) in [("as_text", "text"), ("as_varchar", "character varying(40)")] {
        let call = call.column(column);
        let message = format!("The column is of type {named}; ids of users are uuid.");
        let alter = format!(
            "ALTER TABLE public.people ALTER COLUMN {column} TYPE uuid USING nullif(btrim({column}), '')::uuid;"
        );
        let hint = format!("Where every value is a UUID: {alter} It rewrites the table and locks it meanwhile.");
        assert_refused(&mut database, call, "column", &message, &hint);
        database.0.psql(&alter).unwrap();
        call.fixed(&mut database.1, FixedIn::OneTransaction);
    }
    let hint =
        "These are no ids of users. Add a column of type uuid and fill it: only the app knows which user is which.";
    for (column, named) in [("number", "integer"), ("list", "uuid[]")] {
        let message = format!("The column is of type {named}; ids of users are uuid.");
        assert_refused(&mut database, call.column(column), "column", &message, hint);
    }
    assert_refused(
        &mut database,
        call.column("computed"),
        "column",
        "PostgreSQL computes the column, and cannot change it where a user's id changes.",
        "Refer to the users from a column that is written.",
    );
}

#[test]
fn without_users_to_refer_to_nothing_can_be_done() {
    let database = empty_database();
    database.psql("CREATE EXTENSION registrar; CREATE TABLE public.people (user_id uuid)").unwrap();
    let admin = database.admin().unwrap();
    let mut database = (database, admin);
    let call = ConstraintCall::of("public.people");
    let hint = "On Supabase, Supabase Auth makes it; elsewhere SELECT registrar.setup(); as superuser does.";
    assert_refused(&mut database, call, "table", "There is no auth.users to refer to.", hint);
    for (definition, message, hint) in [
        (
            "TABLE auth.users (email text)",
            "auth.users has no column id of type uuid.",
            "It is not a users table as Supabase Auth has it.",
        ),
        (
            "TABLE auth.users (id bigint PRIMARY KEY)",
            "auth.users has no column id of type uuid.",
            "It is not a users table as Supabase Auth has it.",
        ),
        (
            "VIEW auth.users AS SELECT user_id AS id FROM public.people",
            "auth.users is no plain table.",
            "A foreign key can refer to a table only.",
        ),
        (
            "TABLE auth.users (id uuid UNIQUE DEFERRABLE)",
            "No unique index is on auth.users (id), and a foreign key needs one.",
            "ALTER TABLE auth.users ADD PRIMARY KEY (id);",
        ),
    ] {
        database.0.psql(&format!("CREATE SCHEMA auth; CREATE {definition}")).unwrap();
        assert_refused(&mut database, call, "table", message, hint);
        if !hint.starts_with("ALTER") {
            database.0.psql("DROP SCHEMA auth CASCADE").unwrap();
        }
    }
    // registrar was never set up here.
    database.0.psql("ALTER TABLE auth.users ADD PRIMARY KEY (id)").unwrap();
    for way in FixedIn::BOTH {
        call.fixed(&mut database.1, way);
        assert_settled(&mut database.1, call);
        database.0.psql("DROP TABLE public.people; CREATE TABLE public.people (user_id uuid)").unwrap();
    }
}

#[test]
fn quoted_and_hostile_names_are_names() {
    let table = r#""App's ""own"""."Pro'file""; DROP TABLE auth.users; --""#;
    let (database, mut admin) = database_with(&format!(
        r#"CREATE SCHEMA "App's ""own"""; CREATE TABLE {table} ("The ""User""" uuid, "it's $1" text NOT NULL, "now()" integer)"#
    ));
    for (column, way) in [("The \"User\"", FixedIn::OneTransaction), ("\"The \"\"User\"\"\"", FixedIn::Steps)] {
        let orphans = format!("INSERT INTO {table} SELECT gen_random_uuid(), '$2', 1 FROM generate_series(1, 3)");
        database.psql(&orphans).unwrap();
        let call = ConstraintCall::of(table).column(column).orphans("quarantine");
        let done = call.fixed(&mut admin, way);
        assert_eq!((&done["table"], &done["column"]), (&json!(table), &json!("The \"User\"")));
        assert_eq!(done["orphans"]["count"], 3);
        assert_settled(&mut admin, call);
        let constraint = done["constraints"][0]["name"].as_str().unwrap().replace('"', "\"\"");
        database.psql(&format!("ALTER TABLE {table} DROP CONSTRAINT \"{constraint}\"")).unwrap();
    }
    let kept: Vec<String> = all(
        &mut admin,
        r#"SELECT "it's $1" FROM "App's ""own"""."Pro'file""; DROP TABLE auth.users; --_orphans""#,
        &[],
    );
    assert_eq!(kept, ["$2"; 6]);
}

#[test]
fn a_name_without_a_schema_is_in_public_whatever_the_search_path_says() {
    let (database, mut admin) = database_with(
        "CREATE TABLE public.users (id uuid PRIMARY KEY);
         CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.users (id uuid PRIMARY KEY)",
    );
    admin.batch_execute("SET search_path = auth, elsewhere; CREATE TEMPORARY TABLE users (id uuid)").unwrap();
    for way in FixedIn::BOTH {
        let done = ConstraintCall::of("users").column("id").fixed(&mut admin, way);
        assert_eq!(done["table"], "public.users");
    }
    let key = "users_id_fkey FOREIGN KEY (id) REFERENCES auth.users(id) ON UPDATE CASCADE ON DELETE CASCADE";
    assert_eq!(database.foreign_keys("public.users"), [key], "a look-alike refers to the users as any table");
    assert_eq!(database.foreign_keys("elsewhere.users"), Vec::<String>::new());
}

#[test]
fn a_domain_over_uuid_is_a_uuid() {
    let (database, mut admin) = database_with(
        "CREATE DOMAIN public.id AS uuid; CREATE DOMAIN public.user_id AS public.id CHECK (VALUE IS NOT NULL);
         CREATE TABLE public.people (user_id public.user_id)",
    );
    database.insert_orphans("public.people", 4);
    let call = ConstraintCall::of("public.people").orphans("quarantine");
    let done = call.fixed(&mut admin, FixedIn::Steps);
    assert_eq!((&done["column_type"], &done["orphans"]["count"]), (&json!("public.user_id"), &json!(4)));
    assert_settled(&mut admin, call);
}

#[test]
fn a_partitioned_table_gets_it_by_way_of_its_partitions() {
    let parts = "PARTITION BY HASH (user_id);
                 CREATE TABLE public.people_0 PARTITION OF public.people FOR VALUES WITH (MODULUS 2, REMAINDER 0);
                 CREATE TABLE public.people_1 PARTITION OF public.people FOR VALUES WITH (MODULUS 2, REMAINDER 1)
                     PARTITION BY LIST (kind);
                 CREATE TABLE public.people_1_a (kind text, name text, user_id uuid);
                 ALTER TABLE public.people_1 ATTACH PARTITION public.people_1_a FOR VALUES IN ('a');
                 CREATE TABLE public.people_1_rest PARTITION OF public.people_1 DEFAULT";
    for wrong in ["", "REFERENCES public.users", "REFERENCES auth.users ON DELETE CASCADE DEFERRABLE"] {
        for way in FixedIn::BOTH {
            let (database, mut admin) = database_with("CREATE TABLE public.users (id uuid PRIMARY KEY)");
            let table = format!(
                "CREATE TABLE public.people (user_id uuid CONSTRAINT mine {wrong}, name text, kind text) {parts}"
            );
            database.psql(&if wrong.is_empty() { table.replace("CONSTRAINT mine", "") } else { table }).unwrap();
            database
                .psql(
                    "INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 50);
                     INSERT INTO public.users SELECT id FROM auth.users;
                     INSERT INTO public.people SELECT id, 'x', (ARRAY['a', 'b'])[1 + get_byte(uuid_send(id), 0) % 2] FROM auth.users;
                     SET session_replication_role = replica;
                     INSERT INTO public.people SELECT gen_random_uuid(), 'x', 'a' FROM generate_series(1, 30)",
                )
                .unwrap();
            let call = ConstraintCall::of("public.people").orphans("quarantine");
            let told = call.verify(&mut admin).data.unwrap()["statements"].clone();
            let done = call.fixed(&mut admin, way);
            assert_eq!(done["statements"], told);
            assert_eq!((&done["is_right"], &done["orphans"]["count"]), (&json!(true), &json!(30)), "{wrong}");
            assert_eq!((database.count("public.people"), database.count("public.people_orphans")), (50, 30));
            for leaf in ["people_0", "people_1", "people_1_a", "people_1_rest"] {
                let keys = database.foreign_keys(&format!("public.{leaf}"));
                assert_eq!(keys.len(), 1, "{leaf}: its own has become a part: {keys:?}");
            }
            assert_eq!(done["replaced"].as_array().unwrap().len(), usize::from(!wrong.is_empty()));
            let deferral = if wrong.ends_with("DEFERRABLE") { " DEFERRABLE" } else { "" };
            let key = &database.foreign_keys("public.people")[0];
            assert!(key.ends_with(&format!("ON UPDATE CASCADE ON DELETE CASCADE{deferral}")), "{key}");
            assert_settled(&mut admin, call);
        }
    }
}
