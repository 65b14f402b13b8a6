"""`dbt parse` with the check of YAML keys that dbt 2 does always, and with every deprecation an error.

dbt 1 does that check for some warehouses only; it is the nearest thing to what dbt 2 refuses.
"""

import sys

import dbt.jsonschemas.jsonschemas as checks
from dbt.cli.main import cli

checks._JSONSCHEMA_SUPPORTED_ADAPTERS |= {"duckdb", "postgres"}
options = ["--warn-error-options", '{"error": ["Deprecations"]}']
sys.argv = ["dbt", "--no-use-colors", "--no-partial-parse", *options, "parse", "--show-all-deprecations"]
cli()
