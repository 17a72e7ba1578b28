//! The model of a user, and the calls of an app's administration: `create_user`, `get_user`, `list_users`, `update_user`, `delete_user`.

use std::thread;

use registrar_core::{SignedIn, UserCreate, UserDeleted, UserPage, UserRead, UserSaved, UserUpdate};
use registrar_tests::{
    Answer, Database, Stack, all, call, new_email, new_phone, one, plain_database, supabase_database,
};
use serde_json::{Value, json};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";

fn ask(function: &str, parameters: &Value) -> Answer {
    Stack::shared().back_end(function, parameters)
}

fn created(values: &Value) -> UserSaved {
    ask("create_user", &json!({ "p_values": values })).data(201)
}

fn update(user: Uuid, updates: &Value) -> Answer {
    ask("update_user", &json!({ "p_user_id": user, "p_updates": updates }))
}

fn updated(user: Uuid, updates: &Value) -> UserSaved {
    update(user, updates).data(200)
}

fn user(id: Uuid) -> UserRead {
    let data: Value = ask("get_user", &json!({ "p_user_id": id })).data(200);
    serde_json::from_value(data["user"].clone()).unwrap()
}

fn sign_in(email: &str, password: &str) -> Answer {
    ask("sign_in_with_password", &json!({ "p_email": email, "p_password": password }))
}

/// What stands in `auth.users` of a user.
fn row(id: Uuid) -> Value {
    one(&mut Stack::shared().admin(), "SELECT to_jsonb(u) FROM auth.users AS u WHERE id = $1", &[&id])
}

fn identities(id: Uuid) -> Vec<Value> {
    let query =
        "SELECT identity_data || jsonb_build_object('provider', provider, 'key', provider_id) FROM auth.identities
                 WHERE user_id = $1 ORDER BY provider";
    all(&mut Stack::shared().admin(), query, &[&id])
}

#[test]
fn a_user_is_created_whole_and_signs_in_at_once_where_the_address_counts_as_verified() {
    let (email, phone) = (new_email("created"), new_phone());
    let saved = created(&json!({
        "email": email.to_uppercase(), "phone": phone, "password": PASSWORD, "full_name": "Ada", "role": "admin",
        "metadata": {"field_of_study": "law"}, "is_superuser": true, "is_verified": true,
    }));
    let read = saved.user;
    assert_eq!((read.email.as_deref(), read.phone.as_deref()), (Some(email.as_str()), Some(phone.as_str())));
    assert_eq!((read.is_active, read.is_superuser, read.is_verified), (true, true, true));
    assert_eq!((read.role.as_deref(), saved.verification), (Some("admin"), None));
    let profile: Value = ask("get_profile", &json!({ "p_user_id": read.id })).data(200);
    assert_eq!(
        (Some(&profile["profile_id"]), &profile["profile"]["field_of_study"]),
        (read.profile_id.as_ref(), &json!("law"))
    );
    let stored = row(read.id);
    assert_eq!(stored["raw_app_meta_data"]["is_superuser"], true);
    assert_eq!(
        (&stored["raw_user_meta_data"]["full_name"], &stored["raw_user_meta_data"]["email_verified"]),
        (&json!("Ada"), &json!(true))
    );
    assert_eq!(identities(read.id).len(), 1);
    let signed_in: SignedIn = sign_in(&email, PASSWORD).data(200);
    assert_eq!(user(signed_in.user.id).last_sign_in_at, Some(signed_in.session.created_at));
}

#[test]
fn an_address_that_does_not_count_as_verified_has_a_token() {
    let email = new_email("unverified");
    let saved = created(&json!({ "email": email, "password": PASSWORD }));
    assert!(!saved.user.is_verified && saved.user.is_active && !saved.user.is_superuser);
    sign_in(&email, PASSWORD).expect_failure(403, "not_confirmed");
    Stack::shared().verified(&saved.verification.unwrap().token);
    sign_in(&email, PASSWORD).expect_success(200);
    assert!(user(saved.user.id).is_verified);
}

#[test]
fn a_number_alone_makes_a_user() {
    let phone = new_phone();
    let saved = created(&json!({ "phone": phone, "full_name": "Ada", "is_verified": true, "is_active": false }));
    assert_eq!((saved.user.email, saved.user.phone.as_deref()), (None, Some(phone.as_str())));
    assert!(saved.user.is_verified && !saved.user.is_active && saved.verification.is_none());
    let [identity] = &identities(saved.user.id)[..] else { panic!("one identity") };
    assert_eq!((&identity["provider"], &identity["phone_verified"]), (&json!("phone"), &json!(true)));
    let parameters = json!({ "p_phone": phone });
    let data: Value = ask("get_user", &parameters).data(200);
    assert_eq!(data["user"]["id"], json!(saved.user.id));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let (taken, phone) = (new_email("taken"), new_phone());
    created(&json!({ "email": taken, "phone": phone }));
    let both = ask("create_user", &json!({ "p_values": { "email": taken, "phone": phone } }));
    let codes: Vec<_> =
        both.expect_failure(409, "email_exists").errors.into_iter().map(|error| error.code.to_string()).collect();
    assert_eq!(codes, ["email_exists", "phone_exists"]);
    for (values, status, fields) in [
        (json!({ "email": "nobody", "phone": "12", "password": "x7 Fq" }), 400, vec!["email", "phone", "password"]),
        (json!({ "emial": taken, "is_active": "yes" }), 400, vec!["is_active", "emial"]),
        (json!({ "email": new_email("role"), "role": "emperor" }), 422, vec!["role"]),
        (json!([]), 400, vec!["values"]),
        (json!({}), 400, vec!["email"]),
        (json!({ "email": new_email("hash"), "password_hash": "nonsense" }), 400, vec!["password_hash"]),
        (json!({ "email": new_email("big"), "metadata": { "text": "x".repeat(20_000) } }), 400, vec!["metadata"]),
    ] {
        let answer = ask("create_user", &json!({ "p_values": values }));
        let envelope = answer.envelope();
        let found: Vec<_> = envelope.errors.iter().filter_map(|error| error.field.as_deref()).collect();
        assert_eq!((answer.status, found), (status, fields), "{}", answer.body);
    }
}

#[test]
fn a_new_address_is_unverified_until_its_token_comes_back() {
    let (old, new) = (new_email("old"), new_email("new"));
    let id = created(&json!({ "email": old, "password": PASSWORD, "is_verified": true })).user.id;
    let reset: Value = ask("request_password_reset", &json!({ "p_email": old })).data(200);
    let saved = updated(id, &json!({ "email": new.to_uppercase() }));
    assert_eq!((saved.user.email.as_deref(), saved.user.is_verified), (Some(new.as_str()), false));
    let [identity] = &identities(id)[..] else { panic!("one identity") };
    assert_eq!((&identity["email"], &identity["email_verified"]), (&json!(new), &json!(false)));
    assert_eq!(row(id)["raw_user_meta_data"]["email"], json!(new), "and Supabase Auth reads it there");
    sign_in(&old, PASSWORD).expect_failure(401, "invalid_credentials");
    sign_in(&new, PASSWORD).expect_failure(403, "not_confirmed");
    let token = &reset["reset"]["token"];
    let stale = ask("reset_password", &json!({ "p_token": token, "p_password": "another horse, another staple" }));
    stale.expect_failure(401, "token_invalid");
    Stack::shared().verified(&saved.verification.unwrap().token);
    sign_in(&new, PASSWORD).expect_success(200);
    let same = updated(id, &json!({ "email": new, "full_name": "Ada" }));
    assert!(same.user.is_verified && same.verification.is_none(), "the same address is no new one");
}

#[test]
fn what_is_changed_stands_where_supabase_auth_reads_it_and_the_rest_is_left_alone() {
    let email = new_email("changed");
    let saved = created(
        &json!({ "email": email, "password": PASSWORD, "metadata": {"plan": "free", "theme": "dark"}, "is_verified": true }),
    );
    let (id, before) = (saved.user.id, row(saved.user.id));
    updated(
        id,
        &json!({ "metadata": {"plan": null, "city": "Turin", "email_verified": false, "sub": "x"}, "full_name": "Ada" }),
    );
    let after = row(id);
    let metadata = &after["raw_user_meta_data"];
    assert_eq!((metadata.get("plan"), &metadata["theme"], &metadata["city"]), (None, &json!("dark"), &json!("Turin")));
    assert_eq!(
        (&metadata["full_name"], &metadata["email_verified"], &metadata["sub"]),
        (&json!("Ada"), &json!(true), &json!(id))
    );
    for column in ["email", "encrypted_password", "email_confirmed_at", "raw_app_meta_data", "banned_until", "phone"] {
        assert_eq!(after[column], before[column], "{column}");
    }
    let saved =
        updated(id, &json!({ "is_active": false, "is_superuser": true, "role": "admin", "is_verified": false }));
    assert_eq!((saved.user.is_active, saved.user.is_superuser, saved.user.is_verified), (false, true, false));
    assert_eq!(saved.user.role.as_deref(), Some("admin"));
    let stored = row(id);
    assert_eq!(
        stored["raw_app_meta_data"],
        json!({"provider": "email", "providers": ["email"], "role": "admin", "is_superuser": true})
    );
    assert!(stored["banned_until"].as_str() > Some("2100") && stored["email_confirmed_at"].is_null());
    let saved = updated(id, &json!({ "is_active": true, "is_superuser": false, "role": null, "is_verified": true }));
    assert_eq!((saved.user.is_active, saved.user.is_superuser, saved.user.is_verified), (true, false, true));
    assert_eq!((saved.user.role.as_deref(), row(id)["banned_until"].clone()), (Some("user"), Value::Null));
    sign_in(&email, PASSWORD).expect_success(200);
}

#[test]
fn numbers_and_addresses_come_and_go_but_one_of_them_stays() {
    let (email, phone) = (new_email("both"), new_phone());
    let id = created(&json!({ "email": email })).user.id;
    let saved = updated(id, &json!({ "phone": phone }));
    assert_eq!(saved.user.phone.as_deref(), Some(phone.as_str()));
    assert_eq!(row(id)["raw_app_meta_data"]["providers"], json!(["email", "phone"]));
    let saved = updated(id, &json!({ "email": null, "is_verified": true }));
    assert_eq!((saved.user.email, saved.user.is_verified), (None, true));
    let [identity] = &identities(id)[..] else { panic!("the number's identity alone") };
    assert_eq!((&identity["provider"], &identity["phone_verified"]), (&json!("phone"), &json!(true)));
    assert_eq!(row(id)["raw_app_meta_data"]["provider"], "phone");
    update(id, &json!({ "phone": null })).expect_failure(400, "validation_failed");
    assert_eq!(user(id).phone.as_deref(), Some(phone.as_str()));
}

#[test]
fn another_password_and_a_ban_end_the_sessions() {
    let email = new_email("sessions");
    let id = created(&json!({ "email": email, "password": PASSWORD, "is_verified": true })).user.id;
    let session = || -> String { sign_in(&email, PASSWORD).data::<SignedIn>(200).tokens.session_token };
    let is_live = |token: &str| ask("get_session", &json!({ "p_session_token": token })).status == 200;
    let tokens = [session(), session()];
    let saved = updated(id, &json!({ "full_name": "Ada" }));
    assert!(saved.sessions_ended == 0 && tokens.iter().all(|token| is_live(token)));
    let saved = updated(id, &json!({ "password": "another horse, another staple" }));
    assert!(saved.sessions_ended == 2 && !tokens.iter().any(|token| is_live(token)));
    sign_in(&email, PASSWORD).expect_failure(401, "invalid_credentials");
    let signed_in: SignedIn = sign_in(&email, "another horse, another staple").data(200);
    let saved = updated(id, &json!({ "is_active": false }));
    assert!(saved.sessions_ended == 1 && !is_live(&signed_in.tokens.session_token));
    sign_in(&email, "another horse, another staple").expect_failure(403, "user_banned");
}

#[test]
fn of_two_changes_to_one_address_one_is_refused() {
    let email = new_email("contested");
    let ids = [0; 8].map(|_| created(&json!({ "email": new_email("racer") })).user.id);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let racers = ids.map(|id| {
            let email = &email;
            scope.spawn(move || update(id, &json!({ "email": email })).status)
        });
        racers.map(|racer| racer.join().unwrap()).into_iter().collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 7, "{statuses:?}");
}

#[test]
fn of_two_changes_at_once_none_is_lost() {
    let id = created(&json!({ "email": new_email("busy") })).user.id;
    thread::scope(|scope| {
        for place in 0..16 {
            scope.spawn(move || updated(id, &json!({ "metadata": { format!("key_{place}"): place } })));
        }
    });
    let metadata = row(id)["raw_user_meta_data"].clone();
    assert!((0..16).all(|place| metadata[format!("key_{place}")] == place), "{metadata}");
}

fn fresh_key(stack: &Stack, id: Uuid, session_age: &str) -> String {
    let session = registrar_tests::open_session(&mut stack.admin(), id);
    let statement =
        format!("UPDATE registrar_private.sessions SET created_at = now() - interval '{session_age}' WHERE id = $1");
    stack.admin().execute(&statement, &[&session.id]).unwrap();
    let exp = chrono::Utc::now().timestamp() + 600;
    stack.secret().sign(&json!({ "role": "authenticated", "sub": id, "session_id": session.id, "exp": exp }))
}

#[test]
fn a_user_changes_no_power_and_takes_over_no_account_with_a_telephone_that_was_found() {
    let stack = Stack::shared();
    let id = created(&json!({ "email": new_email("own"), "password": PASSWORD, "is_verified": true })).user.id;
    let send = |key: &str, updates: &Value| {
        let parameters = json!({ "p_updates": updates });
        stack.request("update_user").key(key).json(&parameters).send().unwrap()
    };
    let stale = fresh_key(stack, id, "2 days");
    for power in [
        json!({ "is_superuser": true }),
        json!({ "is_active": true }),
        json!({ "is_verified": true }),
        json!({ "role": "admin" }),
    ] {
        send(&stale, &power).expect_failure(403, "forbidden");
        send(&fresh_key(stack, id, "0"), &power).expect_failure(403, "forbidden");
    }
    send(&stale, &json!({ "full_name": "Ada" })).expect_success(200);
    for credential in [
        json!({ "email": new_email("thief") }),
        json!({ "phone": new_phone() }),
        json!({ "password": "another horse, another staple" }),
    ] {
        send(&stale, &credential).expect_failure(403, "forbidden");
        send(&stack.secret().user_key(id), &credential).expect_failure(403, "forbidden");
    }
    let fresh = fresh_key(stack, id, "0");
    let answer: Value =
        send(&fresh, &json!({ "phone": new_phone(), "password": "another horse, another staple" })).data(200);
    assert_eq!(answer["sessions_ended"], 5, "all but the one that it comes from");
    let refused = send(&fresh, &json!({ "email": new_email("unsent") })).expect_failure(403, "forbidden");
    assert!(refused.message.contains("back end"), "nobody was named who sends the token: {}", refused.message);
    let other = created(&json!({ "email": new_email("other") })).user.id;
    let parameters = json!({ "p_user_id": other, "p_updates": { "full_name": "Eve" } });
    stack.rpc_of(id, "update_user", &parameters).expect_failure(403, "forbidden");
    stack.rpc_of(id, "get_user", &json!({ "p_user_id": other })).expect_failure(403, "forbidden");
    stack.rpc_of(id, "get_user", &json!({ "p_email": new_email("probe") })).expect_failure(403, "forbidden");
    let own: Value = stack.rpc_of(id, "get_user", &json!({})).data(200);
    assert_eq!(own["user"]["id"], json!(id));
}

fn done(client: &mut postgres::Client, function: &str, parameters: &Value) -> Value {
    let answer = call(client, function, parameters);
    assert!(answer.success, "{}", answer.message);
    answer.data.unwrap()
}

#[test]
fn the_token_for_a_users_own_new_address_is_sent_and_not_told() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    admin
        .batch_execute(
            "CREATE SCHEMA app;
             CREATE TABLE app.outbox (message jsonb);
             CREATE FUNCTION app.send_message(p_message jsonb) RETURNS void LANGUAGE sql
                 AS 'INSERT INTO app.outbox VALUES (p_message)';
             SELECT registrar.allow_public_sign_in(true, 'app.send_message(jsonb)');",
        )
        .unwrap();
    let mut back_end = database.connect_as(registrar_tests::Role::ServiceRole).unwrap();
    let values = json!({ "p_values": { "email": "own@example.com", "is_verified": true } });
    let made: UserSaved = serde_json::from_value(done(&mut back_end, "create_user", &values)).unwrap();
    let session = registrar_tests::open_session(&mut admin, made.user.id);
    let claims = json!({ "role": "authenticated", "sub": made.user.id, "session_id": session.id }).to_string();
    let mut user = database.connect_as(registrar_tests::Role::Authenticated).unwrap();
    user.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims]).unwrap();
    let updates = json!({ "p_updates": { "email": "new@example.com" } });
    let saved = done(&mut user, "update_user", &updates);
    assert_eq!((&saved["verification"], &saved["user"]["is_verified"]), (&Value::Null, &json!(false)));
    let message: Value = one(&mut admin, "SELECT message FROM app.outbox", &[]);
    assert_eq!((&message["kind"], &message["recipient"]), (&json!("email_verification"), &json!("new@example.com")));
    database.verify(message["token"].as_str().unwrap());
    // What is asked counts, also where the answer is that somebody has it.
    database.register("taken@example.com");
    let refusals = ["new@example.com", "taken@example.com", "taken@example.com"].map(|email| {
        done(&mut user, "update_user", &json!({ "p_updates": { "full_name": email } }));
        let answer = call(&mut user, "update_user", &json!({ "p_updates": { "email": email } }));
        answer.errors.first().map(|error| error.code.to_string()).unwrap_or_default()
    });
    assert_eq!(refusals, ["", "email_exists", "rate_limited"], "the same address is no new one");
    done(&mut user, "update_user", &json!({ "p_updates": { "email": "third@example.com" } }));
    let again = call(&mut user, "update_user", &json!({ "p_updates": { "email": "new@example.com" } }));
    assert_eq!(again.errors[0].code.as_str(), "rate_limited");
}

#[test]
fn users_are_listed_page_by_page_in_one_order_and_each_once() {
    let prefix = new_email("listed").replace("@example.com", "");
    let mut made: Vec<Uuid> = (0..25)
        .map(|place| {
            let role = if place % 5 == 0 { "admin" } else { "user" };
            created(&json!({ "email": format!("{prefix}.{place}@example.com"), "role": role })).user.id
        })
        .collect();
    let page = |after: Option<Uuid>, limit: u32, role: Option<&str>| -> UserPage {
        let mut parameters = json!({ "p_limit": limit, "p_email_prefix": format!(" {}", prefix.to_uppercase()) });
        for (name, value) in [("p_after", after.map(|after| json!(after))), ("p_role", role.map(|role| json!(role)))] {
            parameters.as_object_mut().unwrap().extend(value.map(|value| (name.to_owned(), value)));
        }
        ask("list_users", &parameters).data(200)
    };
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let UserPage { users, next } = page(after, 10, None);
        found.extend(users.into_iter().map(|user| user.id));
        // Whoever comes or goes between two pages moves nobody.
        created(&json!({ "email": new_email("between") }));
        let Some(next) = next else { break };
        after = Some(next);
    }
    made.sort();
    assert_eq!(found, made);
    assert_eq!(page(None, 100, Some("admin")).users.len(), 5);
    assert_eq!(page(None, 100, Some("emperor")).users, []);
    let all_users: UserPage = ask("list_users", &json!({})).data(200);
    assert!(all_users.users.len() >= 25);
    for limit in [0, 10_001] {
        ask("list_users", &json!({ "p_limit": limit })).expect_failure(400, "validation_failed");
    }
    let percent: UserPage = ask("list_users", &json!({ "p_email_prefix": "%" })).data(200);
    assert_eq!(percent.users, [], "a prefix is no pattern");
}

#[test]
fn a_user_is_deleted_with_everything_unless_the_apps_rows_keep_them() {
    let database = plain_database();
    let mut admin = database.admin().unwrap();
    admin
        .batch_execute("CREATE TABLE public.orders (id int PRIMARY KEY, user_id uuid REFERENCES auth.users (id))")
        .unwrap();
    let (id, _) = database.register("kept@example.com");
    admin.execute("INSERT INTO public.orders VALUES (1, $1)", &[&id]).unwrap();
    let mut back_end = database.connect_as(registrar_tests::Role::ServiceRole).unwrap();
    let refused = call(&mut back_end, "delete_user", &json!({ "p_user_id": id }));
    assert!(refused.message.contains("public.orders"), "{}", refused.message);
    admin
        .execute("ALTER TABLE public.orders ALTER CONSTRAINT orders_user_id_fkey DEFERRABLE INITIALLY DEFERRED", &[])
        .unwrap();
    let refused = call(&mut back_end, "delete_user", &json!({ "p_user_id": id }));
    assert!(
        refused.message.contains("public.orders"),
        "a deferred key does not fail at the commit: {}",
        refused.message
    );
    let hint = refused.errors[0].hint.as_deref().unwrap_or_default();
    assert!(hint.contains("verify_and_fix_constraint") && hint.contains("p_soft"), "{hint}");
    admin.execute("DELETE FROM public.orders", &[]).unwrap();
    let deleted = call(&mut back_end, "delete_user", &json!({ "p_user_id": id }));
    assert!(deleted.success, "{}", deleted.message);
    for (table, column) in [
        ("auth.users", "id"),
        ("auth.identities", "user_id"),
        ("public.user_profiles", "user_id"),
        ("registrar_private.verification_tokens", "user_id"),
    ] {
        let left: i64 = one(&mut admin, &format!("SELECT count(*) FROM {table} WHERE {column} = $1"), &[&id]);
        assert_eq!(left, 0, "{table}");
    }
    let audited =
        "SELECT outcome FROM registrar_private.audit_log WHERE user_id = $1 AND action = 'delete_user' ORDER BY id";
    assert_eq!(all::<String>(&mut admin, audited, &[&id]), ["internal", "internal", "ok"]);
}

#[test]
fn a_user_who_is_deleted_softly_leaves_a_row_that_says_nothing() {
    let (email, phone) = (new_email("softly"), new_phone());
    let id = created(
        &json!({ "email": email, "phone": phone, "password": PASSWORD, "full_name": "Ada", "is_verified": true }),
    )
    .user
    .id;
    let signed_in: SignedIn = sign_in(&email, PASSWORD).data(200);
    let deleted: UserDeleted = ask("delete_user", &json!({ "p_user_id": id, "p_soft": true })).data(200);
    assert_eq!((deleted.user_id, deleted.soft), (id, true));
    let left = row(id).to_string() + &json!(identities(id)).to_string();
    for said in [email.as_str(), &phone[1..], "Ada", "argon2"] {
        assert!(!left.contains(said), "{said} in {left}");
    }
    // As Supabase Auth makes it: SHA-256 of id and address, base64url.
    let expected = {
        use base64::Engine;
        use sha2::Digest;
        let hash = sha2::Sha256::digest(format!("{id}{email}"));
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash)
    };
    assert_eq!(row(id)["email"], expected);
    ask("get_user", &json!({ "p_user_id": id })).expect_failure(404, "user_not_found");
    update(id, &json!({ "full_name": "Eve" })).expect_failure(404, "user_not_found");
    ask("get_session", &json!({ "p_session_token": signed_in.tokens.session_token }))
        .expect_failure(401, "session_expired");
    ask("delete_user", &json!({ "p_user_id": id, "p_soft": true })).expect_failure(404, "user_not_found");
    created(&json!({ "email": email, "phone": phone }));
    ask("delete_user", &json!({ "p_user_id": id })).expect_success(200);
}

#[test]
fn supabase_auths_own_sessions_end_with_a_user_who_is_deleted_softly() {
    let database = supabase_database();
    let mut admin = database.admin().unwrap();
    let id = database.sign_up("softly@example.com", &json!({}));
    admin.execute("INSERT INTO auth.sessions (id, user_id) VALUES (gen_random_uuid(), $1)", &[&id]).unwrap();
    let mut back_end = database.connect_as(registrar_tests::Role::ServiceRole).unwrap();
    let deleted = call(&mut back_end, "delete_user", &json!({ "p_user_id": id, "p_soft": true }));
    assert!(deleted.success, "{}", deleted.message);
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM auth.sessions WHERE user_id = $1", &[&id]), 0);
}

/// Users of every shape: what the view shows of each is what `get_user` answers.
#[test]
fn the_view_and_the_call_show_the_same_of_users_of_every_shape() {
    for database in [plain_database(), supabase_database()] {
        let mut admin = database.admin().unwrap();
        let id = Uuid::new_v4();
        let wrapped = "INSERT INTO auth.users (id, email, raw_app_meta_data, created_at) VALUES ($1, 'wrapped@example.com', to_jsonb($2::text), now())";
        admin.execute(wrapped, &[&id, &json!({"role": "admin", "is_superuser": true}).to_string()]).unwrap();
        for app_metadata in ["no JSON", "7", "[1]"] {
            let email = format!("{}@example.com", app_metadata.len());
            admin.execute(wrapped, &[&Uuid::new_v4(), &app_metadata]).err();
            admin.execute("INSERT INTO auth.users (id, email, raw_app_meta_data) VALUES (gen_random_uuid(), $1, to_jsonb($2::text))", &[&email, &app_metadata]).unwrap();
        }
        admin.batch_execute("INSERT INTO auth.users (id, is_anonymous) VALUES (gen_random_uuid(), true);
                             INSERT INTO auth.users (id, phone, banned_until) VALUES (gen_random_uuid(), '12025550123', now() - interval '1 day')").unwrap();
        database.register("registered@example.com");
        let shown: Vec<Value> = all(&mut admin, "SELECT to_jsonb(u) FROM registrar.users AS u", &[]);
        assert_eq!(shown.len() as i64, one::<i64>(&mut admin, "SELECT count(*) FROM auth.users", &[]));
        for user in &shown {
            let answer: Value = one(&mut admin, "SELECT registrar.get_user($1::text::uuid)", &[&user["id"].as_str()]);
            let read: UserRead = serde_json::from_value(user.clone()).unwrap();
            assert_eq!(serde_json::from_value::<UserRead>(answer["data"]["user"].clone()).unwrap(), read);
            assert_eq!(read.is_superuser, read.id == id);
            assert!(read.is_active && read.profile_id.is_some());
        }
        let role = "SELECT role FROM registrar.users WHERE id = $1";
        assert_eq!(one::<String>(&mut admin, role, &[&id]), "admin");
        dropped_extension_leaves_the_view(&database);
    }
}

/// What `DROP EXTENSION` must not be kept from, and what it leaves.
fn dropped_extension_leaves_the_view(database: &Database) {
    database.psql("DROP EXTENSION registrar").unwrap();
    let count = "SELECT count(*) FROM registrar.users WHERE profile_id IS NULL";
    let users: i64 = one(&mut database.admin().unwrap(), count, &[]);
    assert!(users > 5, "users are shown without the extension, too");
    database.install_registrar().unwrap();
    let with_profile: i64 = one(&mut database.admin().unwrap(), "SELECT count(profile_id) FROM registrar.users", &[]);
    assert_eq!(with_profile, users);
}

#[test]
fn the_client_s_types_make_and_change_users() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stack = Stack::shared();
        let client = registrar_client::Client::builder()
            .postgrest_url(stack.url())
            .service_role_key(stack.key(registrar_tests::Role::ServiceRole))
            .build()
            .unwrap();
        let email = new_email("client");
        let user = UserCreate {
            email: Some(email.clone()),
            password: Some(PASSWORD.into()),
            is_verified: Some(true),
            ..UserCreate::default()
        };
        let made = client.create_user(user).await.unwrap();
        let signed_in: SignedIn = sign_in(&email, PASSWORD).data(200);
        assert_eq!(signed_in.user.id, made.user.id);
        let weak = UserUpdate { password: Some("password".into()), ..UserUpdate::default() };
        let error = client.update_user(made.user.id, weak).await.unwrap_err();
        assert!(
            matches!(error, registrar_client::Error::Api { code: registrar_client::ErrorCode::WeakPassword, .. }),
            "{error:?}"
        );
        let change = UserUpdate {
            full_name: Some(Some("Ada".into())),
            password: Some("another horse, another staple".into()),
            ..UserUpdate::default()
        };
        assert_eq!(client.update_user(made.user.id, change).await.unwrap().sessions_ended, 1);
        sign_in(&email, "another horse, another staple").expect_success(200);
        let found = client.find_user(&registrar_client::Recipient::email(&email)).await.unwrap();
        assert_eq!(found.id, made.user.id);
        let filter = registrar_client::UserFilter::default().email_prefix(&email);
        assert_eq!(client.list_users(&filter, None, 10).await.unwrap().users.len(), 1);
        assert_eq!(client.delete_user(found.id, false).await.unwrap().user_id, found.id);
    });
}
