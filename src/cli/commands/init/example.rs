//! The example project, embedded in the binary: the files of `examples/subscription_business`.

use std::path::Path;

use super::{InitPlan, is_empty_folder};
use crate::cli::atomic_write::PlannedFile;
use crate::cli::exit::{Exit, Failure};

/// Expands to the path and contents of each file.
macro_rules! files {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/subscription_business/", $path)))),*]
    };
}

const EXAMPLE_FILES: &[(&str, &str)] = files![
    ".gitignore"
    ".sqlfluff"
    "README.md"
    "dbt_project.yml"
    "expected/churn_rate.yml"
    "expected/customer_ltv.yml"
    "expected/customer_ltv_by_segment.yml"
    "expected/invoice_countries.yml"
    "expected/market_share.yml"
    "expected/monthly_churn_rate.yml"
    "expected/monthly_recurring_revenue.yml"
    "expected/monthly_retention.yml"
    "expected/quarterly_growth_rate.yml"
    "expected/quarterly_growth_rate_by_market.yml"
    "expected/revenue_by_country.yml"
    "expected/revenue_growth_by_calendar.yml"
    "expected/revenue_sheet.yml"
    "expected/second_quarter_by_market.yml"
    "formulac.yml"
    "metrics/churn_rate.yml"
    "metrics/customer_ltv.yml"
    "metrics/customer_ltv_by_segment.yml"
    "metrics/invoice_countries.yml"
    "metrics/invoices.yml"
    "metrics/market_share.yml"
    "metrics/monthly_churn_rate.yml"
    "metrics/monthly_recurring_revenue.yml"
    "metrics/monthly_retention.yml"
    "metrics/quarterly_growth_rate.yml"
    "metrics/quarterly_growth_rate_by_market.yml"
    "metrics/revenue_by_country.yml"
    "metrics/revenue_growth_by_calendar.yml"
    "metrics/revenue_sheet.yml"
    "metrics/second_quarter_by_market.yml"
    "metrics/subscriptions.yml"
    "models/time_spine.sql"
    "models/time_spine.yml"
    "profiles.yml"
    "schema.yml"
    "seeds/_seeds.yml"
    "seeds/customer_activity.csv"
    "seeds/customer_months.csv"
    "seeds/customers.csv"
    "seeds/invoices.csv"
    "seeds/product_usage.csv"
    "seeds/subscriptions.csv"
];

/// Plans all files of the example. Returns an error unless the folder is missing or empty.
pub fn plan_example(folder: &Path) -> Result<InitPlan, Failure> {
    if !is_empty_folder(folder)? {
        let failure = Failure::new(
            Exit::Conflict,
            format!("the folder `{}` is not empty", folder.display()),
        );
        return Err(failure.with_help("specify a new folder"));
    }
    let planned = |(path, text): &(&str, &str)| PlannedFile {
        path: folder.join(path),
        text: (*text).to_owned(),
    };
    Ok(InitPlan {
        files: EXAMPLE_FILES.iter().map(planned).collect(),
        ..InitPlan::default()
    })
}

/// Returns the commands to try next in the example project.
pub fn next_steps(folder: &Path) -> String {
    format!(
        "next, in {}:\n  \
         formulac preview metrics/customer_ltv_by_segment.yml --data seeds\n  \
         formulac generate --schema schema.yml\n  \
         dbt build",
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::EXAMPLE_FILES;
    use std::path::{Path, PathBuf};

    /// Checks that the list contains all files of the example, so that no new file is forgotten. Files that dbt writes
    /// when it runs are not part of the example.
    #[test]
    fn all_example_files_are_included() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/subscription_business");
        let mut candidates = Vec::new();
        let mut folders = vec![folder.clone()];
        while let Some(current_folder) = folders.pop() {
            for entry in std::fs::read_dir(current_folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/");
                let leftover = ["target", "logs", "models/formulac", ".user.yml"].contains(&name.as_str())
                    || name.contains(".duckdb");
                match path.is_dir() {
                    _ if leftover => {}
                    true => folders.push(path),
                    false => candidates.push(name),
                }
            }
        }
        candidates.sort();
        let mut embedded_paths: Vec<&str> = EXAMPLE_FILES.iter().map(|(path, _)| *path).collect();
        embedded_paths.sort_unstable();
        assert_eq!(embedded_paths, candidates);
    }
}
