"""``weir up``: run everything on this machine."""

from itertools import chain
from pathlib import Path

import click

_EXAMPLES = """
\b
Examples:
  weir up                                     everything, with simulated sensors
  weir up --profile demo                      the same, with recorded sensors and faults that are known
  weir up --with kafka,mqtt,mongo             only the servers
  weir up --without simulator                  everything but the simulator
  weir up --port kafka=9192 --port mqtt=1884  other ports
  WEIR_KAFKA__BROKERS=kafka-1:9092 weir up    with a Kafka that is there already
"""


class PartNames(click.ParamType):
    """Names of parts, comma separated."""

    name = "parts"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names."""
        from bridges.stack.part import FORMER_NAMES, PARTS

        given = (part.strip() for part in str(value).split(",") if part.strip())
        names = tuple(FORMER_NAMES.get(part, part) for part in given)
        for name in names:
            if name not in PARTS:
                self.fail(f"no part {name!r}: choose from {', '.join(PARTS)}", param, ctx)
        return names


class PartProgram(click.ParamType):
    """``part=program``."""

    name = "part=program"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return part and program."""
        part, _, program = str(value).partition("=")
        if part not in ("mqtt", "mongo") or not program:
            self.fail(f"expected mqtt=PROGRAM or mongo=PROGRAM, got {value!r}", param, ctx)
        return part, program


class PartPort(click.ParamType):
    """``part=port``."""

    name = "part=port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return name and port."""
        from bridges.stack.part import FORMER_NAMES, PARTS

        part, _, port = str(value).partition("=")
        part = FORMER_NAMES.get(part, part)
        if part not in PARTS:
            self.fail(f"expected PART=PORT, with a part of {', '.join(PARTS)}, got {value!r}", param, ctx)
        if not port.isdecimal() or not 0 < int(port) < 65536:
            self.fail(f"expected PART=PORT such as kafka=9192, up to 65535, got {value!r}", param, ctx)
        return part, int(port)


@click.command(epilog=_EXAMPLES)
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), default=Path(".weir"), show_default=True
)
@click.option("--with", "only", type=PartNames(), multiple=True, help="Run only these parts.")
@click.option("--without", type=PartNames(), multiple=True, help="Run all parts but these.")
@click.option("--port", "ports", type=PartPort(), multiple=True, help="Another port of a part.")
@click.option(
    "--free-ports", is_flag=True, help="Take any free port for every part that --port does not name."
)
@click.option(
    "--program", "programs", type=PartProgram(), multiple=True,
    help="Not the best that is installed: mqtt=mosquitto, mqtt=rumqttd, mongo=mongod, mongo=secantusdb.",
)  # fmt: skip
@click.option("--profile", type=click.Choice(["default", "demo"]), default="default", show_default=True)
def up(
    data: Path,
    only: tuple[tuple[str, ...], ...],
    without: tuple[tuple[str, ...], ...],
    ports: tuple[tuple[str, int], ...],
    free_ports: bool,
    programs: tuple[tuple[str, str], ...],
    profile: str,
) -> None:
    """Run Kafka, MQTT, MongoDB, bridge, worker, analysis and simulator on this machine, until Ctrl-C.

    Nothing has to be installed for it: no Docker, no Java, no root. What is written goes to the data folder;
    a later start goes on with it. A server that the settings name (WEIR_KAFKA__BROKERS, WEIR_MQTT__HOST,
    WEIR_MONGO__URI) is used as it is. What dies is started again.
    """
    from bridges.process import settings as all_settings
    from bridges.stack.part import PARTS
    from bridges.stack.parts import Plan
    from bridges.stack.run import run_stack

    chosen, left_out = tuple(chain.from_iterable(only)), frozenset(chain.from_iterable(without))
    parts = tuple(name for name in chosen or PARTS if name not in left_out)
    plan = Plan(
        data=data,
        parts=parts,
        ports=dict(ports),
        programs=dict(programs),
        free_ports=free_ports,
        profile=profile,
    )
    run_stack(all_settings.load(), plan)
