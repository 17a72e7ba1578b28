//! Who may do what with a row of a profile table: role × operation × own or another's row × template, as PostgREST serves
//! the table and by SQL; and that registrar's calls give a user no more than that.

use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use registrar_tests::{Answer, Method, Role, Stack, all, one};
use serde_json::{Value, json};
use uuid::Uuid;

use Operation::{Delete, Insert, InsertWithheld, Select, Truncate, Update, UpdateUser, UpdateWithheld};
use Outcome::{Done, Nothing, Refused};
use Role::{Anon, Authenticated, ServiceRole};

#[derive(Debug, Clone, Copy)]
enum Operation {
    Select,
    Insert,
    /// With a column among the values that is not the user's to choose.
    InsertWithheld,
    Update,
    /// Of such a column.
    UpdateWithheld,
    /// Giving the row to somebody else.
    UpdateUser,
    Delete,
    Truncate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The row was read or written.
    Done,
    /// It is as if there were no such row.
    Nothing,
    /// With PostgreSQL's `insufficient_privilege`.
    Refused,
}

/// What becomes of an operation on the own row, and on another's.
const RIGHTS: [(Role, Operation, Outcome, Outcome); 24] = [
    (Anon, Select, Refused, Refused),
    (Anon, Insert, Refused, Refused),
    (Anon, InsertWithheld, Refused, Refused),
    (Anon, Update, Refused, Refused),
    (Anon, UpdateWithheld, Refused, Refused),
    (Anon, UpdateUser, Refused, Refused),
    (Anon, Delete, Refused, Refused),
    (Anon, Truncate, Refused, Refused),
    (Authenticated, Select, Done, Nothing),
    (Authenticated, Insert, Done, Refused),
    (Authenticated, InsertWithheld, Refused, Refused),
    (Authenticated, Update, Done, Nothing),
    (Authenticated, UpdateWithheld, Refused, Refused),
    (Authenticated, UpdateUser, Refused, Refused),
    (Authenticated, Delete, Refused, Refused),
    (Authenticated, Truncate, Refused, Refused),
    (ServiceRole, Select, Done, Done),
    (ServiceRole, Insert, Done, Done),
    (ServiceRole, InsertWithheld, Done, Done),
    (ServiceRole, Update, Done, Done),
    (ServiceRole, UpdateWithheld, Done, Done),
    (ServiceRole, UpdateUser, Done, Done),
    (ServiceRole, Delete, Done, Done),
    (ServiceRole, Truncate, Refused, Refused),
];

/// A table made from a template.
struct Table {
    name: &'static str,
    user_column: &'static str,
    field: &'static str,
    /// What registrar or the database keeps, each with a value of its type.
    withheld: &'static [(&'static str, &'static str)],
}

/// Stands for a key that no row has.
const NEW_KEY: &str = "";
const DATES: [(&str, &str); 2] = [("created_at", "2020-01-01T00:00:00Z"), ("updated_at", "2020-01-01T00:00:00Z")];
const PROFESSIONAL: [(&str, &str); 4] = [("profile_id", NEW_KEY), ("profile_completed", "true"), DATES[0], DATES[1]];

const PROFILES: Table = Table { name: "profiles", user_column: "id", field: "first_name", withheld: &DATES };
const USER_PROFILES: Table =
    Table { name: "user_profiles", user_column: "user_id", field: "field_of_study", withheld: &PROFESSIONAL };
/// A variant, under a name of its own.
const STUDENTS: Table = Table { name: "student_profiles", ..USER_PROFILES };
const USER_PROFILE: Table = Table {
    name: "user_profile",
    user_column: "user_id",
    field: "full_name",
    withheld: &[("id", NEW_KEY), DATES[0], DATES[1]],
};

fn stack() -> &'static Stack {
    static STACK: OnceLock<&Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let stack = Stack::shared();
        let templates = r#"SELECT registrar.create_profile_table('profiles'), registrar.create_profile_table('user_profile'),
            registrar.create_profile_table('user_profiles', '{"name": "student_profiles", "required": ["field_of_study"]}')"#;
        stack.admin().batch_execute(templates).unwrap();
        stack.reload_schema();
        let deadline = Instant::now() + Duration::from_secs(30);
        while stack.rows(ServiceRole, "student_profiles?limit=1").status != 200 {
            assert!(Instant::now() < deadline, "the gateway does not see the tables");
            thread::sleep(Duration::from_millis(20));
        }
        stack
    })
}

/// One superuser's connection for all, since there are a thousand attempts to prepare.
fn admin() -> MutexGuard<'static, Client> {
    static ADMIN: OnceLock<Mutex<Client>> = OnceLock::new();
    ADMIN.get_or_init(|| Mutex::new(stack().admin())).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A user who has every profile.
fn user() -> Uuid {
    one(&mut *admin(), "INSERT INTO auth.users (id) VALUES (gen_random_uuid()) RETURNING id", &[])
}

/// An operation on a user's row of a table, with the columns that it writes.
struct Attempt {
    table: &'static Table,
    operation: Operation,
    whose: Uuid,
    columns: Vec<(&'static str, String)>,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self.columns.iter().map(|(column, _)| *column).collect();
        write!(f, "{:?} of {} ({})", self.operation, self.table.name, columns.join(", "))
    }
}

impl Table {
    /// The operation, once for each column that it can be about.
    fn attempts(&'static self, operation: Operation, whose: Uuid) -> Vec<Attempt> {
        let field = (self.field, "new".to_owned());
        let user = |whose: Uuid| (self.user_column, whose.to_string());
        let withheld = || {
            self.withheld.iter().map(|&(column, value)| match value {
                NEW_KEY => (column, Uuid::new_v4().to_string()),
                value => (column, value.to_owned()),
            })
        };
        let columns: Vec<Vec<_>> = match operation {
            Select | Delete | Truncate => vec![vec![]],
            Insert => vec![vec![user(whose), field]],
            InsertWithheld => withheld().map(|column| vec![user(whose), column]).collect(),
            Update => vec![vec![field]],
            UpdateWithheld => withheld().map(|column| vec![column]).collect(),
            UpdateUser => vec![vec![user(self.user_without_row())]],
        };
        columns.into_iter().map(|columns| Attempt { table: self, operation, whose, columns }).collect()
    }

    fn delete(&self, condition: &str) {
        let statement = format!("DELETE FROM public.{} WHERE {condition}", self.name);
        admin().batch_execute(&statement).unwrap();
    }

    fn user_without_row(&self) -> Uuid {
        let user = user();
        self.delete(&format!("{} = '{user}'", self.user_column));
        user
    }
}

impl Attempt {
    /// A row that is to be inserted must not be there.
    fn prepare(&self) {
        if matches!(self.operation, Insert | InsertWithheld) {
            self.table.delete(&format!("{} = '{}'", self.table.user_column, self.whose));
        }
    }

    /// By a connection that has an API role.
    fn by_sql(&self, connection: &mut Client, caller: Uuid) -> Outcome {
        let Table { name, user_column, .. } = self.table;
        let row = format!("WHERE {user_column} = '{}'", self.whose);
        let names: Vec<_> = self.columns.iter().map(|(column, _)| *column).collect();
        let values: Vec<_> = self.columns.iter().map(|(_, value)| format!("'{value}'")).collect();
        let set: Vec<_> = self.columns.iter().map(|(column, value)| format!("{column} = '{value}'")).collect();
        let statement = match self.operation {
            Select => format!("SELECT * FROM public.{name} {row}"),
            Insert | InsertWithheld => {
                format!("INSERT INTO public.{name} ({}) VALUES ({})", names.join(", "), values.join(", "))
            }
            Update | UpdateWithheld | UpdateUser => format!("UPDATE public.{name} SET {} {row}", set.join(", ")),
            Delete => format!("DELETE FROM public.{name} {row}"),
            Truncate => format!("TRUNCATE public.{name}"),
        };
        let claims = json!({ "sub": caller }).to_string();
        connection.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims]).unwrap();
        match connection.execute(&statement, &[]) {
            Ok(0) => Nothing,
            Ok(_) => Done,
            Err(error) if error.code().is_some_and(|code| code.code() == "42501") => Refused,
            Err(error) => panic!("{statement}: {error:?}"),
        }
    }

    fn by_http(&self, role: Role, caller: Uuid) -> Outcome {
        let Table { name, user_column, .. } = self.table;
        let method = match self.operation {
            Select => Method::GET,
            Insert | InsertWithheld => Method::POST,
            Update | UpdateWithheld | UpdateUser => Method::PATCH,
            Delete => Method::DELETE,
            // PostgREST has no such request.
            Truncate => return Refused,
        };
        let query = match self.operation {
            Insert | InsertWithheld => (*name).to_owned(),
            _ => format!("{name}?{user_column}=eq.{}", self.whose),
        };
        let key = stack().secret().sign(&json!({ "role": role.as_str(), "sub": caller }));
        let mut request = stack().table(method, &query).key(key);
        if !self.columns.is_empty() {
            let columns = self.columns.iter().map(|(column, value)| ((*column).to_owned(), json!(value)));
            request = request.json(&Value::Object(columns.collect()));
        }
        outcome(&request.send())
    }
}

#[track_caller]
fn outcome(answer: &Answer) -> Outcome {
    match answer.status {
        200 | 201 if answer.json::<Vec<Value>>().is_empty() => Nothing,
        200 | 201 => Done,
        401 | 403 if answer.json::<Value>()["code"] == "42501" => Refused,
        _ => panic!("{} {}", answer.status, answer.body),
    }
}

/// Tries the whole table of rights, each attempt with users of its own, and tells every difference.
fn try_all(tables: &'static [Table], mut way: impl FnMut(&Attempt, Role, Uuid) -> Outcome) {
    let mut differences = Vec::new();
    for table in tables {
        for (role, operation, own, another) in RIGHTS {
            for (is_own, expected) in [(true, own), (false, another)] {
                let caller = user();
                let whose = if is_own { caller } else { user() };
                for attempt in table.attempts(operation, whose) {
                    attempt.prepare();
                    let found = way(&attempt, role, caller);
                    let row = if is_own { "the own" } else { "another's" };
                    if found != expected {
                        differences.push(format!("{role:?}: {attempt}, {row} row: {found:?}, not {expected:?}"));
                    }
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn by_sql_each_role_has_its_rights_on_each_template_and_no_others() {
    let mut connections = Role::ALL.map(|role| (role, stack().database().connect_as(role).unwrap()));
    try_all(&[PROFILES, USER_PROFILES, USER_PROFILE, STUDENTS], |attempt, role, caller| {
        let (_, connection) = connections.iter_mut().find(|(known, _)| *known == role).unwrap();
        attempt.by_sql(connection, caller)
    });
}

#[test]
fn over_http_each_role_has_its_rights_on_each_template_and_no_others() {
    try_all(&[PROFILES, USER_PROFILES, USER_PROFILE], Attempt::by_http);
}

#[test]
fn without_a_filter_a_user_sees_and_changes_the_own_row_alone() {
    for table in [PROFILES, USER_PROFILES, USER_PROFILE] {
        let (caller, other) = (user(), user());
        let key = stack().secret().user_key(caller);
        for request in [
            stack().table(Method::GET, table.name),
            stack().table(Method::PATCH, table.name).json(&json!({ table.field: "mine" })),
        ] {
            let rows: Vec<Value> = request.key(&key).send().json();
            let users: Vec<_> = rows.iter().map(|row| &row[table.user_column]).collect();
            assert_eq!(users, [&json!(caller)], "{}", table.name);
        }
        let query = format!("SELECT {} FROM public.{} WHERE {} = $1", table.field, table.name, table.user_column);
        assert_eq!(one::<Option<String>>(&mut *admin(), &query, &[&other]), None, "{}", table.name);
    }
}

#[test]
fn whoever_is_signed_in_as_nobody_sees_no_row_and_writes_none() {
    for table in [PROFILES, USER_PROFILES, USER_PROFILE] {
        let whose = user();
        for claims in [json!({"role": "authenticated"}), json!({"role": "authenticated", "sub": ""})] {
            let key = stack().secret().sign(&claims);
            let send = |request: registrar_tests::TableRequest| request.key(&key).send();
            let row = format!("{}?{}=eq.{whose}", table.name, table.user_column);
            assert_eq!(outcome(&send(stack().table(Method::GET, &row))), Nothing, "{claims}");
            let columns = json!({ table.field: "new" });
            assert_eq!(outcome(&send(stack().table(Method::PATCH, &row).json(&columns))), Nothing, "{claims}");
            let columns = json!({ table.user_column: table.user_without_row() });
            assert_eq!(outcome(&send(stack().table(Method::POST, table.name).json(&columns))), Refused, "{claims}");
        }
    }
}

#[test]
fn row_security_stands_on_every_template_with_three_policies_for_users() {
    let policies = "SELECT concat_ws(' ', policyname, cmd, array_to_string(roles, ',')) FROM pg_policies
                    WHERE schemaname = 'public' AND tablename = $1 AND permissive = 'PERMISSIVE' ORDER BY 1";
    stack();
    for table in [PROFILES, USER_PROFILES, USER_PROFILE, STUDENTS] {
        let is_on = "SELECT relrowsecurity FROM pg_class WHERE oid = ('public.' || $1::text)::regclass";
        assert!(one::<bool>(&mut *admin(), is_on, &[&table.name]), "{}", table.name);
        let expected =
            ["INSERT", "SELECT", "UPDATE"].map(|c| format!("registrar_own_row_{} {c} authenticated", c.to_lowercase()));
        assert_eq!(all::<String>(&mut *admin(), policies, &[&table.name]), expected, "{}", table.name);
    }
}

/// A profile table of the app's own, on which nobody has been granted anything.
fn attach_own_table(name: &str) {
    let script = format!(
        "CREATE TABLE public.{name} (user_id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE, city text, plan text);
         SELECT registrar.attach_profile_table('public.{name}', 'user_id', '[\"city\", \"plan\"]');"
    );
    admin().batch_execute(&script).unwrap();
}

/// Calls for the own row, which must be refused for want of a right, and with what the owner can do about it.
#[track_caller]
fn assert_forbidden(user: Uuid, function: &str, parameters: &Value) {
    let error = &stack().rpc_of(user, function, parameters).expect_failure(403, "forbidden").errors[0];
    let hint = error.hint.as_deref().unwrap_or_default();
    assert!(error.message.starts_with("The profile table does not allow it: "), "{error:?}");
    assert!(hint.contains("GRANT") && hint.contains("POLICY"), "{error:?}");
}

#[test]
fn a_call_gives_a_user_no_right_that_the_table_does_not() {
    attach_own_table("members");
    let (owner, user) = (|script: &str| admin().batch_execute(script).unwrap(), user());
    let update = |column: &str| json!({ "p_table": "members", "p_updates": {column: "new"} });
    let own = json!({ "p_table": "members" });
    for function in ["get_profile", "get_profile_completion_status", "verify_user_profile", "get_user_profile_data"] {
        assert_forbidden(user, function, &own);
    }
    assert_forbidden(user, "update_profile", &update("city"));
    assert_forbidden(user, "create_profile", &own);
    let named = json!({ "p_table": "members", "p_user_id": user, "p_updates": {"city": "Bonn"} });
    stack().back_end("update_profile", &named).expect_success(200);

    owner("GRANT SELECT, UPDATE (city, plan) ON public.members TO authenticated");
    stack().rpc_of(user, "update_profile", &update("plan")).expect_success(200);
    owner("REVOKE UPDATE (plan) ON public.members FROM authenticated");
    assert_forbidden(user, "update_profile", &update("plan"));
    stack().rpc_of(user, "update_profile", &update("city")).expect_success(200);
    stack().rpc_of(user, "get_profile", &own).expect_success(200);

    owner("DELETE FROM public.members");
    assert_forbidden(user, "create_profile", &own);
    owner("GRANT INSERT (user_id, city) ON public.members TO authenticated");
    assert_forbidden(user, "create_profile", &json!({ "p_table": "members", "p_values": {"plan": "pro"} }));
    stack()
        .rpc_of(user, "create_profile", &json!({ "p_table": "members", "p_values": {"city": "Bonn"} }))
        .expect_success(201);
}

#[test]
fn a_call_is_under_the_policies_of_the_table() {
    attach_own_table("guests");
    let owner = |script: &str| admin().batch_execute(script).unwrap();
    let city = |user: Uuid| {
        one::<Option<String>>(&mut *admin(), "SELECT city FROM public.guests WHERE user_id = $1", &[&user])
    };
    owner(
        "GRANT SELECT, INSERT, UPDATE ON public.guests TO authenticated;
           ALTER TABLE public.guests ENABLE ROW LEVEL SECURITY;
           CREATE POLICY see ON public.guests FOR SELECT TO authenticated USING (user_id = auth.uid());
           CREATE POLICY add ON public.guests FOR INSERT TO authenticated WITH CHECK (city <> 'Atlantis');",
    );
    let user = user();
    let update = |city: &str| json!({ "p_table": "guests", "p_updates": {"city": city} });
    let refused = stack().rpc_of(user, "update_profile", &update("Bonn")).envelope();
    assert!(!refused.success && city(user).is_none(), "no policy lets a user update: {refused:?}");
    owner(
        "CREATE POLICY move ON public.guests FOR UPDATE TO authenticated USING (user_id = auth.uid())
           WITH CHECK (city <> 'Atlantis')",
    );
    stack().rpc_of(user, "update_profile", &update("Bonn")).expect_success(200);
    assert_forbidden(user, "update_profile", &update("Atlantis"));
    assert_eq!(city(user).as_deref(), Some("Bonn"));

    owner("DELETE FROM public.guests");
    let create = |city: &str| json!({ "p_table": "guests", "p_values": {"city": city} });
    assert_forbidden(user, "create_profile", &create("Atlantis"));
    stack().rpc_of(user, "create_profile", &create("Bonn")).expect_success(201);
}
