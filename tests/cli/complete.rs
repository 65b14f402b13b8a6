//! Tests shell completions for commands, the project's specs and models, and functions.

use crate::run::{TestProject, finish};

/// Returns the completions for the last word, using the protocol of the script that `COMPLETE=bash formulac` prints.
fn completions(project: &TestProject, words: &[&str]) -> Vec<String> {
    let mut command = project.command(&[&["--", "formulac"], words].concat());
    command
        .env("COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_COMP_TYPE", "9");
    command.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let run = finish(command);
    assert_eq!(run.exit, 0, "{}", run.err);
    run.out.lines().map(str::to_owned).collect()
}

#[test]
fn shells_complete_the_names_of_the_project() {
    let project = TestProject::new("complete");
    project.write("formulac.yml", "dialect: duckdb\nspecs: specs/\n");
    for model in ["revenue", "revenue_by_day", "churn"] {
        let spec = format!("model: {model}\nfrom: orders\ndefinitions: n = COUNT()\n");
        project.write(&format!("specs/{model}.yml"), spec);
    }
    let set = "metric_set: shop\nfrom: orders\ndefinitions: |\n  revenue = SUM(amount)\n  returns = SUM(returned)\n  is_large = amount > 100\n";
    project.write("specs/shop.yml", set);
    for (words, expected) in [
        (&["pre"][..], &["preview"][..]),
        (
            &["preview", "specs/rev"],
            &["specs/revenue.yml", "specs/revenue_by_day.yml"],
        ),
        (&["preview", "form"], &["formulac.yml"]),
        (&["generate", "--select", "rev"], &["revenue", "revenue_by_day"]),
        (&["generate", "--select", "+ch"], &["+churn"]),
        (&["plan", "--exclude", "t"], &["tag:"]),
        (&["lineage", "chu"], &["churn"]),
        (&["lineage", "me"], &["metric:", "metric_set:"]),
        (&["lineage", "metric:shop.rev"], &["metric:shop.revenue"]),
        (&["lineage", "metric_set:s"], &["metric_set:shop"]),
        (&["check", "--select", "+metric:shop.ret"], &["+metric:shop.returns"]),
        (&["check", "--select", "metric_"], &["metric_set:"]),
        (&["env", "use", "chu"], &[]),
        (&["query", "--metrics", "shop.rev"], &["shop.revenue"]),
        (&["query", "--metrics", "shop.revenue", "--by", "mo"], &["month"]),
        (
            &["query", "--metrics", "shop.revenue", "--by", "month,is"],
            &["month,is_large"],
        ),
        (
            &["query", "--metrics", "shop.revenue", "--order-by", "re"],
            &["revenue", "returns"],
        ),
        (
            &["preview", "--metrics", "shop.revenue", "--fill", "fiscal_q"],
            &["fiscal_quarter"],
        ),
        (
            &["query", "--metrics", "shop.revenue,shop.ret"],
            &["shop.revenue,shop.returns"],
        ),
        (&["functions", "xl"], &["XLOOKUP"]),
        (&["functions", "no_such"], &[]),
    ] {
        assert_eq!(completions(&project, words), expected, "{words:?}");
    }
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let mut command = project.command(&[]);
        command.env("COMPLETE", shell);
        let run = finish(command);
        assert!(
            run.exit == 0 && run.out.contains("formulac"),
            "{shell}: {}{}",
            run.out,
            run.err
        );
    }
}
