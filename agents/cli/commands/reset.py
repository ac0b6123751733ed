"""``weir reset``: have the worker rebuild its tables and results from the log."""

import click

from agents.cli.looking_options import local_stack_option

_EXAMPLES = """
\b
Examples:
  weir reset                         says what it would do
  weir reset --yes                   does it: tables anew, results emitted again
  weir reset --results --yes         deletes the old results first: after a change of windows or detection
  weir reset --table windows --yes   only this table: what the others hold stays
  weir reset --analysis --yes        has model analysis learn everything anew
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--results",
    is_flag=True,
    help="Delete its results first, on Kafka and MongoDB; the plan names and counts them.",
)
@click.option("--analysis", is_flag=True, help="Of model analysis instead of the worker.")
@click.option("--table", "tables", multiple=True, help="Only this table, and results made of it alone.")
@click.option("--yes", is_flag=True, help="Do it. Without this, only say what would be done.")
@local_stack_option
def reset(results: bool, analysis: bool, tables: tuple[str, ...], yes: bool) -> None:
    """Reset offsets, changelogs and local state, so that the next worker builds everything anew from `readings`.

    Workers must be stopped. Readings, labels and dead letters are never touched.
    """
    from agents.rebuilding import Reset
    from bridges.process import settings as all_settings

    plan = Reset.plan(all_settings.load(), results=results, analysis=analysis, tables=tables)
    for number, line in enumerate(plan.describe(), start=1):
        click.echo(f"{number}. {line}")
    if not yes:
        click.echo("nothing has been done: run it with --yes")
        return
    plan.run()
    click.echo("done: start it to rebuild")
