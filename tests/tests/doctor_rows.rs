//! Rows that should not be there or should look different: each fault planted, found, and mended.

use registrar_tests::{Database, one, plain_database, supabase_database};
use uuid::Uuid;

/// Deletes users behind the back of every constraint and trigger, as a restore or a replica does.
fn delete_behind_the_back(database: &Database, table: &str) {
    database.psql(&format!("SET session_replication_role = replica; DELETE FROM {table}")).unwrap();
}

fn count(database: &Database, table: &str) -> i64 {
    one(&mut database.admin().unwrap(), &format!("SELECT count(*) FROM {table}"), &[])
}

#[test]
fn rows_without_a_user_even_behind_a_valid_foreign_key() {
    let database = plain_database();
    database.register("gone@example.com");
    delete_behind_the_back(&database, "auth.users");
    let expected = [
        "orphaned_rows error auth.identities.user_id",
        "orphaned_rows error public.user_profiles.user_id",
        "orphaned_rows error registrar_private.verification_tokens.user_id",
    ];
    let mut found = database.brief_findings();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert!(
        database.findings().iter().all(|finding| finding.finding.starts_with("1 rows name users who do not exist"))
    );
    // registrar's own and Auth's are worth nothing without the user; the app's are moved to where they can be brought back from.
    let fixes: Vec<String> = database.findings().into_iter().filter_map(|finding| finding.fix_sql).collect();
    assert!(fixes.iter().any(|fix| fix.contains("verify_and_fix_constraint('public.user_profiles', 'user_id', true, 'quarantine')")));
    for fix in fixes.iter().filter(|fix| fix.starts_with("DELETE FROM")) {
        database.psql(fix).unwrap();
    }
    assert_eq!(database.brief_findings(), ["orphaned_rows error public.user_profiles.user_id"]);
    database.mend();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    assert_eq!((count(&database, "public.user_profiles"), count(&database, "public.user_profiles_orphans")), (0, 1));
}

#[test]
fn rows_of_tables_that_only_look_like_it_are_compared_where_no_constraint_holds() {
    let database = supabase_database();
    database
        .psql(
            "CREATE TABLE public.likes (user_id uuid); CREATE INDEX ON public.likes (user_id);
             INSERT INTO public.likes VALUES (gen_random_uuid()), (NULL), (gen_random_uuid())",
        )
        .unwrap();
    let found = database.findings();
    let orphans = found.iter().find(|finding| finding.check == "orphaned_rows").unwrap();
    assert_eq!(orphans.brief(), "orphaned_rows warning public.likes.user_id");
    assert!(orphans.finding.starts_with("2 rows"), "NULL names nobody: {orphans:?}");
}

#[test]
fn users_without_a_profile() {
    let database = supabase_database();
    let users = [1, 2, 3].map(|n| database.register(&format!("{n}@example.com")).0);
    database.psql(&format!("UPDATE auth.users SET deleted_at = now() WHERE id = '{}'", users[0])).unwrap();
    database
        .plant_and_mend("DELETE FROM public.user_profiles", &["users_without_profile warning public.user_profiles"]);
    assert_eq!(count(&database, "public.user_profiles"), 2, "whoever is deleted needs none");
}

#[test]
fn a_table_that_looks_like_the_profiles_is_told_of_without_a_fix() {
    let database = supabase_database();
    database.register("user@example.com");
    database.plant_and_decide(
        "CREATE TABLE public.old_profiles (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE)",
        &["users_without_profile notice public.old_profiles"],
        "INSERT INTO public.old_profiles SELECT id FROM auth.users",
    );
}

#[test]
fn addresses_with_capital_letters_and_those_that_meet_in_lower_case() {
    let database = supabase_database();
    let insert = |emails: &[&str]| {
        let rows = emails.iter().map(|email| format!("(gen_random_uuid(), '{email}')")).collect::<Vec<_>>().join(", ");
        format!("INSERT INTO auth.users (id, email, instance_id, confirmation_token, recovery_token, email_change_token_new, email_change)
                 SELECT id, email, '00000000-0000-0000-0000-000000000000', '', '', '', '' FROM (VALUES {rows}) AS made (id, email)")
    };
    database.plant_and_mend(&insert(&["Ada@example.com"]), &["email_not_lower_case warning auth.users.email"]);
    let stored: String = one(&mut database.admin().unwrap(), "SELECT email::text FROM auth.users", &[]);
    assert_eq!(stored, "ada@example.com");

    database.psql(&insert(&["ADA@example.com", "Bob@example.com", "BOB@example.com"])).unwrap();
    let found = database.findings();
    let brief: Vec<String> = found.iter().map(registrar_tests::Finding::brief).collect();
    assert_eq!(brief, ["email_not_lower_case warning auth.users.email", "email_duplicates error auth.users.email"]);
    assert!(found[0].finding.starts_with("3 ") && found[1].finding.starts_with("2 "), "{found:#?}");
    assert_eq!(found[1].fix_sql, None, "which of them stays, only a person can say");
    let to_see = found[1].finding.split("To see them: ").nth(1).unwrap();
    assert_eq!(database.psql(to_see).unwrap().lines().count(), 2);
    // The first fix leaves those alone, which would collide.
    database.psql(found[0].fix_sql.as_ref().unwrap()).unwrap();
    assert_eq!(database.brief_findings(), brief);
    database.psql("DELETE FROM auth.users WHERE email <> lower(email)").unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    // Of single sign-on the address is the provider's, and may repeat.
    database.psql(&insert(&["Sso@example.com"])).unwrap();
    database.psql("UPDATE auth.users SET is_sso_user = true WHERE email = 'Sso@example.com'").unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
}

/// A fix is run with the search_path of whoever runs it, in which PostgreSQL prefers what fits better.
#[test]
fn the_fix_of_capital_letters_runs_no_function_or_operator_of_others() {
    let database = supabase_database();
    let emails = ["Ada@example.com", "Bob@example.com", "BOB@example.com"];
    let rows = emails.map(|email| format!("(gen_random_uuid(), '{email}')")).join(", ");
    database
        .psql(&format!(
            "INSERT INTO auth.users (id, email) VALUES {rows};
             CREATE ROLE fitter; GRANT CREATE ON SCHEMA public TO fitter; SET ROLE fitter;
             CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN RAISE 'run as %', current_user; END $$;
             CREATE FUNCTION public.differ(varchar, text) RETURNS boolean LANGUAGE plpgsql AS
             $$ BEGIN RAISE 'run as %', current_user; END $$;
             CREATE OPERATOR public.<> (LEFTARG = varchar, RIGHTARG = text, FUNCTION = public.differ);
             CREATE FUNCTION public.step(uuid[], uuid) RETURNS uuid[] LANGUAGE plpgsql AS
             $$ BEGIN RAISE 'run as %', current_user; END $$;
             CREATE AGGREGATE public.array_agg(uuid) (SFUNC = public.step, STYPE = uuid[])"
        ))
        .unwrap();
    let found = |check: &str| database.findings().into_iter().find(|finding| finding.check == check).unwrap();
    database.psql(found("email_not_lower_case").fix_sql.as_ref().unwrap()).unwrap();
    assert_eq!(database.count("auth.users WHERE email::text = 'ada@example.com'"), 1);
    let duplicates = found("email_duplicates").finding;
    assert_eq!(database.psql(duplicates.split("To see them: ").nth(1).unwrap()).unwrap().lines().count(), 1);
}

#[test]
fn null_where_supabase_auth_cannot_read_it() {
    let database = supabase_database();
    database.register("user@example.com");
    database.plant_and_mend("UPDATE auth.users SET recovery_token = NULL", &["null_tokens error auth.users"]);
    let token: String = one(&mut database.admin().unwrap(), "SELECT recovery_token FROM auth.users", &[]);
    assert_eq!(token, "");
    database
        .plant_and_mend("UPDATE auth.users SET instance_id = NULL", &["null_instance_id error auth.users.instance_id"]);
    let zero: Uuid = one(&mut database.admin().unwrap(), "SELECT instance_id FROM auth.users", &[]);
    assert!(zero.is_nil());
}

#[test]
fn tokens_past_their_life() {
    let database = plain_database();
    let (_, token) = database.register("used@example.com");
    database.verify(&token);
    database.register("waiting@example.com");
    let age = |hours: u32| {
        format!("UPDATE registrar_private.verification_tokens SET expires_at = now() - interval '{hours} hours'")
    };
    database.psql(&age(23)).unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new(), "a late click is still answered with what to do");
    database.plant_and_mend(&age(25), &["expired_tokens notice registrar_private.verification_tokens"]);
    assert_eq!(count(&database, "registrar_private.verification_tokens"), 1, "one that was used is no finding");
}

#[test]
fn profiles_that_failed_and_are_not_repaired() {
    let database = supabase_database();
    database.refuse_rows("public.user_profiles", "true");
    let (user, _) = database.register("user@example.com");
    database.plant(
        "DROP TRIGGER refuse ON public.user_profiles",
        &[
            "users_without_profile warning public.user_profiles",
            "profile_failures warning registrar_private.profile_failures",
        ],
    );
    database.psql("SELECT registrar.repair_profiles()").unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
    assert!(database.profile(user).is_some());
}
