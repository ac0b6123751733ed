"""``weir analysis``: run model analysis."""

import click

_EXAMPLES = """
\b
Examples:
  weir analysis                                                    pages on http://localhost:8010/
  WEIR_ANALYSIS__GROUPS='boilers=boiler-*,all=*' weir analysis     compare boilers with boilers, and all with all
  WEIR_ANALYSIS__PORT=8011 weir analysis                           a second one: shares the partitions
  faust -A agents.analysis.app:app worker -l info                 the same, started as any Faust worker
"""


@click.command(epilog=_EXAMPLES)
def analysis() -> None:
    """Learn forecasts, seasons, drift, relations and the health of each sensor; serve pages on port 8010.

    Stops cleanly on SIGTERM or Ctrl-C: what is held is made durable and its offsets are committed.
    """
    from agents.analysis.app import create_app
    from bridges.process import logs
    from bridges.process.settings import load

    settings = load()
    logs.configure(settings, "analysis")
    create_app(settings).run()
