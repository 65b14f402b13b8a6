//! Generates a small first spec for a model of the project. The spec is certain to compile.

use std::path::PathBuf;

use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};

use crate::cli::dbt_project::DbtProject;
use crate::cli::exit::Failure;
use crate::cli::source::SourceText;

/// A spec that is ready to be written.
#[derive(Debug)]
pub struct FirstSpec {
    /// Name of the spec's model.
    pub name: String,
    pub text: String,
}

/// Returns a spec for the model with the most known facts. The spec groups by month if the model has a date column, and
/// includes a sum if the model has a number column.
pub fn find(dbt: &DbtProject, dialect: Dialect) -> Result<Option<FirstSpec>, Failure> {
    let models = model_names(dbt);
    let schema = schema(dbt, dialect)?;
    let known = |name: &str| schema.relation(name).cloned().unwrap_or_else(|| Relation::new(name));
    let mut relations: Vec<Relation> = models.iter().map(|name| known(name)).collect();
    // The sort is stable, so the first of several equally suitable relations is used.
    relations.sort_by_key(|relation| (date_column(relation).is_none(), amount_column(relation).is_none()));
    let taken = |name: &str| models.iter().any(|model| model.eq_ignore_ascii_case(name));
    let specs = relations.iter().flat_map(|relation| candidate_specs(relation, &taken));
    let mut specs = specs.filter(|spec| {
        [Schema::new(), schema.clone()]
            .iter()
            .all(|schema| is_compilable(spec, schema, dialect))
    });
    Ok(specs.next())
}

fn is_compilable(spec: &FirstSpec, schema: &Schema, dialect: Dialect) -> bool {
    let compiler = Compiler::builder().dialect(dialect).schema(schema.clone()).build();
    let compiled = compiler.compile_spec(&spec.text);
    compiled.diagnostics().is_empty() && compiled.model_sql().is_some()
}

/// Returns the names of the project's own models, followed by its seeds.
fn model_names(dbt: &DbtProject) -> Vec<String> {
    let of = |folders: &[String], section: &str, ending: &str| -> Vec<String> {
        let enabled = |folder: &String| {
            let folder = dbt.folder.join(folder);
            let is_enabled = |path: &PathBuf| {
                let inner = path.strip_prefix(&folder).unwrap_or(path).with_extension("");
                dbt.is_enabled(section, &inner)
            };
            let mut files = super::find_files(&folder, ending);
            files.retain(is_enabled);
            files
        };
        let files = folders.iter().flat_map(enabled);
        let files = files.filter(|path| !path.components().any(|part| part.as_os_str() == "formulac"));
        files
            .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
            .collect()
    };
    let mut names = of(&dbt.model_paths, "models", "sql");
    names.extend(of(&dbt.seed_paths, "seeds", "csv"));
    names
}

/// Returns the schema from the last manifest or, without a manifest, from the properties files.
pub fn schema(dbt: &DbtProject, dialect: Dialect) -> Result<Schema, Failure> {
    if let Some(artifacts) = dbt.artifacts()? {
        return Ok(artifacts.known_relations(dialect, None)?.schema);
    }
    let folders = dbt
        .model_paths
        .iter()
        .chain(&dbt.seed_paths)
        .map(|folder| dbt.folder.join(folder));
    let files = folders
        .flat_map(|folder| ["yml", "yaml"].map(|ending| super::find_files(&folder, ending)))
        .flatten();
    let sources: Vec<SourceText> = files
        .map(|path| SourceText::from_file(&path))
        .filter(|source| source.fault.is_none())
        .collect();
    let texts: Vec<(&str, &str)> = sources.iter().map(|s| (s.name.as_str(), s.text.as_str())).collect();
    // Ignore the diagnostics: they may concern YAML files that do not describe relations.
    Ok(formulac::known::from_texts(&texts, dialect).0)
}

/// Returns the possible specs for a relation, most informative first.
fn candidate_specs(relation: &Relation, taken: &dyn Fn(&str) -> bool) -> Vec<FirstSpec> {
    let from = relation.name();
    let mut specs = Vec::new();
    if let Some(day) = date_column(relation) {
        specs.push(build_spec(from, Some(day), amount_column(relation), taken));
    }
    specs.push(build_spec(from, None, amount_column(relation), taken));
    specs.push(build_spec(from, None, None, taken));
    specs
}

fn build_spec(from: &str, day: Option<&str>, amount: Option<&str>, taken: &dyn Fn(&str) -> bool) -> FirstSpec {
    let base = if day.is_some() {
        format!("{from}_by_month")
    } else {
        format!("{from}_summary")
    };
    let name = [base.clone(), format!("{base}_metrics")]
        .into_iter()
        .find(|name| !taken(name))
        .unwrap_or(base);
    let mut text = format!(
        "# A first spec to edit: `formulac query` shows its SQL, `formulac preview` its rows.\nmodel: {name}\n"
    );
    text.push_str(&match day {
        Some(day) => format!(
            "description: Totals of {from} per month of {day}.\nfrom: ref('{from}')\nwhere: \
            NOT(ISBLANK({day}))\ngroup_by: {day}[month]\norder_by: {day}[month]\n"
        ),
        None => format!("description: Totals of {from}, in one row.\nfrom: ref('{from}')\n"),
    });
    text.push_str("definitions: |\n  /// Rows.\n  row_count = COUNT()\n");
    if let Some(amount) = amount {
        text.push_str(&format!(
            "  /// Sum of {amount}.\n  total_{0} = SUM({amount})\n  /// NULL if there is no \
            {amount}.\n  average_{0} = AVERAGE({amount})\n",
            amount.to_ascii_lowercase()
        ));
    }
    if let Some(day) = day {
        text.push_str(&format!(
            "columns:\n  {}_month: {{description: First day of the month.}}\n",
            day.to_ascii_lowercase()
        ));
    }
    FirstSpec { name, text }
}

/// Returns a date column, or a timestamp column if there is no date column.
fn date_column(relation: &Relation) -> Option<&str> {
    let of = |ty: Type| {
        relation
            .columns()
            .iter()
            .find(|column| column.ty() == ty && is_plain(column.name()))
    };
    of(Type::Date).or_else(|| of(Type::Timestamp)).map(Column::name)
}

/// Returns a column whose sum is meaningful: a numeric column that is not a key.
fn amount_column(relation: &Relation) -> Option<&str> {
    let is_key = |column: &Column| {
        let name = column.name().to_ascii_lowercase();
        ["id", "key", "number", "year", "month"]
            .iter()
            .any(|end| name == *end || name.ends_with(&format!("_{end}")))
            || relation.key().iter().any(|key| key.eq_ignore_ascii_case(&name))
    };
    let of = |ty: Type| {
        let mut columns = relation
            .columns()
            .iter()
            .filter(|column| column.ty() == ty && is_plain(column.name()));
        columns.find(|column| !is_key(column))
    };
    of(Type::Decimal)
        .or_else(|| of(Type::Float))
        .or_else(|| of(Type::Integer))
        .map(Column::name)
}

/// Returns whether formulas and YAML accept a name unquoted.
pub fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
