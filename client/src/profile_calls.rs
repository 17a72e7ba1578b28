//! The calls on profiles as they are sent: function, parameters, and what may be repeated.

use registrar_core::{ErrorCode, FieldError};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::client::Call;
use crate::retry::Repeatable;
use crate::{Error, Result};

/// What all calls of one handle have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) table: Option<String>,
    pub(crate) all_or_nothing: bool,
}

impl Scope {
    pub(crate) fn create(&self, user_id: Option<Uuid>, values: &(impl Serialize + ?Sized)) -> Result<Call> {
        let parameters = self.of_user(user_id).with("p_values", object("values", values)?);
        Ok(parameters.call("create_profile", Repeatable::UntilBegun))
    }

    pub(crate) fn update(&self, user_id: Option<Uuid>, updates: &(impl Serialize + ?Sized)) -> Result<Call> {
        let parameters = self.of_user(user_id).with("p_updates", object("updates", updates)?);
        Ok(parameters.call("update_profile", Repeatable::Always))
    }

    /// A call that only reads what belongs to one user.
    pub(crate) fn read(&self, function: &'static str, user_id: Option<Uuid>) -> Call {
        self.of_user(user_id).call(function, Repeatable::Always)
    }

    pub(crate) fn create_many(&self, user_ids: &[Uuid]) -> Call {
        let parameters = self.parameters().with("p_user_ids", user_ids).with("p_all_or_nothing", self.all_or_nothing);
        parameters.call("create_profiles", Repeatable::UntilBegun)
    }

    pub(crate) fn update_many(&self, updates: &[(Uuid, impl Serialize)]) -> Result<Call> {
        let items = updates.iter().map(|(user_id, updates)| {
            object("updates", updates).map(|updates| json!({"user_id": user_id, "updates": updates}))
        });
        let items = items.collect::<Result<Vec<_>>>()?;
        let parameters = self.parameters().with("p_updates", items).with("p_all_or_nothing", self.all_or_nothing);
        Ok(parameters.call("update_profiles", Repeatable::Always))
    }

    pub(crate) fn import(&self, rows: &[impl Serialize]) -> Result<Call> {
        let rows = rows.iter().map(|row| object("profiles", row)).collect::<Result<Vec<_>>>()?;
        Ok(self.parameters().with("p_profiles", rows).call("import_profiles", Repeatable::Always))
    }

    pub(crate) fn stats(&self, days: u32) -> Call {
        self.parameters().with("p_days", days).call("profile_stats", Repeatable::Always)
    }

    pub(crate) fn export_page(&self, after: Option<Uuid>, limit: u32) -> Call {
        self.batch(after, limit).call("export_profiles", Repeatable::Always)
    }

    pub(crate) fn backfill_batch(&self, after: Option<Uuid>, limit: u32) -> Call {
        self.batch(after, limit).call("backfill_profiles_batch", Repeatable::Always)
    }

    fn of_user(&self, user_id: Option<Uuid>) -> Parameters {
        self.parameters().with_some("p_user_id", user_id)
    }

    fn batch(&self, after: Option<Uuid>, limit: u32) -> Parameters {
        self.parameters().with_some("p_after", after).with("p_limit", limit)
    }

    fn parameters(&self) -> Parameters {
        Parameters(Map::new()).with_some("p_table", self.table.as_deref())
    }
}

/// Failures are repaired in every table, so no handle's table is sent.
pub(crate) fn repair(limit: u32) -> Call {
    Parameters(Map::new()).with("p_limit", limit).call("repair_profiles", Repeatable::Always)
}

/// What is sent: only what is set.
struct Parameters(Map<String, Value>);

impl Parameters {
    fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.0.insert(name.to_owned(), json!(value));
        self
    }

    fn with_some(self, name: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn call(self, function: &'static str, repeatable: Repeatable) -> Call {
        Call::new(function, &self.0, repeatable)
    }
}

/// The value as a JSON object, or a refusal like the database's own: nothing is sent that it could not read.
fn object(field: &'static str, value: &(impl Serialize + ?Sized)) -> Result<Value> {
    let message = match serde_json::to_value(value) {
        Ok(object @ Value::Object(_)) => return Ok(object),
        Ok(_) => "Not a JSON object.".to_owned(),
        Err(error) => format!("Cannot be written as JSON: {error}."),
    };
    let error = FieldError::invalid(field, message.clone()).with_hint("Give a struct or map of columns and values.");
    Err(Error::api(ErrorCode::ValidationFailed.status(), message, vec![error]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Uuid = Uuid::from_u128(7);

    fn scope() -> Scope {
        Scope { table: Some("public.user_profiles".into()), all_or_nothing: true }
    }

    fn assert_sent(call: &Call, function: &str, repeatable: Repeatable, body: Value) {
        assert_eq!((call.function(), call.repeatable()), (function, repeatable));
        assert_eq!(serde_json::from_slice::<Value>(call.body()).unwrap(), body, "{function}");
    }

    #[test]
    fn only_what_is_set_is_sent() {
        let primary = Scope::default();
        let none = json!({});
        assert_sent(&primary.read("get_profile", None), "get_profile", Repeatable::Always, none.clone());
        let create = primary.create(None, &none).unwrap();
        assert_sent(&create, "create_profile", Repeatable::UntilBegun, json!({"p_values": {}}));
        let first = primary.export_page(None, 5);
        assert_sent(&first, "export_profiles", Repeatable::Always, json!({"p_limit": 5}));
    }

    #[test]
    fn every_argument_has_its_parameter() {
        let (scope, table) = (scope(), "public.user_profiles");
        let values = json!({"salary_min": 1, "field_of_study": null});
        assert_sent(
            &scope.create(Some(USER), &values).unwrap(),
            "create_profile",
            Repeatable::UntilBegun,
            json!({"p_user_id": USER, "p_values": values, "p_table": table}),
        );
        assert_sent(
            &scope.update(Some(USER), &values).unwrap(),
            "update_profile",
            Repeatable::Always,
            json!({"p_user_id": USER, "p_updates": values, "p_table": table}),
        );
        assert_sent(
            &scope.create_many(&[USER]),
            "create_profiles",
            Repeatable::UntilBegun,
            json!({"p_user_ids": [USER], "p_all_or_nothing": true, "p_table": table}),
        );
        assert_sent(
            &scope.update_many(&[(USER, &values)]).unwrap(),
            "update_profiles",
            Repeatable::Always,
            json!({"p_updates": [{"user_id": USER, "updates": values}], "p_all_or_nothing": true, "p_table": table}),
        );
        assert_sent(
            &scope.import(&[json!({"user_id": USER})]).unwrap(),
            "import_profiles",
            Repeatable::Always,
            json!({"p_profiles": [{"user_id": USER}], "p_table": table}),
        );
        let batch = json!({"p_after": USER, "p_limit": 9, "p_table": table});
        assert_sent(&scope.export_page(Some(USER), 9), "export_profiles", Repeatable::Always, batch.clone());
        assert_sent(&scope.backfill_batch(Some(USER), 9), "backfill_profiles_batch", Repeatable::Always, batch);
        let stats = json!({"p_days": 3, "p_table": table});
        assert_sent(&scope.stats(3), "profile_stats", Repeatable::Always, stats);
        assert_sent(&repair(4), "repair_profiles", Repeatable::Always, json!({"p_limit": 4}));
    }

    #[test]
    fn what_is_no_object_is_refused_before_it_is_sent() {
        fn unwritable<S: serde::Serializer>(_: &(), _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
        #[derive(Serialize)]
        struct Unwritable {
            #[serde(serialize_with = "unwritable")]
            column: (),
        }
        let refusals = [
            ("values", scope().create(USER.into(), "text").err()),
            ("updates", scope().update(USER.into(), &Unwritable { column: () }).err()),
            ("updates", scope().update_many(&[(USER, json!({})), (USER, json!([]))]).err()),
            ("profiles", scope().import(&[json!({}), json!(null)]).err()),
        ];
        for (field, refusal) in refusals {
            let Some(Error::Api { code, status, errors, request_id, .. }) = refusal else { panic!("{field}") };
            assert_eq!((code, status, request_id), (ErrorCode::ValidationFailed, 400, None));
            assert_eq!(errors[0].field.as_deref(), Some(field));
        }
    }

    #[test]
    fn a_number_is_sent_as_it_is_written() {
        let values: Value = serde_json::from_str(r#"{"n": 12345678901234567890.10}"#).unwrap();
        let call = scope().update(None, &values).unwrap();
        assert!(std::str::from_utf8(call.body()).unwrap().contains("12345678901234567890.10"));
    }
}
