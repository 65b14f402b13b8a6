"""The kinds of values in a Snowflake or BigQuery statement, and the scale of NUMBERs by Snowflake's rules of arithmetic.

A kind is "float", "text", "boolean", "date", "timestamp", "time", "array", "null", "any" (VARIANT), a Number, or None
where nothing here knows the expression.
"""
import collections

from sqlglot import exp

Number = collections.namedtuple("Number", "scale")
WHOLE = Number(0)
COLUMNS = {"integer": WHOLE, "decimal": Number(2), "timestamptz": "timestamp"}

FIXED = {
    "float": """SQRT EXP LN LOG POWER POW SIN COS TAN COT ASIN ACOS ATAN ATAN2 SINH COSH TANH RADIANS DEGREES PI
        STDDEV STDDEV_SAMP STDDEV_POP CORR COVAR_SAMP COVAR_POP REGR_SLOPE REGR_INTERCEPT REGR_R2 PERCENT_RANK CUME_DIST
        SENTIMENT AI_SENTIMENT""",
    "text": """UPPER LOWER TRIM LTRIM RTRIM CONCAT SUBSTR SUBSTRING LEFT RIGHT REPLACE REPEAT REVERSE CHR CHAR INITCAP
        TO_CHAR TO_VARCHAR REGEXP_SUBSTR REGEXP_EXTRACT REGEXP_REPLACE LPAD RPAD LISTAGG ARRAY_TO_STRING TRANSLATE
        SPLIT_PART DAYNAME MONTHNAME AI_COMPLETE AI_SUMMARIZE SUMMARIZE AI_TRANSLATE TRANSLATE_TEXT AI_FILTER STRTOK
        COMPLETE AI_CLASSIFY AI_EXTRACT GET_PATH_TEXT AI_AGG AI_SUMMARIZE_AGG GROUP_CONCAT UUID_STRING""",
    "boolean": "CONTAINS STARTSWITH STARTS_WITH ENDSWITH ENDS_WITH REGEXP_LIKE RLIKE BOOLOR_AGG BOOLAND_AGG LOGICAL_OR LOGICAL_AND EQUAL_NULL",
    "date": """DATE_FROM_PARTS DATEFROMPARTS LAST_DAY CURRENT_DATE TO_DATE ADD_MONTHS TS_OR_DS_TO_DATE TRY_TO_DATE
        NEXT_DAY PREVIOUS_DAY""",
    "timestamp": """CURRENT_TIMESTAMP TO_TIMESTAMP TO_TIMESTAMP_NTZ TIMESTAMP_FROM_PARTS TIMESTAMP_NTZ_FROM_PARTS
        CONVERT_TIMEZONE TRY_TO_TIMESTAMP STR_TO_TIME SYSDATE TS_OR_DS_TO_TIMESTAMP""",
    "time": "TO_TIME TRY_TO_TIME TIME TIME_FROM_PARTS TS_OR_DS_TO_TIME",
    "array": "SPLIT ARRAY_SLICE ARRAY_CONSTRUCT ARRAY_GENERATE_RANGE ARRAY_AGG ARRAY_CONSTRUCT_COMPACT FILTER TRANSFORM ARRAY ARRAY_SORT ARRAY_DISTINCT",
    "any": "GET PARSE_JSON GET_PATH FLATTEN JSON_EXTRACT",
    WHOLE: """COUNT COUNT_IF COUNTIF LENGTH LEN CHAR_LENGTH POSITION CHARINDEX STR_POSITION ASCII UNICODE DATEDIFF
        DATE_DIFF YEAR MONTH DAY DAYOFMONTH DAY_OF_MONTH QUARTER WEEK WEEKISO WEEK_OF_YEAR WEEKOFYEAR DAYOFWEEKISO
        DAYOFWEEK_ISO DAYOFYEAR DAY_OF_YEAR HOUR MINUTE SECOND EXTRACT ROW_NUMBER RANK DENSE_RANK NTILE BITAND BITOR BITXOR
        BITSHIFTLEFT BITSHIFTRIGHT REGEXP_INSTR REGEXP_COUNT ARRAY_SIZE SIGN RANDOM RAND FACTORIAL HASH
        APPROX_COUNT_DISTINCT APPROX_DISTINCT ARRAY_POSITION REGR_COUNT WIDTH_BUCKET DATE_PART
        BITWISE_AND_AGG BITWISE_OR_AGG""",
}
FIXED = {name: kind for kind, names in FIXED.items() for name in names.split()}
# The type is the type of the first argument.
SAME = set("""ABS MIN MAX SUM FIRST_VALUE LAST_VALUE NTH_VALUE LAG LEAD ANY_VALUE MODE NULLIF MIN_BY MAX_BY ARG_MIN
    ARG_MAX NULLIFZERO ZEROIFNULL""".split())
# The type depends on the types of all arguments.
TOGETHER = set("GREATEST LEAST COALESCE NVL IFNULL".split())
ROUNDED = set("ROUND CEIL CEILING FLOOR TRUNC TRUNCATE".split())
BITS = (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.BitwiseNot)
TRUTHS = (exp.Predicate, exp.Connector, exp.Not, exp.Boolean, exp.Is, exp.In, exp.Between, exp.Exists, exp.NullSafeEQ,
          exp.NullSafeNEQ)


def quotient(scale):
    return Number(max(scale, min(scale + 6, 12)))


def together(kinds):
    """Returns the common type of several values."""
    kinds = {kind for kind in kinds if kind != "null"}
    if not kinds:
        return "null"
    if None in kinds:
        return None
    for strong in ("any", "float", "timestamp"):
        if strong in kinds:
            return strong
    numbers = [kind for kind in kinds if isinstance(kind, Number)]
    return max(numbers) if numbers else sorted(kinds)[0]


class Inference:
    def __init__(self, tables, dialect):
        self.kinds = {}
        self.has_float_literals = dialect == "bigquery"
        # The columns of each relation that may be NULL, and the expressions that consist of such a column.
        self.nullable, self.may_be_null = {}, set()
        self.relations = {
            table["name"].lower(): {c["name"].lower(): COLUMNS.get(c["type"], c["type"]) for c in table["columns"]}
            for table in tables
        }
        for table in tables:
            nullable = {c["name"].lower() for c in table["columns"] if c.get("nullable")}
            self.nullable[id(self.relations[table["name"].lower()])] = nullable

    def query(self, node, outer):
        """Returns the output columns of a query, in order."""
        for table in node.args.get("with_", None) and node.args["with_"].expressions or ():
            columns = self.query(table.this, outer)
            listed = [name.name.lower() for name in table.args["alias"].columns]
            self.relations[table.alias.lower()] = dict(zip(listed, columns.values())) if listed else columns
        if isinstance(node, exp.Subquery):
            return self.query(node.this, outer)
        if isinstance(node, exp.SetOperation):
            left, right = self.query(node.left, outer), self.query(node.right, outer)
            return {name: together([kind, other]) for (name, kind), other in zip(left.items(), right.values())}
        if not isinstance(node, exp.Select):
            return {}
        scope = Scope(outer)
        froms = node.args.get("from_") or node.args.get("from")
        for source in [froms, *node.args.get("joins", ()), *node.args.get("laterals", ())]:
            if source is not None:
                relation = source if isinstance(source, exp.Lateral) else source.this
                scope.sources[relation.alias_or_name.lower()] = self.source(relation, scope)
        columns, nullable = {}, set()
        for projection in node.expressions:
            if isinstance(projection, exp.Star) or (isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)):
                for name, source in scope.sources.items():
                    if not isinstance(projection, exp.Column) or projection.table.lower() == name:
                        columns = Unknown(columns) if isinstance(source, Unknown) else columns
                        columns.update(source)
                        nullable |= self.nullable.get(id(source), set())
                continue
            columns[projection.alias_or_name.lower()] = self.kind(projection, scope)
            if id(projection.unalias()) in self.may_be_null:
                nullable.add(projection.alias_or_name.lower())
            if isinstance(projection, exp.Alias):
                scope.aliases[projection.alias.lower()] = self.kinds[id(projection)]
        for part, value in node.args.items():
            if part not in ("expressions", "with_", "from_", "from", "laterals"):
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, exp.Join):
                        each = each.args.get("on")
                    if isinstance(each, exp.Expression):
                        self.kind(each, scope)
        order = node.args.get("order")
        for key in [ordered.this for ordered in order.expressions] if order else ():
            # In ORDER BY, an output takes precedence over a column with the same name.
            if isinstance(key, exp.Column) and not key.table and key.name.lower() in columns:
                (self.may_be_null.add if key.name.lower() in nullable else self.may_be_null.discard)(id(key))
        self.nullable[id(columns)] = nullable
        return columns

    def source(self, relation, scope):
        if isinstance(relation, exp.Table) and isinstance(relation.this, exp.Identifier):
            written = ".".join(part.name for part in relation.parts).lower()
            return self.relations.get(written) or self.relations.get(relation.name.lower()) or Unknown()
        if isinstance(relation, exp.Subquery):
            return self.query(relation.this, scope)
        for part in relation.iter_expressions():
            self.kind(part, scope)
        return Unknown()

    def kind(self, node, scope):
        """Returns the type of an expression, and records the types of its subexpressions."""
        if isinstance(node, exp.Query):
            columns = self.query(node, scope)
            found = next(iter(columns.values()), None)
        elif isinstance(node, exp.Lambda):
            inner = Scope(scope)
            inner.sources[""] = {name.name.lower(): self.parameter(name, scope) for name in node.expressions}
            found = self.kind(node.this, inner)
        else:
            below = {}
            for child in node.iter_expressions():
                below[id(child)] = self.kind(child, scope)
            if self.has_float_literals:
                self.resolve_literals(node, below)
            found = self.value(node, below, scope)
            if self.has_float_literals and isinstance(node, exp.Div) and of_integers(node, below):
                found = "float"
        self.kinds[id(node)] = found
        return found

    def resolve_literals(self, node, below):
        """On BigQuery, a literal such as 2.5 is a float unless it is next to a NUMERIC."""
        is_literal = lambda child: isinstance(child, exp.Literal) and not child.is_string
        children = list(node.iter_expressions())
        is_numeric = lambda child: isinstance(below[id(child)], Number) and below[id(child)].scale > 0
        if isinstance(node, (exp.Paren, exp.Neg, exp.If, exp.Case, exp.Cast)) or any(
            is_numeric(child) for child in children if not is_literal(child)
        ):
            return
        for child in children:
            if is_literal(child) and is_numeric(child):
                below[id(child)] = self.kinds[id(child)] = "float"

    def parameter(self, name, scope):
        """Parameter of a lambda with its type, which Snowflake allows in a statement."""
        return self.data_type(name.args["to"]) if isinstance(name, exp.Cast) else "any"

    def value(self, node, below, scope):
        of = lambda child: below.get(id(child)) if child is not None else "null"
        first = of(node.this) if isinstance(node.this, exp.Expression) else None
        if isinstance(node, exp.Column):
            if node.name.lower() in self.nullable.get(id(scope.source_of(node)), ()):
                self.may_be_null.add(id(node))
            return scope.column(node)
        if isinstance(node, exp.Identifier):
            return scope.column(node) if isinstance(node.parent, exp.Lambda) else None
        if isinstance(node, exp.Null):
            return "null"
        if isinstance(node, exp.Literal):
            return "text" if node.is_string else literal(node.name)
        if isinstance(node, (exp.Cast, exp.TryCast)):
            return self.data_type(node.args["to"])
        if isinstance(node, TRUTHS):
            return "boolean"
        if isinstance(node, (exp.Concat, exp.DPipe)):
            return "text"
        if isinstance(node, exp.Window) or isinstance(node, (exp.Paren, exp.Neg, exp.Alias, exp.Distinct, exp.Filter,
                             exp.IgnoreNulls, exp.RespectNulls, exp.Ordered)):
            return first or (of(node.expressions[0]) if node.expressions else None)
        if isinstance(node, exp.WithinGroup):
            ordered = self.kinds[id(node.expression.expressions[0])]
            return Number(ordered.scale + 3) if isinstance(ordered, Number) else ordered
        if isinstance(node, exp.Dot):
            return of(node.expression)
        if isinstance(node, exp.DecodeCase):
            pairs = [of(part) for part in node.expressions[1:]]
            return together([*pairs[1::2], *(pairs[-1:] if len(pairs) % 2 else ["null"])])
        if isinstance(node, BITS):
            return WHOLE
        if isinstance(node, exp.Case):
            branches = [of(branch.args["true"]) if id(branch.args["true"]) in below else self.kinds[id(branch.args["true"])]
                        for branch in node.args["ifs"]]
            default = node.args.get("default")
            return together([*branches, of(default) if default is not None else "null"])
        if isinstance(node, exp.If):
            default = node.args.get("false")
            return together([of(node.args["true"]), of(default) if default is not None else "null"])
        if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv)):
            return arithmetic(node, of(node.left), of(node.right))
        if isinstance(node, exp.Func):
            return self.call(node, below)
        return first

    def call(self, node, below):
        names = [node.name.upper()] if isinstance(node, exp.Anonymous) else node.sql_names()
        arguments = [below.get(id(child)) for child in (
            node.expressions if isinstance(node, exp.Anonymous) else
            [node.this, *(value for key, value in node.args.items() if key != "this" for value in (value if isinstance(value, list) else [value]))]
        ) if isinstance(child, exp.Expression)]
        first = arguments[0] if arguments else None
        for name in names:
            if name in FIXED:
                return FIXED[name]
            if name in SAME:
                return first
            if name in TOGETHER:
                return together(arguments)
            if name in ROUNDED:
                return rounded(node, first)
            if name == "MOD":
                return together(arguments)
            if name in ("AVG", "VARIANCE", "VAR_SAMP", "VAR_POP", "VARIANCE_POP", "MEDIAN"):
                if not isinstance(first, Number):
                    return first
                return Number(first.scale + 3) if name == "MEDIAN" else quotient(first.scale)
            if name == "IFF":
                return together(arguments[1:])
            if name in ("DATEADD", "DATE_ADD", "TIMESTAMP_TRUNC", "DATE_TRUNC", "TIMESTAMPADD", "DATE_SUB"):
                return next((kind for kind in arguments if kind in ("date", "timestamp", "time")), None)
            if name == "UNIFORM":
                return "float" if "float" in arguments else WHOLE
            if name == "REDUCE":
                return arguments[1]
        return None

    def data_type(self, kind):
        sizes = [int(size.name) for size in kind.expressions if size.name.isdigit()]
        if kind.is_type(exp.DType.FLOAT, exp.DType.DOUBLE):
            return "float"
        if kind.is_type(exp.DType.DECIMAL):
            return Number(sizes[1] if len(sizes) > 1 else 0)
        if kind.is_type(*exp.DataType.INTEGER_TYPES):
            return WHOLE
        if kind.is_type(*exp.DataType.TEXT_TYPES):
            return "text"
        name = kind.this.name.lower()
        return "timestamp" if name.startswith("timestamp") or name == "datetime" else {"variant": "any"}.get(name, name)


class Unknown(dict):
    """Relation whose columns are unknown."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return "any"


class Scope:
    def __init__(self, outer):
        self.outer, self.sources, self.aliases = outer, {}, {}

    def source_of(self, node):
        name, table = node.name.lower(), getattr(node, "table", "").lower()
        return next((columns for source, columns in self.sources.items() if table in ("", source) and name in columns), None)

    def column(self, node):
        source, name = self.source_of(node), node.name.lower()
        if source is not None:
            return source[name]
        if name in self.aliases:
            return self.aliases[name]
        return self.outer.column(node) if self.outer else None


def literal(text):
    return "float" if "e" in text.lower() else Number(len(text.partition(".")[2]))


def arithmetic(node, left, right):
    if "null" in (left, right):
        return together([left, right])
    for kind in ("float", None, "any"):
        if kind in (left, right):
            return kind
    if isinstance(left, Number) and isinstance(right, Number):
        if isinstance(node, exp.Div):
            return quotient(left.scale)
        if isinstance(node, exp.Mul):
            return Number(min(left.scale + right.scale, max(left.scale, right.scale, 12)))
        return max(left, right)
    # The difference between two dates is a number of days. Otherwise, the result has the type of the date or time.
    if isinstance(node, exp.Sub) and left == right == "date":
        return WHOLE
    return left if left in ("date", "timestamp", "time") else right


def rounded(node, first):
    digits = node.args.get("decimals") or (node.expressions[1] if isinstance(node, exp.Anonymous) and len(node.expressions) > 1 else None)
    if not isinstance(first, Number):
        return first
    if digits is None:
        return WHOLE
    sign = -1 if isinstance(digits, exp.Neg) else 1
    number = digits.this if sign < 0 else digits
    if isinstance(number, exp.Literal) and number.name.isdigit():
        return Number(max(0, min(first.scale, sign * int(number.name))))
    return first


def of_integers(node, below):
    """Returns whether both operands are integers, whose quotient is a float on BigQuery."""
    return below[id(node.left)] == below[id(node.right)] == WHOLE


def kinds_of(tree, tables, dialect):
    """Returns the type of each expression by its node id, the type of each output, and the columns that may be NULL."""
    inference = Inference(tables, dialect)
    outputs = inference.query(tree, None)
    kinds = collections.defaultdict(lambda: None, inference.kinds)
    return kinds, outputs, inference.may_be_null
