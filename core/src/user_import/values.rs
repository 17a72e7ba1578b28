//! Values as other systems write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;

/// Seconds since 1970 up to which a number is seconds and beyond which it is milliseconds: the year 5138.
const MOST_SECONDS: i64 = 100_000_000_000;

/// A text that is there: numbers are written out, blank is nothing.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Yes or no; `Err` where it is neither.
pub(super) fn truth(value: &Value) -> Result<Option<bool>, ()> {
    let Some(text) = text(value) else { return if value.is_null() || value.is_string() { Ok(None) } else { Err(()) } };
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" | "on" => Ok(Some(true)),
        "false" | "f" | "no" | "n" | "0" | "off" => Ok(Some(false)),
        _ => Err(()),
    }
}

/// A time: RFC 3339, PostgreSQL's and MySQL's way to write it (without a zone it is UTC), a day, or seconds or milliseconds since 1970. `Err`
/// where it is none, or before the year 1 or after 9999.
pub(super) fn time(value: &Value) -> Result<Option<DateTime<Utc>>, ()> {
    let Some(text) = text(value) else { return if value.is_null() || value.is_string() { Ok(None) } else { Err(()) } };
    let parsed = if let Ok(number) = text.parse::<i64>() {
        if number.abs() <= MOST_SECONDS {
            DateTime::from_timestamp(number, 0)
        } else {
            DateTime::from_timestamp_millis(number)
        }
    } else {
        let zoned = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
        let local = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
        let rfc = DateTime::parse_from_rfc3339(&text).ok();
        rfc.or_else(|| zoned.iter().find_map(|form| DateTime::parse_from_str(&text, form).ok()))
            .map(|time| time.to_utc())
            .or_else(|| {
                local.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok()).map(|time| time.and_utc())
            })
            .or_else(|| {
                NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|time| time.and_utc())
            })
    };
    let is_storable = |time: &DateTime<Utc>| (1..=9999).contains(&chrono::Datelike::year(time));
    parsed.filter(is_storable).map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for written in [
            json!("2024-02-29T12:30:00Z"),
            json!("2024-02-29T12:30:00+00:00"),
            json!("2024-02-29 12:30:00"),
            json!("2024-02-29 13:30:00+01"),
            json!("2024-02-29 12:30:00.000+00"),
            json!(1_709_209_800),
            json!(1_709_209_800_000_i64),
            json!("1709209800000"),
        ] {
            assert_eq!(time(&written).unwrap().unwrap().to_rfc3339(), "2024-02-29T12:30:00+00:00", "{written}");
        }
        assert_eq!(time(&json!("2024-02-29")).unwrap().unwrap().to_rfc3339(), "2024-02-29T00:00:00+00:00");
        assert_eq!((time(&json!(null)), time(&json!(" "))), (Ok(None), Ok(None)));
        for written in [
            json!("yesterday"),
            json!("infinity"),
            json!("2023-02-29"),
            json!(true),
            json!([]),
            json!("294276-12-31 00:00:00+00"),
        ] {
            assert_eq!(time(&written), Err(()), "{written}");
        }
    }

    #[test]
    fn truth_is_read_as_it_is_written() {
        for yes in [json!(true), json!("t"), json!("True"), json!(1), json!("1"), json!("yes")] {
            assert_eq!(truth(&yes), Ok(Some(true)), "{yes}");
        }
        for no in [json!(false), json!("f"), json!(0), json!("NO")] {
            assert_eq!(truth(&no), Ok(Some(false)), "{no}");
        }
        assert_eq!((truth(&json!(null)), truth(&json!(""))), (Ok(None), Ok(None)));
        for neither in [json!("perhaps"), json!(2), json!({}), json!([])] {
            assert_eq!(truth(&neither), Err(()), "{neither}");
        }
    }
}
