//! Tests edits by path: the effect of each kind of edit, and the rejected edits.

use formulac::yaml_edit::{Edit, Path, YamlValue, apply_edits, merge};

use super::cases::rules;
use super::large::{many_edits, properties_file};

fn order() -> Path {
    Path::root().key("models").item("name", "orders")
}

fn set(path: Path, value: YamlValue) -> Edit {
    Edit::Set {
        at: path,
        value,
        after: Vec::new(),
    }
}

const FILE: &str = "\
# head
version: 2
models:
- name: orders # the orders
  columns:
  - name: id
    tags: [a]
  # the amount
  - name: amount
    description: >
      In euro.

# foot
exposures:
";

#[test]
fn edits_of_one_file_are_applied_together() {
    let column = |name: &str| order().key("columns").item("name", name);
    let edits = [
        Edit::Set {
            at: order().key("description"),
            value: YamlValue::text("All: orders"),
            after: vec!["name".into()],
        },
        Edit::Add {
            to: column("id").key("tags"),
            value: YamlValue::text("b"),
        },
        Edit::Add {
            to: column("id").key("tags"),
            value: YamlValue::text("a"),
        },
        set(column("amount").key("description"), YamlValue::text("In dollars.")),
        Edit::Remove {
            at: column("id").key("name"),
        },
        Edit::Add {
            to: order().key("columns"),
            value: YamlValue::map([("name", YamlValue::text("new"))]),
        },
        Edit::Add {
            to: Path::root().key("exposures"),
            value: YamlValue::map([("name", YamlValue::text("e"))]),
        },
        set(Path::root().key("version"), YamlValue::Bare("3".into())),
    ];
    let edited = apply_edits(FILE, &edits).unwrap();
    assert_eq!(
        edited,
        "\
# head
version: 3
models:
- name: orders # the orders
  description: \"All: orders\"
  columns:
  - tags: [a, b]
  # the amount
  - name: amount
    description: >
      In dollars.
  - name: new

# foot
exposures:
- name: e
"
    );
}

#[test]
fn several_items_create_a_missing_list() {
    let add = |to: Path, name: &str| Edit::Add {
        to,
        value: YamlValue::map([("name", YamlValue::text(name))]),
    };
    let orders = || Path::root().key("models").item("name", "orders");
    let edits = [
        add(orders().key("columns"), "id"),
        add(Path::root().key("exposures").key("all"), "e"),
        add(orders().key("columns"), "amount"),
    ];
    assert_eq!(
        apply_edits("exposures:\nmodels:\n- name: orders\n", &edits).unwrap(),
        "exposures:\n  all:\n  - name: e\nmodels:\n- name: orders\n  columns:\n  - name: id\n  - name: amount\n"
    );
    let columns = |value| set(orders().key("columns"), value);
    let overlapping = [add(orders().key("columns"), "id"), columns(YamlValue::text("x"))];
    let refusal = apply_edits("models:\n- name: orders\n", &overlapping).unwrap_err();
    assert!(refusal.reason().contains("two edits overlap"), "{refusal}");
    // A mapping does not hide the list that it inherits.
    let inherited = "base: &base\n  columns: [a]\nmodels:\n- <<: *base\n  name: orders\n";
    assert!(apply_edits(inherited, &edits[..1]).is_err());
}

#[test]
fn unsupported_edits_are_rejected_with_a_position() {
    let id = || order().key("columns").item("name", "id");
    let tags = || id().key("tags");
    for (edits, position, reason) in [
        (
            vec![Edit::Remove {
                at: Path::root().key("sources"),
            }],
            (2, 1),
            "there is no `sources`",
        ),
        (
            vec![set(order().key("columns").item("name", "x"), YamlValue::text("y"))],
            (6, 3),
            "or more than one",
        ),
        (
            vec![set(tags(), YamlValue::text("x")), set(tags(), YamlValue::text("y"))],
            (7, 5),
            "two edits overlap",
        ),
        (
            vec![Edit::Remove { at: id() }, set(tags(), YamlValue::text("y"))],
            (7, 11),
            "two edits overlap",
        ),
        (
            vec![set(Path::root(), YamlValue::text("y"))],
            (1, 1),
            "the complete file",
        ),
        (
            vec![Edit::Add {
                to: id(),
                value: YamlValue::text("y"),
            }],
            (6, 5),
            "is not a list",
        ),
        (vec![set(tags(), YamlValue::Verbatim("*x".into()))], (1, 1), "an alias"),
    ] {
        let refusal = apply_edits(FILE, &edits).unwrap_err();
        assert_eq!((refusal.line(), refusal.column()), position, "{refusal}");
        assert!(refusal.reason().contains(reason), "{refusal}");
    }
}

#[test]
fn shared_values_are_refused() {
    let file = "a: &a\n  x: 1\nb: *a\nc:\n  <<: *a\n  y: 2\n";
    let at = |first: &str, second: &str| Path::root().key(first).key(second);
    for (path, reason) in [(at("a", "x"), "anchor"), (at("b", "x"), "alias")] {
        let refusal = apply_edits(file, &[set(path, YamlValue::text("z"))]).unwrap_err();
        assert!(refusal.reason().contains(reason), "{refusal}");
    }
    assert!(apply_edits(file, &[set(at("c", "y"), YamlValue::text("z"))]).is_ok());
    let refusal = apply_edits(file, &[Edit::Remove { at: at("c", "x") }]).unwrap_err();
    assert!(refusal.reason().contains("merge key"), "{refusal}");
}

/// Items that inherit their names from merge keys are found. Setting an inherited key adds the key to the item itself.
#[test]
fn inherited_keys_become_own_keys() {
    let file = "\
x: [&id {name: id, text: a}, &more {text: b, note: n}]
list:
  - <<: *id
  - <<: [*more, *id]
    name: other # ours
  - {<<: *more, name: third}
";
    let at = |name: &str, key: &str| Path::root().key("list").item("name", name).key(key);
    let edits = [
        set(at("id", "text"), YamlValue::text("new")),
        // This value equals the inherited value.
        set(at("other", "text"), YamlValue::text("b")),
        set(at("other", "note"), YamlValue::text("mine")),
        set(at("third", "note"), YamlValue::text("too")),
    ];
    let edited = apply_edits(file, &edits).unwrap();
    assert_eq!(
        edited,
        "\
x: [&id {name: id, text: a}, &more {text: b, note: n}]
list:
  - <<: *id
    text: new
  - <<: [*more, *id]
    name: other # ours
    note: mine
  - {<<: *more, name: third, note: too}
"
    );
}

#[test]
fn deep_yaml_is_rejected_without_a_stack_overflow() {
    let deep = 100_000;
    let texts = [
        "[".repeat(deep),
        format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
        "{a: ".repeat(deep),
        "- ".repeat(deep),
        "? ".repeat(deep),
        (0..1_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect(),
    ];
    for text in texts {
        assert!(apply_edits(&text, &[]).unwrap_err().reason().len() < 200);
        assert!(merge(None, &text, "a: 1\n", &rules()).is_err());
        assert!(merge(None, "a: 1\n", &text, &rules()).is_err());
    }
    let value = (0..100).fold(YamlValue::text("x"), |value, _| YamlValue::list(vec![value]));
    assert!(apply_edits("a: 1\n", &[set(Path::root().key("a"), value)]).is_err());
}

#[test]
fn many_edits_of_a_large_file() {
    let (text, edits) = (properties_file(200), many_edits(200));
    let edited = apply_edits(&text, &edits).unwrap();
    assert!(edited.len() > text.len() / 2);
    let merged = merge(Some(&text), &text, &edited, &rules()).unwrap();
    assert!(merged.kept.len() < edits.len());
}

#[test]
fn quotes_of_the_user_are_kept() {
    let edited = |before: &str, after: &str| {
        let at = Path::root().key("a");
        apply_edits(&format!("a: {before}\n"), &[set(at, YamlValue::text(after))])
            .unwrap()
            .trim_start_matches("a: ")
            .to_owned()
    };
    assert_eq!(edited("'chosen'", "new"), "'new'\n");
    assert_eq!(edited("\"chosen\"", "new"), "\"new\"\n");
    // `17c3…` needs quotes, but `fa29…` does not. A newly written value would have no quotes.
    assert_eq!(edited("\"17c35d90f432276f\"", "fa29e59cecf37534"), "fa29e59cecf37534\n");
    assert_eq!(edited("fa29e59cecf37534", "17c35d90f432276f"), "\"17c35d90f432276f\"\n");
    assert_eq!(edited("'12:30'", "10:45"), "'10:45'\n");
}

/// Sets the description of a file's only column, and returns the new description with its key.
fn set_description(description: &str, text: &str) -> String {
    let head = "columns:\n  - name: id\n";
    let foot = "    tests: [unique]\n";
    let file = format!("{head}{description}{foot}");
    let at = Path::root().key("columns").item("name", "id").key("description");
    let edited = apply_edits(&file, &[set(at, YamlValue::text(text))]).unwrap();
    let edited = edited.strip_prefix(head).and_then(|rest| rest.strip_suffix(foot));
    edited.unwrap_or_else(|| panic!("other lines changed")).to_owned()
}

#[test]
fn comments_next_to_a_replaced_text_stay() {
    for (before, text, after) in [
        (
            "    description: |  # TODO(ann): ask\n      One.\n      Two.\n",
            "One.\nThree.",
            "    description: |  # TODO(ann): ask\n      One.\n      Three.\n",
        ),
        (
            "    description: >-   # c\n      One\n      two.\n",
            "One three.",
            "    description: >-   # c\n      One\n      three.\n",
        ),
        // A block cannot contain this text.
        (
            "    description: | # c\n      One.\n",
            " One.",
            "    description: \" One.\" # c\n",
        ),
        (
            "    description: some words\n      of text # ours\n",
            "some other words of text",
            "    description: some other\n      words\n      of text # ours\n",
        ),
        (
            "    description:\n      some words # ours\n",
            "other: words",
            "    description: \"other: words\" # ours\n",
        ),
    ] {
        assert_eq!(set_description(before, text), after);
    }
}

#[test]
fn texts_keep_the_style_and_the_lines_of_the_file() {
    for (before, text, after) in [
        // A literal block contains spaces at the ends of its lines.
        (
            "    description: |\n      One. \n\n      > Two.\n    \n      Three.\n",
            "One. \n\n> Two.\n\nThree. (edited)",
            "    description: |\n      One. \n\n      > Two.\n    \n      Three. (edited)\n",
        ),
        (
            "    description: |-\n      One.\n         \n      Two.\n",
            "One. (edited)\n   \nTwo.",
            "    description: |-\n      One. (edited)\n         \n      Two.\n",
        ),
        (
            "    description: | \n      One.\n",
            "Two.",
            "    description: | \n      Two.\n",
        ),
        // Folded text is wrapped to the width of the previous text. Lines that do not change are kept.
        (
            "    description: >\n      One two three\n      four\n      five six seven.\n",
            "One two three four (all of them) five six seven.",
            "    description: >\n      One two three\n      four\n      (all of them)\n      five six seven.\n",
        ),
        (
            "    description: >\n      One two three\n      four.\n\n      Five six\n      seven.\n",
            "One two three four.\nFive seven eight nine.\nTen.",
            "    description: >\n      One two three\n      four.\n\n      Five seven\n      eight nine.\n\n      Ten.\n",
        ),
        (
            "    description: >\n      One.\n",
            "One. And a text that is longer than this line.",
            "    description: >\n      One. And a text that is longer than this line.\n",
        ),
        // Only a literal block preserves single line breaks.
        (
            "    description: >\n      One\n      two.\n",
            "One\ntwo.",
            "    description: |\n      One\n      two.\n",
        ),
        // Strings without quotes and in quotes.
        (
            "    description: One two three four five\n      six seven eight.\n",
            "One two three four five six seven eight nine ten eleven twelve thirteen.",
            "    description: One two three four five\n      six seven eight nine ten eleven\n      twelve thirteen.\n",
        ),
        (
            "    description: One two three four five\n      six seven eight.\n",
            "One.",
            "    description: One.\n",
        ),
        (
            "    description:\n      One two three\n      four five.\n",
            "Our two three four five.",
            "    description:\n      Our two three\n      four five.\n",
        ),
        (
            "    description: 'One: two three four\n      five it''s.'\n",
            "One: two three four five it's six seven eight nine.",
            "    description: 'One: two three four\n      five it''s six seven eight\n      nine.'\n",
        ),
        (
            "    description: One two three four\n      five.\n",
            "One two three four five: six seven eight nine ten.",
            "    description: \"One two three\n      four five: six seven eight\n      nine ten.\"\n",
        ),
        // The line breaks between these words cannot be written as spaces.
        (
            "    description: One two three four\n      five.\n",
            "One two  three  four   five six seven eight nine ten.",
            "    description: One\n      two  three  four   five six\n      seven eight nine ten.\n",
        ),
    ] {
        assert_eq!(set_description(before, text), after, "{before}{text}");
    }
}

/// The YAML parser reports unusual positions for these texts.
#[test]
fn unusual_layouts_are_edited() {
    let key = |key: &str| Path::root().key(key);
    let add = |to: Path| Edit::Add {
        to,
        value: YamlValue::text("new"),
    };
    let cases = [
        (
            "k: {\n  a: 1, # c\n  b: 2,\n  # d\n}\nl: x\n",
            set(key("k"), YamlValue::text("new")),
            "k: new\nl: x\n",
        ),
        (
            "k: {\n  a: 1,\n  b: 2,\n}\nl: x\n",
            set(key("m"), YamlValue::text("new")),
            "k: {\n  a: 1,\n  b: 2,\n}\nl: x\nm: new\n",
        ),
        (
            "k:\r\n- [a] # c\r\n- []",
            add(key("k")),
            "k:\r\n- [a] # c\r\n- []\r\n- new",
        ),
        (
            "k:\n- []\nl: x\n",
            Edit::Remove {
                at: key("k").position(0),
            },
            "k: []\nl: x\n",
        ),
        (
            "k: [\n  a\n  , b\n]\n",
            Edit::Remove {
                at: key("k").position(0),
            },
            "k: [\n  b\n]\n",
        ),
        (
            "k:\t'a: b' # c\n",
            set(key("k"), YamlValue::Bare("7".into())),
            "k: 7 # c\n",
        ),
        ("k: a\u{a0}\n", set(key("k"), YamlValue::text("new")), "k: new\n"),
    ];
    for (text, edit, expected) in cases {
        assert_eq!(apply_edits(text, &[edit]).as_deref(), Ok(expected), "{text}");
    }
}
