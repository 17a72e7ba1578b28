//! Deferred constraints: those of a profile are checked before they can fail at COMMIT, those of the app stay deferred.

use postgres::Client;
use registrar_tests::{
    Database, Installation, ProfileFailure, Role, call, connect_as_supabase_auth, one, supabase_database,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Signs up and registers after `change`: both transactions commit, both users stand without a profile. Returns why.
#[track_caller]
fn why_no_profile_after(change: &str) -> [ProfileFailure; 2] {
    let database = supabase_database();
    database.psql(change).unwrap();
    let signed_up = database.sign_up("signed-up@example.com", &json!({}));
    let (registered, _) = database.register("registered@example.com");
    [signed_up, registered].map(|user| {
        assert!(database.has_user(user));
        assert_eq!(database.profile(user), None);
        let [failure] = &database.profile_failures(user)[..] else { panic!("one failure for each user") };
        failure.clone()
    })
}

#[track_caller]
fn assert_violated(failures: &[ProfileFailure], sqlstate: &str, constraint: &str, table: &str) {
    for failure in failures {
        assert_eq!(failure.sqlstate, sqlstate, "{failure:?}");
        assert_eq!(failure.constraint.as_deref(), Some(constraint), "{failure:?}");
        assert_eq!(failure.failed_table.as_deref(), Some(table), "{failure:?}");
    }
}

const TEAMS: &str = "CREATE TABLE public.teams (id integer PRIMARY KEY);";

#[test]
fn a_deferred_foreign_key_of_the_profile_table_fails() {
    let failures = why_no_profile_after(&format!(
        "{TEAMS} ALTER TABLE public.user_profiles ADD COLUMN team integer NOT NULL DEFAULT 7
             CONSTRAINT profile_team REFERENCES public.teams DEFERRABLE INITIALLY DEFERRED"
    ));
    assert_violated(&failures, "23503", "profile_team", "user_profiles");
    // Before PostgreSQL 18 without the key's value: the check runs as the role that will commit, which may not read the table.
    let key = if Installation::under_test().unwrap().major() < 18 { "Key" } else { "Key (team)=(7)" };
    assert_eq!(failures[0].detail, Some(format!("{key} is not present in table \"teams\".")));
}

#[test]
fn a_deferred_unique_key_of_the_profile_table_fails() {
    let failures = why_no_profile_after(
        "INSERT INTO auth.users (id) VALUES (gen_random_uuid());
         ALTER TABLE public.user_profiles ADD CONSTRAINT one_currency UNIQUE (salary_currency) DEFERRABLE INITIALLY DEFERRED",
    );
    assert_violated(&failures, "23505", "one_currency", "user_profiles");
}

#[test]
fn a_deferred_foreign_key_of_a_table_that_a_trigger_writes_to_fails() {
    let failures = why_no_profile_after(&format!(
        "{TEAMS} CREATE TABLE public.members (
             user_id uuid, team integer CONSTRAINT member_team REFERENCES public.teams DEFERRABLE INITIALLY DEFERRED);
         CREATE FUNCTION public.join_team() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO public.members VALUES (NEW.user_id, 7); RETURN NULL; END $$;
         CREATE TRIGGER join_team AFTER INSERT ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION public.join_team()"
    ));
    assert_violated(&failures, "23503", "member_team", "members");
}

#[test]
fn a_deferred_constraint_trigger_of_the_app_raises() {
    let failures = why_no_profile_after(
        "CREATE FUNCTION public.object() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'objection' USING DETAIL = 'sustained'; END $$;
         CREATE CONSTRAINT TRIGGER objecting AFTER INSERT ON public.user_profiles DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION public.object()",
    );
    for failure in failures {
        assert_eq!((failure.sqlstate.as_str(), failure.message.as_str()), ("P0001", "objection"));
        assert_eq!(failure.detail.as_deref(), Some("sustained"));
    }
}

#[test]
fn a_deferred_constraint_that_holds_costs_no_profile() {
    let database = supabase_database();
    database
        .psql(&format!(
            "{TEAMS} INSERT INTO public.teams VALUES (7);
             ALTER TABLE public.user_profiles ADD COLUMN team integer NOT NULL DEFAULT 7
                 REFERENCES public.teams DEFERRABLE INITIALLY DEFERRED"
        ))
        .unwrap();
    let user = database.sign_up("user@example.com", &json!({}));
    assert_eq!(database.profile(user).unwrap()["team"], json!(7));
}

/// Makes a user in a session, and returns the id.
type MakeUser = fn(&mut Client) -> Uuid;

/// A database where orders refer to customers, checked at the end of a transaction, and two ways to make a user in the
/// middle of one.
struct Shop {
    database: Database,
}

impl Shop {
    fn new() -> Self {
        let database = supabase_database();
        database
            .psql(
                "CREATE TABLE public.customers (id integer PRIMARY KEY);
                 CREATE TABLE public.orders (customer integer
                     CONSTRAINT order_customer REFERENCES public.customers DEFERRABLE INITIALLY DEFERRED);
                 GRANT ALL ON public.customers, public.orders TO supabase_auth_admin, service_role",
            )
            .unwrap();
        Self { database }
    }

    /// A session for each way to make a user, with what makes one in it.
    fn sessions(&self) -> [(Client, MakeUser); 2] {
        let sign_up: MakeUser = |auth| one(auth, "INSERT INTO users (id) VALUES (gen_random_uuid()) RETURNING id", &[]);
        let register: MakeUser = |back_end| {
            let answer = call(back_end, "register_user_with_token", &json!({ "p_email": "user@example.com" }));
            assert!(answer.success, "{answer:?}");
            let data: Value = answer.data.unwrap();
            data["user"]["id"].as_str().unwrap().parse().unwrap()
        };
        let back_end = self.database.connect_as(Role::ServiceRole).unwrap();
        [(connect_as_supabase_auth(&self.database), sign_up), (back_end, register)]
    }
}

#[test]
fn what_the_app_has_deferred_stays_deferred() {
    let shop = Shop::new();
    for (mut session, make_user) in shop.sessions() {
        session.batch_execute("BEGIN").unwrap();
        let user = make_user(&mut session);
        session.batch_execute("INSERT INTO public.orders VALUES (1)").expect("the customer may come later");
        session.batch_execute("INSERT INTO public.customers VALUES (1) ON CONFLICT DO NOTHING; COMMIT").unwrap();
        assert!(shop.database.profile(user).is_some());
        shop.database.psql("TRUNCATE public.orders, public.customers").unwrap();
    }
}

#[test]
fn a_user_made_while_a_deferred_constraint_of_the_app_does_not_hold_yet_gets_the_profile() {
    let shop = Shop::new();
    for (mut session, make_user) in shop.sessions() {
        session.batch_execute("BEGIN; INSERT INTO public.orders VALUES (1)").unwrap();
        let user = make_user(&mut session);
        session.batch_execute("INSERT INTO public.customers VALUES (1); COMMIT").unwrap();
        assert!(shop.database.has_user(user));
        assert_eq!(shop.database.profile_failures(user), [], "the order is no business of the profile's");
        assert!(shop.database.profile(user).is_some());
        shop.database.psql("TRUNCATE public.orders, public.customers").unwrap();
    }
}

#[test]
fn a_deferred_constraint_of_the_app_that_never_holds_fails_its_commit() {
    let shop = Shop::new();
    for (mut session, make_user) in shop.sessions() {
        session.batch_execute("BEGIN; INSERT INTO public.orders VALUES (1)").unwrap();
        let user = make_user(&mut session);
        let refused = session.batch_execute("COMMIT").unwrap_err();
        assert_eq!(refused.as_db_error().unwrap().constraint(), Some("order_customer"));
        assert!(!shop.database.has_user(user));
    }
}

#[test]
fn what_the_app_has_set_with_set_constraints_stays_set() {
    let shop = Shop::new();
    let added =
        "ALTER TABLE public.orders ADD CONSTRAINT later FOREIGN KEY (customer) REFERENCES public.customers DEFERRABLE";
    for (mut session, make_user) in shop.sessions() {
        session.batch_execute("BEGIN; SET CONSTRAINTS public.order_customer IMMEDIATE").unwrap();
        make_user(&mut session);
        let refused = session.batch_execute("INSERT INTO public.orders VALUES (1)").unwrap_err();
        assert_eq!(refused.as_db_error().unwrap().constraint(), Some("order_customer"), "still immediate");
        session.batch_execute("ROLLBACK").unwrap();
    }
    shop.database.psql(added).unwrap();
    for (mut session, make_user) in shop.sessions() {
        session.batch_execute("BEGIN; SET CONSTRAINTS public.later DEFERRED").unwrap();
        make_user(&mut session);
        session.batch_execute("INSERT INTO public.orders VALUES (1)").expect("still deferred");
        session.batch_execute("ROLLBACK").unwrap();
    }
}
