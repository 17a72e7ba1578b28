//! Whole requests of Supabase Auth, statement by statement, as its own role over its own schema: a sign-up of every shape, and
//! then what users of each shape do and have done to them.

use std::collections::BTreeMap;

use registrar_tests::{AuthUser, Database, Role, Shape, SupabaseAuth, all, call, one, supabase_database};
use serde_json::{Value, json};

/// A database whose users have a row of every template, and one whose fields come from every source.
fn database() -> Database {
    let database = supabase_database();
    database
        .psql(
            "SELECT registrar.create_profile_table('profiles'), registrar.create_profile_table('user_profile');
             CREATE TABLE public.people (
                 id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, email text, phone text, name text, city text,
                 department text, plan text, age integer DEFAULT 18, motto text, first_email text, first_phone text)",
        )
        .unwrap();
    let fields = json!([
        { "column": "email", "source": "email", "sync": true },
        { "column": "phone", "source": "phone", "sync": true },
        { "column": "name", "sync": true },
        { "column": "city", "path": ["address", "city"], "sync": true },
        { "column": "department", "path": ["custom_claims", "department"], "sync": true },
        { "column": "plan", "source": "app_metadata", "sync": true, "default": "free" },
        { "column": "age", "minimum": 0, "sync": true },
        "motto",
        { "column": "first_email", "source": "email" },
        { "column": "first_phone", "source": "phone" },
    ]);
    database.attach("public.people", "id", &fields);
    database
}

/// What clients send, and providers know.
fn data() -> Value {
    json!({ "name": "Ada", "address": { "city": "Bern" }, "age": 30, "motto": "on", "department": "research" })
}

/// The row of `people` of somebody who has just signed up with that. Single sign-on puts what it knows under a key of its own.
fn expected(user: &AuthUser) -> Value {
    let phone = user.phone.as_ref().map(|digits| format!("+{digits}"));
    let plan = if user.shape == Shape::AdminCreated { "team" } else { "free" };
    let mut row = json!({
        "id": user.id, "email": user.email, "phone": phone, "name": "Ada", "city": "Bern", "department": null, "plan": plan, "age": 30,
        "motto": "on", "first_email": user.email, "first_phone": phone,
    });
    if user.shape == Shape::Sso {
        for (column, value) in [
            ("name", Value::Null),
            ("city", Value::Null),
            ("department", json!("research")),
            ("age", json!(18)),
            ("motto", Value::Null),
        ] {
            row[column] = value;
        }
    }
    row
}

#[track_caller]
fn person(database: &Database, user: &AuthUser) -> Value {
    database.row("public.people", "id", user.id).unwrap_or_else(|| panic!("{:?} has no profile", user.shape))
}

const PROFILE_TABLES: [(&str, &str); 4] = [
    ("public.people", "id"),
    ("public.profiles", "id"),
    ("public.user_profiles", "user_id"),
    ("public.user_profile", "user_id"),
];

/// Which version of each of the user's profiles there is: another after every write, be it of the same values.
fn versions(database: &Database, user: &AuthUser) -> Vec<String> {
    let mut admin = database.admin().unwrap();
    let version = |(table, column)| {
        let query = format!("SELECT ctid::text || ' ' || xmin::text FROM {table} WHERE {column} = $1");
        one(&mut admin, &query, &[&user.id])
    };
    PROFILE_TABLES.map(version).to_vec()
}

/// Signs up and looks at everything that is there afterwards.
#[track_caller]
fn signs_up(shape: Shape) {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    let user = auth.sign_up(shape, &data());
    assert_eq!(database.profile_failures(user.id), []);
    assert_eq!(database.profile_warnings(user.id), Vec::<String>::new());
    assert_eq!(person(&database, &user), expected(&user));
    assert_eq!(versions(&database, &user).len(), PROFILE_TABLES.len());

    let mut admin = database.admin().unwrap();
    let identities = "SELECT provider FROM auth.identities WHERE user_id = $1 ORDER BY created_at";
    let identities: Vec<String> = all(&mut admin, identities, &[&user.id]);
    match shape {
        Shape::Anonymous => assert_eq!(identities, Vec::<String>::new()),
        Shape::AdminCreated => assert_eq!(identities, ["email", "phone"]),
        _ => assert_eq!(identities.len(), 1, "{identities:?}"),
    }
    let written = "SELECT jsonb_build_array(role, raw_user_meta_data, raw_app_meta_data) FROM auth.users WHERE id = $1";
    let written: Value = one(&mut admin, written, &[&user.id]);
    assert_eq!(written, json!(["authenticated", user.user_metadata, user.app_metadata]), "as Supabase Auth wrote it");

    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let answer = "SELECT registrar.get_user_profile_data($1, 'people')";
    let answer: Value = one(&mut back_end, answer, &[&user.id]);
    assert_eq!((&answer["success"], &answer["data"]["email"]), (&json!(true), &json!(user.email)), "{answer}");
}

#[test]
fn who_signs_up_by_email_has_the_profile_of_the_data() {
    signs_up(Shape::Email);
}

#[test]
fn who_signs_up_by_phone_has_the_profile_of_the_data() {
    signs_up(Shape::Phone);
}

#[test]
fn who_signs_up_anonymously_has_the_profile_of_the_data() {
    signs_up(Shape::Anonymous);
}

#[test]
fn who_comes_from_another_site_has_the_profile_of_what_it_knows() {
    signs_up(Shape::OAuth);
}

#[test]
fn who_comes_by_single_sign_on_has_the_profile_of_what_it_knows() {
    signs_up(Shape::Sso);
}

#[test]
fn who_is_made_by_an_administrator_has_the_profile_of_the_data_and_of_what_comes_after() {
    signs_up(Shape::AdminCreated);
}

#[test]
fn two_users_of_single_sign_on_with_one_address_have_a_profile_each() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    let [one, other] = ["research", "sales"].map(|name| auth.sign_up(Shape::Sso, &json!({ "department": name })));
    assert_eq!(one.email, other.email);
    assert_eq!(person(&database, &one)["department"], "research");
    assert_eq!(person(&database, &other)["department"], "sales");
}

/// A user of each shape, confirmed and signed in, in one database.
fn users(auth: &mut SupabaseAuth) -> Vec<AuthUser> {
    let sign_up = |shape| {
        let user = auth.sign_up(shape, &data());
        if matches!(shape, Shape::Email | Shape::Phone) { auth.verify(user) } else { user }
    };
    Shape::ALL.map(sign_up).to_vec()
}

#[test]
fn neither_a_verification_nor_a_sign_in_writes_a_profile_of_any_shape() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    for shape in Shape::ALL {
        let mut user = auth.sign_up(shape, &data());
        let before = versions(&database, &user);
        if matches!(shape, Shape::Email | Shape::Phone) {
            user = auth.verify(user);
        }
        for _ in 0..2 {
            user = auth.sign_in(user);
        }
        assert_eq!(versions(&database, &user), before, "{shape:?}");
        let signed_in = "SELECT last_sign_in_at IS NOT NULL FROM auth.users WHERE id = $1";
        assert!(one::<bool>(&mut database.admin().unwrap(), signed_in, &[&user.id]), "{shape:?}");
    }
}

#[test]
fn what_a_provider_knows_anew_is_followed_at_the_next_sign_in() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    for (shape, column) in [(Shape::OAuth, "name"), (Shape::Sso, "department")] {
        let user = auth.sign_up(shape, &data());
        let mut now = expected(&user);
        now[column] = json!("new");
        let user = auth.sign_in(user.known_to_the_provider_as(&json!({ column: "new" })));
        assert_eq!(person(&database, &user), now, "{shape:?}");
    }
}

#[test]
fn what_users_of_every_shape_and_administrators_change_is_followed() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    for user in users(&mut auth) {
        let (shape, mut now) = (user.shape, person(&database, &user));
        let changed = json!({ "name": "Ada L.", "age": null, "motto": "off", "address": { "city": "Thun" } });
        let user = auth.update_data(user, &changed);
        (now["name"], now["age"], now["city"]) = (json!("Ada L."), json!(18), json!("Thun"));
        assert_eq!(person(&database, &user), now, "{shape:?}: what is marked, and nothing else");
        let user = auth.update_app_data(user, &json!({ "plan": "pro" }));
        now["plan"] = json!("pro");
        assert_eq!(person(&database, &user), now, "{shape:?}");
        let user = auth.change_password(user);
        assert_eq!(person(&database, &user), now, "{shape:?}");
        assert_eq!(database.profile_failures(user.id), []);
    }
}

#[test]
fn another_address_and_another_number_are_followed_once_they_are_confirmed() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    // Single sign-on lets nobody change them.
    for (place, user) in users(&mut auth).into_iter().filter(|user| user.shape != Shape::Sso).enumerate() {
        let (shape, mut now) = (user.shape, person(&database, &user));
        let (email, phone) = (format!("new{place}@example.org"), format!("4178000000{place}"));
        let user = auth.change_email(user, &email);
        now["email"] = json!(email);
        if shape == Shape::Anonymous {
            // The user has become a permanent one: what is not marked is filled too, this once.
            now["first_email"] = json!(email);
        }
        assert_eq!(person(&database, &user), now, "{shape:?}");
        let user = auth.change_phone(user, &phone);
        now["phone"] = json!(format!("+{phone}"));
        assert_eq!(person(&database, &user), now, "{shape:?}");
        let user = auth.sign_in(user);
        assert_eq!(person(&database, &user), now, "{shape:?}");
    }
}

#[test]
fn an_anonymous_user_who_confirms_a_number_becomes_permanent_and_is_followed_once_in_all() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    let user = auth.sign_up(Shape::Anonymous, &data());
    let mut now = expected(&user);
    let user = auth.change_phone(user, "41780000009");
    (now["phone"], now["first_phone"]) = (json!("+41780000009"), json!("+41780000009"));
    assert_eq!(person(&database, &user), now);
}

#[test]
fn a_soft_deletion_leaves_the_profiles_of_every_shape_as_they_are() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    for user in users(&mut auth) {
        let (shape, before) = (user.shape, versions(&database, &user));
        let user = auth.delete_softly(user);
        assert_eq!(versions(&database, &user), before, "{shape:?}");
        let deleted = "SELECT deleted_at IS NOT NULL AND raw_user_meta_data = '{}' FROM auth.users WHERE id = $1";
        assert!(one::<bool>(&mut database.admin().unwrap(), deleted, &[&user.id]), "{shape:?}");
        auth.delete(user);
    }
    assert_eq!(rows_of_users(&database), BTreeMap::new());
}

/// The rows that belong to some user, by their table. The audit logs outlive the user.
fn rows_of_users(database: &Database) -> BTreeMap<String, i64> {
    let tables = "SELECT format('%I.%I', n.nspname, c.relname)
                  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                  JOIN pg_attribute AS a ON a.attrelid = c.oid
                  WHERE n.nspname IN ('auth', 'public', 'registrar_private') AND c.relkind = 'r' AND c.relname <> 'audit_log'
                  AND (a.attname = 'user_id' OR a.attname = 'id' AND c.relname IN ('users', 'people', 'profiles'))";
    let mut admin = database.admin().unwrap();
    let tables: Vec<String> = all(&mut admin, tables, &[]);
    assert!(tables.len() > 15, "{tables:?}");
    let count = |table: String| {
        let rows: i64 = one(&mut admin, &format!("SELECT count(*) FROM {table}"), &[]);
        (rows > 0).then_some((table, rows))
    };
    tables.into_iter().filter_map(count).collect()
}

#[test]
fn a_deletion_takes_every_row_of_a_user_of_any_shape_along() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    database.refuse_rows("public.profiles", "true");
    let mut users: Vec<AuthUser> =
        Shape::ALL.map(|shape| auth.sign_up(shape, &json!({ "age": "many", "name": "Ada" }))).to_vec();
    let (_, token) = database.register("registered@example.com");
    users.push(auth.find("registered@example.com"));
    let rows = rows_of_users(&database);
    for table in
        ["profile_failures", "profile_warnings", "verification_tokens"].map(|name| format!("registrar_private.{name}"))
    {
        assert!(rows.contains_key(&table), "there is something to take along from {table}: {rows:?}");
    }
    users.into_iter().for_each(|user| auth.delete(user));
    assert_eq!(rows_of_users(&database), BTreeMap::new());
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let answer = call(&mut back_end, "verify_email", &json!({ "p_token": token }));
    assert_eq!(answer.errors[0].code.as_str(), "token_invalid");
}

#[test]
fn a_profile_that_fails_costs_no_sign_up_of_any_shape_and_is_repaired_from_what_is_there_by_then() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    database.refuse_rows("public.people", "true");
    let users = users(&mut auth);
    for user in &users {
        let failures = database.profile_failures(user.id);
        let told: Vec<_> = failures.iter().map(|failure| (&*failure.table, &*failure.message)).collect();
        assert_eq!(told, [("public.people", "refused")], "{:?}", user.shape);
    }
    database.refuse_no_more("public.people");
    let mut back_end = database.connect_as(Role::ServiceRole).unwrap();
    let answer = call(&mut back_end, "repair_profiles", &json!({}));
    assert_eq!(answer.data.unwrap()["repaired"], users.len(), "{}", answer.message);
    for user in &users {
        assert_eq!(person(&database, user), expected(user), "{:?}", user.shape);
        assert_eq!(database.profile_failures(user.id), []);
    }
}

#[test]
fn a_user_whom_registrar_registered_and_verified_lives_on_in_supabase_auth() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    for delete_softly in [false, true] {
        let (id, token) = database.register("ada@example.com");
        database.verify(&token);
        let user = auth.find("ada@example.com");
        assert_eq!(user.id, id);
        let user = auth.sign_in(user);
        let user = auth.update_data(user, &json!({ "name": "Ada" }));
        let user = auth.change_email(user, "ada@example.org");
        let user = auth.change_password(user);
        let user = auth.sign_in(user);
        let now = person(&database, &user);
        assert_eq!((&now["name"], &now["email"]), (&json!("Ada"), &json!("ada@example.org")));
        let user = if delete_softly { auth.delete_softly(user) } else { user };
        auth.delete(user);
    }
    assert_eq!(rows_of_users(&database), BTreeMap::new());
}

#[test]
fn the_replay_acts_with_supabase_auths_own_rights_over_its_whole_schema() {
    let database = database();
    let mut auth = SupabaseAuth::connect(&database);
    let powers =
        "SELECT concat_ws(' ', current_user, current_setting('search_path'), rolsuper, rolbypassrls, rolinherit)
                  FROM pg_roles WHERE rolname = current_user";
    assert_eq!(one::<String>(auth.client(), powers, &[]), "supabase_auth_admin auth f f f");
    for table in ["public.people", "registrar_private.profile_failures"] {
        let refused = auth.client().query(&format!("SELECT FROM {table}"), &[]).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501", "{table}");
    }
    let tables = "SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE relrowsecurity), count(DISTINCT relowner),
                                    (SELECT count(*) FROM pg_policy WHERE polrelid::regclass::text LIKE 'auth.%'))
                  FROM pg_class WHERE relnamespace = 'auth'::regnamespace AND relkind = 'r'";
    assert_eq!(one::<String>(&mut database.admin().unwrap(), tables, &[]), "23 16 1 0");
    let foreign = "SELECT count(*) FROM pg_class WHERE relnamespace = 'auth'::regnamespace AND relkind = 'r'
                   AND relowner <> 'supabase_auth_admin'::regrole";
    assert_eq!(one::<i64>(&mut database.admin().unwrap(), foreign, &[]), 0);
}
