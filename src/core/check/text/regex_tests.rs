use super::*;

#[test]
fn each_engine_has_its_syntax() {
    for (text, re2, ere, are) in [
        (r"a.b", "a.b", "a.b", r"a[^\n]b"),
        (r"\d+", r"\d+", "[0-9]+", "[0-9]+"),
        (
            r"[\w.-]{2,3}",
            r"[\w.\-]{2,3}",
            r"[A-Za-z0-9_.\-]{2,3}",
            r"[A-Za-z0-9_.\-]{2,3}",
        ),
        (r"(?:a|b)c", "(?:a|b)c", "(a|b)c", "(?:a|b)c"),
        (r"(?i)x]", r"(?i)x\]", r"x\]", r"(?i)x\]"),
        (r"\$5", r"\$5", r"\$5", r"\$5"),
        ("[]a]", r"[\]a]", r"[\]a]", r"[\]a]"),
    ] {
        let pattern = read(text).unwrap();
        assert_eq!(
            (pattern.re2.as_str(), pattern.ere.as_str(), pattern.are.as_str()),
            (re2, ere, are),
            "{text}"
        );
    }
    assert_eq!(read("(a)(b)").unwrap().re2_first, "(a)(?:b)");
    assert_eq!(read("(?:a)(b)").unwrap().groups, [2]);
}

#[test]
fn ambiguous_patterns_are_refused() {
    for text in [
        "",
        "(?i)",
        "a**",
        "a+?",
        "*a",
        "^*",
        "a{300}",
        "(a{20}){20}",
        "a{2,1}",
        "a{2",
        "(",
        ")",
        "[",
        "[b-a]",
        r"\b",
        r"\1",
        r"\p{L}",
        r"a\",
        "(?=a)",
        "(?P<n>a)",
        "a(?i)",
        "[[:alpha:]]",
        r"[\D]",
        "\u{1}",
        "a|*",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read(&"a".repeat(1001)).is_err());
}

#[test]
fn pattern_properties_are_reported() {
    for (text, ambiguous, empty, optional) in [
        ("abc", false, false, false),
        ("a*", false, true, false),
        ("a|ab", true, false, false),
        ("ab|a", false, false, false),
        ("jan|feb|march", false, false, false),
        (r"\d+|\d+x", true, false, false),
        (r"\d\d|\w\w", false, false, false),
        ("(a)?b", false, false, true),
        ("(a)|b", false, false, true),
        ("(a|b)c", false, false, false),
        ("x(a*)", false, false, false),
        ("^$", false, true, false),
    ] {
        let pattern = read(text).unwrap();
        let properties = (
            pattern.ambiguous.is_some(),
            pattern.matches_empty,
            pattern.first_optional,
        );
        assert_eq!(properties, (ambiguous, empty, optional), "{text}");
    }
}

#[test]
fn replacements_are_converted() {
    assert_eq!(
        replacement_to_sql(r"$2-$1\", &[1, 3]).unwrap(),
        (r"\2-\1\\".into(), r"\3-\1\\".into())
    );
    assert_eq!(replacement_to_sql("$ $a", &[]).unwrap().0, "$ $a");
    for text in ["$1", "$0", r"\1"] {
        assert!(replacement_to_sql(text, &[]).is_err(), "{text}");
    }
}
