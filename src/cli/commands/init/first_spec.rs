//! Generates a small first spec for a model of the project. The spec is guaranteed to compile.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use formulac::artifacts::{Manifest, ManifestNode, ResourceType};
use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};
use formulac_syntax::lex::name_needs_quotes;
use formulac_syntax::yaml;

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

/// Layer of a model in a project. The layer that is most suitable for a first spec comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ModelLayer {
    /// Events with values, such as `fct_orders`.
    Fact,
    /// Other models for users, such as models in the folder `marts`.
    Mart,
    Unknown,
    /// Models that prepare data for other models, such as `stg_orders`.
    Preparation,
    /// Seeds, and models with logs of changes, such as `audit_log`.
    SeedOrAudit,
}

impl ModelLayer {
    /// Returns the layer of the model in a file, given the path relative to the models folder.
    fn of_file(path: &Path) -> Self {
        const STAGING_FOLDERS: [&str; 7] = ["base", "int", "intermediate", "raw", "sources", "staging", "stg"];
        const STAGING_PREFIXES: [&str; 6] = ["base_", "int_", "raw_", "src_", "stg_", "tmp_"];
        let name = path
            .file_stem()
            .and_then(OsStr::to_str)
            .unwrap_or_default()
            .to_lowercase();
        let folders = || path.parent().into_iter().flat_map(Path::components);
        let is_in = |names: &[&str]| {
            folders().any(|folder| names.iter().any(|name| folder.as_os_str().eq_ignore_ascii_case(name)))
        };
        let begins_with = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if name_parts(&name).any(|part| part == "audit") {
            Self::SeedOrAudit
        } else if begins_with(&STAGING_PREFIXES) || is_in(&STAGING_FOLDERS) {
            Self::Preparation
        } else if begins_with(&["fct_", "fact_"]) {
            Self::Fact
        } else if begins_with(&["mart_"]) || is_in(&["marts", "mart"]) {
            Self::Mart
        } else {
            Self::Unknown
        }
    }
}

/// Returns a spec for a model that users query and whose columns are known. The spec groups by month if the model has a
/// date column, and includes a sum if the model has a number column.
pub fn find(dbt: &DbtProject, dialect: Dialect) -> Result<Option<FirstSpec>, Failure> {
    let mut models = model_names(dbt);
    let schema = schema(dbt, dialect)?;
    let manifest = dbt.artifacts()?.map(|artifacts| &artifacts.manifest);
    let time_spines = time_spines(dbt, manifest);
    models.retain(|(name, _)| !name.ends_with("time_spine") && !time_spines.contains(name));
    let uses = manifest.map(model_usage_by_name).unwrap_or_default();
    let find_relation = |name: &str| schema.relation(name).cloned().unwrap_or_else(|| Relation::new(name));
    let mut relations: Vec<(Relation, ModelLayer)> = models
        .iter()
        .map(|(name, layer)| (find_relation(name), *layer))
        .collect();
    // The sort is stable, so the first of several equally suitable relations is used.
    relations.sort_by_key(|(relation, layer)| {
        let uses = uses.get(relation.name()).copied().unwrap_or_default();
        let is_for_users = *layer < ModelLayer::Preparation && !uses.is_ephemeral;
        let lacks = (date_column(relation).is_none(), amount_column(relation).is_none());
        (
            relation.columns().is_empty(),
            (*layer == ModelLayer::SeedOrAudit, !is_for_users),
            lacks,
            *layer,
            Reverse(uses),
        )
    });
    let is_name_used = |name: &str| models.iter().any(|(model, _)| model.eq_ignore_ascii_case(name));
    let specs = relations
        .iter()
        .flat_map(|(relation, _)| candidate_specs(relation, &is_name_used));
    let mut specs = specs.filter(|spec| {
        [Schema::new(), schema.clone()]
            .iter()
            .all(|schema| is_compilable(spec, schema, dialect))
    });
    Ok(specs.next())
}

/// Returns the names of the models that only list days or other periods for dbt's semantic layer, from the manifest or,
/// without a manifest, from the properties files.
fn time_spines(dbt: &DbtProject, manifest: Option<&Manifest>) -> BTreeSet<String> {
    if let Some(manifest) = manifest {
        let nodes = manifest.nodes.iter().filter(|node| node.is_time_spine());
        return nodes.map(|node| node.name.to_string()).collect();
    }
    // Search for the word first, because parsing a file takes much longer.
    let may_have_spines = |source: &SourceText| source.text.contains("time_spine");
    let of_file = |source: SourceText| -> Vec<String> {
        let root = yaml::merged_root(&source.text);
        let models = root.iter().flat_map(|root| root.items_at("models"));
        let spines = models.filter(|model| model.get("time_spine").is_some());
        spines
            .filter_map(|model| model.text_at("name").map(str::to_owned))
            .collect()
    };
    properties_files(dbt)
        .filter(may_have_spines)
        .flat_map(of_file)
        .collect()
}

/// Signs that users query a model, most important first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct ModelUsage {
    has_exposure: bool,
    /// Whether no other model reads the model.
    has_no_readers: bool,
    is_tested: bool,
    is_described: bool,
    is_ephemeral: bool,
}

/// Returns the uses of each model in a manifest, by name.
fn model_usage_by_name(manifest: &Manifest) -> BTreeMap<&str, ModelUsage> {
    let (children, tests) = (manifest.children(), manifest.tests_by_node());
    let uses = |(node, children): (&ManifestNode, &Vec<usize>)| {
        let is_read_by = |kind| {
            let mut readers = children.iter().filter_map(|child| manifest.nodes.get(*child));
            readers.any(|reader| reader.resource_type == kind)
        };
        ModelUsage {
            has_exposure: is_read_by(ResourceType::Exposure),
            has_no_readers: !is_read_by(ResourceType::Model),
            is_tested: tests.contains_key(&*node.unique_id),
            is_described: !node.description.is_empty(),
            is_ephemeral: node.materialized() == Some("ephemeral"),
        }
    };
    let nodes = manifest.nodes.iter().zip(&children);
    let models = nodes.filter(|(node, _)| node.resource_type == ResourceType::Model);
    models.map(|pair| (&*pair.0.name, uses(pair))).collect()
}

fn is_compilable(spec: &FirstSpec, schema: &Schema, dialect: Dialect) -> bool {
    let compiler = Compiler::builder().dialect(dialect).schema(schema.clone()).build();
    let compiled = compiler.compile_spec(&spec.text);
    compiled.diagnostics().is_empty() && compiled.model_sql().is_some()
}

/// Returns the names of the project's own models with their layers, followed by the project's seeds.
fn model_names(dbt: &DbtProject) -> Vec<(String, ModelLayer)> {
    let paths_in = |folders: &[String], section: &str, ending: &str| -> Vec<PathBuf> {
        let enabled = |folder: &String| {
            let folder = dbt.folder.join(folder);
            let inner = |path: PathBuf| path.strip_prefix(&folder).map(Path::to_owned).unwrap_or(path);
            let mut files: Vec<PathBuf> = super::find_files(&folder, ending).into_iter().map(inner).collect();
            files.retain(|path| dbt.is_enabled(section, &path.with_extension("")));
            files
        };
        let files = folders.iter().flat_map(enabled);
        files
            .filter(|path| !path.components().any(|part| part.as_os_str() == "formulac"))
            .collect()
    };
    let name = |path: &PathBuf| path.file_stem()?.to_str().map(str::to_owned);
    let models = paths_in(&dbt.model_paths, "models", "sql");
    let models = models
        .iter()
        .filter_map(|path| Some((name(path)?, ModelLayer::of_file(path))));
    let seeds = paths_in(&dbt.seed_paths, "seeds", "csv");
    let seeds = seeds
        .iter()
        .filter_map(|path| Some((name(path)?, ModelLayer::SeedOrAudit)));
    models.chain(seeds).collect()
}

/// Returns the schema from the last manifest or, without a manifest, from the properties files.
pub fn schema(dbt: &DbtProject, dialect: Dialect) -> Result<Schema, Failure> {
    if let Some(artifacts) = dbt.artifacts()? {
        return Ok(artifacts.known_relations(dialect, None)?.schema);
    }
    let sources: Vec<SourceText> = properties_files(dbt).collect();
    let texts: Vec<(&str, &str)> = sources.iter().map(|s| (s.name.as_str(), s.text.as_str())).collect();
    // Ignore the diagnostics: they may concern YAML files that do not describe relations.
    Ok(formulac::known::from_texts(&texts, dialect).0)
}

/// Returns the YAML files of models and seeds that can be read.
fn properties_files(dbt: &DbtProject) -> impl Iterator<Item = SourceText> {
    let folders = dbt.model_paths.iter().chain(&dbt.seed_paths);
    let folders = folders.map(|folder| dbt.folder.join(folder));
    let files = folders.flat_map(|folder| ["yml", "yaml"].map(|ending| super::find_files(&folder, ending)));
    let sources = files.flatten().map(|path| SourceText::from_file(&path));
    sources.filter(|source| source.fault.is_none())
}

/// Returns the possible specs for a relation, most informative first.
fn candidate_specs(relation: &Relation, is_name_used: &dyn Fn(&str) -> bool) -> Vec<FirstSpec> {
    let from = relation.name();
    let mut specs = Vec::new();
    let amount = amount_column(relation).map(Column::name);
    if let Some(day) = date_column(relation) {
        specs.push(build_spec(from, Some(day), amount, is_name_used));
    }
    specs.push(build_spec(from, None, amount, is_name_used));
    specs.push(build_spec(from, None, None, is_name_used));
    specs
}

fn build_spec(
    from: &str,
    day: Option<&Column>,
    amount: Option<&str>,
    is_name_used: &dyn Fn(&str) -> bool,
) -> FirstSpec {
    let base = if day.is_some() {
        format!("{from}_by_month")
    } else {
        format!("{from}_summary")
    };
    let name = [base.clone(), format!("{base}_metrics")]
        .into_iter()
        .find(|name| !is_name_used(name))
        .unwrap_or(base);
    let mut text = format!(
        "# A first spec to edit: `formulac query` shows its SQL, `formulac preview` its rows.\nmodel: {name}\n"
    );
    text.push_str(&match day {
        Some(column) => {
            let day = column.name();
            let filter = if column.is_nullable() {
                format!("where: NOT(ISBLANK({day}))\n")
            } else {
                String::new()
            };
            format!(
                "description: Totals of {from} per month of {day}.\nfrom: ref('{from}')\n{filter}\
                group_by: {day}[month]\norder_by: {day}[month]\n"
            )
        }
        None => format!("description: Totals of {from}, in one row.\nfrom: ref('{from}')\n"),
    });
    text.push_str("definitions: |\n  /// Number of rows.\n  row_count = COUNT()\n");
    if let Some(amount) = amount {
        text.push_str(&format!(
            "  /// Sum of {amount}.\n  total_{0} = SUM({amount})\n  /// Average of {amount}. NULL if \
            no row has a value.\n  average_{0} = AVERAGE({amount})\n",
            amount.to_ascii_lowercase()
        ));
    }
    if let Some(day) = day {
        text.push_str(&format!(
            "columns:\n  {}_month: {{description: First day of the month.}}\n",
            day.name().to_ascii_lowercase()
        ));
    }
    FirstSpec { name, text }
}

/// Returns a date column, or a timestamp column if there is no date column.
fn date_column(relation: &Relation) -> Option<&Column> {
    let column_of_type = |ty: Type| {
        relation
            .columns()
            .iter()
            .find(|column| column.ty() == ty && !name_needs_quotes(column.name()))
    };
    column_of_type(Type::Date).or_else(|| column_of_type(Type::Timestamp))
}

/// Returns a column whose sum is meaningful: a numeric column that is neither a key nor, by its name, an average, a
/// rate or a price.
fn amount_column(relation: &Relation) -> Option<&Column> {
    const AVERAGE_WORDS: [&str; 11] = [
        "avg",
        "average",
        "mean",
        "median",
        "rate",
        "ratio",
        "pct",
        "perc",
        "percent",
        "percentage",
        "price",
    ];
    let is_summable = |column: &&Column| {
        let name = column.name().to_ascii_lowercase();
        let is_key = ["id", "key", "number", "year", "month"]
            .iter()
            .any(|end| name == *end || name.ends_with(&format!("_{end}")))
            || relation.key().iter().any(|key| key.eq_ignore_ascii_case(&name));
        // A column such as `total_price` contains sums, not prices of single items.
        let is_total = name_parts(&name).any(|part| part == "total");
        let is_average = name_parts(&name).any(|part| AVERAGE_WORDS.contains(&part) && !(part == "price" && is_total));
        !name_needs_quotes(column.name()) && !is_key && !is_average
    };
    let column_of_type = |ty: Type| {
        let mut columns = relation.columns().iter().filter(|column| column.ty() == ty);
        columns.find(is_summable)
    };
    column_of_type(Type::Decimal)
        .or_else(|| column_of_type(Type::Float))
        .or_else(|| column_of_type(Type::Integer))
}

/// Returns the words of a name such as `avg_wins`.
fn name_parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('_')
}
