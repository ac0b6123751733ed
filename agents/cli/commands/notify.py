"""``weir notify``: tell people and programs of alarms."""

import click

_EXAMPLES = """
\b
Examples:
  WEIR_NOTIFY__TARGETS='{"operators": {"format": "slack", "url": "https://hooks.slack.com/..."}}' weir notify
  WEIR_NOTIFY__TARGETS_FILE=/run/secrets/targets weir notify
  WEIR_CONFIG=weir.toml weir notify             with [notify.targets.operators] in it
  weir alarms test-notify                       does each target answer?
\b
While it runs, on port 9111 (WEIR_NOTIFY__METRICS_PORT):
  /metrics  /health/live  /health/ready  /api/ledger
"""


@click.command(epilog=_EXAMPLES)
def notify() -> None:
    """Tell the targets of the settings of alarms, each change at least once and in order.

    Reads the topic `alarms`, one consumer group a target: a target that is away is tried again until it answers, and
    holds up neither the others nor the worker. Ctrl-C or SIGTERM stops it: what is not told is told by the next one.
    """
    from bridges.notify.notify_service import serve_notifier
    from bridges.process import logs
    from bridges.process.settings import load

    settings = load()
    logs.configure(settings, "notify")
    serve_notifier(settings)
