//! The columns that the library states are those of the SQL, in order.

use formulac::{Compiler, Dialect};

use crate::corpus::specs;
use crate::sql_parser::parse;

fn plain(name: &str) -> String {
    name.trim_matches(['"', '`']).to_lowercase()
}

#[test]
fn as_stated() {
    for (name, spec, schema) in specs() {
        for dialect in Dialect::all() {
            let compiled = Compiler::builder().dialect(dialect).schema(schema.clone()).build().compile_spec(&spec);
            let Some(query) = compiled.query() else { continue };
            let statements = parse(dialect, query).unwrap();
            let sqlparser::ast::Statement::Query(query_tree) = &statements[0] else { panic!("{name}: no query") };
            let sqlparser::ast::SetExpr::Select(select) = &*query_tree.body else { panic!("{name}: no select") };
            let item = |item: &sqlparser::ast::SelectItem| match item {
                sqlparser::ast::SelectItem::ExprWithAlias { alias, .. } => Some(plain(&alias.value)),
                sqlparser::ast::SelectItem::UnnamedExpr(e) => {
                    Some(plain(e.to_string().rsplit('.').next().unwrap_or_default()))
                }
                _ => None,
            };
            let Some(written) = select.projection.iter().map(item).collect::<Option<Vec<_>>>() else { continue };
            let stated: Vec<String> = compiled.columns().iter().map(|c| plain(c.name())).collect();
            assert_eq!(written, stated, "{name} in {dialect}\n{query}");
        }
    }
}
