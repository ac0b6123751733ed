"""``weir rules apply``, ``list``, ``history`` and ``withdraw``: who set which limit, when and why, on a real Kafka."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.rebuilding import Reset
from agents.rule_rows import changelogs_with_rules
from agents.stages.detect import model_rows
from bridges.kafka.clients import ensure_topics
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings, load
from bridges.replay.replaying import publish
from bridges.rules.rule_writer import RulesChanged, write_change
from bridges.rules.series_rule import SeriesRule
from bridges.sources import Selection
from bridges.sources.kafka_source import KafkaSource, Log
from bridges.sources.rule_history import rule_history
from streams.detection.log_rules import rules_of
from streams.detection.sensor_models import SensorModels
from streams.records.rows import Row
from streams.records.rule_records import RuleChange
from streams.records.topics import READINGS
from streams.rules.rule_changes import change_to, rules_now
from tests.support.recorded_day import recorded_day, send

FIRST = '[detection.series."boiler-*/t"]\nhigh = 120\nraise_at = 0.99\n'
SECOND = FIRST + '[detection.series."pump-*/t"]\nlow = 3\nseverity = "critical"\n'


def weir(*arguments: str) -> Any:
    told = CliRunner().invoke(main, [*arguments, "--json"])
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


@pytest.fixture
def settings(kept_log: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("WEIR_DETECTION__SEVERITY", "info")
    found = load()
    ensure_topics(found)
    return found


def changes_in(source: KafkaSource) -> list[tuple[int, str]]:
    """Return where changes of rules stand: partition and fingerprint, in the order in which they are read."""
    return [
        (chunk.partition, record.fingerprint)
        for chunk in source.read(source.partitions)
        for _, _, record in chunk.records
        if isinstance(record, RuleChange)
    ]


def test_a_limit_is_in_force_in_every_partition_and_history_says_who_set_it_when_and_why(
    settings: Settings, tmp_path: Path
) -> None:
    assert weir("rules", "list")["rules"] == []
    send(settings, recorded_day(sensors=6, steps=20, seed=3))
    (tmp_path / "first.toml").write_text(FIRST)
    (tmp_path / "second.toml").write_text(SECOND)
    first = weir("rules", "apply", str(tmp_path / "first.toml"), "--why", "new boiler", "--by", "Ada")
    assert first["added"] == ["boiler-*/t"]
    again = weir("rules", "apply", str(tmp_path / "first.toml"), "--why", "once more", "--by", "Ada")
    assert again["applied"] is None, "nothing changes: nothing is written"
    second = weir("rules", "apply", str(tmp_path / "second.toml"), "--why", "pump runs dry", "--by", "Bob")
    assert (second["added"], second["changed"], second["removed"]) == (["pump-*/t"], [], [])
    listed = weir("rules", "list")
    assert [(each["pattern"], each["set_by"]["by"], each["set_by"]["why"]) for each in listed["rules"]] == [
        ("boiler-*/t", "Ada", "new boiler"), ("pump-*/t", "Bob", "pump runs dry"),
    ]  # fmt: skip
    assert [each["text"] for each in listed["rules"]] == ["high 120, info", "low 3, critical"]
    assert [each["fingerprint"] for each in listed["rules"][1]["history"]] == [second["fingerprint"]]
    assert (listed["fingerprint"], listed["gone"]) == (second["fingerprint"], [])
    assert listed["rules"][0]["severity"] == "info", "what settings say of limits is part of a rule"
    found = weir("rules", "history", second["fingerprint"][:16])
    assert [each["by"] for each in found["changes"]] == ["Bob"]
    withdrawn = weir("rules", "withdraw", "--why", "settings have them", "--by", "Cem")
    assert (withdrawn["rules"], withdrawn["removed"]) == ([], ["boiler-*/t", "pump-*/t"])
    assert [each["by"] for each in weir("rules", "history")["changes"]] == ["Cem", "Bob", "Ada"]
    gone = {each["pattern"]: each["history"] for each in weir("rules", "list")["gone"]}
    assert [(each["by"], each["text"]) for each in gone["boiler-*/t"]] == [
        ("Cem", ""),
        ("Ada", "high 120, info"),
    ]
    assert [(each["by"], each["text"]) for each in gone["pump-*/t"]] == [
        ("Cem", ""),
        ("Bob", "low 3, critical"),
    ]

    prints = [each["fingerprint"] for each in (first, second, withdrawn)]
    whole = KafkaSource.open(settings, Selection())
    assert changes_in(whole) == [(partition, each) for partition in range(3) for each in prints]
    middle = KafkaSource.open(
        settings, Selection((), second["offsets"]["1"], None, "offset"), allow_missing=True
    )
    assert [each for each in changes_in(middle) if each[0] == 1] == [(1, each) for each in prints]

    copy = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"namespace": f"{settings.kafka.namespace}copy."})}
    )
    assert publish(whole, copy, skip_unreadable=True).rules_left_out == 0
    assert changes_in(KafkaSource.open(copy, Selection())) == changes_in(whole)


def test_a_table_that_is_built_anew_has_the_rules_that_retention_has_deleted(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "first.toml").write_text(FIRST)
    first = weir("rules", "apply", str(tmp_path / "first.toml"), "--why", "new boiler")
    changelog = changelogs_with_rules(settings)[0]
    ensure_topics(settings, [changelog])
    admin, readings = KafkaAdmin(settings), settings.topic(READINGS.name)
    admin.delete_records(readings, {0: 1, 1: 1})  # in partition 2 it will be read
    group = f"{settings.kafka.namespace}{settings.worker.application}"
    # As a worker that has read all of it leaves it.
    admin.set_offsets(group, readings, dict.fromkeys(range(3), 1))
    Reset.plan(settings, results=False, tables=["models"]).run()
    with Log(settings) as log:
        found = {
            partition: [
                (message.key(), message.value())
                for many in log.read(changelog, partition, 0, end)
                for message in many
            ]
            for partition in range(3)
            if (end := log.ends(changelog, partition)[1])
        }
    assert found.keys() == {0, 1}
    rows: dict[str, Row[SensorModels]] = {}
    model_rows(settings.detection.plan()).restore(dict(found[1]), 1, rows)
    rules = rules_of(rows)
    assert rules is not None and (rules.change.fingerprint, rules.offset) == (first["fingerprint"], 0)


def test_rules_of_all_others_and_rules_without_a_reason_are_refused(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[detection]\nhigh = 120\n")
    told = CliRunner().invoke(main, ["rules", "apply", str(file), "--why", "x"])
    assert (told.exit_code, "put them under a pattern" in told.output) == (2, True)
    file.write_text(FIRST)
    told = CliRunner().invoke(main, ["rules", "apply", str(file), "--why", " "])
    assert (told.exit_code, "why must have 1 to" in told.output) == (2, True)
    assert weir("rules", "history")["changes"] == []


def test_a_rule_of_one_series_counts_first_and_leaves_the_others(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(FIRST)
    first = weir("rules", "apply", str(file), "--why", "new boiler", "--by", "Ada")["fingerprint"]

    def wanted(follows: str, **own: float) -> SeriesRule:
        return SeriesRule("boiler-7", "t", own, "Bob", "it is an old one", follows)

    applied, difference = wanted(first, high=90.0).apply(settings) or pytest.fail("nothing has changed")
    assert (difference.added, difference.removed) == (["boiler-7/t"], [])
    assert [(rule.pattern, rule.high, rule.severity) for rule in rules_now(rule_history(settings))] == [
        ("boiler-7/t", 90.0, "info"), ("boiler-*/t", 120.0, "info"),
    ]  # fmt: skip
    newest = applied.change.fingerprint
    assert wanted(newest, high=90.0).apply(settings) is None, "it is in force already"
    with pytest.raises(RulesChanged, match=f"changed meanwhile, to {newest}"):
        wanted(first, high=80.0).apply(settings)
    late = change_to([], at=1.0, by="Cem", why="he was quicker to look than to write")
    with pytest.raises(RulesChanged):
        write_change(settings, late, follows=first)
    assert [each["by"] for each in weir("rules", "history")["changes"]] == ["Bob", "Ada"]
