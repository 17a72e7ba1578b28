//! The Rust client's calls on profiles against a real stack, with the templates' types.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use registrar_client::profile_templates::{
    AccountProfile, AccountProfileUpdate, EducationLevel, ExperienceLevel, NameProfile, NameProfileUpdate,
    ProfessionalProfile, ProfessionalProfileUpdate, WorkArrangement,
};
use registrar_client::{Client, Error, ErrorCode, Result};
use registrar_tests::{Role, Stack, all};
use serde_json::{Value, json};
use uuid::Uuid;

/// The shared stack with all three templates attached.
fn stack() -> &'static Stack {
    static STACK: OnceLock<&Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let templates =
            "SELECT registrar.create_profile_table('profiles'), registrar.create_profile_table('user_profile')";
        Stack::shared().admin().batch_execute(templates).unwrap();
        Stack::shared()
    })
}

/// Lets one test at a time have the users: some are about all of them.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sql(script: &str) {
    stack().admin().batch_execute(script).unwrap();
}

fn user() -> Uuid {
    stack().new_user(&json!({"field_of_study": "Law"}))
}

fn user_without_profile() -> Uuid {
    let user = user();
    sql(&format!("DELETE FROM public.user_profiles WHERE user_id = '{user}'"));
    user
}

/// Every row of a table, as it lies there.
fn rows(table: &str) -> Vec<String> {
    all(&mut stack().admin(), &format!("SELECT t::text FROM public.{table} AS t ORDER BY 1"), &[])
}

/// Waits for a call. The runtime lives no longer, since the harness has its own blocking connections.
fn wait<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call)
}

fn client(key: String) -> Client {
    Client::builder().postgrest_url(stack().url()).service_role_key(key).build().unwrap()
}

#[test]
fn it_reads_and_writes_each_template_as_its_type() {
    let _turn = turn();
    let user =
        stack().new_user(&json!({"first_name": "Ada", "full_name": "Ada Lovelace", "field_of_study": "Physics"}));
    let profiles = client(stack().key(Role::ServiceRole)).profiles();

    let update = ProfessionalProfileUpdate::new()
        .experience_level(ExperienceLevel::Executive)
        .education_level(EducationLevel::HighSchool)
        .work_arrangement_preference(WorkArrangement::OnSite)
        .skills_technologies(["SQL", "Rust"])
        .field_of_study(None)
        .salary_max(90_000);
    let changed = wait(profiles.update::<ProfessionalProfile>(user, &update)).unwrap();
    let found = wait(profiles.get::<ProfessionalProfile>(user)).unwrap();
    assert_eq!(changed, found);
    let profile = found.profile;
    assert_eq!((profile.user_id, json!(profile.profile_id)), (user, found.profile_id));
    assert_eq!(profile.experience_level, Some(ExperienceLevel::Executive));
    assert_eq!((profile.work_arrangement_preference, profile.salary_max), (WorkArrangement::OnSite, Some(90_000)));
    assert_eq!((profile.skills_technologies, profile.field_of_study), (vec!["SQL".to_owned(), "Rust".into()], None));
    assert!(profile.profile_completed && profile.updated_at > profile.created_at);

    let accounts = profiles.clone().table(AccountProfile::TABLE);
    let account = AccountProfileUpdate::new().last_name("Lovelace").account_type("business");
    let account = wait(accounts.update::<AccountProfile>(user, &account)).unwrap().profile;
    assert_eq!(
        (account.id, account.first_name.as_deref(), account.account_type.as_str()),
        (user, Some("Ada"), "business")
    );
    let names = profiles.table(NameProfile::TABLE);
    let name = wait(names.update::<NameProfile>(user, &NameProfileUpdate::new().full_name("A. Lovelace"))).unwrap();
    assert_eq!(name.profile.full_name.as_deref(), Some("A. Lovelace"));
}

#[track_caller]
fn code<T: std::fmt::Debug>(result: Result<T>) -> ErrorCode {
    match result.unwrap_err() {
        Error::Api { code, status, .. } if status == code.status() => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_tells_each_refusal_by_its_code_and_checks_without_one() {
    let _turn = turn();
    let (there, bare, nobody) = (user(), user_without_profile(), Uuid::new_v4());
    let profiles = client(stack().key(Role::ServiceRole)).profiles();
    assert_eq!(code(wait(profiles.create::<Value>(there, &json!({})))), ErrorCode::ProfileExists);
    assert_eq!(code(wait(profiles.get::<Value>(bare))), ErrorCode::ProfileNotFound);
    assert_eq!(code(wait(profiles.completion_status(nobody))), ErrorCode::UserNotFound);
    assert_eq!(code(wait(profiles.update::<Value>(there, &json!({"nope": 1})))), ErrorCode::ValidationFailed);
    assert_eq!(code(wait(profiles.get::<Value>(None))), ErrorCode::ValidationFailed);
    let check = wait(profiles.verify::<ProfessionalProfile>(bare)).unwrap();
    assert_eq!((check.has_profile, check.profile, check.is_complete), (false, None, false));
    let data = wait(profiles.user_data::<ProfessionalProfile>(there)).unwrap();
    assert_eq!(
        (data.id, data.profile.map(|profile| profile.user_id), data.profile_complete),
        (there, Some(there), true)
    );

    let own = client(stack().secret().user_key(there)).profiles();
    assert_eq!(wait(own.get::<ProfessionalProfile>(None)).unwrap().user_id, there);
    assert_eq!(code(wait(own.get::<Value>(bare))), ErrorCode::Forbidden);
    assert!(matches!(wait(own.stats(1)), Err(Error::Forbidden { .. })), "the gateway refuses the call itself");
}

#[test]
fn it_pages_through_an_export_and_imports_it() {
    let _turn = turn();
    let profiles = client(stack().key(Role::ServiceRole)).profiles();
    let users: Vec<_> = (0..3).map(|_| user()).collect();
    let (mut pages, mut read, mut total) = (profiles.export::<Value>(2), Vec::new(), None);
    while let Some(page) = wait(pages.next()).unwrap() {
        total = total.or(page.total);
        read.extend(page.profiles);
    }
    assert_eq!(total, Some(read.len() as u64));
    assert!(users.iter().all(|user| read.iter().filter(|row| row["user_id"] == json!(user)).count() == 1));
    let before = rows("user_profiles");
    sql("DELETE FROM public.user_profiles");
    assert_eq!(wait(profiles.import(&read)).unwrap().failed, 0);
    assert_eq!(rows("user_profiles"), before);

    let many = profiles.clone().all_or_nothing(true);
    let updates = [(users[0], json!({"salary_min": 3})), (users[1], json!({"salary_min": -3}))];
    assert_eq!(code(wait(many.update_many(&updates))), ErrorCode::ValidationFailed);
    assert_eq!(wait(profiles.update_many(&updates)).unwrap().succeeded, 1);
    assert_eq!(wait(profiles.create_many(&users)).unwrap().failed, 3);
    assert_eq!(wait(profiles.repair(10)).unwrap().remaining, 0);
    assert_eq!(wait(profiles.backfill_batch(None, 1)).unwrap().users, 1);
}
