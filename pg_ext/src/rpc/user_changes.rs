//! `create_user` and `update_user`.

use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use registrar_core::{
    Email, ErrorCode, FieldError, Metadata, PasswordHash, Phone, UserChange, UserCreate, UserSaved, UserUpdate,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{Done, Refusal, answer};
use super::caller::Caller;
use super::identifier::Identifier;
use super::limits;
use super::registration::{email_exists, issue_token, phone_exists};
use super::sign_in::check_standing;
use super::users::no_user;
use crate::pg::{self, Jsonb};
use crate::settings;
use crate::store::attempts::{self, Purpose};
use crate::store::audit_log::Action;
use crate::store::message_sender::{self, Message};
use crate::store::sessions::{self, EndReason, Which};
use crate::store::user_changes::{self, Change, Stored};
use crate::store::users::{self, NewUser};
use crate::store::{
    credentials, from_pg_uuid, identities, pending_registrations, roles, user_view, verification_tokens,
};

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn create_user(p_values: default!(Option<Jsonb>, "'{}'")) -> Jsonb {
    let caller = Caller::current();
    let values = UserCreate::parse(&p_values.map_or_else(|| "{}".to_owned(), Jsonb::into_text));
    let checked = values.and_then(|values| Ok((values.check(&settings::rules())?, values)));
    // Hashed here, before any row is locked.
    let made = checked.map(|(change, values)| (hash(&change), change, values));
    pg::as_registrar(|| {
        answer(Action::CreateUser, |client, _| {
            caller.require_trusted()?;
            let (hash, change, values) = made.as_ref().map_err(|errors| refused(None, errors.clone()))?;
            create(client, values, change, hash.as_ref())
        })
    })
}

fn hash(change: &UserChange) -> Option<PasswordHash> {
    change.credential.clone().map(|credential| credential.into_hash(&settings::hash_policy()))
}

fn refused(user_id: Option<Uuid>, errors: Vec<FieldError>) -> Refusal {
    Refusal::Errors { errors, user_id }
}

fn create(
    client: &mut SpiClient<'_>,
    values: &UserCreate,
    change: &UserChange,
    hash: Option<&PasswordHash>,
) -> Result<Done<UserSaved>, Refusal> {
    let role = roles::resolve(client, values.role.as_deref())?;
    let email = change.email.iter().flatten().next().map(Email::as_str);
    let phone = change.phone.iter().flatten().next().map(Phone::digits);
    let (id, now) = (Uuid::new_v4(), pg::transaction_start());
    check_free(client, id, email, phone)?;
    let metadata: Map<String, Value> = change
        .metadata
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let claims = match (email, phone) {
        (None, Some(phone)) => users::phone_claims(id, phone, &metadata),
        (email, _) => users::claims(id, email.unwrap_or_default(), false, &metadata),
    };
    let claims = claims.into();
    let user =
        NewUser { id, email, phone, password_hash: hash.map(PasswordHash::expose), role: &role, claims: &claims };
    users::insert(client, &user, now)?;
    identities::insert(client, id, user.provider(), &claims, now);
    let flags = UserUpdate {
        is_active: values.is_active,
        is_superuser: values.is_superuser,
        is_verified: values.is_verified.filter(|is_verified| *is_verified),
        ..UserUpdate::default()
    };
    if !flags.to_json().is_empty() {
        let stored = user_changes::lock(client, id).ok_or_else(no_user)?;
        let unchanged = UserChange { email: None, phone: None, credential: None, metadata: Map::new() };
        apply(client, id, &stored, &Wish { update: &flags, change: &unchanged, role: None })?;
    }
    let unverified = email.filter(|_| values.is_verified != Some(true));
    let verification = unverified.map(|email| issue_token(client, id, email, verification_tokens::insert));
    let user = user_view::of_id(client, id).ok_or_else(no_user)?;
    let data = UserSaved { user, verification, sessions_ended: 0 };
    Ok(Done { status: 201, message: "User created successfully".into(), user_id: Some(id), data })
}

/// # Errors
/// `email_exists` and `phone_exists` where another user has the address or number, `validation_failed` where there is no place for one.
fn check_free(
    client: &mut SpiClient<'_>,
    user_id: Uuid,
    email: Option<&str>,
    phone: Option<&str>,
) -> Result<(), Refusal> {
    if phone.is_some() && !users::keeps_phones(client) {
        return Err(users::no_phones().into());
    }
    let mut errors = Vec::new();
    let email_owner = email.and_then(|email| credentials::of_email(client, email)).map(|found| found.user_id);
    if email_owner.is_some_and(|owner| owner != user_id) {
        errors.push(email_exists());
    }
    let phone_owner = phone.and_then(|phone| users::phone_owner(client, phone));
    if phone_owner.is_some_and(|owner| owner != user_id) {
        errors.push(phone_exists());
    }
    if errors.is_empty() { Ok(()) } else { Err(refused(email_owner.or(phone_owner), errors)) }
}

#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn update_user(p_user_id: default!(Option<pgrx::Uuid>, "NULL"), p_updates: default!(Option<Jsonb>, "'{}'")) -> Jsonb {
    let caller = Caller::current();
    let update = UserUpdate::parse(&p_updates.map_or_else(|| "{}".to_owned(), Jsonb::into_text));
    pg::as_registrar(|| {
        answer(Action::UpdateUser, |client, _| {
            let user_id = caller.own_or_named(p_user_id.map(from_pg_uuid))?;
            let update = update.as_ref().map_err(|errors| refused(Some(user_id), errors.clone()))?;
            change_user(client, caller, user_id, update)
        })
    })
}

fn change_user(
    client: &mut SpiClient<'_>,
    caller: Caller,
    user_id: Uuid,
    update: &UserUpdate,
) -> Result<Done<UserSaved>, Refusal> {
    let stored = user_changes::lock(client, user_id).ok_or_else(no_user)?;
    let session_id = if caller.is_trusted() { None } else { check_own(client, caller, user_id, update)? };
    let known = stored.email.as_deref().unwrap_or_default();
    let role = update.role.as_ref().map(|role| roles::resolve(client, role.as_deref())).transpose();
    let (change, role) = match (update.check(&[known], &settings::rules()), role) {
        (Ok(change), Ok(role)) => (change, role),
        (change, role) => {
            let errors = change.err().unwrap_or_default().into_iter().chain(role.err()).collect();
            return Err(refused(Some(user_id), errors));
        }
    };
    let email = change.email.as_ref().map(|email| email.as_ref().map(Email::as_str));
    let new_email = email.flatten().filter(|email| stored.email.as_deref() != Some(email));
    let phone = change.phone.iter().flatten().next();
    let new_phone = phone.filter(|phone| stored.phone.as_deref() != Some(phone.digits()));
    if !caller.is_trusted() {
        check_asking(client, caller, user_id, new_email, new_phone)?;
    }
    check_free(client, user_id, new_email, new_phone.map(Phone::digits)).map_err(|refusal| match refusal {
        // Who has what may be asked only so often.
        Refusal::Errors { errors, user_id } if !caller.is_trusted() => Refusal::Kept { errors, user_id },
        refusal => refusal,
    })?;
    apply(client, user_id, &stored, &Wish { update, change: &change, role })?;
    let mut sessions_ended = 0;
    if let Some(hash) = hash(&change) {
        credentials::replace(client, user_id, &hash, pg::transaction_start());
        let ends = session_id.map_or(Which::All, Which::Others);
        sessions_ended += sessions::end(client, user_id, ends, EndReason::Password);
    }
    if update.is_active == Some(false) {
        sessions_ended += sessions::end(client, user_id, Which::All, EndReason::User);
    }
    let unverified = new_email.filter(|_| update.is_verified != Some(true));
    let mut verification = unverified.map(|email| issue_token(client, user_id, email, verification_tokens::replace));
    if let (false, Some(recipient), Some(made)) = (caller.is_trusted(), unverified, &verification) {
        let message = Message::EmailVerification { user_id, recipient, verification: made };
        message_sender::send(client, Action::UpdateUser, user_id, &message);
        verification = None;
    }
    let user = user_view::of_id(client, user_id).ok_or_else(no_user)?;
    let data = UserSaved { user, verification, sessions_ended };
    Ok(Done { status: 200, message: "User updated successfully".into(), user_id: Some(user_id), data })
}

/// Whether a user may make this change of the own account: who has found an unlocked telephone must not take the account over. From within
/// which session it comes, where that is known.
///
/// # Errors
/// `forbidden`, and why the user cannot sign in.
fn check_own(
    client: &mut SpiClient<'_>,
    caller: Caller,
    user_id: Uuid,
    update: &UserUpdate,
) -> Result<Option<Uuid>, Refusal> {
    update.check_unprivileged().map_err(|errors| refused(Some(user_id), errors))?;
    check_standing(client, user_id, true).map_err(|error| Refusal::of_user(user_id, error))?;
    let is_credential =
        update.email.is_some() || update.phone.is_some() || update.password.is_some() || update.password_hash.is_some();
    if !is_credential {
        return Ok(None);
    }
    let session = caller.session_id().and_then(|id| sessions::lock(client, user_id, id));
    match session {
        Some(session) if session.is_live() && session.is_fresh(settings::fresh_session()) => {
            Ok(Some(session.session.id))
        }
        _ => {
            let message = "Address, number and password are changed within a fresh session only.";
            let error = FieldError::of_call(ErrorCode::Forbidden, message);
            Err(Refusal::of_user(
                user_id,
                error.with_hint("Have the user sign in again; registrar.fresh_session says for how long that counts."),
            ))
        }
    }
}

/// Whether a user may name another address or number: each answer tells whether somebody has it, and an address is sent a message.
fn check_asking(
    client: &mut SpiClient<'_>,
    caller: Caller,
    user_id: Uuid,
    email: Option<&str>,
    phone: Option<&Phone>,
) -> Result<(), Refusal> {
    if email.is_some() {
        limits::check_sender(client, caller)?;
    }
    let asked = email.map(Identifier::hash_of_email).into_iter();
    for hash in asked.chain(phone.map(|phone| Identifier::Phone(phone.clone()).hash())) {
        attempts::take_turns(&hash);
        limits::check_sends(client, &hash, Purpose::SendVerification)?;
        attempts::record(client, &hash, Purpose::SendVerification, true, Some(user_id));
    }
    Ok(())
}

/// What is to become of a user.
struct Wish<'a> {
    update: &'a UserUpdate,
    change: &'a UserChange,
    role: Option<String>,
}

/// Writes what is to be another, in the row and in the identities.
fn apply(client: &mut SpiClient<'_>, id: Uuid, stored: &Stored, wish: &Wish<'_>) -> Result<(), Refusal> {
    let Wish { update, change, role } = wish;
    let email = change.email.as_ref().map_or(stored.email.as_deref(), |email| email.as_ref().map(Email::as_str));
    let phone = change.phone.as_ref().map_or(stored.phone.as_deref(), |phone| phone.as_ref().map(Phone::digits));
    let email = Identity::of("email", "email_verified", stored.email.as_deref(), stored.is_email_confirmed, email);
    let phone = Identity::of("phone", "phone_verified", stored.phone.as_deref(), stored.is_phone_confirmed, phone);
    if email.value.is_none() && phone.value.is_none() && (email.is_new || phone.is_new) {
        let error = FieldError::invalid("email", "A user needs an e-mail address or a phone number.");
        return Err(Refusal::of_user(id, error));
    }
    let (email, phone) = match (update.is_verified, email.value) {
        (Some(is_verified), Some(_)) => (email.confirmed(is_verified), phone),
        (Some(is_verified), None) => (email, phone.confirmed(is_verified)),
        (None, _) => (email, phone),
    };
    let (mut app_metadata, mut user_metadata) = (stored.app_metadata.clone(), stored.user_metadata.clone());
    merge(&mut user_metadata, &change.metadata);
    if !change.metadata.is_empty() {
        Metadata::parse(&json!(user_metadata).to_string(), settings::rules().max_metadata_bytes)
            .map_err(|error| Refusal::of_user(id, error))?;
    }
    if let Some(role) = role {
        app_metadata.insert("role".into(), role.as_str().into());
    }
    match update.is_superuser {
        Some(true) => drop(app_metadata.insert("is_superuser".into(), true.into())),
        Some(false) => drop(app_metadata.remove("is_superuser")),
        None => {}
    }
    for identity in [&email, &phone] {
        identity.claim(&mut user_metadata);
        identity.list(&mut app_metadata);
    }
    let now = pg::transaction_start();
    let written = Change {
        email: email.value,
        phone: phone.value,
        is_email_confirmed: email.is_confirmed,
        is_phone_confirmed: phone.is_confirmed,
        is_active: update.is_active,
        app_metadata: Some(&app_metadata).filter(|metadata| **metadata != stored.app_metadata),
        user_metadata: Some(&user_metadata).filter(|metadata| **metadata != stored.user_metadata),
    };
    user_changes::apply(client, id, &written, now)?;
    for identity in [&email, &phone] {
        identity.write(client, id);
    }
    if email.is_new || update.is_verified == Some(true) {
        // What was sent to another address, or waited for this one to be confirmed, is of no use any more.
        pending_registrations::take(client, id);
        verification_tokens::use_up(client, id, now);
    }
    Ok(())
}

/// Sets each key, or removes it where it is null.
fn merge(metadata: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, value) in changes {
        match value {
            Value::Null => drop(metadata.remove(key)),
            value => drop(metadata.insert(key.clone(), value.clone())),
        }
    }
}

/// An address or number as it is to be.
#[derive(Clone, Copy)]
struct Identity<'a> {
    /// What Supabase Auth calls the provider, and the claim.
    provider: &'static str,
    /// The claim that says whether it is confirmed.
    verified: &'static str,
    value: Option<&'a str>,
    is_confirmed: bool,
    /// Whether it is another one than before.
    is_new: bool,
    is_confirmed_anew: bool,
}

impl<'a> Identity<'a> {
    fn of(
        provider: &'static str,
        verified: &'static str,
        before: Option<&str>,
        was_confirmed: bool,
        value: Option<&'a str>,
    ) -> Self {
        let is_new = before != value;
        Self { provider, verified, value, is_confirmed: was_confirmed && !is_new, is_new, is_confirmed_anew: false }
    }

    fn confirmed(self, is_confirmed: bool) -> Self {
        Self { is_confirmed, is_confirmed_anew: is_confirmed != self.is_confirmed, ..self }
    }

    /// What the user's metadata say of it.
    fn claim(&self, metadata: &mut Map<String, Value>) {
        match self.value {
            Some(value) if self.is_new || self.is_confirmed_anew => {
                metadata.insert(self.provider.into(), value.into());
                metadata.insert(self.verified.into(), self.is_confirmed.into());
            }
            None if self.is_new => {
                metadata.remove(self.provider);
                metadata.insert(self.verified.into(), false.into());
            }
            _ => {}
        }
    }

    /// Whether it is among the providers of the app metadata; the first of them is the provider.
    fn list(&self, metadata: &mut Map<String, Value>) {
        if !self.is_new {
            return;
        }
        let listed = metadata.get("providers").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut providers: Vec<Value> = listed.into_iter().filter(|provider| *provider != self.provider).collect();
        if self.value.is_some() {
            providers.push(self.provider.into());
        }
        if let Some(first) = providers.first()
            && !metadata.get("provider").is_some_and(|provider| providers.contains(provider))
        {
            metadata.insert("provider".into(), first.clone());
        }
        metadata.insert("providers".into(), providers.into());
    }

    fn write(&self, client: &mut SpiClient<'_>, user_id: Uuid) {
        let now = pg::transaction_start();
        match self.value {
            Some(value) if self.is_new || self.is_confirmed_anew => {
                let claims =
                    Jsonb::of(&json!({"sub": user_id, self.provider: value, self.verified: self.is_confirmed}));
                let claims = claims.into();
                let is_there = identities::change(client, user_id, self.provider, &claims, now);
                if self.is_new && !is_there {
                    identities::insert(client, user_id, self.provider, &claims, now);
                }
            }
            None if self.is_new => identities::remove(client, user_id, self.provider),
            _ => {}
        }
    }
}
