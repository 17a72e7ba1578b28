//! Registers a user and verifies the e-mail address, against the PostgREST of `POSTGREST_URL`.

use registrar_client::{Client, Error, ErrorCode, NewUser};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder()
        .postgrest_url(std::env::var("POSTGREST_URL")?) // or .url("https://project.supabase.co")
        .service_role_key(std::env::var("SUPABASE_SERVICE_ROLE_KEY")?)
        .build()?;

    let new_user = NewUser::new("rust@example.com").full_name("Full Name").password("correct horse battery staple");
    let registration = client.register(new_user).await?;
    let token = registration.verification.expect("a new user has a token").token;
    println!("send this token to rust@example.com: {} characters", token.len());

    let verified = client.verify_email(token).await?;
    println!("verified at {:?}", verified.user.email_confirmed_at);

    match client.register(NewUser::new("rust@example.com")).await {
        Err(Error::Api { code: ErrorCode::EmailExists, .. }) => println!("registered before: sign in instead"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
