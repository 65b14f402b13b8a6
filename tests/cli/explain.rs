//! Tests `formulac explain`.

use insta::assert_snapshot;

use crate::run::Place;

#[test]
fn formulas() {
    let mut place = Place::new("explain");
    place
        .show(&["explain", "SUM(amount) / COUNT(DISTINCT(customer_id))"])
        .show(&[
            "explain",
            "a = -x + 5%\nb = a & \"t\"",
            "--context",
            "row",
            "--dialect",
            "snowflake",
        ])
        .show(&["explain", "MEDIAN(x)"])
        .show(&["explain", "SUMM(x) + 1"])
        .show(&["explain", "created[month]", "--context", "row", "--dialect", "duckdb"])
        .show(&["explain", "-x", "--dialect", "postgres", "--json"])
        .show(&["explain", ""])
        .show_with(&["explain", "-", "--dialect", "postgres"], "1");
    assert_snapshot!(place.transcript());
}

#[test]
fn codes() {
    let mut place = Place::new("explain_codes");
    place
        .show(&["explain", "F0301"])
        .show(&["explain", "w0412"])
        .show(&["explain", "unknown-function"])
        .show(&["explain", "F0821", "--json"])
        .show(&["explain", "F0399"])
        .show(&["explain", "F9999"]);
    assert_snapshot!(place.transcript());
}

/// Every code has a page.
#[test]
fn every_code() {
    let place = Place::new("explain_every_code");
    for code in formulac::Code::ALL {
        let run = place.run(&["explain", code.code()]);
        assert_eq!((run.exit, run.err.as_str()), (0, ""));
        assert!(
            run.out.contains(code.name()) && run.out.contains("\nWrong"),
            "{}",
            run.out
        );
    }
}

/// `explain` handles formulas of any size.
#[test]
fn large_formulas() {
    let place = Place::new("explain_large");
    let run = place.run_with(
        &["explain", "-"],
        format!("{}x{}", "(1 + ".repeat(900), ")".repeat(900)),
    );
    assert_eq!(run.exit, 0);
    assert!(
        run.out.contains("\ntree\n") && run.out.starts_with("Adds "),
        "{}",
        run.out
    );
}
