//! Parser of templates, a subset of SQL expressions. Parentheses are added later, according to precedence.

mod lexer;
mod scope;

use lexer::{Token, lex};

use crate::part::NEUTRAL_TYPES;

/// Template node, which corresponds to `part::TemplatePart` but owns its operands.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Word(String),
    Number(String),
    Text(String),
    Arg {
        index: u8,
        mode: String,
    },
    ArgList {
        index: u8,
        mode: String,
    },
    ArgJoin {
        index: u8,
        mode: String,
        op: String,
    },
    Call {
        name: String,
        args: Vec<u16>,
    },
    Binary {
        op: String,
        left: u16,
        right: u16,
    },
    Not(u16),
    Negative(u16),
    Postfix {
        op: String,
        x: u16,
    },
    In {
        x: u16,
        negated: bool,
        args: Vec<u16>,
    },
    Between {
        x: u16,
        low: u16,
        high: u16,
    },
    Case(Vec<u16>),
    Cast {
        name: String,
        x: u16,
        ty: Type,
    },
    Spaced(Vec<u16>),
    Ordered {
        parts: Vec<u16>,
        first: u8,
        until: u8,
        by: u8,
    },
    Paren(u16),
    List(Vec<u16>),
    Bracket(Vec<u16>),
    Subscript {
        x: u16,
        index: u16,
    },
    Over(u16),
}

impl Node {
    /// Returns the mode of a placeholder. `None` for other nodes.
    pub fn mode(&self) -> Option<&str> {
        match self {
            Self::Arg { mode, .. } | Self::ArgList { mode, .. } | Self::ArgJoin { mode, .. } => Some(mode),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    Neutral(u8),
    Native(String),
}

pub fn parse(text: &str, params: &[String]) -> Result<Vec<Node>, String> {
    let tokens = lex(text)?;
    scope::check_name_capture(&tokens)?;
    let mut reader = TemplateReader {
        tokens,
        at: 0,
        nodes: Vec::new(),
        params,
    };
    let root = reader.parse_expr(0)?;
    if reader.at < reader.tokens.len() {
        return Err(format!("unexpected {:?} in template", reader.tokens[reader.at]));
    }
    if root as usize + 1 != reader.nodes.len() {
        return Err("the root of the template is not its last node".into());
    }
    Ok(reader.nodes)
}

struct TemplateReader<'a> {
    tokens: Vec<Token>,
    at: usize,
    nodes: Vec<Node>,
    params: &'a [String],
}

/// Keywords that end an expression inside a call or a subquery.
pub const EXPRESSION_END_KEYWORDS: [&str; 22] = [
    "from",
    "as",
    "order",
    "by",
    "within",
    "group",
    "over",
    "partition",
    "limit",
    "where",
    "asc",
    "desc",
    "nulls",
    "first",
    "last",
    "respect",
    "ignore",
    "at",
    "for",
    "using",
    "with",
    "ordinality",
];
const RESERVED: [&str; 12] = [
    "and", "or", "is", "in", "like", "ilike", "between", "when", "then", "else", "end", "escape",
];

impl TemplateReader<'_> {
    fn add(&mut self, node: Node) -> u16 {
        self.nodes.push(node);
        (self.nodes.len() - 1) as u16
    }

    fn peek_word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(w)) => Some(w),
            _ => None,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.peek_word() == Some(word);
        self.at += usize::from(is_next);
        is_next
    }

    fn require_word(&mut self, word: &str) -> Result<(), String> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(format!("expected `{word}`, found {:?}", self.tokens.get(self.at)))
        }
    }

    fn peek(&self, symbol: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Symbol(s)) if *s == symbol)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let is_next = self.peek(symbol);
        self.at += usize::from(is_next);
        is_next
    }

    fn require_symbol(&mut self, symbol: &str) -> Result<(), String> {
        if self.take_symbol(symbol) {
            Ok(())
        } else {
            Err(format!("expected `{symbol}`, found {:?}", self.tokens.get(self.at)))
        }
    }

    /// Returns the binary operator at the current token and its precedence: 1 for `or`, 2 for `and`, 3 for `not`, 4 for
    /// comparisons, 5 for other operators, 6 for `+ -`, 7 for `* / %`.
    fn binary(&self) -> Option<(String, u8)> {
        match self.tokens.get(self.at)? {
            Token::Word(w) => match w.as_str() {
                "or" => Some(("or".into(), 1)),
                "and" => Some(("and".into(), 2)),
                "like" | "ilike" => Some((w.clone(), 4)),
                _ => None,
            },
            Token::Symbol(s) => match *s {
                "=" | "<>" | "<" | "<=" | ">" | ">=" => Some(((*s).to_owned(), 4)),
                "||" | "~" | "~*" | "!~" | "#>>" | "&" | "|" | "#" | "^" | "<<" | ">>" => Some(((*s).to_owned(), 5)),
                "+" | "-" => Some(((*s).to_owned(), 6)),
                "*" | "/" | "%" => Some(((*s).to_owned(), 7)),
                _ => None,
            },
            _ => None,
        }
    }

    fn parse_expr(&mut self, least: u8) -> Result<u16, String> {
        let mut left = if self.take_word("not") {
            let x = self.parse_expr(3)?;
            self.add(Node::Not(x))
        } else if self.take_symbol("-") {
            let x = self.parse_expr(8)?;
            self.add(Node::Negative(x))
        } else {
            self.parse_primary()?
        };
        loop {
            if least <= 4
                && let Some(node) = self.parse_predicate(left)?
            {
                left = node;
                continue;
            }
            let Some((op, strength)) = self.binary().filter(|(_, s)| *s >= least.max(1)) else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.parse_expr(strength + 1)?;
            left = self.add(Node::Binary { op, left, right });
            if self.peek_word() == Some("escape") {
                self.at += 1;
                let word = self.add(Node::Word("escape".into()));
                let text = self.parse_primary()?;
                left = self.add(Node::Spaced(vec![left, word, text]));
            }
        }
    }

    /// Parses `is null`, `in (…)` or `between` if it follows an operand.
    fn parse_predicate(&mut self, x: u16) -> Result<Option<u16>, String> {
        if self.take_word("is") {
            let not = self.take_word("not");
            if self.take_word("distinct") {
                self.require_word("from")?;
                let right = self.parse_expr(5)?;
                let op = if not {
                    "is not distinct from"
                } else {
                    "is distinct from"
                };
                return Ok(Some(self.add(Node::Binary {
                    op: op.into(),
                    left: x,
                    right,
                })));
            }
            let predicate = match self.tokens.get(self.at) {
                Some(Token::Word(w)) if matches!(w.as_str(), "null" | "true" | "false") => w.clone(),
                other => return Err(format!("expected `null` after `is`, found {other:?}")),
            };
            self.at += 1;
            let op = format!("is {}{predicate}", if not { "not " } else { "" });
            return Ok(Some(self.add(Node::Postfix { op, x })));
        }
        let start = self.at;
        let negated = self.take_word("not");
        if self.take_word("in") {
            self.require_symbol("(")?;
            let args = self.parse_list(")")?;
            return Ok(Some(self.add(Node::In { x, negated, args })));
        }
        if !negated && self.take_word("between") {
            let low = self.parse_expr(5)?;
            self.require_word("and")?;
            let high = self.parse_expr(5)?;
            return Ok(Some(self.add(Node::Between { x, low, high })));
        }
        if negated && self.take_word("like") {
            let right = self.parse_expr(5)?;
            return Ok(Some(self.add(Node::Binary {
                op: "not like".into(),
                left: x,
                right,
            })));
        }
        self.at = start;
        Ok(None)
    }

    /// Parses comma-separated items and the closing symbol.
    fn parse_list(&mut self, close: &str) -> Result<Vec<u16>, String> {
        let mut items = Vec::new();
        if self.take_symbol(close) {
            return Ok(items);
        }
        loop {
            items.push(self.parse_item()?);
            if self.take_symbol(close) {
                return Ok(items);
            }
            self.require_symbol(",")?;
        }
    }

    /// Parses an expression with its surrounding keywords: `distinct x`, `year from d`, `x order by y`, `select …`.
    fn parse_item(&mut self) -> Result<u16, String> {
        let mut parts = Vec::new();
        loop {
            match self.tokens.get(self.at) {
                None | Some(Token::Symbol(")" | "]" | ",")) => break,
                Some(Token::Symbol("*")) if parts.is_empty() || matches!(self.nodes.last(), Some(Node::Word(_))) => {
                    self.at += 1;
                    let star = self.add(Node::Word("*".into()));
                    parts.push(star);
                }
                Some(Token::Word(w))
                    if EXPRESSION_END_KEYWORDS.contains(&w.as_str())
                        || matches!(
                            w.as_str(),
                            "distinct" | "select" | "both" | "leading" | "trailing" | "values"
                        ) =>
                {
                    let word = w.clone();
                    self.at += 1;
                    let node = self.add(Node::Word(word));
                    parts.push(node);
                }
                // The caller parses the comma of `order by a, b` inside a subquery or an `over` clause.
                _ => {
                    let node = self.parse_expr(0)?;
                    parts.push(node);
                }
            }
        }
        match parts.as_slice() {
            [] => Err("empty item in template".into()),
            [node] if *node as usize + 1 == self.nodes.len() => Ok(*node),
            _ => {
                let node = self.parse_ordered(&parts).unwrap_or(Node::Spaced(parts));
                Ok(self.add(node))
            }
        }
    }

    /// Returns an `Ordered` node for `x order by {y} desc`. Returns `None` if the brackets contain only the order, as
    /// in `within group (order by …)`.
    fn parse_ordered(&self, parts: &[u16]) -> Option<Node> {
        let word = |position: usize| match &self.nodes[*parts.get(position)? as usize] {
            Node::Word(word) => Some(word.as_str()),
            _ => None,
        };
        let first =
            (1..parts.len()).find(|position| word(*position) == Some("order") && word(position + 1) == Some("by"))?;
        let Node::Arg { index: order_arg, .. } = self.nodes[*parts.get(first + 2)? as usize] else {
            return None;
        };
        let is_whole = word(0).is_none();
        let rest = (first + 3..)
            .take_while(|position| matches!(word(*position), Some("asc" | "desc" | "nulls" | "last")))
            .count();
        let until = first + 3 + rest;
        is_whole.then(|| Node::Ordered {
            parts: parts.to_vec(),
            first: first as u8,
            until: until as u8,
            by: order_arg,
        })
    }

    fn parse_primary(&mut self) -> Result<u16, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("the template ends too early")?;
        self.at += 1;
        let mut node = match token {
            Token::Number(n) => self.add(Node::Number(n)),
            Token::Text(t) => self.add(Node::Text(t)),
            Token::Quoted(t) => self.add(Node::Word(format!("\"{t}\""))),
            Token::Slot(slot) => self.parse_placeholder(&slot)?,
            Token::Symbol("(") => {
                let list = self.parse_list(")")?;
                match list.as_slice() {
                    // Parentheses around an expression are removed here and added again later, according to precedence.
                    // Parentheses around a query and before an index are kept.
                    [node] if !self.is_query(*node) && !self.peek("[") => *node,
                    [node] => self.add(Node::Paren(*node)),
                    _ => {
                        let inner = self.add(Node::List(list));
                        self.add(Node::Paren(inner))
                    }
                }
            }
            Token::Symbol("[") => {
                let items = self.parse_list("]")?;
                self.add(Node::Bracket(items))
            }
            Token::Symbol(s) => return Err(format!("unexpected `{s}` in template")),
            Token::Word(word) => self.parse_word(word)?,
        };
        loop {
            if self.take_symbol("[") {
                let items = self.parse_list("]")?;
                let index = match items.as_slice() {
                    [node] if !matches!(self.nodes[*node as usize], Node::ArgList { .. }) => *node,
                    _ => self.add(Node::List(items)),
                };
                node = self.add(Node::Subscript { x: node, index });
            } else if self.take_symbol(".") {
                let Some(Token::Word(field)) = self.tokens.get(self.at).cloned() else {
                    return Err("expected the name of a field after `.`".into());
                };
                self.at += 1;
                node = self.add(Node::Postfix {
                    op: format!(".{field}"),
                    x: node,
                });
            } else if self.peek_word() == Some("over")
                && matches!(self.tokens.get(self.at + 1), Some(Token::Slot(slot)) if slot == "window")
            {
                self.at += 2;
                node = self.add(Node::Over(node));
            } else if self.peek_word() == Some("within")
                || self.peek_word() == Some("over")
                || self.peek_word() == Some("filter")
            {
                let mut words = Vec::new();
                while let Some(Token::Word(w)) = self.tokens.get(self.at) {
                    words.push(w.clone());
                    self.at += 1;
                }
                let word = self.add(Node::Word(words.join(" ")));
                self.require_symbol("(")?;
                let items = self.parse_list(")")?;
                let inner = self.add(Node::List(items));
                let inner = self.add(Node::Paren(inner));
                node = self.add(Node::Spaced(vec![node, word, inner]));
            } else if self.take_symbol("->") {
                // Lambda: `(a, b) -> f(a, b)`.
                let arrow = self.add(Node::Word("->".into()));
                let body = self.parse_expr(0)?;
                node = self.add(Node::Spaced(vec![node, arrow, body]));
            } else if self.peek_word() == Some("at") {
                self.at += 1;
                self.require_word("time")?;
                self.require_word("zone")?;
                let zone = self.parse_primary()?;
                let word = self.add(Node::Word("at time zone".into()));
                node = self.add(Node::Spaced(vec![node, word, zone]));
            } else {
                return Ok(node);
            }
        }
    }

    fn is_query(&self, node: u16) -> bool {
        match &self.nodes[node as usize] {
            Node::Spaced(parts) => {
                matches!(&self.nodes[parts[0] as usize], Node::Word(w) if w == "select" || w == "values")
            }
            _ => false,
        }
    }

    fn parse_word(&mut self, word: String) -> Result<u16, String> {
        if word == "case" {
            let mut args = Vec::new();
            while self.take_word("when") {
                args.push(self.parse_expr(0)?);
                self.require_word("then")?;
                args.push(self.parse_expr(0)?);
            }
            if self.take_word("else") {
                args.push(self.parse_expr(0)?);
            }
            self.require_word("end")?;
            return Ok(self.add(Node::Case(args)));
        }
        if RESERVED.contains(&word.as_str()) {
            return Err(format!("unexpected `{word}` in template"));
        }
        // Lambda in DuckDB syntax: `lambda x: f(x)`.
        if word == "lambda" {
            let name = self.peek_word().ok_or("`lambda` needs a name")?.to_owned();
            self.at += 1;
            self.require_symbol(":")?;
            let head = self.add(Node::Word(format!("lambda {name}:")));
            let body = self.parse_expr(0)?;
            return Ok(self.add(Node::Spaced(vec![head, body])));
        }
        if word != "interval" && self.take_symbol("(") {
            if matches!(word.as_str(), "cast" | "safe_cast" | "try_cast") {
                let x = self.parse_expr(0)?;
                self.require_word("as")?;
                let ty = self.cast_type()?;
                self.require_symbol(")")?;
                return Ok(self.add(Node::Cast { name: word, x, ty }));
            }
            let args = self.parse_list(")")?;
            return Ok(self.add(Node::Call { name: word, args }));
        }
        // Typed literals: `date '2024-01-01'`, `interval '1 month'`, `interval {n} day`.
        if matches!(
            word.as_str(),
            "date" | "timestamp" | "datetime" | "numeric" | "bignumeric" | "interval" | "array" | "r"
        ) && matches!(
            self.tokens.get(self.at),
            Some(Token::Text(_) | Token::Slot(_) | Token::Number(_) | Token::Symbol("("))
        ) {
            let first = self.add(Node::Word(word.clone()));
            let second = self.parse_primary()?;
            let mut parts = vec![first, second];
            if word == "interval"
                && let Some(unit) = self.peek_word().map(str::to_owned)
                && !RESERVED.contains(&unit.as_str())
                && !EXPRESSION_END_KEYWORDS.contains(&unit.as_str())
            {
                self.at += 1;
                let unit = self.add(Node::Word(unit));
                parts.push(unit);
            } else if let (Some(Token::Slot(slot)), "interval") = (self.tokens.get(self.at).cloned(), word.as_str()) {
                self.at += 1;
                parts.push(self.parse_placeholder(&slot)?);
            }
            return Ok(self.add(Node::Spaced(parts)));
        }
        Ok(self.add(Node::Word(word)))
    }

    fn cast_type(&mut self) -> Result<Type, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("expected a type")?;
        self.at += 1;
        match token {
            Token::Quoted(native) => Ok(Type::Native(native)),
            Token::Slot(slot) => {
                let name = slot.strip_prefix("type:").ok_or("expected `{type:…}`")?;
                neutral_type(name).ok_or_else(|| format!("`{name}` is not a neutral type"))
            }
            Token::Word(name) => Ok(neutral_type(&name).unwrap_or(Type::Native(name))),
            other => Err(format!("expected a type, found {other:?}")),
        }
    }

    fn parse_placeholder(&mut self, slot: &str) -> Result<u16, String> {
        let (name, rest) = slot.split_once(':').map_or((slot, ""), |(n, r)| (n, r));
        if name == "type" {
            return Err("`{type:…}` is only allowed in a cast".into());
        }
        let index = self.params.iter().position(|p| p == name).ok_or_else(|| {
            format!(
                "unknown parameter `{name}`; the signature has {}",
                self.params.join(", ")
            )
        })? as u8;
        let (shape, mode) = match rest.split_once(':') {
            Some((mode, shape)) if shape == "list" || shape.starts_with("join") => (shape, mode),
            _ if rest == "list" || rest.starts_with("join") => (rest, ""),
            _ => ("", rest),
        };
        let mode = mode.to_owned();
        Ok(match shape.strip_prefix("join") {
            Some(op) => {
                let op = op.trim().to_owned();
                self.add(Node::ArgJoin { index, mode, op })
            }
            None if shape == "list" => self.add(Node::ArgList { index, mode }),
            None => self.add(Node::Arg { index, mode }),
        })
    }
}

fn neutral_type(name: &str) -> Option<Type> {
    NEUTRAL_TYPES
        .iter()
        .position(|n| *n == name)
        .map(|i| Type::Neutral(i as u8))
}
