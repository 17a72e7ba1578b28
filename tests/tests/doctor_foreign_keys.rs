//! Foreign keys to users: each fault planted, found, and mended by the statement that the doctor names.

use registrar_tests::{Database, all, one, plain_database, supabase_database};

const PROFILES: &str = "public.user_profiles.user_id";

/// A table that the app relies on, as it should be.
const ENTRIES: &str = "CREATE TABLE public.conversation_entries (
                           id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                           user_id uuid NOT NULL REFERENCES auth.users (id) ON UPDATE CASCADE ON DELETE CASCADE);
                       CREATE INDEX ON public.conversation_entries (user_id)";

fn with_entries() -> Database {
    let database = supabase_database();
    database
        .psql(&format!("{ENTRIES}; SELECT registrar.declare_relation('public.conversation_entries', 'user_id')"))
        .unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    database
}

/// The definitions of a table's foreign keys.
fn foreign_keys(database: &Database, table: &str) -> Vec<String> {
    let keys =
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = $1::text::regclass";
    all(&mut database.admin().unwrap(), keys, &[&table])
}

const RIGHT: &str = "FOREIGN KEY (user_id) REFERENCES auth.users(id) ON UPDATE CASCADE ON DELETE CASCADE";

#[test]
fn a_profile_table_without_one() {
    let database = plain_database();
    database.register("user@example.com");
    let drop = "ALTER TABLE public.user_profiles DROP CONSTRAINT user_profiles_user_id_fkey";
    database.plant_and_mend(drop, &[&format!("foreign_key_missing error {PROFILES}")]);
    assert_eq!(foreign_keys(&database, "public.user_profiles"), [RIGHT]);
}

#[test]
fn one_that_leads_to_a_table_of_the_apps_own() {
    let database = supabase_database();
    let elsewhere = "CREATE TABLE public.users (id uuid PRIMARY KEY);
                     ALTER TABLE public.user_profiles DROP CONSTRAINT user_profiles_user_id_fkey,
                         ADD FOREIGN KEY (user_id) REFERENCES public.users";
    database.plant(elsewhere, &[&format!("foreign_key_elsewhere error {PROFILES}")]);
    assert!(database.findings()[0].finding.contains("leads to public.users"));
    database.mend();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    assert_eq!(foreign_keys(&database, "public.user_profiles"), [RIGHT]);
}

#[test]
fn one_that_keeps_users_from_being_deleted() {
    for action in ["NO ACTION", "RESTRICT", "SET NULL"] {
        let database = with_entries();
        let replace = format!(
            "ALTER TABLE public.conversation_entries DROP CONSTRAINT conversation_entries_user_id_fkey,
                 ADD FOREIGN KEY (user_id) REFERENCES auth.users ON UPDATE CASCADE ON DELETE {action}"
        );
        database.plant(&replace, &["foreign_key_delete error public.conversation_entries.user_id"]);
        assert!(database.findings()[0].finding.contains(&format!("ON DELETE {action}")));
        database.mend();
        assert_eq!(database.brief_findings(), Vec::<String>::new());
        assert_eq!(foreign_keys(&database, "public.conversation_entries"), [RIGHT]);
    }
}

#[test]
fn one_that_does_not_follow_a_changed_id_where_that_was_asked_for() {
    let database = with_entries();
    let replace = "ALTER TABLE public.conversation_entries DROP CONSTRAINT conversation_entries_user_id_fkey,
                       ADD CONSTRAINT mine FOREIGN KEY (user_id) REFERENCES auth.users ON DELETE CASCADE";
    database.plant_and_mend(replace, &["foreign_key_update error public.conversation_entries.user_id"]);
    assert_eq!(foreign_keys(&database, "public.conversation_entries"), [RIGHT]);

    database
        .psql(
            &format!("{replace}; SELECT registrar.declare_relation('public.conversation_entries', 'user_id', false)")
                .replace("DROP CONSTRAINT conversation_entries_user_id_fkey", "DROP CONSTRAINT mine"),
        )
        .unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new(), "nobody asked");
}

#[test]
fn one_that_was_never_validated() {
    let database = with_entries();
    let replace = "ALTER TABLE public.conversation_entries DROP CONSTRAINT conversation_entries_user_id_fkey,
                       ADD FOREIGN KEY (user_id) REFERENCES auth.users ON UPDATE CASCADE ON DELETE CASCADE NOT VALID";
    database.plant_and_mend(replace, &["foreign_key_not_valid error public.conversation_entries.user_id"]);
    let valid =
        "SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid = 'public.conversation_entries'::regclass";
    assert!(one::<bool>(&mut database.admin().unwrap(), valid, &[]));
}

#[test]
fn a_column_of_another_type() {
    let database = supabase_database();
    let text = "CREATE TABLE public.notes (user_id text); INSERT INTO public.notes VALUES (gen_random_uuid()::text);
                DELETE FROM public.notes; CREATE INDEX ON public.notes (user_id);
                SELECT registrar.declare_relation('public.notes', 'user_id')";
    database.plant(text, &["foreign_key_type error public.notes.user_id"]);
    database.mend();
    assert_eq!(database.brief_findings(), ["foreign_key_missing error public.notes.user_id"], "which is possible now");
    database.mend();
    assert_eq!(database.brief_findings(), Vec::<String>::new());

    let number =
        "CREATE TABLE public.scores (user_id integer); SELECT registrar.declare_relation('public.scores', 'user_id')";
    let decision = "DROP TABLE public.scores; SELECT registrar.withdraw_relation('public.scores', 'user_id')";
    database.plant_and_decide(number, &["foreign_key_type error public.scores.user_id"], decision);
}

#[test]
fn one_without_an_index_behind_it() {
    let database = with_entries();
    let drop = "DROP INDEX public.conversation_entries_user_id_idx";
    database.plant_and_mend(drop, &["foreign_key_index warning public.conversation_entries.user_id"]);
    // One that begins with another column finds no user's rows.
    let other = "DROP INDEX public.conversation_entries_user_id_idx;
                 CREATE INDEX ON public.conversation_entries (id, user_id)";
    database.plant_and_mend(other, &["foreign_key_index warning public.conversation_entries.user_id"]);
}

#[test]
fn a_declared_table_that_is_not_there() {
    let database = supabase_database();
    let declare = "SELECT registrar.declare_relation('public.conversation_entries', 'user_id')";
    database.plant_and_decide(declare, &["relation_missing error public.conversation_entries.user_id"], ENTRIES);
    let rename = "ALTER TABLE public.conversation_entries RENAME user_id TO owner";
    let decision = "SELECT registrar.withdraw_relation('public.conversation_entries', 'user_id')";
    database.plant(rename, &["relation_missing error public.conversation_entries.user_id"]);
    assert_eq!(database.findings()[0].finding, "The table has no such column.");
    database.psql(decision).unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    assert_eq!(database.psql(decision).unwrap().trim(), "f", "there is none any more");
}

#[test]
fn a_profile_table_that_is_gone_or_whose_user_is_not_unique() {
    let database = supabase_database();
    let drop = "ALTER TABLE public.user_profiles RENAME TO hidden";
    let bring_back = "ALTER TABLE public.hidden RENAME TO user_profiles";
    database.plant_and_decide(drop, &[&format!("profile_table_missing error {PROFILES}")], bring_back);
    let not_unique = "ALTER TABLE public.user_profiles DROP CONSTRAINT user_profiles_user_id_key; CREATE INDEX ON public.user_profiles (user_id)";
    database.plant_and_mend(not_unique, &[&format!("profile_user_not_unique error {PROFILES}")]);
}

#[test]
fn tables_that_nobody_named_are_looked_at_too() {
    let database = supabase_database();
    // What is right, and what is somebody's decision.
    database
        .psql(
            "CREATE TABLE public.posts (id uuid PRIMARY KEY, author uuid REFERENCES auth.users ON DELETE CASCADE);
             CREATE INDEX ON public.posts (author);
             CREATE TABLE public.archive (user_id uuid REFERENCES auth.users ON DELETE SET NULL); CREATE INDEX ON public.archive (user_id);
             CREATE TABLE public.comments (user_id uuid REFERENCES public.user_profiles (user_id) ON DELETE CASCADE);
             CREATE INDEX ON public.comments (user_id);
             CREATE TABLE public.counters (user_id bigint)",
        )
        .unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new());

    database.plant_and_mend(
        "CREATE TABLE public.likes (user_id uuid); CREATE INDEX ON public.likes (user_id)",
        &["foreign_key_missing warning public.likes.user_id"],
    );
    database.plant_and_mend(
        "CREATE TABLE public.orders (buyer uuid REFERENCES auth.users)",
        &["foreign_key_delete warning public.orders.buyer", "foreign_key_index warning public.orders.buyer"],
    );
    database.plant_and_decide(
        "CREATE TABLE public.users (id uuid PRIMARY KEY); CREATE TABLE public.carts (user_id uuid REFERENCES public.users)",
        &["foreign_key_elsewhere warning public.carts.user_id"],
        "DROP TABLE public.carts",
    );
}

#[test]
fn names_are_quoted_where_they_must_be_and_a_taken_name_is_not_taken_again() {
    let database = supabase_database();
    database.plant_and_mend(
        r#"CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."Or""der" ("User's" uuid);
           SELECT registrar.declare_relation('"My Schema"."Or""der"', 'User''s')"#,
        &[
            r#"foreign_key_missing error "My Schema"."Or""der"."User's""#,
            r#"foreign_key_index warning "My Schema"."Or""der"."User's""#,
        ],
    );
    database.plant_and_mend(
        "CREATE TABLE public.likes (user_id uuid, CONSTRAINT likes_user_id_fkey CHECK (user_id IS NOT NULL)); CREATE INDEX ON public.likes (user_id)",
        &["foreign_key_missing warning public.likes.user_id"],
    );
}

#[test]
fn a_partitioned_table_gets_one_too() {
    let database = supabase_database();
    database.plant_and_mend(
        "CREATE TABLE public.events (user_id uuid, day date) PARTITION BY RANGE (day);
         CREATE TABLE public.events_1 PARTITION OF public.events DEFAULT;
         SELECT registrar.declare_relation('public.events', 'user_id')",
        &["foreign_key_missing error public.events.user_id", "foreign_key_index warning public.events.user_id"],
    );
}

#[test]
fn a_declaration_names_its_schema() {
    let database = plain_database();
    for name in ["conversation_entries", "a.b.c", "public.", "\"public.x"] {
        let declared = database.psql(&format!("SELECT registrar.declare_relation('{name}', 'user_id')"));
        let refusal = format!("{:?}", declared.expect_err(name));
        assert!(
            refusal.contains("names no schema and table") || refusal.contains("is not a valid identifier"),
            "{refusal}"
        );
    }
}
