//! The harness: a throwaway PostgreSQL with registrar in it, and a PostgREST-compatible gateway before it.
//!
//! Most suites need one line: `let stack = Stack::shared();` gives the test process its own cluster, database, API roles,
//! profile table and gateway, and `stack.rpc(Role::ServiceRole, "verify_email", json!({…}))` calls it as an app would.
//! What needs a server of its own (a crash, a database that is down, another version) starts a [`Cluster`], a [`Gateway`]
//! or a whole [`Stack`] and owns it; dropping one stops its servers and removes its files.
//!
//! Nothing outlives the process that started it, however that process ends: see [`server_process`].
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod calls;
mod cli;
mod cluster;
mod constraint_call;
mod crash_signs;
mod database;
mod doctor;
mod gateway;
mod jwt;
mod node;
mod own_database;
mod peak_memory;
mod postgres;
mod private_copy;
mod profile_failure;
mod profile_table;
mod program_run;
mod row_counts;
mod rpc;
mod scratch;
pub mod server_process;
mod session;
mod signed_in;
mod signup_outcome;
mod sql_call;
mod stack;
mod supabase_auth;
mod supabase_lite;
mod table_request;
mod terminal;

pub use calls::{new_email, new_phone, token_of};
pub use cli::registrar_program;
pub use cluster::{Cluster, ClusterBuilder};
pub use constraint_call::{ConstraintCall, FixedIn};
pub use database::Database;
pub use doctor::Finding;
pub use gateway::{Gateway, GatewayBuilder};
pub use jwt::{JwtSecret, Role};
pub use node::{check_node, js_directory, run_js_suite};
pub use own_database::{
    bare_supabase_database, connect_as_supabase_auth, empty_database, plain_database, supabase_database,
};
pub use peak_memory::peak_memory;
pub use postgres::{DEFAULT_MAJOR, Installation, Package, SUPPORTED_MAJORS, target_directory};
pub use profile_failure::ProfileFailure;
pub use profile_table::try_attach;
pub use program_run::{Program, ProgramRun};
pub use row_counts::RowCounts;
pub use rpc::{Answer, Http, Rpc};
pub use scratch::{Scratch, sweep};
pub use session::{OpenSession, open_session};
pub use signed_in::profile_calls;
pub use signup_outcome::{SignupOutcome, app_of, app_with, signup_check, try_signup_check};
pub use sql_call::{all, call, one, try_call};
pub use stack::{PROFILE_TABLE, Stack, StackBuilder};
pub use supabase_auth::{AuthUser, Shape, SupabaseAuth};
pub use supabase_lite::SupabaseLite;
pub use table_request::TableRequest;
pub use terminal::run_at_terminal;
pub use ureq::http::Method;
