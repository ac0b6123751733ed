"""The command line finds its commands, answers quickly, and tells errors in one sentence."""

import subprocess
import sys
import time
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from agents.cli import Commands, main
from agents.cli.commands.up import PartNames, PartPort
from agents.cli.near_group import NearGroup
from agents.cli.replay_options import Bound
from agents.cli.time_option import EventTime
from bridges.stack.part import FORMER_NAMES, PARTS
from bridges.stack.parts import Plan
from streams.errors import ConfigurationError, TransientError

HEAVY = ("faust", "aiokafka", "confluent_kafka", "paho", "pymongo", "river", "jgo")


def test_help_lists_every_command_with_one_sentence() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0, result.output
    for name in main.list_commands(click.Context(main)):
        assert name in result.output


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom agents.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help_with_examples() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, result.output
        assert "Examples:" in result.output, f"weir {name} --help shows no examples"


def every_command(group: click.Group, context: click.Context) -> Iterator[click.Command]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from every_command(command, click.Context(command))


def test_every_command_takes_its_own_defaults() -> None:
    for command in every_command(main, click.Context(main)):
        for parameter in command.params:
            if not (parameter.required or isinstance(parameter, click.Argument)):
                context = click.Context(command)
                parameter.process_value(context, parameter.get_default(context))


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(ConfigurationError("port 1883 is taken"), 2), (TransientError("Kafka cannot be reached"), 1)],
)
def test_an_error_that_weir_raises_is_one_sentence_and_an_exit_code(error: Exception, exit_code: int) -> None:
    def fail() -> None:
        raise error

    class OneCommand(Commands):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            return click.Command("fail", callback=fail)

    result = CliRunner().invoke(OneCommand("weir"), ["fail"])
    assert result.exit_code == exit_code
    assert result.output == f"Error: {error}\n"


def test_an_unknown_command_is_refused_with_those_that_are_near() -> None:
    refused = CliRunner().invoke(main, ["dead-leters"])
    assert refused.exit_code == 2
    assert "No such command 'dead-leters'. Did you mean dead-letters?" in refused.output
    assert "Did you mean" not in CliRunner().invoke(main, ["no-such-command"]).output
    assert "Did you mean shelve" in CliRunner().invoke(main, ["alarms", "shelf"]).output


def test_an_option_that_takes_one_value_is_refused_when_it_is_given_twice() -> None:
    refused = CliRunner().invoke(main, ["map", "try", "--topic", "a", "--payload", "1", "--topic", "b"])
    assert refused.exit_code == 2
    assert "--topic is given 2 times, and takes one value" in refused.output
    taken = CliRunner().invoke(main, ["status", "--without", "analysis", "--without", "notify", "--help"])
    assert taken.exit_code == 0


def test_parts_that_are_left_out_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Plan] = []
    monkeypatch.setattr("bridges.stack.run.run_stack", lambda settings, plan: plans.append(plan))
    left_out = ["--without", "simulator,analysis", "--without", "notify"]
    assert CliRunner().invoke(main, ["up", *left_out]).exit_code == 0
    assert CliRunner().invoke(main, ["up", "--with", "kafka", "--with", "mqtt,mongo"]).exit_code == 0
    assert [plan.parts for plan in plans] == [
        ("kafka", "mqtt", "mongo", "bridge", "worker"),
        ("kafka", "mqtt", "mongo"),
    ]


def test_every_group_of_commands_names_those_that_are_near() -> None:
    groups = [each for each in every_command(main, click.Context(main)) if isinstance(each, click.Group)]
    assert len(groups) >= 3
    assert [each.name for each in groups if not isinstance(each, NearGroup)] == []


@pytest.mark.parametrize(("former", "name"), [("analyse", "analysis"), ("simulate", "simulator")])
def test_a_command_is_called_as_its_process_and_its_former_name_still_works_unlisted(
    former: str, name: str
) -> None:
    assert CliRunner().invoke(main, [former, "--help"]).exit_code == 0
    listed = main.list_commands(click.Context(main))
    assert name in listed
    assert former not in listed


def test_parts_are_called_as_their_processes_and_former_names_still_work() -> None:
    names, ports = PartNames(), PartPort()
    assert names.convert("server,sensor,analysis", None, None) == ("worker", "simulator", "analysis")
    assert ports.convert("sensor=9109", None, None) == ("simulator", 9109)
    assert not FORMER_NAMES.keys() & set(PARTS)
    with pytest.raises(click.BadParameter, match="choose from kafka, mqtt, mongo, bridge, worker, analysis"):
        names.convert("oracle", None, None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("-30m", 1800), ("-6h", 21_600), ("-30d", 2_592_000), (" -2w ", 1_209_600)]
)
def test_a_time_may_be_so_long_ago(text: str, seconds: int) -> None:
    for option in (EventTime(), Bound()):
        begun = time.time()
        assert begun - seconds - 0.001 <= option.convert(text, None, None) <= time.time() - seconds + 0.001


@pytest.mark.parametrize("text", ["-30y", "-d", "--6h", "-1234567d"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="time must be"):
        EventTime().convert(text, None, None)
