//! Many profiles at once, by a back end through HTTP: made, changed, counted, repaired and backfilled.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{Days, NaiveDate};
use registrar_core::{BackfillBatch, BulkOutcome, ItemOutcome, ProfileStats, RepairReport};
use registrar_tests::{Role, Stack, one};
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

/// Has the app's own trigger refuse every profile of this field of study.
fn refuse_alchemists(stack: &Stack) {
    run(
        stack,
        "CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF NEW.field_of_study = 'alchemy' THEN RAISE EXCEPTION 'no alchemists'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON public.user_profiles FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    );
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

#[test]
fn profiles_are_made_with_one_result_for_each_user() {
    alone(|stack| {
        let ([there, missing, late], nobody) = (users(stack), Uuid::new_v4());
        run(stack, &format!("DELETE FROM public.user_profiles WHERE user_id IN ('{missing}', '{late}')"));
        let ids = [missing, there, nobody, late, late];
        let outcome: BulkOutcome = stack.back_end("create_profiles", &json!({ "p_user_ids": ids })).data(200);
        let expected = [
            (Some(missing), vec![]),
            (Some(there), vec!["profile_exists"]),
            (Some(nobody), vec!["user_not_found"]),
            (Some(late), vec![]),
            (Some(late), vec!["profile_exists"]),
        ];
        assert_eq!(told(&outcome), expected);
        let rows = rows(stack);
        assert_eq!(rows.keys().len(), 3);
        assert_eq!(outcome.results[0].profile_id.as_ref(), Some(&rows[&missing]["profile_id"]));

        let mut back_end = stack.database().connect_as(Role::ServiceRole).unwrap();
        let answer: Value = one(&mut back_end, "SELECT registrar.create_profiles(ARRAY[NULL]::uuid[])", &[]);
        assert_eq!(answer["data"]["results"][0]["errors"][0]["field"], "user_id", "{answer}");
    });
}

#[test]
fn all_or_nothing_makes_no_profile_where_one_fails() {
    alone(|stack| {
        let ([missing, there], nobody) = (users(stack), Uuid::new_v4());
        run(stack, &format!("DELETE FROM public.user_profiles WHERE user_id = '{missing}'"));
        let call =
            |ids: &[Uuid]| stack.back_end("create_profiles", &json!({ "p_user_ids": ids, "p_all_or_nothing": true }));
        let errors = call(&[missing, nobody, there]).expect_failure(404, "user_not_found").errors;
        let told: Vec<_> = errors.iter().map(|error| (error.field.as_deref(), error.code.as_str())).collect();
        assert_eq!(told, [(Some("user_ids[1]"), "user_not_found"), (Some("user_ids[2]"), "profile_exists")]);
        assert!(!rows(stack).contains_key(&missing));
        let outcome: BulkOutcome = call(&[missing]).data(200);
        assert_eq!(outcome.succeeded, 1);
    });
}

#[test]
fn profiles_are_changed_with_one_result_for_each_item() {
    alone(|stack| {
        let ([first, second, third, bare], nobody) = (users(stack), Uuid::new_v4());
        run(stack, &format!("DELETE FROM public.user_profiles WHERE user_id = '{bare}'"));
        let item = |user: Uuid, updates: Value| json!({"user_id": user, "updates": updates});
        let updates = json!([
            item(first, json!({"salary_min": 1, "field_of_study": "Law"})),
            item(second, json!({"salary_min": -1, "experience_level": "wizard"})),
            item(third, json!({"salery_min": 1})),
            item(bare, json!({"salary_min": 1})),
            item(nobody, json!({"salary_min": 1})),
            item(third, json!({})),
            {"updates": {"salary_min": 1}},
            item(third, json!({"salary_min": 6})),
        ]);
        let outcome: BulkOutcome = stack.back_end("update_profiles", &json!({ "p_updates": updates })).data(200);
        let expected = [
            (Some(first), vec![]),
            (Some(second), vec!["validation_failed"; 2]),
            (Some(third), vec!["validation_failed"]),
            (Some(bare), vec!["profile_not_found"]),
            (Some(nobody), vec!["user_not_found"]),
            (Some(third), vec!["validation_failed"]),
            (None, vec!["validation_failed"]),
            (Some(third), vec![]),
        ];
        assert_eq!(told(&outcome), expected);
        assert_eq!(fields(&outcome.results[1]), ["experience_level", "salary_min"]);
        assert_eq!(outcome.results[2].errors[0].hint.as_deref(), Some("Did you mean salary_min?"));
        assert_eq!((fields(&outcome.results[5]), fields(&outcome.results[6])), (vec!["updates"], vec!["user_id"]));
        let rows = rows(stack);
        assert_eq!((&rows[&first]["salary_min"], &rows[&first]["field_of_study"]), (&json!(1), &json!("Law")));
        assert_eq!((&rows[&second]["salary_min"], &rows[&third]["salary_min"]), (&Value::Null, &json!(6)));
    });
}

#[test]
fn all_or_nothing_changes_nothing_and_names_the_place_of_every_error() {
    alone(|stack| {
        let [first, second, third] = users(stack);
        let before = rows(stack);
        let call = |level: &str, least: i32| {
            let updates = json!([
                {"user_id": first, "updates": {"salary_min": 1}},
                {"user_id": second, "updates": {"experience_level": level}},
                {"user_id": third, "updates": {"salary_min": least, "salary_max": least}},
            ]);
            stack.back_end("update_profiles", &json!({ "p_updates": updates, "p_all_or_nothing": true }))
        };
        let errors = call("wizard", -5).expect_failure(400, "validation_failed").errors;
        let told: Vec<_> = errors.iter().map(|error| error.field.as_deref().unwrap_or_default()).collect();
        assert_eq!(told, ["updates[1].experience_level", "updates[2].salary_min", "updates[2].salary_max"]);
        assert_eq!(rows(stack), before);
        let outcome: BulkOutcome = call("senior", 5).data(200);
        assert_eq!((outcome.succeeded, outcome.failed), (3, 0));
        assert_eq!(rows(stack)[&third]["salary_min"], 5);
    });
}

#[test]
fn what_is_no_list_of_items_is_refused_as_a_whole() {
    alone(|stack| {
        let [user] = users(stack);
        let before = rows(stack);
        let good = json!({"user_id": user, "updates": {"salary_min": 1}});
        let with = |key: &str, value: Value| {
            let mut item = good.clone();
            item[key] = value;
            json!([good, item])
        };
        for updates in [
            Value::Null,
            json!({}),
            json!([]),
            json!("text"),
            json!([1]),
            json!([{"user_id": user}]),
            with("updates", json!([])),
            with("user_id", json!("nobody")),
            with("salary_min", json!(1)),
            json!(vec![&good; 10_001]),
        ] {
            let answer = stack.back_end("update_profiles", &json!({ "p_updates": updates }));
            let errors = answer.expect_failure(400, "validation_failed").errors;
            assert_eq!(errors[0].field.as_deref(), Some("updates"), "{}", answer.body);
        }
        for profiles in [Value::Null, json!({}), json!([]), json!([1]), json!(vec![json!({"user_id": user}); 10_001])] {
            let answer = stack.back_end("import_profiles", &json!({ "p_profiles": profiles }));
            let errors = answer.expect_failure(400, "validation_failed").errors;
            assert_eq!(errors[0].field.as_deref(), Some("profiles"), "{}", answer.body);
        }
        for ids in [vec![], vec![user; 10_001]] {
            let answer = stack.back_end("create_profiles", &json!({ "p_user_ids": ids }));
            answer.expect_failure(400, "validation_failed");
        }
        for function in ["export_profiles", "backfill_profiles_batch", "repair_profiles"] {
            for limit in [0, -1, 10_001] {
                let answer = stack.back_end(function, &json!({ "p_limit": limit }));
                let errors = answer.expect_failure(400, "validation_failed").errors;
                assert_eq!(errors[0].field.as_deref(), Some("limit"), "{function}");
            }
        }
        for days in [0, -1, 367] {
            stack.back_end("profile_stats", &json!({ "p_days": days })).expect_failure(400, "validation_failed");
        }
        assert_eq!(rows(stack), before);
    });
}

/// The day, UTC, of a scenario that does not run over midnight.
fn on_one_day(scenario: impl Fn()) -> NaiveDate {
    let today = || one(&mut Stack::shared().admin(), "SELECT (now() AT TIME ZONE 'UTC')::date", &[]);
    loop {
        let day = today();
        scenario();
        if day == today() {
            return day;
        }
    }
}

#[test]
fn statistics_count_what_is_there() {
    alone(|stack| {
        let stats = || -> ProfileStats { stack.back_end("profile_stats", &json!({ "p_days": 3 })).data(200) };
        let today = on_one_day(|| {
            run(stack, "DELETE FROM auth.users; TRUNCATE registrar_private.audit_log");
            refuse_alchemists(stack);
            let [.., old, older, bare] = users::<6>(stack);
            run(stack, &format!("UPDATE auth.users SET created_at = now() - interval '1 day' WHERE id = '{old}'"));
            run(stack, &format!("UPDATE auth.users SET created_at = now() - interval '3 days' WHERE id = '{older}'"));
            run(stack, &format!("DELETE FROM public.user_profiles WHERE user_id = '{bare}'"));
            let clear = |column: &str, user: Uuid| {
                run(stack, &format!("UPDATE public.user_profiles SET {column} = NULL WHERE user_id = '{user}'"));
            };
            for column in ["experience_level", "education_level", "years_of_experience"] {
                clear(column, old);
            }
            clear("experience_level", older);
            sign_up(stack, &json!({"years_of_experience": "many", "experience_level": "wizard"}));
            for _ in 0..2 {
                sign_up(stack, &json!({"field_of_study": "alchemy"}));
            }
        });
        let ago = |days| today - Days::new(days);
        let expected = json!({
            "table": "public.user_profiles",
            "users": 9, "profiles": 6, "without_profile": 3, "complete": 4, "incomplete": 2,
            "completion_distribution": [
                {"percentage": 0, "profiles": 1}, {"percentage": 66, "profiles": 1}, {"percentage": 100, "profiles": 4},
            ],
            "missing_fields": [
                {"field": "experience_level", "profiles": 2},
                {"field": "education_level", "profiles": 1},
                {"field": "years_of_experience", "profiles": 1},
            ],
            "days": [
                {"day": today, "sign_ups": 7, "failures": 2},
                {"day": ago(1), "sign_ups": 1, "failures": 0},
                {"day": ago(2), "sign_ups": 0, "failures": 0},
            ],
            "open_failures": 2, "warnings": 2,
        });
        assert_eq!(json!(stats()), expected);

        run(stack, "DROP TRIGGER refuse ON public.user_profiles");
        stack.back_end("repair_profiles", &json!({})).expect_success(200);
        let ProfileStats { profiles, without_profile, open_failures, days, .. } = stats();
        assert_eq!((profiles, without_profile, open_failures), (8, 1, 0));
        assert_eq!(days[0].failures, 2, "what was repaired has failed all the same");
    });
}

/// Inserts a user whose id begins with these digits, and so has a place in the order of exports.
fn user_at(stack: &Stack, place: u32) -> Uuid {
    let id = Uuid::from_u128(u128::from(place) << 96 | 1);
    run(stack, &format!("INSERT INTO auth.users (id, created_at) VALUES ('{id}', now())"));
    id
}

#[test]
fn a_repair_says_what_it_mended_and_why_the_rest_fails() {
    alone(|stack| {
        refuse_alchemists(stack);
        let failing = [(); 2].map(|()| sign_up(stack, &json!({"field_of_study": "alchemy"})));
        let repair =
            |limit: i32| -> RepairReport { stack.back_end("repair_profiles", &json!({ "p_limit": limit })).data(200) };
        let report = repair(1000);
        assert_eq!((report.attempted, report.repaired, report.failed, report.remaining), (2, 0, 2, 2));
        for failure in &report.failures {
            assert!(failing.contains(&failure.user_id));
            assert_eq!((failure.table.as_str(), failure.sqlstate.as_str()), ("public.user_profiles", "P0001"));
            assert_eq!(failure.message, "no alchemists");
            assert!(failure.hint.as_deref().is_some_and(|hint| hint.contains("trigger on public.user_profiles")));
        }
        run(stack, "DROP TRIGGER refuse ON public.user_profiles");
        let report = repair(1);
        assert_eq!((report.attempted, report.repaired, report.failed, report.remaining), (1, 1, 0, 1));
        let report = repair(1000);
        assert_eq!((report.attempted, report.repaired, report.failed, report.remaining), (1, 1, 0, 0));
        assert_eq!(repair(1000).attempted, 0);
        assert!(failing.iter().all(|user| rows(stack)[user]["field_of_study"] == "alchemy"));
    });
}

#[test]
fn a_backfill_looks_at_every_user_once_and_makes_what_is_missing() {
    alone(|stack| {
        let ids = [10, 20, 30, 40, 50].map(|place| user_at(stack, place));
        let made = rows(stack).remove(&ids[0]).unwrap();
        run(stack, &format!("DELETE FROM public.user_profiles WHERE user_id <> '{}'", ids[0]));
        refuse_alchemists(stack);
        let alchemist = r#"UPDATE auth.users SET raw_user_meta_data = '{"field_of_study": "alchemy"}' WHERE id = "#;
        run(stack, &format!("{alchemist} '{}'", ids[3]));
        let batch = |after: Option<Uuid>| -> BackfillBatch {
            let mut parameters = json!({ "p_limit": 2 });
            if let Some(after) = after {
                parameters["p_after"] = json!(after);
            }
            stack.back_end("backfill_profiles_batch", &parameters).data(200)
        };
        let batch_of = |users, created, failed, next, total| BackfillBatch { users, created, failed, next, total };
        assert_eq!(batch(None), batch_of(2, 1, 0, Some(ids[1]), Some(5)));
        assert_eq!(batch(Some(ids[1])), batch_of(2, 1, 1, Some(ids[3]), None));
        assert_eq!(batch(Some(ids[3])), batch_of(1, 1, 0, None, None));
        assert_eq!(batch(None), batch_of(2, 0, 0, Some(ids[1]), Some(5)), "a second time nothing is missing");
        let rows = rows(stack);
        assert_eq!((rows.len(), rows.get(&ids[3])), (4, None));
        assert_eq!(rows[&ids[0]], made, "who has a profile keeps it");
        let report: RepairReport = stack.back_end("repair_profiles", &json!({})).data(200);
        assert_eq!((report.failed, report.failures[0].user_id), (1, ids[3]));
    });
}
