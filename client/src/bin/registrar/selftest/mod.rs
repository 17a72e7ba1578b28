//! `registrar selftest`

mod administration;
mod changing;
mod codes_and_passwords;
mod course;
mod fictional_phone;
mod interruption;
mod profiles;
mod refusals;
mod registering;
mod removal;
mod signing_in;
mod stage;

use clap::Args;

use crate::context::Context;
use crate::database::DatabaseUrl;
use crate::failure::Failure;
use crate::steps::{Ended, Steps};
use course::Course;
use interruption::Interruption;
use stage::Stage;

/// Try every call with a user made for it, provoke every documented error, and remove all of it
///
/// Each step is told with its time. It works through the API like a back end, and removes what it made over a direct connection, the
/// records of it too; Ctrl-C ends it early, and what was made is removed in any case.
#[derive(Args)]
pub(crate) struct Selftest {
    #[command(flatten)]
    database: DatabaseUrl,
}

impl Selftest {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        // Before the connection: what cannot be removed afterwards is not made.
        let address = self.database.address(context)?.ok_or_else(|| DatabaseUrl::missing("selftest"))?;
        let stage = Stage::set(context, address).await?;
        let interruption = Interruption::expect()?;
        let mut course = Course::new(Steps::new(context.format()), &interruption);
        if stage.serves_this_database(&mut course).await {
            let user = registering::steps(&stage, &mut course).await;
            if let Some(user) = user {
                profiles::steps(&stage, &mut course, user).await;
            }
            administration::steps(&stage, &mut course).await;
            signing_in::steps(&stage, &mut course).await;
            refusals::steps(&stage, &mut course, context).await;
        }
        let mut steps = course.end();
        steps.take("remove what was made", removal::remove(&stage, context.timeout())).await;
        if interruption.has_come() {
            steps.take("the whole test", async { Err::<Ended<()>, _>(interruption::ended_early()) }).await;
        }
        steps.finish("Every call does what is documented, and nothing is left behind.", HINT, Some(1))
    }
}

const HINT: &str = "Run registrar doctor, and look at the log of the database for the time of the step that failed.";
