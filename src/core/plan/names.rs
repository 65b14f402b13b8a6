//! Names for columns without a name in the spec. The names are derived from the content of the columns and never
//! contain a counter.

use rustc_hash::FxHashSet;

use crate::schema::Relation;
use formulac_syntax::text::is_word_char;

/// Converts a string to snake case: lower-case letters and digits, with one `_` in place of each run of other
/// characters between them.
pub fn snake_case(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            name.extend(c.to_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

/// Set of names in lower case. The column names of a relation are not copied but looked up in the relation.
/// Copying them for each query would take quadratic time, because a model with many rules has one query per rule.
#[derive(Clone, Debug, Default)]
struct ColumnNameSet {
    own: FxHashSet<String>,
    relation: Option<Relation>,
}

impl ColumnNameSet {
    fn insert_columns(&mut self, relation: &Relation) {
        if relation.is_ascii() && self.relation.is_none() {
            self.relation = Some(relation.clone());
        } else {
            self.own
                .extend(relation.columns().iter().map(|column| column.name().to_lowercase()));
        }
    }

    fn contains(&self, name: &str) -> bool {
        self.own.contains(name)
            || self
                .relation
                .as_ref()
                .is_some_and(|relation| relation.column(name).is_some())
    }

    /// Adds a name. Returns whether the name is new.
    fn insert(&mut self, name: String) -> bool {
        !self.contains(&name) && self.own.insert(name)
    }
}

/// Names that are in use. Comparisons ignore case.
#[derive(Clone, Debug)]
pub(super) struct UsedNames {
    columns: ColumnNameSet,
    /// Output columns of the step. The names of these columns are reserved.
    outputs: FxHashSet<String>,
    /// Output columns that are computed only after grouping, when input columns with the same name are no longer
    /// present.
    of_groups: FxHashSet<String>,
    /// Maximum number of bytes in a name. 0 if the length is not limited.
    max_bytes: usize,
}

impl UsedNames {
    pub fn new(max_bytes: usize) -> Self {
        Self {
            columns: ColumnNameSet::default(),
            outputs: FxHashSet::default(),
            of_groups: FxHashSet::default(),
            max_bytes,
        }
    }

    pub fn reserve(&mut self, name: &str) {
        self.columns.insert(name.to_lowercase());
    }

    pub fn reserve_columns(&mut self, relation: &Relation) {
        self.columns.insert_columns(relation);
    }

    pub fn reserve_name(&mut self, name: &str) {
        self.outputs.insert(name.to_lowercase());
    }

    pub fn reserve_grouped_output_name(&mut self, name: &str) {
        self.of_groups.insert(name.to_lowercase());
    }

    fn is_free(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        !self.outputs.contains(&name) && !self.columns.contains(&name)
    }

    fn reserve_if_unused(&mut self, name: &str) -> bool {
        self.is_free(name) && self.columns.insert(name.to_lowercase())
    }

    /// Returns the name under which an output column is computed: its own name, unless an input column with the same
    /// name is still present.
    pub fn output_name(&mut self, name: &str) -> String {
        let key = name.to_lowercase();
        if self.columns.contains(&key) && !self.of_groups.contains(&key) {
            self.value_column_name(&format!("{name}_defined"), name)
        } else {
            name.to_owned()
        }
    }

    /// Returns the column name for a definition that is not an output: its own name, unless the name is in use.
    pub fn intermediate_column_name(&mut self, name: &str) -> String {
        match self.is_free(name) {
            true => self.value_column_name(name, name),
            false => self.value_column_name(&format!("{name}_defined"), name),
        }
    }

    /// Returns a name for a value: the preferred name, with the suffix `_value` if the name is in use. If both are in
    /// use or too long, returns a name with a hash of the formula text.
    pub fn value_column_name(&mut self, preferred_name: &str, formula: &str) -> String {
        for name in [preferred_name.to_owned(), format!("{preferred_name}_value")] {
            let fits = self.max_bytes == 0 || name.len() <= self.max_bytes;
            if fits && self.reserve_if_unused(&name) {
                return name;
            }
        }
        let mut text = formula.to_owned();
        loop {
            let mark = hash_to_letters(&text);
            let room = if self.max_bytes == 0 {
                0
            } else {
                self.max_bytes.saturating_sub(mark.len() + 1).max(1)
            };
            let name = format!("{}_{mark}", truncate_name(preferred_name, room));
            if self.reserve_if_unused(&name) {
                return name;
            }
            text.push(' ');
        }
    }
}

/// Returns the preferred name for a helper column, or a similar name if one of the names in use is the same.
pub fn unused_name<'n>(preferred_name: &str, in_use: impl IntoIterator<Item = &'n str>, max_bytes: usize) -> String {
    let mut used_names = UsedNames::new(max_bytes);
    in_use.into_iter().for_each(|name| used_names.reserve(name));
    used_names.value_column_name(preferred_name, preferred_name)
}

/// Returns a hash of a string as six letters. The hash is the same in all versions of the compiler.
fn hash_to_letters(text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (0..6)
        .map(|i| char::from(b'a' + ((hash >> (i * 8)) % 26) as u8))
        .collect()
}

/// Unique names of the CTEs in a query.
#[derive(Debug, Default)]
pub struct CteNames {
    names: ColumnNameSet,
    /// Maximum number of bytes in a name. 0 if the length is not limited.
    max_bytes: usize,
}

impl CteNames {
    pub fn new(max_bytes: usize) -> Self {
        Self {
            names: ColumnNameSet::default(),
            max_bytes,
        }
    }

    pub fn reserve(&mut self, name: &str) {
        self.names.insert(truncate_name(name, self.max_bytes).to_lowercase());
    }

    pub fn reserve_columns(&mut self, relation: &Relation) {
        self.names.insert_columns(relation);
    }

    /// Returns a short form of the preferred name for a CTE that formulac adds, or a similar name if that name is in
    /// use.
    pub fn choose_short_name(&mut self, preferred_name: &str) -> String {
        self.choose_name(&shorten_name(preferred_name))
    }

    /// Returns whether the short form of a name is not in use, so that
    /// [`choose_short_name`](Self::choose_short_name) would return it unchanged.
    pub fn is_free(&self, preferred_name: &str) -> bool {
        let name = truncate_with_hash(&shorten_name(preferred_name), self.max_bytes);
        !self.names.contains(&name.to_lowercase())
    }

    /// Returns the preferred name, or a similar name if the preferred name is in use.
    pub fn choose_name(&mut self, base_name: &str) -> String {
        let mut preferred_name = base_name.to_owned();
        loop {
            let name = truncate_with_hash(&preferred_name, self.max_bytes);
            if self.names.insert(name.to_lowercase()) {
                return name;
            }
            preferred_name.push_str("_rows");
        }
    }
}

/// Maximum number of bytes in a generated name, unless its first word is longer. Every warehouse allows longer names.
const MAX_GENERATED_BYTES: usize = 40;

/// Returns a name for the rows of a relation, grouped by keys, such as `orders_by_region`. The name omits keys if it
/// would be too long.
pub fn grouped_rows_name(from: &str, keys: &[String]) -> String {
    let is_plain = |key: &String| key.chars().all(is_word_char);
    let plain_key = |key: &String| if is_plain(key) { key.clone() } else { snake_case(key) };
    let keys: Vec<String> = keys.iter().map(plain_key).filter(|key| !key.is_empty()).collect();
    let full_name = match keys.as_slice() {
        [] => format!("{from}_in_total"),
        [key] => format!("{from}_by_{key}"),
        [first_key, two] => format!("{from}_by_{first_key}_and_{two}"),
        [first_key, ..] => format!("{from}_by_{first_key}_and_more"),
    };
    let first = keys.first().map_or("", String::as_str);
    let shorter = [
        format!("{from}_by_{first}_and_more"),
        format!("{from}_by_{first}"),
        format!("{from}_grouped"),
    ];
    let shorter = shorter.into_iter().skip(if keys.len() > 1 { 0 } else { 2 });
    let mut names = std::iter::once(full_name).chain(shorter);
    let short = names.find(|name| name.len() <= MAX_GENERATED_BYTES);
    short.unwrap_or_else(|| shorten_name(&format!("{from}_grouped")))
}

/// Returns a generated name or, if the name is too long, its first words and its final word for the kind of rows, such
/// as `filtered`.
pub fn shorten_name(name: &str) -> String {
    const ROW_KIND_WORDS: [&str; 8] = [
        "grouped", "filtered", "filled", "combined", "rows", "cells", "numbered", "weekdays",
    ];
    const CONNECTING_WORDS: [&str; 9] = ["and", "before", "by", "for", "in", "of", "on", "per", "with"];
    if name.len() <= MAX_GENERATED_BYTES {
        return name.to_owned();
    }
    let words: Vec<&str> = name.split('_').collect();
    let (start, end) = match words.split_last() {
        Some((last, start)) if ROW_KIND_WORDS.contains(last) => (start, format!("_{last}")),
        _ => (words.as_slice(), String::new()),
    };
    let room = MAX_GENERATED_BYTES - end.len();
    // Omit the last key rather than a part of its name.
    let stem = start.join("_");
    let mut rest = stem.as_str();
    for connector in ["_and_", "_by_"] {
        if rest.len() > room
            && let Some((first, _)) = rest.rsplit_once(connector)
        {
            rest = first;
        }
    }
    let mut length = 0;
    let fits = |word: &&str| {
        length += word.len() + 1;
        length <= room + 1
    };
    let mut leading_words: Vec<&str> = rest.split('_').take_while(fits).collect();
    while leading_words
        .last()
        .is_some_and(|word| CONNECTING_WORDS.contains(word) || ROW_KIND_WORDS.contains(word))
    {
        leading_words.pop();
    }
    match leading_words.is_empty() {
        true => truncate_with_hash(name, MAX_GENERATED_BYTES),
        false => format!("{}{end}", leading_words.join("_")),
    }
}

/// Returns the name or, if it is longer than `max_bytes` bytes, its beginning with a hash of the entire name.
pub fn truncate_with_hash(name: &str, max_bytes: usize) -> String {
    if max_bytes == 0 || name.len() <= max_bytes {
        return name.to_owned();
    }
    let mark = hash_to_letters(name);
    format!(
        "{}_{mark}",
        truncate_name(name, max_bytes.saturating_sub(mark.len() + 1).max(1))
    )
}

/// Truncates a name to at most `max_bytes` bytes, at a character boundary. The length is not limited if `max_bytes` is
/// 0.
pub fn truncate_name(name: &str, max_bytes: usize) -> &str {
    if max_bytes == 0 || name.len() <= max_bytes {
        return name;
    }
    let mut end = max_bytes;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened_at_words() {
        for (name, short) in [
            ("orders_by_region_filtered", "orders_by_region_filtered"),
            (
                "orders_by_ordered_at_month_and_more_filled",
                "orders_by_ordered_at_month_filled",
            ),
            (
                "orders_by_ordered_on_month_and_status_grouped",
                "orders_by_ordered_on_month_grouped",
            ),
            (
                "with_average_order_value_of_returning_customers",
                "with_average_order_value_of_returning",
            ),
        ] {
            assert_eq!(shorten_name(name), short);
        }
        let long = "a".repeat(70);
        let short = shorten_name(&long);
        assert!(
            short.len() == MAX_GENERATED_BYTES && short.starts_with("aaaa") && short != shorten_name(&"a".repeat(71))
        );
        assert!(shorten_name(&format!("{}_filtered", "é".repeat(40))).len() <= MAX_GENERATED_BYTES);
    }

    #[test]
    fn names_of_grouped_rows_omit_keys_if_they_are_long() {
        let name = |from: &str, keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            grouped_rows_name(from, &keys)
        };
        assert_eq!(name("orders", &[]), "orders_in_total");
        assert_eq!(name("orders", &["month", "region"]), "orders_by_month_and_region");
        assert_eq!(name("orders", &["month", "region", "plan"]), "orders_by_month_and_more");
        assert_eq!(name("orders", &["Rabatt %", "Land"]), "orders_by_rabatt_and_Land");
        let keys = ["billing_date_month", "customer_segment"];
        assert_eq!(name("orders", &keys), "orders_by_billing_date_month_and_more");
        assert_eq!(
            name("stg_subscriptions", &keys),
            "stg_subscriptions_by_billing_date_month"
        );
        assert_eq!(
            name("stg_stripe_subscriptions", &keys),
            "stg_stripe_subscriptions_grouped"
        );
        let long = "int_subscription_revenue_movements_unioned";
        assert_eq!(name(long, &keys), "int_subscription_revenue_grouped");
        assert_eq!(name(long, &["month"]), "int_subscription_revenue_grouped");
    }
}
