"""Direct parents of each output column by sqlglot: a line of JSON in, a line of JSON out."""
import json
import logging
import sys

from sqlglot import exp
from sqlglot.lineage import lineage

logging.disable(logging.CRITICAL)


def parents(node):
    found = set()
    for leaf in node.walk():
        if isinstance(leaf.expression, exp.Table) and not leaf.downstream:
            column = leaf.name.rsplit(".", 1)[-1].strip('"`')
            found.add(f"{leaf.expression.name}.{column}".lower())
    return sorted(found)


for line in sys.stdin:
    query = json.loads(line)
    try:
        columns = lineage(None, query["sql"], query["schema"], dialect=query["dialect"])
        answer = {"columns": [[name.lower(), parents(node)] for name, node in columns.items()]}
    except Exception as error:  # noqa: BLE001: whatever it is, sqlglot says nothing of this query
        answer = {"fault": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(answer), flush=True)
