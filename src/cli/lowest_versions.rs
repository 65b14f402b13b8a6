//! Minimum versions of the programs that formulac runs. The minimum versions of warehouses are in the files of their
//! dialects.

/// First version of dbt with unit tests.
pub const MIN_DBT_VERSION: &str = "1.8";
/// First version of git with `git switch`.
pub const MIN_GIT_VERSION: &str = "2.23";

/// Returns a message if a version is lower than the minimum version. A version without numbers is considered recent
/// enough. If `lowest` is empty, every version is recent enough.
pub fn outdated_version_message(lowest: &str, version: &str) -> Option<String> {
    let version = first_version_number(version);
    let is_lower = version_components(version)? < version_components(lowest)?;
    is_lower.then(|| format!("version {version} is too old: version {lowest} or newer is needed"))
}

/// Returns the first version number in a string, such as `15.18` in `PostgreSQL 15.18 on x86_64`.
pub fn first_version_number(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

fn version_components(version: &str) -> Option<Vec<u32>> {
    version.split('.').take(2).map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use formulac::Dialect;

    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (lowest, version, is_old) in [
            ("1.8", "1.7.19", true),
            ("1.8", "1.8.0", false),
            ("1.8", "1.12.6", false),
            ("1.8", "2.0.0-preview.5", false),
            ("1.4", "v1.3.2", true),
            ("1.4", "v1.10.0", false),
            ("15", "PostgreSQL 14.9 on x86_64-pc-linux-gnu", true),
            ("15", "PostgreSQL 15.18 (Debian 15.18-0+deb12u1)", false),
            ("2.23", "2.20.1", true),
            ("2.23", "nothing", false),
            ("", "9.1", false),
        ] {
            assert_eq!(outdated_version_message(lowest, version).is_some(), is_old, "{version}");
        }
    }

    #[test]
    fn the_docs_name_the_same_versions() {
        let docs = include_str!("../../docs/warehouses.md").to_lowercase();
        let warehouses = Dialect::all().map(|dialect| (dialect.name(), dialect.facts().lowest_version));
        for (name, version) in warehouses.chain([("dbt", MIN_DBT_VERSION), ("git", MIN_GIT_VERSION)]) {
            let line = format!("| {name} | {version} |");
            assert!(version.is_empty() || docs.contains(&line), "{line}");
        }
    }
}
