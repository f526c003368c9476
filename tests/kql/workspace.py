"""A Log Analytics workspace on this machine: tables in DuckDB, and queries in KQL over them.

DuckDB does what duckdb-kql makes of a query. Its one lack here is percentilew, which is taught to it: the smallest
value at which the weights of all values up to it reach the percentage of the whole.
Source: Kusto Query Language, "percentile(), percentiles()", weighted percentiles.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import duckdb_kql
from duckdb_kql.translate import functions
from kql.rows import rows_of
from kql.tables import TABLES

_SQL_TYPES: Final = {
    "string": "VARCHAR",
    "real": "DOUBLE",
    "int": "INTEGER",
    "long": "BIGINT",
    "datetime": "TIMESTAMP",
    "dynamic": "JSON",
    "bool": "BOOLEAN",
}

_WEIGHTED: Final = """CREATE MACRO weighted_percentile(numbers, weights, percentage) AS (
    SELECT min(number) FROM (
        SELECT
            number,
            sum(weight) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING) AS reached,
            sum(weight) OVER () AS whole
        FROM (SELECT unnest(numbers) AS number, unnest(weights) AS weight))
    WHERE reached >= whole * percentage / 100.0)"""

_PERCENTILEW: Final = functions.AggregateSpec("percentilew", "weighted_percentile(list({0}), list({1}), {2})", (3,))


class Workspace:
    """Tables with rows, and answers from them."""

    def __init__(self) -> None:
        functions.AGGREGATE_FUNCTIONS["percentilew"] = _PERCENTILEW
        self._base = duckdb_kql.connect()
        self._base.execute("SET threads = 1")
        self._base.execute(_WEIGHTED)
        for table, columns in TABLES.items():
            listed = ", ".join(f'"{name}" {_SQL_TYPES[kind]}' for name, kind in columns.items())
            self._base.execute(f"CREATE TABLE {table} ({listed})")

    def put(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows to a table; a column that a row leaves out is null."""
        shape = {name: _SQL_TYPES[kind] for name, kind in TABLES[table].items()}
        values = list(rows)
        for row in values:
            assert not row.keys() - shape.keys(), f"{table} has no column {row.keys() - shape.keys()}"
        self._base.execute(
            f"INSERT INTO {table} SELECT row.* FROM (SELECT unnest(from_json(?::JSON, ?)) AS row)",
            [json.dumps(values, default=str), json.dumps([shape])],
        )

    def ingest(self, envelopes: Iterable[Mapping[str, Any]]) -> None:
        """Add what Application Insights makes of envelopes."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for envelope in envelopes:
            for table, row in rows_of(envelope):
                found.setdefault(table, []).append(row)
        for table, rows in found.items():
            self.put(table, rows)

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query's result, in order."""
        result = duckdb_kql.query(self._base, query)
        names: Sequence[str] = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
