"""``weir simulator``: publish synthetic or recorded sensors over MQTT."""

import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.cli.time_option import EventTime

if TYPE_CHECKING:
    from bridges.process.settings import SimulatorSettings
    from bridges.simulator.scenario import Scenario

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_EXAMPLES = """
\b
Examples:
  weir simulator                                    50 sensors, a reading a second each, until stopped
  weir simulator --sensors 1000 --rate 0.1          1,000 sensors, a reading every ten seconds each
  weir simulator --faults spike,shift:0.02          spikes, and 2 % of all readings shifted
  weir simulator --for 1d --speed 1440              the last day in a minute: it ends at the present
  weir simulator --recorded waterflow --speed max   recorded data, as fast as the broker takes it
  weir simulator --as zigbee2mqtt --sensors 5       thermometers as Zigbee2MQTT publishes them
  weir simulator --csv hall.csv --once              the readings of a file, with their own event times
"""


class Duration(click.ParamType):
    """Seconds, or a number with s, m, h or d."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        found = re.fullmatch(r"([0-9.]+)([smhd]?)", str(value))
        try:
            if found and (seconds := float(found[1]) * _UNITS[found[2]]) > 0:
                return seconds
        except ValueError:
            pass
        self.fail(f"expected a duration such as 90, 60s, 5m, 2h or 1d, got {value!r}", param, ctx)


class Speed(click.ParamType):
    """A positive number, or ``max``, which is 0."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return simulated seconds per second; 0 is as fast as possible."""
        if value == "max":
            return 0.0
        try:
            if (speed := float(str(value))) >= 0:
                return speed
        except ValueError:
            pass
        self.fail(f"expected a positive number or max, got {value!r}", param, ctx)


def scenario_of(choices: Mapping[str, Any], defaults: "SimulatorSettings") -> "Scenario":
    """Make the scenario that options ask for; what they leave open comes from the settings.

    Args:
        choices: Values of the options, by name.
        defaults: The settings of the simulator.
    """
    from bridges.simulator.scenario import Scenario

    def chosen(name: str, default: Any) -> Any:
        return default if choices[name] is None else choices[name]

    recorded = choices["recorded"] or choices["csv"]
    taken = ("dialect", "start", "seconds", "once", "calm", "recorded", "csv", "labels")
    return Scenario(
        sensors=chosen("sensors", 0 if recorded else defaults.sensors),
        rate=chosen("rate", defaults.rate),
        seed=chosen("seed", defaults.seed),
        faults=chosen("faults", defaults.faults),
        **{name: choices[name] for name in taken},
    )


@click.command(epilog=_EXAMPLES)
@click.option("--sensors", type=click.IntRange(min=0), help="Synthetic sensors; beside recorded data: none.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True, max=100), help="Readings a second of each sensor."
)
@click.option("--speed", type=Speed(), help="Simulated seconds a second, or max.")
@click.option("--then", type=Speed(), help="Speed after the recorded data has ended.")
@click.option(
    "--faults", help="kind or kind:share, comma separated, or all. See docs/reference/simulator.md."
)
@click.option(
    "--as",
    "dialect",
    type=click.Choice(["zigbee2mqtt", "tasmota", "shelly", "sparkplug"]),
    callback=lambda _context, _option, chosen: chosen or "",  # a default must be one of the choices, too
    help="Publish as devices of that system do, not in Weir's own form.",
)
@click.option("--seed", type=int, help="Same seed, same readings and faults.")
@click.option("--calm", type=click.IntRange(min=0), default=0, help="Readings without faults at the start.")
@click.option(
    "--start",
    type=EventTime(),
    help="Event time of the first reading. Default: so that --for ends at the present; now; the recording's.",
)
@click.option("--for", "seconds", type=Duration(), help="How long, in simulated time: 60s, 5m, 2h, 1d.")
@click.option("--once", is_flag=True, help="End with the recorded data, or after --for.")
@click.option("--recorded", multiple=True, type=click.Choice(["waterflow"]), help="Recorded data by name.")
@click.option(
    "--csv", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV file."
)
@click.option(
    "--labels", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Anomalies in the CSV."
)
@click.option(
    "--state", type=click.Path(dir_okay=False, path_type=Path), help="File to go on from after a restart."
)
def simulator(
    speed: float | None, then: float | None, start: float | None, state: Path | None, **choices: Any
) -> None:
    """Publish synthetic or recorded sensors over MQTT, with ground truth of every fault.

    What is not given comes from the settings (WEIR_SIMULATOR__...). The same seed and start give the same
    bytes. With a state file, a simulator that is killed goes on where it was.
    """
    from bridges.mqtt.outlet import MqttOutlet
    from bridges.process import settings as all_settings
    from bridges.process.logs import configure, get_logger
    from bridges.process.metrics_server import MetricsServer
    from bridges.simulator.ahead import first_event_time
    from bridges.simulator.simulator import Simulation, StateFile, read_state

    settings = all_settings.load()
    configure(settings, "simulator")
    defaults = settings.simulator
    state = state or defaults.state_file
    speed = defaults.speed if speed is None else speed
    if start is None and not (choices["recorded"] or choices["csv"]):
        kept, length = read_state(state), choices["seconds"]
        start = kept["plan"]["start"] if kept else first_event_time(time.time(), seconds=length, speed=speed)
    scenario = scenario_of({**choices, "start": start}, defaults)
    simulation = Simulation(
        scenario.sources(),
        MqttOutlet(settings.mqtt, defaults.connections),
        StateFile(state, scenario.describe()),
        start=scenario.begins,
        speed=speed,
        max_inflight=defaults.max_inflight,
        overlap=defaults.overlap_seconds,
        ready_url=defaults.ready_url,
        then=None if then is None else (scenario.recorded_until, then),
        max_ahead=settings.bridge.max_future_seconds,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: simulation.stop())
    server = None
    if defaults.metrics_port is not None:
        server = MetricsServer(
            defaults.metrics_host,
            defaults.metrics_port,
            why_not_ready=simulation.why_not_ready,
            ledger=simulation.counts,
            allowed_hosts=settings.web.allowed_hosts,
            setting="WEIR_SIMULATOR__METRICS_PORT",
        )
        get_logger(__name__).info("metrics.opened", port=server.port)
    try:
        finished = simulation.run()
    finally:
        if server is not None:
            server.close()
    counted = ", ".join(f"{count:,} {kind}" for kind, count in simulation.counts().items())
    click.echo(f"{'finished' if finished else 'stopped'}: {counted} messages acknowledged")
    if told := simulation.ahead.told:
        click.echo(told)
