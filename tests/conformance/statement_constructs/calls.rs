//! Looks up the SQL constructs of calls: functions with their arguments and windows.

use sqlparser::ast::{
    AccessExpr, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, OrderByExpr, Subscript, TrimWhereField, WindowType,
};

use super::patterns::UNITS;
use super::{Class, Reader, classes, unquoted_name};

/// Windows that may follow a call.
const ROWS: &str = " over (rows)";
const PARTITION: &str = " over (partition by)";
const ORDERED: &str = " over (order by)";

impl Reader<'_> {
    /// Looks up calls, including special forms such as `extract(… from …)` that sqlparser does not represent as calls.
    pub(super) fn call_form(&mut self, expr: &Expr) -> Class {
        match expr {
            Expr::Function(call) => self.call(call),
            Expr::Extract { field, expr, .. } => {
                let class = self.class(expr);
                let field = field.to_string().to_lowercase();
                self.add_call("extract", &[format!("{field} from {class}")])
            }
            Expr::Ceil { expr, .. } => self.of_values("ceil", &[expr]),
            Expr::Floor { expr, .. } => self.of_values("floor", &[expr]),
            Expr::Position { expr, r#in } => {
                let (part, whole) = (self.class(expr), self.class(r#in));
                self.add_call("position", &[format!("{part} in {whole}")])
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                special,
                shorthand,
            } => {
                let value = self.class(expr);
                let rest: Vec<Class> = [substring_from, substring_for]
                    .into_iter()
                    .flatten()
                    .map(|part| self.class(part))
                    .collect();
                let name = if *shorthand { "substr" } else { "substring" };
                if *special {
                    self.add_call(name, &[value, rest.join(", ")])
                } else {
                    self.add_call(name, &[format!("{value} from {}", rest.join(" for "))])
                }
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters,
            } => {
                let value = self.class(expr);
                let characters = trim_characters.iter().flatten().chain(trim_what.as_deref());
                let characters: Vec<Class> = characters.map(|part| self.class(part)).collect();
                match trim_where.as_ref().map(TrimWhereField::to_string) {
                    Some(side) => {
                        let text = format!("{} {} from {value}", side.to_lowercase(), characters.join(" "));
                        self.add_call("trim", &[text])
                    }
                    None => self.add_call("trim", &[vec![value], characters].concat()),
                }
            }
            _ => {
                self.missing
                    .insert(format!("an expression that the test cannot read: {expr}"));
                "any".to_owned()
            }
        }
    }

    fn of_values(&mut self, name: &str, values: &[&Expr]) -> Class {
        let classes: Vec<Class> = values.iter().map(|value| self.class(value)).collect();
        self.add_call(name, &classes)
    }

    /// Looks up a call by its name and arguments, and returns the class of its result.
    fn add_call(&mut self, name: &str, args: &[String]) -> Class {
        self.need("calls", &format!("{name}({})", args.join(", ")));
        self.result(name, args)
    }

    fn result(&self, name: &str, args: &[String]) -> Class {
        let word = |arg: &String| {
            arg.trim_start_matches("distinct ")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let listed = self.facts.results.get(classes::strip_safe_prefix(name));
        match listed.map(String::as_str) {
            Some("argument") => args
                .iter()
                .map(word)
                .find(|class| class != "null")
                .unwrap_or_else(|| "any".to_owned()),
            Some("moment") => {
                let moment = args.iter().map(word).find(|class| classes::is_temporal_class(class));
                moment.unwrap_or_else(|| "temporal".to_owned())
            }
            Some(class) => class.to_owned(),
            None => "any".to_owned(),
        }
    }

    fn call(&mut self, call: &Function) -> Class {
        self.call_of("", call)
    }

    /// `prefix` is the namespace of a function if a field of its result is read, as in `ai.generate(…).result`.
    pub(super) fn call_of(&mut self, prefix: &str, call: &Function) -> Class {
        let name = prefix.to_lowercase() + &unquoted_name(&call.name);
        let args = match &call.args {
            FunctionArguments::None => None,
            FunctionArguments::Subquery(query) => {
                let columns = self.query(query);
                Some(vec![
                    columns
                        .first()
                        .map_or_else(|| "any".to_owned(), |(_, class)| class.clone()),
                ])
            }
            FunctionArguments::List(list) => {
                let unit = unit_position(&name, &list.args);
                let args = list.args.iter().enumerate();
                let mut args: Vec<String> = args.map(|(at, arg)| self.argument(arg, unit == Some(at))).collect();
                if let Some(first) = args
                    .first_mut()
                    .filter(|_| list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
                {
                    *first = format!("distinct {first}");
                }
                let clauses: Vec<String> = list.clauses.iter().map(|clause| self.clause(clause)).collect();
                if let Some(last) = args.last_mut().filter(|_| !clauses.is_empty()) {
                    *last = format!("{last} {}", clauses.join(" "));
                }
                Some(args)
            }
        };
        let Some(args) = args else {
            self.need("calls", &name);
            return if name == "current_date" { "date" } else { "timestamptz" }.to_owned();
        };
        let mut text = format!("{name}({})", args.join(", "));
        let mut within = None;
        if !call.within_group.is_empty() {
            within = self.sort_keys(&call.within_group).first().cloned();
            text.push_str(" within group (order by)");
        }
        if let Some(filter) = &call.filter {
            self.class(filter);
            self.need("facts", "filter = true");
        }
        let suffixes: &[&str] = match &call.over {
            None => &[""],
            Some(WindowType::NamedWindow(_)) => &[ROWS, PARTITION, ORDERED],
            Some(WindowType::WindowSpec(spec)) => {
                self.window(spec);
                let is_ordered = !spec.order_by.is_empty() || spec.window_frame.is_some() || spec.window_name.is_some();
                if is_ordered {
                    &[ROWS, ORDERED]
                } else {
                    &[PARTITION, ORDERED]
                }
            }
        };
        if !suffixes
            .iter()
            .any(|suffix| self.facts.patterns.has_fact("calls", &format!("{text}{suffix}")))
        {
            self.missing.insert(format!("calls: {text}{}", suffixes[0]));
        }
        match within.filter(|_| self.facts.results.get(&name).is_some_and(|class| class == "argument")) {
            Some(class) => class,
            None => self.result(&name, &args),
        }
    }

    /// Returns the class of an argument. A date unit, such as `month` in `dateadd(month, …)`, is returned unchanged.
    fn argument(&mut self, arg: &FunctionArg, is_unit: bool) -> String {
        let (FunctionArg::Unnamed(value)
        | FunctionArg::Named { arg: value, .. }
        | FunctionArg::ExprNamed { arg: value, .. }) = arg;
        match value {
            FunctionArgExpr::Expr(Expr::Identifier(name)) if is_unit => name.value.to_lowercase(),
            // The parser treats `ignore nulls` after a call as part of the call.
            FunctionArgExpr::Expr(value) => {
                let call = if let Expr::Prefixed { value, .. } = value {
                    value
                } else {
                    value
                };
                let ignores = matches!(call, Expr::Function(call) if call.null_treatment.is_some());
                self.class(value) + if ignores { " ignore nulls" } else { "" }
            }
            _ => "*".to_owned(),
        }
    }

    fn clause(&mut self, clause: &FunctionArgumentClause) -> String {
        match clause {
            FunctionArgumentClause::OrderBy(keys) => {
                let classes = self.sort_keys(keys);
                let texts = keys
                    .iter()
                    .zip(classes)
                    .map(|(key, class)| format!("{class}{}", key.options));
                format!("order by {}", texts.collect::<Vec<_>>().join(", ")).to_lowercase()
            }
            FunctionArgumentClause::Limit(value) => {
                self.class(value);
                "limit number".to_owned()
            }
            other => other.to_string().to_lowercase(),
        }
    }

    /// Returns the classes of sort keys.
    pub(super) fn sort_keys(&mut self, keys: &[OrderByExpr]) -> Vec<Class> {
        keys.iter().map(|key| self.class(&key.expr)).collect()
    }

    /// Looks up `x[1]` and `f(x).field`, and returns the class of the value.
    pub(super) fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Class {
        let mut class = self.class(root);
        for access in chain {
            class = match access {
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = self.class(index);
                    self.operator(&format!("{class}[{index}]"), "any")
                }
                AccessExpr::Dot(Expr::Function(call)) => self.call_of(&format!("{root}."), call),
                _ => self.operator("struct.field", "any"),
            };
        }
        class
    }
}

/// Returns the position of the date unit among the arguments of a date function: first on Snowflake, last on BigQuery.
/// Other warehouses write the unit as a string.
fn unit_position(name: &str, args: &[FunctionArg]) -> Option<usize> {
    let is_unit = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name))) => {
            UNITS.contains(&name.value.to_lowercase().as_str())
        }
        _ => false,
    };
    let is_text = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_))));
    let position = match name {
        "dateadd" | "datediff" | "week" => 0,
        "last_day" if args.len() > 1 => 1,
        _ if name.ends_with("_diff") || name.ends_with("_trunc") => args.len().checked_sub(1)?,
        _ => return None,
    };
    let has_unit = args.get(position).is_some_and(is_unit) && !args.first().is_some_and(is_text);
    has_unit.then_some(position)
}
