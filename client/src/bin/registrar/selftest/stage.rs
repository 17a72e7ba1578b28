//! What a test works with: the API, the database behind it, and names that nobody else has.

use registrar_client::{Client, Error, ErrorCode};
use serde::Deserialize;
use uuid::Uuid;

use super::course::{Course, otherwise};
use crate::context::Context;
use crate::database::{Address, Database};
use crate::failure::Failure;
use crate::steps::Ended;

/// What is needed to change a token's time and to leave no row behind. Row security would hide rows from the removal. A name that is
/// read as a table would be refused to whoever may not look into its schema.
const RIGHTS: &str = "
SELECT jsonb_build_object(
    'is_set_up', count(c.oid) = count(*),
    'role', current_user,
    'lacking', string_agg(needed.privilege || ' on ' || needed.schema || '.' || needed.relation, ', ') FILTER (
        WHERE NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, needed.privilege)
            OR row_security_active(c.oid)
    )
)::text
FROM (VALUES
    ('auth', 'users', 'SELECT'), ('auth', 'users', 'DELETE'),
    ('registrar_private', 'verification_tokens', 'UPDATE'),
    ('registrar_private', 'audit_log', 'SELECT'), ('registrar_private', 'audit_log', 'DELETE')
) AS needed (schema, relation, privilege)
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = needed.schema
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = needed.relation";

#[derive(Deserialize)]
struct Rights {
    is_set_up: bool,
    role: String,
    lacking: Option<String>,
}

pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) database: Database,
    /// For a second connection, where the first one is lost.
    pub(super) address: Address,
    id: Uuid,
}

impl Stage {
    /// # Errors
    /// What stands in the way, told before anything is made.
    pub(super) async fn set(context: &Context<'_>, address: Address) -> Result<Self, Failure> {
        let id = Uuid::new_v4();
        let client = context.settings.build(context.client_builder().user_agent(marker(id)))?;
        let database = Database::connect(&address, context.timeout()).await?;
        database.require_registrar().await?;
        let rights: Rights = database.document("The rights in the database cannot be read", RIGHTS, &[]).await?;
        if !rights.is_set_up {
            let message = format!("registrar is not set up in the database of {address}.");
            return Err(Failure::Unmet {
                exit_code: 1,
                code: "not_set_up",
                message,
                hint: "Run registrar setup.".to_owned(),
            });
        }
        if let Some(lacking) = rights.lacking {
            let message = format!("The role {} could not remove what the test makes: it lacks {lacking}.", rights.role);
            let hint = "Connect as a superuser (in self-hosted Supabase supabase_admin).".to_owned();
            return Err(Failure::Unmet { exit_code: 6, code: "forbidden", message, hint });
        }
        // A statement that waits for a lock would hold up the removal, too.
        let limit = format!("SET statement_timeout = '{}s'", context.timeout().as_secs());
        database.run("The time of statements cannot be limited", &limit).await?;
        Ok(Self { client, database, address, id })
    }

    /// The name that every request of this test bears; the audit log keeps it.
    pub(super) fn marker(&self) -> String {
        marker(self.id)
    }

    /// What every address of this test begins with.
    pub(super) fn email_prefix(&self) -> String {
        format!("registrar-selftest-{}-", self.id.simple())
    }

    /// An address of this test. The domain is reserved for examples, so that nobody gets a mail.
    pub(super) fn email(&self, name: &str) -> String {
        format!("{}{name}@example.com", self.email_prefix())
    }

    /// Whether the API and the database belong together, which the audit log tells: a user made by another database's API could
    /// not be removed.
    pub(super) async fn serves_this_database(&self, course: &mut Course<'_>) -> bool {
        let step = async {
            let unknown = self.client.resend_verification(self.email("nobody")).await;
            match unknown {
                Err(Error::Api { code: ErrorCode::UserNotFound, .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Err(otherwise("An address that nobody has was given a token.".to_owned())),
            }
            let query = "SELECT FROM registrar_private.audit_log
                         WHERE user_id = '00000000-0000-0000-0000-000000000000' AND starts_with(user_agent, $1)";
            match self.database.rows("The audit log cannot be read", query, &[&self.marker()]).await?.len() {
                0 => Err(self.serves_another_database()),
                _ => Ok(Ended::done(format!("{} and {}", self.client.base(), self.address), ())),
            }
        };
        course.take("API and database belong together", step).await.is_some()
    }

    fn serves_another_database(&self) -> Failure {
        Failure::Unmet {
            exit_code: 1,
            code: "another_database",
            message: format!("{} does not serve the database of {}.", self.client.base(), self.address),
            hint:
                "Give the --database-url of the database behind the API; nothing was made but a row of its audit log."
                    .to_owned(),
        }
    }
}

fn marker(id: Uuid) -> String {
    format!("registrar-selftest/{}", id.simple())
}
