"""The commands of the README and of the how-to pages, as a reader types them, with what they say.

What varies (counts, times, ports that are free) may be any number; words, order and exit codes may not differ.
"""

import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from fcntl import ioctl
from pathlib import Path
from threading import Thread
from types import MappingProxyType

import pytest

from tests.support.documented import Command, blocks_of, command_of, commands_of, lines_like
from tests.support.town import Running, Town

README = "README.md"
LOCAL_STACK = "docs/howto/local-stack.md"
DEVICE = "docs/howto/connect-a-device.md"
REPLAY = "docs/howto/replay.md"
LOOK = "docs/howto/look.md"

AT_WORK = re.compile(r"; [\d,]+ of later readings not compared")
"""What a verification says beside a worker that is about to commit; the page has it in words, not in the output."""
SENSORS = 2
QUARTERS_OF_AN_HOUR = 7 * 24 * 4
SETTINGS = "[detection]\nraise_at = 0.99\n"
ARRIVED = """
import os, pymongo
uri = open(os.environ["WEIR_MONGO__URI_FILE"]).read().strip()
print(pymongo.MongoClient(uri)["server"].sensors.count_documents({"metadata.sensor_id": {"$regex": "^boiler-"}}))
"""
LOSE = """
import os
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
admin = AdminClient({"bootstrap.servers": os.environ["WEIR_KAFKA__BROKERS"]})
everything = [TopicPartition("aggregates", number, -1) for number in range(4)]
[each.result() for each in admin.delete_records(everything).values()]
"""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A folder with the files that the pages speak of: recorded readings, settings to try, a map."""
    town = Town(tmp_path)
    rows = [
        f"2026-10-{1 + quarter // 96:02}T{quarter // 4 % 24:02}:{quarter % 4 * 15:02}:00Z,boiler-{sensor},"
        f"{60 + (quarter * 7 + sensor) % 11 / 10 + (25 if quarter == 500 else 0)}\n"
        for quarter in range(QUARTERS_OF_AN_HOUR)
        for sensor in range(SENSORS)
    ]
    (tmp_path / "hall.csv").write_text("collected_at,sensor_id,temperature\n" + "".join(rows))
    for name in ("b.toml", "new.toml"):
        (tmp_path / name).write_text(SETTINGS)
    (tmp_path / "maps").mkdir()
    yield town
    town.close()


def types(
    town: Town,
    command: Command,
    *,
    codes: tuple[int, ...] = (0,),
    instead: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Type a command of a page, and hold what comes against the page.

    Args:
        town: Where.
        command: What.
        codes: Exit codes that are right.
        instead: Words that name something of the reader's own, and what is here instead.
    """
    text = command.text
    for word, here in instead.items():
        assert word in text
        text = text.replace(word, here)
    said = town.run(text, codes=codes)
    assert lines_like(command.output, AT_WORK.sub("", said)) == [], f"{text}\n{said}"
    return said


@pytest.mark.timeout(2400)
def test_the_commands_of_the_readme_and_of_the_page_on_replay_work_beside_weir_up(town: Town) -> None:
    with town.running(command_of(README, "weir up").text) as up:
        up.until_said("everything runs: Ctrl-C stops it")
        up.until(lambda: '"received":' in town.get("/api/ledger", 9108), "the bridge has a ledger")
        types(town, command_of(README, "weir doctor"))
        said = types(town, command_of(README, "weir map try"))
        assert "reading of kitchen" in said
        assert "temperature = 21.5" in said
        with town.running(command_of(README, "weir simulator").text) as simulator:
            up.until(lambda: labels(town) > 0, "the truth about a fault is published")
            assert simulator.interrupt() == 0
        assert re.search(r"stopped: [\d,]+ reading, .* messages acknowledged", simulator.text)
        second_worker(town)
        what_weir_up_does_not_stop(town, up)
        looked_at(town)
        recorded(town, up)
        assert up.interrupt() == 0
    assert "Traceback" not in up.text


def labels(town: Town) -> int:
    """Return how many labels the bridge has carried."""
    return int(json.loads(town.get("/api/ledger", 9108) or '{"items": {"labels": 0}}')["items"]["labels"])


def second_worker(town: Town) -> None:
    """Another worker beside it, with the addresses of the stack."""
    types(town, command_of(LOCAL_STACK, "set -a;"))
    with town.running(command_of(LOCAL_STACK, "WEIR_WEB__PORT=3001").text) as worker:
        worker.until(lambda: '"ready":true' in town.get("/health/ready", 3001), "the second worker is ready")
        assert worker.interrupt() == 0


def what_weir_up_does_not_stop(town: Town, up: Running) -> None:
    """Readings of a file go the whole way, before they are asked about."""
    town.run("weir simulator --csv hall.csv --once --speed max")
    (town.folder / "arrived.py").write_text(ARRIVED)
    wanted = str(SENSORS * QUARTERS_OF_AN_HOUR)
    up.until(
        lambda: town.run(f"{sys.executable} arrived.py").strip() == wanted, "the recording is in MongoDB"
    )


def looked_at(town: Town) -> None:
    """What people see of it."""
    for command in (command_of(README, "weir status"), command_of(LOOK, "weir status")):
        said = types(town, command, codes=(0, 1))  # the recording has an anomaly, which may be open
        assert said.splitlines()[-1] in ("all is well", "something is wrong")
    beginnings = (
        "weir sensors --limit",
        "weir sensors --by",
        "weir anomalies",
        "weir tail",
        "weir trace",
        "weir export",
        "weir replay",
    )
    for beginning in beginnings:
        types(town, command_of(LOOK, beginning))


def recorded(town: Town, up: Running) -> None:
    """What is asked about readings that Kafka has."""
    types(town, command_of(REPLAY, "weir replay --verify"))
    types(
        town,
        command_of(README, "weir replay --verify"),
        instead={"--from …": "--from 2026-10-01", "--to …": "--to 2026-10-08"},
    )
    said = types(town, command_of(README, "weir backtest"))
    assert "current → new" in said
    assert (town.folder / "r.html").stat().st_size > 1000
    # 3: what was held out does not keep the budget, which the readings decide.
    said = types(town, command_of(README, "weir tune"), codes=(0, 3))
    assert "chosen: raise_at" in said
    for command in commands_of(REPLAY)[1:]:
        if command.text.startswith("weir backfill"):
            lose_aggregates(town)
        said = types(town, command)
    assert "nothing has been written" in said, "the last command of the page is the one that fills in"


def lose_aggregates(town: Town) -> None:
    """Delete what stands on a topic of results, as retention would."""
    (town.folder / "lose.py").write_text(LOSE)
    town.run(f"{sys.executable} lose.py")


@pytest.mark.timeout(1800)
def test_bridge_and_worker_run_by_themselves_beside_servers(town: Town) -> None:
    maps, _counters = [content for language, content in blocks_of(DEVICE) if language == "toml"]
    (town.folder / "maps" / "greenhouse.toml").write_text(maps)
    with town.running("weir up --with kafka,mqtt,mongo") as up:
        up.until_said("everything runs: Ctrl-C stops it")
        for command in (command_of(README, "weir bridge"), command_of(DEVICE, "WEIR_MQTT__MAPS")):
            with town.running(command.text) as bridge:
                bridge.until(
                    lambda: '"ready": true' in town.get("/health/ready", 9108), "the bridge is ready"
                )
                assert bridge.interrupt() == 0, bridge.text
        worker = command_of(README, "weir worker").text
        _, _, or_ = worker.partition("# or: ")
        for text in (worker, or_):
            with town.running(text) as process:
                process.until(lambda: '"ready":true' in town.get("/health/ready"), f"{text}: it is ready")
                assert process.interrupt() == 0, process.text[-3000:]
        suggest = command_of(DEVICE, "WEIR_MQTT__HOST=broker")
        said = types(town, suggest, instead={"HOST=broker": "HOST=127.0.0.1", "60s": "3s"})
        assert re.search(r"of [\d,]+ messages [\d,]+ would be readings", said)
        assert up.interrupt() == 0


def test_the_screen_of_weir_up_shows_what_the_page_shows(town: Town) -> None:
    up, doctor = command_of(LOCAL_STACK, "weir up"), command_of(LOCAL_STACK, "weir doctor")
    wanted = [" ".join(line.split()[:3]) for line in up.output.splitlines()]
    screen, ours = pty.openpty()
    ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    shell = subprocess.Popen(
        [*town.network.prefix, "bash", "-c", f"exec {up.text}"], cwd=town.folder, env=town.environment,
        stdin=ours, stdout=ours, stderr=ours, start_new_session=True,
    )  # fmt: skip
    os.close(ours)
    log = town.folder / "screen"
    log.touch()
    reader = Thread(target=keep, args=(screen, log))
    reader.start()
    terminal = Running(shell, log)
    try:
        terminal.until(lambda: "everything runs" in terminal.text, "everything runs")
        terminal.until(lambda: missing(wanted, terminal.text) == [], f"the rows {wanted}")
        said = types(town, Command(doctor.page, doctor.text))
        assert (
            missing([line.split("  ")[0] for line in doctor.output.splitlines() if line != "…"], said) == []
        )
        always = [line for line in doctor.output.splitlines() if line.startswith(("worker", "MongoDB"))]
        assert lines_like("\n".join(always), said) == []
    finally:
        assert terminal.interrupt() == 0
        reader.join()


def keep(screen: int, log: Path) -> None:
    """Write down what a terminal shows, without its colours and movements."""
    with log.open("ab", buffering=0) as file:
        while True:
            try:
                shown = os.read(screen, 65_536)
            except OSError:
                return
            file.write(re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).replace(b"\r", b""))


def missing(rows: list[str], text: str) -> list[str]:
    """Return the rows that do not stand at the beginning of a line; any port does for the simulator's."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    patterns = {row: re.sub(r":16\d{3}", r":\\d+", re.escape(row)) for row in rows}
    return [row for row, pattern in patterns.items() if not any(re.match(pattern, line) for line in lines)]
