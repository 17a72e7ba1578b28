//! What others could read or write: each fault planted, found, and mended.

use registrar_tests::{Role, plain_database, supabase_database};

const PROFILES: &str = "public.user_profiles";

#[test]
fn row_security_is_off_or_has_no_policy() {
    let database = supabase_database();
    let off = format!("ALTER TABLE {PROFILES} DISABLE ROW LEVEL SECURITY");
    database.plant_and_mend(&off, &[&format!("row_security_off error {PROFILES}")]);
    let policies =
        ["select", "insert", "update"].map(|command| format!("DROP POLICY registrar_own_row_{command} ON {PROFILES}"));
    database.plant_and_mend(&policies.join("; "), &[&format!("row_security_no_policy warning {PROFILES}")]);
}

#[test]
fn a_table_that_no_api_role_reaches_needs_neither() {
    let database = supabase_database();
    database
        .psql(&format!(
            "REVOKE ALL ON {PROFILES} FROM authenticated; ALTER TABLE {PROFILES} DISABLE ROW LEVEL SECURITY"
        ))
        .unwrap();
    assert_eq!(database.brief_findings(), Vec::<String>::new());
}

#[test]
fn a_policy_that_lets_everybody_write() {
    let database = supabase_database();
    let users = [1, 2].map(|n| database.register(&format!("{n}@example.com")).0);
    for (command, clause) in [
        ("UPDATE", "USING (true)"),
        ("INSERT", "WITH CHECK (true)"),
        ("DELETE", "USING (true)"),
        ("ALL", "USING (true)"),
    ] {
        let policy = format!("CREATE POLICY \"Open to all\" ON {PROFILES} FOR {command} TO authenticated {clause}");
        database.plant_and_mend(&policy, &[&format!("policy_open_to_all error policy \"Open to all\" on {PROFILES}")]);
        database.psql(&format!("DROP POLICY \"Open to all\" ON {PROFILES}")).unwrap();
    }
    let policy = format!("CREATE POLICY open ON {PROFILES} FOR UPDATE USING (true) WITH CHECK (true)");
    database.plant_and_mend(&policy, &[&format!("policy_open_to_all error policy open on {PROFILES}")]);
    let mut user = database.connect_as(Role::Authenticated).unwrap();
    let claims = format!("SELECT set_config('request.jwt.claims', '{{\"sub\": \"{}\"}}', false)", users[0]);
    user.query_one(&claims, &[]).unwrap();
    let changed = user.execute(&format!("UPDATE {PROFILES} SET field_of_study = 'mine'"), &[]).unwrap();
    assert_eq!(changed, 1, "the own row and no other");
}

#[test]
fn a_policy_that_lets_everybody_read_may_be_meant() {
    let database = supabase_database();
    database.plant_and_decide(
        &format!("CREATE POLICY readers ON {PROFILES} FOR SELECT TO anon, authenticated USING (true)"),
        &[&format!("policy_open_to_all warning policy readers on {PROFILES}")],
        &format!("DROP POLICY readers ON {PROFILES}"),
    );
}

#[test]
fn anon_or_everybody_has_rights_on_profiles() {
    let database = supabase_database();
    for role in ["anon", "PUBLIC"] {
        let grant = format!("GRANT SELECT, UPDATE ON {PROFILES} TO {role}");
        database.plant_and_mend(&grant, &[&format!("rights_of_anon notice {PROFILES}")]);
    }
    let both = format!("ALTER TABLE {PROFILES} DISABLE ROW LEVEL SECURITY; GRANT SELECT ON {PROFILES} TO anon");
    database.plant_and_mend(
        &both,
        &[&format!("row_security_off error {PROFILES}"), &format!("rights_of_anon error {PROFILES}")],
    );
}

#[test]
fn others_have_rights_on_registrar() {
    let database = plain_database();
    for (grant, object) in [
        ("EXECUTE ON FUNCTION registrar.resend_verification(text) TO anon", "registrar.resend_verification(text)"),
        ("EXECUTE ON FUNCTION registrar.setup() TO PUBLIC", "registrar.setup()"),
        (
            "EXECUTE ON PROCEDURE registrar.backfill_profiles TO anon",
            "registrar.backfill_profiles(integer,text,bigint,bigint)",
        ),
        ("SELECT ON registrar_private.verification_tokens TO service_role", "registrar_private.verification_tokens"),
        ("INSERT ON registrar_private.roles TO authenticated", "registrar_private.roles"),
        ("SELECT ON registrar.profile_tables TO anon", "registrar.profile_tables"),
    ] {
        database.plant_and_mend(&format!("GRANT {grant}"), &[&format!("rights_on_registrar error {object}")]);
    }
}

#[test]
fn a_view_reads_past_the_policies() {
    let database = supabase_database();
    let view =
        format!("CREATE VIEW public.directory AS SELECT * FROM {PROFILES}; GRANT SELECT ON public.directory TO anon");
    database.plant_and_mend(&view, &["view_bypasses_row_security error public.directory"]);
    let users =
        "CREATE VIEW public.people AS SELECT id, email FROM auth.users; GRANT SELECT ON public.people TO authenticated";
    database.plant_and_mend(users, &["view_bypasses_row_security error public.people"]);
    let copied = format!(
        "CREATE MATERIALIZED VIEW public.snapshot AS SELECT user_id FROM {PROFILES}; GRANT SELECT ON public.snapshot TO authenticated"
    );
    database.plant_and_mend(&copied, &["view_bypasses_row_security error public.snapshot"]);
    // One that nobody reaches, or that reads as its caller.
    database
        .psql(&format!(
            "CREATE VIEW public.internal AS SELECT * FROM {PROFILES};
             CREATE VIEW public.own WITH (security_invoker) AS SELECT * FROM {PROFILES}; GRANT SELECT ON public.own TO authenticated"
        ))
        .unwrap();
    let found = database.brief_findings();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_definer_function_has_the_search_path_of_its_caller() {
    let database = supabase_database();
    database.plant_and_mend(
        "CREATE FUNCTION public.\"Count\"(since date) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'",
        &["definer_search_path warning public.\"Count\"(date)"],
    );
    database.plant_and_mend(
        "CREATE PROCEDURE public.tidy() LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        &["definer_search_path warning public.tidy()"],
    );
}
