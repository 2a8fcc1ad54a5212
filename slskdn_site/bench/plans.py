"""What statements read, by the database's own word: plans, sequential scans, and work that no other program's load changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

WORK: Final = {
    "postgresql": "pages of 8 kB that statements looked at",
    "sqlite": "thousands of steps of SQLite's machine",
}
_STEPS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A SELECT as it was asked."""

    sql: str
    params: Any  # what the driver takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What statements read. `work`: see WORK; `told`: each statement with its plan, for a person."""

    seq_scans: tuple[str, ...]
    work: int
    told: tuple[str, ...]


class Listener:
    """An execute wrapper that keeps what is asked. Mutable: it lives for one request."""

    def __init__(self) -> None:
        self.count = 0
        self.selects: list[Statement] = []

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,  # noqa: FBT001  (Django's signature)
        context: Mapping[str, Any],
    ) -> Any:
        self.count += 1
        if sql.lstrip().upper().startswith("SELECT") and "FOR UPDATE" not in sql:
            self.selects.append(Statement(sql=sql, params=params))
        return execute(sql, params, many, context)


def looked(statements: Sequence[Statement], *, big: Collection[str]) -> Looked:
    """Asks each again: Postgres by EXPLAIN ANALYZE, SQLite by its plan and its steps. `big`: tables whose scans are told."""
    from django.db import connection

    one = _postgres if connection.vendor == "postgresql" else _sqlite
    found = [one(statement) for statement in statements]
    return Looked(
        seq_scans=tuple(sorted({table for scans, _, _ in found for table in scans if table in big})),
        work=round(sum(work for _, work, _ in found)),
        told=tuple(text for _, _, text in found),
    )


def _postgres(statement: Statement) -> tuple[list[str], float, str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}", statement.params)
        value = cursor.fetchone()[0]
    whole = (json.loads(value) if isinstance(value, str) else value)[0]
    nodes = list(_nodes(whole["Plan"], 0))
    scans = [node["Relation Name"] for _, node in nodes if node["Node Type"] == "Seq Scan"]
    pages = whole["Plan"].get("Shared Hit Blocks", 0) + whole["Plan"].get("Shared Read Blocks", 0)
    lines = [
        f"{'  ' * depth}{node['Node Type']} {node.get('Index Name', node.get('Relation Name', ''))} rows={node['Actual Rows']} loops={node['Actual Loops']} "
        f"removed={node.get('Rows Removed by Filter', 0)} heap={node.get('Heap Fetches', '')} {node.get('Index Cond', '')} {node.get('Filter', '')}"
        for depth, node in nodes
    ]
    head = f"-- {whole['Execution Time']:.1f} ms, planned {whole['Planning Time']:.1f} ms, {pages} pages\n{statement.sql[:4000]}"
    return scans, pages, "\n".join([head, *lines])


def _nodes(node: Mapping[str, Any], depth: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    yield depth, node
    for child in node.get("Plans", ()):
        yield from _nodes(child, depth + 1)


def _sqlite(statement: Statement) -> tuple[list[str], float, str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.params)
        lines = [str(row[3]) for row in cursor.fetchall()]
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        connection.connection.set_progress_handler(step, _STEPS)
        try:
            cursor.execute(statement.sql, statement.params)
            cursor.fetchall()
        finally:
            connection.connection.set_progress_handler(None, 0)
    walked = [match[1] for line in lines if "USING" not in line and (match := re.match(r"SCAN (\w+)", line))]
    if " LIMIT " in statement.sql and not any("TEMP B-TREE" in line for line in lines):
        walked = []  # a walk along the row ids that ends with the page, which Postgres would call an index scan
    return walked, steps, "\n".join([f"-- {steps}k steps\n{statement.sql[:4000]}", *(f"  {line}" for line in lines)])
