"""``weir status``: is all well, in the plant and in the pipeline?"""

import json
from typing import TYPE_CHECKING, Any

import click

from agents.cli.looking_options import looking_options

if TYPE_CHECKING:
    from bridges.looking.system_asking import SystemStatus

_EXAMPLES = """
\b
Examples:
  weir status                                of a `weir up` that runs here, or of what the settings name
  weir status --without analysis             this system runs no model analysis
  weir status --json                         for programs
  weir status || mail -s "weir: look" ada    exit code 0 only if all is well
  WEIR_WEB__HOST=worker-1 weir status

\b
Exit codes: 0 all is well, 1 something is wrong, 2 it is not known whether all is well.
"""
_STYLES: dict[str, dict[str, Any]] = {
    "bad": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow"},
    "unknown": {"dim": True},
}
_SENTENCES = {
    "well": "all is well",
    "wrong": "something is wrong",
    "unknown": "not known whether all is well",
}


@click.command(epilog=_EXAMPLES)
@click.option(
    "--without", type=click.Choice(["analysis", "notify"]), multiple=True,
    help="A process that this system does not run: otherwise its silence counts. May be repeated.",
)  # fmt: skip
@looking_options
@click.pass_context
def status(ctx: click.Context, without: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong in the plant and in the pipeline, worst first, and what could not be asked.

    Asks the worker (which asks the other workers and the bridge), model analysis, and the notifier if somebody is to be
    told of alarms. What does not answer is told as unknown: it is never taken for well.
    """
    from bridges.looking.system_asking import ask_system
    from bridges.process.settings import load

    found = ask_system(load(), without)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        _tell(found)
    ctx.exit(found.verdict.exit_code)


def _tell(found: "SystemStatus") -> None:
    from streams.conditions import REMEDIES

    for each in found.conditions:
        click.echo(f"{click.style(f'{each.severity:8}', **_STYLES[each.severity])} {each.text}")
        if remedy := REMEDIES.get(each.name):
            click.echo(f"         {remedy}")
    if found.figures:
        workers, sensors, behind = (found.figures[each] for each in ("workers", "sensors", "behind"))
        click.echo(f"{workers:,} workers, {sensors:,} sensors, {behind:,} records not worked through yet")
    asked = ", ".join(f"{name} at {where}" for name, where in found.asked.items())
    click.echo(f"asked: {asked}")
    for name, why in found.left_out.items():
        click.echo(f"not asked: {name} ({why})")
    click.echo(click.style(_SENTENCES[found.verdict], bold=True))
