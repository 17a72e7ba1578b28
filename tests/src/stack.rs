//! Everything at once: a cluster, a database with registrar in it, the API roles and a gateway.

use std::sync::OnceLock;

use ::postgres::Client;
use anyhow::Result;
use serde_json::Value;

use crate::cluster::{Cluster, ClusterBuilder};
use crate::database::{Database, PROFILE_TABLE as TABLE};
use crate::gateway::Gateway;
use crate::jwt::{JwtSecret, Role};
use crate::postgres::Installation;
use crate::rpc::{Answer, Http, Rpc};

/// The profile table of a stack, in the schema `public`.
pub const PROFILE_TABLE: &str = TABLE;

/// How a [`Stack`] is made.
#[derive(Debug)]
pub struct StackBuilder {
    cluster: ClusterBuilder,
    gateway_settings: Vec<(String, String)>,
}

impl StackBuilder {
    /// Sets a parameter of the database server.
    #[must_use]
    pub fn server_setting(mut self, name: &str, value: &str) -> Self {
        self.cluster = self.cluster.setting(name, value);
        self
    }

    /// Sets an environment variable of the gateway.
    #[must_use]
    pub fn gateway_setting(mut self, name: &str, value: &str) -> Self {
        self.gateway_settings.push((name.into(), value.into()));
        self
    }

    /// Starts everything.
    pub fn start(self) -> Result<Stack> {
        let cluster = self.cluster.start()?;
        let database = cluster.create_database("app")?;
        database.install_registrar()?;
        database.create_authenticator()?;
        let secret = JwtSecret::random();
        let gateway = Gateway::builder(&database, &secret);
        let gateway = self.gateway_settings.iter().fold(gateway, |gateway, (name, value)| gateway.setting(name, value));
        let gateway = gateway.start()?;
        Ok(Stack { gateway, database, secret, http: Http::default(), cluster })
    }
}

/// A running stack; dropped, all of it stops. Fields are dropped in this order: the gateway goes before its database.
#[derive(Debug)]
pub struct Stack {
    gateway: Gateway,
    database: Database,
    secret: JwtSecret,
    http: Http,
    cluster: Cluster,
}

impl Stack {
    /// The test process's own stack, started by the first test that asks for it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Stack> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("the stack does not start: {error:?}")))
    }

    /// A stack of the version under test.
    pub fn start() -> Result<Self> {
        Self::builder()?.start()
    }

    /// A stack of the version under test, with settings to come.
    pub fn builder() -> Result<StackBuilder> {
        Ok(Self::builder_with(Installation::under_test()?))
    }

    /// A stack of a given PostgreSQL.
    pub fn builder_with(installation: Installation) -> StackBuilder {
        StackBuilder { cluster: Cluster::builder_with(installation), gateway_settings: Vec::new() }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The cluster, to stop and start it.
    pub fn cluster_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The gateway, to stop and start it.
    pub fn gateway_mut(&mut self) -> &mut Gateway {
        &mut self.gateway
    }

    /// The database that registrar is in.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A superuser's connection to it.
    ///
    /// # Panics
    /// Where there is none to be had.
    pub fn admin(&self) -> Client {
        self.database.admin().unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// The secret of the keys.
    pub fn secret(&self) -> &JwtSecret {
        &self.secret
    }

    /// A role's key.
    pub fn key(&self, role: Role) -> String {
        self.secret.key(role)
    }

    /// The gateway's address.
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// Calls a function of the schema `registrar` as a role.
    ///
    /// # Panics
    /// Where there is no HTTP answer.
    #[track_caller]
    pub fn rpc(&self, role: Role, function: &str, parameters: &Value) -> Answer {
        let answer = self.request(function).key(self.key(role)).json(parameters).send();
        answer.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// A call to be put together: other keys, other bodies, other headers.
    pub fn request(&self, function: &str) -> Rpc {
        Rpc::new(&self.http, &self.url(), function)
    }

    /// Reads a table or view of the schema `public` as a role, e.g. `user_profiles?user_id=eq.…`.
    ///
    /// # Panics
    /// Where there is no HTTP answer.
    #[track_caller]
    pub fn rows(&self, role: Role, query: &str) -> Answer {
        let answer = self.http.get(&format!("{}/{query}", self.url()), &self.key(role));
        answer.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Has the gateway read the schema again, after a test has changed it.
    pub fn reload_schema(&self) {
        self.admin().batch_execute("NOTIFY pgrst, 'reload schema'").unwrap_or_else(|error| panic!("{error:?}"));
    }
}
