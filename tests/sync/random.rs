//! Tests random edits by one person to a spec and by another person to its files.

use std::collections::{BTreeMap, BTreeSet};

use formulac::Compiler;
use formulac::sync::{Property, merge_lines};
use formulac::yaml_edit::{Edit, Path, YamlValue, apply_edits};
use proptest::prelude::*;

use crate::test_project::{SPEC, SQL, TestProject, YML, compile_current, compiler};

const NAMES: [&str; 3] = ["a", "b", "c"];
const FORMULAS: [&str; 5] = ["SUM(x)", "MAX(x)", "MIN(y)", "COUNT(x)", "COUNT(DISTINCT(y)) / COUNT()"];
const TEXTS: [&str; 6] = [
    "First.",
    "Second: with a colon",
    "it's # no comment",
    "\"quoted\"",
    "yes",
    "Größe in €",
];

/// Contents of the model's spec, each as a small number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SpecContents {
    formulas: [usize; 3],
    descriptions: [usize; 3],
    tests: [bool; 3],
    description: usize,
    /// `true` if the definitions are a mapping instead of a text block.
    is_mapping: bool,
}

type PropertyLocation = (Option<usize>, Property);

impl SpecContents {
    fn spec(&self) -> String {
        let mut out = format!(
            "# a spec\nmodel: m\ndescription: {}\nfrom: t # rows\ngroup_by: g\n",
            yaml(TEXTS[self.description])
        );
        if self.is_mapping {
            out.push_str("definitions:\n");
            for (number, name) in NAMES.iter().enumerate() {
                let (formula, text) = (FORMULAS[self.formulas[number]], yaml(TEXTS[self.descriptions[number]]));
                out.push_str(&format!(
                    "  {name}: # about {name}\n    formula: {formula}\n    description: {text}\n"
                ));
            }
        } else {
            out.push_str("definitions: |\n");
            for (number, name) in NAMES.iter().enumerate() {
                let (formula, text) = (FORMULAS[self.formulas[number]], TEXTS[self.descriptions[number]]);
                out.push_str(&format!("  // about {name}\n  /// {text}\n  {name} = {formula}\n"));
            }
        }
        out.push_str("columns:\n  g: {data_tests: [not_null]}\n");
        for (name, tested) in NAMES.iter().zip(self.tests) {
            if tested {
                out.push_str(&format!("  {name}:\n    data_tests: [not_null]\n"));
            }
        }
        out
    }

    fn properties_by_location(&self) -> BTreeMap<PropertyLocation, usize> {
        let mut all = BTreeMap::from([((None, Property::Description), self.description)]);
        for number in 0..3 {
            all.insert((Some(number), Property::Formula), self.formulas[number]);
            all.insert((Some(number), Property::Description), self.descriptions[number]);
            all.insert((Some(number), Property::Tests), usize::from(self.tests[number]));
        }
        all
    }

    fn set(&mut self, (number, property): PropertyLocation, value: usize) {
        match (number, property) {
            (None, _) => self.description = value % TEXTS.len(),
            (Some(number), Property::Formula) => self.formulas[number] = value % FORMULAS.len(),
            (Some(number), Property::Description) => self.descriptions[number] = value % TEXTS.len(),
            (Some(number), _) => self.tests[number] = value % 2 == 1,
        }
    }
}

fn yaml(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Edits to the files.
#[derive(Clone, Debug)]
struct ManualEdits {
    edits: Vec<(PropertyLocation, usize)>,
    yml_comment: Option<u8>,
    sql_comment: bool,
}

fn column(number: usize) -> Path {
    Path::root()
        .key("models")
        .item("name", "m")
        .key("columns")
        .item("name", NAMES[number])
}

/// Applies the edits to the files, and returns the contents of the spec that would generate the edited files.
fn apply_manual_edits(
    project: &mut TestProject,
    compiler: &Compiler,
    spec_contents: &SpecContents,
    manual: &ManualEdits,
) -> SpecContents {
    let mut now = spec_contents.clone();
    let mut edits = Vec::new();
    for (thing, value) in &manual.edits {
        if now.properties_by_location()[thing] != spec_contents.properties_by_location()[thing] {
            continue;
        }
        let mut other = spec_contents.clone();
        other.set(*thing, *value);
        let value = other.properties_by_location()[thing];
        if spec_contents.properties_by_location()[thing] == value {
            continue;
        }
        if thing.1 == Property::Formula && !change_line(project, compiler, spec_contents, &other, thing.0.unwrap()) {
            continue;
        }
        now.set(*thing, value);
        match thing {
            (None, _) => edits.push(Edit::Set {
                at: Path::root().key("models").item("name", "m").key("description"),
                value: YamlValue::text(TEXTS[value]),
                after: Vec::new(),
            }),
            (Some(_), Property::Formula) => {}
            (Some(number), Property::Description) => {
                edits.push(Edit::Set {
                    at: column(*number).key("description"),
                    value: YamlValue::text(TEXTS[value]),
                    after: Vec::new(),
                });
            }
            (Some(number), _) if value == 1 => edits.push(Edit::Set {
                at: column(*number).key("data_tests"),
                value: YamlValue::list(vec![YamlValue::text("not_null")]),
                after: Vec::new(),
            }),
            (Some(number), _) => edits.push(Edit::Remove {
                at: column(*number).key("data_tests"),
            }),
        }
    }
    if !edits.is_empty() {
        project.set(YML, apply_edits(project.text(YML), &edits).unwrap());
    }
    if let Some(at) = manual.yml_comment {
        let lines: Vec<&str> = project.text(YML).lines().collect();
        let at = 2 + usize::from(at) % (lines.len() - 2);
        let text = [&lines[..at], &["# somebody was here"], &lines[at..]]
            .concat()
            .join("\n")
            + "\n";
        project.set(YML, text);
    }
    if manual.sql_comment {
        project.set(SQL, format!("{}-- and here\n", project.text(SQL)));
    }
    now
}

/// Rewrites a column's line for another formula, if the new column is also one line in the same position.
fn change_line(
    project: &mut TestProject,
    compiler: &Compiler,
    spec_contents: &SpecContents,
    other: &SpecContents,
    number: usize,
) -> bool {
    let sql =
        |spec_contents: &SpecContents| compile_current(compiler, &spec_contents.spec()).unwrap().files[SQL].clone();
    let (was, made) = (sql(spec_contents), sql(other));
    let (Some(from), Some(to)) = (column_line(&was, number), column_line(&made, number)) else {
        return false;
    };
    if without_hash(&was.replace(&from, &to)) != without_hash(&made) || !project.text(SQL).contains(&from) {
        return false;
    }
    let text = project.text(SQL).replace(&from, &to);
    project.set(SQL, text);
    true
}

/// Returns the line of the column for a definition.
fn column_line(text: &str, number: usize) -> Option<String> {
    let ends = [format!(" as {},", NAMES[number]), format!(" as {}", NAMES[number])];
    text.lines()
        .find(|line| ends.iter().any(|end| line.ends_with(end)))
        .map(str::to_owned)
}

fn property_location() -> impl Strategy<Value = PropertyLocation> {
    prop_oneof![
        Just((None, Property::Description)),
        (0..3_usize).prop_map(|number| (Some(number), Property::Formula)),
        (0..3_usize).prop_map(|number| (Some(number), Property::Description)),
        (0..3_usize).prop_map(|number| (Some(number), Property::Tests)),
    ]
}

fn edits() -> impl Strategy<Value = Vec<(PropertyLocation, usize)>> {
    prop::collection::vec((property_location(), 0..12_usize), 0..4)
}

fn manual_edits() -> impl Strategy<Value = ManualEdits> {
    (
        edits(),
        prop::option::weighted(0.3, any::<u8>()),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(edits, yml_comment, sql_comment)| ManualEdits {
            edits,
            yml_comment,
            sql_comment,
        })
}

fn spec_contents() -> impl Strategy<Value = SpecContents> {
    let indices = |most: usize| [0..most, 0..most, 0..most];
    (
        indices(FORMULAS.len()),
        indices(TEXTS.len()),
        [any::<bool>(), any::<bool>(), any::<bool>()],
        0..TEXTS.len(),
        any::<bool>(),
    )
        .prop_map(|(formulas, descriptions, tests, about, is_mapping)| SpecContents {
            formulas,
            descriptions,
            tests,
            description: about,
            is_mapping,
        })
}

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        cases: count,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Returns the number of cases: 10,000, unless `FORMULAC_SYNC_CASES` sets another number.
fn count() -> u32 {
    std::env::var("FORMULAC_SYNC_CASES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000)
}

/// Returns the meaning of a spec, read from the files that it generates.
fn generated_facts(compiler: &Compiler, spec: &str) -> BTreeMap<String, String> {
    let current_spec = compile_current(compiler, spec).unwrap_or_else(|| panic!("{spec}"));
    current_spec
        .files
        .into_iter()
        .map(|(path, text)| (path, without_hash(&text)))
        .collect()
}

/// Returns a file without its header and hash, which differ if the same formula is spelled differently.
fn without_hash(text: &str) -> String {
    let body = text.split_once(" #}\n").map_or(text, |(_, body)| body);
    let lines = body
        .lines()
        .filter(|line| !line.contains("hash "))
        .collect::<Vec<_>>()
        .join("\n");
    // Helper column names depend on how the formula is spelled.
    lines.replace("countunique_y", "count_distinct_y")
}

proptest! {
    #![proptest_config(cases(count()))]

    /// Checks that edits on one side exist on both sides afterwards, that equal edits are not a conflict, and that
    /// exactly the differing edits are reported.
    #[test]
    fn no_edit_is_lost(base in spec_contents(), spec_edits in edits(), manual in manual_edits()) {
        let compiler = compiler();
        let mut project = TestProject::from_spec(&base.spec()).push(&compiler);
        let theirs = apply_manual_edits(&mut project, &compiler, &base, &manual);
        let mut mine = base.clone();
        spec_edits.iter().for_each(|(thing, value)| mine.set(*thing, *value));
        project.set(SPEC, mine.spec());
        let (was, spec, files) = (base.properties_by_location(), mine.properties_by_location(), theirs.properties_by_location());
        let mut expected = mine.clone();
        let mut conflicts: BTreeSet<PropertyLocation> = BTreeSet::new();
        for (thing, before) in &was {
            let (here, there) = (spec[thing], files[thing]);
            if here == *before {
                expected.set(*thing, there);
            } else if there != *before && there != here {
                conflicts.insert(*thing);
            }
        }
        let plan = project.plan(&compiler);
        let reported: BTreeSet<PropertyLocation> = plan.models.iter().flat_map(|model| &model.conflicts).map(|conflict| {
            let number = conflict.definition.as_deref().and_then(|name| NAMES.iter().position(|other| *other == name));
            (number, conflict.property)
        }).collect();
        // Columns with the same SQL may be computed in the same place. No single formula then produces the line in the
        // file, so the line remains in the file or is reported as a conflict.
        let kept: Vec<usize> = plan.models.iter().flat_map(|model| &model.kept).filter_map(|edit| {
            let name = edit.definition.as_deref().filter(|_| edit.property == Property::Formula)?;
            NAMES.iter().position(|other| *other == name)
        }).collect();
        let in_the_way = (!kept.is_empty() || manual.sql_comment) && reported == conflicts.iter().copied().chain([(None, Property::Text)]).collect();
        if in_the_way {
            return Ok(());
        }
        prop_assert_eq!(&reported, &conflicts, "{:#}", plan.json());
        if !conflicts.is_empty() {
            return Ok(());
        }
        let after = project.apply_plan(&plan);
        for number in kept {
            expected.formulas[number] = base.formulas[number];
            let line = column_line(project.text(SQL), number).unwrap();
            prop_assert!(after.text(SQL).contains(line.trim_end_matches(',')), "{line}\n{}", after.text(SQL));
        }
        // Both the spec and the files contain all edits.
        prop_assert_eq!(generated_facts(&compiler, after.spec()), generated_facts(&compiler, &expected.spec()), "{}", after.spec());
        for name in NAMES {
            prop_assert!(after.spec().contains(&format!("about {name}")), "{}", after.spec());
        }
        if manual.yml_comment.is_some() {
            // A comment at the start of a column's list is removed with the list if the spec removes the list.
            let inside = "data_tests:\n# somebody was here";
            let is_gone = project.text(YML).split_once(inside).is_some_and(|(before, _)| {
                let column = before.rfind("- name: ").map_or("", |at| &before[at..]);
                let column = column.lines().next().unwrap_or_default();
                let now = after.text(YML).split_once(&format!("{column}\n")).map_or("", |(_, rest)| rest);
                let now = now.split("- name: ").next().unwrap_or_default();
                !now.contains("data_tests:")
            });
            let now = after.text(YML);
            prop_assert!(is_gone || now.contains("# somebody was here"), "{now}");
        }
        if manual.sql_comment {
            prop_assert!(after.text(SQL).contains("-- and here"), "{}", after.text(SQL));
        }
        // A second push changes no files.
        let again = after.plan(&compiler);
        prop_assert!(again.is_empty() && again.conflicts() == 0, "{:#}", again.json());
    }

    /// Checks that the result is the same in whichever order git merges two pushed branches.
    #[test]
    fn the_order_of_branches_does_not_matter(base in spec_contents(), left in (edits(), manual_edits()), right in (edits(), manual_edits())) {
        let compiler = compiler();
        let start = TestProject::from_spec(&base.spec()).push(&compiler);
        let branch = |(spec_edits, manual): &(Vec<(PropertyLocation, usize)>, ManualEdits)| {
            let mut project = start.clone();
            apply_manual_edits(&mut project, &compiler, &base, manual);
            let mut mine = base.clone();
            spec_edits.iter().for_each(|(thing, value)| mine.set(*thing, *value));
            project.set(SPEC, mine.spec());
            let plan = project.plan(&compiler);
            (plan.conflicts() == 0).then(|| project.apply_plan(&plan))
        };
        let (Some(left), Some(right)) = (branch(&left), branch(&right)) else { return Ok(()) };
        let merged = |one: &TestProject, other: &TestProject| {
            let mut files = BTreeMap::new();
            for (path, base) in &start.files {
                files.insert(path.clone(), merge_lines(base, &one.files[path], &other.files[path])?);
            }
            Some(TestProject { files })
        };
        // A user resolves the conflicts that git cannot merge.
        let (Some(one), Some(other)) = (merged(&left, &right), merged(&right, &left)) else { return Ok(()) };
        if compile_current(&compiler, one.spec()).is_none() {
            return Ok(());
        }
        let (one_plan, other_plan) = (one.plan(&compiler), other.plan(&compiler));
        prop_assert_eq!(one_plan.json(), other_plan.json());
        if one_plan.conflicts() == 0 {
            let after = one.apply_plan(&one_plan);
            let again = after.plan(&compiler);
            prop_assert!(again.is_empty() && again.conflicts() == 0, "{:#}", again.json());
        }
    }
}
