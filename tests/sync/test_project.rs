//! A model with its spec, its files and their base, all in memory, and the effects of a push on them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use formulac::decompile::Decompiler;
use formulac::sync::{
    Conflict, CurrentSpec, ModelPlan, ModelVersions, Plan, PlannedModel, PushState, ReconcileTools, STATE_FOLDER,
    TextChange, apply_edit_to_spec, reconcile,
};
use formulac::{CompiledSpec, Compiler};

pub const SPEC: &str = "metrics/m.yml";
pub const SQL: &str = "models/m.sql";
pub const YML: &str = "models/m.yml";

/// All files of the project, by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestProject {
    pub files: BTreeMap<String, String>,
}

pub fn compiler() -> Compiler {
    Compiler::builder().dialect("duckdb".parse().unwrap()).build()
}

pub fn compile_spec(compiler: &Compiler, spec: &str) -> CompiledSpec {
    compiler.compile_spec_at(spec, Some(SPEC))
}

pub fn compile_current(compiler: &Compiler, spec: &str) -> Option<CurrentSpec> {
    CurrentSpec::new(SPEC, spec, compile_spec(compiler, spec), "models", "tests")
}

/// Replaces the first occurrence of a string, which must exist.
pub fn sub(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}\n{text}");
    text.replacen(from, to, 1)
}

/// Returns the decompiler, which all tests share so that its caches are filled only once.
fn decompiler() -> &'static Decompiler {
    static DECOMPILER: OnceLock<Decompiler> = OnceLock::new();
    DECOMPILER.get_or_init(Decompiler::default)
}

fn state_path() -> String {
    format!("{STATE_FOLDER}/m.yml")
}

fn tools<'t>(compiler: &'t Compiler, moved_paths: &'t BTreeMap<String, String>) -> ReconcileTools<'t> {
    ReconcileTools {
        compiler,
        decompiler: decompiler(),
        folders: ("models", "tests"),
        moved_paths,
    }
}

impl TestProject {
    /// Returns a project with a spec that was never pushed.
    pub fn from_spec(spec: &str) -> Self {
        Self {
            files: BTreeMap::from([(SPEC.to_owned(), spec.to_owned())]),
        }
    }

    pub fn spec(&self) -> &str {
        &self.files[SPEC]
    }

    pub fn text(&self, path: &str) -> &str {
        &self.files[path]
    }

    pub fn set(&mut self, path: &str, text: String) {
        self.files.insert(path.to_owned(), text);
    }

    /// Returns the plan for a push.
    pub fn plan(&self, compiler: &Compiler) -> Plan {
        let now = compile_current(compiler, self.spec()).unwrap_or_else(|| panic!("{}", self.spec()));
        let state = self.files.get(&state_path()).cloned();
        let named: Vec<(String, String)> = state.iter().map(|text| ("m".to_owned(), text.clone())).collect();
        let all = PushState::read_state_versions(&named, &BTreeMap::from([("m".to_owned(), now.clone())]));
        let bases = all.into_iter().next().unwrap_or_default();
        // `read_state_versions` does not parse a state file that matches the current spec. Its result must equal the
        // parsed state.
        assert_eq!(bases, state.as_deref().map(PushState::versions).unwrap_or_default());
        let sides = ModelVersions {
            model: "m",
            bases: &bases,
            ours: Some(&now),
            files: &self.files,
        };
        let moved = BTreeMap::new();
        let tools = tools(compiler, &moved);
        let done = reconcile(sides, Vec::new(), || tools);
        let again = done
            .source
            .as_deref()
            .map(|text| compile_current(compiler, text).unwrap());
        let sides = ModelVersions {
            ours: again.as_ref().or(Some(&now)),
            ..sides
        };
        let model = PlannedModel {
            sides,
            reconciled: done,
            current_contents: [Some(self.spec()), state.as_deref()],
        };
        Plan::new(None, ModelPlan::for_models(&[model], || compiler))
    }

    /// Returns the project after the plan is carried out.
    pub fn apply_plan(&self, plan: &Plan) -> Self {
        let mut files = self.files.clone();
        for TextChange {
            path, before, after, ..
        } in plan.models.iter().flat_map(|model| &model.files)
        {
            assert_eq!(files.get(path), before.as_ref(), "{path}");
            match after {
                Some(text) => files.insert(path.clone(), text.clone()),
                None => files.remove(path),
            };
        }
        Self { files }
    }

    /// Returns the spec after a conflict is resolved in favor of the file.
    pub fn theirs(&self, compiler: &Compiler, conflict: &Conflict) -> String {
        let ours = compile_current(compiler, self.spec()).unwrap();
        let moved = BTreeMap::new();
        let tools = tools(compiler, &moved);
        apply_edit_to_spec(conflict, "m", &ours, tools).unwrap()
    }

    pub fn push(&self, compiler: &Compiler) -> Self {
        let plan = self.plan(compiler);
        assert_eq!(plan.conflicts(), 0, "{:#?}", plan.json());
        self.apply_plan(&plan)
    }
}
