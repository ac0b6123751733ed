"""Export a range of a collection, sensor by sensor, by event time: what MongoDB holds, and nothing else.

    distinct sensors ──▶ one sensor's documents, in order ──▶ rows of one day (at most `ROWS`) ──▶ a file

Delivery: a sensor's files are whole before the manifest says so; what was interrupted is written again.

Back pressure: MongoDB is read as fast as files are written; in memory are the rows of one file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from glob import escape
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from bridges.export.export_files import FORMATS, ROWS, file_name, require_pyarrow, write_rows
from bridges.export.export_manifest import ExportedSensor, Manifest
from bridges.export.exported_rows import EXPORTED, Document, NoRow, Row, ties_in_order
from bridges.process.parallel import Progress
from bridges.process.settings import Settings
from bridges.sources.source import CHUNK_RECORDS, NothingToRead
from streams.errors import TransientError
from streams.records.documents import date

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported.

    Args:
        collection: One of `EXPORTED`.
        format: One of `FORMATS`.
        since, until: Event times in ``[since, until)`` (seconds); ``None``: no bound.
        out: Folder; the collection has one of its own in it.
    """

    collection: str
    format: str
    since: float | None
    until: float | None
    out: Path

    @property
    def folder(self) -> Path:
        """Where its files are: what `--source` is given to read readings again."""
        return self.out / self.collection


@dataclass(slots=True)
class _Files:
    """The files of one sensor, as they are written."""

    rows: int = 0
    refused: int = 0
    why_refused: str = ""
    files: list[Json] = field(default_factory=list)


class Export:
    """Exports a collection.

    Args:
        settings: Where MongoDB is.
        request: What is asked for.
        progress: Told how many documents of how many are dealt with.
    """

    def __init__(self, settings: Settings, request: ExportRequest, progress: Progress) -> None:
        self._settings = settings
        self._request = request
        self._progress = progress
        self._what = EXPORTED[request.collection]
        self._done = self._total = 0
        self.written = 0
        """Sensors whose files were written by this run."""

    def run(self) -> Json:
        """Export what is not exported yet; return the total of the manifest.

        Raises:
            ConfigurationError: If files cannot be written there, or those of another export are there.
            NothingToRead: If MongoDB holds nothing of the range.
            TransientError: If MongoDB cannot be reached: run again, and it goes on.
        """
        from pymongo.errors import PyMongoError

        from bridges.mongo.mongo_client import LONG_ANSWER_SECONDS, connect_blocking

        if self._request.format == "parquet":
            require_pyarrow()
        mongo = self._settings.mongo
        client = connect_blocking(mongo, answer_seconds=LONG_ANSWER_SECONDS)
        try:
            return self._run(client[mongo.database][mongo.collection_prefix + self._what.collection])
        except PyMongoError as error:
            raise TransientError(
                f"MongoDB stopped answering ({error}): run the same command again, it goes on; see WEIR_MONGO__URI"
            ) from None
        finally:
            client.close()

    def _run(self, collection: Any) -> Json:
        self._total = collection.count_documents(self._query())
        if not self._total:
            raise NothingToRead(f"{collection.full_name} holds nothing of that range")
        manifest = Manifest.open(self._request.folder, self._asked(collection))
        if manifest.unfinished is not None:
            self._remove(manifest.unfinished)
        for sensor_id in sorted(collection.distinct("metadata.sensor_id", self._query())):
            held = collection.count_documents(self._query(sensor_id))
            known = manifest.sensors.get(sensor_id)
            if known is None or known.held != held or not known.balanced:
                self._export(collection, manifest, sensor_id)
            else:
                self._tell(held)
        return manifest.total(collection.count_documents(self._query()))

    def _export(self, collection: Any, manifest: Manifest, sensor_id: str) -> None:
        again = sensor_id in manifest.sensors
        manifest.begin(sensor_id)
        if again:
            self._remove(sensor_id)
        written = _Files()
        order = [(name, 1) for name in self._what.order]
        found = collection.find(self._query(sensor_id), batch_size=CHUNK_RECORDS).sort(order)
        for (day, quantity), documents in groupby(self._in_order(found), key=self._what.place):
            for number, rows in enumerate(self._chunks(documents, written)):
                name = f"{file_name(sensor_id, quantity)}.{number:04}.{self._request.format}"
                self._write(Path(f"day={day}") / name, rows, written)
        held = collection.count_documents(self._query(sensor_id))
        sensor = ExportedSensor(held, written.rows, written.refused)
        manifest.end(sensor_id, sensor, written.files, written.why_refused)
        self.written += 1

    def _in_order(self, found: Iterable[Document]) -> Iterator[Document]:
        what = self._what
        for _, same in groupby(found, key=lambda each: (what.place(each)[1], each[what.time])):
            yield from ties_in_order(list(same))

    def _chunks(self, documents: Iterable[Document], written: _Files) -> Iterator[list[Row]]:
        rows: list[Row] = []
        for document in documents:
            try:
                rows.append(self._what.row(document))
            except NoRow as error:
                written.refused += 1
                written.why_refused = written.why_refused or f"{document['_id']}: {error}"
            if len(rows) == ROWS:
                yield rows
                rows = []
        if rows:
            yield rows

    def _write(self, name: Path, rows: list[Row], written: _Files) -> None:
        encode = FORMATS[self._request.format]
        content = write_rows(self._request.folder / name, encode, self._what.columns(rows), rows)
        written.rows += len(rows)
        told = {
            "path": str(name),
            "rows": len(rows),
            "bytes": len(content),
            "sha256": sha256(content).hexdigest(),
        }
        written.files.append(told)
        self._tell(len(rows))

    def _remove(self, sensor_id: str) -> None:
        """Remove what an export that was interrupted, or one of before, has written of a sensor."""
        for path in self._request.folder.glob(f"day=*/{escape(file_name(sensor_id))}.*"):
            path.unlink()

    def _tell(self, documents: int) -> None:
        self._done += documents
        self._progress(min(self._done, self._total), self._total)

    def _query(self, sensor_id: str | None = None) -> Json:
        times: dict[str, datetime] = {}
        if self._request.since is not None:
            times["$gte"] = date(self._request.since)
        if self._request.until is not None:
            times["$lt"] = date(self._request.until)
        query: Json = {} if sensor_id is None else {"metadata.sensor_id": sensor_id}
        return {**query, self._what.time: times} if times else query

    def _asked(self, collection: Any) -> Json:
        request = self._request
        return {
            "version": 1,
            "collection": request.collection,
            "of": collection.full_name,
            "format": request.format,
            "from": request.since,
            "to": request.until,
        }
