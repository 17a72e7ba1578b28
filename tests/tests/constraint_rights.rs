//! Who may fix a foreign key, with whose rights it is done, and what is said to whoever lacks some.

use postgres::Client;
use registrar_core::ErrorCode;
use registrar_tests::{ConstraintCall, Database, FixedIn, Role, all, bare_supabase_database, one, supabase_database};
use serde_json::{Value, json};

fn people() -> ConstraintCall<'static> {
    ConstraintCall::of("public.people")
}

/// A database of an owner without other rights than an app's owner has on plain PostgreSQL, with a table of that owner's in which is
/// an orphan, and that owner's session.
fn owned_database(owner: &str) -> (Database, Client) {
    let database = bare_supabase_database();
    let mut admin = database.admin().unwrap();
    let script = format!(
        "DO $$ BEGIN IF to_regrole('{owner}') IS NULL THEN CREATE ROLE {owner}; END IF; END $$;
         ALTER DATABASE {name} OWNER TO {owner};
         CREATE EXTENSION registrar; SELECT registrar.setup();
         REVOKE CREATE ON SCHEMA public FROM {owner}, PUBLIC, pg_database_owner;
         CREATE TABLE public.people (user_id uuid, name text); ALTER TABLE public.people OWNER TO {owner};
         INSERT INTO public.people VALUES (gen_random_uuid(), 'nobody')",
        name = database.name()
    );
    admin.batch_execute(&script).unwrap();
    admin.batch_execute(&format!("SET ROLE {owner}")).unwrap();
    (database, admin)
}

/// The statements in a hint.
fn statements(hint: &str) -> Vec<String> {
    let from = ["GRANT ", "ALTER "].iter().filter_map(|word| hint.find(word)).min().expect("a statement");
    let sentence = hint[from..].replace(" and where row security is on there,", "");
    sentence.split_inclusive(';').map(|statement| statement.trim().to_owned()).collect()
}

#[test]
fn nobody_but_the_tables_owner_or_a_superuser_may() {
    let (database, mut owner) = owned_database("fixing_owner");
    owner.batch_execute("RESET ROLE; CREATE TABLE public.others (user_id uuid); CREATE ROLE others_owner; ALTER TABLE public.others OWNER TO others_owner; SET ROLE fixing_owner").unwrap();
    let call = ConstraintCall::of("public.others");
    let before = database.script(&["--inserts"]);
    for answer in [call.verify(&mut owner), call.fix(&mut owner), call.fix_in_steps(&mut owner)] {
        let error = &answer.errors[0];
        assert_eq!((answer.success, error.code, answer.data), (false, ErrorCode::Forbidden, None));
        assert_eq!(error.message, "Only the owner of public.others may verify or fix its foreign keys.");
        assert_eq!(error.hint.as_deref(), Some("Call as others_owner, or as superuser."));
    }
    assert_eq!(database.script(&["--inserts"]), before);
    for role in Role::ALL {
        let mut caller = database.connect_as(role).unwrap();
        for call in [
            "SELECT registrar.verify_and_fix_constraint('public.people', 'user_id')",
            "SELECT registrar.fix_constraint_step('public.people', 'user_id', 'delete', NULL)",
            "CALL registrar.fix_constraint('public.people', 'user_id')",
        ] {
            assert_eq!(caller.batch_execute(call).unwrap_err().code().unwrap().code(), "42501", "{role:?}: {call}");
        }
    }
    // A member of the owner has its rights.
    owner.batch_execute("RESET ROLE; GRANT others_owner TO fixing_owner; SET ROLE fixing_owner").unwrap();
    assert!(call.verify(&mut owner).success);
    owner.batch_execute("RESET ROLE").unwrap();
    assert_eq!(call.fixed(&mut owner, FixedIn::Steps)["is_right"], true, "as superuser");
}

#[test]
fn an_owner_learns_every_right_that_is_missing_and_what_grants_it() {
    for way in FixedIn::BOTH {
        let (database, mut owner) = owned_database("lacking_owner");
        let before = database.script(&["--inserts"]);
        let call = people().orphans("quarantine");
        let look = call.verify(&mut owner).data.unwrap();
        assert_eq!((&look["orphans"]["count"], &look["is_right"]), (&Value::Null, &json!(false)));
        assert_eq!(look["orphans"]["reason"], "PostgreSQL says: permission denied for schema auth.");
        let answer = match way {
            FixedIn::OneTransaction => call.fix(&mut owner),
            FixedIn::Steps => call.fix_in_steps(&mut owner),
        };
        assert_eq!(database.script(&["--inserts"]), before);
        let told: Vec<&str> = answer.errors.iter().map(|error| &*error.message).collect();
        let expected = [
            "lacking_owner may not let a foreign key refer to auth.users.",
            "lacking_owner may not create anything in the schema public, neither index nor quarantine.",
            "Orphans cannot be counted. PostgreSQL says: permission denied for schema auth.",
        ];
        assert_eq!(told, expected);
        assert!(answer.errors.iter().all(|error| error.code == ErrorCode::Forbidden), "{answer:?}");
        assert_eq!(serde_json::to_value(&answer.errors).unwrap(), look["obstacles"]);

        for statement in answer.errors.iter().flat_map(|error| statements(error.hint.as_deref().unwrap())) {
            database.psql(&statement).unwrap();
        }
        let done = call.fixed(&mut owner, way);
        assert_eq!((&done["is_right"], &done["orphans"]["count"]), (&json!(true), &json!(1)));
        // Whoever may not insert a user cannot try it out.
        assert_eq!(done["tested"]["orphan_refused"], true);
        for what in ["delete_cascades", "update_cascades"] {
            assert_eq!(done["tested"][what], Value::Null);
            let reason = "a user could not be inserted: PostgreSQL says 42501: permission denied for table users.";
            assert_eq!(done["tested"]["reasons"][what], reason);
        }
        database.psql("GRANT INSERT, UPDATE, DELETE ON auth.users TO lacking_owner").unwrap();
        let tested = call.fixed(&mut owner, way)["tested"].clone();
        let works = json!({ "orphan_refused": true, "delete_cascades": true, "update_cascades": true, "reasons": {} });
        assert_eq!(tested, works, "as on Supabase, where the owner has these rights");
        let owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname LIKE 'people%'";
        assert_eq!(all::<String>(&mut owner, owners, &[]), ["lacking_owner"]);
        database.psql("ALTER ROLE lacking_owner NOBYPASSRLS").unwrap();
    }
}

#[test]
fn users_whom_a_policy_hides_do_not_make_orphans() {
    let (database, mut owner) = owned_database("seeing_owner");
    database
        .psql(
            "GRANT USAGE ON SCHEMA auth TO seeing_owner; GRANT SELECT, REFERENCES ON auth.users TO seeing_owner;
             GRANT CREATE ON SCHEMA public TO seeing_owner;
             CREATE POLICY few ON auth.users FOR SELECT TO seeing_owner USING (email IS NOT NULL);
             INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 5);
             INSERT INTO public.people SELECT id FROM auth.users",
        )
        .unwrap();
    for way in FixedIn::BOTH {
        let call = people().orphans("delete");
        let answer = match way {
            FixedIn::OneTransaction => call.fix(&mut owner),
            FixedIn::Steps => call.fix_in_steps(&mut owner),
        };
        let message = "Orphans cannot be counted. PostgreSQL says: query would be affected by row-level security policy for table \"users\".";
        assert_eq!((answer.errors[0].code, &*answer.errors[0].message), (ErrorCode::Forbidden, message));
    }
    assert_eq!(database.count("public.people"), 6);
    // A superuser sees them all, and removes orphans for an owner who does not.
    let mut admin = database.admin().unwrap();
    let told = people().orphans("quarantine").verify(&mut admin).data.unwrap()["statements"].clone();
    let done = people().orphans("quarantine").fixed(&mut admin, FixedIn::Steps);
    assert_eq!((&done["statements"], &done["orphans"]["count"], &done["is_right"]), (&told, &json!(1), &json!(true)));
    assert_eq!((database.count("public.people"), database.count("public.people_orphans")), (5, 1));
    let owners = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'people_orphans'";
    assert_eq!(one::<String>(&mut admin, owners, &[]), "seeing_owner");
}

/// What the table's owner could have run by whoever fixes its foreign key: each attempt leaves in `public.loot` who made it and what came of
/// it.
const TRAPS: &str = "
    CREATE TABLE public.loot (place text, who text, attempt text, outcome text); GRANT INSERT ON public.loot TO PUBLIC;
    -- What is rolled back leaves its mark here.
    CREATE SEQUENCE public.attempts; CREATE SEQUENCE public.successes;
    GRANT ALL ON SEQUENCE public.attempts, public.successes TO PUBLIC;
    CREATE FUNCTION public.try_it(place text) RETURNS boolean LANGUAGE plpgsql AS $$
    DECLARE
        attempt text;
    BEGIN
        FOREACH attempt IN ARRAY ARRAY['ALTER ROLE trapping_owner SUPERUSER', 'SET LOCAL ROLE postgres', 'SELECT FROM auth.users'] LOOP
            PERFORM nextval('public.attempts');
            BEGIN
                EXECUTE attempt;
                PERFORM nextval('public.successes');
                INSERT INTO public.loot VALUES (place, current_user, attempt, 'done');
            EXCEPTION WHEN OTHERS THEN
                INSERT INTO public.loot VALUES (place, current_user, attempt, SQLSTATE);
            END;
        END LOOP;
        RETURN true;
    END $$;
    CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM public.try_it(concat_ws(' ', TG_WHEN, TG_OP)); RETURN coalesce(NEW, OLD); END $$;
    CREATE DOMAIN public.bait AS text CHECK (public.try_it('domain'));
    CREATE FUNCTION public.fall() RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM public.try_it('default'); RETURN 'x'; END $$;
    SET SESSION AUTHORIZATION trapping_owner;
    CREATE TABLE public.lair (
        user_id uuid, bait public.bait NOT NULL, filled text DEFAULT public.fall(), CHECK (public.try_it('check')));
    INSERT INTO public.lair VALUES (gen_random_uuid(), 'x');
    CREATE TRIGGER before BEFORE INSERT OR UPDATE OR DELETE ON public.lair FOR EACH ROW EXECUTE FUNCTION public.trap();
    CREATE TRIGGER after AFTER INSERT OR UPDATE OR DELETE ON public.lair FOR EACH ROW EXECUTE FUNCTION public.trap();
    CREATE POLICY sight ON public.lair USING (public.try_it('policy'));
    ALTER TABLE public.lair ENABLE ROW LEVEL SECURITY; ALTER TABLE public.lair FORCE ROW LEVEL SECURITY;
    CREATE INDEX ON public.lair (public.try_index(user_id));
    RESET SESSION AUTHORIZATION;
    TRUNCATE public.loot; ALTER SEQUENCE public.attempts RESTART; ALTER SEQUENCE public.successes RESTART";

#[test]
fn a_superuser_runs_nothing_of_the_tables_owner() {
    for (way, orphans) in [
        (FixedIn::OneTransaction, "quarantine"),
        (FixedIn::Steps, "quarantine"),
        (FixedIn::OneTransaction, "delete"),
        (FixedIn::Steps, "delete"),
    ] {
        let database = supabase_database();
        database
            .psql(&format!(
                "DO $$ BEGIN IF to_regrole('trapping_owner') IS NULL THEN CREATE ROLE trapping_owner; END IF; END $$;
                 GRANT USAGE, CREATE ON SCHEMA public TO trapping_owner;
                 CREATE FUNCTION public.try_index(uuid) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM public.try_it('index'); RETURN 1; END $$;
                 {TRAPS}"
            ))
            .unwrap();
        let mut admin = database.admin().unwrap();
        let call = ConstraintCall::of("public.lair").orphans(orphans);
        let has_run = |sequence: &str| {
            let query = format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.{sequence}");
            one::<i64>(&mut database.admin().unwrap(), &query, &[])
        };
        call.verify(&mut admin);
        assert_eq!(has_run("attempts"), 0, "a look runs nothing");
        let done = call.fixed(&mut admin, way);
        assert_eq!((&done["is_right"], &done["orphans"]["count"]), (&json!(true), &json!(1)));
        let tested = json!({ "orphan_refused": true, "delete_cascades": null, "update_cascades": null, "reasons": {
            "delete_cascades": "a user could not be inserted: PostgreSQL says 42501: permission denied for schema auth.",
            "update_cascades": "a user could not be inserted: PostgreSQL says 42501: permission denied for schema auth.",
        }});
        assert_eq!(done["tested"], tested, "a user who is deleted would set off its triggers as superuser");
        let looted = "SELECT DISTINCT concat_ws(' | ', who, outcome) FROM public.loot ORDER BY 1";
        assert_eq!(all::<String>(&mut admin, looted, &[]), ["trapping_owner | 42501"]);
        assert!(has_run("attempts") > database.count("public.loot"), "the probes ran it too, and were undone");
        assert_eq!(has_run("successes"), 0);
        assert!(!one::<bool>(&mut admin, "SELECT rolsuper FROM pg_roles WHERE rolname = 'trapping_owner'", &[]));
    }
}

#[test]
fn a_superuser_sets_off_no_trigger_of_others_by_trying_the_own_table() {
    let database = supabase_database();
    database
        .psql(
            "CREATE ROLE lying_in_wait; CREATE SEQUENCE public.sprung; CREATE SEQUENCE public.avoided;
             GRANT USAGE ON SEQUENCE public.sprung, public.avoided TO PUBLIC;
             CREATE TABLE public.people (user_id uuid PRIMARY KEY REFERENCES auth.users ON UPDATE CASCADE ON DELETE CASCADE);
             CREATE TABLE public.web (user_id uuid REFERENCES auth.users ON UPDATE CASCADE ON DELETE CASCADE);
             CREATE FUNCTION public.spring() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN
                 PERFORM nextval(CASE current_user WHEN 'postgres' THEN 'public.sprung' ELSE 'public.avoided' END);
                 RETURN NULL;
             END $$;
             CREATE TRIGGER spring AFTER UPDATE OR DELETE ON public.web FOR EACH ROW EXECUTE FUNCTION public.spring();
             CREATE FUNCTION public.spin() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO public.web VALUES (NEW.id); RETURN NEW; END $$;
             CREATE TRIGGER spin AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.spin()",
        )
        .unwrap();
    let mut admin = database.admin().unwrap();
    let works = people().fixed(&mut admin, FixedIn::Steps)["tested"].clone();
    assert_eq!(works["delete_cascades"], true, "what is a superuser's may run as one: {works}");
    let sprung = "SELECT is_called FROM public.sprung";
    assert!(one::<bool>(&mut admin, sprung, &[]), "the trap works");

    for change in [
        "ALTER TABLE public.web OWNER TO lying_in_wait",
        "ALTER TABLE public.web OWNER TO postgres; ALTER FUNCTION public.spring() OWNER TO lying_in_wait",
    ] {
        database.psql(&format!("{change}; ALTER SEQUENCE public.sprung RESTART")).unwrap();
        let tested = people().fixed(&mut admin, FixedIn::Steps)["tested"].clone();
        assert_eq!(tested["orphan_refused"], true);
        for what in ["delete_cascades", "update_cascades"] {
            assert_eq!(tested[what], Value::Null);
            let reason =
                "the trigger spring on public.web would run with a superuser's rights, and is not a superuser's.";
            assert_eq!(tested["reasons"][what], reason);
        }
        assert!(!one::<bool>(&mut admin, sprung, &[]));
    }
    // Nor by removing orphans, which other tables refer to: a trigger for each statement would be set off without any row.
    database
        .psql(
            "SET session_replication_role = replica; INSERT INTO public.people VALUES (gen_random_uuid());
             CREATE TRIGGER spring_once AFTER DELETE ON public.web FOR EACH STATEMENT EXECUTE FUNCTION public.spring();
             ALTER TABLE public.web ADD FOREIGN KEY (user_id) REFERENCES public.people ON DELETE CASCADE",
        )
        .unwrap();
    for orphans in ["quarantine", "delete"] {
        let refused = people().orphans(orphans).fix(&mut admin);
        let message = "The trigger spring on public.web would run with a superuser's rights, and is not a superuser's.";
        assert_eq!((refused.success, &*refused.errors[0].message), (false, message));
        assert!(!one::<bool>(&mut admin, sprung, &[]));
    }
    database.psql("ALTER TABLE public.people OWNER TO lying_in_wait").unwrap();
    // Since PostgreSQL 18 a cascade sets off the triggers of a superuser's table as that superuser, whoever deletes: for that the owner
    // needs nobody's help.
    let mut set_off = |by: &mut dyn FnMut(&mut Client)| {
        admin.batch_execute("ALTER SEQUENCE public.sprung RESTART; ALTER SEQUENCE public.avoided RESTART").unwrap();
        by(&mut admin);
        ["sprung", "avoided"].map(|sequence| {
            let times = format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.{sequence}");
            one::<i64>(&mut admin, &times, &[])
        })
    };
    let by_a_delete = set_off(&mut |session| {
        session.batch_execute("BEGIN; SET LOCAL ROLE lying_in_wait; DELETE FROM public.people; ROLLBACK").unwrap();
    });
    let by_the_fix = set_off(&mut |session| {
        assert_eq!(people().orphans("delete").fixed(session, FixedIn::Steps)["orphans"]["count"], 1);
    });
    assert_eq!(by_a_delete.iter().sum::<i64>(), 1, "the trigger for each statement");
    assert_eq!(by_the_fix, by_a_delete, "as often as superuser, and as often as the owner");
}

#[test]
fn what_a_step_is_given_to_go_on_from_gives_no_rights() {
    let (database, mut owner) = owned_database("forging_owner");
    owner.batch_execute("RESET ROLE; CREATE TABLE public.others (user_id uuid); SET ROLE forging_owner").unwrap();
    let call = "SELECT registrar.fix_constraint_step($1, 'user_id', 'delete', $2)";
    let forged = json!({ "orphans": { "count": 0, "reason": null, "referring": [] }, "gone": null, "index_is_created": false,
                         "replaced": [], "statements": ["DROP TABLE public.others"] });
    let answer: Value = one(&mut owner, call, &[&"public.others", &forged]);
    assert_eq!(answer["errors"][0]["code"], "forbidden");
    for malformed in [json!({}), json!(7), json!({ "statements": 7 })] {
        let answer: Value = one(&mut owner, call, &[&"public.people", &malformed]);
        assert_eq!(
            (&answer["errors"][0]["field"], &answer["errors"][0]["code"]),
            (&json!("so_far"), &json!("validation_failed"))
        );
    }
    assert_eq!(database.count("public.others"), 0);
}
