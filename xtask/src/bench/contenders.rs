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

    /// With whose rights it runs: a back end calls the functions, which belong to `registrar_owner`; the floor is what that
    /// role could do at least. Nobody registers users as superuser, whose rights cost nothing to check.
    fn role(self) -> &'static str {
        match self {
            Contender::Registrar | Contender::Twin => "service_role",
            Contender::Floor => "registrar_owner",
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
        self.run(client, WARM_UP)?;
        client.batch_execute("CALL bench.empty_tables()")?;
        let took = self.run(client, calls)?;
        let made: i64 = client
            .query_one("SELECT count(*) FROM public.user_profiles JOIN auth.identities USING (user_id)", &[])?
            .get(0);
        ensure!(made == i64::from(calls), "{self:?} made {made} users with profile and identity in {calls} calls");
        Ok(took)
    }
}

impl Contender {
    fn run(self, client: &mut Client, calls: i32) -> Result<f64> {
        client.batch_execute(&format!("SET ROLE {}", self.role()))?;
        let took = client.query_one(&format!("CALL {}({calls}, NULL)", self.procedure()), &[]);
        client.batch_execute("RESET ROLE")?;
        Ok(took.with_context(|| format!("{self:?} cannot register"))?.get(0))
    }
}

/// Makes the procedures, and the twin itself.
pub(super) fn prepare(client: &mut Client) -> Result<()> {
    client.batch_execute("CREATE SCHEMA bench")?;
    let floor = floor::of_a_registration(client)?;
    client.batch_execute(include_str!("twin.sql")).context("the twin cannot be made")?;
    let tables = floor.inserts.iter().map(|insert| insert.table.as_str()).collect::<Vec<_>>().join(", ");
    client.batch_execute(&format!(
        "CREATE PROCEDURE bench.empty_tables() LANGUAGE plpgsql AS $$
         BEGIN TRUNCATE {tables}, bench.verification_tokens, bench.audit_log, bench.profile_failures CASCADE; END $$"
    ))?;
    let inserts: String = floor.inserts.iter().map(|insert| format!("{};\n", insert.statement)).collect();
    for (contender, work) in [
        (
            Contender::Registrar,
            "answer := registrar.register_user_with_token(p_email => email, p_password_hash => hash);",
        ),
        (Contender::Floor, inserts.as_str()),
        (Contender::Twin, "answer := bench.register_user_with_token(p_email => email, p_password_hash => hash);"),
    ] {
        let documents: &[String] = if contender == Contender::Floor { &floor.documents } else { &[] };
        client.batch_execute(&loop_around(contender, work, documents))?;
    }
    client.batch_execute(RIGHTS)?;
    Ok(())
}

/// The twin belongs to the same role as registrar's functions, and that role may write what the floor writes.
const RIGHTS: &str = "
    GRANT USAGE ON SCHEMA bench TO service_role, registrar_owner;
    GRANT ALL ON ALL TABLES IN SCHEMA bench TO registrar_owner;
    GRANT ALL ON public.user_profiles TO registrar_owner;
    GRANT REFERENCES ON auth.users TO registrar_owner;
    ALTER FUNCTION bench.handle_new_user OWNER TO registrar_owner;
    ALTER FUNCTION bench.register_user_with_token OWNER TO registrar_owner;";

/// One transaction for each call, as each RPC is one. What a client would send is made before the clock starts.
fn loop_around(contender: Contender, work: &str, documents: &[String]) -> String {
    let lines = |line: &dyn Fn(usize, &String) -> String| -> String {
        documents.iter().enumerate().map(|(place, document)| line(place, document)).collect()
    };
    format!(
        "CREATE PROCEDURE {procedure}(calls integer, INOUT microseconds float8) LANGUAGE plpgsql AS $procedure$
         DECLARE
             hash text := '{PASSWORD_HASH}';
             ids uuid[] := ARRAY(SELECT gen_random_uuid() FROM generate_series(1, calls));
             emails text[] := ARRAY(SELECT 'user' || number || '@example.com' FROM generate_series(1, calls) AS number);
             {document_arrays}
             started timestamptz := clock_timestamp();
             answer jsonb;
             id uuid;
             email text;
             {document_variables}
         BEGIN
             FOR number IN 1..calls LOOP
                 id := ids[number];
                 email := emails[number];
                 {document_assignments}
                 {work}
                 COMMIT;
             END LOOP;
             microseconds := extract(epoch FROM clock_timestamp() - started) * 1e6 / calls;
         END $procedure$",
        procedure = contender.procedure(),
        document_arrays = lines(&|place, document| {
            format!(
                "documents_{place} text[] := ARRAY(SELECT {document} FROM unnest(ids, emails) AS made (id, email));"
            )
        }),
        document_variables = lines(&|place, _| format!("document_{place} text;")),
        document_assignments = lines(&|place, _| format!("document_{place} := documents_{place}[number];")),
    )
}
