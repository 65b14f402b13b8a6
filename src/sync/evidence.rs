//! Results of a model's verification, stored in one file per verified spec. Merge requests quote these results.

use formulac_syntax::text::format_count;

use super::state::{normalize_line_endings, read_versions};
use super::transaction::content_hash;
use crate::verify::{ColumnCounts, Counts};
use crate::yaml::{self, Node, YamlValue, write_value};

/// Folder for evidence files, relative to the project's folder.
pub const EVIDENCE_FOLDER: &str = ".formulac/evidence";
/// First line of an evidence file.
const EVIDENCE_FILE_HEADER: &str =
    "# Results of the last `formulac verify` of this model; formulac updates this file.\n";
/// Text for the model's formula as a side of a comparison. Other comparisons contain the name of a relation instead.
const FORMULA_SIDE_NAME: &str = "its formula";
/// Maximum number of rows that a merge request quotes.
const MAX_QUOTED_ROWS: usize = 3;

/// Verification results for a model.
///
/// ```
/// use formulac_sync::{VerificationEvidence, ComparisonEvidence};
///
/// let mut evidence = VerificationEvidence::new("revenue", "metrics/revenue.yml", "model: revenue\n");
/// evidence.proofs.push(ComparisonEvidence::default());
/// assert_eq!(VerificationEvidence::versions(&evidence.text()), [evidence.clone()]);
/// assert!(evidence.is_for_spec("model: revenue\r\n") && !evidence.is_for_spec("model: revenue # changed\n"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct VerificationEvidence {
    /// Name of the model.
    pub model: String,
    /// Path of the model's spec, relative to the project's folder.
    pub spec: String,
    /// Hash of the spec's contents.
    pub content: String,
    /// Name of the environment. Empty if the project has no environments.
    pub environment: String,
    /// Engine that ran the comparison, with its version.
    pub engine: String,
    /// Comparisons and their results. The comparison with the formula comes first.
    pub proofs: Vec<ComparisonEvidence>,
}

/// Result of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComparisonVerdict {
    /// Both sides have the same rows.
    Agrees,
    /// The rows of the two sides differ.
    Differs,
    /// The two sides could not be compared.
    #[default]
    NotCompared,
}

impl ComparisonVerdict {
    /// Returns the verdict's name in evidence files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::NotCompared => "not compared",
        }
    }

    fn from_name(name: &str) -> Self {
        [Self::Agrees, Self::Differs]
            .into_iter()
            .find(|verdict| verdict.name() == name)
            .unwrap_or_default()
    }
}

/// A comparison and its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComparisonEvidence {
    /// Compared relation. `None` if the relation is the model or its formula. This field is not written to the evidence
    /// file.
    pub ours: Option<String>,
    /// Relation with which the model was compared. `None` if the model was compared with its formula.
    pub with: Option<String>,
    /// Result of the comparison.
    pub verdict: ComparisonVerdict,
    /// Reason why the comparison was not possible. `None` if the comparison was possible.
    pub why: Option<String>,
    /// `true` if the model is not built, so the comparison uses the rows of its formula instead.
    pub of_formula: bool,
    /// Columns that identify a row.
    pub keys: Vec<String>,
    /// Largest allowed difference between two numbers. `None` if no difference was set.
    pub tolerance: Option<String>,
    /// Row counts of the comparison.
    pub counts: Counts,
    /// Sentences about columns that are missing on one side.
    pub lacking: Vec<String>,
    /// Rows with the largest differences, one line per row.
    pub worst: Vec<String>,
}

impl ComparisonEvidence {
    /// Returns a readable name for the relation on the other side of this comparison.
    #[must_use]
    pub fn compared_name(&self) -> &str {
        self.with.as_deref().unwrap_or(FORMULA_SIDE_NAME)
    }

    /// Returns a readable name for the compared relation.
    #[must_use]
    pub fn relation_name(&self) -> &str {
        let default_name = if self.of_formula {
            FORMULA_SIDE_NAME
        } else {
            "the model"
        };
        self.ours.as_deref().unwrap_or(default_name)
    }

    /// Returns the result on one line, for example `10 of 10 rows within 0.01`.
    #[must_use]
    pub fn message(&self) -> String {
        if let (ComparisonVerdict::NotCompared, why) = (self.verdict, &self.why) {
            return why.clone().unwrap_or_else(|| "not compared".to_owned());
        }
        let counts = &self.counts;
        let mut parts = vec![match (counts.total_rows(), &self.tolerance) {
            (0, _) => "no rows on either side".to_owned(),
            (all, tolerance) => {
                let rows = format_count(all, "row", "rows");
                let within = tolerance.as_ref().map(|it| format!(" within {it}")).unwrap_or_default();
                format!("{} of {rows}{within}", counts.agreeing_rows())
            }
        }];
        if counts.differing > 0 {
            parts.push(format_count(counts.differing, "differs", "differ"));
        }
        let sides = [self.relation_name(), self.compared_name()].into_iter();
        for ((side, only), repeated) in sides.zip(counts.only_on_side).zip(counts.repeated) {
            if only > 0 {
                parts.push(format!("{only} only in {side}"));
            }
            if repeated > 0 {
                let keys = format_count(repeated, "key", "keys");
                parts.push(format!("{keys} several times in {side}"));
            }
        }
        parts.extend(self.lacking.iter().cloned());
        parts.join("; ")
    }
}

impl VerificationEvidence {
    /// Creates evidence for a spec, without any results.
    #[must_use]
    pub fn new(model: &str, spec: &str, source: &str) -> Self {
        let content = content_hash(normalize_line_endings(source).as_bytes());
        Self {
            model: model.to_owned(),
            spec: spec.to_owned(),
            content,
            ..Self::default()
        }
    }

    /// Returns the path of a model's evidence file, relative to the project's folder.
    #[must_use]
    pub fn evidence_path(model: &str) -> String {
        format!("{EVIDENCE_FOLDER}/{model}.yml")
    }

    /// Returns `true` if this evidence was collected for exactly these contents of the spec.
    #[must_use]
    pub fn is_for_spec(&self, source: &str) -> bool {
        self.content == content_hash(normalize_line_endings(source).as_bytes())
    }

    /// Returns the combined verdict of all comparisons. The verdict is "differs" if any comparison differs, otherwise
    /// "not compared" if any comparison was not possible or there were no comparisons.
    #[must_use]
    pub fn verdict(&self) -> ComparisonVerdict {
        let has = |verdict: ComparisonVerdict| self.proofs.iter().any(|proof| proof.verdict == verdict);
        match (
            has(ComparisonVerdict::Differs),
            has(ComparisonVerdict::NotCompared),
            has(ComparisonVerdict::Agrees),
        ) {
            (true, ..) => ComparisonVerdict::Differs,
            (_, false, true) => ComparisonVerdict::Agrees,
            _ => ComparisonVerdict::NotCompared,
        }
    }

    /// Describes the compared values for a reviewer: the number of rows that agree, or the rows with the largest
    /// differences.
    #[must_use]
    pub fn describe_values(&self) -> String {
        let worst = self
            .proofs
            .iter()
            .flat_map(|proof| proof.worst.iter().map(move |row| (proof.compared_name(), row)));
        let worst: Vec<String> = worst
            .map(|(other, row)| format!("{row}, compared with {other}"))
            .collect();
        let more = worst.len().saturating_sub(MAX_QUOTED_ROWS);
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        match self.verdict() {
            ComparisonVerdict::Agrees => {
                let rows = self.proofs.first().map_or(0, |proof| proof.counts.total_rows());
                format!("no value differs in {}", format_count(rows, "row", "rows"))
            }
            _ if !worst.is_empty() => {
                format!(
                    "{}{more}",
                    worst
                        .iter()
                        .take(MAX_QUOTED_ROWS)
                        .cloned()
                        .collect::<Vec<_>>()
                        .join("; ")
                )
            }
            ComparisonVerdict::Differs => "the values differ".to_owned(),
            ComparisonVerdict::NotCompared => "some values could not be compared".to_owned(),
        }
    }

    /// Returns the contents of the evidence file. The contents depend only on the results, not on the time of the
    /// verification or the person who ran it.
    #[must_use]
    pub fn text(&self) -> String {
        let word = |text: &str| YamlValue::Text(text.to_owned());
        let mut pairs = vec![
            ("model", word(&self.model)),
            ("spec", word(&self.spec)),
            ("content", word(&self.content)),
        ];
        if !self.environment.is_empty() {
            pairs.push(("environment", word(&self.environment)));
        }
        pairs.push(("engine", word(&self.engine)));
        pairs.push((
            "comparisons",
            YamlValue::list(self.proofs.iter().map(ComparisonEvidence::value).collect()),
        ));
        format!("{EVIDENCE_FILE_HEADER}{}", write_value(&YamlValue::map(pairs)))
    }

    /// Returns `true` if formulac could have written exactly this text. This does not prove that a verification
    /// produced these results.
    #[must_use]
    pub fn could_be_generated(path: &str, text: &str) -> bool {
        match Self::versions(text).as_slice() {
            [evidence] => {
                path == Self::evidence_path(&evidence.model) && evidence.text() == normalize_line_endings(text)
            }
            _ => false,
        }
    }

    /// Reads the contents of an evidence file. Returns one version, or the versions of both branches if git could not
    /// merge them. Returns an empty list for other files.
    #[must_use]
    pub fn versions(text: &str) -> Vec<Self> {
        read_versions(text, read)
    }
}

impl ComparisonEvidence {
    fn value(&self) -> YamlValue {
        let word = |text: &str| YamlValue::Text(text.to_owned());
        let texts = |values: &[String]| YamlValue::list(values.iter().map(|text| word(text)).collect());
        let count = |count: u64| YamlValue::Bare(count.to_string());
        let mut pairs = vec![
            ("with", word(self.compared_name())),
            ("verdict", word(self.verdict.name())),
        ];
        if self.of_formula {
            pairs.push(("of_formula", YamlValue::Bare("true".to_owned())));
        }
        pairs.extend(self.why.iter().map(|why| ("why", word(why))));
        if self.verdict == ComparisonVerdict::NotCompared {
            return YamlValue::map(pairs);
        }
        if !self.keys.is_empty() {
            pairs.push(("keys", texts(&self.keys)));
        }
        pairs.extend(
            self.tolerance
                .iter()
                .map(|tolerance| ("tolerance", YamlValue::Bare(tolerance.clone()))),
        );
        let counts = &self.counts;
        let sides = |counts_of_sides: [u64; 2]| {
            let [ours, theirs] = counts_of_sides.map(count);
            YamlValue::map([("model", ours), ("other", theirs)])
        };
        pairs.extend([("rows", sides(counts.rows)), ("matched", count(counts.matched))]);
        // Omit counts of zero.
        for (key, side_counts) in [("only", counts.only_on_side), ("repeated", counts.repeated)] {
            if side_counts != [0, 0] {
                pairs.push((key, sides(side_counts)));
            }
        }
        for (key, row_count) in [("unmatched", counts.unmatched), ("differing", counts.differing)] {
            if row_count > 0 {
                pairs.push((key, count(row_count)));
            }
        }
        let column = |column: &ColumnCounts| {
            let mut column_pairs = vec![("rows", count(column.differing))];
            column_pairs.extend(column.greatest.iter().map(|difference| ("greatest", word(difference))));
            (column.column.clone(), YamlValue::map(column_pairs))
        };
        pairs.push(("columns", YamlValue::map(counts.columns.iter().map(column))));
        for (key, texts_of_key) in [("lacking", &self.lacking), ("worst", &self.worst)] {
            if !texts_of_key.is_empty() {
                pairs.push((key, texts(texts_of_key)));
            }
        }
        YamlValue::map(pairs)
    }

    fn read(node: &Node) -> Option<Self> {
        let texts = |key: &str| node.texts_at(key);
        let count = |node: Option<&Node>| {
            node.and_then(Node::text)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default()
        };
        let sides =
            |key: &str| ["model", "other"].map(|side| count(node.get(key).and_then(|sides_node| sides_node.get(side))));
        let columns = node.pairs_at("columns").iter().filter_map(|(name, column_node)| {
            let greatest = column_node.string_at("greatest");
            Some(ColumnCounts {
                column: name.text()?.to_owned(),
                differing: count(column_node.get("rows")),
                greatest,
                ..ColumnCounts::default()
            })
        });
        let counts = Counts {
            rows: sides("rows"),
            only_on_side: sides("only"),
            repeated: sides("repeated"),
            unmatched: count(node.get("unmatched")),
            matched: count(node.get("matched")),
            differing: count(node.get("differing")),
            columns: columns.collect(),
        };
        Some(Self {
            ours: None,
            with: node.string_at("with").filter(|with| with != FORMULA_SIDE_NAME),
            verdict: ComparisonVerdict::from_name(node.text_at("verdict")?),
            why: node.string_at("why"),
            of_formula: node.text_at("of_formula").is_some(),
            keys: texts("keys"),
            tolerance: node.string_at("tolerance"),
            counts,
            lacking: texts("lacking"),
            worst: texts("worst"),
        })
    }
}

fn read(text: &str) -> Option<VerificationEvidence> {
    let root = yaml::parse_root(text)?;
    Some(VerificationEvidence {
        model: root.string_at("model")?,
        spec: root.string_at("spec")?,
        content: root.string_at("content")?,
        environment: root.string_at("environment").unwrap_or_default(),
        engine: root.string_at("engine").unwrap_or_default(),
        proofs: root
            .items_at("comparisons")
            .iter()
            .filter_map(ComparisonEvidence::read)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_evidence() -> VerificationEvidence {
        let mut evidence = VerificationEvidence::new("m", "metrics/m.yml", "model: m\n");
        evidence.environment = "development".to_owned();
        evidence.engine = "dbt 1.12.6 on duckdb".to_owned();
        let counts = Counts {
            rows: [10, 11],
            only_on_side: [1, 2],
            repeated: [0, 1],
            unmatched: 1,
            matched: 8,
            differing: 2,
            columns: vec![
                ColumnCounts {
                    column: "a: b".to_owned(),
                    differing: 2,
                    greatest: Some("20.5".to_owned()),
                    ..ColumnCounts::default()
                },
                ColumnCounts {
                    column: "note".to_owned(),
                    ..ColumnCounts::default()
                },
            ],
        };
        evidence.proofs = vec![
            ComparisonEvidence {
                verdict: ComparisonVerdict::Differs,
                keys: vec!["month".to_owned()],
                counts,
                lacking: vec!["`x` is not built".to_owned()],
                worst: vec!["2024-01-01: a: b 1, not 2".to_owned(), "{{ x }} #: null".to_owned()],
                ..ComparisonEvidence::default()
            },
            ComparisonEvidence {
                with: Some("finance".to_owned()),
                verdict: ComparisonVerdict::Agrees,
                tolerance: Some("0.01".to_owned()),
                of_formula: true,
                counts: Counts {
                    rows: [10, 10],
                    matched: 10,
                    ..Counts::default()
                },
                ..ComparisonEvidence::default()
            },
            ComparisonEvidence {
                with: Some("old".to_owned()),
                why: Some("`old` is not there".to_owned()),
                ..ComparisonEvidence::default()
            },
        ];
        evidence
    }

    #[test]
    fn evidence_round_trips() {
        let evidence = test_evidence();
        assert_eq!(
            VerificationEvidence::versions(&evidence.text()),
            std::slice::from_ref(&evidence),
            "{}",
            evidence.text()
        );
        assert_eq!(VerificationEvidence::versions("no evidence"), []);
        assert!(VerificationEvidence::could_be_generated(
            ".formulac/evidence/m.yml",
            &evidence.text().replace('\n', "\r\n")
        ));
        let by_hand = [
            (".formulac/evidence/n.yml", evidence.text()),
            (
                ".formulac/evidence/m.yml",
                format!("{}reviewed: true\n", evidence.text()),
            ),
            (
                ".formulac/evidence/m.yml",
                evidence.text().replace("verdict: differs", "verdict: fine"),
            ),
            (".formulac/evidence/m.yml", "all is well".to_owned()),
        ];
        for (path, text) in by_hand {
            assert!(!VerificationEvidence::could_be_generated(path, &text), "{text}");
        }
    }

    #[test]
    fn findings_are_described() {
        let messages: Vec<String> = test_evidence().proofs.iter().map(ComparisonEvidence::message).collect();
        assert_eq!(
            messages,
            [
                "6 of 12 rows; 2 differ; 1 only in the model; 2 only in its formula; 1 key several times in its formula; `x` is not built",
                "10 of 10 rows within 0.01",
                "`old` is not there",
            ]
        );
    }

    #[test]
    fn empty_comparison_is_not_agreement() {
        let combine = |verdicts: &[ComparisonVerdict]| {
            let proof = |verdict: &ComparisonVerdict| ComparisonEvidence {
                verdict: *verdict,
                ..ComparisonEvidence::default()
            };
            VerificationEvidence {
                proofs: verdicts.iter().map(proof).collect(),
                ..VerificationEvidence::default()
            }
            .verdict()
        };
        use ComparisonVerdict::{Agrees, Differs, NotCompared};
        assert_eq!(combine(&[]), NotCompared);
        assert_eq!(combine(&[Agrees, Agrees]), Agrees);
        assert_eq!(combine(&[Agrees, NotCompared]), NotCompared);
        assert_eq!(combine(&[NotCompared, Differs, Agrees]), Differs);
    }
}
