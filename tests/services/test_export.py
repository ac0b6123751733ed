"""What is exported is what MongoDB holds, exactly: by day and sensor, resumed, balanced, read again by `--source`."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pymongo
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet
from pydantic import SecretStr

from agents.cli import main
from bridges.export import exporting
from bridges.export.exporting import Export, ExportRequest
from bridges.process.settings import MongoSettings, Settings
from bridges.sources import Selection, open_source
from bridges.sources.source import NothingToRead
from streams.errors import ConfigurationError, TransientError
from streams.records.documents import aggregate_document, anomaly_document, reading_document
from streams.records.identity import aggregate_id, anomaly_id
from streams.records.types import Aggregate, Anomaly, Reading

START = 1_790_899_140.0  # a minute before a midnight in UTC
SENSORS = ("boiler-1", "boiler-1.5", "pump:1@x")
VALUES = (0.1 + 0.2, -0.0, 1e-300, 21.5, 1.7976931348623157e308)
Insert = Callable[..., None]


def day_of_readings(sensor: str, count: int = 30) -> list[Reading]:
    return [
        Reading(
            sensor,
            START + 7.001 * number,
            ({"Time": 3.0} if number % 3 else {}) | {"temperature": VALUES[number % 5]},
            number if sensor == "boiler-1" else None,
        )
        for number in range(count)
    ]


READINGS = [each for sensor in SENSORS for each in day_of_readings(sensor)]


@pytest.fixture
def settings(mongo: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("WEIR_MONGO__URI", mongo)
    monkeypatch.setenv("WEIR_MONGO__DATABASE", mongo_database)
    return Settings(mongo=MongoSettings(uri=SecretStr(mongo), database=mongo_database))


@pytest.fixture
def insert(mongo: str, mongo_database: str) -> Insert:
    def insert_documents(collection: str, *documents: dict[str, Any]) -> None:
        with pymongo.MongoClient[dict[str, object]](mongo) as client:
            client[mongo_database][collection].insert_many(list(documents))

    return insert_documents


def weir(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments])


def read_again(folder: Path) -> list[str]:
    # As texts: 0.0 and -0.0 are equal.
    source = open_source(str(folder), Settings(), Selection())
    return sorted(str(record) for chunk in source.read(source.partitions) for _, _, record in chunk.records)


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("day=*/*")
    }


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_readings_are_read_again_as_they_were_and_the_manifest_balances(
    settings: Settings, insert: Insert, tmp_path: Path, kind: str
) -> None:
    insert("sensors", *(reading_document(each) for each in reversed(READINGS)))
    told = weir("--to", kind, "--out", str(tmp_path / "all"), "--json")
    assert told.exit_code == 0, told.output
    folder = tmp_path / "all" / "readings"
    total = {"held": 90, "rows": 90, "refused": 0, "sensors": 3, "balanced": True}
    assert json.loads(told.output) == {**total, "folder": str(folder), "written": 3}
    assert read_again(folder) == sorted(map(str, READINGS))
    assert sorted(files_of(folder)) == sorted(
        f"day=2026-10-0{day}/{name}.0000.{kind}"
        for day in (1, 2)
        for name in ("boiler-1", "boiler-1%2E5", "pump:1@x")
    )
    first, *_, last = lines_of(folder)
    assert (first["asked"]["format"], last) == (kind, {"total": total})
    listed = {each["path"]: each for line in lines_of(folder) for each in line.get("files", ())}
    assert {path: each["sha256"] for path, each in listed.items()} == files_of(folder)
    assert sum(each["rows"] for each in listed.values()) == 90


def test_a_range_ends_before_its_end_and_one_that_holds_nothing_is_said(
    settings: Settings, insert: Insert, tmp_path: Path
) -> None:
    insert("sensors", *map(reading_document, READINGS))
    since, until = str(READINGS[3].collected_at), str(READINGS[6].collected_at)
    told = weir("--to", "csv", "--from", since, "--to", until, "--out", str(tmp_path / "some"))
    assert told.exit_code == 0, told.output
    assert "9 of 9 readings of 3 sensors are in" in told.output
    assert read_again(tmp_path / "some" / "readings") == sorted(
        str(each) for n, each in enumerate(READINGS) if n % 30 in (3, 4, 5)
    )
    nothing = ExportRequest("readings", "csv", 1.0, 2.0, tmp_path / "none")
    with pytest.raises(NothingToRead, match="sensors holds nothing of that range"):
        Export(settings, nothing, lambda done, total: None).run()
    assert not (tmp_path / "none").exists()
    assert weir("--to", "csv", "--from", "2", "--to", "1", "--out", str(tmp_path / "none")).exit_code == 2
    assert weir("--to", "2026-10-01", "--out", str(tmp_path / "none")).exit_code == 2


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [1, 10, 35, 55, 80])
def test_what_was_interrupted_anywhere_goes_on_and_is_what_it_would_have_been(
    settings: Settings, insert: Insert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(exporting, "ROWS", 7)  # several files a day
    insert("sensors", *map(reading_document, READINGS))
    whole, broken = (
        ExportRequest("readings", "csv", None, None, tmp_path / name) for name in ("whole", "broken")
    )
    Export(settings, whole, lambda done, total: None).run()

    def kill(done: int, total: int) -> None:
        if done >= after:
            raise Killed

    with pytest.raises(Killed):
        Export(settings, broken, kill).run()
    with (broken.folder / "manifest.jsonl").open("a") as file:
        file.write('{"sensor": "boiler')  # torn by the kill
    again = Export(settings, broken, lambda done, total: None)
    assert again.run()["balanced"] is True
    assert files_of(broken.folder) == files_of(whole.folder)
    assert again.written == 3 - (after > 30) - (after > 60)
    assert read_again(broken.folder) == sorted(map(str, READINGS))


def test_what_came_meanwhile_is_written_by_the_next_run_and_only_that(
    settings: Settings, insert: Insert, tmp_path: Path
) -> None:
    insert("sensors", *map(reading_document, READINGS))
    request = ExportRequest("readings", "parquet", None, None, tmp_path / "out")

    def late(done: int, total: int) -> None:
        if done == 60:  # the first sensor's files are whole
            insert("sensors", reading_document(Reading(SENSORS[0], START - 1, {"temperature": 1.0})))

    first = Export(settings, request, late).run()
    assert first == {"held": 91, "rows": 90, "refused": 0, "sensors": 3, "balanced": False}
    before = files_of(request.folder)
    again = Export(settings, request, lambda done, total: None)
    assert (again.run()["balanced"], again.written) == (True, 1)
    changed = {path for path, mark in files_of(request.folder).items() if before.get(path) != mark}
    assert changed == {"day=2026-10-01/boiler-1.0000.parquet"}
    assert len(read_again(request.folder)) == 91


def test_files_of_a_sensor_that_mongodb_has_let_go_of_stay_and_are_told(
    settings: Settings, insert: Insert, tmp_path: Path, mongo: str, mongo_database: str
) -> None:
    insert("sensors", *map(reading_document, READINGS))
    assert weir("--to", "csv", "--out", str(tmp_path)).exit_code == 0
    with pymongo.MongoClient[dict[str, object]](mongo) as client:
        client[mongo_database]["sensors"].delete_many({"metadata.sensor_id": SENSORS[0]})
    told = weir("--to", "csv", "--out", str(tmp_path))
    assert told.exit_code == 3, told.output
    assert "30 rows are of documents that MongoDB has let go of" in told.output
    assert len(read_again(tmp_path / "readings")) == 90


def test_a_document_that_can_be_no_row_is_counted_and_named(
    settings: Settings, insert: Insert, tmp_path: Path
) -> None:
    insert("sensors", *map(reading_document, READINGS))
    insert("sensors", reading_document(Reading("odd", START, {"ingested_at": 1.0})))
    told = weir("--to", "csv", "--out", str(tmp_path))
    assert told.exit_code == 3, told.output
    assert "1 cannot be rows" in told.output
    (line,) = [each for each in lines_of(tmp_path / "readings") if each.get("refused")]
    assert "a quantity is called 'ingested_at'" in line["why"]
    assert len(read_again(tmp_path / "readings")) == 90


def test_a_folder_of_another_export_or_of_anything_else_is_left_alone(
    settings: Settings, insert: Insert, tmp_path: Path
) -> None:
    insert("sensors", *map(reading_document, READINGS))
    assert weir("--to", "csv", "--out", str(tmp_path)).exit_code == 0
    before = files_of(tmp_path / "readings")
    refused = weir("--to", "parquet", "--out", str(tmp_path))
    assert refused.exit_code == 2
    assert "holds another export" in refused.output
    assert files_of(tmp_path / "readings") == before
    (tmp_path / "x" / "readings").mkdir(parents=True)
    (tmp_path / "x" / "readings" / "mine.csv").write_text("a\n1\n")
    refused = weir("--to", "csv", "--out", str(tmp_path / "x"))
    assert refused.exit_code == 2
    assert "holds something else" in refused.output
    (tmp_path / "readings" / "day=2026-10-01" / "x.parquet").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="files of both kinds"):
        open_source(str(tmp_path / "readings"), Settings(), Selection())


def test_windows_and_anomalies_are_rows_with_all_that_their_documents_have(
    settings: Settings, insert: Insert, tmp_path: Path
) -> None:
    windows = [
        Aggregate(
            aggregate_id("a/b", quantity, start, start + 60).hex(), "a/b", quantity, start, start + 60,
            3, 1.5, 0.25, 1.0, 2.0, 1.0, 2.0, {"0.5": 1.5}, start + 1, start + 59,
        )
        for quantity in ("x.y", "x")
        for start in (START, START + 60)
    ]  # fmt: skip
    anomaly = Anomaly(
        anomaly_id("a/b", "x", START).hex(), "a/b", "x", "raised", START, START, 0.5, 9.0, 1.0, None, 2.0,
        "up", "limit", 50, severity="warning",
    )  # fmt: skip
    insert("aggregates", *map(aggregate_document, windows))
    insert("anomalies", anomaly_document(anomaly))
    for collection in ("aggregates", "anomalies"):
        told = weir("--to", "parquet", "--collection", collection, "--out", str(tmp_path))
        assert told.exit_code == 0, told.output
    paths = sorted((tmp_path / "aggregates").glob("day=*/*"))
    assert [path.name for path in paths] == ["a%2Fb.x%2Ey.0000.parquet", "a%2Fb.x.0000.parquet"] * 2
    (row,) = parquet.read_table(paths[1], partitioning=None).to_pylist()
    assert (row["start"].timestamp(), row["quantity"], row["variance"]) == (START, "x", 0.25)
    assert json.loads(row["quantiles"]) == [{"probability": 0.5, "value": 1.5}]
    (path,) = (tmp_path / "anomalies").glob("day=*/*")
    (row,) = parquet.read_table(path, partitioning=None).to_pylist()
    assert (row["cleared_at"], row["lower"], row["severity"], row["seen"]) == (None, None, "warning", 50)


def test_mongodb_that_is_away_is_named_and_nothing_is_begun(tmp_path: Path) -> None:
    away = Settings(mongo=MongoSettings(uri=SecretStr("mongodb://127.0.0.1:1"), timeout_seconds=1))
    request = ExportRequest("readings", "csv", None, None, tmp_path / "out")
    with pytest.raises(TransientError, match="WEIR_MONGO__URI"):
        Export(away, request, lambda done, total: None).run()
    assert not request.folder.exists()
