"""Commands beside a `weir up` find its servers by themselves, wherever its ports are."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import Settings
from bridges.stack.environment import write_environment
from tests.support.alarm_records import alarm, write_alarms

ASK_KAFKA = (
    "alarms",
    "rules",
    "replay",
    "backtest",
    "tune",
    "sensors",
    "anomalies",
    "tail",
    "trace",
    "export",
    "devices",
    "dead-letters",
    "reset",
)


@pytest.mark.parametrize("name", ASK_KAFKA)
def test_what_asks_kafka_takes_the_folder_of_a_local_stack(name: str) -> None:
    context = click.Context(main)
    for command in commands_of(main.get_command(context, name), context):
        assert "--data" in {option for each in command.params for option in each.opts}, command.name


def commands_of(command: click.Command | None, context: click.Context) -> Iterator[click.Command]:
    assert command is not None
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from commands_of(command.get_command(context, name), context)
    else:
        yield command


def test_alarms_and_replay_ask_the_stack_that_runs_on_the_folder(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"kafka": {"brokers": kafka, "namespace": topic_prefix}})
    ensure_topics(settings)
    write_alarms(settings, [alarm()])
    for name in ("WEIR_KAFKA__BROKERS", "WEIR_KAFKA__NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    write_environment(tmp_path, {"WEIR_KAFKA__BROKERS": kafka, "WEIR_KAFKA__NAMESPACE": topic_prefix})
    told = said("alarms", "list", "--data", str(tmp_path))
    assert "plant:7:boiler-0 pressure is beyond its limit" in told
    result = CliRunner().invoke(main, ["replay", "--data", str(tmp_path)])
    assert f"topic {topic_prefix}readings is empty" in result.output
    monkeypatch.setenv("WEIR_KAFKA__NAMESPACE", f"{topic_prefix}other.")
    ensure_topics(
        Settings.model_validate({"kafka": {"brokers": kafka, "namespace": f"{topic_prefix}other."}})
    )
    assert "no alarm stands" in said("alarms", "list", "--data", str(tmp_path)), "who names it is asked"


def said(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output
