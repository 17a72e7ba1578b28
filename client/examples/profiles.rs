//! Changes a profile of the template `user_profiles` and meets a refusal, against the PostgREST of `POSTGREST_URL`.

use registrar_client::profile_templates::{ExperienceLevel, ProfessionalProfile, ProfessionalProfileUpdate};
use registrar_client::{Client, Error, NewUser};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder()
        .postgrest_url(std::env::var("POSTGREST_URL")?) // or .url("https://project.supabase.co")
        .service_role_key(std::env::var("SUPABASE_SERVICE_ROLE_KEY")?)
        .build()?;
    let user_id = client.register(NewUser::new("profile@example.com")).await?.user.id;

    let profiles = client.profiles().table(ProfessionalProfile::TABLE);
    let update = ProfessionalProfileUpdate::new().experience_level(ExperienceLevel::Senior).salary_max(None);
    let changed = profiles.update::<ProfessionalProfile>(user_id, &update).await?;
    println!("complete: {}", changed.profile.profile_completed);

    match profiles.update::<ProfessionalProfile>(user_id, &ProfessionalProfileUpdate::new().salary_min(-1)).await {
        Err(Error::Api { errors, .. }) => println!("refused: {}", errors[0].message),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
