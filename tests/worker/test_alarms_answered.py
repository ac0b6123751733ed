"""A limit is crossed: the alarm is on the page's list, people answer it by HTTP and by command, and it is over."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.devices.device_registry import write_devices
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import Settings, load
from streams.records.topics import ACTIONS, LABELS
from streams.records.types import Device, Label, Reading, Tick, encode
from tests.support.documented import command_of, commands_of
from tests.support.patience import PATIENCE
from tests.support.receivers import WebReceiver, web_receiver
from tests.support.recorded_day import Sent, send
from tests.support.topic_records import records_of, values_on
from tests.support.worker_process import WorkerProcess, environment, until_ready


class Plant:
    """A worker, and sensors whose values are told it."""

    def __init__(self, settings: Settings, worker: WorkerProcess) -> None:
        self.settings = settings
        self.worker = worker

    def read(self, value: float, *sensors: str) -> None:
        """Have each sensor send a reading now."""
        now = round(time.time(), 3)
        readings = [Reading(name, now, {"pressure": value}) for name in sensors]
        send(
            self.settings,
            [Sent(each.sensor_id.encode(), encode(each), round(now * 1000)) for each in readings],
        )

    def tick(self, at: float, steady: int | None = None) -> None:
        """Let time pass: the first tick of the minute after ``at``."""
        begun = (at // 60 + 1) * 60
        send(self.settings, [Sent(None, encode(Tick(begun, steady)), round(begun * 1000))])

    def ask(self, path: str) -> Any:
        """Ask the worker's web server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.worker.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def post(self, action: dict[str, Any], path: str = "/api/actions") -> tuple[int, Any]:
        """Act over HTTP."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.worker.port}{path}",
            json.dumps(action).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    async def until_states(self, **wanted: str) -> dict[str, Any]:
        """Wait until the alarms that stand are these, by sensor; returns them."""
        found: dict[str, Any] = {}

        def stand() -> dict[str, str]:
            found.clear()
            found.update({each["sensor_id"]: each for each in self.ask("/api/alarms")["alarms"]})
            return {name: each["state"] for name, each in found.items()}

        await until(lambda: stand() == wanted, lambda: f"{stand()} instead of {wanted}")
        return found


async def until(
    told: Callable[[], object], found: Callable[[], str] = str, seconds: float = PATIENCE
) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(told):
        assert time.monotonic() < deadline, found()
        await asyncio.sleep(0.2)


async def weir(*arguments: str) -> str:
    told = await asyncio.to_thread(CliRunner().invoke, main, list(arguments))
    assert told.exit_code == 0, told.output
    return told.output


def variables_of(kafka: str, namespace: str) -> dict[str, str]:
    """Return the settings of a plant whose pressure has a limit, and whose alarms return at once."""
    return {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": namespace,
        "WEIR_WORKER__SINKS": "false",
        "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2",
        "WEIR_DETECTION__HIGH": "120",
        "WEIR_DETECTION__SEVERITY": "critical",
        "WEIR_ALARMS__RETURN_SECONDS": "0",
    }


async def test_an_alarm_is_seen_answered_and_over(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = variables_of(kafka, topic_prefix)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load()
    await asyncio.to_thread(ensure_topics, settings)
    worker = WorkerProcess(variables, tmp_path, "alarms")
    plant = Plant(settings, worker)
    try:
        worker.start()
        await until_ready([worker])
        await seen_and_acknowledged(plant)
        await shelved_until_its_time(plant)
        await said_to_be_right(plant)
        await planned(plant)
        await planned_at_a_place(plant)
        await of_one_cause(plant)
        assert await asyncio.to_thread(worker.stop) == 0
    finally:
        worker.kill()
    assert "live equals replay" in await weir("replay", "--verify")


async def told_by_status(plant: Plant) -> None:
    told = await asyncio.to_thread(
        CliRunner(env={"WEIR_WEB__PORT": str(plant.worker.port)}).invoke,
        main,
        ["status", "--json", "--without", "analysis"],
    )
    assert told.exit_code == 1, told.output
    worst, *others = json.loads(told.output)["conditions"]
    assert (worst["name"], worst["severity"]) == ("alarms", "bad")
    assert worst["text"].startswith("2 alarms stand, 2 unacknowledged; the worst: critical, b")
    assert "unknown" in {each["name"] for each in others}, "there is no bridge"


async def seen_and_acknowledged(plant: Plant) -> None:
    plant.read(130.0, "b1", "b2")
    stand = await plant.until_states(b1="unacknowledged", b2="unacknowledged")
    assert (stand["b1"]["severity"], stand["b1"]["value"]) == ("critical", 130.0)
    await told_by_status(plant)
    listed = [json.loads(line) for line in (await weir("alarms", "list", "--json")).splitlines()]
    assert {each["id"] for each in listed} == {each["id"] for each in stand.values()}
    one, two = stand["b1"]["id"], stand["b2"]["id"]
    posted = {"kind": "acknowledge", "by": "Ada", "alarm": one, "sensor_id": "b1"}
    status, answer = await asyncio.to_thread(plant.post, posted)
    assert (status, len(answer["action"])) == (202, 24)
    await weir("alarms", "ack", two[:12], "--by", "Grace", "--why", "on my way")
    await plant.until_states(b1="acknowledged", b2="acknowledged")
    shown = await weir("alarms", "show", two)
    assert "(acknowledged by Grace: on my way)" in shown
    for wrong in ({"kind": "shelve", "by": "Ada", "sensor_id": "b1"}, {"by": "Ada"}, {"kind": 5}, {"x": ""}):
        assert (await asyncio.to_thread(plant.post, wrong))[0] == 400, wrong
    plant.read(100.0, "b1", "b2")
    await plant.until_states()


async def shelved_until_its_time(plant: Plant) -> None:
    await weir("alarms", "shelve", "--sensor", "b1", "--for", "30m", "--by", "Ada", "--why", "known")
    await until(lambda: len(values_on(plant.settings, ACTIONS.name)) == 3)
    await asyncio.sleep(2)  # nothing tells that it is taken while no alarm stands
    plant.read(130.0, "b1")
    await plant.until_states(b1="shelved")
    plant.tick(time.time() + 2400)  # Kafka takes no record that is an hour ahead
    await plant.until_states(b1="unacknowledged")


async def said_to_be_right(plant: Plant) -> None:
    (alarm,) = (await plant.until_states(b1="unacknowledged")).values()
    await weir("alarms", "label", alarm["id"], "fault", "--by", "Ada")
    await until(lambda: len(values_on(plant.settings, LABELS.name)) == 1)
    (found,) = records_of(plant.settings, Label)
    assert (found.sensor_id, found.quantity, found.kind) == ("b1", "pressure", "fault")
    await weir("alarms", "comment", alarm["id"], "the valve sticks", "--by", "Ada")
    await until(lambda: plant.ask("/api/alarms")["alarms"][0]["event"] == "commented")
    plant.read(100.0, "b1")
    await plant.until_states(b1="returned")
    await weir("alarms", "ack", alarm["id"], "--by", "Ada")
    await plant.until_states()


async def planned(plant: Plant) -> None:
    now = time.time()
    told = await weir(
        "alarms",
        "plan",
        "b*",
        "--from",
        str(now - 60),
        "--to",
        str(now + 7200),
        "--why",
        "new valves",
        "--by",
        "Ada",
    )
    await asyncio.sleep(2)
    plant.read(130.0, "b1", "b2", "c1")
    await plant.until_states(b1="suppressed", b2="suppressed", c1="unacknowledged")
    action = told.split()[2]
    await weir("alarms", "withdraw", action, "--by", "Ada", "--why", "done early")
    await plant.until_states(b1="unacknowledged", b2="unacknowledged", c1="unacknowledged")


async def planned_at_a_place(plant: Plant) -> None:
    """Of whom the registry says so; on the page's API as on the command line, again each week, and off."""
    now = time.time()
    here = [Device("d1", 1.0, place="plant/hall 7"), Device("d2", 1.0, place="plant/hall 70")]
    await asyncio.to_thread(write_devices, plant.settings, here)
    work = {"place": "plant/hall 7", "by": "Ada", "why": "cleaning", "start": now - 60, "until": now + 7200}
    work |= {"every": "week", "times": 3, "zone": "Europe/Berlin"}

    async def post(path: str, told: dict[str, Any]) -> tuple[int, Any]:
        return await asyncio.to_thread(plant.post, told, path)

    for wrong in ({"place": "nowhere"}, {"zone": "Mars"}, {"every": "month"}, {"plan": "x"}, {"times": "3"}):
        assert (await post("/api/planned-work", work | wrong))[0] == 400, wrong
    told: dict[str, Any] = {}

    async def planned() -> None:
        status, answer = await post("/api/planned-work", work)
        assert status == 202 or "no device has place" in answer["error"], answer
        told.update(answer if status == 202 else {})

    while not told:  # the worker looks at the registry every few seconds
        await planned()
    assert (told["sensors"], told["times"]) == (1, 3)
    await until(lambda: plant.ask("/api/planned-work")["plans"])
    await asyncio.sleep(2)
    plant.read(130.0, "d1", "d2")
    before = dict.fromkeys(("b1", "b2", "c1"), "unacknowledged")
    await plant.until_states(d1="suppressed", d2="unacknowledged", **before)
    await until(lambda: plant.ask("/api/planned-work")["plans"][0]["kept"] == 1)
    (listed,) = (json.loads(line) for line in (await weir("alarms", "planned", "--json")).splitlines())
    assert listed == plant.ask("/api/planned-work")["plans"][0]
    assert (listed["plan"], listed["sensors"], listed["times_left"]) == (told["plan"], ["d1"], 3)
    assert "place plant/hall 7 (1 sensor), now: " in await weir("alarms", "planned")
    status, answer = await post("/api/planned-work/withdraw", {"plan": told["plan"], "by": "Ada"})
    assert (status, answer["actions"]) == (202, 3)
    await plant.until_states(d1="unacknowledged", d2="unacknowledged", **before)
    assert "off, withdrawn by Ada: cleaning" in await weir("alarms", "planned", "--all")
    assert "no work is planned" in await weir("alarms", "planned")
    again = await post("/api/planned-work/withdraw", {"plan": told["plan"], "by": "Ada"})
    assert again[0] == 400
    plant.read(100.0, "d1", "d2")
    await plant.until_states(d1="returned", d2="returned", **before)
    for sensor in ("d1", "d2"):
        await post("/api/actions", {"kind": "acknowledge", "by": "Ada", "sensor_id": sensor})
    await plant.until_states(**before)


async def of_one_cause(plant: Plant) -> None:
    plant.read(130.0, "hall:1", "hall:2", "hall:3", "lake")
    await until(lambda: [each["count"] for each in plant.ask("/api/alarms")["incidents"]] == [3])
    answer = await asyncio.to_thread(plant.ask, "/api/alarms")
    (incident,) = answer["incidents"]
    members = {each["sensor_id"]: each["alarm"] for each in incident["members"]}
    assert members.keys() == {"hall:1", "hall:2", "hall:3"}
    assert (incident["group"], incident["grouped_by"], incident["standing"]) == ("hall", "id", 3)
    part_of = {each["id"]: each["incident"] for each in answer["alarms"]}
    assert {name for name, each in part_of.items() if each == incident["id"]} == set(members.values())
    listed = (await weir("alarms", "list")).splitlines()
    (heading,) = (
        number for number, line in enumerate(listed) if "incident at sensors hall:*: 3 alarms" in line
    )
    assert {line.split()[0] for line in listed[heading + 1 : heading + 4]} == set(members.values())
    assert f"{incident['id']} critical open" in await weir("alarms", "show", members["hall:2"])
    acknowledged = await weir("alarms", "ack", members["hall:2"], "--incident", "--by", "Ada")
    assert len(acknowledged.splitlines()) == 3
    others = dict.fromkeys(("b1", "b2", "c1", "lake"), "unacknowledged")
    await plant.until_states(**others, **dict.fromkeys(members, "acknowledged"))


def test_each_target_is_tried_out_and_one_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with web_receiver() as hook:
        targets = {
            "well": {"format": "webhook", "url": hook.url},
            "gone": {"format": "slack", "url": "http://127.0.0.1:9/SECRET"},
        }
        monkeypatch.setenv("WEIR_NOTIFY__TARGETS", json.dumps(targets))
        told = CliRunner().invoke(main, ["alarms", "test-notify"])
        assert told.exit_code == 1
        assert "well: told" in told.output
        assert "gone: no answer" in told.output
        assert "SECRET" not in told.output
        events = [alarm["event"] for each in hook.taken for alarm in each.json["alarms"]]
        assert events == ["raised", "returned"], "nothing stands afterwards"
        assert CliRunner().invoke(main, ["alarms", "test-notify", "well"]).exit_code == 0
        assert CliRunner().invoke(main, ["alarms", "test-notify", "nobody"]).exit_code == 2


async def test_the_page_on_being_told_is_followed_word_for_word(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    """docs/howto/be-told.md from its top to its end, and the line of README.md."""
    variables = {**variables_of(kafka, topic_prefix), "WEIR_NOTIFY__METRICS_PORT": "0"}
    settings = Settings.model_validate({"kafka": {"brokers": kafka, "namespace": topic_prefix}})
    await asyncio.to_thread(ensure_topics, settings)
    worker = WorkerProcess(variables, tmp_path, "alarms")
    plant = Plant(settings, worker)
    with web_receiver() as slack:
        shell = Shell(variables, tmp_path, slack)
        commands = [each.text for each in commands_of("docs/howto/be-told.md")]
        begins = commands.index("weir notify")
        shell.run("\n".join(commands[:begins]))
        shell.environment["WEIR_NOTIFY__TARGETS_FILE"] = str(tmp_path / "targets.json")
        notifier = shell.start(command_of("README.md", "weir notify").text)
        try:
            worker.start()
            await until_ready([worker])
            await until(lambda: "target.begun" in shell.log.read_text(), shell.log.read_text)
            plant.read(130.0, "boiler-1")
            await until(lambda: slack.taken)
            assert "boiler-1 pressure is beyond its limit: 130" in slack.taken[0].json["text"]
            (alarm,) = (await plant.until_states(**{"boiler-1": "unacknowledged"})).values()
            for command in commands[begins + 1 :]:
                await asyncio.to_thread(shell.run, command.replace("66deff", alarm["id"][:12]))
            (alarm,) = (await plant.until_states(**{"boiler-1": "shelved"})).values()
            assert alarm["acknowledged"]
            await until(lambda: plant.ask("/api/alarms")["alarms"][0]["label"] == "no_fault")
            plant.read(100.0, "pump-1")  # silence.toml is in force, and no work is planned on it
            plant.tick(time.time() + 2400, steady=3600)
            await until(
                lambda: any(
                    "pump-1 pressure sends nothing: since 20" in each.json["text"] for each in slack.taken
                ),
                lambda: "\n".join(each.json["text"] for each in slack.taken),
            )
        finally:
            worker.kill()
            notifier.terminate()
            notifier.wait(30)


class Shell:
    """A shell in a folder, in which ``weir`` is this one and Slack is a receiver of the test."""

    def __init__(self, variables: dict[str, str], folder: Path, slack: WebReceiver) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**environment(variables), "PATH": path}
        self.log = folder / "notify.log"
        self._folder = folder
        self._slack = slack

    def run(self, command: str) -> str:
        """Run a command; it must succeed."""
        text = command.replace("https://hooks.slack.com/services/...", self._slack.url)
        done = subprocess.run(
            ["bash", "-ec", text],
            check=False,
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start a command that goes on."""
        with self.log.open("wb") as log:
            return subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                env=self.environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
