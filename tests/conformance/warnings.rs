//! Checks that warnings about pitfalls are reported only for mistakes. No case has such a warning, unless the case
//! declares it.

use formulac::{Code, Compiler, Diagnostic, Schema};

use crate::case::{Expected, TABLE};
use crate::model_cases::ModelCase;
use crate::{function_cases, spec_case};

/// Warnings about formulas whose meaning differs from their apparent meaning.
const TRAPS: [Code; 17] = [
    Code::LooksLikeACell,
    Code::CountOfCondition,
    Code::RateAveraged,
    Code::NotAsInSheets,
    Code::NotAKnownValue,
    Code::NumbersAsText,
    Code::EndOfDay,
    Code::CriterionOrder,
    Code::WeekBegins,
    Code::NeverBlank,
    Code::NeverVaries,
    Code::NeverReached,
    Code::BlankIsNotEmpty,
    Code::SumOfDistinct,
    Code::RoundedTwice,
    Code::RedundantBoolean,
    Code::QuotedName,
];

fn unexpected_warnings(diagnostics: &[Diagnostic], expected: &[String]) -> Vec<String> {
    let is_new = |d: &&Diagnostic| TRAPS.contains(&d.kind()) && !expected.iter().any(|code| code == d.code());
    diagnostics
        .iter()
        .filter(is_new)
        .map(|d| format!("{} {}", d.code(), d.message()))
        .collect()
}

pub fn run() {
    let mut faults = Vec::new();
    for file in function_cases::read_all() {
        for case in file
            .cases
            .iter()
            .filter(|case| !matches!(case.expected, Expected::Refused(_)))
        {
            let mut builder = Compiler::builder();
            builder = builder.schema(Schema::new().with(case.table.relation())).from(TABLE);
            builder = builder.group_by(case.group_by.iter().map(String::as_str));
            builder = builder.order_by(case.order_by.iter().map(String::as_str));
            for warning in unexpected_warnings(&builder.build().check(&case.formula), &case.warnings) {
                faults.push(format!(
                    "{}: {}: {warning}; `warns:` would say so",
                    file.path.display(),
                    case.name
                ));
            }
        }
    }
    for file in spec_case::read_all() {
        for case in &file.cases {
            let compiler = Compiler::builder().schema(case.schema()).build();
            let mut warnings = unexpected_warnings(case.compile(&compiler).diagnostics(), &[]);
            for set in case.compile_sets(&compiler) {
                warnings.extend(unexpected_warnings(set.diagnostics(), &[]));
                let errors = set.diagnostics().iter().filter(|diagnostic| diagnostic.is_error());
                let errors = errors.filter(|_| case.refused.is_none());
                warnings.extend(errors.map(|diagnostic| format!("{} {}", diagnostic.code(), diagnostic.message())));
            }
            for warning in warnings {
                faults.push(format!(
                    "{}: {}: {warning}; `// noqa` would say that it is meant",
                    file.path, case.name
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{} warnings:\n{}", faults.len(), faults.join("\n"));
}
