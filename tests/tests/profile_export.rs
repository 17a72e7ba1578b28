//! Profiles written out and read back by a back end through HTTP: a backup that restores.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use registrar_core::{BulkOutcome, ItemOutcome, ProfilePage};
use registrar_tests::{Stack, all, one};
use serde_json::{Value, json};
use uuid::Uuid;

/// Lets one test at a time have the stack, with no users in it.
fn alone(test: impl FnOnce(&Stack)) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let stack = Stack::shared();
    let script = "DROP TRIGGER IF EXISTS refuse ON public.user_profiles;
                  DELETE FROM auth.users; TRUNCATE registrar_private.audit_log";
    stack.admin().batch_execute(script).unwrap();
    test(stack);
}

fn users<const N: usize>(stack: &Stack) -> [Uuid; N] {
    [(); N].map(|()| sign_up(stack, &json!({})))
}

fn sign_up(stack: &Stack, metadata: &Value) -> Uuid {
    let insert = "INSERT INTO auth.users (id, raw_user_meta_data, created_at) VALUES (gen_random_uuid(), $1, now()) RETURNING id";
    one(&mut stack.admin(), insert, &[metadata])
}

fn rows(stack: &Stack) -> BTreeMap<Uuid, Value> {
    let query = "SELECT user_id, to_jsonb(p) FROM public.user_profiles AS p";
    stack.admin().query(query, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn run(stack: &Stack, script: &str) {
    stack.admin().batch_execute(script).unwrap();
}

/// Each item's user and codes; no code is a success, which names the profile.
#[track_caller]
fn told(outcome: &BulkOutcome) -> Vec<(Option<Uuid>, Vec<&'static str>)> {
    let failed = outcome.results.iter().filter(|item| !item.success).count();
    assert_eq!((outcome.failed, outcome.succeeded), (failed, outcome.results.len() - failed));
    let item = |item: &ItemOutcome| {
        assert_eq!((item.success, item.success), (item.errors.is_empty(), item.profile_id.is_some()), "{item:?}");
        (item.user_id, item.errors.iter().map(|error| error.code.as_str()).collect())
    };
    outcome.results.iter().map(item).collect()
}

fn fields(item: &ItemOutcome) -> Vec<&str> {
    item.errors.iter().map(|error| error.field.as_deref().unwrap_or_default()).collect()
}

/// Inserts a user whose id begins with these digits, and so has a place in the order of exports.
fn user_at(stack: &Stack, place: u32) -> Uuid {
    let id = Uuid::from_u128(u128::from(place) << 96 | 1);
    run(stack, &format!("INSERT INTO auth.users (id, created_at) VALUES ('{id}', now())"));
    id
}

fn export(stack: &Stack, parameters: &Value) -> ProfilePage {
    stack.back_end("export_profiles", parameters).data(200)
}

fn users_of(page: &ProfilePage) -> Vec<Uuid> {
    page.profiles.iter().map(|row| row["user_id"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn an_export_goes_on_after_the_last_user_whoever_signs_up_meanwhile() {
    alone(|stack| {
        let [a, b, c] = [10, 20, 30].map(|place| user_at(stack, place));
        let first = export(stack, &json!({ "p_limit": 2 }));
        assert_eq!((users_of(&first), first.next, first.total), (vec![a, b], Some(b), Some(3)));
        assert_eq!(first.profiles[0], rows(stack)[&a]);

        let (_before, between, last) = (user_at(stack, 15), user_at(stack, 25), user_at(stack, 40));
        run(stack, &format!("DELETE FROM auth.users WHERE id = '{b}'"));
        let second = export(stack, &json!({ "p_limit": 2, "p_after": first.next }));
        assert_eq!((users_of(&second), second.next, second.total), (vec![between, c], Some(c), None));
        let third = export(stack, &json!({ "p_limit": 2, "p_after": second.next }));
        assert_eq!((users_of(&third), third.next, third.total), (vec![last], None, None));
    });
}

/// The rows as they lie there, with the transaction that wrote each.
fn versions(stack: &Stack) -> Vec<String> {
    all(&mut stack.admin(), "SELECT p.xmin || ' ' || p::text FROM public.user_profiles AS p ORDER BY user_id", &[])
}

#[test]
fn an_import_restores_every_row_as_it_was_and_a_second_one_writes_nothing() {
    alone(|stack| {
        let [first, ..] = users::<5>(stack);
        let metadata = json!({"skills_technologies": ["SQL", "\"quoted\", {}"], "field_of_study": "Ægyptology\n\t\\"});
        sign_up(stack, &metadata);
        run(stack, &format!("UPDATE public.user_profiles SET experience_level = NULL WHERE user_id = '{first}'"));
        let (before, backup) = (rows(stack), export(stack, &json!({})).profiles);
        run(stack, "DELETE FROM public.user_profiles");
        let outcome: BulkOutcome = stack.back_end("import_profiles", &json!({ "p_profiles": backup })).data(200);
        assert_eq!((outcome.succeeded, outcome.failed), (6, 0));
        let ids: Vec<_> = outcome.results.iter().map(|item| item.profile_id.clone().unwrap()).collect();
        assert_eq!(ids, backup.iter().map(|row| row["profile_id"].clone()).collect::<Vec<_>>());
        assert_eq!(rows(stack), before, "with profile_id, created_at and updated_at");

        let restored = versions(stack);
        let outcome: BulkOutcome = stack.back_end("import_profiles", &json!({ "p_profiles": backup })).data(200);
        assert_eq!((outcome.succeeded, versions(stack)), (6, restored));
    });
}

#[test]
fn an_import_goes_over_the_rows_that_differ_and_over_no_others() {
    alone(|stack| {
        let [changed, kept] = users(stack);
        let backup = export(stack, &json!({})).profiles;
        let (before, original) = (versions(stack), rows(stack));
        let update = json!({ "p_user_id": changed, "p_updates": {"salary_min": 7, "experience_level": null} });
        stack.back_end("update_profile", &update).expect_success(200);
        stack.back_end("import_profiles", &json!({ "p_profiles": backup })).expect_success(200);
        let now = rows(stack);
        for column in ["salary_min", "experience_level", "profile_completed", "profile_id", "created_at"] {
            assert_eq!(now[&changed][column], original[&changed][column], "{column}");
        }
        assert_eq!(now[&kept], original[&kept]);
        assert_eq!(versions(stack).iter().filter(|version| before.contains(version)).count(), 1, "one was left alone");
    });
}

#[test]
fn a_key_that_postgresql_counts_is_restored_and_never_changed() {
    alone(|stack| {
        run(
            stack,
            "CREATE TABLE public.counted (
                 id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text,
                 user_id uuid UNIQUE REFERENCES auth.users ON UPDATE CASCADE ON DELETE CASCADE);
             SELECT registrar.attach_profile_table('public.counted', 'user_id', '[\"note\"]')",
        );
        for note in ["one", "two"] {
            sign_up(stack, &json!({ "note": note }));
        }
        let rows = || all::<Value>(&mut stack.admin(), "SELECT to_jsonb(c) FROM public.counted AS c ORDER BY id", &[]);
        let (before, page) = (rows(), export(stack, &json!({ "p_table": "counted" })));
        for loss in ["UPDATE public.counted SET note = 'lost'", "DELETE FROM public.counted"] {
            run(stack, loss);
            let parameters = json!({ "p_table": "counted", "p_profiles": page.profiles });
            let outcome: BulkOutcome = stack.back_end("import_profiles", &parameters).data(200);
            assert_eq!((outcome.succeeded, rows()), (2, before.clone()), "{loss}");
        }
        run(stack, "SELECT registrar.detach_profile_table('public.counted'); DROP TABLE public.counted");
    });
}

#[test]
fn rows_that_cannot_be_imported_are_told_and_cost_no_other_row() {
    alone(|stack| {
        users::<6>(stack);
        let (before, mut backup) = (rows(stack), export(stack, &json!({})).profiles);
        run(stack, "DELETE FROM public.user_profiles");
        let nobody = Uuid::new_v4();
        backup[1]["salery_min"] = json!(1);
        backup[2]["user_id"] = json!(nobody);
        backup[3]["experience_level"] = json!("wizard");
        backup[4]["salary_min"] = json!("much");
        backup.push(json!({"salary_min": 1}));
        let outcome: BulkOutcome = stack.back_end("import_profiles", &json!({ "p_profiles": backup })).data(200);
        let codes: Vec<_> = told(&outcome).into_iter().map(|(_, codes)| codes).collect();
        let invalid = || vec!["validation_failed"];
        let expected = [vec![], invalid(), vec!["user_not_found"], invalid(), invalid(), vec![], invalid()];
        assert_eq!(codes, expected);
        let unknown = &outcome.results[1];
        assert_eq!(
            (fields(unknown), unknown.errors[0].hint.as_deref()),
            (vec!["salery_min"], Some("Did you mean salary_min?"))
        );
        assert_eq!((outcome.results[2].user_id, fields(&outcome.results[6])), (Some(nobody), vec!["user_id"]));
        let imported = rows(stack);
        assert_eq!(imported.len(), 2);
        assert!(imported.iter().all(|(user, row)| before[user] == *row), "{imported:?}");
    });
}
