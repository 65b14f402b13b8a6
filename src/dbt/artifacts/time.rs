//! Timestamps in dbt's format.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Parses a timestamp such as `2026-11-20T10:00:00.000000Z`. Old versions of dbt write timestamps without a time zone,
/// which are in UTC.
pub(super) fn parse_instant(text: &str) -> Option<SystemTime> {
    let zoned = text.parse::<Timestamp>().ok();
    let plain = || {
        TimeZone::UTC
            .to_ambiguous_timestamp(text.parse::<DateTime>().ok()?)
            .compatible()
            .ok()
    };
    Some(zoned.or_else(plain)?.into())
}

/// Formats a timestamp for files: `2026-11-20T10:00:00Z`, in UTC and whole seconds.
pub fn format_instant(time: SystemTime) -> String {
    let second = |time: Timestamp| Timestamp::from_second(time.as_second()).unwrap_or(time);
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| second(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_are_applied_and_invalid_times_are_none() {
        let instant = |text: &str| {
            let since = parse_instant(text)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            Some((since.as_secs(), since.subsec_micros()))
        };
        assert_eq!(instant("1970-01-02T00:00:00.000001Z"), Some((86_400, 1)));
        assert_eq!(instant("1970-01-02T01:00:00+01:00"), Some((86_400, 0)));
        assert_eq!(instant("1970-01-02T00:00:00"), Some((86_400, 0)));
        assert_eq!(
            parse_instant("2026-11-20T10:00:00.5Z").map(format_instant).as_deref(),
            Some("2026-11-20T10:00:00Z")
        );
        for text in ["", "yesterday", "2024-13-01T00:00:00Z", "9999999-01-01T00:00:00Z"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
