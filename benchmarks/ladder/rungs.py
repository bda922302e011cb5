"""The rungs of the ladder, climbed in rounds: every batch, by teacher, student and identity.

in process   torch, ort, ort-int8    sessions and modules made anew for each round
served       grpc, http, gateway     Triton and gateway started anew for each round

Where a rung has no way to a model, such as the gateway to a graph's teacher, it is not measured.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.comparison import Plan, draw_queries
from benchmarks.ladder import in_process
from benchmarks.ladder.cells import Budget, Cell, distinct_queries, time_round, too_slow
from benchmarks.ladder.servers import (
    GATEWAY,
    GRPC,
    HTTP,
    Server,
    front_door,
    has_endpoint,
    over_http,
    per_request,
    running,
)
from benchmarks.ladder.sides import BATCHES, Arrays, Course, Infer, Side
from benchmarks.subjects import Pair
from benchmarks.timing import Ask

Lot = Sequence[tuple[Course, Side]]  # courses, each with its identity
Queries = Sequence[np.ndarray]
Opened = Callable[[Side, Queries], Ask | None]  # None where a side has no such rung
Cells = dict[tuple[str, int, str], Cell]  # (protocol, batch, rung)
Advance = Callable[[], None]


def climb_in_process(
    lot: Lot, pair: Pair, small: in_process.Small, threads: int, budget: Budget, advance: Advance
) -> Cells:
    """All rungs within this process."""
    cells: Cells = {}
    for _ in range(budget.rounds):
        opens = in_process.in_process(pair, small, threads)
        _round(lot, {name: _plain(opened) for name, opened in opens.items()}, cells, budget)
        advance()
    for (protocol, _, rung), cell in cells.items():
        for (role, form), reason in small.refused.items():
            course = next(course for course, _ in lot if course.protocol == protocol)
            forms = {side.role: side.subject.form for side in course.sides}
            if rung == in_process.ORT_INT8 and forms.get(role) == form:
                cell.reasons[role] = reason
    return cells


def climb_served(lot: Lot, repository: Path, budget: Budget, advance: Advance) -> Cells:
    """All rungs behind a server.

    Args:
        lot: what is measured.
        repository: with all of it.
        budget: how long.
        advance: told of every finished round.
    """
    cells: Cells = {}
    sides = sides_of(lot)
    for _ in range(budget.rounds):
        with running(repository, sides) as server:
            with over_http(server) as asked_over_http:
                rungs = {GRPC: _plain(server.over_grpc), HTTP: _plain(asked_over_http)}
                _round(lot, rungs, cells, budget, server)
            with front_door(server, sides) as door:
                _round(lot, {GATEWAY: _made_beforehand(door.opened)}, cells, budget)
        advance()
    return cells


def sides_of(lot: Lot) -> list[Side]:
    """Everyone in a lot."""
    return [side for course, identity in lot for side in (*course.sides, identity)]


def _round(
    lot: Lot,
    rungs: Mapping[str, Opened],
    cells: Cells,
    budget: Budget,
    server: Server | None = None,
) -> None:
    """Every cell of some rungs once."""
    for course, identity in lot:
        for before, batch in zip((0, *BATCHES), BATCHES, strict=False):
            ready = _Ready(course, _queries(course, batch))
            sides = (*course.sides, identity)
            for rung, opened in rungs.items():
                cell = cells.setdefault((course.protocol, batch, rung), Cell())
                smaller = cells.get((course.protocol, before, rung))
                _exclude(cell, smaller, sides, batch / before if before else 1, budget)
                asked = [ready.of(side) for side in sides if side.role not in cell.reasons]
                with _accounted(cell, asked, ready.queries[0], server if rung == GRPC else None):
                    _measure(cell, opened, asked, ready.queries, budget)


class _Ready:
    """The queries of a batch, and sides that have their inputs at hand unless those are gathered.

    Args:
        course: that the sides are of.
        queries: of the batch.
    """

    def __init__(self, course: Course, queries: Queries) -> None:
        self.queries = queries
        self._gathers = course.gathers
        self._made: dict[str, Side] = {}

    def of(self, side: Side) -> Side:
        """A side; its inputs are made when it is first asked for, since most are large."""
        if self._gathers:
            return side
        if side.role not in self._made:
            self._made[side.role] = side.prepare(self.queries)
        return self._made[side.role]


def _measure(
    cell: Cell, opened: Opened, sides: Sequence[Side], queries: Queries, budget: Budget
) -> None:
    found = {side.role: opened(side, queries) for side in sides}
    asks = {role: ask for role, ask in found.items() if ask is not None}
    if asks:
        time_round(cell, asks, queries, budget)


def _exclude(
    cell: Cell, smaller: Cell | None, sides: Sequence[Side], growth: float, budget: Budget
) -> None:
    """Leave out what would take too long, by what a smaller batch took."""
    for side in sides if smaller else ():
        assert smaller is not None
        reason = smaller.reasons.get(side.role, "")
        reason = reason or too_slow(smaller.mean_ms(side.role) * growth, budget)
        if reason:
            cell.reasons[side.role] = reason


@contextlib.contextmanager
def _accounted(
    cell: Cell, sides: Sequence[Side], query: np.ndarray, server: Server | None
) -> Iterator[None]:
    """Keep what the server says that a query took within the block."""
    before = {side.role: server.spent(side) for side in sides} if server else {}
    yield
    for side in sides if server else ():
        assert server is not None
        spent = per_request(before[side.role], server.spent(side))
        if spent:
            calls = len(side.calls(query))
            spent = {part: calls * took_ms for part, took_ms in spent.items()}
            cell.spent.setdefault(side.role, []).append(spent)


def _plain(infer_of: Callable[[Side], Infer | None]) -> Opened:
    """Asks with a side's own tensors."""

    def opened(side: Side, queries: Queries) -> Ask | None:
        infer = infer_of(side)
        return None if infer is None else side.asking(infer)

    return opened


def _made_beforehand(
    made: Callable[[Side], Callable[[list[Arrays]], Callable[[], object]]],
) -> Opened:
    """Asks the gateway with bodies that are made now."""

    def opened(side: Side, queries: Queries) -> Ask | None:
        if not has_endpoint(side):
            return None
        make = made(side)
        sent = {ids.tobytes(): make(side.calls(ids)) for ids in queries}
        return lambda ids: sent[ids.tobytes()]()

    return opened


def _queries(course: Course, batch: int) -> Queries:
    """Queries of a course, as many as can be kept with their inputs."""
    plan = Plan(budget_s=0, least=0, most=1)
    (one,) = draw_queries(course.n_rows, batch, plan)
    sizes = [_bytes(side.calls(one)) for side in (course.student, course.teacher)[: _both(batch)]]
    return draw_queries(course.n_rows, batch, replace(plan, most=distinct_queries(max(sizes))))


def _both(batch: int) -> int:
    """How many sides are looked at: large batches of a slow teacher are never made."""
    return 2 if batch <= BATCHES[1] else 1


def _bytes(calls: Sequence[Arrays]) -> int:
    return sum(array.nbytes for arrays in calls for array in arrays.values())
