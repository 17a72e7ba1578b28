//! What is compared inside the database: registrar, the floor and the twin, each as a procedure that registers N fresh users.

use anyhow::{Context, Result, ensure};
use postgres::Client;

use super::floor;

/// A hash that passes every check; nobody's.
pub(super) const PASSWORD_HASH: &str = "$2a$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/// Registrations that are not counted, so that plans and caches are warm.
const WARM_UP: i32 = 200;

/// One way to register a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Registrar,
    Floor,
    Twin,
}

impl Contender {
    pub(super) const ALL: [Contender; 3] = [Contender::Registrar, Contender::Floor, Contender::Twin];

    fn procedure(self) -> &'static str {
        match self {
            Contender::Registrar => "bench.run_registrar",
            Contender::Floor => "bench.run_floor",
            Contender::Twin => "bench.run_twin",
        }
    }

    /// Which triggers on `auth.users` are its own. Foreign keys are checked in any case: USER leaves them alone.
    fn triggers(self) -> &'static str {
        match self {
            Contender::Registrar => "ENABLE TRIGGER USER, DISABLE TRIGGER bench_handle_new_user",
            Contender::Floor => "DISABLE TRIGGER USER",
            Contender::Twin => "DISABLE TRIGGER USER, ENABLE TRIGGER bench_handle_new_user",
        }
    }

    /// Microseconds for one registration, over `calls` of them into empty tables.
    pub(super) fn measure(self, client: &mut Client, calls: i32) -> Result<f64> {
        client.batch_execute(&format!("ALTER TABLE auth.users {}", self.triggers()))?;
        client.batch_execute("CALL bench.empty_tables()")?;
        let call = format!("CALL {}($1, $2)", self.procedure());
        let warm_up = client.execute(&format!("CALL {}({WARM_UP}, NULL)", self.procedure()), &[]);
        warm_up.with_context(|| format!("{self:?} cannot register"))?;
        client.batch_execute("CALL bench.empty_tables()")?;
        let call = call.replace("$1", &calls.to_string()).replace("$2", "NULL");
        let took: f64 = client.query_one(&call, &[])?.get(0);
        let made: i64 = client
            .query_one("SELECT count(*) FROM public.user_profiles JOIN auth.identities USING (user_id)", &[])?
            .get(0);
        ensure!(made == i64::from(calls), "{self:?} made {made} users with profile and identity in {calls} calls");
        Ok(took)
    }
}

/// Makes the procedures, and the twin itself.
pub(super) fn prepare(client: &mut Client) -> Result<()> {
    client.batch_execute("CREATE SCHEMA bench")?;
    let floor = floor::statements(client)?;
    client.batch_execute(include_str!("twin.sql")).context("the twin cannot be made")?;
    let tables = floor.iter().map(|insert| insert.table.as_str()).collect::<Vec<_>>().join(", ");
    client.batch_execute(&format!(
        "CREATE PROCEDURE bench.empty_tables() LANGUAGE plpgsql AS $$
         BEGIN TRUNCATE {tables}, bench.verification_tokens, bench.audit_log, bench.profile_failures CASCADE; END $$"
    ))?;
    let inserts: String = floor.iter().map(|insert| format!("{};\n", insert.statement)).collect();
    for (contender, work) in [
        (
            Contender::Registrar,
            "answer := registrar.register_user_with_token(p_email => email, p_password_hash => hash);",
        ),
        (Contender::Floor, inserts.as_str()),
        (Contender::Twin, "answer := bench.register_user_with_token(p_email => email, p_password_hash => hash);"),
    ] {
        client.batch_execute(&loop_around(contender, work))?;
    }
    Ok(())
}

/// One transaction for each call, as each RPC is one.
fn loop_around(contender: Contender, work: &str) -> String {
    format!(
        "CREATE PROCEDURE {}(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $procedure$
         DECLARE
             hash text := '{PASSWORD_HASH}';
             started timestamptz := clock_timestamp();
             answer jsonb;
             id uuid;
             email text;
         BEGIN
             FOR number IN 1..calls LOOP
                 id := gen_random_uuid();
                 email := 'user' || number || '@example.com';
                 {work}
                 COMMIT;
             END LOOP;
             microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
         END $procedure$",
        contender.procedure()
    )
}
