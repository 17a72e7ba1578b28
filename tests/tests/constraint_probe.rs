//! Whether the foreign key works is tried with a user and a row of which nothing is left.

use postgres::Client;
use registrar_tests::{ConstraintCall, Database, FixedIn, Stack, supabase_database};
use serde_json::{Value, json};

const RIGHT: &str = "REFERENCES auth.users ON UPDATE CASCADE ON DELETE CASCADE";

fn people() -> ConstraintCall<'static> {
    ConstraintCall::of("public.people")
}

fn database_with(script: &str) -> (Database, Client) {
    let database = supabase_database();
    database.psql(script).unwrap();
    let admin = database.admin().unwrap();
    (database, admin)
}

/// What is tried, of a table that is right; everything else must be as it was.
#[track_caller]
fn tested(database: &Database, admin: &mut Client) -> Value {
    // A sequence goes on also where a transaction is rolled back.
    let everything = || {
        let script = database.script(&["--inserts"]);
        script.lines().filter(|line| !line.contains("setval")).collect::<Vec<_>>().join("\n")
    };
    let before = everything();
    let tested = people().fixed(admin, FixedIn::OneTransaction)["tested"].clone();
    assert_eq!(people().fixed(admin, FixedIn::Steps)["tested"], tested);
    assert_eq!(everything(), before);
    tested
}

fn works() -> Value {
    json!({ "orphan_refused": true, "delete_cascades": true, "update_cascades": true, "reasons": {} })
}

#[track_caller]
fn assert_reason(tested: &Value, what: &str, reason: &str) {
    assert_eq!(tested[what], Value::Null, "{tested}");
    assert_eq!(tested["reasons"][what], reason);
}

#[test]
fn nothing_is_left_of_it_and_registrars_own_trigger_may_make_the_row() {
    let stack = Stack::shared();
    let call = ConstraintCall::of("public.user_profiles");
    stack.database().register("user@example.com");
    let (users, counts) = (stack.database().count("auth.users"), stack.row_counts());
    for way in FixedIn::BOTH {
        let done = call.fixed(&mut stack.admin(), way);
        assert_eq!((&done["tested"], &done["statements"]), (&works(), &json!([])));
    }
    assert_eq!((stack.database().count("auth.users"), stack.row_counts()), (users, counts));
    assert_eq!(stack.database().count("auth.users WHERE email LIKE '%probe%'"), 0);
}

#[test]
fn a_row_is_made_of_neutral_values_whatever_its_columns() {
    let (database, mut admin) = database_with(&format!(
        "CREATE TYPE public.mood AS ENUM ('good', 'bad');
         CREATE DOMAIN public.small AS integer CHECK (VALUE >= 0); CREATE DOMAIN public.any_mood AS public.mood;
         CREATE TABLE public.people (
             id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id uuid NOT NULL {RIGHT}, doubled integer NOT NULL GENERATED ALWAYS AS (2) STORED,
             filled text NOT NULL DEFAULT 'x', a text NOT NULL, b varchar(3) NOT NULL, c char(2) NOT NULL, d integer NOT NULL,
             e numeric(4, 2) NOT NULL, f boolean NOT NULL, g date NOT NULL, h time NOT NULL, i timestamptz NOT NULL, j interval NOT NULL,
             k jsonb NOT NULL, l json NOT NULL, m text[] NOT NULL, n bytea NOT NULL, o uuid NOT NULL, p public.mood NOT NULL,
             q public.small NOT NULL, r inet NOT NULL, s int4range NOT NULL, \"my \"\"own\"\"\" money NOT NULL, t public.any_mood NOT NULL);
         CREATE INDEX ON public.people (user_id)"
    ));
    assert_eq!(tested(&database, &mut admin), works());
}

#[test]
fn where_no_row_can_be_made_one_that_is_there_is_tried_with() {
    let (database, mut admin) = database_with(&format!(
        "CREATE TABLE public.people (user_id uuid UNIQUE {RIGHT}, name text NOT NULL CHECK (length(name) > 2))"
    ));
    let no_row = tested(&database, &mut admin);
    let refused =
        "PostgreSQL says 23514: new row for relation \"people\" violates check constraint \"people_name_check\".";
    assert_reason(
        &no_row,
        "orphan_refused",
        &format!("no orphan could be made: of a new row, {refused} Of a row that is there: there is none."),
    );
    let given =
        format!("the user could not be given a row: of a new row, {refused} Of a row that is there: there is none.");
    assert_reason(&no_row, "delete_cascades", &given);
    assert_reason(&no_row, "update_cascades", &given);

    database
        .psql("INSERT INTO auth.users (id) VALUES (gen_random_uuid()); INSERT INTO public.people SELECT id, 'Ada' FROM auth.users")
        .unwrap();
    assert_eq!(tested(&database, &mut admin), works());
    // One that somebody is writing is not waited for.
    let mut writer = database.admin().unwrap();
    writer.batch_execute("BEGIN; UPDATE public.people SET name = 'Bob'").unwrap();
    assert_reason(&tested(&database, &mut admin), "delete_cascades", &given);

    database.psql("DROP TABLE IF EXISTS public.places; CREATE TABLE public.places (place point NOT NULL)").unwrap();
    writer.batch_execute("ROLLBACK; ALTER TABLE public.people ADD COLUMN place point NOT NULL DEFAULT '(1,1)'; ALTER TABLE public.people ALTER COLUMN place DROP DEFAULT; DELETE FROM public.people").unwrap();
    let reason = "no orphan could be made: of a new row, place must have a value, and point is a type without a neutral one. Of a row that is there: there is none.";
    assert_reason(&tested(&database, &mut admin), "orphan_refused", reason);
}

#[test]
fn a_refusal_for_another_reason_proves_nothing() {
    // Another foreign key refuses the row first.
    let (database, mut admin) = database_with(&format!(
        "CREATE TABLE public.teams (id integer PRIMARY KEY);
         CREATE TABLE public.people (team integer NOT NULL REFERENCES public.teams, user_id uuid UNIQUE {RIGHT})"
    ));
    let reason = "no orphan could be made: of a new row, PostgreSQL says 23503: insert or update on table \"people\" violates \
                  foreign key constraint \"people_team_fkey\". Of a row that is there: there is none.";
    assert_reason(&tested(&database, &mut admin), "orphan_refused", reason);
}

#[test]
fn the_apps_own_trigger_on_the_users_may_make_the_row_or_refuse_the_user() {
    let (database, mut admin) = database_with(&format!(
        "CREATE TABLE public.people (user_id uuid PRIMARY KEY {RIGHT}, name text NOT NULL CHECK (length(name) > 2));
         CREATE FUNCTION public.give_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS
         $$ BEGIN INSERT INTO public.people VALUES (NEW.id, NEW.email); RETURN NEW; END $$;
         CREATE TRIGGER give_row AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.give_row()"
    ));
    let by_trigger = tested(&database, &mut admin);
    assert_eq!((&by_trigger["delete_cascades"], &by_trigger["update_cascades"]), (&json!(true), &json!(true)));

    database
        .psql(
            "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'members only'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.refuse()",
        )
        .unwrap();
    let refused = tested(&database, &mut admin);
    for what in ["delete_cascades", "update_cascades"] {
        assert_reason(&refused, what, "a user could not be inserted: PostgreSQL says P0001: members only.");
    }
}

#[test]
fn a_deferred_foreign_key_is_tried_too() {
    let (database, mut admin) = database_with(&format!(
        "CREATE TABLE public.people (user_id uuid PRIMARY KEY {RIGHT} DEFERRABLE INITIALLY DEFERRED)"
    ));
    assert_eq!(tested(&database, &mut admin), works());
}

#[test]
fn what_does_not_work_is_told() {
    let (database, mut admin) = database_with(&format!(
        "CREATE TABLE public.people (user_id uuid PRIMARY KEY {RIGHT});
         CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER keep BEFORE DELETE ON public.people FOR EACH ROW EXECUTE FUNCTION public.keep()"
    ));
    let kept = json!({ "orphan_refused": true, "delete_cascades": false, "update_cascades": true, "reasons": {} });
    assert_eq!(tested(&database, &mut admin), kept);
    assert_eq!(people().fix(&mut admin).message, "The foreign key is in place, and does not do its work: see tested.");

    // Users are deleted softly, and a row of another table follows no new id.
    database
        .psql(
            "DROP TRIGGER keep ON public.people;
             CREATE TRIGGER keep BEFORE DELETE ON auth.users FOR EACH ROW EXECUTE FUNCTION public.keep();
             CREATE TABLE public.notes (user_id uuid REFERENCES auth.users);
             CREATE FUNCTION public.take_note() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO public.notes VALUES (NEW.id); RETURN NEW; END $$;
             CREATE TRIGGER take_note AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.take_note()",
        )
        .unwrap();
    let soft = tested(&database, &mut admin);
    assert_reason(
        &soft,
        "delete_cascades",
        "the user could not be deleted: a trigger on auth.users kept it from being written.",
    );
    let reason = "the user's id could not be changed: PostgreSQL says 23503: update or delete on table \"users\" violates foreign \
                  key constraint \"notes_user_id_fkey\" on table \"notes\".";
    assert_reason(&soft, "update_cascades", reason);

    admin.batch_execute("SET session_replication_role = replica").unwrap();
    let reason = "session_replication_role is replica: in this session no foreign key does anything.";
    assert_reason(&tested(&database, &mut admin), "orphan_refused", reason);
}

#[test]
fn a_trigger_that_gives_the_row_to_somebody_else_proves_nothing() {
    let (database, mut admin) = database_with(&format!(
        "CREATE TABLE public.people (user_id uuid UNIQUE {RIGHT});
         CREATE FUNCTION public.take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.user_id := NULL; RETURN NEW; END $$;
         CREATE TRIGGER take BEFORE INSERT OR UPDATE ON public.people FOR EACH ROW EXECUTE FUNCTION public.take()"
    ));
    let reason = "no orphan could be made: of a new row, a trigger or rule of the table kept it from being written. \
                  Of a row that is there: there is none.";
    assert_reason(&tested(&database, &mut admin), "orphan_refused", reason);
}
