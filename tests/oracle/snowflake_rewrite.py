"""Rewrites a Snowflake query so that the emulator returns the same values as Snowflake.

Corrects TO_CHAR masks, the REGEXP functions, ADD_MONTHS at month ends, slices of a split text,
division by zero and the domain errors of SQRT and LN (the emulator returns Infinity or NaN), and the scale of
NUMBER / NUMBER. The corrections follow the public function reference, because no real account was used.
"""
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

import snowflake_refusals


def rewrite(sql, schema):
    tree = sqlglot.parse_one(sql, read="snowflake")
    snowflake_refusals.check(sql, tree)
    mark_division_scales(tree, sql, schema)
    # operands first, so that calls inside a corrected call are corrected too
    for node in reversed(list(tree.walk(bfs=True))):
        new = corrected(node)
        if new is not node:
            node.replace(new)
    return tree.sql("snowflake")


def call(name, *arguments):
    return exp.Anonymous(this=name, expressions=list(arguments))


def number(value):
    return exp.Literal.number(value)


def text(value):
    return exp.Literal.string(value)


def as_text(expression):
    return exp.Cast(this=expression, to=exp.DataType.build("VARCHAR"))


# arguments that accept any number in Snowflake, but only integers in the emulator
WHOLE = {
    exp.Left: ("expression",), exp.Right: ("expression",), exp.Repeat: ("times",),
    exp.Substring: ("start", "length"), exp.StrPosition: ("position",), exp.DateAdd: ("expression",),
    exp.GenerateSeries: ("start", "end"),
}


def as_integer(expression):
    if isinstance(expression, (exp.Cast, exp.Literal)):
        return expression
    return exp.Cast(this=expression, to=exp.DataType.build("INT"))


def is_in_order(node):
    """Returns whether the node is in an ORDER BY. The emulator cannot order by a call that may fail, such as `ERROR`."""
    return node.find_ancestor(exp.Order) is not None


def fails_when(condition, message, otherwise):
    failure = exp.If(this=condition, true=call("ERROR", text(message)))
    return exp.Case(ifs=[failure], default=otherwise)


def corrected(node):
    arg = node.args.get
    if isinstance(node, exp.ToChar) and isinstance(arg("format"), exp.Literal):
        return to_char(node)
    if isinstance(node, exp.RegexpReplace):
        return call(
            "_sf_replace", node.this, node.expression, arg("replacement") or text(""),
            arg("position") or number(1), arg("occurrence") or number(0),
            arg("modifiers") or text("c"),
        )
    if isinstance(node, exp.RegexpExtract):
        return call(
            "_sf_substr", node.this, node.expression, arg("position") or number(1),
            arg("occurrence") or number(1), arg("parameters") or text("c"),
            arg("group") or number(-1),
        )
    if isinstance(node, exp.RegexpInstr):
        return call(
            "_sf_instr", node.this, node.expression, arg("position") or number(1),
            arg("occurrence") or number(1), arg("parameters") or text("c"),
        )
    if isinstance(node, exp.RegexpCount):
        return call(
            "_sf_count", node.this, node.expression, arg("position") or number(1),
            arg("parameters") or text("c"),
        )
    if isinstance(node, exp.ArrayToString) and isinstance(node.this, exp.ArrayConstructCompact):
        return joined(node)
    if isinstance(node, exp.ArrayToString) and isinstance(node.this, exp.ArraySlice):
        return pieces(node)
    # the emulator's timestamps have microseconds
    if isinstance(node, exp.Interval) and arg("unit") is not None and arg("unit").name.upper() == "NANOSECOND":
        return exp.Interval(this=node.this, unit=exp.var("MICROSECOND"))
    if isinstance(node, exp.AddMonths):
        months = exp.Cast(this=node.expression, to=exp.DataType.build("INT"))
        moved = call("_sf_add_months", as_text(node.this), months)
        return exp.Cast(this=moved, to=exp.DataType.build("DATE"))
    for place in WHOLE.get(type(node), ()):
        if arg(place) is not None:
            node.set(place, as_integer(arg(place)))
    # GET becomes the operator `->`, which binds less tightly than comparisons
    if isinstance(node, exp.GetExtract) and isinstance(node.parent, exp.Binary):
        return exp.Paren(this=node.copy())
    if isinstance(node, exp.Window) and isinstance(node.this, exp.ArrayAgg):
        return windowed_list(node)
    if isinstance(node, exp.Anonymous) and node.name.upper() == "TRUNC" and len(node.expressions) == 2:
        node.set("expressions", [node.expressions[0], as_integer(node.expressions[1])])
    if isinstance(node, exp.Chr):
        return call("_sf_chr", *[as_integer(code) for code in node.expressions])
    if isinstance(node, exp.Div):
        return division(node)
    if isinstance(node, (exp.Sqrt, exp.Ln)) and not node.meta.get("guarded") and not is_in_order(node):
        node.meta["guarded"] = True
        outside = exp.LT if isinstance(node, exp.Sqrt) else exp.LTE
        value = node.this.copy()
        condition = outside(this=exp.Paren(this=value), expression=number(0))
        node.set("this", fails_when(condition, "Invalid floating point operation", value.copy()))
    return node


def windowed_list(node):
    """Rewrites ARRAY_AGG(x) OVER (...), which ignores NULLs, because the emulator would convert it to JSON text."""
    item = exp.to_identifier("item_")
    present = exp.Not(this=exp.Is(this=exp.column(item.copy()), expression=exp.Null()))
    node.set("this", call("LIST", node.this.this))
    return call("LIST_FILTER", node.copy(), exp.Lambda(this=present, expressions=[item]))


def joined(node):
    """Rewrites ARRAY_TO_STRING(ARRAY_CONSTRUCT_COMPACT(...), d), which the emulator does not support for columns."""
    parts = [part.copy() for part in node.this.expressions]
    text_so_far = parts[0]
    for part in parts[1:]:
        text_so_far = call("_sf_join", text_so_far, part, node.expression.copy())
    return exp.Coalesce(this=text_so_far, expressions=[text("")])


def pieces(node):
    """Rewrites ARRAY_TO_STRING(ARRAY_SLICE(SPLIT(x, s), from, to), d), because the emulator would slice the array's text."""
    cut = node.this
    split = cut.this
    if not isinstance(split, exp.Split):
        return node
    ends = [as_integer(cut.args[end].copy()) for end in ("start", "end")]
    return call("_sf_pieces", split.this.copy(), split.expression.copy(), *ends, node.expression.copy())


def to_char(node):
    mask = node.args["format"].name
    if re.search(r"[90X]", mask, re.I) and not re.search(r"[YH]|DD|MON|SS", mask, re.I):
        return call("_sf_number", as_text(node.this), text(mask))
    timestamp = exp.DataType.build("TIMESTAMP_NTZ", dialect="snowflake")
    return call("_sf_date", as_text(exp.Cast(this=node.this, to=timestamp)), text(mask))


def division(node):
    divisor = node.expression
    literal = isinstance(divisor, exp.Literal)
    zero = literal and not divisor.is_string and float(divisor.name) == 0
    safe = isinstance(divisor, (exp.Literal, exp.Nullif)) and not zero
    if not safe and not node.meta.get("guarded") and not is_in_order(node):
        node.meta["guarded"] = True
        copy = exp.Paren(this=divisor.copy())
        condition = exp.EQ(this=copy, expression=number(0))
        node.set("expression", fails_when(condition, "Division by zero", copy.copy()))
    if "scale" in node.meta and not node.meta.get("cut"):
        node.meta["cut"] = True
        return exp.Round(this=exp.Paren(this=node.copy()), decimals=number(node.meta["scale"]))
    return node


def mark_division_scales(tree, sql, schema):
    """Marks divisions for rounding if their types can be inferred.

    In Snowflake, NUMBER / NUMBER keeps min(scale + 6, 12) decimals.
    """
    try:
        typed = qualify(
            sqlglot.parse_one(sql, read="snowflake"), schema=schema, dialect="snowflake",
            validate_qualify_columns=False, expand_alias_refs=False,
        )
        typed = annotate_types(typed, schema=schema, dialect="snowflake")
    except SqlglotError:
        return
    divisions, typed_divisions = list(tree.find_all(exp.Div)), list(typed.find_all(exp.Div))
    if len(divisions) != len(typed_divisions):
        return
    for plain, known in zip(divisions, typed_divisions):
        left, right = scale_of(known.this), scale_of(known.expression)
        if left is not None and right is not None:
            plain.meta["scale"] = max(left, min(left + 6, 12))


def scale_of(node):
    """Returns the scale of a NUMBER expression, or None for floats and unknown types."""
    node = node.unnest()
    if isinstance(node, exp.Nullif):
        node = node.this
    if isinstance(node, exp.Literal) and not node.is_string:
        return None if "E" in node.name.upper() else len(node.name.partition(".")[2])
    if isinstance(node, (exp.Count, exp.CountIf)):
        return 0
    kind = node.type
    if kind is None or any(is_float(part) for part in node.walk()):
        return None
    if kind.is_type(*exp.DataType.INTEGER_TYPES):
        return 0
    if kind.is_type("DECIMAL"):
        sizes = kind.expressions
        return int(sizes[1].this.name) if len(sizes) > 1 else 0
    return None


def is_float(node):
    if not isinstance(node, exp.Expression) or isinstance(node.parent, (exp.Count, exp.CountIf)):
        return False
    return node.type is not None and node.type.is_type("FLOAT", "DOUBLE")
