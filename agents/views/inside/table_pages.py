"""The pages of tables: which there are, one row over all workers, its history, and what a replay makes of it.

    row        the worker that owns its partition: from memory
    history    any worker: from the end of the changelog backwards, for so many seconds
    replayed   any worker: the log from its beginning up to the newest checkpoint, for so many seconds

What reads the log runs in a thread, one at a time: what flows goes before.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from faust.types import TP
from faust.web import Request, Response, View

from agents.lane.core.state import WriteBehindState
from agents.views.inside.row_history import RowReader
from agents.views.inside.row_replay import REPLAY_SECONDS, Replay, compare_rows
from agents.views.inside.row_words import TABLE_WORDS, describers, row_parts
from agents.web.peers import own_url
from agents.web.queries import BadRequest, Json, answer, is_local, not_found, read_number
from agents.web.tables import count_sensors, found_row
from bridges.looking.changelog_search import FoundRecords, search_changelog
from streams.errors import WeirError
from streams.records.rows import RULES_ROW, is_key

if TYPE_CHECKING:
    from agents.app import WorkerApp
    from agents.views.worker_pages import WorkerPages

SEARCH_SECONDS: Final = 10.0
"""So long a changelog is searched for a page."""
DEFAULT_STATES: Final = 20
MOST_STATES: Final = 100

State = WriteBehindState[Any]


class LogSilent(BadRequest):
    """Kafka does not answer, or not with what is asked for; the text says why."""

    status = 503


async def list_tables(pages: "WorkerPages", view: View, request: Request) -> Response:
    """List the tables, with what each holds, over all workers."""
    states = pages.state.states
    own = {state.name: count_sensors(pages.app, state) for state in states}
    others = await pages.others(request, "/api/tables")
    for part in others.found.values():
        for about in part.get("about", ()):
            if about["name"] in own:
                own[about["name"]] += about["rows"]
    return answer(
        view,
        {
            "tables": list(own),
            "about": [
                {
                    "name": state.name,
                    "text": TABLE_WORDS[state.name],
                    "source": state.source,
                    "changelog": state.changelog,
                    "rows": own[state.name],
                }
                for state in states
            ],
            "missing": others.missing,
        },
    )


async def show_row(pages: "WorkerPages", view: View, request: Request, table: str) -> Response:
    """Return one row in words, whichever worker has it."""
    if (state := pages.state.state_of(table)) is None:
        return pages.no_table(view, table)
    key = _key(request.query)
    told = await _row(pages, state, key, request)
    if told is None:
        return not_found(view, await _why_no_row(pages.app, state, key))
    if not is_local(request.query):
        told = {**told, "end": await _end(pages.app, told["source"], told["partition"])}
    return answer(view, told)


async def show_history(pages: "WorkerPages", view: View, request: Request, table: str) -> Response:
    """Return the newest records of a row in its changelog, each with what it changed."""
    if (state := pages.state.state_of(table)) is None:
        return pages.no_table(view, table)
    key = _key(request.query)
    most = int(read_number(request.query, "limit", DEFAULT_STATES, least=1, greatest=MOST_STATES))
    partition = await _partition(pages, state, key, request)
    reader = _reader(pages, state, partition, key)
    async with pages.searches:
        found = await _searched(pages.app, state, partition, key, rows=most + 1)
        records = await asyncio.to_thread(reader.states, found.records, most)
    return answer(
        view,
        {
            "table": table,
            "key": key,
            "changelog": state.changelog,
            "partition": partition,
            "begin": found.begin,
            "end": found.end,
            "looked_at": found.looked_at,
            "reached": found.reached,
            "stopped": found.stopped,
            "records": records,
        },
    )


async def show_replayed(pages: "WorkerPages", view: View, request: Request, table: str) -> Response:
    """Compare a row with what a replay of the log makes, up to the newest checkpoint."""
    if (state := pages.state.state_of(table)) is None:
        return pages.no_table(view, table)
    key = _key(request.query)
    partition = await _partition(pages, state, key, request)
    reader = _reader(pages, state, partition, key)
    named = {"table": table, "key": key, "source": state.source, "partition": partition}
    async with pages.searches:
        found = await _searched(pages.app, state, partition, key, rows=1)
        end = 0 if found.claim is None else found.claim.next
        replay = Replay(pages.app.settings, partition, end, key, REPLAY_SECONDS)
        return answer(view, {**named, **await asyncio.to_thread(compare_rows, table, reader, found, replay)})


async def _searched(app: "WorkerApp", state: State, partition: int, key: str, *, rows: int) -> FoundRecords:
    """Search the changelog of a table for a key.

    Raises:
        LogSilent: If Kafka does not answer.
    """
    try:
        return await asyncio.to_thread(
            search_changelog,
            app.settings, state.changelog, partition, key, rows=rows, seconds=SEARCH_SECONDS,
        )  # fmt: skip
    except WeirError as error:
        raise LogSilent(str(error)) from None


def _reader(pages: "WorkerPages", state: State, partition: int, key: str) -> RowReader:
    rules = state.rows[partition].get(RULES_ROW) if partition in pages.app.owned_partitions() else None
    describe = describers(pages.state.policy)[state.name]
    return RowReader(state, partition, key, describe, {} if rules is None else {RULES_ROW: rules})


def _key(query: Mapping[str, str]) -> str:
    """Read the key of a row, which may be empty.

    Raises:
        BadRequest: If there is none, or it cannot be one.
    """
    if "key" not in query:
        raise BadRequest("key must be given: that of a row, as /api/tables/{table} lists them")
    if not is_key(query["key"]):
        raise BadRequest(f"key must be that of a row, got {query['key'][:100]!r}")
    return query["key"]


async def _row(pages: "WorkerPages", state: State, key: str, request: Request) -> Json | None:
    """Return a row, whichever worker has it; ``None`` if none has.

    Raises:
        MissingWorker: If one does not answer that may have it.
    """
    if (own := _own_row(pages, state, key)) is not None:
        return own
    return await pages.found_elsewhere(request, f"/api/tables/{state.name}/row", {"key": key})


def _own_row(pages: "WorkerPages", state: State, key: str) -> Json | None:
    found = found_row(pages.app, state, key)
    if found is None:
        return None
    partition, row = found
    described = describers(pages.state.policy)[state.name](row.state)
    return {
        "table": state.name,
        "key": key,
        "worker": own_url(pages.app),
        "source": state.source,
        "changelog": state.changelog,
        "partition": partition,
        "applied_through": row.applied_through,
        "seen_at": row.seen_ms / 1000 if row.seen_ms > 0 else None,
        "reached": state.reached(partition),
        "parts": row_parts(described),
    }


async def _partition(pages: "WorkerPages", state: State, key: str, request: Request) -> int:
    """Return the partition in which a key stands: its row's, or, of one that has left, that of its name."""
    row = await _row(pages, state, key, request)
    return pages.app.partition_of(key.encode()) if row is None else int(row["partition"])


async def _end(app: "WorkerApp", topic: str, partition: int) -> int | None:
    tp = TP(topic, partition)
    ends = await app.consumer.highwaters(tp)
    return ends.get(tp)


async def _why_no_row(app: "WorkerApp", state: State, key: str) -> str:
    """Say what is known of a row that no worker has: it may only not have come there yet."""
    partition = app.partition_of(key.encode())
    reached, end = state.reached(partition), await _end(app, state.source, partition)
    behind = ""
    if partition in app.owned_partitions() and reached is not None and end is not None and end > reached:
        behind = f"; {end - reached:,} records of {state.source}-{partition} are not in the rows yet"
    return f"row of {state.name}: {key}{behind}"
