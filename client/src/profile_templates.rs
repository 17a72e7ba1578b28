//! The three profile tables that registrar brings along, as types: the row, and the update that changes it.
//!
//! | table | row | update |
//! |---|---|---|
//! | `profiles` | [`AccountProfile`] | [`AccountProfileUpdate`] |
//! | `user_profiles` | [`ProfessionalProfile`] | [`ProfessionalProfileUpdate`] |
//! | `user_profile` | [`NameProfile`] | [`NameProfileUpdate`] |
//!
//! ```no_run
//! use registrar_client::profile_templates::{ExperienceLevel, ProfessionalProfile, ProfessionalProfileUpdate};
//!
//! # async fn run(client: &registrar_client::Client, user_id: uuid::Uuid) -> registrar_client::Result<()> {
//! let profiles = client.profiles().table(ProfessionalProfile::TABLE);
//! let update = ProfessionalProfileUpdate::new()
//!     .experience_level(ExperienceLevel::Senior)
//!     .skills_technologies(["PostgreSQL", "Rust"])
//!     .salary_max(None);
//! let changed = profiles.update::<ProfessionalProfile>(user_id, &update).await?;
//! assert_eq!(changed.profile.salary_max, None);
//! # Ok(())
//! # }
//! ```
//!
//! `None` in an update clears a column; one that may not be NULL refuses it. An update serves as the values of a new
//! profile, too. A column that the app added to a table is not read; a type of the app's own reads it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Change;
use crate::profile_update::profile_update;

/// A row of `profiles`: names, phone number and kind of account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountProfile {
    /// The user's id.
    pub id: Uuid,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// The phone number.
    pub phone_number: Option<String>,
    /// The kind of account; `personal` unless set.
    pub account_type: String,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl AccountProfile {
    /// The table, for [`Profiles::table`](crate::Profiles::table).
    pub const TABLE: &str = "public.profiles";
}

profile_update! {
    /// Changes a row of `profiles`: an [`AccountProfile`].
    AccountProfileUpdate {
        /// The first name.
        first_name: String,
        /// The last name.
        last_name: String,
        /// The phone number.
        phone_number: String,
        /// The kind of account.
        account_type: String,
    }
}

/// A row of `user_profiles`: experience, education, skills and what work is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfessionalProfile {
    /// The profile's own id.
    pub profile_id: Uuid,
    /// Whose profile it is.
    pub user_id: Uuid,
    /// 0 to 100.
    pub years_of_experience: Option<i32>,
    /// How far the career has come.
    pub experience_level: Option<ExperienceLevel>,
    /// The highest degree.
    pub education_level: Option<EducationLevel>,
    /// What was studied.
    pub field_of_study: Option<String>,
    /// Skills and technologies.
    pub skills_technologies: Vec<String>,
    /// Where to work.
    pub work_arrangement_preference: WorkArrangement,
    /// Places to work at.
    pub preferred_locations: Vec<String>,
    /// The least salary.
    pub salary_min: Option<i32>,
    /// The highest salary, not below the least.
    pub salary_max: Option<i32>,
    /// The currency, in three letters of ISO 4217; `USD` unless set.
    pub salary_currency: String,
    /// Whether every required field is filled; the database keeps it.
    pub profile_completed: bool,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl ProfessionalProfile {
    /// The table, for [`Profiles::table`](crate::Profiles::table).
    pub const TABLE: &str = "public.user_profiles";
}

profile_update! {
    /// Changes a row of `user_profiles`: a [`ProfessionalProfile`].
    ProfessionalProfileUpdate {
        /// 0 to 100.
        years_of_experience: i32,
        /// How far the career has come.
        experience_level: ExperienceLevel,
        /// The highest degree.
        education_level: EducationLevel,
        /// What was studied.
        field_of_study: String,
        /// Skills and technologies; replaces the whole list.
        skills_technologies: Vec<String>,
        /// Where to work.
        work_arrangement_preference: WorkArrangement,
        /// Places to work at; replaces the whole list.
        preferred_locations: Vec<String>,
        /// The least salary.
        salary_min: i32,
        /// The highest salary, not below the least.
        salary_max: i32,
        /// The currency, in three letters of ISO 4217.
        salary_currency: String,
    }
}

/// A row of `user_profile`: the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameProfile {
    /// The profile's own id.
    pub id: Uuid,
    /// Whose profile it is.
    pub user_id: Uuid,
    /// The person's name.
    pub full_name: Option<String>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl NameProfile {
    /// The table, for [`Profiles::table`](crate::Profiles::table).
    pub const TABLE: &str = "public.user_profile";
}

profile_update! {
    /// Changes a row of `user_profile`: a [`NameProfile`].
    NameProfileUpdate {
        /// The person's name.
        full_name: String,
    }
}

/// Values of `experience_level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExperienceLevel {
    /// `entry`
    Entry,
    /// `junior`
    Junior,
    /// `mid`
    Mid,
    /// `senior`
    Senior,
    /// `lead`
    Lead,
    /// `executive`
    Executive,
    /// A value that this version does not know. It cannot be written back, for nothing is known of it.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// Values of `education_level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EducationLevel {
    /// `high_school`
    HighSchool,
    /// `associates`
    Associates,
    /// `bachelors`
    Bachelors,
    /// `masters`
    Masters,
    /// `phd`
    Phd,
    /// `other`
    Other,
    /// A value that this version does not know. It cannot be written back, for nothing is known of it.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// Values of `work_arrangement_preference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkArrangement {
    /// `any`
    Any,
    /// `remote`
    Remote,
    /// `hybrid`
    Hybrid,
    /// `on_site`
    OnSite,
    /// A value that this version does not know. It cannot be written back, for nothing is known of it.
    #[serde(other, skip_serializing)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn professional() -> Value {
        json!({
            "profile_id": Uuid::from_u128(1), "user_id": Uuid::from_u128(2), "years_of_experience": 7,
            "experience_level": "senior", "education_level": "high_school", "field_of_study": "Physics",
            "skills_technologies": ["Rust"], "work_arrangement_preference": "on_site", "preferred_locations": [],
            "salary_min": null, "salary_max": 90000, "salary_currency": "EUR", "profile_completed": true,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00.123456Z",
        })
    }

    #[test]
    fn a_row_is_written_as_it_was_read() {
        let row: ProfessionalProfile = serde_json::from_value(professional()).unwrap();
        assert_eq!(row.education_level, Some(EducationLevel::HighSchool));
        assert_eq!(json!(row), professional());
        let row = json!({"id": Uuid::from_u128(2), "first_name": "Ada", "last_name": null, "phone_number": null,
                         "account_type": "personal", "created_at": "2026-01-01T00:00:00Z",
                         "updated_at": "2026-01-01T00:00:00Z"});
        assert_eq!(json!(serde_json::from_value::<AccountProfile>(row.clone()).unwrap()), row);
        let row = json!({"id": Uuid::from_u128(1), "user_id": Uuid::from_u128(2), "full_name": "Ada",
                         "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"});
        assert_eq!(json!(serde_json::from_value::<NameProfile>(row.clone()).unwrap()), row);
    }

    #[test]
    fn what_is_not_filled_and_what_is_not_known_can_be_read() {
        let mut row = professional();
        for column in ["years_of_experience", "experience_level", "education_level"] {
            row[column] = Value::Null;
        }
        row["later_column"] = json!(1);
        row["work_arrangement_preference"] = json!("on_the_moon");
        let row: ProfessionalProfile = serde_json::from_value(row).unwrap();
        assert_eq!((row.years_of_experience, row.experience_level, row.education_level), (None, None, None));
        assert_eq!(row.work_arrangement_preference, WorkArrangement::Unknown);
        assert!(serde_json::to_value(row).is_err(), "`unknown` would be written over what is there");
    }

    #[test]
    fn every_value_has_the_name_that_the_table_checks() {
        use {EducationLevel as E, ExperienceLevel as X, WorkArrangement as W};
        let levels = [X::Entry, X::Junior, X::Mid, X::Senior, X::Lead, X::Executive];
        assert_eq!(json!(levels), json!(["entry", "junior", "mid", "senior", "lead", "executive"]));
        let degrees = [E::HighSchool, E::Associates, E::Bachelors, E::Masters, E::Phd, E::Other];
        assert_eq!(json!(degrees), json!(["high_school", "associates", "bachelors", "masters", "phd", "other"]));
        let arrangements = [W::Any, W::Remote, W::Hybrid, W::OnSite];
        assert_eq!(json!(arrangements), json!(["any", "remote", "hybrid", "on_site"]));
    }

    #[test]
    fn absence_leaves_alone_and_null_clears() {
        assert_eq!(json!(ProfessionalProfileUpdate::new()), json!({}));
        let update = ProfessionalProfileUpdate::new()
            .years_of_experience(3)
            .education_level(Some(EducationLevel::Phd))
            .field_of_study("Physics")
            .skills_technologies(["Rust", "SQL"])
            .preferred_locations(vec!["Berlin".to_owned()])
            .salary_min(None)
            .salary_max(1)
            .salary_max(Change::Leave);
        let expected = json!({"years_of_experience": 3, "education_level": "phd", "field_of_study": "Physics",
                              "skills_technologies": ["Rust", "SQL"], "preferred_locations": ["Berlin"],
                              "salary_min": null});
        assert_eq!(json!(update), expected);
        assert_eq!(json!(NameProfileUpdate::new().full_name(None)), json!({"full_name": null}));
        assert_eq!(json!(AccountProfileUpdate::new().account_type("business")), json!({"account_type": "business"}));
    }
}
