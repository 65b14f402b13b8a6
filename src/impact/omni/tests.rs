//! Tests which fields a change affects.

use super::*;

#[test]
fn fields_that_read_a_column() {
    let files = [
        (
            "omni/analytics/orders.view.yaml",
            "schema: analytics\ntable_name: fct_orders\ndimensions:\n  amount: {}\n  is_large: {sql: '${amount} > 1000'}\n  raw: {sql: 'upper(status)'}\n  other: {}\nmeasures:\n  count: {aggregate_type: count}\n  revenue: {sql: '${amount}', aggregate_type: sum, filters: {region: {is: West}}}\n  odd: {sql: 'sum(amount'}\n  looker: {sql: '${TABLE}.\"AMOUNT\" - ${table}.tax', aggregate_type: sum}\n",
        ),
        (
            "omni/customers.view",
            "dimensions: {ltv: {sql: '${orders.revenue} / 2'}}\n",
        ),
        (
            "omni/top.query.view",
            "query: {base_view: orders, fields: {orders.revenue: total}}\ndimensions: {total: {}}\n",
        ),
        ("omni/orders.topic.yaml", "base_view: orders\njoins: {customers: {}}\n"),
        ("omni/small.topic.yaml", "base_view: orders\nfields: [orders.other]\n"),
        (
            "omni/relationships.yaml",
            "- {join_from_view: orders, join_to_view: customers, on_sql: '${orders.amount} = ${customers.id}'}\n",
        ),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let (model, faults) = OmniFields::from_texts(&files, None);
    assert_eq!(faults, []);
    let columns = BTreeSet::from(["amount".to_owned()]);
    let reached = model.fields_affected_by_table(Some("ANALYTICS"), "FCT_ORDERS", &columns, false);
    let summaries: Vec<String> = reached
        .iter()
        .map(|r| format!("{}.{} {} by {}", r.view, r.field, r.kind, r.reached_by))
        .collect();
    assert_eq!(
        summaries,
        [
            "orders.amount dimension by fct_orders.amount",
            "orders.odd measure by fct_orders.amount",
            "orders.looker measure by fct_orders.amount",
            "orders.is_large dimension by orders.amount",
            "orders.revenue measure by orders.amount",
            "customers.ltv dimension by orders.revenue",
            "top.total column by orders.revenue",
        ]
    );
    assert!(reached[1].reason_for_whole_table.is_some());
    let users: Vec<String> = model
        .field_consumers(&reached)
        .into_iter()
        .map(|(kind, name, ..)| format!("{kind} {name}"))
        .collect();
    assert_eq!(users, ["topic orders", "join orders → customers"]);
    assert!(
        model
            .fields_affected_by_table(Some("raw"), "fct_orders", &columns, false)
            .is_empty()
    );
    assert_eq!(
        model
            .fields_affected_by_table(None, "fct_orders", &BTreeSet::new(), true)
            .len(),
        10
    );
}

fn test_model(files: &[(&str, &str)]) -> OmniFields {
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let (model, faults) = OmniFields::from_texts(&files, None);
    assert_eq!(faults, []);
    model
}

/// Returns the fields that a change to the table `t` affects. If `column` is `None`, the rows of the table change.
fn affected_fields(model: &OmniFields, column: Option<&str>) -> Vec<String> {
    let columns = column.map(str::to_owned).into_iter().collect();
    let reached = model.fields_affected_by_table(Some("s"), "t", &columns, column.is_none());
    let mut summaries: Vec<String> = reached
        .iter()
        .map(|affected_field| {
            format!(
                "{}.{}{}",
                affected_field.view,
                affected_field.field,
                if affected_field.reason_for_whole_table.is_some() {
                    "?"
                } else {
                    ""
                }
            )
        })
        .collect();
    summaries.extend(
        model
            .field_consumers(&reached)
            .into_iter()
            .map(|(kind, name, ..)| format!("{kind} {name}")),
    );
    summaries.sort();
    summaries
}

/// Test case: title, files, changed column, and affected fields. `?` marks fields whose lineage is known only for the
/// whole table.
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], Option<&'c str>, &'c [&'c str]);

#[test]
#[allow(clippy::too_many_lines, reason = "one table of test cases")]
fn fields_of_other_files_are_reached() {
    let cases: &[Case<'_>] = &[
        (
            "a child inherits its parent's table and fields, and overrides values",
            &[
                (
                    "t.view",
                    "schema: s\ndimensions: {a: {}, b: {sql: '${a} + 1'}, c: {}}\n",
                ),
                (
                    "child.view",
                    "extends: [t]\ndimensions: {b: {sql: '${c}'}, c: {ignored: true}, d: {}}\n",
                ),
            ],
            Some("a"),
            &["child.a", "t.a", "t.b"],
        ),
        (
            "a template is not a view, and missing names are reported",
            &[
                ("base.view", "template: true\nmeasures: {n: {sql: '${a}'}}\n"),
                ("t.view", "extends: [base, nowhere]\nschema: s\ndimensions: {a: {}}\n"),
            ],
            Some("a"),
            &["t.a?", "t.n?"],
        ),
        (
            "the first of several extended views takes precedence, and names ignore case",
            &[
                (
                    "t.view",
                    "schema: s\ndimensions: {a: {}, X: {sql: '${a}'}, y: {sql: '${b}'}}\n",
                ),
                (
                    "u.view",
                    "schema: s\ndimensions: {x: {sql: '${b}'}, y: {sql: '${a}', label: Y}}\n",
                ),
                ("child.view", "extends: [t, u]\ndimensions: {y: {label: Own}}\n"),
            ],
            Some("a"),
            &["child.X", "child.a", "t.X", "t.a"],
        ),
        (
            "a view without keys of its own passes on the table",
            &[
                ("t.view", "schema: s\ndimensions: {a: {}}\n"),
                ("middle.view", "extends: [t]\n"),
                ("child.view", "extends: [middle]\n"),
            ],
            Some("a"),
            &["child.a", "middle.a", "t.a"],
        ),
        (
            "aliases of joins refer to their view",
            &[
                ("t.view", "schema: s\ndimensions: {a: {}}\n"),
                (
                    "v.view",
                    "schema: s\nmeasures: {n: {sql: '${buyers.a}', aggregate_type: count_distinct}}\n",
                ),
                ("v.topic", "joins: {Buyers: {}}\n"),
                (
                    "relationships.yaml",
                    "- {join_from_view: v, join_to_view: t, join_to_view_as: Buyers, on_sql: '${v.id} = ${Buyers.a}'}\n",
                ),
            ],
            Some("a"),
            &["join v → t", "t.a", "topic v", "v.n"],
        ),
        (
            "circles end",
            &[
                ("t.view", "extends: [u]\nschema: s\ndimensions: {a: {}}\n"),
                ("u.view", "extends: [t]\n"),
            ],
            Some("a"),
            &["t.a", "u.a"],
        ),
        (
            "the columns in a view's SQL are traced",
            &[
                ("t.view", "schema: s\ndimensions: {a: {}, b: {}}\n"),
                (
                    "sums.view",
                    "sql: select b, sum(a) as total, count(*) as n from ${t} group by 1\ndimensions: {b: {}, total: {}, n: {}, twice: {sql: '${total} * 2'}}\n",
                ),
            ],
            Some("a"),
            &["sums.total", "sums.twice", "t.a"],
        ),
        (
            "a column in a filter affects all fields of the view and of views that read it",
            &[
                (
                    "v.view",
                    "sql: select x, y from s.t where a > 1\ndimensions: {x: {}, up: {sql: 'upper(y)'}}\n",
                ),
                ("w.view", "sql: 'select x as z from ${v}'\ndimensions: {z: {}}\n"),
            ],
            Some("a"),
            &["v.up", "v.x", "v.y", "w.z"],
        ),
        (
            "one column only",
            &[(
                "v.view",
                "sql: select x, y from s.t where a > 1\ndimensions: {x: {}, up: {sql: 'upper(y)'}}\n",
            )],
            Some("y"),
            &["v.up", "v.y"],
        ),
        (
            "SQL that cannot be parsed only has table-level lineage",
            &[
                ("v.view", "sql: 'selec x frm s.t'\ndimensions: {x: {}}\n"),
                ("u.view", "sql: 'selec x frm s.other'\ndimensions: {x: {}}\n"),
            ],
            Some("q"),
            &["v.x?"],
        ),
        (
            "query views: fields, filters, calculations",
            &[
                ("t.view", "schema: s\ndimensions: {a: {}, b: {}, c: {}}\n"),
                (
                    "q.query.view",
                    "query: {base_view: t, fields: {t.b: b, t.c: c}, filters: {t.a: {is: 1}}, calculations: {k: {sql: '${t.c} * 2'}}}\ndimensions: {b: {}, c: {}}\n",
                ),
                (
                    "p.query.view",
                    "query: {base_view: t, fields: {t.b: b}, calculations: {k: {sql: '${t.a} * 2'}, cell: {sql: '=SUM(A1:A1)'}}}\n",
                ),
            ],
            Some("a"),
            &["p.cell?", "p.k", "q.b", "q.c", "q.k", "t.a"],
        ),
        (
            "topics: filters, access, samples, overrides, extends",
            &[
                ("t.view", "schema: s\ndimensions: {a: {}, b: {}}\n"),
                ("u.view", "schema: s\ndimensions: {a: {}}\n"),
                ("plain.topic", "base_view: u\nfields: [u.a]\n"),
                ("filter.topic", "base_view: u\ndefault_filters: {t.a: {is: 1}}\n"),
                (
                    "access.topic",
                    "base_view: u\naccess_filters: [{field: t.a, user_attribute: x}]\n",
                ),
                ("where.topic", "base_view: u\nalways_where_sql: '${t.a} > 1'\n"),
                (
                    "sample.topic",
                    "base_view: u\nsample_queries: {one: {query: {fields: [t.a]}}}\n",
                ),
                (
                    "calc.topic",
                    "base_view: u\nsample_queries: [{query: {calculations: {c: {sql: '${t.a}'}}}}]\n",
                ),
                (
                    "own.topic",
                    "base_view: u\nviews: {t: {dimensions: {x: {sql: '${a}'}}}}\n",
                ),
                ("child.topic", "extends: [filter]\nlabel: Child\n"),
                ("other.topic", "base_view: u\ndefault_filters: {t.b: {is: 1}}\n"),
            ],
            Some("a"),
            &[
                "t.a",
                "topic access",
                "topic calc",
                "topic child",
                "topic filter",
                "topic own",
                "topic sample",
                "topic where",
            ],
        ),
        (
            "relationships, with and without marks, and by aliases",
            &[
                ("t.view", "schema: s\ndimensions: {a: {}}\n"),
                (
                    "relationships.yaml",
                    "- {join_from_view: u, join_to_view: t, on_sql: 'u.id = t.a'}\n- {join_from_view: v, join_to_view: t, join_to_view_as: other, on_sql: '${v.id} = ${other.a}'}\n- {join_from_view: w, join_to_view: t, on_sql: '${w.id} = ${t.b}'}\n",
                ),
            ],
            Some("a"),
            &["join u → t", "join v → t", "t.a"],
        ),
        (
            "other rows reach what counts them",
            &[
                ("t.view", "schema: s\nmeasures: {n: {aggregate_type: count}}\n"),
                ("u.view", "schema: s\nmeasures: {n: {aggregate_type: count}}\n"),
            ],
            None,
            &["t.n"],
        ),
    ];
    for (description, files, column, expected) in cases {
        assert_eq!(affected_fields(&test_model(files), *column), *expected, "{description}");
    }
}

/// Omni's own files contain the name of the view in a comment, and the name of the database under `catalog`.
#[test]
fn names_with_a_database() {
    let users = "# Reference this view as shop_prod_ecomm__users\ncatalog: SHOP_PROD\nschema: ECOMM\ntable_name: USERS\n\
                 dimensions:\n  first_name: {}\n  initial: {sql: 'left(${shop_prod_ecomm__users.first_name}, 1)'}\n";
    let items = "# Reference this view as shop_prod_ecomm__items\ncatalog: SHOP_PROD\nschema: ECOMM\n\
                 dimensions: {buyer: {sql: '${shop_prod_ecomm__users.initial}'}}\n";
    let join = "- {join_from_view: shop_prod_ecomm__items, join_to_view: shop_prod_ecomm__users, on_sql: '1 = 1'}\n";
    let files = [
        ("SHOP_PROD.ECOMM/users.view.yaml", users),
        ("SHOP_PROD.ECOMM/items.view.yaml", items),
        (
            "big.query.view",
            "query: {base_view: users, fields: {ecomm__users.initial: letter}}\n",
        ),
        (
            "top.topic.yaml",
            "base_view: shop_prod_ecomm__items\njoins: {shop_prod_ecomm__users: {}}\n",
        ),
        ("relationships.yaml", join),
    ];
    let model = test_model(&files);
    let columns = BTreeSet::from(["first_name".to_owned()]);
    let reached = model.fields_affected_by_table(Some("ecomm"), "users", &columns, false);
    let summaries: Vec<String> = reached
        .iter()
        .map(|affected_field| format!("{}.{}", affected_field.view, affected_field.field))
        .collect();
    assert_eq!(
        summaries,
        ["users.first_name", "users.initial", "items.buyer", "big.letter"]
    );
    let topics: Vec<String> = model.field_consumers(&reached).into_iter().map(|user| user.1).collect();
    assert_eq!(topics, ["top"]);
}

/// Omni shows dbt models in virtual schemas, which do not exist in the warehouse.
#[test]
fn views_of_a_virtual_schema() {
    let text =
        "schema: omni_dbt_marts\ntable_name: users\ndimensions: {name: {}}\ndbt: {name: users, target_schema: shop}\n";
    let model = test_model(&[("omni_dbt_marts/users.view.yaml", text)]);
    let columns = BTreeSet::from(["name".to_owned()]);
    let reached = model.fields_affected_by_table(Some("shop_marts"), "users", &columns, false);
    assert_eq!(reached.len(), 1);
}
