//! Any table of the app's can be its profile table: what is wrong with one is told all at once and with its fix, and what is
//! right is filled.

use postgres::Client;
use registrar_tests::{
    Database, Role, all, connect_as_supabase_auth, one, plain_database, supabase_database, try_attach,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// The faults of attaching, which must change nothing.
#[track_caller]
fn faults(database: &Database, table: &str, user_column: &str, fields: Value) -> Vec<String> {
    // A sequence goes on also where a transaction is rolled back.
    let rows_and_schema = || {
        let script = database.script(&["--inserts"]);
        script.lines().filter(|line| !line.contains("setval")).collect::<Vec<_>>().join("\n")
    };
    let before = rows_and_schema();
    let refused = try_attach(&mut database.admin().unwrap(), table, user_column, &fields, "queue");
    let faults = refused.expect_err("there is a fault");
    assert_eq!(rows_and_schema(), before, "nothing is changed where there is a fault");
    faults
}

/// A table that can be attached by `id` with these columns.
fn people(database: &Database, columns: &str) {
    database
        .psql(&format!("CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users, {columns})"))
        .unwrap();
}

#[test]
fn every_fault_is_told_at_once_with_its_fix() {
    let database = plain_database();
    database
        .psql("CREATE TABLE public.people (id integer, owner uuid, first_name text, age integer NOT NULL)")
        .unwrap();
    let fields = json!(["frist_name", "salary", { "column": "id", "source": "email" }, "owner"]);
    let expected = [
        "owner: No unique index is on it alone: a user could get two profiles. Fix: CREATE UNIQUE INDEX ON public.people (owner);",
        "owner: No foreign key leads from it to auth.users (id). Fix: ALTER TABLE public.people ADD FOREIGN KEY (owner) \
         REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE;",
        "frist_name: There is no such column. Did you mean first_name?",
        "salary: There is no such column. Columns are: id, first_name, age.",
        "id: Its type is integer, which takes no e-mail address or phone number. Take a column of type text.",
        "owner: It holds the user. Leave it out of the fields.",
        "age: It is NOT NULL without a default, and no field fills it. List it among the fields, or \
         ALTER TABLE public.people ALTER COLUMN age SET DEFAULT …;",
    ];
    assert_eq!(faults(&database, "public.people", "owner", fields), expected);

    let refused =
        database.admin().unwrap().query("SELECT registrar.attach_profile_table('public.people', 'owner')", &[]);
    let refused = refused.unwrap_err();
    let error = refused.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("22023", "the profile table cannot be attached: 3 faults"));
    assert!(error.hint().unwrap().starts_with("Nothing was changed."), "{error:?}");
}

#[test]
fn faults_of_every_kind_are_told_together() {
    let database = plain_database();
    database.psql("CREATE TABLE public.people (owner uuid UNIQUE, age integer, city text)").unwrap();
    let fields = json!([
        { "column": "age", "default": "old" }, { "column": "city", "kee": "town" }, { "column": "state" }, 7
    ]);
    let told = faults(&database, "public.people", "owner", fields).join("\n");
    for fault in
        ["No foreign key", "age: The column's type does not take", "kee", "state: There is no such", "p_fields[3]"]
    {
        assert!(told.contains(fault), "{fault} is missing in {told}");
    }
}

#[test]
fn with_the_fixes_that_the_faults_name_the_table_is_attached() {
    let database = supabase_database();
    database
        .psql(r#"CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."Order" ("user" uuid, "First Name" text)"#)
        .unwrap();
    let table = r#""My Schema"."Order""#;
    let fields = json!([{ "column": "First Name", "key": "name" }]);
    let told = faults(&database, table, "user", fields.clone());
    assert_eq!(told.len(), 2);
    for fault in told {
        database.psql(fault.split_once("Fix: ").expect("a fault with its fix").1).unwrap();
    }
    database.attach(table, "user", &fields);
    let user = database.sign_up("user@example.com", &json!({ "name": "Ada" }));
    assert_eq!(database.row(table, "\"user\"", user).unwrap()["First Name"], "Ada");
    database.psql("DELETE FROM auth.users").expect("the foreign key cascades");
}

#[test]
fn a_column_that_cannot_hold_the_user_is_told_with_what_is_wrong_with_it() {
    let database = plain_database();
    let message = |definition: &str, column: &str| {
        database.psql(&format!("CREATE TABLE public.people ({definition})")).unwrap();
        let told = faults(&database, "public.people", column, json!([]));
        database.psql("DROP TABLE public.people").unwrap();
        told.join("\n")
    };
    let missing = message("owner uuid", "onwer");
    assert_eq!(missing, "onwer: There is no such column. Did you mean owner?");
    assert!(message("owner text UNIQUE", "owner").contains("owner: The user's column is of type text, not uuid."));

    let unique = "No unique index is on it alone";
    for definition in [
        "owner uuid REFERENCES auth.users, team integer, UNIQUE (owner, team)",
        "owner uuid REFERENCES auth.users, EXCLUDE USING btree (owner WITH =) WHERE (owner IS NOT NULL)",
        // PostgreSQL cannot find an existing row by it where two sign-ups meet.
        "owner uuid REFERENCES auth.users UNIQUE DEFERRABLE",
    ] {
        assert!(message(definition, "owner").contains(unique), "{definition}");
    }
    let referring = "No foreign key leads from it to auth.users (id)";
    database.psql("CREATE TABLE public.users (id uuid PRIMARY KEY)").unwrap();
    for definition in
        ["owner uuid UNIQUE REFERENCES public.users", "owner uuid UNIQUE, other uuid REFERENCES auth.users"]
    {
        assert!(message(definition, "owner").contains(referring), "{definition}");
    }
    database.psql("CREATE TABLE public.people (owner uuid REFERENCES auth.users); CREATE UNIQUE INDEX ON public.people (owner) WHERE owner IS NOT NULL").unwrap();
    assert!(faults(&database, "public.people", "owner", json!([])).join("\n").contains(unique), "a partial index");
}

#[test]
fn limits_that_a_column_cannot_have_are_told_all_at_once() {
    let database = plain_database();
    people(
        &database,
        "age integer, size integer, level text, born date, weight numeric, tags text[],
         number integer GENERATED ALWAYS AS IDENTITY, doubled integer GENERATED ALWAYS AS (2) STORED",
    );
    let fields = json!([
        { "column": "age", "default": "old" },
        { "column": "size", "allowed": ["small"] },
        { "column": "level", "allowed": ["low", "high"], "default": "middle" },
        { "column": "born", "minimum": "yesterday's eve" },
        { "column": "weight", "default": -1, "minimum": 0 },
        { "column": "tags", "default": "no list" },
        "number",
        "doubled",
    ]);
    let told = faults(&database, "public.people", "id", fields);
    let (columns, messages): (Vec<&str>, Vec<&str>) = told.iter().map(|fault| fault.split_once(": ").unwrap()).unzip();
    assert_eq!(columns, ["age", "size", "level", "born", "weight", "tags", "number", "doubled"]);
    for (place, words) in [
        (0, "\"old\""),
        (1, "\"small\""),
        (2, "not among the values allowed"),
        (3, "yesterday"),
        (4, "Change the default or the limits"),
        (5, "does not take its default"),
        (6, "PostgreSQL computes the column"),
        (7, "PostgreSQL computes the column"),
    ] {
        assert!(messages[place].contains(words), "{}", told[place]);
    }
}

#[test]
fn what_is_no_table_cannot_be_attached() {
    let database = plain_database();
    people(&database, "name text");
    database.psql("CREATE VIEW public.views AS SELECT * FROM public.people; CREATE MATERIALIZED VIEW public.copies AS SELECT * FROM public.people").unwrap();
    for relation in ["public.views", "public.copies"] {
        let told = faults(&database, relation, "id", json!(["name"])).join("\n");
        assert!(told.starts_with("table: It is a view or a foreign table. Attach the table behind it."), "{told}");
    }
    let mut admin = database.admin().unwrap();
    for (call, code) in [
        ("attach_profile_table('public.nothing', 'id')", "42P01"),
        ("attach_profile_table(0, 'id')", "22023"),
        ("attach_profile_table(NULL, 'id')", "22023"),
        ("attach_profile_table('public.people', NULL)", "22023"),
        ("attach_profile_table('public.people', 'id', '{}')", "22023"),
        ("attach_profile_table('public.people', 'id', '[]', 'quueue')", "22023"),
    ] {
        let refused = admin.query(&format!("SELECT registrar.{call}"), &[]).expect_err(call);
        assert_eq!(refused.code().unwrap().code(), code, "{call}: {refused:?}");
    }
    let policies = try_attach(&mut admin, "public.people", "id", &json!([]), "quueue").unwrap_err();
    assert_eq!(policies, ["p_on_failure: There is no such policy. Policies are: queue, block, ignore."]);
}

#[test]
fn a_partitioned_table_is_a_table() {
    let database = supabase_database();
    database
        .psql(
            "CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text)
                 PARTITION BY HASH (id);
             CREATE TABLE public.people_0 PARTITION OF public.people FOR VALUES WITH (MODULUS 2, REMAINDER 0);
             CREATE TABLE public.people_1 PARTITION OF public.people FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        )
        .unwrap();
    database.attach("public.people", "id", &json!(["name"]));
    for name in ["Ada", "Bob", "Cy", "Di"] {
        let user = database.sign_up(&format!("{name}@example.com"), &json!({ "name": name }));
        assert_eq!(database.row("public.people", "id", user).unwrap()["name"], name);
    }
}

/// A database of an owner without other rights than an app's owner has on Supabase, and that owner's session.
fn owned_database(owner: &str) -> (Database, Client) {
    let database = registrar_tests::bare_supabase_database();
    let mut admin = database.admin().unwrap();
    let script = format!(
        "CREATE ROLE {owner}; ALTER DATABASE {} OWNER TO {owner};
         GRANT USAGE ON SCHEMA auth TO {owner}; GRANT REFERENCES ON auth.users TO {owner}",
        database.name()
    );
    admin.batch_execute(&script).unwrap();
    admin.batch_execute("CREATE EXTENSION registrar; SELECT registrar.setup()").unwrap();
    admin.batch_execute(&format!("SET ROLE {owner}")).unwrap();
    (database, admin)
}

#[test]
fn the_owner_of_the_database_attaches_and_detaches_without_being_superuser() {
    let (database, mut owner) = owned_database("attaching_owner");
    for template in ["profiles", "user_profiles", "user_profile"] {
        assert_eq!(
            one::<String>(&mut owner, "SELECT registrar.create_profile_table($1)", &[&template]),
            format!("public.{template}")
        );
    }
    owner
        .batch_execute(
            "CREATE TABLE public.people (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text)",
        )
        .unwrap();
    try_attach(&mut owner, "public.people", "id", &json!(["name"]), "queue").unwrap();
    let owned = "SELECT array_agg(DISTINCT owner::text) FROM registrar.profile_tables";
    assert_eq!(one::<Vec<String>>(&mut owner, owned, &[]), ["attaching_owner"]);

    let user =
        database.sign_up("user@example.com", &json!({ "name": "Ada", "first_name": "Ada", "full_name": "Ada L." }));
    assert_eq!(database.profile_failures(user), []);
    assert_eq!(database.row("public.people", "id", user).unwrap()["name"], "Ada");
    assert_eq!(database.row("public.profiles", "id", user).unwrap()["first_name"], "Ada");
    assert_eq!(database.row("public.user_profile", "user_id", user).unwrap()["full_name"], "Ada L.");
    assert!(one::<bool>(&mut owner, "SELECT registrar.detach_profile_table('public.people')", &[]));
}

#[test]
fn nobody_attaches_or_detaches_a_table_of_another_owner() {
    let (database, mut owner) = owned_database("other_owner");
    owner.batch_execute("RESET ROLE").unwrap();
    people(&database, "name text");
    owner.batch_execute("SET ROLE other_owner").unwrap();
    let refused = try_attach(&mut owner, "public.people", "id", &json!(["name"]), "queue").unwrap_err();
    let expected = "table: Only its owner may attach a table. Have the owner of public.people attach it.";
    assert_eq!(refused, [expected]);

    database.attach("public.people", "id", &json!(["name"]));
    let refused = owner.query("SELECT registrar.detach_profile_table('public.people')", &[]).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501");
    owner.batch_execute("RESET ROLE; CREATE ROLE table_owner; GRANT table_owner TO other_owner; ALTER TABLE public.people OWNER TO table_owner; SET ROLE other_owner").unwrap();
    try_attach(&mut owner, "public.people", "id", &json!([]), "queue").expect("a member of the owner is one");
    // Gone, it has no owner any more.
    database.psql("DROP TABLE public.people").unwrap();
    assert!(one::<bool>(&mut owner, "SELECT registrar.detach_profile_table('public.people')", &[]));
}

#[test]
fn attached_again_a_table_is_filled_as_it_was_attached_last() {
    let database = supabase_database();
    people(&database, "name text, city text DEFAULT 'nowhere'");
    let mut auth = connect_as_supabase_auth(&database);
    let mut sign_up = || -> Value {
        let insert = "INSERT INTO users (id, raw_user_meta_data)
                      VALUES (gen_random_uuid(), '{\"name\": \"Ada\", \"city\": \"Bern\", \"town\": \"Thun\"}') RETURNING id";
        let user: Uuid = one(&mut auth, insert, &[]);
        database.row("public.people", "id", user).unwrap()
    };
    database.attach("public.people", "id", &json!(["name"]));
    let positions = "SELECT position FROM registrar.profile_tables ORDER BY 1";
    let before: Vec<i32> = all(&mut database.admin().unwrap(), positions, &[]);
    let row = sign_up();
    assert_eq!((&row["name"], &row["city"]), (&json!("Ada"), &json!("nowhere")));
    database.attach("public.people", "id", &json!([{ "column": "city", "key": "town" }]));
    let row = sign_up();
    assert_eq!((&row["name"], &row["city"]), (&Value::Null, &json!("Thun")));
    assert_eq!(all::<i32>(&mut database.admin().unwrap(), positions, &[]), before, "it keeps its place");
}

#[test]
fn a_detached_table_keeps_its_rows_and_gets_no_more() {
    let database = supabase_database();
    people(&database, "name text");
    database.attach("public.people", "id", &json!(["name"]));
    let kept = database.sign_up("before@example.com", &json!({ "name": "Ada" }));
    let mut admin = database.admin().unwrap();
    let mut detach = |name: &str| one::<bool>(&mut admin, "SELECT registrar.detach_profile_table($1)", &[&name]);
    assert!(detach("public.people"));
    assert!(!detach("public.people"), "it is no profile table any more");
    assert!(!detach("public.nothing"));
    assert!(database.row("public.people", "id", kept).is_some());
    let user = database.sign_up("after@example.com", &json!({ "name": "Bob" }));
    assert_eq!(database.row("public.people", "id", user), None);
    assert_eq!(database.profile_failures(user), []);

    database.attach("public.people", "id", &json!(["name"]));
    database.psql("DROP TABLE public.people").unwrap();
    assert_eq!(database.profile_failures(database.sign_up("gone@example.com", &json!({})))[0].sqlstate, "42P01");
    assert!(detach("public.people"), "also where it is gone");
    assert_eq!(database.profile_failures(database.sign_up("free@example.com", &json!({}))), []);
}

#[test]
fn a_table_is_detached_by_the_name_that_it_was_attached_by() {
    let database = plain_database();
    database.psql(r#"CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."Or""der" (id uuid PRIMARY KEY REFERENCES auth.users)"#).unwrap();
    let mut admin = database.admin().unwrap();
    for name in [r#""My Schema"."Or""der""#, r#"My Schema.Or"der"#] {
        database.attach(r#""My Schema"."Or""der""#, "id", &json!([]));
        assert!(one::<bool>(&mut admin, "SELECT registrar.detach_profile_table($1)", &[&name]), "{name}");
    }
}

#[test]
fn the_view_shows_which_tables_are_attached_and_how() {
    let database = plain_database();
    people(&database, "name text");
    database.attach_with_policy("public.people", "id", &json!([{ "column": "name", "required": true }]), "block");
    let shown = "SELECT jsonb_agg(to_jsonb(t) - 'position' ORDER BY position) FROM registrar.profile_tables AS t";
    let of_people = json!({
        "schema_name": "public", "table_name": "people", "user_column": "id", "on_failure": "block",
        "fields": [{ "column": "name", "required": true }], "is_present": true, "owner": "postgres",
    });
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let tables: Value = one(&mut back_end, shown, &[]);
    assert_eq!(tables[0]["table_name"], "user_profiles", "the primary one first");
    assert_eq!(tables[1], of_people);
    database.psql("DROP TABLE public.people").unwrap();
    assert_eq!(one::<Value>(&mut back_end, shown, &[])[1]["is_present"], false);
    for role in [Role::Anon, Role::Authenticated] {
        let refused = database.connect_as(role).unwrap().query(shown, &[]).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501");
    }
}

/// A number as PostgreSQL writes it, with its trailing noughts.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_column_of_any_type_is_filled_from_any_source() {
    let database = supabase_database();
    database.psql("CREATE TYPE public.mood AS ENUM ('glad', 'sad'); CREATE DOMAIN public.zip AS text CHECK (VALUE ~ '^[0-9]{4}$')").unwrap();
    people(
        &database,
        "city text, plan text, email varchar(320), phone text, nick varchar(10), tags text[], moods public.mood[],
         settings jsonb, raw json, mood public.mood, zip public.zip, price numeric(8, 2), born date, seen timestamptz,
         agreed boolean, big bigint, ratio real, address inet, ref uuid, country text DEFAULT 'CH', state text DEFAULT 'BE',
         zone text NOT NULL DEFAULT 'none'",
    );
    let fields = json!([
        { "column": "city", "path": ["address", "city"] },
        { "column": "plan", "source": "app_metadata", "path": ["billing", "plan"], "default": "free" },
        { "column": "email", "source": "email" },
        { "column": "phone", "source": "phone" },
        { "column": "nick", "key": "nick name" },
        { "column": "tags", "allowed": ["a", "b", "c"], "minimum": 1, "maximum": 2 },
        "moods", "settings", "raw", "mood", "zip",
        { "column": "price", "minimum": 0.5, "maximum": "1000.25" },
        { "column": "born", "minimum": "1900-01-01", "maximum": "2020-12-31" },
        "seen", "agreed",
        { "column": "big", "allowed": [9_007_199_254_740_993_i64] },
        "ratio", "address", "ref",
        { "column": "country", "default": null },
        { "column": "state", "default": "ZH" },
        "zone",
    ]);
    database.attach("public.people", "id", &fields);
    let metadata = json!({
        "address": { "city": "Bern" }, "nick name": "ada", "tags": ["a", "b"], "moods": ["sad", "glad"],
        "settings": { "theme": ["dark", 1] }, "raw": [1], "mood": "glad", "zip": "3000", "price": "12.5",
        "born": "1990-02-28", "seen": "2024-05-01T12:00:00Z", "agreed": true, "big": 9_007_199_254_740_993_i64, "ratio": 0.5,
        "ref": "00000000-0000-0000-0000-000000000001",
    });
    let insert = "INSERT INTO users (id, email, phone, raw_user_meta_data, raw_app_meta_data)
                  VALUES (gen_random_uuid(), 'ada@example.com', '41790000001', $1, '{\"billing\": {\"plan\": \"pro\"}}') RETURNING id";
    let user: Uuid = one(&mut connect_as_supabase_auth(&database), insert, &[&metadata]);
    assert_eq!(database.profile_failures(user), []);
    // address is an object, so no inet: it is left at its default, and said so.
    assert_eq!(database.profile_warnings(user), ["public.people.address: The value is not of type inet."]);
    let mut row = database.row("public.people", "id", user).unwrap();
    row.as_object_mut().unwrap().remove("id");
    let expected = json!({
        "city": "Bern", "plan": "pro", "email": "ada@example.com", "phone": "+41790000001", "nick": "ada", "tags": ["a", "b"],
        "moods": ["sad", "glad"], "settings": { "theme": ["dark", 1] }, "raw": [1], "mood": "glad", "zip": "3000",
        "price": number("12.50"), "born": "1990-02-28", "seen": "2024-05-01T12:00:00+00:00", "agreed": true,
        "big": 9_007_199_254_740_993_i64, "ratio": 0.5, "address": null, "ref": "00000000-0000-0000-0000-000000000001",
        "country": null, "state": "ZH", "zone": "none",
    });
    assert_eq!(row, expected);

    let insert = "INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, 2) RETURNING id";
    for user in all::<Uuid>(&mut connect_as_supabase_auth(&database), insert, &[]) {
        let row = database.row("public.people", "id", user).unwrap();
        assert_eq!(
            (&row["plan"], &row["country"], &row["state"], &row["zone"]),
            (&json!("free"), &Value::Null, &json!("ZH"), &json!("none")),
            "of many users at once, too, each field has its default"
        );
    }
}

#[test]
fn a_required_column_whose_name_is_a_trap_is_kept_track_of() {
    let database = supabase_database();
    people(&database, r#""NEW.age" integer, "it's" text[], profile_completed boolean"#);
    let user = database.sign_up("before@example.com", &json!({}));
    database.psql(&format!("INSERT INTO public.people VALUES ('{user}', 7, '{{x}}', NULL)")).unwrap();
    let fields = json!([{ "column": "NEW.age", "required": true }, { "column": "it's", "required": true }]);
    database.attach("public.people", "id", &fields);
    assert_eq!(
        database.row("public.people", "id", user).unwrap()["profile_completed"],
        true,
        "rows that were there before"
    );
    for (metadata, complete) in [(json!({ "NEW.age": 1 }), false), (json!({ "NEW.age": 1, "it's": ["x"] }), true)] {
        let user = database.sign_up(&format!("{complete}@example.com"), &metadata);
        assert_eq!(database.row("public.people", "id", user).unwrap()["profile_completed"], complete);
    }
}

#[test]
fn a_default_that_changes_while_a_session_is_connected_is_the_one_it_fills_in() {
    let database = supabase_database();
    people(&database, "name text, level text DEFAULT 'low'");
    database.attach("public.people", "id", &json!(["name", "level"]));
    let mut auth = connect_as_supabase_auth(&database);
    let insert = "INSERT INTO users (id, raw_user_meta_data)
                  SELECT gen_random_uuid(), '{\"name\": \"x\"}' FROM generate_series(1, 2)";
    auth.execute(insert, &[]).unwrap();
    database.psql("ALTER TABLE public.people ALTER COLUMN level SET DEFAULT 'high'").unwrap();
    auth.execute(insert, &[]).unwrap();
    let levels = "SELECT level FROM public.people ORDER BY 1";
    assert_eq!(all::<String>(&mut database.admin().unwrap(), levels, &[]), ["high", "high", "low", "low"]);
}
