//! `formulac extract`: moves definitions that several specs contain to metric sets.

use std::fmt::Write as _;
use std::path::PathBuf;

use formulac::diag::lists::remaining_count_text;
use formulac::sync::extract::{ExtractRequest, Extraction, extract, is_valid_metric_set_name};
use formulac::sync::{TextChange, diff_lines};
use formulac_syntax::text::{collapse_whitespace, format_count};
use serde_json::{Value, json};

use super::sync::{ProjectLock, apply_without_commit};
use crate::cli::args::ExtractArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::source::{SourceText, spec_texts};
use crate::cli::spec::SpecPaths;
use crate::cli::workspace::Workspace;

pub fn run(session: &Session, args: &ExtractArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let _lock = (!args.dry_run)
        .then(|| ProjectLock::acquire(session, &workspace))
        .transpose()?;
    let sources = workspace.sources()?;
    if let Some((broken, _)) = sources.iter().find(|(source, _)| source.fault.is_some()) {
        return Err(Failure::from_source(broken.clone()));
    }
    let selection = spec_selection_flags(&workspace, &sources, &args.specs)?;
    if let Some(name) = args.name.as_deref().filter(|name| !is_valid_metric_set_name(name)) {
        return Err(
            Failure::new(Exit::Usage, format!("`{name}` is not a valid name for a metric set"))
                .with_help("use letters, digits and `_`, and begin with a letter"),
        );
    }
    let extraction = propose(session, &workspace, args, &sources, &selection)?;
    if args.name.is_some() && extraction.sets.len() > 1 {
        let names: Vec<String> = extraction.sets.iter().map(|set| format!("`{}`", set.name)).collect();
        let text = format!(
            "`--name` names a single set, but these specs result in {} sets: {}",
            names.len(),
            names.join(", ")
        );
        return Err(Failure::new(Exit::Usage, text).with_help("specify only the specs of a single set"));
    }
    let shown_extraction = ExtractionReport {
        workspace: &workspace,
        sources: &sources,
        extraction: &extraction,
        spec_and_set_changes: changes(&sources, &extraction),
    };
    if !args.json {
        session.print_data(&shown_extraction.diffs())?;
        shown_extraction
            .message_lines()
            .iter()
            .for_each(|line| session.report_action(line));
    }
    let question = format!(
        "Write {}?",
        format_count(shown_extraction.spec_and_set_changes.len(), "file", "files")
    );
    let is_written = !args.dry_run && !extraction.sets.is_empty() && session.confirm(args.yes, &question)?;
    if is_written {
        apply_without_commit(&workspace, shown_extraction.spec_and_set_changes.clone())?;
    }
    if args.json {
        session.print_json(&shown_extraction.json(is_written))?;
    } else if is_written {
        let paths = shown_extraction
            .spec_and_set_changes
            .iter()
            .map(|change| workspace.display_path(&change.path));
        paths.for_each(|path| session.report_action(&format!("wrote {path}")));
    } else if !extraction.sets.is_empty() {
        session.report_action("no file is written");
    }
    Ok(Exit::Done)
}

/// Proposes metric sets for specs of the project.
fn propose(
    session: &Session,
    workspace: &Workspace,
    args: &ExtractArgs,
    sources: &[(SourceText, Option<String>)],
    selection: &[bool],
) -> Result<Extraction, Failure> {
    let dialect = workspace.dialect(&args.target)?;
    let compiler = workspace.compiler(session, &args.target, dialect)?;
    let texts = spec_texts(sources);
    let folder = workspace.specs_folder();
    let request = ExtractRequest {
        specs: &texts,
        may_change: selection,
        name: args.name.as_deref(),
        folder: &folder,
    };
    Ok(extract(&compiler, &request))
}

/// Returns, for each spec of the project, whether it is selected by name. Without names, all specs are selected.
fn spec_selection_flags(
    workspace: &Workspace,
    sources: &[(SourceText, Option<String>)],
    paths: &[PathBuf],
) -> Result<Vec<bool>, Failure> {
    if paths.is_empty() {
        return Ok(vec![true; sources.len()]);
    }
    let spec_paths = SpecPaths::new(sources.iter().map(|(source, _)| source.name.as_str()));
    let mut selection = vec![false; sources.len()];
    for path in paths {
        let spec = spec_paths.index_of(path).ok_or_else(|| {
            if std::fs::canonicalize(path).is_err() {
                return Failure::from_source(SourceText::from_file(path));
            }
            let text = format!("`{}` is not a spec of the project", path.display());
            let help = format!(
                "specify specs in `{}`",
                workspace.root.join(workspace.specs_folder()).display()
            );
            Failure::new(Exit::Usage, text).with_help(help)
        })?;
        if let Some(flag) = selection.get_mut(spec) {
            *flag = true;
        }
    }
    Ok(selection)
}

/// Maximum number of names with differing formulas to show, and maximum number of formulas to show per name.
const MAX_LISTED_NAMES: usize = 20;
const MAX_LISTED_FORMULAS: usize = 5;

struct ExtractionReport<'s> {
    workspace: &'s Workspace,
    sources: &'s [(SourceText, Option<String>)],
    extraction: &'s Extraction,
    spec_and_set_changes: Vec<TextChange>,
}

/// Returns the changes to the files: first the metric sets, then the specs.
fn changes(sources: &[(SourceText, Option<String>)], extraction: &Extraction) -> Vec<TextChange> {
    let sets = extraction.sets.iter().filter_map(|set| {
        let before = set
            .spec
            .and_then(|spec| sources.get(spec))
            .map(|(source, _)| source.text.clone());
        let after = Some(set.text.clone()).filter(|text| before.as_ref() != Some(text))?;
        Some(TextChange::new(&set.path, before, Some(after)))
    });
    let specs = extraction.specs.iter().filter_map(|spec| {
        let (source, path) = sources.get(spec.spec)?;
        let (before, after) = (source.text.clone(), spec.text.clone());
        Some(TextChange::new(path.as_deref()?, Some(before), Some(after)))
    });
    sets.chain(specs).collect()
}

impl ExtractionReport<'_> {
    fn spec_path(&self, spec: usize) -> String {
        self.sources
            .get(spec)
            .map_or_else(String::new, |(source, path)| match path {
                Some(path) => self.workspace.display_path(path),
                None => source.name.clone(),
            })
    }

    fn diffs(&self) -> String {
        let mut out = String::new();
        for change in &self.spec_and_set_changes {
            let path = self.workspace.display_path(&change.path);
            let before = if change.before.is_some() { &path } else { "/dev/null" };
            let (old, new) = (change.before.as_deref(), change.after.as_deref());
            let diff = diff_lines(old.unwrap_or_default(), new.unwrap_or_default());
            let _ = writeln!(out, "--- {before}\n+++ {path}\n{}", diff.trim_end_matches('\n'));
        }
        out
    }

    /// Returns messages about the metric sets, the skipped specs, and the names with different formulas.
    fn message_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for set in &self.extraction.sets {
            let specs = self.extraction.specs_of(set);
            let others = match set.others {
                0 => String::new(),
                count => format!(", and {} that the specs need", format_count(count, "other", "others")),
            };
            let specs = format_count(specs, "spec", "specs");
            let exists = match (set.spec, set.added.len()) {
                (None, _) => String::new(),
                (Some(_), 0) => "; the set already has all of these definitions".to_owned(),
                (Some(_), 1) => "; 1 of these definitions is added to the set".to_owned(),
                (Some(_), count) => format!("; {count} of these definitions are added to the set"),
            };
            lines.push(format!(
                "metric set {}: {} of {specs}{others}{exists}",
                set.name,
                format_count(set.shared.len(), "definition", "definitions"),
            ));
        }
        for set in self.extraction.sets.iter().filter(|set| !set.other_sets.is_empty()) {
            let (reads, differs, has) = match set.other_sets.len() {
                1 => ("reads", "differs", "has"),
                _ => ("read", "differ", "have"),
            };
            lines.push(format!(
                "metric set {} is new, because {}, which {reads} the same relation, {differs} in rows, joins or \
                 settings, or {has} errors",
                set.name,
                set.other_sets.join(", ")
            ));
        }
        if self.extraction.sets.is_empty() {
            let others = match self.extraction.left_out.is_empty() {
                true => "",
                false => "without the skipped specs, ",
            };
            lines.push(format!(
                "{others}no definition occurs twice: in two specs, or in a spec and a set, that read the same \
                 relation with the same filter"
            ));
        }
        let changed = self.extraction.specs.iter().filter(|spec| spec.changes_properties);
        let changed: Vec<String> = changed.map(|spec| self.spec_path(spec.spec)).collect();
        if !changed.is_empty() {
            lines.push(format!(
                "descriptions or tests come from the set in {}",
                changed.join(", ")
            ));
        }
        for skipped in &self.extraction.left_out {
            lines.push(format!(
                "{} is skipped: {}",
                self.spec_path(skipped.spec),
                skipped.reason
            ));
        }
        for differing in self.extraction.differing.iter().take(MAX_LISTED_NAMES) {
            lines.push(format!(
                "the same name, different formulas: `{}` of {}",
                differing.name, differing.relation
            ));
            for (formula, specs) in differing.formulas.iter().take(MAX_LISTED_FORMULAS) {
                let specs: Vec<String> = specs.iter().map(|spec| self.spec_path(*spec)).collect();
                lines.push(format!("  {}: {}", specs.join(", "), collapse_whitespace(formula)));
            }
            lines.extend(
                remaining_count_text(differing.formulas.len(), MAX_LISTED_FORMULAS).map(|more| format!("  {more}")),
            );
        }
        lines.extend(
            remaining_count_text(self.extraction.differing.len(), MAX_LISTED_NAMES)
                .map(|more| format!("{more}; `--json` lists all")),
        );
        lines
    }

    fn json(&self, is_written: bool) -> Value {
        let sets = self.extraction.sets.iter().map(|set| {
            json!({
                "name": set.name, "path": self.workspace.display_path(&set.path), "text": set.text, "shared": set.shared,
                "is_new": set.spec.is_none(), "added": set.added,
            })
        });
        let specs = self.extraction.specs.iter().map(|spec| {
            json!({
                "path": self.spec_path(spec.spec), "set": spec.set, "text": spec.text,
                "changes_properties": spec.changes_properties,
            })
        });
        let left_out = self.extraction.left_out.iter();
        let left_out = left_out.map(|skipped| json!({"path": self.spec_path(skipped.spec), "reason": skipped.reason}));
        let differing = self.extraction.differing.iter().map(|differing| {
            let formulas = differing.formulas.iter().map(|(formula, specs)| {
                let specs: Vec<String> = specs.iter().map(|spec| self.spec_path(*spec)).collect();
                json!({"formula": formula, "specs": specs})
            });
            let formulas: Vec<Value> = formulas.collect();
            json!({"name": differing.name, "relation": differing.relation, "formulas": formulas})
        });
        json!({
            "sets": sets.collect::<Vec<_>>(), "specs": specs.collect::<Vec<_>>(),
            "left_out": left_out.collect::<Vec<_>>(), "differing": differing.collect::<Vec<_>>(),
            "written": is_written,
        })
    }
}
