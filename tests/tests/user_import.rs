//! Users of other systems, imported from tables in the same database.

use postgres::Client;
use registrar_core::{Envelope, ImportReport, RowOutcome, RowReason};
use registrar_tests::{Database, all, call, one, plain_database, supabase_database};
use serde_json::{Value, json};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";
/// By Django, of [`PASSWORD`]; see core/vectors.
const DJANGO: &str = "pbkdf2_sha256$1000$tZcHZ2To0wTZlgkCSTRQQC$nStJNHTjabKmxwrqPSa10N/1UME2qvtRDfykc1Sh/mI=";

fn ask(client: &mut Client, source: &str, mapping: &Value, options: &Value) -> Envelope<Value> {
    serde_json::from_value(one(client, "SELECT registrar.import_users($1, $2, $3)", &[&source, mapping, options]))
        .unwrap()
}

#[track_caller]
fn import(client: &mut Client, source: &str, mapping: &Value, options: &Value) -> ImportReport {
    let answer = ask(client, source, mapping, options);
    assert!(answer.success, "{answer:?}");
    let report: ImportReport = serde_json::from_value(answer.data.unwrap()).unwrap();
    let ended = report.imported + report.merged + report.skipped + report.failed + report.repeated;
    assert_eq!(ended, report.rows, "every row ends somehow: {report:?}");
    report
}

/// Rows, imported, merged, skipped, failed, repeated.
fn counts(report: &ImportReport) -> [u64; 6] {
    [report.rows, report.imported, report.merged, report.skipped, report.failed, report.repeated]
}

#[track_caller]
fn refusals(answer: Envelope<Value>) -> Vec<String> {
    assert!(!answer.success, "{answer:?}");
    answer
        .errors
        .iter()
        .map(|error| {
            format!(
                "{}: {} {}",
                error.field.as_deref().unwrap_or("-"),
                error.message,
                error.hint.as_deref().unwrap_or_default()
            )
        })
        .collect()
}

fn signs_in(database: &Database, email: &str, password: &str) -> bool {
    let mut back_end = database.connect_as(registrar_tests::Role::ServiceRole).unwrap();
    call(&mut back_end, "sign_in_with_password", &json!({ "p_email": email, "p_password": password })).success
}

fn user(client: &mut Client, email: &str) -> Value {
    one(client, "SELECT to_jsonb(u) FROM auth.users AS u WHERE email = $1", &[&email])
}

/// The users of a fastapi-users app, in a schema that stands in the caller's search_path.
const FASTAPI: &str = "
    CREATE SCHEMA app;
    CREATE TABLE app.\"user\" (
        id uuid PRIMARY KEY, email text, hashed_password text, is_active boolean, is_superuser boolean, is_verified boolean, full_name text
    );";

fn fastapi(hash: &str) -> String {
    format!(
        "{FASTAPI} INSERT INTO app.\"user\"
         SELECT md5(n::text)::uuid, 'Person' || n || '@Example.com', '{hash}', n % 10 <> 0, n = 1, n % 5 <> 0, 'Person ' || n
         FROM generate_series(1, 4500) AS n"
    )
}

fn hash() -> String {
    registrar_core::Password::parse(PASSWORD.into(), &[]).unwrap().hash().expose().to_owned()
}

#[test]
fn users_of_fastapi_users_move_in_with_one_call_and_keep_everything() {
    for database in [plain_database(), supabase_database()] {
        database.psql(&fastapi(&hash())).unwrap();
        let mut admin = database.admin().unwrap();
        admin.batch_execute("SET search_path = app, public").unwrap();
        let report = import(&mut admin, "\"user\"", &json!("fastapi-users"), &json!({}));
        assert_eq!(counts(&report), [4500, 4500, 0, 0, 0, 0]);
        assert_eq!(report.schemes, [("argon2id".to_owned(), 4500)].into());
        assert!(report.columns_left_behind.is_empty() && report.reasons.is_empty(), "{report:?}");
        // With the own id, an identity and a profile.
        let whole = "SELECT count(*) FROM app.\"user\" AS o JOIN auth.users AS u ON u.id = o.id AND u.email = lower(o.email)
                     JOIN auth.identities AS i ON i.user_id = u.id AND i.provider_id = u.id::text AND i.provider = 'email'
                     JOIN public.user_profiles AS p ON p.user_id = u.id
                     WHERE (u.email_confirmed_at IS NOT NULL) = o.is_verified AND (u.banned_until IS NULL) = o.is_active
                         AND coalesce((u.raw_app_meta_data ->> 'is_superuser')::boolean, false) = o.is_superuser
                         AND u.raw_user_meta_data ->> 'full_name' = o.full_name AND u.confirmation_token = ''";
        assert_eq!(one::<i64>(&mut admin, whole, &[]), 4500);
        assert!(signs_in(&database, "person1@example.com", PASSWORD));
        assert!(!signs_in(&database, "person1@example.com", "another"));
        assert!(!signs_in(&database, "person10@example.com", PASSWORD), "not active");
        assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM registrar_private.legacy_ids", &[]), 0);

        let again = import(&mut admin, "\"user\"", &json!("fastapi-users"), &json!({}));
        assert_eq!(counts(&again), [4500, 0, 0, 0, 0, 4500], "what is done is not done again");
        assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM auth.users", &[]), 4500);
    }
}

/// A database with those users to import, where the app has a trigger before each row of `auth.users`.
fn fastapi_with_trigger(body: &str) -> (Database, Client) {
    let database = plain_database();
    let trigger = format!(
        "CREATE FUNCTION app.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
         CREATE TRIGGER meddle BEFORE INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION app.meddle()"
    );
    database.psql(&format!("{}; {trigger}", fastapi(&hash()))).unwrap();
    let admin = database.admin().unwrap();
    (database, admin)
}

#[test]
fn an_identity_is_that_of_the_user_as_a_trigger_of_the_apps_left_it() {
    let (_database, mut admin) =
        fastapi_with_trigger("NEW.email := 'app.' || NEW.email; NEW.email_confirmed_at := NULL; RETURN NEW;");
    let report = import(&mut admin, "app.user", &json!("fastapi-users"), &json!({}));
    assert_eq!(report.imported, 4500);
    let renamed = "SELECT count(*) FROM auth.users AS u JOIN auth.identities AS i ON i.user_id = u.id
                   WHERE u.email LIKE 'app.person%' AND i.identity_data ->> 'email' = u.email
                       AND i.identity_data -> 'email_verified' = 'false'";
    assert_eq!(one::<i64>(&mut admin, renamed, &[]), 4500);
}

#[test]
fn a_user_whom_a_trigger_of_the_apps_suppresses_is_not_said_to_be_imported() {
    let (_database, mut admin) =
        fastapi_with_trigger("IF NEW.email LIKE '%n17@%' THEN RETURN NULL; END IF; RETURN NEW;");
    let report = import(&mut admin, "app.user", &json!("fastapi-users"), &json!({}));
    assert_eq!(counts(&report), [4500, 4499, 0, 0, 1, 0]);
    assert_eq!(report.reasons, [("database".to_owned(), 1)].into());
    admin.batch_execute("DROP TRIGGER meddle ON auth.users").unwrap();
    let again = import(&mut admin, "app.user", &json!("fastapi-users"), &json!({}));
    assert_eq!(counts(&again), [4500, 1, 0, 0, 0, 4499]);
}

const DJANGO_USERS: &str = "
    CREATE TABLE public.auth_user (
        id integer PRIMARY KEY, password varchar(128), last_login timestamptz, is_superuser boolean, username text, first_name text,
        last_name text, email text, is_staff boolean, is_active boolean, date_joined timestamptz
    );
    INSERT INTO public.auth_user VALUES
        (7, '{hash}', '2024-05-01', true, 'ada', 'Ada', 'Lovelace', 'ada@example.com', true, true, '2020-02-29 12:00+00'),
        (8, '!unusable', NULL, false, 'bob', '', '', 'bob@example.com', false, true, '2021-01-01');";

#[test]
fn integer_keys_become_uuids_that_are_remembered() {
    let database = plain_database();
    database.psql(&DJANGO_USERS.replace("{hash}", DJANGO)).unwrap();
    let mut admin = database.admin().unwrap();
    let report = import(&mut admin, "public.auth_user", &json!("django"), &json!({}));
    assert_eq!(counts(&report), [2, 2, 0, 0, 0, 0]);
    assert_eq!(report.schemes, [("none".to_owned(), 1), ("pbkdf2_sha256".to_owned(), 1)].into());
    assert_eq!(report.columns_left_behind, ["is_staff"]);
    let ada = user(&mut admin, "ada@example.com");
    let known: Uuid = one(&mut admin, "SELECT user_id FROM registrar_private.legacy_ids WHERE legacy_id = '7'", &[]);
    assert_eq!(ada["id"], known.to_string());
    assert_eq!(ada["raw_user_meta_data"], json!({"username": "ada", "first_name": "Ada", "last_name": "Lovelace"}));
    assert!(ada["created_at"].as_str().unwrap().starts_with("2020-02-29T12:00"));
    assert!(ada["last_sign_in_at"].as_str().unwrap().starts_with("2024-05-01"));
    assert!(
        ada["encrypted_password"].as_str().unwrap().starts_with("$registrar-legacy$"),
        "Supabase Auth cannot read it"
    );
    assert!(signs_in(&database, "ada@example.com", PASSWORD) && !signs_in(&database, "bob@example.com", PASSWORD));
    assert!(user(&mut admin, "ada@example.com")["encrypted_password"].as_str().unwrap().starts_with("$argon2id$"));
}

#[test]
fn what_did_not_fit_is_a_list_with_reasons_and_can_be_mended_and_tried_again() {
    let database = plain_database();
    let script = "
        CREATE TABLE public.people (id text, email text, phone text, password_hash text, role text, created_at text);
        INSERT INTO public.people VALUES
            ('a', 'Ann@example.com', NULL, NULL, NULL, NULL), ('b', 'ann@EXAMPLE.com', NULL, NULL, NULL, NULL),
            ('c', 'c@example.com', '+12024561111', NULL, NULL, NULL), ('d', 'd@example.com', '+1 202 456 1111', NULL, NULL, NULL),
            ('e', 'nobody', NULL, NULL, NULL, NULL), ('f', 'f@example.com', NULL, 'rot13', NULL, NULL),
            ('g', 'g@example.com', NULL, '5f4dcc3b5aa765d61d8327deb882cf99', NULL, NULL),
            ('h', 'h@example.com', NULL, '$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', NULL, NULL),
            ('i', 'i@example.com', NULL, NULL, 'emperor', NULL), ('j', 'j@example.com', NULL, NULL, NULL, 'soon'),
            ('k', NULL, NULL, NULL, NULL, NULL), ('a', 'l@example.com', NULL, NULL, NULL, NULL),
            ('m', 'refused@example.com', NULL, NULL, NULL, NULL), (NULL, 'n@example.com', NULL, NULL, NULL, NULL);
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.email LIKE 'refused%' THEN RAISE EXCEPTION 'not in this house'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.refuse()";
    database.psql(script).unwrap();
    let mut admin = database.admin().unwrap();
    let report = import(&mut admin, "public.people", &Value::Null, &Value::Null);
    assert_eq!(counts(&report), [14, 3, 0, 3, 8, 0]);
    let told = |report: &ImportReport| {
        let told = report.examples.iter().map(|row| (row.key.clone(), row.outcome, row.reason));
        told.collect::<Vec<_>>()
    };
    use RowOutcome::{Failed, Skipped};
    let expected = [
        ("b", Skipped, RowReason::EmailExists),
        ("d", Skipped, RowReason::PhoneExists),
        ("e", Failed, RowReason::InvalidEmail),
        ("f", Failed, RowReason::UnknownScheme),
        ("g", Failed, RowReason::WeakHash),
        ("h", Failed, RowReason::CostlyHash),
        ("i", Failed, RowReason::InvalidRole),
        ("j", Failed, RowReason::InvalidValue),
        ("k", Failed, RowReason::NoIdentifier),
        ("a (row 12)", Skipped, RowReason::DuplicateId),
        ("m", Failed, RowReason::Database),
    ]
    .map(|(key, outcome, reason)| (key.to_owned(), outcome, reason));
    assert_eq!(told(&report), expected);
    let message = &report.examples[10].message;
    assert_eq!(message, "PostgreSQL says P0001: not in this house");
    // The same stands in a view, with those that went well.
    let rows = "SELECT count(*) FROM registrar.import_rows WHERE source = 'people' AND (outcome = 'imported') = (reason IS NULL)";
    assert_eq!(one::<i64>(&mut admin, rows, &[]), 14);
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM auth.users", &[]), 3);

    let mend = "UPDATE public.people SET email = 'e@example.com' WHERE id = 'e'; DROP TRIGGER refuse ON auth.users;
                DELETE FROM public.people WHERE email = 'l@example.com'";
    admin.batch_execute(mend).unwrap();
    let again = import(&mut admin, "public.people", &Value::Null, &Value::Null);
    assert_eq!(counts(&again), [13, 2, 0, 2, 6, 3]);
    let weak = import(&mut admin, "public.people", &Value::Null, &json!({"allow_weak": true}));
    assert_eq!(counts(&weak), [13, 1, 0, 2, 5, 5]);
    assert!(signs_in(&database, "g@example.com", "password"), "md5, within argon2id");
    let at_rest =
        "SELECT count(*) FROM registrar_private.legacy_passwords WHERE hash LIKE '%5f4dcc3b5aa765d61d8327deb882cf99%'";
    assert_eq!(one::<i64>(&mut admin, at_rest, &[]), 0);
}

#[test]
fn a_conflict_is_skipped_merged_or_a_failure_as_one_says() {
    let database = plain_database();
    let (held, token) = database.register("held@example.com");
    database.verify(&token);
    let mut back_end = database.connect_as(registrar_tests::Role::ServiceRole).unwrap();
    let squat = json!({ "p_email": "squatted@example.com", "p_password": "a squatter's passphrase" });
    let squatted = call(&mut back_end, "register_user_with_token", &squat);
    let squatters_token = squatted.data.unwrap()["verification"]["token"].as_str().unwrap().to_owned();
    let script = format!(
        "CREATE TABLE public.old_users (id integer, email text, hashed_password text, is_superuser boolean, full_name text);
         INSERT INTO public.old_users VALUES (1, 'held@example.com', '{DJANGO}', true, 'Held'),
             (2, 'squatted@example.com', '{DJANGO}', false, 'Rightful'), (3, 'new@example.com', '{DJANGO}', false, NULL)"
    );
    database.psql(&script).unwrap();
    let mut admin = database.admin().unwrap();
    let with = |policy: &str, dry_run: bool| json!({"on_conflict": policy, "dry_run": dry_run});
    let mapping = json!("fastapi-users");
    assert_eq!(counts(&import(&mut admin, "public.old_users", &mapping, &with("skip", true))), [3, 1, 0, 2, 0, 0]);
    assert_eq!(counts(&import(&mut admin, "public.old_users", &mapping, &with("fail", true))), [3, 1, 0, 0, 2, 0]);
    let merged = import(&mut admin, "public.old_users", &mapping, &with("merge", false));
    assert_eq!(counts(&merged), [3, 1, 2, 0, 0, 0]);

    let user_held = user(&mut admin, "held@example.com");
    assert_eq!(user_held["raw_user_meta_data"]["full_name"], "Held");
    assert_eq!(user_held["raw_app_meta_data"]["is_superuser"], true);
    assert_eq!(user_held["id"], held.to_string());
    assert!(signs_in(&database, "held@example.com", PASSWORD), "there was no password");
    assert!(signs_in(&database, "squatted@example.com", PASSWORD));
    assert!(!signs_in(&database, "squatted@example.com", "a squatter's passphrase"));
    let late = call(&mut back_end, "verify_email", &json!({ "p_token": squatters_token }));
    assert!(!late.success, "the squatter's registration is dropped: {late:?}");
    let mapped: Vec<String> = all(&mut admin, "SELECT legacy_id FROM registrar_private.legacy_ids ORDER BY 1", &[]);
    assert_eq!(mapped, ["1", "2", "3"], "merged ones too");
    let again = import(&mut admin, "public.old_users", &mapping, &with("merge", false));
    assert_eq!(counts(&again), [3, 0, 0, 0, 0, 3]);
}

#[test]
fn a_password_that_somebody_has_is_not_replaced_by_a_merge() {
    let database = plain_database();
    let mut back_end = database.connect_as(registrar_tests::Role::ServiceRole).unwrap();
    let own = json!({ "p_email": "ada@example.com", "p_password": "my own new passphrase" });
    let registered = call(&mut back_end, "register_user_with_token", &own).data.unwrap();
    database.verify(registered["verification"]["token"].as_str().unwrap());
    database.psql(&DJANGO_USERS.replace("{hash}", DJANGO)).unwrap();
    let mut admin = database.admin().unwrap();
    let merged = import(&mut admin, "public.auth_user", &json!("django"), &json!({"on_conflict": "merge"}));
    assert_eq!(counts(&merged), [2, 1, 1, 0, 0, 0]);
    assert!(signs_in(&database, "ada@example.com", "my own new passphrase"));
    assert!(!signs_in(&database, "ada@example.com", PASSWORD));
}

#[test]
fn a_dry_run_tells_everything_and_changes_nothing() {
    let database = plain_database();
    database.psql(&DJANGO_USERS.replace("{hash}", DJANGO)).unwrap();
    let mut admin = database.admin().unwrap();
    let everything = "SELECT jsonb_build_array(
        (SELECT count(*) FROM auth.users), (SELECT count(*) FROM auth.identities), (SELECT count(*) FROM public.user_profiles),
        (SELECT count(*) FROM registrar_private.import_rows), (SELECT count(*) FROM registrar_private.user_imports),
        (SELECT count(*) FROM registrar_private.legacy_ids), (SELECT count(*) FROM registrar_private.legacy_passwords))";
    let before: Value = one(&mut admin, everything, &[]);
    let dry = import(&mut admin, "public.auth_user", &json!("django"), &json!({"dry_run": true}));
    assert_eq!(one::<Value>(&mut admin, everything, &[]), before);
    let done = import(&mut admin, "public.auth_user", &json!("django"), &json!({}));
    assert_eq!(ImportReport { dry_run: false, ..dry }, done);
    assert_ne!(one::<Value>(&mut admin, everything, &[]), before);
}

#[test]
fn a_mapping_or_source_that_cannot_be_meant_is_refused_with_what_to_do() {
    let database = plain_database();
    database.psql(&DJANGO_USERS.replace("{hash}", DJANGO)).unwrap();
    let mut admin = database.admin().unwrap();
    let mut refused =
        |source: &str, mapping: Value, options: Value| refusals(ask(&mut admin, source, &mapping, &options)).join("\n");
    let none = Value::Null;
    for (source, mapping, options, told) in [
        (
            "public.auth_user",
            json!({"email": "e_mail"}),
            none.clone(),
            "email: The source has no column e_mail. Did you mean email?",
        ),
        ("public.auth_user", json!("rails"), none.clone(), "preset: There is no such preset."),
        ("public.auth_user", json!("laravel"), json!({"on_conflct": "skip"}), "options: The options cannot be read."),
        ("public.auth_users", json!("django"), none.clone(), "source: There is no such table."),
        ("", none.clone(), none.clone(), "source: There is no source."),
        ("SELECT * FROM public.auth_user", none.clone(), none.clone(), "source: A query has no name"),
        ("SELECT nonsense", none.clone(), json!({"source": "x"}), "column \"nonsense\" does not exist"),
        (
            "SELECT 'a@example.com' AS email, 'b' AS email",
            none.clone(),
            json!({"source": "x"}),
            "email: The source has this column twice.",
        ),
        ("SELECT 1 AS id", none.clone(), json!({"source": "x"}), "No column is the e-mail address"),
        (
            "SELECT 'a@example.com' AS email); DROP TABLE public.auth_user; --",
            none.clone(),
            json!({"source": "x"}),
            "source: The source cannot be read",
        ),
        (
            "WITH d AS (DELETE FROM public.auth_user RETURNING email) SELECT * FROM d",
            none.clone(),
            json!({"source": "x"}),
            "source: The source cannot be read",
        ),
    ] {
        let answer = refused(source, mapping, options);
        assert!(answer.contains(told), "{source}: {answer}");
    }
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM public.auth_user", &[]), 2);
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM auth.users", &[]), 0);
}

#[test]
fn a_source_that_fails_changes_or_turns_back_on_itself_does_no_harm() {
    let database = plain_database();
    database.psql(&fastapi(&hash())).unwrap();
    let mut admin = database.admin().unwrap();
    // It fails at a late row.
    let failing = "SELECT id, email, 1 / (4400 - row_number() OVER ()) AS x FROM app.\"user\"";
    let told = refusals(ask(&mut admin, failing, &Value::Null, &json!({"source": "x"})));
    assert!(told[0].contains("division by zero"), "{told:?}");
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM auth.users", &[]), 0, "all or nothing");
    // It is changed by what the import does.
    let grow = "CREATE FUNCTION app.grow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
                $$ BEGIN INSERT INTO app.\"user\" (id, email) VALUES (gen_random_uuid(), 'later' || NEW.email); RETURN NEW; END $$;
                CREATE TRIGGER grow AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION app.grow()";
    admin.batch_execute(grow).unwrap();
    let report = import(&mut admin, "app.\"user\"", &json!("fastapi-users"), &Value::Null);
    assert_eq!(counts(&report), [4500, 4500, 0, 0, 0, 0]);
    admin.batch_execute("DROP TRIGGER grow ON auth.users").unwrap();
    // It is the table that is written.
    let own = import(&mut admin, "auth.users", &json!("supabase"), &Value::Null);
    assert_eq!(counts(&own), [4500, 0, 0, 4500, 0, 0]);
    // It imports itself.
    let cyclic = "SELECT registrar.import_users('app.user', '\"fastapi-users\"') ->> 'success' AS full_name, email FROM app.\"user\" LIMIT 3";
    admin.batch_execute("DELETE FROM auth.users").unwrap();
    import(&mut admin, cyclic, &Value::Null, &json!({"source": "cyclic"}));
    let nested: Vec<String> =
        all(&mut admin, "SELECT DISTINCT raw_user_meta_data ->> 'full_name' FROM auth.users", &[]);
    assert_eq!(nested, ["false"], "the import within is refused");
}

#[test]
fn the_source_is_read_with_the_rights_of_whoever_imports() {
    let database = plain_database();
    database.psql(&DJANGO_USERS.replace("{hash}", DJANGO)).unwrap();
    let setup =
        "CREATE TABLE public.secret_users (email text); INSERT INTO public.secret_users VALUES ('spy@example.com');
                 GRANT EXECUTE ON FUNCTION registrar.import_users(text, jsonb, jsonb) TO authenticated;
                 GRANT SELECT ON public.auth_user TO authenticated";
    database.psql(setup).unwrap();
    let mut user = database.connect_as(registrar_tests::Role::Authenticated).unwrap();
    for source in ["public.secret_users", "registrar_private.secrets", "auth.users"] {
        let told = refusals(ask(&mut user, source, &json!({"email": "email"}), &Value::Null));
        assert!(told[0].contains("permission denied"), "{source}: {told:?}");
    }
    assert_eq!(counts(&import(&mut user, "public.auth_user", &json!("django"), &Value::Null)), [2, 2, 0, 0, 0, 0]);
    let mut back_end = database.connect_as(registrar_tests::Role::ServiceRole).unwrap();
    let refused = back_end.query("SELECT registrar.import_users('public.auth_user')", &[]).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501", "{refused}");
}

#[test]
fn a_password_with_a_pepper_is_verified_and_the_pepper_is_told_to_nobody() {
    let database = plain_database();
    // By the module bcrypt, of the password with that behind it; see core/vectors.
    let pepper = "a secret of the app";
    let peppered = "$2a$04$0IBhG.wEE.e8vU/GnW.GFOliNAkNsjAuv9WRRMbvMPO8Zd9VNvdNa";
    let script = format!(
        "CREATE TABLE public.users (id bigint, email text, encrypted_password text, confirmed_at timestamp, created_at timestamp);
         INSERT INTO public.users VALUES (1, 'devise@example.com', '{peppered}', '2024-01-01', '2023-01-01'),
                                         (2, 'waiting@example.com', '{peppered}', NULL, '2023-01-01')"
    );
    database.psql(&script).unwrap();
    let mut admin = database.admin().unwrap();
    let answer = ask(&mut admin, "public.users", &json!("devise"), &json!({"pepper": pepper}));
    assert!(answer.success && !format!("{answer:?}").contains(pepper));
    assert!(
        signs_in(&database, "devise@example.com", PASSWORD) && !signs_in(&database, "waiting@example.com", PASSWORD)
    );
}
