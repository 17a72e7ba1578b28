//! The users tables of well-known systems, as they are made without any change.

/// A field and the column that it is in.
type Columns = &'static [(&'static str, &'static str)];

/// Every preset: its name, and where it has what. Columns that a table lacks are left out, but there must be an address or a number.
pub(super) const PRESETS: &[(&str, Columns)] = &[
    (
        "fastapi-users",
        &[
            ("id", "id"),
            ("email", "email"),
            ("password_hash", "hashed_password"),
            ("is_active", "is_active"),
            ("is_superuser", "is_superuser"),
            ("is_verified", "is_verified"),
            ("full_name", "full_name"),
            ("created_at", "created_at"),
        ],
    ),
    (
        "django",
        &[
            ("id", "id"),
            ("email", "email"),
            ("password_hash", "password"),
            ("is_active", "is_active"),
            ("is_superuser", "is_superuser"),
            ("created_at", "date_joined"),
            ("last_sign_in_at", "last_login"),
            ("metadata.username", "username"),
            ("metadata.first_name", "first_name"),
            ("metadata.last_name", "last_name"),
        ],
    ),
    (
        "devise",
        &[
            ("id", "id"),
            ("email", "email"),
            ("password_hash", "encrypted_password"),
            ("verified_at", "confirmed_at"),
            ("created_at", "created_at"),
            ("last_sign_in_at", "current_sign_in_at"),
        ],
    ),
    (
        "laravel",
        &[
            ("id", "id"),
            ("email", "email"),
            ("password_hash", "password"),
            ("full_name", "name"),
            ("verified_at", "email_verified_at"),
            ("created_at", "created_at"),
        ],
    ),
    (
        "firebase",
        &[
            ("id", "localId"),
            ("email", "email"),
            ("phone", "phoneNumber"),
            ("password_hash", "passwordHash"),
            ("password_salt", "salt"),
            ("is_verified", "emailVerified"),
            ("is_disabled", "disabled"),
            ("full_name", "displayName"),
            ("metadata.avatar_url", "photoUrl"),
            ("app_metadata", "customAttributes"),
            ("created_at", "createdAt"),
            ("last_sign_in_at", "lastSignedInAt"),
        ],
    ),
    (
        "auth0",
        &[
            ("id", "user_id"),
            ("email", "email"),
            ("phone", "phone_number"),
            ("password_hash", "passwordHash"),
            ("is_verified", "email_verified"),
            ("is_disabled", "blocked"),
            ("full_name", "name"),
            ("metadata.avatar_url", "picture"),
            ("user_metadata", "user_metadata"),
            ("app_metadata", "app_metadata"),
            ("created_at", "created_at"),
            ("last_sign_in_at", "last_login"),
        ],
    ),
    (
        "supabase",
        &[
            ("id", "id"),
            ("email", "email"),
            ("phone", "phone"),
            ("password_hash", "encrypted_password"),
            ("verified_at", "email_confirmed_at"),
            ("phone_verified_at", "phone_confirmed_at"),
            ("banned_until", "banned_until"),
            ("user_metadata", "raw_user_meta_data"),
            ("app_metadata", "raw_app_meta_data"),
            ("created_at", "created_at"),
            ("last_sign_in_at", "last_sign_in_at"),
        ],
    ),
    ("custom", &[]),
];

pub(super) fn preset(name: &str) -> Option<Columns> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, columns)| *columns)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}
