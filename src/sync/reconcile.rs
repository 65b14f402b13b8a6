//! A model's spec and its files, each changed since the base: what goes together, what one side brings to the other, and
//! what is for a person to decide.

use std::collections::BTreeMap;

use super::hand_edits::{self, HandEdit, HandEditKind, Property};
use super::lines::merge as merge_lines;
use super::properties::{self, About, StatedProperties};
use super::state::{PushState, lines};
use super::{baseless, write_back};
use crate::dbt::{differ_by_path_alone, is_as_written};
use crate::decompile::{Clash, Decompiler, in_order_of, respelled, with_formula};
use crate::parallel;
use crate::{CompiledSpec, Compiler};

/// A spec as it compiles now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ours {
    /// The spec's path, seen from the project's folder.
    pub spec: String,
    /// Its text.
    pub source: String,
    /// What it says.
    pub compiled: CompiledSpec,
    /// The texts that it makes, by their paths as seen from the project's folder.
    pub files: BTreeMap<String, String>,
}

impl Ours {
    /// A spec with what it makes; the folders are those of models and of tests, seen from the project's. None where it
    /// makes no model.
    #[must_use]
    pub fn new(spec: &str, source: &str, compiled: CompiledSpec, models: &str, tests: &str) -> Option<Self> {
        let name = compiled.name()?;
        let (sql, yml) = (compiled.model_sql()?, compiled.model_yml()?);
        if compiled.has_errors() {
            return None;
        }
        let own = [("sql", Some(sql)), ("yml", Some(yml)), ("md", compiled.model_md())];
        let own = own
            .into_iter()
            .filter_map(|(end, text)| Some((format!("{models}/{name}.{end}"), lines(text?))));
        let tests = compiled
            .model_tests()
            .iter()
            .map(|test| (format!("{tests}/{}.sql", test.name()), lines(test.sql())));
        let files = own.chain(tests).collect();
        Some(Self {
            spec: spec.to_owned(),
            source: source.to_owned(),
            compiled,
            files,
        })
    }

    /// The place of a definition's formula in the spec, from line 1.
    fn line(&self, name: &str) -> Option<usize> {
        let found = self
            .compiled
            .definitions()
            .iter()
            .find(|definition| definition.name() == name)?;
        Some(properties::line_at(&self.source, found.span().start as usize))
    }
}

/// A model as it stands on all sides.
#[derive(Clone, Copy, Debug)]
pub struct ModelSides<'a> {
    /// Its name.
    pub model: &'a str,
    /// The base: none before the first push, two where git could not merge them.
    pub bases: &'a [PushState],
    /// The spec; `None` if there is none any more.
    pub ours: Option<&'a Ours>,
    /// The files in the work tree, by their paths.
    pub found: &'a BTreeMap<String, String>,
}

/// A change of both sides, different ones.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conflict {
    /// The definition or column; `None` if it is of the whole model or of a file.
    pub definition: Option<String>,
    /// The step that it stands in.
    pub step: Option<String>,
    /// What both changed.
    pub property: Property,
    /// The key below it, or the item.
    pub detail: String,
    /// What both had.
    pub base: Option<String>,
    /// What the spec says.
    pub ours: Option<String>,
    /// The spec.
    pub spec: String,
    /// The line in it, where that is known.
    pub spec_line: Option<usize>,
    /// What the file says.
    pub theirs: Option<String>,
    /// The same as a formula, where it is one.
    pub theirs_formula: Option<String>,
    /// The file.
    pub file: String,
    /// The line in it.
    pub line: usize,
    /// The edit of the file; `None` if a file as a whole is in the way.
    pub edit: Option<HandEdit>,
    /// The parts that both changed, where it is of a file.
    pub clashes: Vec<Clash>,
}

impl Conflict {
    /// Whether it is of a description in Omni and one that people wrote for dbt: no push made either file.
    #[must_use]
    pub fn is_of_omni(&self) -> bool {
        self.property == Property::Description && self.edit.is_none()
    }
}

/// What becomes of the hand edits of a model's files.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reconciled {
    /// The spec with what was brought into it; `None` if nothing was.
    pub source: Option<String>,
    /// What was brought into the spec, or says what it says already.
    pub carried: Vec<HandEdit>,
    /// What stays in the files alone.
    pub kept: Vec<HandEdit>,
    /// What is for a person to decide.
    pub conflicts: Vec<Conflict>,
}

/// What is needed to read SQL as formulas and to see what other texts of a spec make.
#[derive(Clone, Copy, Debug)]
pub struct Tools<'t> {
    /// The compiler of the spec, which knows all that the spec reads.
    pub compiler: &'t Compiler,
    /// What is learned of SQL, for all models.
    pub decompiler: &'t Decompiler,
    /// The folders of models and of tests, seen from the project's.
    pub folders: (&'t str, &'t str),
    /// The paths of files that were moved, by the paths that these folders give them.
    pub moved: &'t BTreeMap<String, String>,
}

impl Tools<'_> {
    /// What a text of a spec makes; `None` if it makes no model.
    #[must_use]
    pub fn compile(&self, spec: &str, text: &str) -> Option<Ours> {
        let compiled = self.compiler.compile_spec_at(text, Some(spec));
        let mut made = Ours::new(spec, text, compiled, self.folders.0, self.folders.1)?;
        made.files = made
            .files
            .into_iter()
            .map(|(path, it)| (self.moved.get(&path).cloned().unwrap_or(path), it))
            .collect();
        Some(made)
    }
}

/// Brings together what people changed in the files, and elsewhere (`more`), and what the spec says now.
#[must_use]
pub fn reconcile<'t>(sides: ModelSides<'_>, more: Vec<HandEdit>, tools: impl Fn() -> Tools<'t>) -> Reconciled {
    let mut done = Reconciled::default();
    let (Some(base), Some(ours)) = (sides.bases.first(), sides.ours) else {
        return done;
    };
    let dialect = ours.compiled.dialect();
    let mut edits = hand_edits::between(sides.model, &base.files, &edited(sides, &base.files), dialect);
    edits.extend(more);
    if edits.is_empty() {
        return done;
    }
    let tools = tools();
    // Its definitions are compared with those of the spec where a formula was edited.
    let is_formula = edits
        .iter()
        .any(|edit| edit.property == Property::Formula || is_in_model_file(sides.model)(edit));
    let before = if is_formula {
        tools.compile(&base.spec, &base.source)
    } else {
        None
    };
    let base_said = stated_properties(sides.model, &base.files);
    let mut work = ReconcileWork {
        sides,
        base,
        before,
        ours: ours.clone(),
        tools,
        base_said,
    };
    work.respelled(&mut edits, &mut done);
    for edit in edits {
        work.one(edit, &mut done);
    }
    if work.ours.source != ours.source {
        // What was brought into the spec may make other edits of the file too.
        let left = hand_edits::between(sides.model, &work.ours.files, &edited(sides, &work.ours.files), dialect);
        let is_left = |edit: &HandEdit| {
            let is_it =
                |other: &HandEdit| (&other.file, other.line, &other.after) == (&edit.file, edit.line, &edit.after);
            edit.is_whole() || left.iter().any(is_it)
        };
        let (kept, made): (Vec<_>, Vec<_>) = done.kept.drain(..).partition(is_left);
        done.kept = kept;
        done.carried.extend(made);
        done.source = Some(work.ours.source);
    }
    done
}

/// The files that people edited; the others are as formulac wrote them, now or another time.
fn edited(sides: ModelSides<'_>, written: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_ours = |path: &String, text: &str| {
        let is_one_of = |files: &BTreeMap<String, String>| files.get(path).is_some_and(|known| *known == lines(text));
        is_as_written(text)
            || sides.bases.iter().any(|base| is_one_of(&base.files))
            || sides.ours.is_some_and(|ours| is_one_of(&ours.files))
    };
    let found = written.iter().filter_map(|(path, written)| {
        let now = sides.found.get(path)?;
        Some((
            path.clone(),
            if is_ours(path, now) {
                written.clone()
            } else {
                lines(now)
            },
        ))
    });
    found.collect()
}

fn stated_properties(model: &str, files: &BTreeMap<String, String>) -> BTreeMap<About, StatedProperties> {
    let of_kind = |kind: HandEditKind| {
        files
            .iter()
            .find(|(path, _)| HandEditKind::new(path, model) == kind)
            .map(|(_, text)| text.as_str())
    };
    of_kind(HandEditKind::Properties)
        .and_then(|yml| properties::read(yml, of_kind(HandEditKind::Docs)))
        .unwrap_or_default()
}

struct ReconcileWork<'a> {
    sides: ModelSides<'a>,
    base: &'a PushState,
    /// The spec with what was brought into it so far.
    ours: Ours,
    tools: Tools<'a>,
    /// The base's spec as it compiles now, where that matters.
    before: Option<Ours>,
    base_said: BTreeMap<About, StatedProperties>,
}

impl ReconcileWork<'_> {
    fn one(&mut self, edit: HandEdit, done: &mut Reconciled) {
        if edit.property == Property::Formula {
            return self.formula(edit, done);
        }
        let (base, ours) = self.values(&edit);
        if ours == edit.after {
            done.carried.push(edit);
            return;
        }
        // What no spec says goes beside what the spec makes now, as long as they are not the same lines.
        let dialect = self.ours.compiled.dialect();
        let goes_beside = || match (&base, &ours, self.sides.found.get(&edit.file)) {
            (Some(base), Some(ours), Some(found)) if edit.is_whole() => {
                baseless::merged(&edit.file, self.sides.model, dialect, [base, ours, &lines(found)]).is_some()
            }
            _ => false,
        };
        // Where something in the file is to be decided, the rest of it waits for that.
        let waits = edit.is_whole() && done.conflicts.iter().any(|conflict| conflict.file == edit.file);
        if waits {
            done.kept.push(edit);
            return;
        }
        if self.sides.bases.len() != 1 || (ours != base && !goes_beside()) {
            done.conflicts.push(self.conflict(&edit, base, ours));
            return;
        }
        for source in write_back::candidates(&self.ours.source, &edit) {
            let carried = self.tools.compile(&self.ours.spec, &source);
            if let Some(carried) = carried.filter(|carried| self.says(carried, &edit)) {
                self.ours = carried;
                done.carried.push(edit);
                return;
            }
        }
        done.kept.push(edit);
    }

    /// Edits of the SQL that only put words, numbers or signs in the place of others: the spec says them as well as they do.
    /// Where something else was edited too, or the spec has changed in these places, each is looked at by itself.
    fn respelled(&mut self, edits: &mut Vec<HandEdit>, done: &mut Reconciled) {
        let of_model = is_in_model_file(self.sides.model);
        let Some(file) = edits.iter().find(|edit| of_model(edit)).map(|edit| edit.file.clone()) else {
            return;
        };
        if self.sides.bases.len() != 1 {
            return;
        }
        let Some(found) = self.sides.found.get(&file).map(|text| lines(text)) else {
            return;
        };
        let base = self.base;
        let Some(theirs) = respelled(self.tools.compiler, &base.source, Some(&base.spec), &found) else {
            return;
        };
        let ours = &self.ours.source;
        let is_ours = lines(ours) == base.source;
        let text = if is_ours {
            Some(theirs)
        } else {
            merge_lines(&base.source, &lines(ours), &theirs)
        };
        let Some(text) = text else { return };
        let text = if ours.contains("\r\n") {
            text.replace('\n', "\r\n")
        } else {
            text
        };
        let Some(carried) = self.tools.compile(&self.ours.spec, &text) else {
            return;
        };
        // Lines that merge may be of one formula.
        if !is_ours && !self.changes_apart(&carried) {
            return;
        }
        self.ours = carried;
        let (of_sql, rest) = edits.drain(..).partition(&of_model);
        *edits = rest;
        done.carried.extend::<Vec<HandEdit>>(of_sql);
    }

    /// Whether no definition is another one than in the base, in the spec and in what it becomes.
    fn changes_apart(&self, carried: &Ours) -> bool {
        let formulas = |made: &Ours| -> BTreeMap<(Option<String>, String), String> {
            let one = |it: &crate::model::SpecDefinition| {
                (
                    (it.step().map(str::to_owned), it.name().to_owned()),
                    it.formula().to_owned(),
                )
            };
            made.compiled.definitions().iter().map(one).collect()
        };
        let Some(before) = &self.before else { return false };
        let (base, ours, now) = (formulas(before), formulas(&self.ours), formulas(carried));
        now.iter().all(|(key, formula)| {
            let (base, ours) = (base.get(key), ours.get(key));
            ours == Some(formula) || ours == base
        })
    }

    /// A column of the SQL that was edited: the formula that gives it, where there is one.
    fn formula(&mut self, mut edit: HandEdit, done: &mut Reconciled) {
        let Some(found) = self.sides.found.get(&edit.file).map(|text| lines(text)) else {
            return;
        };
        let name = edit.definition.clone().unwrap_or_default();
        let ours = definition(&self.ours, &name, edit.cte.as_deref());
        let base = self
            .before
            .as_ref()
            .and_then(|before| definition(before, &name, edit.cte.as_deref()));
        let (Some((step, ours)), Some((base_step, base))) = (ours, base) else {
            // A column that no definition is: it may be a helper, or be passed on.
            edit.why = Some("it is not a definition of the spec".to_owned());
            (edit.property, edit.detail) = (Property::Text, format!("column {name}"));
            edit.definition = None;
            done.kept.push(edit);
            return;
        };
        // The file was made of the base: there its SQL is read as a formula, and not where the spec may make all of it in
        // another way by now.
        let Tools {
            compiler, decompiler, ..
        } = self.tools;
        let spec = Some(self.base.spec.as_str());
        let formula = decompiler.formula(compiler, &self.base.source, spec, &found, base_step.as_deref(), &name);
        let carried = formula.as_ref().map_err(ToString::to_string).and_then(|formula| {
            let text = with_formula(&self.ours.source, step.as_deref(), &name, formula);
            let text = text.map_err(|refusal| refusal.to_string())?;
            self.tools
                .compile(&self.ours.spec, &text)
                .ok_or_else(|| "the spec with the formula has errors".to_owned())
        });
        if carried
            .as_ref()
            .is_ok_and(|carried| bodies(carried) == bodies(&self.ours))
        {
            done.carried.push(edit);
        } else if ours != base || self.sides.bases.len() != 1 {
            let mut conflict = self.conflict(&edit, Some(base), Some(ours));
            conflict.theirs_formula = formula.ok();
            done.conflicts.push(conflict);
        } else {
            match carried {
                Ok(carried) => {
                    self.ours = carried;
                    done.carried.push(edit);
                }
                Err(why) => {
                    edit.why = Some(why);
                    done.kept.push(edit);
                }
            }
        }
    }

    /// What the base and the spec say of what was edited, in the words of the file.
    fn values(&self, edit: &HandEdit) -> (Option<String>, Option<String>) {
        if edit.is_whole() {
            let of = |files: &BTreeMap<String, String>| files.get(&edit.file).cloned();
            return (of(&self.base.files), of(&self.ours.files));
        }
        let about = about(edit);
        let now = stated_properties(self.sides.model, &self.ours.files);
        (
            self.base_said.get(&about).map(StatedProperties::text),
            now.get(&about).map(StatedProperties::text),
        )
    }

    /// Whether a spec says what the edit says, and all else as before.
    fn says(&self, carried: &Ours, edit: &HandEdit) -> bool {
        let about = about(edit);
        let (mut before, mut after) = (
            stated_properties(self.sides.model, &self.ours.files),
            stated_properties(self.sides.model, &carried.files),
        );
        let says = after.remove(&about).map(|said| said.text()) == edit.after;
        before.remove(&about);
        let same = before.len() == after.len()
            && before
                .iter()
                .all(|(about, said)| after.get(about).is_some_and(|now| now.text() == said.text()));
        let sql = |ours: &Ours| {
            let files = ours.files.iter().filter(|(path, _)| path.ends_with(".sql"));
            files
                .map(|(path, text)| (path.clone(), text.clone()))
                .collect::<Vec<_>>()
        };
        says && same && sql(&self.ours) == sql(carried)
    }

    fn conflict(&self, edit: &HandEdit, base: Option<String>, ours: Option<String>) -> Conflict {
        let dialect = self.ours.compiled.dialect();
        let clashes = match (&base, &ours, &edit.after) {
            (Some(base), Some(ours), Some(found)) if edit.is_whole() => {
                baseless::clashes(&edit.file, self.sides.model, dialect, [base, ours, found])
            }
            _ => Vec::new(),
        };
        Conflict {
            definition: edit.definition.clone(),
            step: edit.cte.clone(),
            property: edit.property,
            detail: edit.detail.clone(),
            base,
            ours,
            spec: self.ours.spec.clone(),
            spec_line: edit.definition.as_deref().and_then(|name| self.ours.line(name)),
            theirs: edit.after.clone(),
            theirs_formula: None,
            file: edit.file.clone(),
            line: edit.line,
            edit: Some(edit.clone()),
            clashes,
        }
    }
}

/// Whether an edit is of something in a model's SQL that has a name or a place.
fn is_in_model_file(model: &str) -> impl Fn(&HandEdit) -> bool {
    move |edit| HandEditKind::new(&edit.file, model) == HandEditKind::Model && !edit.is_whole()
}

/// The SQL that a spec makes, without the heads, which say how formulas are spelled.
fn bodies(ours: &Ours) -> Vec<&str> {
    let sql = ours.files.iter().filter(|(path, _)| path.ends_with(".sql"));
    sql.map(|(_, text)| text.split_once(" #}\n").map_or(text.as_str(), |(_, body)| body))
        .collect()
}

/// The step and the formula of a definition, in one line.
pub(super) fn definition(ours: &Ours, name: &str, cte: Option<&str>) -> Option<(Option<String>, String)> {
    let all = ours
        .compiled
        .definitions()
        .iter()
        .filter(|definition| definition.name() == name);
    let all: Vec<_> = all.collect();
    let found = all
        .iter()
        .find(|definition| cte.is_some() && definition.step() == cte)
        .or(all.last())?;
    let formula = found.formula().split_whitespace().collect::<Vec<_>>().join(" ");
    Some((found.step().map(str::to_owned), formula))
}

/// Whether a spec says of a property what the edit says.
pub(super) fn says(model: &str, made: &Ours, edit: &HandEdit) -> bool {
    stated_properties(model, &made.files)
        .get(&about(edit))
        .map(StatedProperties::text)
        == edit.after
}

fn about(edit: &HandEdit) -> About {
    About {
        column: edit.definition.clone(),
        property: edit.property,
        detail: edit.detail.clone(),
    }
}

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextChange {
    /// Its path, seen from the project's folder.
    pub path: String,
    /// The text of the file; `None` if there is no file.
    pub before: Option<String>,
    /// The text to write; `None` to remove the file.
    pub after: Option<String>,
}

impl TextChange {
    /// A file that becomes another.
    #[must_use]
    pub fn new(path: &str, before: Option<String>, after: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            before,
            after,
        }
    }
}

/// The same for many models, in their order: one does not touch the other.
#[must_use]
pub fn reconcile_all<'t>(
    models: &[(ModelSides<'_>, Vec<HandEdit>)],
    tools: impl Fn() -> Tools<'t> + Sync,
) -> Vec<Reconciled> {
    let one = |number: usize| {
        let (sides, more) = models.get(number)?;
        Some(reconcile(*sides, more.clone(), &tools))
    };
    parallel::each(models.len(), one).into_iter().flatten().collect()
}

/// The files of a model with what its spec makes now: what people changed and no spec can say stays in them.
#[must_use]
pub fn files(sides: ModelSides<'_>, kept: &[HandEdit]) -> (Vec<TextChange>, Vec<Conflict>) {
    let nothing = BTreeMap::new();
    let ours = sides.ours.map_or(&nothing, |ours| &ours.files);
    let mut paths: Vec<&String> = ours
        .keys()
        .chain(sides.bases.iter().flat_map(|base| base.files.keys()))
        .collect();
    paths.sort();
    paths.dedup();
    let (mut changes, mut conflicts) = (Vec::new(), Vec::new());
    for path in paths {
        let base = sides.bases.first().and_then(|base| base.files.get(path));
        let found = sides.found.get(path);
        match file(sides, path, base, ours.get(path), found, kept) {
            Ok(after) if after.as_deref().map(lines) != found.map(|text| lines(text)) => {
                changes.push(TextChange {
                    path: path.clone(),
                    before: found.cloned(),
                    after: ended_as(after, found),
                });
            }
            Ok(_) => {}
            Err(clashes) => conflicts.push(Conflict {
                definition: None,
                step: None,
                property: Property::Text,
                detail: String::new(),
                base: base.cloned(),
                ours: ours.get(path).cloned(),
                spec: sides.ours.map(|ours| ours.spec.clone()).unwrap_or_default(),
                spec_line: None,
                theirs: found.cloned(),
                theirs_formula: None,
                file: path.clone(),
                line: clashes.first().map_or(1, |clash| clash.line),
                edit: None,
                clashes,
            }),
        }
    }
    (changes, conflicts)
}

/// The text that a file is to have, or what is in the way.
fn file(
    sides: ModelSides<'_>,
    path: &str,
    base: Option<&String>,
    ours: Option<&String>,
    found: Option<&String>,
    kept: &[HandEdit],
) -> Result<Option<String>, Vec<Clash>> {
    let Some(found) = found else { return Ok(ours.cloned()) };
    let found = lines(found);
    // Nobody touched it: also the layout and the comments are formulac's.
    if sides.bases.iter().any(|base| base.files.get(path) == Some(&found)) || ours == Some(&found) {
        return Ok(ours.map(|ours| {
            if differ_by_path_alone(&found, ours) {
                found
            } else {
                ours.clone()
            }
        }));
    }
    let is_kept = kept
        .iter()
        .any(|edit| edit.file == path || docs_and_properties(&edit.file, path));
    let dialect = sides.ours.map(|ours| ours.compiled.dialect()).unwrap_or_default();
    let mut in_order = None;
    let was = match base {
        Some(base) if is_kept => base,
        // The spec says all that people wrote there, so that only the layout and the order of columns are theirs.
        Some(base) => in_order.insert(in_order_of(&found, base, dialect).unwrap_or_else(|| found.clone())),
        None if is_as_written(&found) => &found,
        // Nobody but a person can have written it.
        None => return Err(Vec::new()),
    };
    let Some(ours) = ours else {
        return if is_as_written(&found) {
            Ok(None)
        } else {
            Err(Vec::new())
        };
    };
    let texts = [was.as_str(), ours, &found];
    let merged = baseless::merged(path, sides.model, dialect, texts);
    // Where nothing is to be kept, a layout that cannot be kept is no reason to stop.
    match merged {
        None if !is_kept => Ok(Some(ours.clone())),
        merged => merged
            .map(Some)
            .ok_or_else(|| baseless::clashes(path, sides.model, dialect, texts)),
    }
}

/// Whether both are of one model: what its properties say may stand in its docs blocks.
fn docs_and_properties(one: &str, other: &str) -> bool {
    let stem = |path: &str| {
        path.strip_suffix(".md")
            .or_else(|| path.strip_suffix(".yml"))
            .map(str::to_owned)
    };
    stem(one).is_some() && stem(one) == stem(other)
}

/// A text with the line ends of what stands there.
fn ended_as(text: Option<String>, found: Option<&String>) -> Option<String> {
    let crlf = found.is_some_and(|found| found.contains("\r\n"));
    text.map(|text| if crlf { text.replace('\n', "\r\n") } else { text })
}
