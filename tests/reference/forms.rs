//! Forms of function calls, from the catalogue's signatures and, if the signatures are not sufficient, from
//! `agreement.yml`.

use std::collections::BTreeMap;
use std::path::Path;

use formulac::catalog::{self, Function, Overload, ParamType, ResultType};
use formulac::{Level, Type};
use serde_json::Value as Json;

use crate::files;
use crate::value::Value;
use crate::yaml::{self, Node, Result};

/// Kinds of arguments.
#[derive(Clone, Debug)]
pub enum Takes {
    Is(Type),
    Number,
    Temporal,
    Any,
    /// Type that is the same wherever this letter occurs in the signature. N represents a number, and D represents a
    /// date or a time.
    Same(char),
    /// A criterion for the previous argument.
    Criterion,
    /// All rows of the first argument.
    AllRows,
    /// One of these choices. If a choice is a column, other expressions are also allowed.
    OneOf(Vec<Choice>, Option<Box<Takes>>),
    /// An integer literal.
    Literal(i64, i64),
    /// A literal above 0.
    Positive,
}

#[derive(Clone, Debug)]
pub enum Choice {
    Value(Value),
    Column(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    Is(Type),
    Same(char),
}

#[derive(Clone, Debug)]
pub struct Form {
    pub function: &'static Function,
    pub level: Level,
    pub takes: Vec<Takes>,
    pub gives: Gives,
    /// Name of the outer function, such as `COUNT` in `COUNT(DISTINCT(x))`.
    pub outer_function: Option<&'static str>,
    /// `true` if the aggregate can also compute over ranges of cells.
    pub ranges: bool,
}

/// Calls for which an emulator returns a different result from its warehouse.
pub struct Gap {
    pub of: Vec<String>,
    /// The gap exists only inside calls to these functions. Empty if the gap exists everywhere.
    pub inside: Vec<String>,
    pub why: String,
}

/// Information about functions that their signatures do not contain.
pub struct Known {
    pub forms: Vec<Form>,
    /// Functions that are not tested, each with the reason.
    pub excluded: BTreeMap<String, String>,
    /// Criteria by the type of the tested value.
    pub criteria: BTreeMap<String, Vec<Value>>,
    /// Calls that the emulator evaluates differently from the warehouse, by dialect.
    pub gaps: BTreeMap<String, Vec<Gap>>,
    /// Maximum difference between floats, and its reason, by function.
    pub tolerances: BTreeMap<String, (f64, String)>,
}

pub fn load_known() -> Known {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/agreement.yml");
    read(&files::read(&path)).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

fn read(text: &str) -> Result<Known> {
    let mut map = yaml::parse(text)?.map()?;
    let excluded = reasons(&map.need("excluded")?)?;
    let mut arguments = BTreeMap::new();
    for (name, node) in map.need("arguments")?.map()?.into_entries() {
        let params = node.map()?.into_entries();
        let params = params.into_iter().map(|(param, node)| Ok((param, choices(&node)?)));
        arguments.insert(
            function(&node, &name)?.name,
            params.collect::<Result<BTreeMap<String, Vec<Choice>>>>()?,
        );
    }
    let mut written: BTreeMap<&str, Vec<Form>> = BTreeMap::new();
    for (name, node) in map.need("forms")?.map()?.into_entries() {
        let function = function(&node, &name)?;
        let forms = node
            .list()?
            .iter()
            .map(|form| form_of(function, form))
            .collect::<Result<Vec<Form>>>()?;
        written.insert(function.name, forms);
    }
    let mut criteria = BTreeMap::new();
    for (ty, node) in map.need("criteria")?.map()?.into_entries() {
        criteria.insert(
            ty,
            node.list()?
                .iter()
                .map(|v| value(v.scalar()?, v))
                .collect::<Result<Vec<Value>>>()?,
        );
    }
    let mut gaps = BTreeMap::new();
    for (dialect, node) in map.need("gaps")?.map()?.into_entries() {
        gaps.insert(dialect, node.list()?.iter().map(gap).collect::<Result<Vec<Gap>>>()?);
    }
    let mut tolerances = BTreeMap::new();
    for (name, node) in map.need("tolerances")?.map()?.into_entries() {
        let mut entry = node.map()?;
        let relative = entry.need("relative")?;
        let Some(number) = relative.scalar()?.as_f64() else {
            return relative.error("a number");
        };
        tolerances.insert(name, (number, entry.need("why")?.text()?.to_owned()));
        entry.finish()?;
    }
    map.finish()?;
    let mut forms = Vec::new();
    let mut unknown = Vec::new();
    for function in catalog::functions() {
        if excluded.contains_key(function.name) {
            continue;
        }
        let own = written.remove(function.name);
        let drawn = own.unwrap_or_else(|| signatures(function, arguments.get(function.name)));
        if drawn.is_empty() {
            unknown.push(function.name);
        }
        forms.extend(drawn);
    }
    if !unknown.is_empty() {
        return Err(format!(
            "agreement.yml must say how to draw {unknown:?}, or why they are not drawn"
        ));
    }
    let with_gaps = gaps.values().flatten().flat_map(|gap| gap.of.iter().chain(&gap.inside));
    for name in excluded.keys().chain(with_gaps).chain(tolerances.keys()) {
        if catalog::lookup(name).is_none() {
            return Err(format!("`{name}` is not a function"));
        }
    }
    Ok(Known {
        forms,
        excluded,
        criteria,
        gaps,
        tolerances,
    })
}

fn reasons(node: &Node) -> Result<BTreeMap<String, String>> {
    let reason = |(name, why): (String, Node)| Ok((name, why.text()?.to_owned()));
    node.map()?.into_entries().into_iter().map(reason).collect()
}

fn gap(node: &Node) -> Result<Gap> {
    let mut map = node.map()?;
    let inside = map.take("in").map_or_else(|| Ok(Vec::new()), |node| node.texts())?;
    let gap = Gap {
        of: map.need("of")?.texts()?,
        inside,
        why: map.need("why")?.text()?.to_owned(),
    };
    map.finish()?;
    Ok(gap)
}

fn function(node: &Node, name: &str) -> Result<&'static Function> {
    catalog::lookup(name).map_or_else(|| node.error(format!("`{name}` is not a function")), Ok)
}

fn choices(node: &Node) -> Result<Vec<Choice>> {
    node.list()?
        .iter()
        .map(|choice| match choice.scalar()? {
            Json::String(text) if text.starts_with('@') => Ok(Choice::Column(text[1..].to_owned())),
            json => Ok(Choice::Value(value(json, choice)?)),
        })
        .collect()
}

fn value(json: &Json, node: &Node) -> Result<Value> {
    match json {
        Json::Bool(b) => Ok(Value::Bool(*b)),
        Json::Number(n) if n.is_i64() => Ok(Value::Int(n.as_i64().unwrap_or_default())),
        Json::Number(n) => Ok(Value::Number(n.as_f64().unwrap_or_default())),
        Json::String(t) => Ok(Value::Text(t.clone())),
        _ => node.error("a number, a text, true or false"),
    }
}

/// Parses `{takes: [T, integer, [1, 2]], gives: T}` into a form.
fn form_of(function: &'static Function, node: &Node) -> Result<Form> {
    let mut map = node.map()?;
    let takes = map.need("takes")?;
    let takes = takes.list()?.iter().map(|arg| match arg.is_list() {
        true => Ok(Takes::OneOf(choices(arg)?, None)),
        false => takes_of(arg),
    });
    let takes = takes.collect::<Result<Vec<Takes>>>()?;
    let given = map.need("gives")?;
    let gives = match takes_of(&given)? {
        Takes::Is(ty) => Gives::Is(ty),
        Takes::Same(letter) => Gives::Same(letter),
        _ => return given.error("a type, or a letter of the arguments"),
    };
    let level = match map.take("level") {
        Some(level) => level.text()?.parse_level(&level)?,
        None => function.level,
    };
    let inside = match map.take("inside") {
        Some(name) => Some(self::function(&name, name.text()?)?.name),
        None => None,
    };
    let ranges = map.take("ranges").is_none() && inside.is_none() && !takes.is_empty();
    map.finish()?;
    Ok(Form {
        function,
        level,
        takes,
        gives,
        outer_function: inside,
        ranges,
    })
}

trait ParseLevel {
    fn parse_level(&self, node: &Node) -> Result<Level>;
}

impl ParseLevel for str {
    fn parse_level(&self, node: &Node) -> Result<Level> {
        match self {
            "row" => Ok(Level::Row),
            "aggregate" => Ok(Level::Aggregate),
            "window" => Ok(Level::Window),
            _ => node.error("row, aggregate or window"),
        }
    }
}

fn takes_of(node: &Node) -> Result<Takes> {
    Ok(match node.text()? {
        "number" => Takes::Number,
        "temporal" => Takes::Temporal,
        "any" => Takes::Any,
        "criterion" => Takes::Criterion,
        "all rows" => Takes::AllRows,
        letter if letter.len() == 1 => Takes::Same(letter.chars().next().unwrap_or('T')),
        name => match name.parse() {
            Ok(ty) => Takes::Is(ty),
            Err(_) => return node.error(format!("`{name}` is not a type")),
        },
    })
}

/// Returns the forms that the catalogue specifies.
fn signatures(function: &'static Function, arguments: Option<&BTreeMap<String, Vec<Choice>>>) -> Vec<Form> {
    let mut forms = Vec::new();
    for overload in function.overloads {
        let gives = match overload.result {
            ResultType::Is(ty) => Gives::Is(ty),
            ResultType::Same => Gives::Same('T'),
            ResultType::Param(at) => match overload.params.get(usize::from(at)).map(|p| p.ty) {
                Some(ParamType::Is(ty)) => Gives::Is(ty),
                Some(ParamType::Temporal) => Gives::Same('D'),
                Some(ParamType::Number | ParamType::Positive | ParamType::Negative) => Gives::Same('N'),
                _ => continue,
            },
            ResultType::Lowered => continue,
        };
        let takes: Vec<Takes> = (0..overload.params.len())
            .map(|at| accepted_argument(overload, at, arguments))
            .collect();
        let mut add = |level: Level, takes: Vec<Takes>| {
            let ranges = !takes.is_empty();
            forms.push(Form {
                function,
                level,
                takes,
                gives,
                outer_function: None,
                ranges,
            });
        };
        for count in overload.min_arguments..=takes.len() {
            add(function.level, takes[..count].to_vec());
        }
        if let (true, Some(last)) = (overload.repeated, takes.last()) {
            for more in 1..3 {
                let again = std::iter::repeat_n(last.clone(), more);
                add(function.level, takes.iter().cloned().chain(again).collect());
            }
        } else if function.level == Level::Aggregate && function.arity().1.is_none() && takes.len() == 1 {
            // An aggregate with several arguments combines them within one row.
            (2..4).for_each(|count| add(Level::Row, vec![takes[0].clone(); count]));
        }
    }
    forms
}

fn accepted_argument(overload: &Overload, at: usize, arguments: Option<&BTreeMap<String, Vec<Choice>>>) -> Takes {
    let param = &overload.params[at];
    let is_result = overload.result == ResultType::Param(at as u8);
    let takes = match param.ty {
        ParamType::Is(ty) => Takes::Is(ty),
        ParamType::Number if is_result => Takes::Same('N'),
        ParamType::Temporal if is_result => Takes::Same('D'),
        ParamType::Number => Takes::Number,
        ParamType::Temporal => Takes::Temporal,
        ParamType::Literal(low, high) => return Takes::Literal(low, high),
        ParamType::Positive => return Takes::Positive,
        ParamType::Negative => return Takes::Literal(-20, -1),
        ParamType::Any => Takes::Any,
        ParamType::Same => Takes::Same('T'),
    };
    match arguments.and_then(|arguments| arguments.get(param.name)) {
        Some(choices) => {
            let open = choices.iter().any(|choice| matches!(choice, Choice::Column(_)));
            Takes::OneOf(choices.clone(), open.then(|| Box::new(takes)))
        }
        None => takes,
    }
}

impl Form {
    /// Returns `true` if the form may return this type.
    pub fn may_give(&self, ty: Type) -> bool {
        match self.gives {
            Gives::Is(given) => given == ty,
            Gives::Same(letter) => letter_fits(letter, ty),
        }
    }
}

/// Returns `true` if a letter may represent a type.
pub fn letter_fits(letter: char, ty: Type) -> bool {
    match letter {
        'N' => ty.is_number(),
        'D' => ty.is_temporal(),
        'S' => ty.is_number() || ty.is_temporal() || ty == Type::Text,
        _ => true,
    }
}
