//! Settings for compiling an input of these tests. The first line of the input contains them: `#! spec orders
//! bigquery`.

use std::path::{Path, PathBuf};

use formulac::{Column, Compiler, Context, Diagnostic, Relation, Schema, SpecText, Type};

use crate::orders::orders;

/// Returns a second relation, for names that occur in both relations.
pub fn customers() -> Relation {
    Relation::new("customers")
        .with(Column::new("id", Type::Integer).nullable(false))
        .with(Column::new("name", Type::Text))
}

/// Returns a relation with times, and with a column whose values are known.
pub fn events() -> Relation {
    Relation::new("events")
        .with(Column::new("id", Type::Integer).nullable(false))
        .with(Column::new("created_at", Type::Timestamp))
        .with(Column::new("seen_at", Type::Timestamptz))
        .with(Column::new("due", Type::Date))
        .with(Column::new("status", Type::Text).values(["Active", "Closed", "on hold"]))
        .with(Column::new("code", Type::Text))
        .with(Column::new("amount", Type::Decimal))
        .with(Column::new("quantity", Type::Integer))
        .with(Column::new("paid", Type::Boolean))
        .with(Column::new("device", Type::Other))
        .with(Column::new("device.category", Type::Text))
        .with(Column::new("items", Type::Other).with_declared_type("ARRAY<STRUCT<id INT64>>"))
}

/// Returns a relation of an exported file, whose column names contain spaces and dots.
pub fn exported() -> Relation {
    Relation::new("exported")
        .with(Column::new("Kunden Nr.", Type::Text))
        .with(Column::new("Net Revenue", Type::Decimal))
        .with(Column::new("q1", Type::Decimal))
        .with(Column::new("revenue", Type::Decimal))
        .with(Column::new("country", Type::Text))
        .with(Column::new("day", Type::Date))
}

/// Settings for compiling an input.
#[derive(Clone, Debug)]
pub struct Setting {
    compiler: Compiler,
    is_spec: bool,
    is_model: bool,
}

/// Result of compiling an input.
pub struct Outcome {
    pub diagnostics: Vec<Diagnostic>,
    /// Number of definitions with SQL. For a spec, 1 if the spec has SQL, otherwise 0.
    pub compiled: usize,
}

impl Setting {
    /// Creates a setting from words: `measure`, `row`, `orders`, `events`, `exported`, `two` (relations), `ordered` (by
    /// month), `monthly` (ordered by the month of a date), `bigquery`, `snowflake`, `redshift`, `spec`, and `model`,
    /// which also reports the diagnostics of the model.
    pub fn from_words(words: &str) -> Self {
        let has = |word: &str| words.split_whitespace().any(|w| w == word);
        let mut builder = Compiler::builder();
        if has("row") {
            builder = builder.context(Context::Row);
        }
        if has("orders") {
            builder = builder.schema(Schema::new().with(orders()));
            builder = if has("spec") { builder } else { builder.from("orders") };
        }
        if has("events") {
            builder = builder.schema(Schema::new().with(events())).timezone("Europe/Berlin");
            builder = if has("spec") { builder } else { builder.from("events") };
        }
        if has("exported") {
            builder = builder.schema(Schema::new().with(exported()));
            builder = if has("spec") { builder } else { builder.from("exported") };
        }
        if has("two") {
            builder = builder.schema(Schema::new().with(orders()).with(customers()));
        }
        if has("ordered") {
            builder = builder.group_by(["month"]).order_by(["month"]);
        }
        if has("monthly") {
            builder = builder.group_by(["ordered_on[month]"]).order_by(["ordered_on[month]"]);
        }
        for dialect in ["bigquery", "snowflake", "redshift"] {
            if has(dialect) {
                builder = builder.dialect(dialect.parse().unwrap());
            }
        }
        Self {
            compiler: builder.build(),
            is_spec: has("spec"),
            is_model: has("model"),
        }
    }

    /// Adds to the compiler the metric sets that the input reads.
    fn with_sets(mut self, sets: &[&str]) -> Self {
        let texts: Vec<SpecText<'_>> = sets.iter().map(|text| SpecText { text, path: None }).collect();
        self.compiler = self.compiler.with_models(&self.compiler.compile_specs(&texts));
        self
    }

    pub fn run(&self, text: &str) -> Outcome {
        if self.is_spec {
            let compiled = self.compiler.compile_spec(text);
            let of_model = if self.is_model { compiled.model_warnings() } else { &[] };
            let diagnostics = compiled.diagnostics().iter().chain(of_model).cloned().collect();
            Outcome {
                diagnostics,
                compiled: usize::from(compiled.query().is_some()),
            }
        } else {
            let compiled = self.compiler.compile(text);
            Outcome {
                diagnostics: compiled.diagnostics().to_vec(),
                compiled: compiled.definitions().len(),
            }
        }
    }
}

/// Case file: `#! ` and the words that specify the setting, the input, then `#! reports` and one report per diagnostic.
/// If the input reads metric sets, the input comes after the line `#! input`, preceded by `#! set` and the text of each
/// metric set.
pub struct Case {
    pub name: String,
    pub setting: Setting,
    pub text: String,
    pub reports: String,
    path: PathBuf,
}

const SET: &str = "#! set\n";
const INPUT: &str = "#! input\n";
/// Line between the input and its reports.
const REPORTS: &str = "#! reports\n";

impl Case {
    fn read(path: PathBuf) -> Self {
        let file = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        let (head, rest) = file.split_once('\n').unwrap();
        let words = head.strip_prefix("#! ").expect("a case begins with `#! `");
        let (text, reports) = rest.split_once(REPORTS).expect("a case has a line `#! reports`");
        let (sets, text) = text.split_once(INPUT).unwrap_or(("", text));
        let sets: Vec<&str> = sets.split(SET).skip(1).collect();
        let mut text = text.to_owned();
        if words.contains("unterminated") {
            text.truncate(text.trim_end_matches('\n').len());
        }
        // The file is stored with LF, so that version control cannot change the tested text.
        if words.contains("crlf") {
            text = text.replace('\n', "\r\n");
        }
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            setting: Setting::from_words(words).with_sets(&sets),
            text,
            reports: reports.to_owned(),
            path,
        }
    }

    /// Replaces the reports in the case file.
    pub fn write_reports(&self, reports: &str) {
        let file = std::fs::read_to_string(&self.path).unwrap();
        let (input, _) = file.split_once(REPORTS).unwrap();
        std::fs::write(&self.path, format!("{input}{REPORTS}{reports}")).unwrap();
    }
}

/// Returns all cases of `cases/`, sorted by name.
pub fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics/cases");
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(Case::read).collect()
}
