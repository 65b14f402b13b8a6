//! The DuckDB program, which queries the data files.

use std::path::Path;
use std::process::Command;

use formulac::{Column, Dialect, Schema, Type};
use serde_json::{Map, Value, json};

use super::data::{self, DataFile, DataFormat};
use super::fault::{self, EngineSql};
use super::query_result::{QueryResult, ResultColumn};
use super::typed_columns::{INTEGER_READ_TYPE, cast_column_sql};
use super::{EngineRequest, decimals};
use crate::cli::exit::Failure;
use crate::cli::program::{ExternalProgram, ProgramOutput};

const ENGINE: &str = "DuckDB";
/// The `duckdb` program.
pub const PROGRAM: ExternalProgram = ExternalProgram {
    name: "duckdb",
    variable: "FORMULAC_DUCKDB",
    install: "install DuckDB with `pip install duckdb-cli` or `brew install duckdb`",
};
/// Help message if a relation that the query reads is missing.
const MISSING_TABLE_HELP: &str =
    "put a file with the name of the table, such as `orders.csv`, into the `--data` folder";

/// Returns the columns of the files with the types that DuckDB infers, as the contents of a schema file.
pub fn schema_text(files: &mut [DataFile]) -> Result<String, Failure> {
    let dialect = dialect();
    let output = run(&describe_script(files.iter(), dialect))?;
    let answers = parse_result_rows(&output);
    if let Some(file) = files.get(answers.len()).filter(|_| !output.succeeded) {
        return Err(unreadable_file_failure(file, output, dialect));
    }
    find_decimals(files, &answers, dialect)?;
    let mut relations = Map::new();
    for (file, rows) in files.iter().zip(answers) {
        record_columns(file, &rows);
        let decimal = |name: &str| {
            file.types
                .iter()
                .find(|(column, _)| column == name)
                .map(|(_, ty)| ty.as_str())
        };
        let columns: Map<String, Value> = described_columns(&rows)
            .map(|(name, ty)| (name.to_owned(), json!({"type": decimal(name).unwrap_or(ty)})))
            .collect();
        relations.insert(file.relation.clone(), json!({"columns": columns}));
    }
    Ok(json!({"relations": relations}).to_string())
}

/// Finds the decimals among the CSV columns that were read as floats, and records their types in `files`.
fn find_decimals(files: &mut [DataFile], answers: &[Vec<Map<String, Value>>], dialect: Dialect) -> Result<(), Failure> {
    let mut requested_columns: Vec<(&mut DataFile, Vec<&str>)> = Vec::new();
    let mut script = String::new();
    for (file, rows) in files.iter_mut().zip(answers) {
        let floats = described_columns(rows)
            .filter(|(_, ty)| *ty == "DOUBLE")
            .map(|(name, _)| name);
        let (DataFormat::Csv { delimiter }, floats) = (file.kind, floats.collect::<Vec<_>>()) else {
            continue;
        };
        if !floats.is_empty() {
            let (path, form) = (
                dialect.text_literal(&escape_wildcards(&file.path)),
                csv_reader_call(delimiter, dialect),
            );
            script.push_str(&decimals::decimal_description_query(
                &floats,
                &format!("read_csv({path}, {form}, all_varchar = true)"),
                dialect,
            ));
            requested_columns.push((file, floats));
        }
    }
    if requested_columns.is_empty() {
        return Ok(());
    }
    // If a query fails, the columns remain floats.
    for ((file, floats), rows) in requested_columns
        .into_iter()
        .zip(self::parse_result_rows(&run(&script)?))
    {
        file.types = rows
            .first()
            .map(|row| decimals::decimal_types(&floats, row))
            .unwrap_or_default();
    }
    Ok(())
}

/// Runs a query over the files. `typed` contains the columns whose types override those in the data.
pub fn query(request: EngineRequest<'_>, files: &[DataFile], typed: Option<&Schema>) -> Result<QueryResult, Failure> {
    let (dialect, sql) = (dialect(), request.sql);
    let mut script = String::new();
    if let Some(typed) = typed {
        find_columns(files, typed, dialect)?;
    }
    for file in files {
        let view = view_name(file);
        let rows = file_rows_query(file, typed, dialect);
        // Run one query per file. If a file cannot be read, DuckDB stops at the query for that file, so the number of
        // results identifies the file.
        script.push_str(&format!(
            "create view {view} as {rows};\nselect version() as version;\n"
        ));
    }
    script.push_str(&alias_views_sql(files, request.tables, dialect));
    // Convert all values to text, so that DuckDB prints each value in full. The rows stay in order.
    let [describe, rows] = ["describe ", "select columns(*)::varchar from (\n"];
    let end = format!(") limit {}", u64::from(request.limit) + 1);
    script.push_str(&format!("{describe}{sql};\n{rows}{sql}{end};\n"));
    // The timed query comes last, so that the result is available even if that query fails.
    if let Some(timed) = request.timed {
        let now = "select epoch_us(get_current_timestamp()) as microseconds;\n";
        script.push_str(&format!("{now}{timed};\n{now}"));
    }
    let output = run(&script)?;
    let answers = parse_result_rows(&output);
    if let Some(file) = files.get(answers.len()) {
        return Err(unreadable_file_failure(file, output, dialect));
    }
    let (versions, answers) = answers.split_at_checked(files.len()).unwrap_or_default();
    let [columns, rows, timed @ ..] = answers else {
        let before = if answers.is_empty() { describe } else { rows };
        let failure = fault::from_sql(
            ENGINE,
            &output.err,
            EngineSql {
                sql,
                before,
                missing: MISSING_TABLE_HELP,
            },
        );
        let lacking = typed.and_then(|typed| missing_column_help(&output.err, files, typed));
        return Err(match (failure, lacking) {
            (Failure::Found(mut file_diagnostics), Some(help)) => {
                for file in &mut file_diagnostics {
                    let diagnostics = std::mem::take(&mut file.diagnostics).into_iter();
                    file.diagnostics = diagnostics.map(|fault| fault.with_help(help.clone())).collect();
                }
                Failure::Found(file_diagnostics)
            }
            (failure, _) => failure,
        });
    };
    let version = versions
        .first()
        .and_then(|rows| rows.first())
        .and_then(|row| row["version"].as_str())
        .unwrap_or_default();
    let version = version.trim_start_matches('v');
    let columns = described_columns(columns).map(|(name, ty)| ResultColumn {
        name: name.to_owned(),
        ty: parse_type(ty),
    });
    let answer = QueryResult {
        engine: format!("{ENGINE} {version}"),
        version: version.to_owned(),
        columns: columns.collect(),
        rows: rows
            .iter()
            .map(|row| row.values().map(|value| value.as_str().map(str::to_owned)).collect())
            .collect(),
        more: false,
        seconds: elapsed_seconds(timed),
    };
    Ok(answer.with_limit(request.limit))
}

/// Returns the name of a file's view, in SQL syntax.
pub fn view_name(file: &DataFile) -> String {
    dialect().name_text(&file.relation, false)
}

/// Returns the time in seconds between the first and the last of three results.
fn elapsed_seconds(answers: &[Vec<Map<String, Value>>]) -> Option<f64> {
    let [began, _, ended] = answers else { return None };
    let time_of = |rows: &[Map<String, Value>]| rows.first()?.get("microseconds")?.as_i64();
    Some((time_of(ended)? - time_of(began)?) as f64 / 1e6)
}

fn dialect() -> Dialect {
    "duckdb".parse().unwrap_or_default()
}

fn parse_type(text: &str) -> Type {
    text.parse().unwrap_or(Type::Unknown)
}

fn run(script: &str) -> Result<ProgramOutput, Failure> {
    let mut command: Command = PROGRAM.command();
    // Ignore the user's init file because it may load extensions. The queries read only local files.
    command.args(["-batch", "-bail", "-no-init", "-json", ":memory:"]);
    PROGRAM.run(&mut command, script)
}

/// Returns the name and type of each column in the result of `describe`.
fn described_columns(rows: &[Map<String, Value>]) -> impl Iterator<Item = (&str, &str)> {
    rows.iter()
        .filter_map(|row| Some((row.get("column_name")?.as_str()?, row.get("column_type")?.as_str()?)))
}

/// Returns the rows of each statement that returns rows.
fn parse_result_rows(output: &ProgramOutput) -> Vec<Vec<Map<String, Value>>> {
    serde_json::Deserializer::from_str(&output.out)
        .into_iter()
        .map_while(Result::ok)
        .collect()
}

/// Finds the columns of the files that contain a relation of the schema, unless these columns are already known.
fn find_columns(files: &[DataFile], typed: &Schema, dialect: Dialect) -> Result<(), Failure> {
    let is_unknown = |file: &&DataFile| file.columns.get().is_none() && typed.relation(&file.relation).is_some();
    let mut described = Vec::new();
    for file in files.iter().filter(is_unknown) {
        match file.kind {
            DataFormat::Csv { delimiter } => {
                if let Ok(names) = data::header_columns(Path::new(&file.path), delimiter) {
                    file.columns.get_or_init(|| names);
                }
            }
            DataFormat::Parquet | DataFormat::Json => described.push(file),
        }
    }
    if !described.is_empty() {
        // If a file cannot be read, the columns of the files after it remain unknown.
        let answers = parse_result_rows(&run(&describe_script(described.iter().copied(), dialect))?);
        for (file, rows) in described.iter().zip(&answers) {
            record_columns(file, rows);
        }
    }
    Ok(())
}

/// Returns statements that describe the columns of files.
fn describe_script<'f>(files: impl Iterator<Item = &'f DataFile>, dialect: Dialect) -> String {
    files
        .map(|file| format!("describe {};\n", file_rows_query(file, None, dialect)))
        .collect()
}

/// Records the columns that DuckDB describes.
fn record_columns(file: &DataFile, rows: &[Map<String, Value>]) {
    file.columns
        .get_or_init(|| described_columns(rows).map(|(name, _)| name.to_owned()).collect());
}

/// Returns the help for an engine error about a column that is in the schema but missing from a file.
fn missing_column_help(message: &str, files: &[DataFile], typed: &Schema) -> Option<String> {
    files.iter().find_map(|file| {
        let names = file.columns.get()?;
        let lacks = |name: &str| !names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let listed_columns = typed.relation(&file.relation)?.columns().iter();
        let mut lacking = listed_columns.map(Column::name).filter(|name| lacks(name));
        let name = lacking.find(|name| message.contains(&format!("\"{name}\"")))?;
        Some(format!(
            "`{}` has no column `{name}`, which the schema lists",
            file.display_path
        ))
    })
}

/// Returns a query for the rows of a file.
fn file_rows_query(file: &DataFile, typed: Option<&Schema>, dialect: Dialect) -> String {
    let path = dialect.text_literal(&escape_wildcards(&file.path));
    let relation = typed.and_then(|schema| schema.relation(&file.relation));
    let listed_columns = relation.map_or(&[][..], |relation| relation.columns());
    // DuckDB rejects a type for a column that is not in the file, even if the spec does not read the column.
    let columns = file.columns.get();
    let is_in_file =
        |name: &str| columns.is_none_or(|columns| columns.iter().any(|column| column.eq_ignore_ascii_case(name)));
    let typed_columns = listed_columns
        .iter()
        .filter(|column| !matches!(column.ty(), Type::Unknown | Type::Other) && is_in_file(column.name()));
    let of_schema: Vec<(&str, &str)> = typed_columns
        .map(|column| (column.name(), dialect.type_name(column.ty())))
        .collect();
    let is_typed = |name: &str| of_schema.iter().any(|(column, _)| column.eq_ignore_ascii_case(name));
    let file_types = file
        .types
        .iter()
        .filter(|(name, _)| !is_typed(name))
        .map(|(name, ty)| (name.as_str(), ty.as_str()));
    let types = of_schema.iter().copied().chain(file_types);
    let integer = dialect.type_name(Type::Integer);
    match file.kind {
        DataFormat::Csv { delimiter } => {
            let (integers, others): (Vec<_>, Vec<_>) = types.partition(|(_, ty)| *ty == integer);
            let read_types = integers
                .iter()
                .map(|(name, _)| (*name, INTEGER_READ_TYPE))
                .chain(others);
            let pairs = read_types.map(|(name, ty)| format!("{}: '{ty}'", dialect.text_literal(name)));
            let pairs = pairs.collect::<Vec<_>>().join(", ");
            let types = match pairs.is_empty() {
                true => String::new(),
                false => format!(", types = {{{pairs}}}"),
            };
            let form = csv_reader_call(delimiter, dialect);
            // Infer types from the whole file, so that all values match the type.
            let replaced = replace_clause(integers.into_iter(), file);
            format!("select *{replaced} from read_csv({path}, {form}, sample_size = -1{types})")
        }
        DataFormat::Parquet => format!("select *{} from read_parquet({path})", replace_clause(types, file)),
        DataFormat::Json => format!(
            "select *{} from read_json({path}, sample_size = -1)",
            replace_clause(types, file)
        ),
    }
}

/// Returns CSV options that DuckDB must not guess. If DuckDB guessed these options, it would treat malformed rows as
/// text before the header and skip them.
fn csv_reader_call(delimiter: char, dialect: Dialect) -> String {
    let delimiter = dialect.text_literal(&delimiter.to_string());
    format!("header = true, delim = {delimiter}, quote = '\"', escape = '\"', comment = '', skip = 0")
}

/// Returns the reason why a file cannot be read. DuckDB does not report the malformed line of a CSV file if it infers
/// the format, so the file is read again with all options set.
fn unreadable_file_failure(file: &DataFile, output: ProgramOutput, dialect: Dialect) -> Failure {
    let broken = match file.kind {
        DataFormat::Csv { delimiter } => {
            data::header_columns(Path::new(&file.path), delimiter)
                .ok()
                .and_then(|names| {
                    let columns = names
                        .iter()
                        .map(|name| format!("{}: 'varchar'", dialect.text_literal(name)));
                    let columns = columns.collect::<Vec<_>>().join(", ");
                    let (path, form) = (
                        dialect.text_literal(&escape_wildcards(&file.path)),
                        csv_reader_call(delimiter, dialect),
                    );
                    let read_call = format!("read_csv({path}, {form}, auto_detect = false, columns = {{{columns}}})");
                    run(&format!("select count(*) from {read_call};\n"))
                        .ok()
                        .filter(|again| !again.succeeded)
                })
        }
        DataFormat::Parquet | DataFormat::Json => None,
    };
    fault::from_file(ENGINE, &broken.unwrap_or(output).err, &file.display_path)
}

fn replace_clause<'c>(types: impl Iterator<Item = (&'c str, &'c str)>, file: &DataFile) -> String {
    let casts = types.map(|(name, ty)| cast_column_sql(name, ty, &file.display_path, dialect()));
    let casts = casts.collect::<Vec<_>>().join(", ");
    match casts.is_empty() {
        true => String::new(),
        false => format!(" replace ({casts})"),
    }
}

/// Escapes the glob characters in a path.
fn escape_wildcards(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '*' | '?' | '[' => out.extend(['[', c, ']']),
            c => out.push(c),
        }
    }
    out
}

/// Returns the SQL that creates an alias for each qualified table name, so that `raw.orders` reads the file `orders`
/// unless there is a file named `raw.orders`.
fn alias_views_sql(files: &[DataFile], tables: &[String], dialect: Dialect) -> String {
    let mut script = String::new();
    for table in tables {
        let parts: Vec<&str> = table.split('.').collect();
        let names: Vec<String> = parts.iter().map(|part| dialect.name_text(part, true)).collect();
        let [.., last] = parts.as_slice() else { continue };
        let find_file = |name: &str| files.iter().find(|file| file.relation.eq_ignore_ascii_case(name));
        let Some(file) = find_file(table).or_else(|| find_file(last)) else {
            continue;
        };
        match names.as_slice() {
            [schema, name] => script.push_str(&alias_view_sql(schema, name, file, dialect)),
            [database, schema, name] => {
                script.push_str(&format!("attach if not exists ':memory:' as {database};\n"));
                script.push_str(&alias_view_sql(&format!("{database}.{schema}"), name, file, dialect));
            }
            _ => {}
        }
    }
    script
}

fn alias_view_sql(schema: &str, name: &str, file: &DataFile, dialect: Dialect) -> String {
    let view = dialect.name_text(&file.relation, false);
    format!(
        "create schema if not exists {schema};\ncreate or replace view {schema}.{name} as select * from memory.main.{view};\n"
    )
}
