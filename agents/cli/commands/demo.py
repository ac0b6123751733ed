"""``weir demo``: everything on this machine, with real recorded data and faults that are known."""

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli.commands.simulator import Duration
from agents.cli.commands.up import PartProgram
from bridges.process.written import private_folder

if TYPE_CHECKING:
    from rich.console import Console

    from agents.cli.demo_watch import DemoLedger
    from streams.signals import Totals

MARKER = "made-by-weir-demo"
_EXAMPLES = """
\b
Examples:
  weir demo                       until Ctrl-C; the web views are at http://127.0.0.1:3000
  weir demo --once                to the end of the recorded data, then a summary: exit code 0 if all counts balance
  weir demo --once --free-ports   beside something that has the usual ports
"""


@click.command(epilog=_EXAMPLES)
@click.option("--once", is_flag=True, help="Stop at the end of the recorded data and print a summary.")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), default=Path(".weir/demo"), show_default=True,
    help="Folder of everything that is written; made anew each time.",
)  # fmt: skip
@click.option("--for", "length", type=Duration(), help="Only the beginning of the recorded data: 14d, 200h.")
@click.option(
    "--program",
    "programs",
    type=PartProgram(),
    multiple=True,
    help="Which program a server is: mqtt=rumqttd, ...",
)
@click.option("--free-ports", is_flag=True, help="Take any free ports instead of the usual ones.")
def demo(
    once: bool, data: Path, length: float | None, programs: tuple[tuple[str, str], ...], free_ports: bool
) -> None:
    """Run the whole system on real data: Kafka, MQTT, MongoDB, bridge, worker, and sensors with known faults.

    River's WaterFlow (hourly flow in a water pipeline in 2022, with four known anomalies) is replayed over MQTT in
    about a minute, beside fifty simulated sensors whose faults are known. Event time is the data's own. Any process
    may be killed meanwhile: the counts still balance, since they come from Kafka and MongoDB, not from processes.
    """
    from rich.console import Console

    from agents.cli import demo_watch as watching
    from agents.cli.commands.simulator import scenario_of, simulator
    from agents.cli.demo_ending import EXIT_CODES
    from bridges.process import settings as all_settings
    from bridges.stack.parts import Plan
    from bridges.stack.profiles import PROFILES
    from bridges.stack.run import run_stack

    settings = all_settings.load()
    profile = "demo-once" if once else "demo"
    console = Console()
    begin_anew(data)
    further = () if length is None else ("--for", f"{length}s")
    plan = Plan(
        data=data,
        programs=dict(programs),
        free_ports=free_ports,
        profile=profile,
        sensor_arguments=further,
    )
    if not once:
        guarded = watching.Guarded(watching.Narrator(data))
        run_stack(settings, plan, console, beside=guarded)
        if guarded.error:
            raise guarded.error
        return
    context = simulator.make_context("simulator", [*PROFILES[profile].sensor_arguments, *further])
    scenario = scenario_of(context.params, settings.simulator)
    sent = scenario.totals()
    ledger = watching.DemoLedger(data, sent, slack=1 / scenario.rate)
    guarded = watching.Guarded(ledger)
    began = time.monotonic()
    run_stack(settings, plan, console, beside=guarded)
    if guarded.error:
        raise guarded.error
    summarise(console, ledger, sent, time.monotonic() - began)
    sys.exit(EXIT_CODES[ledger.ending])


def begin_anew(data: Path) -> None:
    """Empty the data folder of an earlier demo: counts of two runs must not mix.

    Raises:
        ConfigurationError: If the folder holds something else.
    """
    from bridges.stack.run import locked
    from streams.errors import ConfigurationError

    if data.exists() and any(data.iterdir()):
        if not (data / MARKER).exists():
            raise ConfigurationError(
                f"{data.resolve()} holds something else: choose another folder with --data"
            )
        with locked(data):
            for entry in data.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                elif entry.name not in (MARKER, "up.lock"):
                    entry.unlink()
    private_folder(data)
    (data / MARKER).touch()


def summarise(console: "Console", ledger: "DemoLedger", sent: "Totals", seconds: float) -> None:
    """Print what was sent, where it is now, and what was found.

    Args:
        console: Where to.
        ledger: What was found, and how the demo ended.
        sent: What the simulator published.
        seconds: How long all of it took.
    """
    from rich.table import Table

    from agents.cli.demo_ending import Ending, sentence_of

    how = ledger.ending

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(
        f"\nIn {seconds:.0f} s, starting and stopping included: {sent.readings:,} readings of {sent.sensors} sensors, "
        f"{sent.duplicates:,} of them twice, {sent.malformed:,} malformed messages, {sent.labels:,} labels\n"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("expected", "found"):
        table.add_column(column, justify="right")
    for column in ("", "of which"):
        table.add_column(column)
    for entry in ledger.entries:
        not_yet = entry.found < entry.expected and how in (Ending.STOPPED, Ending.UNFINISHED)
        verdict = "ok" if entry.balances else "not yet" if not_yet else "WRONG"
        table.add_row(entry.what, f"{entry.expected:,}", f"{entry.found:,}", verdict, entry.note)
    if ledger.entries:
        console.print(table)
    if found := ledger.findings:
        kinds = ", ".join(f"{kind} {hits} of {known}" for kind, (hits, known) in found.by_kind.items())
        say(
            f"\nanomalies: {found.raised:,} raised; {found.found} of {found.known} known ones found ({kinds});"
        )
        say(f"           {found.unknown} raised where nothing is known")
    if killed := ", ".join(f"{name} ({count})" for name, count in ledger.restarts.items() if count):
        say(f"started again: {killed}")
    say(sentence_of(how, ledger.entries))
