"""Who is there and who is not: real workers tell it of the devices on a real Kafka, wherever it is asked."""

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from agents.cli import main
from bridges.devices.device_registry import write_devices
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import KafkaSettings, Settings
from streams.records.identity import reading_id
from streams.records.types import Anomaly, Device, Presence, Reading, Tick, encode
from tests.support.patience import PATIENCE
from tests.support.worker_process import WorkerProcess


class Plant:
    """Devices on Kafka, and workers that look at them."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.name = f"t{secrets.token_hex(5)}"
        self.settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=f"{self.name}.", partitions=4))
        ensure_topics(self.settings)
        self.environment = {
            "WEIR_KAFKA__BROKERS": kafka,
            "WEIR_KAFKA__NAMESPACE": f"{self.name}.",
            "WEIR_KAFKA__PARTITIONS": "4",
            "WEIR_WORKER__SINKS": "false",
            "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2",
            "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": "6",
            "WEIR_WEB__PEER_SECRET": secrets.token_hex(8),
        }
        self._folder = folder
        self._producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2"})
        self.workers: list[WorkerProcess] = []

    def start(self) -> WorkerProcess:
        """Start a worker."""
        worker = WorkerProcess(self.environment, self._folder, f"worker-{len(self.workers)}")
        self.workers.append(worker)
        worker.start()
        return worker

    def measured(self, sensor_id: str, every: float, until: float) -> None:
        """Have readings of a sensor stand in the log, as they arrived."""
        for number in range(40):
            at = round(until - (39 - number) * every, 3)
            reading = Reading(sensor_id, at, {"t": float(number)})
            self._producer.produce(
                self.settings.topic("readings"), encode(reading), sensor_id.encode(), timestamp=round(at * 1000),
                headers=[("id", reading_id(sensor_id, at, reading.values, None))],
            )  # fmt: skip
        self._producer.flush(30)

    def ticked(self, at: float) -> None:
        """Have the log's time be that."""
        for partition in range(4):
            self._producer.produce(
                self.settings.topic("readings"),
                encode(Tick(at, steady=86_400)),
                partition=partition,
                timestamp=round(at * 1000),
            )
        self._producer.flush(30)

    def said(self, *records: Presence) -> None:
        """Have changes of presence stand in the log."""
        for record in records:
            self._producer.produce(self.settings.topic("presence"), encode(record), record.sensor_id.encode())
        self._producer.flush(30)

    def put(self, topic: str, key: str, record: Anomaly) -> None:
        """Write a record to a topic."""
        self._producer.produce(self.settings.topic(topic), encode(record), key.encode())
        self._producer.flush(30)

    def text(self, path: str, worker: int = 0) -> str:
        """Return a page of a worker."""
        address = f"http://127.0.0.1:{self.workers[worker].port}{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            body: bytes = answer.read()
            return body.decode()

    def get(self, path: str, worker: int = 0) -> dict[str, Any]:
        """Return a page of a worker, in JSON."""
        found: dict[str, Any] = json.loads(self.text(path, worker))
        return found

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if condition():
                    return
            except (OSError, KeyError):
                pass
            assert time.monotonic() < deadline, f"not {what}: {[each.tail() for each in self.workers]}"
            time.sleep(0.2)

    def weir(self, *arguments: str) -> Result:
        """Run a command against the first worker."""
        port = str(self.workers[0].port)
        return CliRunner().invoke(main, list(arguments), env={**self.environment, "WEIR_WEB__PORT": port})


@pytest.fixture
def plant(kafka: str, tmp_path: Path) -> Iterator[Plant]:
    found = Plant(kafka, tmp_path)
    yield found
    for worker in found.workers:
        worker.kill()


def test_everybody_is_told_who_is_silent_or_disconnected_since_when_and_why(plant: Plant) -> None:
    now = round(time.time(), 3)
    plant.measured("quiet", 10.0, now - 4000)
    plant.measured("steady", 10.0, now - 2)
    plant.measured("stubborn", 10.0, now - 3)  # its topic says otherwise
    plant.measured("hourly", 3600.0, now - 5000)
    plant.measured("promised", 10.0, now - 4000)
    plant.measured("limited", 600.0, now - 300)  # nothing unusual, and its limit is over
    plant.environment["WEIR_DETECTION__SERIES"] = (
        '{"limited/t": {"silent_after_seconds": 100, "severity": "critical"}}'
    )
    plant.ticked(now)
    plant.said(
        Presence("plug", "disconnected", now - 50, "Offline", "tele/plug/LWT"),
        Presence("stubborn", "disconnected", now - 5000, "Offline", "tele/stubborn/LWT", retained=True),
        Presence("steady", "online", now - 900, "Online", "tele/steady/LWT"),
        Presence("old", "withdrawn", now - 900, "", "tele/old/LWT"),
    )
    write_devices(
        plant.settings,
        [
            Device("quiet", now, "Boiler 1", "hall 7"),
            Device("promised", now, interval=3600.0),
            Device("spare", now),
            Device("limited", now, place="plant/hall 2/line 3", machine="M 1"),
            Device("hourly", now, place="plant/hall 2"),
            Device("steady", now, place="plant / hall 1"),
        ],
    )
    plant.start()
    plant.start()
    wanted = {
        "hourly": "online", "limited": "silent", "plug": "disconnected", "promised": "online", "quiet": "silent",
        "spare": "unknown", "steady": "online", "stubborn": "online",
    }  # fmt: skip

    def states(worker: int) -> dict[str, str]:
        return {row["key"]: row["state"] for row in plant.get("/api/devices", worker)["rows"]}

    def as_wanted() -> bool:
        plant.ticked(now)  # a worker that takes a partition over has seen nothing go by yet
        return states(0) == states(1) == wanted

    plant.until(as_wanted, "all devices told by both workers")
    limited, silent = plant.get("/api/devices?state=silent")["rows"]
    assert (limited["since"], limited["last"]) == (now, now - 300)
    assert limited["reason"].startswith("an anomaly of silence is open: no t for ")
    assert (silent["since"], silent["last"]) == (now, now - 4000)
    assert (silent["name"], silent["place"]) == ("Boiler 1", "hall 7")
    assert silent["reason"] == "nothing for 66.7 min, usually every 10 s at the latest"
    [plug] = plant.get("/api/devices?state=disconnected", 1)["rows"]
    assert (plug["since"], plug["reason"]) == (now - 50, "tele/plug/LWT: Offline")
    assert [row["key"] for row in plant.get("/api/devices?find=BOILER")["rows"]] == ["quiet"]
    assert [row["key"] for row in plant.get("/api/devices?find=st")["rows"]] == ["steady", "stubborn"]
    first = plant.get("/api/devices?limit=2")
    following = plant.get(f"/api/devices?limit=2&after={first['next']}")
    assert [row["key"] for row in following["rows"]] == ["plug", "promised"]

    told = {each["name"]: each["text"] for each in plant.get("/api/overview")["conditions"]}
    assert told["silent"] == "2 sensors are silent"
    assert told["unheard"] == "1 device of the registry was never heard of: spare"
    assert told["disconnected"] == "1 device is disconnected"
    assert 'weir_devices{state="online"}' in plant.text("/metrics")

    listed = plant.weir("devices", "list", "--state", "silent,disconnected")
    assert listed.exit_code == 0, listed.output
    limited_line, plug_line, quiet_line = listed.output.splitlines()
    assert limited_line.startswith("limited: plant/hall 2/line 3; machine M 1; silent since 20")
    assert plug_line.startswith("plug: disconnected since 20")
    assert quiet_line.startswith("quiet: Boiler 1, hall 7; silent since 20")

    def silent_lines() -> list[str]:
        return plant.weir("sensors", "--state", "silent").output.splitlines()

    plant.until(lambda: len(silent_lines()) == 2, "both in the list of sensors, which is put in order later")
    limited_line, quiet_line = silent_lines()
    assert "(an anomaly of silence is open: no t for " in limited_line
    assert "(nothing for 66.7 min, usually every 10 s at the latest)" in quiet_line
    [row] = plant.weir("devices", "list", "--place", "hall 7", "--json").output.splitlines()
    found = json.loads(row)
    assert (found["sensor_id"], found["state"], found["since"]) == ("quiet", "silent", now)
    status = plant.weir("status", "--without", "analysis", "--json")
    assert status.exit_code == 1
    assert {"2 sensors are silent", "1 device of the registry was never heard of: spare"} <= {
        each["text"] for each in json.loads(status.output)["conditions"]
    }

    alarms = {"hall 2": 1, "line 3": 1, "plant": 1}
    for worker in (0, 1):
        plant.until(partial(_are_counted, plant, worker), "counted by place")
        assert by_place(plant, "", worker) == [row for row in PLACES if not row[0]]
        assert by_place(plant, "unfold=plant", worker) == [
            row for row in PLACES if row[0] < 2 and row[1] != "line 3"
        ]
        rows = plant.get("/api/places?levels=9", worker)["rows"]
        assert {row["name"]: row["alarms"]["critical"] for row in rows if row["unacknowledged"]} == alarms
        assert {row["name"] for row in rows if row["anomalies"]} == alarms.keys()
        [hall_7] = [row for row in rows if row["name"] == "hall 7"]
        assert (hall_7["last"], hall_7["states"]["silent"], hall_7["key"]) == (now - 4000, 1, "hall 7")
        assert by_place(plant, "by=machine", worker) == [
            (0, "M 1", 1, "critical"),
            (0, "", 7, "disconnected"),
        ]
        assert by_place(plant, "by=quantity&under=plant/hall%202", worker) == [(0, "t", 2, "critical")]
        assert by_place(plant, "find=STE&state=online", worker) == [(0, "plant", 1, "online")]
    total = plant.get("/api/places?by=quantity")["total"]
    assert total["states"] == {"disconnected": 1, "silent": 2, "late": 0, "online": 4, "unknown": 1}
    assert sum(total["ranked"].values()) == total["sensors"] == len(wanted)
    counted = plant.weir("sensors", "--by", "place", "--json").output.splitlines()
    assert [(row["depth"], row["name"]) for row in map(json.loads, counted)] == [row[:2] for row in PLACES]
    shown = plant.weir("sensors", "--by", "place", "limited").output.splitlines()
    assert [line.split("  last")[0] for line in shown] == [
        f"{margin}{name}  1 sensor: 1 critical  alarms: 1 critical; 1 unacknowledged  open anomalies: 1"
        for margin, name in (("", "plant"), ("  ", "hall 2"), ("    ", "line 3"))
    ]
    assert plant.weir("sensors", "--by", "group").output.startswith("(none known)  8 sensors: 1 critical, ")
    assert plant.weir("sensors", "--by", "machine", "--open").exit_code == 2

    plant.said(Presence("stubborn", "disconnected", now - 50, "Offline", "tele/stubborn/LWT"))
    newest = json.loads(plant.weir("devices", "history", "stubborn", "--json").output.splitlines()[0])
    assert (newest["state"], newest["since"]) == ("online", now - 3), "its topic says otherwise, and it sends"

    plant.measured("quiet", 10.0, now + 500)
    plant.ticked(now + 500)
    plant.until(lambda: states(0)["quiet"] == "online", "back when it sends")

    def past(sensor: str) -> list[tuple[str, float, float | None]]:
        lines = plant.weir("devices", "history", sensor, "--json").output.splitlines()
        return [(each["state"], each["since"], each["until"]) for each in map(json.loads, lines)]

    begun, back = round(now - 4390, 3), round(now + 110, 3)
    wanted_past = [("online", back, None), ("silent", now, back), ("online", begun, now)]
    plant.until(lambda: past("quiet") == wanted_past, "its past")
    assert past("plug") == [("disconnected", now - 50, None)]
    [line] = plant.weir("devices", "history", "plug").output.splitlines()
    assert line.startswith("disconnected since 20") and line.endswith("UTC: tele/plug/LWT: Offline")
    assert plant.weir("devices", "history", "nobody").output == "nothing is known of nobody\n"
    assert plant.weir("replay", "--verify").exit_code == 0


def test_what_only_a_worker_knows_that_does_not_answer_is_told_as_unknown(plant: Plant) -> None:
    plant.said(Presence("plug", "disconnected", time.time() - 50, "Offline", "tele/plug/LWT"))
    plant.start()
    plant.environment["WEIR_WEB__PEER_SECRET"] = secrets.token_hex(8)  # what it answers proves nothing
    other = plant.start()
    plant.until(lambda: plant.get("/api/devices")["missing"] != [], "asked the other one in vain")
    missing = f"workers do not answer, whose sensors would be missing: http://127.0.0.1:{other.port}"

    told = plant.weir("devices", "history", "plug")
    assert (told.exit_code, told.stderr) == (0, f"whether it sends is not known: {missing}\n")
    assert told.stdout.startswith("disconnected since 20")
    listed = plant.weir("devices", "list")
    assert listed.stderr == f"which sensors are silent or late is not known: {missing}\n"
    assert listed.stdout.startswith("plug: disconnected since 20"), "from Kafka alone"
    refused = plant.weir("devices", "list", "--state", "silent")
    assert refused.exit_code != 0 and missing in refused.output

    plant.workers[0].kill()
    told = plant.weir("devices", "history", "plug")
    assert told.stderr.startswith("whether it sends is not known: the worker at ")


def test_a_device_has_the_same_past_whichever_worker_is_asked(
    plant: Plant, mongo: str, mongo_database: str
) -> None:
    plant.environment |= {
        "WEIR_WORKER__SINKS": "true",
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": mongo_database,
    }
    now = round(time.time(), 3)
    sensors = [f"stubborn-{number}" for number in range(8)]  # each sends, whatever its topic says
    for sensor in sensors:
        plant.measured(sensor, 10.0, now - 3)
        plant.said(Presence(sensor, "disconnected", now - 50, "Offline", f"tele/{sensor}/LWT"))
    plant.ticked(now)
    plant.start()
    plant.start()

    def newest(sensor: str, worker: int) -> tuple[str, float]:
        told = plant.get(f"/api/devices/history?sensor={sensor}", worker)
        assert told["missing"] == []
        return next(((row["state"], row["since"]) for row in told["rows"]), ("", 0.0))

    def each_is_online() -> bool:
        plant.ticked(now)
        return {newest(sensor, worker) for sensor in sensors for worker in (0, 1)} == {("online", now - 3)}

    plant.until(each_is_online, "told alike by both workers")

    plant.workers[1].kill()
    told = [plant.get(f"/api/devices/history?sensor={sensor}") for sensor in sensors]
    away = [each for each in told if each["missing"]]
    assert away, "some were the other worker's"
    assert {each["rows"][0]["state"] for each in away} == {"disconnected"}


PLACES = [
    (0, "plant", 3, "critical"),
    (1, "hall 2", 2, "critical"),
    (2, "line 3", 1, "critical"),
    (2, "hall 2", 1, "online"),  # itself
    (1, "hall 1", 1, "online"),
    (0, "", 4, "disconnected"),
    (0, "hall 7", 1, "silent"),
]
"""Level and name of each place, how many sensors it has with what lies below it, and how the worst of them is."""


def by_place(plant: Plant, query: str, worker: int) -> list[tuple[int, str, int, str]]:
    """Return the rows of the page of places, as `PLACES` has them."""
    page = plant.get(f"/api/places?{query}", worker)
    if page["missing"] or page["not_whole"]:
        return []
    return [(row["depth"], row["name"], row["sensors"], row["worst"]) for row in page["rows"]]


def _are_counted(plant: Plant, worker: int) -> bool:
    return by_place(plant, "levels=9", worker) == PLACES


def test_names_places_and_units_stand_beside_ids_and_are_found(plant: Plant) -> None:
    now = round(time.time(), 3)
    for sensor_id in ("0x17", "0x18"):
        plant.measured(sensor_id, 10.0, now)
    plant.ticked(now)
    named = [
        Device("0x17", now, "Freezer", "Keller", units={"t": "°C"}),
        Device("0x01", now, "Spare", machine="M 1"),
    ]
    write_devices(plant.settings, named)
    plant.start()
    plant.start()

    def rows(query: str, worker: int) -> list[tuple[str, str]]:
        page = plant.get(f"/api/sensors?{query}", worker)
        return [(row["key"], row["device"]["name"]) for row in page["rows"]]

    for worker in (0, 1):
        plant.until(partial(_is, rows, worker, [("0x17", "Freezer"), ("0x18", "")]), "both told")
        assert rows("find=keller", worker) == rows("find=FREEZ", worker) == [("0x17", "Freezer")]
        assert [key for key, _ in rows("find=0x1", worker)] == ["0x17", "0x18"]
        assert rows("find=attic", worker) == []
        assert rows("find=%C2%B0C", worker) == rows("find=x17", worker) == [("0x17", "Freezer")]
        plant.until(partial(_is_in_order, plant, worker, [(7, "0x17"), (7, "0x18"), (8, "0x01")]), "in order")
        assert (
            rows("sort=worst&state=unknown", worker)
            == rows("sort=worst&find=spare", worker)
            == [("0x01", "Spare")]
        )
        for query, found in CHOSEN.items():
            assert {key for key, _ in rows(f"sort=worst&{query}", worker)} == set(found), query
            sent = [key for key in found if key != "0x01"]
            assert [key for key, _ in rows(query, worker)] == sent, f"by id: {query}"
        device = plant.get("/api/sensors/0x17", worker)["device"]
        assert (device["place"], device["units"], device["state"]) == ("Keller", {"t": "°C"}, "online")
    # An anomaly and an alarm of a limit that the value has crossed, each with the name.
    anomaly = Anomaly(
        "0" * 24, "0x17", "t", "raised", now, now, 0.99, 9.0, 1.0, 0.0, 2.0, "above", "level", 500
    )
    plant.put("anomalies", anomaly.sensor_id, anomaly)
    for worker in (0, 1):
        plant.until(partial(_has_anomalies, plant, worker), "anomaly seen")
        [told] = plant.get("/api/overview", worker)["anomalies"]
        assert (told["sensor_id"], told["label"], told["unit"]) == ("0x17", "Freezer, Keller", "°C")


CHOSEN = {
    "prefix=0x1": ["0x17", "0x18"],
    "prefix=0x1&find=freezer": ["0x17"],
    "state=online": ["0x17", "0x18"],
    "state=silent,unknown": ["0x01"],
    "state=silent&prefix=0x1": [],
    "place=Keller": ["0x17"],
    "under=Keller": ["0x17"],
    "under=Kell": [],
    "without=place": ["0x01", "0x18"],
    "without=place,machine": ["0x18"],
    "machine=M%201": ["0x01"],
    "measures=t": ["0x17", "0x18"],
    "measures=t&without=place": ["0x18"],
}
"""What chooses sensors, and those that it has to choose, in whatever order they are listed."""


def _is(
    rows: Callable[[str, int], list[tuple[str, str]]], worker: int, wanted: list[tuple[str, str]]
) -> bool:
    return rows("", worker) == wanted


def _is_in_order(plant: Plant, worker: int, wanted: list[tuple[int, str]]) -> bool:
    """Tell whether these are all sensors that are known, the worst first, asked for one by one."""
    found, after = [], ""
    for _ in range(1 + len(wanted)):
        page = plant.get(f"/api/sensors?sort=worst&limit=1&after={quote(after)}", worker)
        found += [(row["rank"], row["key"]) for row in page["rows"]]
        if not page["next"]:
            break
        after = page["next"]
    return found == wanted


def _has_anomalies(plant: Plant, worker: int) -> bool:
    return bool(plant.get("/api/overview", worker)["anomalies"])


def test_a_state_that_is_none_is_refused_with_those_that_are(plant: Plant) -> None:
    plant.start()
    plant.until(lambda: plant.get("/api/devices")["rows"] == [], "answered")
    for path in (
        "/api/sensors?state=gone",
        "/api/sensors?sort=worst&without=floor",
        "/api/devices?without=id",
    ):
        with pytest.raises(urllib.error.HTTPError) as wrong:
            plant.get(path)
        assert "must be of" in json.load(wrong.value)["error"], path
    refused = plant.weir("devices", "list", "--state", "gone")
    assert refused.exit_code == 2
    assert "disconnected, silent, late, online, unknown, got 'gone'" in str(refused.output)
