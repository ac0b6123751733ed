"""``weir worker``: run the Faust worker."""

import click

_EXAMPLES = """
\b
Examples:
  weir worker                                            windows, detection, sinks and web views on port 3000
  WEIR_WEB__PORT=3001 weir worker                        a second worker on this machine: shares the partitions
  WEIR_WORKER__SINKS=false weir worker                   windows and detection only
  WEIR_WORKER__CHECKPOINT_SECONDS=0.2 weir worker        results sooner, more work per reading
  faust -A agents.app:app worker -l info                 the same worker, started as any Faust worker

Run as many workers as there are partitions (WEIR_KAFKA__PARTITIONS) at most; more have nothing to do.
"""


@click.command(epilog=_EXAMPLES)
def worker() -> None:
    """Consume readings: aggregate windows, detect anomalies, store in MongoDB, serve web views.

    Stops cleanly on SIGTERM or Ctrl-C: what is held is made durable and its offsets are committed.
    """
    from agents.app import create_app
    from bridges.process import logs
    from bridges.process.settings import load

    settings = load()
    logs.configure(settings, "worker")
    create_app(settings).run()
