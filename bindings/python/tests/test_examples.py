"""The examples."""

import runpy
from pathlib import Path

import duckdb
import pandas

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_data_frame():
    example = runpy.run_path(str(EXAMPLES / "data_frame.py"))
    with duckdb.connect() as connection:
        connection.execute(example["ORDERS"])
        frame = example["data_frame"](connection, example["SPEC"])
    assert list(frame.columns) == ["paid_at_month", "revenue", "growth"]
    assert list(frame.paid_at_month) == [pandas.Timestamp(2026, 1, 1), pandas.Timestamp(2026, 2, 1)]
    assert [float(it) for it in frame.revenue] == [50, 40]
    assert pandas.isna(frame.growth[0])
    assert round(float(frame.growth[1]), 9) == -0.2
