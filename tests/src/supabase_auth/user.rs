//! A user as Supabase Auth holds one in memory between two statements.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{new_id, next_number};

/// How a user comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// With e-mail and password.
    Email,
    /// With phone number and password.
    Phone,
    /// Without anything; no identity either.
    Anonymous,
    /// Through another site, which has verified the e-mail.
    OAuth,
    /// Through an organisation's SAML; its e-mail may be another user's too.
    Sso,
    /// By an administrator, with e-mail, phone and app metadata.
    AdminCreated,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 6] =
        [Shape::Email, Shape::Phone, Shape::Anonymous, Shape::OAuth, Shape::Sso, Shape::AdminCreated];
}

/// The address of every user of single sign-on: it is not unique among them.
const SSO_EMAIL: &str = "ada@sso.example.com";

/// A user, with what the next statement is made from.
#[derive(Debug, Clone)]
pub struct AuthUser {
    /// How the user came to be.
    pub shape: Shape,
    /// The id.
    pub id: Uuid,
    /// The e-mail address, lower-cased.
    pub email: Option<String>,
    /// The phone number, digits without `+`.
    pub phone: Option<String>,
    /// `raw_user_meta_data`.
    pub user_metadata: Value,
    /// `raw_app_meta_data`.
    pub app_metadata: Value,
    pub(super) provider: String,
    /// The user's id at the provider.
    pub(super) provider_id: String,
    /// What the identity says of the user.
    pub(super) identity_data: Value,
}

impl AuthUser {
    pub(super) fn new(shape: Shape, data: &Value) -> Self {
        let (id, number) = (new_id(), next_number());
        let own_email = Some(format!("user{number}@example.com"));
        let own_phone = Some(format!("4179{number:07}"));
        let (email, phone) = match shape {
            Shape::Email | Shape::OAuth => (own_email, None),
            Shape::Phone => (None, own_phone),
            Shape::Anonymous => (None, None),
            Shape::Sso => (Some(SSO_EMAIL.to_owned()), None),
            Shape::AdminCreated => (own_email, own_phone),
        };
        let (provider, provider_id) = match shape {
            Shape::Phone => ("phone".to_owned(), id.to_string()),
            Shape::OAuth => ("github".to_owned(), number.to_string()),
            Shape::Sso => (format!("sso:{}", new_id()), format!("uid={number}")),
            _ => ("email".to_owned(), id.to_string()),
        };
        let app_metadata = match shape {
            Shape::Anonymous => json!({}),
            // What comes in a later statement of the same transaction.
            Shape::AdminCreated => json!({ "plan": "team" }),
            _ => json!({ "provider": provider, "providers": [provider] }),
        };
        let mut identity_data = json!({ "sub": provider_id, "email_verified": false, "phone_verified": false });
        if let Some(email) = &email {
            identity_data["email"] = json!(email);
        }
        match shape {
            Shape::AdminCreated => {}
            Shape::Sso => {
                identity_data["iss"] = json!("https://idp.example.com/saml");
                identity_data["email_verified"] = json!(true);
                identity_data["custom_claims"] = data.clone();
            }
            Shape::OAuth => {
                identity_data["iss"] = json!("https://api.github.com");
                identity_data["email_verified"] = json!(true);
                merge(&mut identity_data, data);
            }
            _ => merge(&mut identity_data, data),
        }
        let user_metadata =
            if matches!(shape, Shape::OAuth | Shape::Sso) { identity_data.clone() } else { data.clone() };
        Self { shape, id, email, phone, user_metadata, app_metadata, provider, provider_id, identity_data }
    }

    /// What the provider says of the user at the next sign-in.
    #[must_use]
    pub fn known_to_the_provider_as(mut self, data: &Value) -> Self {
        match self.shape {
            Shape::Sso => self.identity_data["custom_claims"] = data.clone(),
            _ => merge(&mut self.identity_data, data),
        }
        self
    }
}

/// Takes over what is there, and takes out what is null.
pub(super) fn merge(object: &mut Value, updates: &Value) {
    let none = Map::new();
    let object = object.as_object_mut().expect("metadata are an object");
    for (key, value) in updates.as_object().unwrap_or(&none) {
        match value {
            Value::Null => object.remove(key),
            value => object.insert(key.clone(), value.clone()),
        };
    }
}
