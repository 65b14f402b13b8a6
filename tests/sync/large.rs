//! A model whose files contain a manual edit to every column.

use std::collections::BTreeMap;

use formulac::Compiler;
use formulac::decompile::Decompiler;
use formulac::sync::{CurrentSpec, ModelVersions, PushState, ReconcileResult, ReconcileTools, reconcile};

/// Spec of a model, with the files that a push wrote and users edited.
pub struct EditedProject {
    spec: CurrentSpec,
    base: PushState,
    files: BTreeMap<String, String>,
}

impl EditedProject {
    /// Creates a model. Its files contain edited SQL and an edited description for every column.
    pub fn new(compiler: &Compiler, columns: usize) -> Self {
        let mut project = Self::without_edits(compiler, columns);
        for i in 0..columns {
            project.edit_sql(i, &format!("count(distinct amount_{i})"));
            let [before, after] = [format!("SUM(amount_{i})"), format!("Column {i}")];
            project.replace(
                "models/m.yml",
                &format!("description: {before}\n"),
                &format!("description: {after}\n"),
            );
        }
        project
    }

    /// Creates a model. Every fourth column has edited SQL whose formula is found only after many others, or not at
    /// all.
    pub fn with_difficult_edits(compiler: &Compiler, columns: usize) -> Self {
        let mut project = Self::without_edits(compiler, columns);
        for i in (0..columns).step_by(4) {
            let sql = match i / 4 % 4 {
                0 => format!("sum(case when status_{i} = 'x' then amount_{i} else 0 end)"),
                1 => format!("sum(amount_{i}) / nullif(sum(price_{i}), 0)"),
                2 => format!("sum(amount_{i})"),
                _ => format!("lag(sum(amount_{i})) over (order by region)"),
            };
            project.edit_sql(i, &sql);
        }
        project
    }

    fn without_edits(compiler: &Compiler, columns: usize) -> Self {
        let definitions: String = (0..columns).map(|i| format!("  d{i}: SUM(amount_{i})\n")).collect();
        let text = format!("model: m\nfrom: orders\ngroup_by: region\ndefinitions:\n{definitions}");
        let compiled = compiler.compile_spec_at(&text, Some("metrics/m.yml"));
        let spec =
            CurrentSpec::new("metrics/m.yml", &text, compiled, "models", "tests").expect("the spec must compile");
        let files = spec.files.clone();
        let base = PushState::from_pushed("m", &spec);
        Self { spec, base, files }
    }

    /// Replaces the SQL of a column.
    fn edit_sql(&mut self, column: usize, sql: &str) {
        self.replace("models/m.sql", &format!("coalesce(sum(amount_{column}), 0)"), sql);
    }

    /// Replaces text in a file.
    pub fn replace(&mut self, path: &str, before: &str, after: &str) {
        let text = self.files.get_mut(path).expect("the model must have the file");
        assert!(text.contains(before), "{text}");
        *text = text.replace(before, after);
    }

    /// Transfers the edits to the spec.
    pub fn reconcile(&self, compiler: &Compiler, decompiler: &Decompiler) -> ReconcileResult {
        let sides = ModelVersions {
            model: "m",
            bases: std::slice::from_ref(&self.base),
            ours: Some(&self.spec),
            files: &self.files,
        };
        let moved_paths = BTreeMap::new();
        let tools = ReconcileTools {
            compiler,
            decompiler,
            folders: ("models", "tests"),
            moved_paths: &moved_paths,
        };
        reconcile(sides, Vec::new(), || tools)
    }
}
