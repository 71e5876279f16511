"""Each statement that the product issues, by who issued it; and what a sharded database would say of it.

The rules are what Citus refuses, or may, by its documentation and its planner, and are stricter than it: nothing here
runs on shards. A table split into partitions by PostgreSQL itself would not show it, as that answers everything.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import Cursor
from sqlglot import exp, parse_one

from server.store.tables import PER_HOST, metadata

SHARDED = frozenset(table.name for table in PER_HOST)
COPIED = frozenset(metadata.tables) - SHARDED
_PAGING = ("server.store.database", "server.store.cursors")
VOLATILE = frozenset({"now", "random", "clock_timestamp", "nextval", "gen_random_uuid", "current_timestamp"})


@dataclass(frozen=True, order=True)
class Issued:
    """A statement, with its numbers of bound values left out, and the function of `server.store` that issued it."""

    by: str
    sql: str


@dataclass
class Record:
    issued: set[Issued] = field(default_factory=set)


@contextmanager
def recording() -> Iterator[Record]:
    """Everything that the driver sends to PostgreSQL meanwhile, from any thread."""
    record = Record()

    def noting(name: str) -> Any:
        sends = getattr(Cursor, name)

        def send(self: Any, query: Any, *more: Any, **options: Any) -> Any:
            record.issued.add(Issued(_issuer(), _normal(query.decode() if isinstance(query, bytes) else str(query))))
            return sends(self, query, *more, **options)

        return send

    with pytest.MonkeyPatch.context() as patch:
        for name in ("execute", "executemany"):
            patch.setattr(Cursor, name, noting(name))
        yield record


def _issuer() -> str:
    """The innermost function of the store, but for those that page through what others ask."""
    frame = sys._getframe()
    found = "?"
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(("server.store.", "server.jobs.", "server.exporting")) and module not in _PAGING:
            found = f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
            break
        frame = frame.f_back  # type: ignore[assignment]
    return found


def _normal(statement: str) -> str:
    """One spelling for any number of values, and placeholders as the parser knows them."""
    named = re.sub(r"%\((\w+?)\)s", r":\1", re.sub(r"%[sb]\b", ":given", statement)).replace("%%", "%")
    few = re.sub(r"\((:\w+?_\d+(?:::\w+)?)(?:, :\w+?_\d+(?:::\w+)?)+\)", r"(\1)", named)
    rows = re.sub(r"(\((:\w+?_m?\d+(?:::\w+)?(?:, )?)+\))(, \((:\w+?_m?\d+(?:::\w+)?(?:, )?)+\))+", r"\1", few)
    return re.sub(r"\s+", " ", rows).strip()


# --- what is asked of shards -------------------------------------------------------------------------------------


def parsed(sql: str) -> exp.Expr:
    return parse_one(sql, dialect="postgres")


def tables_of(statement: exp.Expr) -> set[str]:
    ctes = {cte.alias for cte in statement.find_all(exp.CTE)}
    return {table.name for table in statement.find_all(exp.Table)} - ctes


def is_of_hosts(statement: exp.Expr) -> bool:
    """Whether it is about what is kept per host."""
    return bool(tables_of(statement) & SHARDED)


def goes_to_one_shard(statement: exp.Expr) -> bool:
    """Whether every table of hosts in it is held to one host, by a value or by a table that is."""
    if isinstance(statement, exp.Insert):
        columns = statement.this.expressions if isinstance(statement.this, exp.Schema) else []
        return isinstance(statement.expression, exp.Values) and "host_id" in {column.name for column in columns}
    return all(_held(select, "=") for select in _queries(statement) if _sharded_in(select))


def names_its_hosts(statement: exp.Expr) -> bool:
    """Whether every table of hosts in it is held to a list of values."""
    return all(_held(select, "in") for select in _queries(statement) if _sharded_in(select))


def _queries(statement: exp.Expr) -> list[exp.Expr]:
    whole = [statement] if isinstance(statement, exp.Update | exp.Delete) else []
    return [*whole, *statement.find_all(exp.Select)]


def _sharded_in(query: exp.Expr) -> dict[str, str]:
    """Tables of hosts in a query's own FROM: by the name that they go by, their own."""
    return {name: table.name for name, table in _own_tables(query).items() if table.name in SHARDED}


def _own_tables(query: exp.Expr) -> dict[str, exp.Table]:
    if isinstance(query, exp.Update | exp.Delete):
        sources = [query.this]
    else:
        head = query.args.get("from_") or query.args.get("from")
        sources = [head.this] if head else []
        sources += [join.this for join in query.args.get("joins") or []]
    return {one.alias_or_name: one for one in sources if isinstance(one, exp.Table)}


def _conditions(query: exp.Expr, *, inner_only: bool = False) -> Iterator[exp.Expr]:
    """What must hold, of WHERE and joins."""
    where = query.args.get("where")
    found = [where.this] if where else []
    for join in query.args.get("joins") or []:
        if join.args.get("on") is not None and not (inner_only and join.side):
            found.append(join.args["on"])
    for condition in found:
        yield from condition.flatten() if isinstance(condition, exp.And) else [condition]


def _bare(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    return node


def _key_of(node: exp.Expr | None) -> str | None:
    """The table whose host_id this is."""
    return node.table if isinstance(node, exp.Column) and node.name == "host_id" else None


def _held(query: exp.Expr, how: str) -> bool:
    """Whether each table of hosts in the query's own FROM is held to values, or joined to one that is."""
    sharded = _sharded_in(query)
    held: set[str] = set()
    same: list[tuple[str, str]] = []
    for condition in map(_bare, _conditions(query)):
        if isinstance(condition, exp.EQ):
            left, right = _key_of(_bare(condition.this)), _key_of(_bare(condition.expression))
            if left is not None and right is not None:
                same.append((left, right))
            elif (key := left or right) is not None:
                other = _bare(condition.expression if left else condition.this)
                if isinstance(other, exp.Placeholder | exp.Literal):
                    held.add(key)
        elif how == "in" and isinstance(condition, exp.In) and not condition.args.get("query"):
            key = _key_of(_bare(condition.this))
            if key is not None:
                held.add(key)
    for _ in same:
        for left, right in same:
            held |= {left, right} if held & {left, right} else set()
    return set(sharded) <= held


# --- what is refused where several shards are asked --------------------------------------------------------------


def refusals(statement: exp.Expr) -> list[str]:
    """What is wrong with a statement that asks several shards; empty: nothing that we know of."""
    if not isinstance(statement, exp.Select):
        return ["changes rows of several shards"]
    found: list[str] = []
    if statement.find(exp.Lock):
        found.append("locks rows of several shards")
    if statement.find(exp.SetOperation):
        found.append("has a union")
    for function in statement.find_all(exp.Anonymous, exp.CurrentTimestamp, exp.Rand):
        if function.name.lower() in VOLATILE or not isinstance(function, exp.Anonymous):
            found.append(f"calls {function.sql()}")
    for select in statement.find_all(exp.Select):
        found += _of_joins(select)
        found += _of_aggregates(select)
    for subquery in statement.find_all(exp.Select):
        if subquery is not statement:
            found += _of_subquery(statement, subquery)
    return found


def _of_joins(select: exp.Select) -> Iterator[str]:
    sharded = _sharded_in(select)
    derived = {
        join.this.alias_or_name for join in select.args.get("joins") or [] if isinstance(join.this, exp.Subquery)
    }
    together = {name: {name} for name in [*sharded, *derived]}
    for condition in map(_bare, _conditions(select)):
        if isinstance(condition, exp.EQ):
            left, right = _key_of(_bare(condition.this)), _key_of(_bare(condition.expression))
            if left is not None and right is not None:
                joined = together.get(left, {left}) | together.get(right, {right})
                for name in joined:
                    together[name] = joined
    everyone = [*sharded, *derived]
    if everyone and not set(everyone) <= together[everyone[0]]:
        yield f"joins {', '.join(everyone)} otherwise than by host_id"
    for join in select.args.get("joins") or []:
        if join.side and (sharded or derived):
            on = join.args["on"]
            keys = {_key_of(_bare(side)) for side in (on.this, on.expression)} if isinstance(on, exp.EQ) else set()
            if not (keys - {join.this.alias_or_name}) & set(sharded):
                yield f"an outer join of {join.this.alias_or_name} to what is not sharded"


def _of_aggregates(select: exp.Select) -> Iterator[str]:
    sharded = bool(_sharded_in(select))
    if sharded and any(window.find_ancestor(exp.Select) is select for window in select.find_all(exp.Window)):
        yield "has a window over several shards"
    distinct = [count for count in select.find_all(exp.Count) if isinstance(count.this, exp.Distinct)]
    columns = {count.this.expressions[0].sql() for count in distinct if sharded}
    if any(not isinstance(count.this.expressions[0], exp.Column) for count in distinct if sharded):
        yield "counts what is distinct of an expression"
    if len(columns) > 1:
        yield "counts what is distinct of several columns"


def _of_subquery(statement: exp.Expr, select: exp.Select) -> Iterator[str]:
    above = select.parent
    while isinstance(above, exp.Subquery | exp.Paren):
        above = above.parent
    if isinstance(above, exp.CTE):
        if above.args.get("materialized") is not True:
            yield f"{above.alias} is not materialized"
        return
    if _outside(select):
        if not _keyed_to_outside(select):
            yield "asks of another table, host by host, otherwise than by host_id"
        if select.args.get("group") or select.args.get("limit") or select.args.get("distinct") or _aggregates(select):
            yield "sums up another table, host by host"
    if isinstance(above, exp.From | exp.Join):
        group = select.args.get("group")
        if _sharded_in(select) and (group is None or not any(_key_of(one) for one in group.expressions)):
            yield "has a subquery in FROM that is not grouped by host_id"
        return
    clause = select.find_ancestor(exp.Where, exp.Join, exp.Order, exp.Having)
    if not isinstance(clause, exp.Where | exp.Join):
        yield "has a subquery outside of FROM and WHERE"
    within = select.find_ancestor(exp.In)
    if within is not None and isinstance(within.args.get("query"), exp.Subquery) and _sharded_in(select):
        asked = _key_of(_bare(within.this))
        outer = within.find_ancestor(exp.Select)
        if asked is None or outer is None or asked not in _sharded_in(outer):
            yield "looks for what is not the host_id of a sharded table"


def _aggregates(select: exp.Select) -> bool:
    return any(one.find(exp.AggFunc) for one in select.expressions)


def _outside(select: exp.Select) -> set[str]:
    """Tables of the query around it that it speaks of."""
    known: set[str] = set()
    for scope in _scopes(select):
        known |= set(scope)
    return {column.table for column in select.find_all(exp.Column) if column.table and column.table not in known}


def _scopes(select: exp.Select) -> Iterator[set[str]]:
    for one in select.find_all(exp.Select):
        yield set(_own_tables(one))
        for source in one.find_all(exp.Subquery, exp.Unnest, exp.Lateral, exp.TableAlias):
            yield {source.alias_or_name or source.name}


def _keyed_to_outside(select: exp.Select) -> bool:
    outer = select.parent_select
    around: set[str] = set()
    while outer is not None:
        around |= set(_sharded_in(outer))
        outer = outer.parent_select
    if not _sharded_in(select):
        return True  # of copied tables, or of a function of what the outer query has
    for condition in map(_bare, _conditions(select)):
        if isinstance(condition, exp.EQ):
            keys = {_key_of(_bare(condition.this)), _key_of(_bare(condition.expression))}
            if keys & around and keys & set(_sharded_in(select)):
                return True
    return False
