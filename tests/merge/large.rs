//! A properties file and edits to it, in any size.

use formulac::yaml_edit::{Edit, Path, YamlValue};

const COLUMNS: usize = 20;

/// Returns a properties file with this number of models.
pub fn properties_file(models: usize) -> String {
    let column =
        |n: usize| format!("      - name: col_{n}\n        description: 'text of {n}' # why\n        tags: [a, b]\n");
    let columns: String = (0..COLUMNS).map(column).collect();
    let model = |n: usize| format!("  - name: model_{n}\n    # about it\n    columns:\n{columns}");
    format!("version: 2\nmodels:\n{}", (0..models).map(model).collect::<String>())
}

/// Returns edits of all kinds, five for each model.
pub fn many_edits(models: usize) -> Vec<Edit> {
    let column = |model: usize, column: usize| {
        let model = Path::root().key("models").item("name", format!("model_{model}"));
        model.key("columns").item("name", format!("col_{column}"))
    };
    let edit = |number: usize| {
        let column = column(number / 5, number % COLUMNS);
        match number % 4 {
            0 => Edit::Set {
                at: column.key("description"),
                value: YamlValue::text("new: text"),
                after: Vec::new(),
            },
            1 => Edit::Add {
                to: column.key("tags"),
                value: YamlValue::text("more"),
            },
            2 => Edit::Set {
                at: column.key("label"),
                value: YamlValue::text("L"),
                after: vec!["name".into()],
            },
            _ => Edit::Remove { at: column.key("tags") },
        }
    };
    (0..models * 5).map(edit).collect()
}
