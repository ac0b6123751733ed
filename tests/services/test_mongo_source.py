"""Readings and labels from MongoDB: what Kafka's retention has deleted can still be backtested."""

import json
from datetime import UTC, datetime

import msgspec
import pymongo
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from agents.cli import main
from bridges.backtest.backtesting import Backtest
from bridges.process.settings import MongoSettings, Settings
from bridges.sources import Selection, open_source
from bridges.sources.label_source import read_labels
from bridges.sources.source import NothingToRead
from streams.backtest.configuration import Configuration
from streams.errors import ConfigurationError, TransientError
from streams.records.documents import label_document, reading_document
from streams.records.types import Label, Reading

START = 1_760_000_000.0
PLAIN = (Configuration("plain"),)


@pytest.fixture
def settings(mongo: str, mongo_database: str) -> Settings:
    found = Settings(
        mongo=MongoSettings(uri=SecretStr(mongo), database=mongo_database, collection_prefix="x_")
    )
    readings = [
        Reading(
            f"s{sensor}", START + 60.0 * index, {"temperature": 20.0 + index % 7, "humidity": 40.0}, sequence
        )
        for index in range(300)
        for sensor, sequence in ((0, None), (1, index), (2, None))
    ]
    with pymongo.MongoClient[dict[str, object]](mongo) as client:
        database = client[mongo_database]
        database["x_sensors"].insert_many([reading_document(each) for each in reversed(readings)])
        labels = [Label("s1", "temperature", START, START + 60, "spike")]
        database["x_labels"].insert_many([label_document(each) for each in labels])
    return found


def readings_of(settings: Settings, selection: Selection) -> list[Reading]:
    source = open_source("mongo", settings, selection)
    return [
        record
        for chunk in source.read(source.partitions)
        for _, _, record in chunk.records
        if isinstance(record, Reading)
    ]


def test_readings_come_sensor_by_sensor_in_order_of_event_time(settings) -> None:
    found = readings_of(settings, Selection())
    assert len(found) == 900
    for sensor in ("s0", "s1", "s2"):
        times = [each.collected_at for each in found if each.sensor_id == sensor]
        assert times == sorted(times)
    assert found[0].values.keys() == {"temperature", "humidity"}
    assert {each.sequence for each in found if each.sensor_id == "s1"} == set(range(300))


def test_a_range_and_sensors_are_chosen_by_the_server(settings) -> None:
    found = readings_of(settings, Selection(("s[01]",), START + 600, START + 1200))
    assert {each.sensor_id for each in found} == {"s0", "s1"}
    assert len(found) == 20


def test_processes_share_the_sensors_and_find_the_same(settings) -> None:
    source = open_source("mongo", settings, Selection())
    one, three = Backtest(source, PLAIN).run(1), Backtest(source, PLAIN).run(3)
    assert one.windows == three.windows
    assert one.readings == three.readings == 900


def test_an_empty_range_says_what_there_is(settings) -> None:
    source = open_source("mongo", settings, Selection((), 1.0, 2.0))
    with pytest.raises(NothingToRead, match=r"x_sensors holds readings from 2025-10-09T08:53:20"):
        Backtest(source, PLAIN).run()
    with pytest.raises(ConfigurationError, match="MongoDB keeps no ingest"):
        open_source("mongo", settings, Selection((), 1.0, 2.0, "ingest"))


def test_labels_are_read_from_their_collection(settings) -> None:
    assert read_labels("mongo", settings) == [Label("s1", "temperature", START, START + 60, "spike")]


def test_a_field_that_is_no_number_is_named_with_its_document(
    settings, mongo: str, mongo_database: str
) -> None:
    with pymongo.MongoClient[dict[str, object]](mongo) as client:
        client[mongo_database]["x_sensors"].insert_one(
            {
                "temperature": "warm",
                "collected_at": datetime(2025, 10, 9, tzinfo=UTC),
                "metadata": {"sensor_id": "s0"},
            }
        )
    outcome = Backtest(open_source("mongo", settings, Selection()), PLAIN, skip_unreadable=True).run()
    assert outcome.unreadable == 1
    assert "temperature must be a finite number, got 'warm'" in outcome.unreadable_shown[0][1]


def test_mongodb_that_is_not_there_is_named_with_the_setting() -> None:
    absent = Settings(mongo=MongoSettings(uri=SecretStr("mongodb://127.0.0.1:1"), timeout_seconds=1))
    with pytest.raises(TransientError, match="WEIR_MONGO__URI"):
        readings_of(absent, Selection())


def test_rules_over_mongodb_are_told_as_approximate(settings, tmp_path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[detection.series."s[01]/temperature"]\nhigh = 25.5\n')
    environment = {
        "WEIR_MONGO__URI": settings.mongo.uri.get_secret_value(),
        "WEIR_MONGO__DATABASE": settings.mongo.database,
        "WEIR_MONGO__COLLECTION_PREFIX": "x_",
    }
    told = CliRunner(env=environment).invoke(main, ["rules", "check", str(rules), "--source", "mongo"])
    assert told.exit_code == 0, told.output
    assert "approximate: MongoDB gives readings by event time" in told.output
    assert "900 readings of 6 series" in told.output
    data = json.loads(
        CliRunner(env=environment)
        .invoke(main, ["rules", "check", str(rules), "--source", "mongo", "--json"])
        .stdout
    )
    assert data["exact"] is False
    assert data["rules"][0]["raises"] == 2 * 42  # one reading of seven is beyond


def test_a_label_that_was_revoked_is_read_no_more_and_one_that_was_said_anew_as_it_was_said_last(
    settings, mongo: str, mongo_database: str
) -> None:
    first = Label("s2", "temperature", START + 600, START + 660, "fault")
    off = msgspec.structs.replace(first, at=START + 700, revoked=True)
    again = msgspec.structs.replace(first, end=START + 900, at=START + 800)
    (spike,) = read_labels("mongo", settings)
    with pymongo.MongoClient[dict[str, object]](mongo) as client:
        labels = client[mongo_database]["x_labels"]
        for said, stands in ((first, [first]), (off, []), (again, [again])):
            labels.insert_one(label_document(said))
            assert read_labels("mongo", settings) == [spike, *stands]
