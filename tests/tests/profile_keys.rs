//! Keys of profiles: what a column's default makes, for one user and for many, and what it makes once it is another one.

use std::collections::BTreeSet;

use postgres::Client;
use registrar_tests::{Database, all, connect_as_supabase_auth, one, supabase_database};
use serde_json::json;
use uuid::Uuid;

/// Signs two users up one by one and two in one statement, makes the profile of a fifth in a backfill, and returns their keys.
fn keys(database: &Database, auth: &mut Client) -> Vec<Uuid> {
    database.psql("TRUNCATE public.people").unwrap();
    auth.batch_execute(
        "INSERT INTO users (id) VALUES (gen_random_uuid()); INSERT INTO users (id) VALUES (gen_random_uuid());
         INSERT INTO users (id) VALUES (gen_random_uuid()), (gen_random_uuid())",
    )
    .unwrap();
    let mut admin = database.admin().unwrap();
    admin
        .batch_execute(
            "ALTER TABLE auth.users DISABLE TRIGGER USER; DELETE FROM auth.users WHERE id NOT IN (SELECT user_id FROM public.people);
             INSERT INTO auth.users (id) VALUES (gen_random_uuid()), (gen_random_uuid());
             ALTER TABLE auth.users ENABLE TRIGGER USER",
        )
        .unwrap();
    let backfilled = "SELECT registrar.backfill_profiles_batch(p_table => 'public.people')";
    let answer: serde_json::Value = one(&mut admin, backfilled, &[]);
    assert_eq!(answer["data"]["created"], 2, "{answer}");
    let keys = all(&mut admin, "SELECT key FROM public.people", &[]);
    assert_eq!(keys.len(), 6);
    keys
}

fn with_people() -> Database {
    let database = supabase_database();
    database
        .psql(
            "CREATE TABLE public.people (key uuid PRIMARY KEY DEFAULT gen_random_uuid(),
                 user_id uuid UNIQUE REFERENCES auth.users ON DELETE CASCADE, name text);
             CREATE SEQUENCE public.numbers; GRANT USAGE ON SEQUENCE public.numbers TO PUBLIC;
             CREATE FUNCTION public.gen_random_uuid() RETURNS uuid LANGUAGE sql AS
             $$ SELECT pg_catalog.lpad(pg_catalog.nextval('public.numbers')::text, 32, '0')::uuid $$",
        )
        .unwrap();
    database.attach("public.people", "user_id", &json!(["name"]));
    database
}

fn is_numbered(key: &Uuid) -> bool {
    key.to_string().starts_with("00000000-0000-0000-0000-")
}

#[test]
fn a_random_key_is_made_anew_for_each_profile_and_another_default_is_what_it_says() {
    let database = with_people();
    let mut auth = connect_as_supabase_auth(&database);
    let random = keys(&database, &mut auth);
    assert_eq!(BTreeSet::from_iter(&random).len(), random.len());
    assert!(random.iter().all(|key| key.get_version_num() == 4), "{random:?}");

    // Of the same name as PostgreSQL's own.
    database.psql("ALTER TABLE public.people ALTER key SET DEFAULT public.gen_random_uuid()").unwrap();
    let numbered = keys(&database, &mut auth);
    assert!(numbered.iter().all(is_numbered), "{numbered:?}");
    // Also where the session's search_path has that one first.
    auth.batch_execute("SET search_path = public, pg_catalog, auth").unwrap();
    database.psql("ALTER TABLE public.people ALTER key SET DEFAULT public.gen_random_uuid(), ADD note text").unwrap();
    let numbered = keys(&database, &mut auth);
    assert!(numbered.iter().all(is_numbered), "{numbered:?}");

    database.psql("ALTER TABLE public.people ALTER key SET DEFAULT pg_catalog.gen_random_uuid()").unwrap();
    assert!(keys(&database, &mut auth).iter().all(|key| key.get_version_num() == 4));
}

#[test]
fn a_key_that_is_a_field_or_the_users_is_what_the_metadata_or_the_user_says() {
    let database = with_people();
    database.attach("public.people", "user_id", &json!(["name", "key"]));
    database
        .psql("CREATE TABLE public.own (id uuid PRIMARY KEY DEFAULT gen_random_uuid() REFERENCES auth.users ON DELETE CASCADE)")
        .unwrap();
    database.attach("public.own", "id", &json!([]));
    let mut auth = connect_as_supabase_auth(&database);
    let (one_by_one, at_once) = (Uuid::new_v4(), [Uuid::new_v4(), Uuid::new_v4()]);
    let metadata = "jsonb_build_object('key', key)";
    let insert = format!(
        "INSERT INTO users (id, raw_user_meta_data) SELECT pg_catalog.gen_random_uuid(), {metadata} FROM unnest($1::uuid[]) AS key"
    );
    for keys in [&[one_by_one][..], &at_once] {
        auth.execute(&insert, &[&keys]).unwrap();
    }
    let given =
        "SELECT key = (raw_user_meta_data ->> 'key')::uuid FROM public.people JOIN auth.users AS u ON u.id = user_id";
    assert_eq!(all::<bool>(&mut database.admin().unwrap(), given, &[]), [true; 3]);
    // Of those who bring none, the default makes it.
    auth.batch_execute("INSERT INTO users (id) VALUES (gen_random_uuid()); INSERT INTO users (id) VALUES (gen_random_uuid()), (gen_random_uuid())")
        .unwrap();
    assert_eq!((database.count("public.people"), database.count("public.own")), (6, 6));
    assert_eq!(database.count("public.own JOIN auth.users USING (id)"), 6);
    assert_eq!(database.count("registrar_private.profile_failures"), 0);
}
