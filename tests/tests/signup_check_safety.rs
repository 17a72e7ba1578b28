//! What code of others, run by `signup_check`, could gain from whoever runs it, or leave behind: nothing.

use postgres::Client;
use registrar_tests::{Database, all, app_with, one, signup_check, try_signup_check};

/// A trigger of a role without rights, on the users, that tries everything; what comes of each attempt is raised at last.
fn greedy_app(attempts: &[&str]) -> Database {
    let attempts: Vec<_> = attempts.iter().map(|attempt| format!("$attempt${attempt}$attempt$")).collect();
    let greedy = format!(
        "DO $$ BEGIN CREATE ROLE greedy; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT USAGE, CREATE ON SCHEMA public TO greedy; GRANT TRIGGER ON auth.users TO greedy; GRANT USAGE ON SCHEMA auth TO greedy;
         SET ROLE greedy;
         CREATE FUNCTION public.greedy() RETURNS trigger LANGUAGE plpgsql AS $body$
         DECLARE
             attempt text;
             outcomes text := '';
         BEGIN
             FOREACH attempt IN ARRAY ARRAY[{}]::text[] LOOP
                 BEGIN
                     EXECUTE attempt;
                     outcomes := outcomes || attempt || ': done; ';
                 EXCEPTION WHEN OTHERS THEN
                     outcomes := outcomes || attempt || ': ' || SQLSTATE || '; ';
                 END;
             END LOOP;
             RAISE EXCEPTION '%', outcomes USING DETAIL = current_user;
         END $body$;
         CREATE TRIGGER a_greedy AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.greedy();
         RESET ROLE",
        attempts.join(", ")
    );
    app_with(&greedy)
}

/// What came of each attempt.
fn outcomes(client: &mut Client) -> String {
    let first = signup_check(client, None).swap_remove(0);
    assert_eq!(
        (first.sqlstate.as_deref(), first.function.as_deref()),
        (Some("P0001"), Some("public.greedy()")),
        "{first:?}"
    );
    first.message.unwrap()
}

#[test]
fn a_superuser_who_runs_it_lends_no_rights_to_what_it_runs() {
    let attempts = [
        "ALTER ROLE greedy SUPERUSER",
        "SET ROLE postgres",
        "SET LOCAL ROLE postgres",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION postgres",
        "SELECT set_config('role', 'postgres', true)",
        "CREATE TABLE pg_catalog.mine ()",
        "SELECT pg_read_file('PG_VERSION')",
        "COPY auth.users TO PROGRAM 'true'",
        "SELECT * FROM pg_authid",
        "SET session_replication_role = replica",
    ];
    let database = greedy_app(&attempts);
    let outcomes = outcomes(&mut database.admin().unwrap());
    for attempt in attempts {
        let refused = ["42501", "22023"].iter().any(|code| outcomes.contains(&format!("{attempt}: {code}; ")));
        assert!(refused, "{attempt} in {outcomes}");
    }
}

#[test]
fn nothing_stays_in_the_session() {
    let attempts = [
        "PREPARE session_s AS SELECT 'stolen'",
        "DEALLOCATE session_s",
        "DEALLOCATE ALL",
        "DISCARD PLANS",
        "LOAD 'plpgsql'",
        "SET search_path = public, pg_catalog",
        "SET lock_timeout = '1h'",
        "SET app.mine = 'left'",
        "CREATE TEMPORARY TABLE left_over (id integer)",
        "DECLARE left_open CURSOR WITH HOLD FOR SELECT 1",
        "LISTEN left_on",
    ];
    let database = greedy_app(&attempts);
    database.psql(&format!("GRANT TEMPORARY ON DATABASE {} TO PUBLIC", database.name())).unwrap();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("PREPARE session_s AS SELECT 'own'").unwrap();
    let outcomes = outcomes(&mut admin);
    for attempt in &attempts[..5] {
        assert!(outcomes.contains(&format!("{attempt}: 42501; ")), "{attempt} in {outcomes}");
    }
    for attempt in &attempts[5..9] {
        assert!(outcomes.contains(&format!("{attempt}: done; ")), "a sign-up may: {attempt} in {outcomes}");
    }
    assert_eq!(one::<String>(&mut admin, "EXECUTE session_s", &[]), "own");
    let left = "SELECT name FROM pg_prepared_statements WHERE from_sql
                UNION ALL SELECT name FROM pg_cursors WHERE name <> ''
                UNION ALL SELECT relname FROM pg_class WHERE relname = 'left_over'
                UNION ALL SELECT pg_listening_channels()
                UNION ALL SELECT name FROM pg_settings WHERE name IN ('search_path', 'lock_timeout') AND source = 'session'
                UNION ALL SELECT nullif(current_setting('app.mine', true), '')";
    let left: Vec<Option<String>> = all(&mut admin, left, &[]);
    assert_eq!(left.into_iter().flatten().collect::<Vec<_>>(), ["session_s"]);
    admin.batch_execute("PREPARE another AS SELECT 1; DEALLOCATE ALL; DISCARD PLANS").expect("it is over");
}

#[test]
fn a_cursor_that_is_open_is_read_by_nobody_else() {
    let database = greedy_app(&["FETCH secrets"]);
    let mut admin = database.admin().unwrap();
    admin.batch_execute("BEGIN; DECLARE secrets CURSOR FOR SELECT rolpassword FROM pg_authid").unwrap();
    let refused = try_signup_check(&mut admin, None).unwrap_err();
    let error = refused.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("55000", "the cursor secrets is open"));
    admin.batch_execute("ROLLBACK; BEGIN; DECLARE outcomes CURSOR FOR SELECT * FROM registrar.signup_check()").unwrap();
    assert_eq!(
        admin.query("FETCH ALL FROM outcomes", &[]).unwrap().len(),
        6,
        "a cursor of its own is none to be read on in"
    );
}

#[test]
fn what_the_transaction_has_deferred_is_not_run_by_it() {
    let database = app_with(
        "CREATE TABLE public.orders (id integer PRIMARY KEY, user_id uuid REFERENCES auth.users DEFERRABLE INITIALLY DEFERRED)",
    );
    let mut admin = database.admin().unwrap();
    admin.batch_execute("BEGIN; INSERT INTO public.orders VALUES (1, gen_random_uuid())").unwrap();
    let refused = try_signup_check(&mut admin, None).unwrap_err();
    let error = refused.as_db_error().unwrap();
    assert_eq!(error.code().code(), "55000");
    assert_eq!(error.message(), "the transaction has deferred triggers of public.orders before it");
    admin.batch_execute("ROLLBACK").unwrap();
    assert!(signup_check(&mut admin, None).iter().all(|outcome| outcome.ok));
}

#[test]
fn a_trigger_that_asks_for_a_dry_run_does_not_begin_another() {
    let database = app_with(
        "CREATE FUNCTION public.again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ BEGIN PERFORM registrar.signup_check(); RETURN NEW; END $$;
         CREATE TRIGGER again AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.again()",
    );
    for _ in 0..2 {
        for outcome in signup_check(&mut database.admin().unwrap(), None) {
            assert_eq!(outcome.sqlstate.as_deref(), Some("55000"), "{outcome:?}");
            assert_eq!(outcome.function.as_deref(), Some("public.again()"));
        }
    }
}

#[test]
fn names_with_quotes_in_them_are_names_in_what_is_to_be_run() {
    let database = app_with(
        r#"CREATE SCHEMA "My ""App"""; CREATE TABLE "My ""App"""."Pro'file; DROP TABLE auth.users; --" (id uuid, "e;mail" text NOT NULL);
           CREATE FUNCTION "My ""App"""."On 'New'; --"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
           BEGIN
               INSERT INTO "My ""App"""."Pro'file; DROP TABLE auth.users; --" VALUES (NEW.id, NULL);
               RETURN NEW;
           END $$;
           CREATE TRIGGER "z ""new"" user" AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION "My ""App"""."On 'New'; --"();"#,
    );
    let fault = database.signup_fault(&registrar_tests::SignupOutcome::SHAPES);
    assert_eq!(fault.trigger.as_deref(), Some(r#""z ""new"" user" ON auth.users"#));
    assert_eq!(fault.function.as_deref(), Some(r#""My ""App"""."On 'New'; --"()"#));
    assert_eq!(fault.line, Some(3));
    database.mend_signup(&fault);
    assert!(one::<bool>(&mut database.admin().unwrap(), "SELECT to_regclass('auth.users') IS NOT NULL", &[]));
}

#[test]
fn an_error_that_a_trigger_makes_up_grants_nothing_to_anybody() {
    let database = app_with(
        "CREATE TABLE public.secrets (id uuid);
         CREATE FUNCTION public.pretend() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             RAISE EXCEPTION 'permission denied for table secrets' USING ERRCODE = '42501', TABLE = 'secrets', SCHEMA = 'public';
         END $$;
         CREATE TRIGGER a_pretend AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.pretend()",
    );
    let fault = database.signup_fault(&registrar_tests::SignupOutcome::SHAPES);
    assert_eq!(fault.fixing_statement(), None, "{fault:?}");
    assert!(fault.fix.unwrap().starts_with("The app's own code refuses this sign-up, at line 3 of public.pretend()."));
}

#[test]
fn operators_of_others_do_not_run_in_it() {
    let database = app_with(
        "CREATE SCHEMA traps; GRANT USAGE ON SCHEMA traps TO PUBLIC; CREATE SEQUENCE traps.calls; GRANT ALL ON SEQUENCE traps.calls TO PUBLIC;
         CREATE FUNCTION traps.same(anyelement, anyelement) RETURNS boolean LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_catalog.nextval('traps.calls'); RETURN true; END $$;
         CREATE FUNCTION traps.same_text(name, text) RETURNS boolean LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_catalog.nextval('traps.calls'); RETURN true; END $$;
         CREATE FUNCTION traps.now() RETURNS timestamptz LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_catalog.nextval('traps.calls'); RETURN pg_catalog.now(); END $$;
         CREATE OPERATOR traps.= (FUNCTION = traps.same, LEFTARG = anyelement, RIGHTARG = anyelement);
         CREATE OPERATOR traps.= (FUNCTION = traps.same_text, LEFTARG = name, RIGHTARG = text);
         CREATE ROLE trapped BYPASSRLS; ALTER ROLE trapped SET search_path = traps, pg_catalog;
         GRANT USAGE ON SCHEMA auth TO trapped; GRANT ALL ON ALL TABLES IN SCHEMA auth TO trapped",
    );
    let mut admin = database.admin().unwrap();
    admin.batch_execute("SET search_path = traps, pg_catalog").unwrap();
    let outcomes = signup_check(&mut admin, Some("trapped"));
    assert!(outcomes.iter().all(|outcome| outcome.ok), "{outcomes:?}");
    database.psql("ALTER TABLE public.profiles ALTER COLUMN email SET NOT NULL").unwrap();
    assert!(signup_check(&mut admin, Some("trapped")).iter().any(|outcome| !outcome.ok));
    assert!(!one::<bool>(&mut admin, "SELECT is_called FROM traps.calls", &[]));
}
