//! The app's own tables after an import: what referred to the old users refers to the new ones.

use postgres::Client;
use registrar_tests::{Database, all, one, plain_database};
use serde_json::{Value, json};
use uuid::Uuid;

/// An app with a users table of its own, and rows that refer to it in several ways.
const APP: &str = r#"
    CREATE TABLE public.people (id serial PRIMARY KEY, email text UNIQUE NOT NULL, hashed_password text);
    INSERT INTO public.people (email) SELECT format('person%s@example.com', n) FROM generate_series(1, 50) AS n;
    CREATE TABLE public.orders (
        id int PRIMARY KEY,
        user_id int NOT NULL DEFAULT 1 REFERENCES public.people ON DELETE CASCADE,
        note text
    );
    CREATE INDEX orders_user_id_idx ON public.orders (user_id);
    INSERT INTO public.orders SELECT n, 1 + n % 50, 'order ' || n FROM generate_series(1, 500) AS n;
    CREATE SCHEMA "Odd";
    CREATE TABLE "Odd"."Likes" (
        "User" int REFERENCES public.people ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
        post int,
        UNIQUE ("User", post)
    );
    INSERT INTO "Odd"."Likes" VALUES (7, 1), (7, 2), (NULL, 3);
    CREATE TABLE public.letters (email text REFERENCES public.people (email));
"#;

fn app() -> (Database, Client) {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute(APP).unwrap();
    (database, admin)
}

fn import(admin: &mut Client, source: &str) {
    let answer: Value = one(admin, "SELECT registrar.import_users($1, '\"fastapi-users\"')", &[&source]);
    assert_eq!(answer["success"], true, "{answer}");
}

fn script(admin: &mut Client) -> String {
    one(admin, "SELECT registrar.foreign_key_script('public.people')", &[])
}

#[test]
fn what_referred_to_the_old_users_refers_to_the_new_ones() {
    let (database, mut admin) = app();
    import(&mut admin, "public.people");
    let script = script(&mut admin);
    assert!(script.contains("Left alone") && script.contains("public.letters"), "{script}");
    database.psql(&script).unwrap();
    let wrong = "SELECT count(*) FROM public.orders AS o
                 LEFT JOIN auth.users AS u ON u.id = o.user_id AND u.email = format('person%s@example.com', 1 + o.id % 50)
                 WHERE u.id IS NULL";
    assert_eq!(one::<i64>(&mut admin, wrong, &[]), 0);
    let likes = r#"SELECT concat_ws(' ', u.email, l.post) FROM "Odd"."Likes" AS l LEFT JOIN auth.users AS u ON u.id = l."User" ORDER BY l.post"#;
    assert_eq!(all::<String>(&mut admin, likes, &[]), ["person7@example.com 1", "person7@example.com 2", "3"]);
    let keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint
                WHERE contype = 'f' AND conrelid IN ('public.orders'::regclass, '\"Odd\".\"Likes\"'::regclass) ORDER BY 1";
    assert_eq!(
        all::<String>(&mut admin, keys, &[]),
        [
            "FOREIGN KEY (\"User\") REFERENCES auth.users(id) ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED",
            "FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE",
        ]
    );
    let kept = "SELECT count(*) FROM pg_indexes WHERE tablename IN ('orders', 'Likes')";
    assert_eq!(one::<i64>(&mut admin, kept, &[]), 3, "indexes and constraints are still there");
    admin.execute("DELETE FROM auth.users WHERE email = 'person1@example.com'", &[]).unwrap();
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM public.orders", &[]), 490);
}

#[test]
fn a_row_whose_user_was_not_imported_stops_the_script_and_nothing_is_changed() {
    let (database, mut admin) = app();
    admin.execute("UPDATE public.people SET email = 'nonsense' WHERE id = 3", &[]).unwrap();
    import(&mut admin, "public.people");
    let before = database.script(&["--schema=public", "--schema=Odd"]);
    let refused = database.psql(&script(&mut admin)).unwrap_err().to_string();
    assert!(refused.contains("no user was imported from people whose id was 3"), "{refused}");
    assert_eq!(database.script(&["--schema=public", "--schema=Odd"]), before);
    admin.execute("UPDATE public.people SET email = 'person3@example.com' WHERE id = 3", &[]).unwrap();
    import(&mut admin, "public.people");
    let script = script(&mut admin);
    database.psql(&script).unwrap();
}

#[test]
fn ids_that_are_uuids_stay_and_only_the_key_is_another() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    let (own, merged) = (Uuid::new_v4(), Uuid::new_v4());
    admin
        .batch_execute(
            "CREATE TABLE public.accounts (id uuid PRIMARY KEY, email text);
                         CREATE TABLE public.orders (id int, user_id uuid REFERENCES public.accounts)",
        )
        .unwrap();
    let insert = "INSERT INTO public.accounts VALUES ($1, 'own@example.com'), ($2, 'known@example.com')";
    admin.execute(insert, &[&own, &merged]).unwrap();
    admin.execute("INSERT INTO public.orders VALUES (1, $1), (2, $2)", &[&own, &merged]).unwrap();
    let (known, _) = database.register("known@example.com");
    let options = json!({ "on_conflict": "merge", "source": "old accounts" });
    let answer: Value = one(&mut admin, "SELECT registrar.import_users('public.accounts', 'null', $1)", &[&options]);
    assert_eq!((&answer["data"]["imported"], &answer["data"]["merged"]), (&json!(1), &json!(1)), "{answer}");
    let refused = admin.query("SELECT registrar.foreign_key_script('public.accounts')", &[]).unwrap_err();
    assert!(refused.as_db_error().unwrap().message().contains("public.accounts"), "{refused:?}");
    let script: String = one(&mut admin, "SELECT registrar.foreign_key_script('public.accounts', 'old accounts')", &[]);
    database.psql(&script).unwrap();
    assert_eq!(all::<Uuid>(&mut admin, "SELECT user_id FROM public.orders ORDER BY id", &[]), [own, known]);
    let listed = "SELECT user_id FROM registrar.legacy_ids WHERE source = 'old accounts' AND legacy_id = $1";
    assert_eq!(one::<Uuid>(&mut admin, listed, &[&merged.to_string()]), known);
}
