//! One-time codes: sent, typed in, and what they prove.

use registrar_core::{Channel, CodePurpose, FoundSession, OtpSent, SignedIn};
use registrar_tests::{Answer, Stack, new_email, new_phone, one, token_of};
use serde_json::{Value, json};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";

fn call(function: &str, parameters: &Value) -> Answer {
    Stack::shared().back_end(function, parameters)
}

/// A code for that recipient, which must be sent; as if the one before was sent long ago.
fn sent(parameters: &Value) -> OtpSent {
    let age = r"UPDATE registrar_private.attempts SET occurred_at = occurred_at - interval '2 hours'
                WHERE purpose = 'send_otp' AND user_id IN (
                    SELECT id FROM auth.users WHERE email = lower(btrim($1)) OR phone = regexp_replace($1, '\D', '', 'g'))";
    let to = ["p_email", "p_phone", "p_mobile"].into_iter().find_map(|name| parameters[name].as_str()).unwrap();
    Stack::shared().admin().execute(age, &[&to]).unwrap();
    let answer = call("send_otp", parameters);
    assert!([200, 201].contains(&answer.status), "{}", answer.body);
    answer.data(answer.status)
}

fn code(sent: &OtpSent) -> &str {
    sent.code.as_deref().expect("a back end sees the code")
}

fn other_than(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn with(parameters: &Value, more: &Value) -> Value {
    let mut all = parameters.as_object().unwrap().clone();
    all.extend(more.as_object().unwrap().clone());
    all.into()
}

fn verify(parameters: &Value, code: &str) -> Answer {
    call("verify_otp", &with(parameters, &json!({ "p_code": code })))
}

/// A user with a confirmed address and a password.
fn confirmed(phone: Option<&str>) -> (Uuid, String) {
    let (stack, email) = (Stack::shared(), new_email("otp"));
    let registration = stack.registered(&json!({ "p_email": email, "p_phone": phone, "p_password": PASSWORD }));
    stack.verified(token_of(&registration));
    (registration.user.id, email)
}

fn user_has(user: Uuid, condition: &str) -> bool {
    one(&mut Stack::shared().admin(), &format!("SELECT {condition} FROM auth.users WHERE id = $1"), &[&user])
}

#[test]
fn a_code_signs_in_whoever_types_it() {
    let (user, email) = confirmed(None);
    let to = json!({ "p_email": format!(" {} ", email.to_uppercase()) });
    let sent = sent(&to);
    assert_eq!(
        (sent.channel, sent.recipient.as_str(), sent.purpose),
        (Channel::Email, email.as_str(), CodePurpose::SignIn)
    );
    let minutes = (sent.expires_at - chrono::Utc::now()).num_seconds();
    assert!((580..=600).contains(&minutes), "{minutes} s");
    let typed = format!("{} {}", &code(&sent)[..3], &code(&sent)[3..]);
    let answer = call("verify_otp", &with(&to, &json!({ "p_code": typed, "p_device_name": "laptop" })));
    let signed_in: SignedIn = answer.data(200);
    assert_eq!((signed_in.user.id, signed_in.session.device_name.as_deref()), (user, Some("laptop")));
    let token = json!({ "p_session_token": signed_in.tokens.session_token });
    let found: FoundSession = call("get_session", &token).data(200);
    assert_eq!(found.session, signed_in.session);
    verify(&to, code(&sent)).expect_failure(410, "otp_expired");
    assert!(user_has(user, "encrypted_password LIKE '$argon2id$%'"), "the password of a confirmed user stays");
}

#[test]
fn a_number_is_read_as_people_type_it() {
    let phone = new_phone();
    let (user, _) = confirmed(Some(&phone));
    Stack::shared()
        .admin()
        .execute("UPDATE auth.users SET phone_confirmed_at = now() WHERE id = $1", &[&user])
        .unwrap();
    let typed = format!("{} ({}) {}-{}", &phone[..2], &phone[2..5], &phone[5..8], &phone[8..]);
    let sent = sent(&json!({ "p_mobile": typed }));
    assert_eq!((sent.channel, sent.recipient.as_str()), (Channel::Phone, phone.as_str()));
    let signed_in: SignedIn = verify(&json!({ "p_phone": phone }), code(&sent)).data(200);
    assert_eq!(signed_in.user.id, user);
    call("send_otp", &json!({ "p_mobile": "1234567890" })).expect_failure(400, "validation_failed");
}

#[test]
fn a_national_number_is_read_with_the_region_that_is_set() {
    let database = registrar_tests::plain_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("SET registrar.default_phone_region = 'IN'; SET registrar.otp_creates_users = on").unwrap();
    let sent = registrar_tests::call(&mut admin, "send_otp", &json!({ "p_mobile": "1234567890" }));
    assert_eq!(sent.data.unwrap()["recipient"], "+911234567890");
}

#[test]
fn where_the_owner_says_so_a_code_makes_the_user_and_proves_who_it_is() {
    let (phone, email) = (new_phone(), new_email("otp-new"));
    for to in [json!({ "p_phone": phone }), json!({ "p_email": email })] {
        call("send_otp", &to).expect_failure(404, "user_not_found");
    }
    let database = registrar_tests::supabase_database();
    let mut admin = database.admin().unwrap();
    admin.batch_execute("SET registrar.otp_creates_users = on").unwrap();
    for (to, confirmed_at, provider) in [
        (json!({ "p_phone": phone }), "phone_confirmed_at", "phone"),
        (json!({ "p_email": email }), "email_confirmed_at", "email"),
    ] {
        let sent = registrar_tests::call(&mut admin, "send_otp", &to).data.unwrap();
        let user: Uuid = one(&mut admin, "SELECT user_id FROM auth.identities WHERE provider = $1", &[&provider]);
        let profile = "SELECT count(*) FROM public.user_profiles WHERE user_id = $1";
        assert_eq!(one::<i64>(&mut admin, profile, &[&user]), 1, "a user of a code has a profile like any other");
        let is_confirmed = format!("SELECT {confirmed_at} IS NOT NULL FROM auth.users WHERE id = $1");
        assert!(!one::<bool>(&mut admin, &is_confirmed, &[&user]), "nothing is proved yet");
        let signed_in = registrar_tests::call(&mut admin, "verify_otp", &with(&to, &json!({ "p_code": sent["code"] })));
        assert_eq!(signed_in.data.expect("signed in")["user"]["id"], json!(user));
        assert!(one::<bool>(&mut admin, &is_confirmed, &[&user]));
        let marked = format!(
            "SELECT (identity_data ->> '{provider}_verified')::boolean FROM auth.identities WHERE user_id = $1"
        );
        assert!(one::<bool>(&mut admin, &marked, &[&user]), "Supabase Auth is told, too");
    }
}

#[test]
fn a_new_code_ends_the_one_before_and_comes_no_sooner_than_after_a_minute() {
    let (_, email) = confirmed(None);
    let to = json!({ "p_email": email });
    let first = sent(&to);
    let refused = call("send_otp", &to);
    refused.expect_failure(429, "rate_limited");
    let left: i64 = refused.header("Retry-After").expect("it says when").parse().unwrap();
    assert!((50..=60).contains(&left), "{left}");
    let second = sent(&to);
    if code(&first) != code(&second) {
        verify(&to, code(&first)).expect_failure(401, "invalid_credentials");
    }
    verify(&to, code(&second)).expect_success(200);
}

#[test]
fn five_messages_an_hour_are_enough_for_anybody() {
    let (_, email) = confirmed(None);
    let to = json!({ "p_email": email });
    let hash =
        "SELECT identifier_hash FROM registrar_private.attempts WHERE purpose = 'send_otp' AND user_id = $1 LIMIT 1";
    let age = format!(
        "UPDATE registrar_private.attempts SET occurred_at = occurred_at - interval '2 minutes' WHERE identifier_hash = ({hash})"
    );
    let user: Uuid = one(&mut Stack::shared().admin(), "SELECT id FROM auth.users WHERE email = $1", &[&email]);
    for _ in 0..5 {
        call("send_otp", &to).expect_success(200);
        Stack::shared().admin().execute(&age, &[&user]).unwrap();
    }
    let refused = call("send_otp", &to);
    refused.expect_failure(429, "rate_limited");
    let left: i64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((2900..=3000).contains(&left), "an hour after the first, ten minutes ago: {left}");
}

#[test]
fn wrong_guesses_void_a_code_and_keep_nobody_from_asking_for_another() {
    let (_, email) = confirmed(None);
    let to = json!({ "p_email": email });
    let first = sent(&to);
    for _ in 0..5 {
        verify(&to, &other_than(code(&first))).expect_failure(401, "invalid_credentials");
    }
    verify(&to, code(&first)).expect_failure(410, "otp_expired");
    let second = sent(&to);
    verify(&to, code(&second)).expect_success(200);
}

#[test]
fn a_code_is_good_for_ten_minutes_and_for_one_recipient_and_purpose() {
    let ((_, email), (_, other)) = (confirmed(None), confirmed(None));
    let (to, to_other) = (json!({ "p_email": email }), json!({ "p_email": other }));
    let sent_code = sent(&to);
    sent(&to_other);
    if verify(&to_other, code(&sent_code)).status == 200 {
        panic!("a code of another recipient");
    }
    call("verify_otp", &with(&to, &json!({ "p_code": code(&sent_code), "p_purpose": "confirmation" })))
        .expect_failure(401, "invalid_credentials");
    let user: Uuid = one(&mut Stack::shared().admin(), "SELECT id FROM auth.users WHERE email = $1", &[&email]);
    let age = |interval: &str| {
        let update = format!(
            "UPDATE registrar_private.one_time_codes SET expires_at = expires_at - interval '{interval}' WHERE user_id = $1"
        );
        Stack::shared().admin().execute(&update, &[&user]).unwrap();
    };
    age("10 minutes");
    verify(&to, code(&sent_code)).expect_failure(410, "otp_expired");
    age("-1 minute");
    verify(&to, code(&sent_code)).expect_success(200);
}

#[test]
fn who_squats_on_an_address_or_number_keeps_no_way_in() {
    let (stack, email) = (Stack::shared(), new_email("squatted"));
    let squatters = stack.registered(&json!({ "p_email": email, "p_password": PASSWORD }));
    stack.registered_again(&json!({ "p_email": email, "p_password": "another horse battery staple" }));
    let to = json!({ "p_email": email });
    verify(&to, code(&sent(&to))).expect_success(200);
    let user = squatters.user.id;
    assert!(
        user_has(user, "email_confirmed_at IS NOT NULL AND encrypted_password = ''"),
        "the squatter's password is gone"
    );
    for password in [PASSWORD, "another horse battery staple"] {
        let sign_in = json!({ "p_email": email, "p_password": password });
        call("sign_in_with_password", &sign_in).expect_failure(401, "invalid_credentials");
    }
    stack.verify(token_of(&squatters)).expect_failure(401, "token_invalid");
}

#[test]
fn a_number_that_was_never_confirmed_opens_no_account_that_somebody_holds() {
    let (stack, phone) = (Stack::shared(), new_phone());
    let (user, _) = confirmed(Some(&phone));
    let to = json!({ "p_phone": phone });
    verify(&to, code(&sent(&to))).expect_failure(403, "not_confirmed");
    assert!(!user_has(user, "phone_confirmed_at IS NOT NULL"));
    let to = json!({ "p_phone": phone, "p_purpose": "confirmation" });
    let signed_in: SignedIn = verify(&to, code(&sent(&to))).data(200);
    assert_eq!(signed_in.user.id, user);
    assert!(user_has(user, "phone_confirmed_at IS NOT NULL AND encrypted_password <> ''"), "all else stays");
    let by_password = json!({ "p_phone": phone, "p_password": PASSWORD });
    stack.back_end("sign_in_with_password", &by_password).expect_success(200);
}

#[test]
fn who_put_an_address_beside_anothers_number_cannot_confirm_it_later() {
    let (stack, email, phone) = (Stack::shared(), new_email("beside"), new_phone());
    let parameters = json!({ "p_email": email, "p_phone": phone, "p_password": PASSWORD });
    let squatters = stack.registered(&parameters);
    let to = json!({ "p_phone": phone });
    verify(&to, code(&sent(&to))).expect_success(200);
    stack.verify(token_of(&squatters)).expect_failure(401, "token_invalid");
    stack.resend(&email).expect_failure(409, "email_exists");
    call("request_password_reset", &json!({ "p_email": email })).expect_failure(403, "not_confirmed");
    stack.register(&parameters).expect_failure(409, "email_exists");
    let by_email = json!({ "p_email": email });
    verify(&by_email, code(&sent(&by_email))).expect_failure(403, "not_confirmed");
    let by_password = json!({ "p_phone": phone, "p_password": PASSWORD });
    call("sign_in_with_password", &by_password).expect_failure(401, "invalid_credentials");
    assert!(user_has(squatters.user.id, "email_confirmed_at IS NULL AND encrypted_password = ''"));
}

#[test]
fn the_number_of_a_registration_is_confirmed_with_all_that_it_brought() {
    let (stack, phone) = (Stack::shared(), new_phone());
    let parameters = json!({ "p_email": new_email("both"), "p_phone": phone, "p_password": PASSWORD });
    let registration = stack.registered(&parameters);
    let to = json!({ "p_phone": phone, "p_purpose": "confirmation" });
    verify(&to, code(&sent(&to))).expect_success(200);
    stack.verified(token_of(&registration));
    let both = "email_confirmed_at IS NOT NULL AND phone_confirmed_at IS NOT NULL AND encrypted_password <> ''";
    assert!(user_has(registration.user.id, both));
}

#[test]
fn who_is_banned_or_deleted_is_sent_no_code_and_signs_in_with_none() {
    for (assignment, status, error) in
        [("banned_until = now() + interval '1 hour'", 403, "user_banned"), ("deleted_at = now()", 410, "user_deleted")]
    {
        let (user, email) = confirmed(None);
        let to = json!({ "p_email": email });
        let sent = sent(&to);
        let update = format!("UPDATE auth.users SET {assignment} WHERE id = $1");
        Stack::shared().admin().execute(&update, &[&user]).unwrap();
        verify(&to, code(&sent)).expect_failure(status, error);
        verify(&to, code(&sent)).expect_failure(410, "otp_expired");
        Stack::shared().admin().execute("DELETE FROM registrar_private.attempts WHERE user_id = $1", &[&user]).unwrap();
        call("send_otp", &to).expect_failure(status, error);
    }
}

#[test]
fn an_address_that_is_somebody_elses_by_now_is_proved_by_no_old_code() {
    let ((first, email), (second, _)) = (confirmed(None), confirmed(None));
    let to = json!({ "p_email": email });
    let sent = sent(&to);
    let mut admin = Stack::shared().admin();
    admin.execute("UPDATE auth.users SET email = $2 WHERE id = $1", &[&first, &new_email("moved")]).unwrap();
    admin.execute("UPDATE auth.users SET email = $2 WHERE id = $1", &[&second, &email]).unwrap();
    verify(&to, code(&sent)).expect_failure(410, "otp_expired");
}

#[test]
fn one_network_address_may_not_guess_at_everybody_nor_send_to_everybody() {
    let stack = Stack::shared();
    let fill = "INSERT INTO registrar_private.attempts (identifier_hash, purpose, occurred_at, succeeded, address)
                SELECT sha256(number::text::bytea), purpose, now() - interval '10 minutes', false, '192.0.2.55'
                FROM generate_series(1, 100) AS number, unnest(ARRAY['otp', 'send_otp', 'send_reset']) AS purpose";
    stack.admin().execute(fill, &[]).unwrap();
    let (_, email) = confirmed(None);
    for (function, parameters) in [
        ("verify_otp", json!({ "p_email": email, "p_code": "123456" })),
        ("send_otp", json!({ "p_email": email })),
        ("request_password_reset", json!({ "p_email": email })),
    ] {
        let from = |address: &str| {
            let request = stack.request(function).key(stack.key(registrar_tests::Role::ServiceRole));
            request.json(&parameters).header("X-Forwarded-For", address).send().unwrap()
        };
        let refused = from("192.0.2.55");
        refused.expect_failure(429, "rate_limited");
        assert!(refused.header("Retry-After").is_some(), "{function}");
        assert_ne!(from("192.0.2.56").status, 429, "{function}");
    }
}

#[test]
fn what_cannot_be_meant_is_told_all_at_once() {
    let refused = call("verify_otp", &json!({ "p_email": "nonsense", "p_purpose": "fun", "p_device_name": "a\nb" }));
    let refused = refused.expect_failure(400, "validation_failed");
    let fields: Vec<_> = refused.errors.iter().filter_map(|error| error.field.as_deref()).collect();
    assert_eq!(fields, ["email", "code", "purpose", "device_name"]);
    for (function, parameters) in [
        ("send_otp", json!({})),
        ("send_otp", json!({ "p_email": "a@example.com", "p_phone": "+12025550123" })),
        ("send_otp", json!({ "p_mobile": "nonsense" })),
        ("send_otp", json!({ "p_email": "a@example.com", "p_purpose": "" })),
        ("verify_otp", json!({ "p_email": "a@example.com" })),
        ("verify_otp", json!({ "p_email": "a@example.com", "p_code": "12345" })),
        ("verify_otp", json!({ "p_email": "a@example.com", "p_code": "abcdef" })),
    ] {
        call(function, &parameters).expect_failure(400, "validation_failed");
    }
    verify(&json!({ "p_email": new_email("nobody") }), "123456").expect_failure(401, "invalid_credentials");
}

#[test]
fn no_code_rests_anywhere() {
    let (stack, (_, email)) = (Stack::shared(), confirmed(None));
    let to = json!({ "p_email": email });
    let sent = sent(&to);
    let wrong = other_than(code(&sent));
    verify(&to, &wrong).expect_failure(401, "invalid_credentials");
    let dump = stack.database().script(&["--inserts", "--schema=registrar_private"]);
    let log = stack.cluster().log().unwrap();
    for secret in [code(&sent), &wrong] {
        assert!(!log.contains(secret), "a code stands in the log");
        assert!(!dump.contains(&format!("'{secret}'")), "a code rests in a table");
    }
}
