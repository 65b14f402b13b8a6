//! A Postgres server, which is queried with `psql`.

use std::fmt;
use std::path::Path;
use std::process::Command;

use formulac::{Dialect, Schema, Type};

use super::EngineRequest;
use super::data::{self, DataFile, DataFormat};
use super::fault::{self, EngineSql};
use super::query_result::{QueryResult, ResultColumn};
use crate::cli::exit::{Exit, Failure};
use crate::cli::program::{ExternalProgram, ProgramOutput};

const ENGINE: &str = "Postgres";
/// The program `psql`.
pub const PROGRAM: ExternalProgram = ExternalProgram {
    name: "psql",
    variable: "FORMULAC_PSQL",
    install: "install psql with `apt-get install postgresql-client` or `brew install libpq`",
};
/// Help message for a query that reads a missing relation.
const MISSING_TABLE_HELP: &str = "create the table on the server, or provide the table as a file with `--data DIR`";
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Postgres server: its address and its password. The password is neither printed nor visible in the list of processes.
pub struct PostgresServer {
    address: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl PostgresServer {
    /// Returns the server that the environment variables `PGHOST`, `PGDATABASE` and so on specify.
    pub fn from_environment() -> Self {
        Self {
            address: None,
            password: None,
        }
    }

    /// Returns whether a string is the URL of a Postgres server.
    pub fn is_url(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Returns the server at a URL.
    pub fn from_url(url: &str) -> Self {
        let (address, password) = split_password(url);
        Self {
            address: Some(address),
            password: password.map(|text| percent_decode(&text)),
        }
    }

    fn run(&self, script: &str) -> Result<ProgramOutput, Failure> {
        let mut command: Command = PROGRAM.command();
        // These options make psql ignore the user's settings, never ask for a password, and separate fields and rows
        // with NUL.
        command.args(["-X", "-q", "-A", "-t", "-z", "-0", "-w", "-v", "ON_ERROR_STOP=1"]);
        command.env("PGCLIENTENCODING", "UTF8").env("PGAPPNAME", "formulac");
        if let Some(address) = &self.address {
            command.arg(format!("--dbname={address}"));
        }
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
        PROGRAM.run(&mut command, script)
    }
}

/// Separates the password from a URL. Returns the URL without the password, and the password.
fn split_password(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else {
        return (url.to_owned(), None);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let mut password = None;
    let mut address = format!("{scheme}://");
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let name = match user.split_once(':') {
                Some((name, secret)) => {
                    password = Some(secret.to_owned());
                    name
                }
                None => user,
            };
            address.push_str(&format!("{name}@{host}"));
        }
        None => address.push_str(authority),
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    address.push_str(path);
    let mut kept_pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("password", secret)) => password = Some(secret.to_owned()),
            _ => kept_pairs.push(pair),
        }
    }
    if !kept_pairs.is_empty() {
        address.push_str(&format!("?{}", kept_pairs.join("&")));
    }
    (address, password)
}

/// Hides the password in a string that may be a URL.
pub fn mask_password(text: &str) -> String {
    let (address, password) = split_password(text);
    match (password, address.split_once("://")) {
        (Some(_), Some((scheme, rest))) => format!("{scheme}://***@{}", rest.rsplit('@').next().unwrap_or_default()),
        _ => address,
    }
}

/// Decodes percent-encoding, such as `%40` for `@`.
fn percent_decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                bytes.extend(part.bytes().skip(2));
            }
            None => bytes.extend(b"%".iter().copied().chain(part.bytes())),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns an error if a file cannot be loaded into the server. Only CSV files whose column types are specified in a
/// schema can be loaded.
pub fn check_files(files: &[DataFile], has_schema: bool) -> Result<(), Failure> {
    let refused = |text: String, help: &str| Err(Failure::new(Exit::Usage, text).with_help(help));
    for file in files {
        if !matches!(file.kind, DataFormat::Csv { .. }) {
            return refused(
                format!("Postgres reads CSV only, not `{}`", file.display_path),
                "choose `--engine duckdb`",
            );
        }
        if file.path.contains(['\n', '\r']) {
            return refused(
                format!(
                    "psql does not accept a line break in a path, such as `{}`",
                    file.display_path
                ),
                "rename the file",
            );
        }
    }
    if !files.is_empty() && !has_schema {
        let help = "specify the column types with `--schema`, or choose `--engine duckdb`, which infers them";
        return refused("Postgres does not infer types from CSV files".to_owned(), help);
    }
    Ok(())
}

/// Runs a query, after loading the given files.
pub fn query(
    request: EngineRequest<'_>,
    server: &PostgresServer,
    files: &[DataFile],
    typed: Option<&Schema>,
) -> Result<QueryResult, Failure> {
    let sql = request.sql;
    // Before the rows of the query, the script prints only rows with two fields, so that the fields can be read in
    // pairs.
    let mut script =
        "set standard_conforming_strings = on;\nselect current_setting('server_version'), '';\n".to_owned();
    for file in files {
        script.push_str(&load_file_statements(file, typed)?);
        script.push_str("select 'loaded', '';\n");
    }
    let rows = "select (select json_agg(value order by place) \
                from json_each_text(row_to_json(formulac_answer.*)) with ordinality as pair (name, value, place)) from (\n";
    let end = format!(") as formulac_answer limit {}", u64::from(request.limit) + 1);
    script.push_str("begin transaction read only;\n");
    if let Some(timed) = request.timed {
        // `\gset` stores the single row in psql variables, so it does not appear in the result.
        script.push_str(&format!(
            "select clock_timestamp() as formulac_began \\gset\n{timed}\\gset\n\
             select 'seconds', extract(epoch from clock_timestamp() - :'formulac_began'::timestamptz);\n"
        ));
    }
    // `\gdesc` returns one row per column, with its name and type. A row with an empty type marks the end of the
    // columns.
    script.push_str(&format!("{sql}\\gdesc\nselect '', '';\n{rows}{sql}{end};\nrollback;\n"));
    let output = server.run(&script)?;
    let mut fields = output.out.split('\0');
    let version = fields.next().filter(|text| !text.is_empty());
    let Some(version) = version else {
        return Err(fault::from_file(ENGINE, &output.err, "<postgres>"));
    };
    let version = version.split_whitespace().next().unwrap_or_default();
    let mut fields = fields.skip(1);
    for file in files {
        match (fields.next(), fields.next()) {
            (Some("loaded"), Some("")) => {}
            _ => return Err(fault::from_file(ENGINE, &output.err, &file.display_path)),
        }
    }
    let mut seconds = None;
    if request.timed.is_some() {
        match (fields.next(), fields.next()) {
            (Some("seconds"), Some(number)) => seconds = number.parse().ok(),
            _ => {
                return Err(fault::from_sql(
                    ENGINE,
                    &output.err,
                    EngineSql {
                        sql,
                        before: "",
                        missing: MISSING_TABLE_HELP,
                    },
                ));
            }
        }
    }
    let mut columns = Vec::new();
    let mut described = false;
    while let (Some(name), Some(ty)) = (fields.next(), fields.next()) {
        if ty.is_empty() {
            described = true;
            break;
        }
        columns.push(ResultColumn {
            name: name.to_owned(),
            ty: ty.parse().unwrap_or(Type::Unknown),
        });
    }
    if !output.succeeded {
        let before = if described { rows } else { "" };
        return Err(fault::from_sql(
            ENGINE,
            &output.err,
            EngineSql {
                sql,
                before,
                missing: MISSING_TABLE_HELP,
            },
        ));
    }
    let rows = fields.filter_map(|row| serde_json::from_str(row).ok()).collect();
    let engine = format!("{ENGINE} {version}");
    let answer = QueryResult {
        engine,
        version: version.to_owned(),
        columns,
        rows,
        more: false,
        seconds,
    };
    Ok(answer.with_limit(request.limit))
}

/// Returns the SQL that creates a temporary table with the file's rows.
fn load_file_statements(file: &DataFile, typed: Option<&Schema>) -> Result<String, Failure> {
    let dialect = Dialect::default();
    let DataFormat::Csv { delimiter } = file.kind else {
        return Ok(String::new());
    };
    let names = data::header_columns(Path::new(&file.path), delimiter);
    let names = names.map_err(|error| Failure::from_io("read", &file.display_path, &error))?;
    let relation = typed.and_then(|schema| schema.relation(&file.relation));
    let column = |name: &String| {
        let ty = relation
            .and_then(|relation| relation.column(name))
            .map_or(Type::Text, formulac::Column::ty);
        format!("{} {}", dialect.name_text(name, true), dialect.type_name(ty))
    };
    let columns: Vec<String> = names.iter().map(column).collect();
    let table = dialect.name_text(&file.relation, true);
    let path = file.path.replace('\'', "''");
    Ok(format!(
        "create temporary table {table} ({});\n\
         \\copy pg_temp.{table} from '{path}' with (format csv, header true, delimiter '{delimiter}')\n",
        columns.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_removed_from_url() {
        for (url, address, password) in [
            ("postgres://host/db", "postgres://host/db", None),
            (
                "postgres://me:p%40ss:w@host:5432/db?sslmode=require",
                "postgres://me@host:5432/db?sslmode=require",
                Some("p@ss:w"),
            ),
            ("postgresql://me@host", "postgresql://me@host", None),
            (
                "postgresql:///db?host=/tmp&password=x%&user=me",
                "postgresql:///db?host=/tmp&user=me",
                Some("x%"),
            ),
            ("postgres://me:a@b@host/d@b", "postgres://me@host/d@b", Some("a@b")),
        ] {
            let server = PostgresServer::from_url(url);
            assert_eq!(
                (server.address.as_deref(), server.password.as_deref()),
                (Some(address), password),
                "{url}"
            );
            assert!(!format!("{server:?}").contains("p@ss"));
        }
        assert_eq!(
            mask_password("postgress://me:secret@host/db"),
            "postgress://***@host/db"
        );
        assert_eq!(mask_password("duckdbb"), "duckdbb");
    }
}
