//! Rows whose user does not exist: reported, moved to a quarantine, or deleted, as asked and never silently.

use postgres::Client;
use registrar_core::ErrorCode;
use registrar_tests::{ConstraintCall, Database, FixedIn, Role, all, one, supabase_database};
use serde_json::{Value, json};

/// Enough to be more than a handful.
const MANY: usize = 10_000;

fn people() -> ConstraintCall<'static> {
    ConstraintCall::of("public.people")
}

/// A database with a table `public.people`, in which two users have a row.
fn database_with(columns: &str) -> (Database, Client) {
    let database = supabase_database();
    database
        .psql(&format!(
            "CREATE TABLE public.people ({columns});
             INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 2);
             INSERT INTO public.people (user_id) SELECT id FROM auth.users"
        ))
        .unwrap();
    let admin = database.admin().unwrap();
    (database, admin)
}

/// The error of a fix that must change nothing.
#[track_caller]
fn refused(
    database: &Database,
    admin: &mut Client,
    call: ConstraintCall<'_>,
    way: FixedIn,
) -> (ErrorCode, String, String) {
    let before = database.script(&["--inserts"]);
    let answer = match way {
        FixedIn::OneTransaction => call.fix(admin),
        FixedIn::Steps => call.fix_in_steps(admin),
    };
    assert_eq!((answer.success, answer.errors.len()), (false, 1), "{answer:?}");
    assert_eq!(database.script(&["--inserts"]), before);
    let error = &answer.errors[0];
    (error.code, error.message.to_string(), error.hint.clone().unwrap_or_default().to_string())
}

#[test]
fn reported_they_keep_everything_as_it_is_but_for_the_index() {
    for way in FixedIn::BOTH {
        for definition in ["", " CONSTRAINT mine REFERENCES public.users"] {
            let database = supabase_database();
            database
                .psql(&format!(
                    "CREATE TABLE public.users (id uuid PRIMARY KEY);
                     INSERT INTO public.users SELECT gen_random_uuid() FROM generate_series(1, 3);
                     CREATE TABLE public.people (user_id uuid{definition});
                     INSERT INTO public.people SELECT id FROM public.users"
                ))
                .unwrap();
            let before = (database.foreign_keys("public.people"), database.script(&["--inserts", "--data-only"]));
            let done = people().fixed(&mut database.admin().unwrap(), way);
            assert_eq!(done["statements"], json!(["CREATE INDEX ON public.people (user_id)"]));
            assert_eq!((&done["is_right"], &done["index"]["created"]), (&json!(false), &json!(true)));
            let orphans =
                json!({ "count": 3, "action": "reported", "quarantine_table": null, "reason": null, "referring": [] });
            assert_eq!(done["orphans"], orphans);
            assert_eq!(done["tested"]["reasons"]["orphan_refused"], "The foreign key is not in place.");
            let after = (database.foreign_keys("public.people"), database.script(&["--inserts", "--data-only"]));
            assert_eq!(after, before);
            let again = people().fix(&mut database.admin().unwrap());
            assert_eq!(
                again.message,
                "Rows of public.people whose user does not exist: 3. They keep the foreign key from being put in place. \
                 Choose p_orphans => 'quarantine' to move them to a table beside it, or 'delete'."
            );
            assert_eq!(again.data.unwrap()["statements"], json!([]));
        }
    }
}

#[test]
fn ten_thousand_are_moved_as_they_are_and_nobody_elses_row_is_touched() {
    for way in FixedIn::BOTH {
        let (database, mut admin) =
            database_with("user_id uuid, note text DEFAULT repeat('x', 100), at timestamptz DEFAULT now()");
        database.psql("INSERT INTO public.people (note) VALUES ('nobody''s')").unwrap();
        database.insert_orphans("public.people", MANY);
        database
            .psql(
                "CREATE TABLE public.expected AS SELECT p.* FROM public.people AS p
                 WHERE user_id IS NOT NULL AND user_id NOT IN (SELECT id FROM auth.users)",
            )
            .unwrap();
        let done = people().orphans("quarantine").fixed(&mut admin, way);
        let orphans = json!({ "count": MANY, "action": "quarantined", "quarantine_table": "public.people_orphans",
                              "reason": null, "referring": [] });
        assert_eq!((&done["orphans"], &done["is_right"]), (&orphans, &json!(true)));
        assert_eq!(database.count("public.people_orphans"), MANY as i64);
        let lost =
            "(SELECT * FROM public.expected EXCEPT ALL SELECT user_id, note, at FROM public.people_orphans) AS lost";
        assert_eq!(database.count(lost), 0);
        assert_eq!(database.count("public.people WHERE user_id IN (SELECT id FROM auth.users)"), 2);
        assert_eq!(database.count("public.people"), 3, "a row without user is no orphan");
        assert_eq!(database.count("public.people_orphans WHERE orphaned_at > now() - interval '1 hour'"), MANY as i64);
    }
}

#[test]
fn ten_thousand_are_deleted_where_that_is_asked_for() {
    for way in FixedIn::BOTH {
        let (database, mut admin) = database_with("user_id uuid");
        database.insert_orphans("public.people", MANY);
        let done = people().orphans("delete").fixed(&mut admin, way);
        let orphans =
            json!({ "count": MANY, "action": "deleted", "quarantine_table": null, "reason": null, "referring": [] });
        assert_eq!((&done["orphans"], &done["is_right"]), (&orphans, &json!(true)));
        assert_eq!(database.count("public.people"), 2);
        let relations = "pg_class WHERE relname LIKE 'people%' AND relkind IN ('r', 'p')";
        assert_eq!(database.count(relations), 1, "no quarantine");
    }
}

#[test]
fn those_that_a_valid_foreign_key_never_saw_are_found_too() {
    let (database, mut admin) =
        database_with("user_id uuid PRIMARY KEY REFERENCES auth.users ON UPDATE CASCADE ON DELETE CASCADE");
    database
        .psql("SET session_replication_role = replica; INSERT INTO public.people SELECT gen_random_uuid()")
        .unwrap();
    let reported = people().fixed(&mut admin, FixedIn::OneTransaction);
    assert_eq!((&reported["is_right"], &reported["orphans"]["count"]), (&json!(true), &json!(1)));
    let done = people().orphans("quarantine").fixed(&mut admin, FixedIn::OneTransaction);
    assert_eq!((&done["orphans"]["count"], database.count("public.people_orphans")), (&json!(1), 1));
}

#[test]
fn nobody_but_the_owner_sees_the_quarantine_whatever_is_granted_by_default() {
    for way in FixedIn::BOTH {
        let (database, mut admin) = database_with("user_id uuid");
        database.insert_orphans("public.people", 3);
        database
            .psql(
                "DO $$ BEGIN
                     IF to_regrole('people_owner') IS NULL THEN CREATE ROLE people_owner; CREATE ROLE people_analyst; END IF;
                 END $$;
                 ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, anon, authenticated, service_role, people_analyst;
                 ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO anon;
                 ALTER TABLE public.people OWNER TO people_owner",
            )
            .unwrap();
        // As some projects have it: what is made is granted.
        database
            .psql(
                "CREATE FUNCTION public.give() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                     GRANT SELECT ON public.people_orphans TO service_role, people_analyst;
                 END $$;
                 CREATE EVENT TRIGGER give ON ddl_command_end WHEN TAG IN ('CREATE TABLE AS') EXECUTE FUNCTION public.give()",
            )
            .unwrap();
        people().orphans("quarantine").fixed(&mut admin, way);
        for role in Role::ALL {
            let mut caller = database.connect_as(role).unwrap();
            for attempt in ["SELECT FROM", "DELETE FROM", "INSERT INTO public.people_orphans SELECT * FROM"] {
                let refused = caller.batch_execute(&format!("{attempt} public.people_orphans")).unwrap_err();
                assert_eq!(refused.code().unwrap().code(), "42501", "{role:?}: {attempt}");
            }
        }
        let query = "SELECT concat_ws(' ', relowner::regrole, relrowsecurity, (
                         SELECT count(*) FROM aclexplode(relacl) AS acl WHERE acl.grantee <> relowner
                     ), obj_description(oid)) FROM pg_class WHERE oid = 'public.people_orphans'::regclass";
        let expected = "people_owner t 0 Rows of public.people whose user did not exist; made by registrar.verify_and_fix_constraint.";
        assert_eq!(one::<String>(&mut admin, query, &[]), expected);
        let mut owner = database.admin().unwrap();
        owner.batch_execute("SET ROLE people_owner").unwrap();
        assert_eq!(one::<i64>(&mut owner, "SELECT count(*) FROM public.people_orphans", &[]), 3);
    }
}

#[test]
fn a_quarantine_takes_more_and_one_that_is_not_as_it_was_made_takes_nothing() {
    let (database, mut admin) = database_with(
        "user_id uuid, orphaned_at date, gone text, doubled integer GENERATED ALWAYS AS (2) STORED, n serial NOT NULL",
    );
    database.psql("ALTER TABLE public.people DROP COLUMN gone").unwrap();
    let call = people().orphans("quarantine");
    for round in 1..=2 {
        database.psql("ALTER TABLE public.people DROP CONSTRAINT IF EXISTS people_user_id_fkey").unwrap();
        database.insert_orphans("public.people", 2);
        call.fixed(&mut admin, FixedIn::Steps);
        assert_eq!(
            database.count("public.people_orphans WHERE doubled = 2 AND registrar_orphaned_at IS NOT NULL"),
            round * 2
        );
    }
    database.psql("ALTER TABLE public.people DROP CONSTRAINT people_user_id_fkey").unwrap();
    database.insert_orphans("public.people", 2);
    let rename = "Rename it: ALTER TABLE public.people_orphans RENAME TO …; a new one is then made.";
    for (change, undo, words) in [
        (
            "ALTER TABLE public.people ADD COLUMN phone text",
            "ALTER TABLE public.people DROP COLUMN phone",
            "it has no phone of that type",
        ),
        (
            "ALTER TABLE public.people_orphans OWNER TO anon",
            "ALTER TABLE public.people_orphans OWNER TO postgres",
            "another owner",
        ),
        (
            "CREATE POLICY open ON public.people_orphans USING (true)",
            "DROP POLICY open ON public.people_orphans",
            "policies",
        ),
        (
            "COMMENT ON TABLE public.people_orphans IS NULL",
            "COMMENT ON TABLE public.people_orphans IS 'made by registrar.x'",
            "did not make",
        ),
    ] {
        database.psql(change).unwrap();
        for way in FixedIn::BOTH {
            let (code, message, hint) = refused(&database, &mut admin, call, way);
            assert_eq!((code, &*hint), (ErrorCode::ValidationFailed, rename));
            assert!(message.contains(words), "{message}");
        }
        let look = call.verify(&mut admin).data.unwrap();
        assert!(look["obstacles"][0]["message"].as_str().unwrap().contains(words), "{look}");
        database.psql(undo).unwrap();
    }
    database.psql("ALTER TABLE public.people_orphans RENAME TO older").unwrap();
    call.fixed(&mut admin, FixedIn::OneTransaction);
    assert_eq!((database.count("public.older"), database.count("public.people_orphans")), (4, 2));
}

#[test]
fn rows_that_refer_to_them_are_never_lost_unasked() {
    for (action, told) in
        [("CASCADE", "CASCADE"), ("SET NULL", "SET NULL"), ("NO ACTION", "NO ACTION"), ("RESTRICT", "RESTRICT")]
    {
        let (database, mut admin) = database_with("id serial PRIMARY KEY, user_id uuid");
        database.insert_orphans("public.people", 2);
        database
            .psql(&format!(
                "CREATE TABLE public.posts (person integer REFERENCES public.people ON DELETE {action});
                 INSERT INTO public.posts SELECT id FROM public.people"
            ))
            .unwrap();
        let referring =
            json!([{ "table": "public.posts", "constraint": "posts_person_fkey", "on_delete": told, "rows": 2 }]);
        assert_eq!(people().verify(&mut admin).data.unwrap()["orphans"]["referring"], referring);
        let expected = format!("Rows of public.posts refer to orphans: 2 (posts_person_fkey, ON DELETE {told}).");
        let keeps = matches!(action, "NO ACTION" | "RESTRICT");
        for way in FixedIn::BOTH {
            let (code, message, _) = refused(&database, &mut admin, people().orphans("quarantine"), way);
            assert_eq!((code, &message), (ErrorCode::ValidationFailed, &expected));
            if keeps {
                assert_eq!(refused(&database, &mut admin, people().orphans("delete"), way).1, expected);
            }
        }
        if !keeps {
            let done = people().orphans("delete").fixed(&mut admin, FixedIn::OneTransaction);
            assert_eq!((&done["orphans"]["count"], &done["orphans"]["referring"]), (&json!(2), &referring));
            assert_eq!(database.count("public.posts WHERE person IS NOT NULL"), 2);
        }
    }
}

#[test]
fn orphans_may_refer_to_each_other() {
    let (database, mut admin) =
        database_with("id serial PRIMARY KEY, user_id uuid, parent integer REFERENCES public.people ON DELETE CASCADE");
    database.insert_orphans("public.people", 3);
    let orphan = "user_id NOT IN (SELECT id FROM auth.users)";
    database
        .psql(&format!(
            "UPDATE public.people SET parent = (SELECT min(id) FROM public.people WHERE {orphan}) WHERE {orphan}"
        ))
        .unwrap();
    let done = people().orphans("quarantine").fixed(&mut admin, FixedIn::OneTransaction);
    assert_eq!((&done["orphans"]["count"], &done["orphans"]["referring"]), (&json!(3), &json!([])));
    assert_eq!((database.count("public.people"), database.count("public.people_orphans")), (2, 3));

    database.psql("ALTER TABLE public.people DROP CONSTRAINT people_user_id_fkey").unwrap();
    database.insert_orphans("public.people", 1);
    database
        .psql(&format!(
            "UPDATE public.people SET parent = (SELECT id FROM public.people WHERE {orphan}) WHERE NOT {orphan}"
        ))
        .unwrap();
    let message = refused(&database, &mut admin, people().orphans("quarantine"), FixedIn::Steps).1;
    assert_eq!(message, "Rows of public.people refer to orphans: 2 (people_parent_fkey, ON DELETE CASCADE).");
}

#[test]
fn a_trigger_that_keeps_them_is_told_and_nothing_is_half_done() {
    let (database, mut admin) = database_with("user_id uuid");
    database.insert_orphans("public.people", 3);
    database
        .psql(
            "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER keep BEFORE DELETE ON public.people FOR EACH ROW EXECUTE FUNCTION public.keep()",
        )
        .unwrap();
    let hint = "They came in meanwhile: call again. Or a trigger or rule of the table keeps them from being removed.";
    for orphans in ["quarantine", "delete"] {
        let told = refused(&database, &mut admin, people().orphans(orphans), FixedIn::OneTransaction);
        assert_eq!(told.1, "Rows whose user does not exist are still there.");
        assert_eq!(told.2, hint);
    }
    // In steps, what was done before stays and is told.
    let answer = people().orphans("delete").fix_in_steps(&mut admin);
    let hint = answer.errors[0].hint.clone().unwrap();
    assert!(hint.contains("Done before, and still so: CREATE INDEX ON public.people (user_id); ALTER TABLE"), "{hint}");
    assert!(database.foreign_keys("public.people")[0].ends_with("NOT VALID"), "no more orphans come in");
    database.psql("DROP TRIGGER keep ON public.people").unwrap();
    let done = people().orphans("delete").fixed(&mut admin, FixedIn::Steps);
    assert_eq!((&done["is_right"], &done["orphans"]["count"]), (&json!(true), &json!(3)));
    assert_eq!(done["statements"].as_array().unwrap().len(), 2, "it goes on from where it stood");

    // Where the foreign key is valid already, nothing would fail: the rows are counted again.
    database
        .psql(
            "CREATE TRIGGER keep BEFORE DELETE ON public.people FOR EACH ROW EXECUTE FUNCTION public.keep();
             SET session_replication_role = replica; INSERT INTO public.people VALUES (gen_random_uuid())",
        )
        .unwrap();
    let told = refused(&database, &mut admin, people().orphans("delete"), FixedIn::OneTransaction);
    assert_eq!(told.1, "Rows whose user does not exist are still there: 1.");
}

#[test]
fn what_the_apps_triggers_raise_is_told_with_its_place() {
    let (database, mut admin) = database_with("user_id uuid");
    database.insert_orphans("public.people", 3);
    database
        .psql(
            "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not mine'; END $$;
             CREATE TRIGGER refuse BEFORE DELETE ON public.people FOR EACH ROW EXECUTE FUNCTION public.refuse()",
        )
        .unwrap();
    let told = refused(&database, &mut admin, people().orphans("delete"), FixedIn::OneTransaction);
    assert_eq!((told.0, &*told.1), (ErrorCode::Internal, "PostgreSQL refused a statement: not mine."));
    assert!(
        told.2.starts_with("PostgreSQL says P0001 in PL/pgSQL function public.refuse() line 1 at RAISE."),
        "{}",
        told.2
    );

    // Deferred triggers that wait keep a table from being altered in the same transaction; a commit fires them.
    database
        .psql(
            "DROP TRIGGER refuse ON public.people;
             CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER late AFTER DELETE ON public.people DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION public.nothing()",
        )
        .unwrap();
    let told = refused(&database, &mut admin, people().orphans("delete"), FixedIn::OneTransaction);
    assert!(told.2.contains("CALL registrar.fix_constraint"), "{told:?}");
    people().orphans("delete").fixed(&mut admin, FixedIn::Steps);
}

#[test]
fn policies_of_the_table_hide_none_from_its_owner() {
    let (database, mut admin) = database_with("user_id uuid");
    database.insert_orphans("public.people", 3);
    database
        .psql(
            "CREATE ROLE strict_owner BYPASSRLS; GRANT USAGE, CREATE ON SCHEMA public TO strict_owner;
             GRANT USAGE ON SCHEMA auth, registrar TO strict_owner; GRANT SELECT, REFERENCES ON auth.users TO strict_owner;
             GRANT EXECUTE ON ALL ROUTINES IN SCHEMA registrar TO strict_owner;
             ALTER TABLE public.people OWNER TO strict_owner;
             ALTER TABLE public.people ENABLE ROW LEVEL SECURITY; ALTER TABLE public.people FORCE ROW LEVEL SECURITY;
             ALTER ROLE strict_owner NOBYPASSRLS; ALTER TABLE auth.users DISABLE ROW LEVEL SECURITY",
        )
        .unwrap();
    admin.batch_execute("SET ROLE strict_owner").unwrap();
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM public.people", &[]), 0, "the owner sees none");
    let done = people().orphans("quarantine").fixed(&mut admin, FixedIn::OneTransaction);
    assert_eq!((&done["orphans"]["count"], &done["is_right"]), (&json!(3), &json!(true)));
    let owners: Vec<String> =
        all(&mut admin, "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'people_orphans'", &[]);
    assert_eq!(owners, ["strict_owner"]);
    let count: Value = done["tested"]["orphan_refused"].clone();
    assert_eq!(count, true);
}
