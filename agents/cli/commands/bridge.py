"""``weir bridge``: carry readings from MQTT into Kafka."""

import click

_EXAMPLES = """
\b
Examples:
  weir bridge
  WEIR_MQTT__HOST=broker WEIR_KAFKA__BROKERS=kafka:9092 weir bridge
  WEIR_MQTT__TOPICS='$share/weir/sensors/#,labels/#' WEIR_MQTT__CLIENT_ID=weir-bridge-2 weir bridge
\b
While it runs, on port 9108 (WEIR_BRIDGE__METRICS_PORT):
  /metrics  /health/live  /health/ready  /api/ledger
"""


@click.command(epilog=_EXAMPLES)
def bridge() -> None:
    """Carry readings from MQTT into Kafka, acknowledged only when Kafka has them.

    Takes everything from the settings WEIR_MQTT__*, WEIR_KAFKA__* and WEIR_BRIDGE__*; creates the topics that do
    not exist; waits for Kafka and MQTT if they are not up yet. Ctrl-C or SIGTERM stops it cleanly: what is under
    way is finished, and the broker keeps the session, with all that comes meanwhile.
    """
    from bridges.bridge.bridge_service import serve
    from bridges.process import logs
    from bridges.process.settings import load

    settings = load()
    logs.configure(settings, "bridge")
    serve(settings)
