"""Telegraf, beside which the bridge is measured: built from its Go module with the plugins that it needs and no others.

``tests/benchmarks/peers/telegraf/`` pins the module and the hashes of all that it needs.
"""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bridges.stack.child_process import Program

MODULE = Path(__file__).parents[1] / "benchmarks" / "peers" / "telegraf"
INSTALLED = Path(__file__).parents[2] / ".weir" / "peers" / "telegraf"
_PACKAGE = "github.com/influxdata/telegraf/cmd/telegraf"
_TAGS = "custom,inputs.mqtt_consumer,outputs.kafka,parsers.json_v2,serializers.json"
_CONFIGURATION = """
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 200000
  omit_hostname = true

[[inputs.mqtt_consumer]]
  servers = ["tcp://{mqtt}"]
  topics = ["{name}/plant/+/state"]
  qos = 1
  client_id = "{name}"
  max_undelivered_messages = 20000
  data_format = "json_v2"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "+/plant/+/state"
    tags = "_/_/sensor/_"
  [[inputs.mqtt_consumer.json_v2]]
    measurement_name = "reading"
    timestamp_path = "ts"
    timestamp_format = "unix"
{fields}
[[outputs.kafka]]
  brokers = ["{kafka}"]
  topic = "{name}.readings"
  routing_tag = "sensor"
  required_acks = -1
  compression_codec = 3
  data_format = "json"
"""
_FIELD = """
    [[inputs.mqtt_consumer.json_v2.field]]
      path = "{field}"
      type = "float"
"""


def built() -> Path | None:
    """Build Telegraf, if that has not been done; return the program, or ``None`` if there is no Go toolchain."""
    program = INSTALLED / "telegraf"
    stamp = INSTALLED / "built.sum"
    wanted = (MODULE / "go.sum").read_bytes()
    if program.exists() and stamp.exists() and stamp.read_bytes() == wanted:
        return program
    go = shutil.which("go")
    if go is None:
        return None
    INSTALLED.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [go, "build", "-mod=readonly", "-tags", _TAGS, "-o", program, _PACKAGE], cwd=MODULE, check=True
    )
    stamp.write_bytes(wanted)
    return program


class Telegraf(Program):
    """Telegraf as a process that does with a topic what a map of one rule does.

    Args:
        program: The program.
        directory: For its configuration and its log.
        mqtt, kafka: ``host:port`` of the brokers.
        name: First level of its topics, and its client id.
        fields: Fields of the payload that are values.
    """

    def __init__(
        self, program: Path, directory: Path, mqtt: str, kafka: str, name: str, fields: Iterable[str]
    ) -> None:
        text = _CONFIGURATION.format(
            mqtt=mqtt, kafka=kafka, name=name, fields="".join(_FIELD.format(field=field) for field in fields)
        )
        configuration = directory / "telegraf.conf"
        configuration.write_text(text, encoding="utf-8")
        super().__init__("telegraf", directory, (str(program), "--config", str(configuration)))

    def is_subscribed(self) -> bool:
        """Whether it has connected to the broker of MQTT."""
        return self.log_file.exists() and "Connected [" in self.log_file.read_text(
            encoding="utf-8", errors="replace"
        )
