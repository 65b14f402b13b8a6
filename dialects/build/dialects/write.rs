//! Writes the dialects as Rust tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Cell, Dialect, Fact, TemplateNotes, mode_function};
use crate::catalogue::{self, Function, Overload};
use crate::facts;
use crate::op::Op;
use crate::template::{Node, Type};

pub fn write(functions: &[Function], dialects: &[Dialect]) -> String {
    let mut out = String::new();
    let ansi = &dialects[0];
    write_types(&mut out, ansi);
    out.push_str("}\n/// Every dialect that can be written.\npub static DIALECTS: &[DialectData] = &[\n");
    for (index, dialect) in dialects[1..].iter().enumerate() {
        write_properties(&mut out, index, dialect, ansi);
        let overloads = functions.iter().flat_map(|f| f.overloads.iter());
        for (index, (cell, overload)) in dialect.cells.iter().zip(overloads).enumerate() {
            let fill = |reason: &str| fill_reason_placeholders(reason, dialect, &dialects[1..], index);
            write_cell(&mut out, cell, overload, (functions, dialect), fill);
        }
        out.push_str("], ");
        write_construct_facts(&mut out, dialect);
        out.push_str("},\n");
    }
    out.push_str("];\n");
    out
}

/// Writes the Rust structs `Facts`, `Literals` and `LiteralForms`.
fn write_types(output: &mut String, ansi: &Dialect) {
    output.push_str("/// What a dialect can and cannot do; each is explained in `dialects/ansi.toml`.\n#[allow(missing_docs, reason = \"generated\")]\n#[derive(Clone, Copy, Debug)]\npub struct Facts {\n");
    for (name, fact) in &ansi.facts {
        let ty = if matches!(fact, Fact::Flag(_)) {
            "bool"
        } else {
            "&'static str"
        };
        let _ = writeln!(output, "pub {name}: {ty},");
    }
    output.push_str("}\n/// A literal's text in a dialect.\n#[allow(missing_docs, reason = \"generated\")]\n#[derive(Clone, Copy, Debug)]\npub struct Literals {\n");
    for (name, _) in &ansi.literals {
        let _ = writeln!(output, "pub {name}: &'static str,");
    }
    output.push_str(
        "}\n/// Syntax of each literal in a dialect, without its value.\n#[allow(dead_code, reason = \"generated\")]\n#[derive(Debug)]\npub struct LiteralForms {\n",
    );
    for (name, _) in &ansi.literals {
        let _ = writeln!(output, "pub {name}: LiteralForm,");
    }
}

/// Returns the ranges of characters that a list of Unicode classes and characters allows. Empty if the list is empty
/// or contains an unknown class, which `read_dialect` reports.
fn allowed_ranges(list: &str) -> Vec<(char, char)> {
    match name_characters(list).map(regex_syntax::hir::Hir::into_kind) {
        Ok(regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class))) => {
            class.iter().map(|range| (range.start(), range.end())).collect()
        }
        _ => Vec::new(),
    }
}

/// Parses a list of Unicode classes and characters, such as `L Pd &`.
pub fn name_characters(list: &str) -> Result<regex_syntax::hir::Hir, String> {
    let item = |item: &str| match item.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => format!("\\p{{{item}}}"),
        false => regex_syntax::escape(item),
    };
    let items: String = list.split_ascii_whitespace().map(item).collect();
    if items.is_empty() {
        return Ok(regex_syntax::hir::Hir::empty());
    }
    regex_syntax::parse(&format!("[{items}]")).map_err(|e| e.to_string())
}

/// Writes the fields of a dialect that come before its cells.
fn write_properties(output: &mut String, index: usize, dialect: &Dialect, ansi: &Dialect) {
    let types: Vec<&str> = crate::part::NEUTRAL_TYPES
        .iter()
        .map(|n| {
            dialect
                .types
                .iter()
                .find(|(k, _)| k == n)
                .map_or("", |(_, v)| v.as_str())
        })
        .collect();
    let _ = write!(
        output,
        "DialectData {{ name: {:?}, title: {:?}, unverified: {:?}, own_functions: &{:?}, index: {index}, quote: {:?}, quote_backslash: {}, text_backslash: {}, fold: CaseFolding::{}, max_bytes: {}, reserved: &{:?}, reserved_slots: &{:?}, reserved_lengths: {:?}, backslash: {}, raw: {:?}, types: &{types:?}, rounded_decimals: {}, name_characters: &{:?}, facts: Facts {{ ",
        dialect.name,
        dialect.title,
        dialect.unverified,
        dialect.own_functions,
        dialect.quote.chars().next().unwrap_or('"'),
        dialect.quote_backslash,
        dialect.text_backslash,
        catalogue::capitalize(&dialect.fold),
        dialect.max_bytes,
        dialect.reserved,
        crate::hash::build_slots(&dialect.reserved),
        word_length_bits(&dialect.reserved),
        dialect.backslash,
        dialect.raw,
        dialect.has_rounded_decimals(),
        allowed_ranges(&dialect.fact("allowed_in_names")),
    );
    for (name, fact) in &dialect.facts {
        let _ = match fact {
            Fact::Flag(flag) => write!(output, "{name}: {flag}, "),
            Fact::Word(word) => write!(output, "{name}: {word:?}, "),
        };
    }
    let literal = |name: &str| {
        let mut literals = dialect.literals.iter();
        literals
            .find(|(literal, _)| literal == name)
            .map_or("", |(_, text)| text.as_str())
    };
    output.push_str("}, literals: Literals { ");
    for (name, _) in &ansi.literals {
        let text = literal(name);
        let _ = write!(output, "{name}: {text:?}, ");
    }
    output.push_str("}, forms: LiteralForms { ");
    for (name, _) in &ansi.literals {
        let (before, after) = split_around_placeholder(literal(name)).unwrap_or_default();
        let _ = write!(
            output,
            "{name}: LiteralForm {{ before: {before:?}, after: {after:?} }}, "
        );
    }
    output.push('}');
    for (key, names) in [
        ("type_synonyms", &dialect.type_synonyms),
        ("similar_types", &dialect.similar_types),
    ] {
        let type_names = |neutral: &&str| {
            names
                .iter()
                .find(|(name, _)| name == neutral)
                .map_or(&[][..], |(_, names)| names)
        };
        let _ = write!(output, ", {key}: [");
        for names in crate::part::NEUTRAL_TYPES.iter().map(type_names) {
            let _ = write!(output, "&{names:?}, ");
        }
        output.push(']');
    }
    output.push_str(", cells: &[\n");
}

/// Fills the placeholders in the reason why a dialect does not support an overload: `{dialect}` is the dialect's title,
/// and `{elsewhere}` lists the other dialects that support the overload, as in `in BigQuery, in Snowflake`.
fn fill_reason_placeholders(reason: &str, dialect: &Dialect, dialects: &[Dialect], overload: usize) -> String {
    let has_template = |other_dialect: &&Dialect| {
        other_dialect.unverified.is_empty() && matches!(other_dialect.cells[overload], Cell::Template(..))
    };
    let elsewhere = dialects
        .iter()
        .filter(has_template)
        .map(|other_dialect| format!("in {}", other_dialect.title));
    let elsewhere = elsewhere.collect::<Vec<_>>().join(", ");
    reason
        .replace("{dialect}", &dialect.title)
        .replace("{elsewhere}", &elsewhere)
}

/// Writes the template of an overload in a dialect. `fill` fills the placeholders in a reason.
fn write_cell(
    output: &mut String,
    cell: &Cell,
    overload: &Overload,
    (functions, dialect): (&[Function], &Dialect),
    fill: impl Fn(&str) -> String,
) {
    match cell {
        Cell::Missing => output.push_str("Cell::Missing,\n"),
        Cell::Unsupported(reason) => {
            let _ = writeln!(output, "Cell::Unsupported({:?}),", fill(reason));
        }
        Cell::Template(nodes, TemplateNotes { gives, most, alike }) => {
            let gives = gives.map_or("None".to_owned(), |ty| format!("Some({ty})"));
            let uses: Vec<u8> = (0..overload.signature.params.len())
                .map(|i| count_argument_uses(nodes, i as u8, &|mode| max_uses_of_mode(mode, functions, dialect)))
                .collect();
            let _ = write!(
                output,
                "Cell::Template(Template {{ uses: &{uses:?}, repeats: {}, operations: {}, result_type: {gives}, max_value: {most}, requires_same_scale: {alike}, subquery: {}, windowed: {}, shape: {}, parts: &[",
                uses.iter().any(|u| *u > 1),
                nodes.iter().filter(|node| is_operation(node)).count(),
                nodes.iter().any(|n| matches!(n, Node::Word(w) if w == "select")),
                nodes.iter().any(|n| matches!(n, Node::Over(_))),
                template_shape(nodes, overload.signature.params.len()),
            );
            nodes.iter().for_each(|node| write_part(output, node, functions));
            output.push_str("] }),\n");
        }
    }
}

/// Returns whether a node of a template is a call or an operator.
fn is_operation(node: &Node) -> bool {
    !matches!(
        node,
        Node::Word(_)
            | Node::Number(_)
            | Node::Text(_)
            | Node::Arg { .. }
            | Node::ArgList { .. }
            | Node::Spaced(_)
            | Node::Paren(_)
            | Node::List(_)
            | Node::Bracket(_)
    )
}

/// Writes the verdict and the source for each construct, and the constructs of each cell as indices.
fn write_construct_facts(output: &mut String, dialect: &Dialect) {
    output.push_str("constructs: &[\n");
    for ((section, text), fact) in &dialect.known {
        let facts::Fact {
            verdict,
            source,
            parameters,
            inherited,
        } = fact;
        let (section, verdict) = (section.name(), facts::VERDICTS[*verdict].1);
        let _ = writeln!(
            output,
            "ConstructFact {{ section: {section:?}, text: {text:?}, verdict: FactVerdict::{verdict}, source: {source:?}, parameters: &{parameters:?}, inherited: {inherited} }},"
        );
    }
    output.push_str("], cell_constructs: &[\n");
    let places: BTreeMap<_, usize> = dialect.known.keys().zip(0..).collect();
    for constructs in &dialect.constructs {
        let places: Vec<usize> = constructs
            .iter()
            .filter_map(|construct| places.get(construct).copied())
            .collect();
        let _ = writeln!(output, "&{places:?},");
    }
    output.push_str("] ");
}

/// Returns the lengths of the words as bit sets with one bit per length. The low five bits of a word's first letter,
/// which are the same in upper and lower case, are the index into the array of bit sets.
fn word_length_bits(words: &[String]) -> [u32; 32] {
    let mut lengths = [0; 32];
    for word in words {
        let letter = word.bytes().next().map_or(0, |b| b & 31);
        lengths[letter as usize] |= 1 << word.len().min(31);
    }
    lengths
}

/// Splits the syntax of a literal, such as `date '{iso}'`, at its placeholder. Returns the text before and after it.
pub(super) fn split_around_placeholder(form: &str) -> Option<(&str, &str)> {
    form.split_once("{n}").or_else(|| form.split_once("{iso}"))
}

/// Returns the shape of a template: one operator, one call, or several parts.
fn template_shape(nodes: &[Node], params: usize) -> String {
    let is = |node: &Node, arg_index: u8| matches!(node, Node::Arg { index, mode } if *index == arg_index && mode.is_empty());
    match nodes {
        [a, b, Node::Binary { op, left: 0, right: 1 }] if is(a, 0) && is(b, 1) => {
            format!("TemplateShape::Operator({})", operator_name(op))
        }
        // Templates of `nullif` and `safe_divide` are written part by part, because writing the parts removes
        // `coalesce` from their arguments.
        [.., Node::Call { name, .. }] if ["nullif", "safe_divide"].contains(&name.as_str()) => {
            "TemplateShape::Parts".into()
        }
        [plain @ .., Node::Call { name, args }]
            if params > 0
                && plain.len() == params
                && plain.iter().zip(0..).all(|(node, arg_index)| is(node, arg_index))
                && args.iter().copied().eq(0..params as u16) =>
        {
            format!("TemplateShape::Call({name:?})")
        }
        _ => "TemplateShape::Parts".into(),
    }
}

/// Returns the number of occurrences of an argument in the SQL of a template. If a mode calls an internal function on
/// the argument, `of_mode` returns how often that function's SQL contains the argument.
fn count_argument_uses(nodes: &[Node], arg_index: u8, of_mode: &dyn Fn(&str) -> u8) -> u8 {
    let uses = |node: &Node| match node {
        Node::Arg { index, mode } | Node::ArgList { index, mode } | Node::ArgJoin { index, mode, .. }
            if *index == arg_index =>
        {
            of_mode(mode)
        }
        _ => 0,
    };
    nodes.iter().map(uses).fold(0, u8::saturating_add)
}

/// Returns the maximum number of times that the internal function of a mode repeats its argument. Conversions count
/// once, because an argument that already has the type is not converted.
fn max_uses_of_mode(mode: &str, functions: &[Function], dialect: &Dialect) -> u8 {
    let mut overload = 0;
    for function in functions {
        if function.name == mode {
            let cells = dialect.cells.iter().skip(overload).take(function.overloads.len());
            let uses = cells.map(|cell| match cell {
                Cell::Template(nodes, _) => count_argument_uses(nodes, 0, &|_| 1),
                _ => 1,
            });
            return uses.max().unwrap_or(1).max(1);
        }
        overload += function.overloads.len();
    }
    1
}

fn operator_name(text: &str) -> String {
    // `check_placeholder_modes` has already checked that the operator exists.
    Op::parse(text).map_or_else(String::new, |op| format!("Op::{op:?}"))
}

fn write_part(output: &mut String, node: &Node, functions: &[Function]) {
    let mode = |m: &str| mode_function(functions, m).unwrap_or_default();
    let _ = match node {
        Node::Cast { name, x, ty } => {
            let ty = match ty {
                Type::Neutral(i) => format!("TypeName::Neutral({i})"),
                Type::Native(n) => format!("TypeName::Native({n:?})"),
            };
            write!(output, "TemplatePart::Cast {{ name: {name:?}, x: {x}, ty: {ty} }},")
        }
        Node::Arg { index, mode: m } => write!(output, "TemplatePart::Arg {{ index: {index}, mode: {} }},", mode(m)),
        Node::ArgList { index, mode: m } => {
            write!(output, "TemplatePart::ArgList {{ index: {index}, mode: {} }},", mode(m))
        }
        Node::ArgJoin { index, mode: m, op } => {
            write!(
                output,
                "TemplatePart::ArgJoin {{ index: {index}, mode: {}, op: {} }},",
                mode(m),
                operator_name(op)
            )
        }
        Node::Call { name, args } => write!(output, "TemplatePart::Call {{ name: {name:?}, args: &{args:?} }},"),
        Node::In { x, negated, args } => write!(
            output,
            "TemplatePart::In {{ x: {x}, negated: {negated}, args: &{args:?} }},"
        ),
        Node::Binary { op, left, right } => {
            write!(
                output,
                "TemplatePart::Binary {{ op: {}, left: {left}, right: {right} }},",
                operator_name(op)
            )
        }
        Node::Case(a) => write!(output, "TemplatePart::Case(&{a:?}),"),
        Node::Spaced(a) => write!(output, "TemplatePart::Spaced(&{a:?}),"),
        Node::Ordered {
            parts,
            first,
            until,
            by: order_arg,
        } => {
            write!(
                output,
                "TemplatePart::Ordered {{ parts: &{parts:?}, first: {first}, until: {until}, by: {order_arg} }},"
            )
        }
        Node::List(a) => write!(output, "TemplatePart::List(&{a:?}),"),
        Node::Bracket(a) => write!(output, "TemplatePart::Bracket(&{a:?}),"),
        other => write!(output, "TemplatePart::{other:?},"),
    };
}
