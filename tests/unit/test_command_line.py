"""The command line finds its commands, answers quickly, and tells errors in one sentence."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from agents.cli import Commands, main
from agents.cli.commands.up import PartNames, PartPort
from bridges.stack.part import FORMER_NAMES, PARTS
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


def test_an_unknown_command_is_refused() -> None:
    assert CliRunner().invoke(main, ["no-such-command"]).exit_code == 2


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
