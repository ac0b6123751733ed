"""Walk through a stack of containers as an operator and a device would, and check every promise on the way.

    python tests/containers/journey.py plain|zookeeper COMPOSE...

COMPOSE is the command with its files; see verify.sh, which runs this beside the engine's network.
"""

import json
import os
import socket
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from stack import Failed, Reporter, Stack, check, eventually, get

HERE = Path(__file__).parent
WORKER_PORT = int(os.environ.get("WORKER_PORT", "3000"))
ANALYSIS_PORT = int(os.environ.get("ANALYSIS_PORT", "8010"))
MQTT_PORT = int(os.environ.get("MQTT_PORT", "1883"))
KAFKA_PORT = int(os.environ.get("KAFKA_PORT", "9092"))
EXPRESS_PORT = int(os.environ.get("MONGO_EXPRESS_PORT", "8081"))
LOGIN = (os.environ["MONGO_EXPRESS_USER"], os.environ["MONGO_EXPRESS_PASSWORD"])
DEVICE, PASSWORD = os.environ["DEVICE"], os.environ["DEVICE_PASSWORD"]
GATEWAY, GATEWAY_PASSWORD = os.environ["GATEWAY"], os.environ["GATEWAY_PASSWORD"]
WORKERS = 3
STATE = "/var/lib/weir/simulator.json"
# More than what the simulator can have sent, and not yet noted as acknowledged, when it is killed.
IN_FLIGHT = 1000
KILLED = {
    "plain": "mosquitto kafka mongo bridge worker analysis simulator web mongo-express",
    "zookeeper": "zookeeper kafka",
}


@dataclass
class Journey:
    """One walk.

    Args:
        stack: The stack.
        variant: ``plain`` or ``zookeeper``.
    """

    stack: Stack
    variant: str
    say: Reporter = field(default_factory=Reporter)
    published: int = 0
    acknowledged: int = 0

    def walk(self) -> None:
        """Do it all."""
        self.start()
        self.pages_answer()
        self.device_is_heard()
        self.gateway_is_heard()
        self.strangers_are_refused()
        self.ground_truth_arrives()
        self.series_are_analysed()
        if self.variant == "zookeeper":
            self.outside_listens()
        if self.variant == "plain":
            self.users_can_no_more_than_they_need()
            self.scale()
        for service in KILLED[self.variant].split():
            self.kill(service)
        self.crash()
        self.down_and_up()
        self.device_is_heard()
        self.ledger_balances()
        self.stop_gracefully()
        self.remove()

    def start(self) -> None:
        """Bring everything up."""
        self.stack.do("up", "--detach", "--no-build", "--wait", "--wait-timeout", "300")
        self.say("everything comes up healthy, in order")

    def pages_answer(self) -> None:
        """Fetch the pages that people look at."""
        for port in (WORKER_PORT, ANALYSIS_PORT):
            status, page = get(port, "/")
            check(status == 200 and "<html" in page.lower(), f"a page on {port}", (status, page[:300]))
            self.say(f"port {port} shows a page")
            status, page = get(port, "/", host="evil.example")
            check(status == 421, f"a page on {port} under a foreign name is refused", (status, page[:300]))
            self.say("and shows none under a name that is not its own")
        status, page = get(EXPRESS_PORT, "/")
        check(status == 401, "Mongo Express asks for its login", (status, page[:300]))
        status, page = get(EXPRESS_PORT, "/", LOGIN)
        check(status == 200 and "server" in page, "Mongo Express shows the database", (status, page[:300]))
        self.say(f"port {EXPRESS_PORT} asks for the login and then shows the database")

    def publish(
        self, topic: str, value: float, user: str = DEVICE, password: str = PASSWORD, options: str = "-p 1883"
    ) -> tuple[int, str]:
        """Publish one reading by mosquitto_pub, from inside the devices' network."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        payload = json.dumps({"sensor_id": DEVICE, "temperature": value, "collected_at": now})
        login = ["-u", user, "-P", password] if user else []
        command = f"mosquitto_pub -V mqttv5 -h mosquitto {options} -i pub{value} -q 1 -t {topic}".split()
        done = self.stack.run("exec", "-T", "mosquitto", *command, *login, "-m", payload)
        return done.returncode, done.stdout + done.stderr

    def stored(self, value: float) -> int:
        """Count the readings with a value in MongoDB."""
        return int(self.stack.mongo(f"db.sensors.countDocuments({{temperature: {value}}})"))

    def device_is_heard(self) -> None:
        """Publish as a device, and look for the reading in MongoDB and on Mongo Express's page."""
        self.published += 1
        value = 100.25 + self.published
        code, said = self.publish(f"sensors/{DEVICE}/reading", value)
        check(code == 0, "a device may publish below its own id", said)
        eventually(lambda: self.stored(value) == 1, "the device's reading is in MongoDB")
        self.say("a reading published by mosquitto_pub with the device's password arrives in MongoDB")
        path = f"/db/server/sensors?key=metadata.sensor_id&value={DEVICE}&type=S"
        status, page = get(EXPRESS_PORT, path, LOGIN)
        check(
            status == 200 and str(value) in page,
            "the reading is on Mongo Express's page",
            (status, page[-2000:]),
        )
        self.say("and is shown by Mongo Express")

    def gateway_is_heard(self) -> None:
        """Publish a reading of the device as a gateway."""
        self.published += 1
        value = 100.25 + self.published
        code, said = self.publish("sensors/reading", value, GATEWAY, GATEWAY_PASSWORD)
        check(code == 0, "a gateway may publish for any sensor", said)
        eventually(lambda: self.stored(value) == 1, "the gateway's reading is in MongoDB")
        self.say("a reading published by a gateway on sensors/reading arrives in MongoDB")

    def strangers_are_refused(self) -> None:
        """Publish without a password, with a wrong one, and in the name of another."""
        mine = f"sensors/{DEVICE}/reading"
        for what, topic, user, password in (
            ("without a password", mine, "", ""),
            ("with a wrong password", mine, DEVICE, "wrong"),
            ("as an unknown device", mine, "stranger", PASSWORD),
            ("below another sensor's id", "sensors/another/reading", DEVICE, PASSWORD),
            ("ground truth", f"labels/{DEVICE}/temperature", DEVICE, PASSWORD),
            ("another's reading below its own id", f"sensors/{DEVICE}/sensors/b/reading", DEVICE, PASSWORD),
            ("another's ground truth below its own id", f"sensors/{DEVICE}/labels/b/heat", DEVICE, PASSWORD),
            ("as a gateway below its own id", f"sensors/{DEVICE}/sensors/reading", DEVICE, PASSWORD),
            ("as a gateway", "sensors/reading", DEVICE, PASSWORD),
            ("on a sensor's own topic, as a gateway", mine, GATEWAY, GATEWAY_PASSWORD),
        ):
            code, said = self.publish(topic, -273.0, user, password)
            check(code or "not authori" in said.lower(), f"publishing {what} is refused", (code, said))
        # What is published later on the same way has arrived: so would these.
        self.device_is_heard()
        check(self.stored(-273.0) == 0, "nothing of it arrives")
        self.say(
            "publishing without or with a wrong password, or on another's topic, is refused, and nothing arrives"
        )

    def outside_listens(self) -> None:
        """Use the ways in that compose.outside.yaml and compose.tls.yaml open."""
        self.published += 1
        value = 100.25 + self.published
        mine, secret = f"sensors/{DEVICE}/reading", "/run/secrets/mqtt_certificate"
        code, said = self.publish(mine, value, options=f"-p 8883 --cafile {secret}")
        check(code == 0, "a device may publish by TLS", said)
        eventually(lambda: self.stored(value) == 1, "the device's reading is in MongoDB")
        self.say("a reading published by TLS on 8883 arrives in MongoDB")
        socket.create_connection(("127.0.0.1", MQTT_PORT), timeout=10).close()
        self.say("1883 is open on the loopback interface")
        topics = AdminClient({"bootstrap.servers": f"127.0.0.1:{KAFKA_PORT}"}).list_topics(timeout=30).topics
        check("readings" in topics, "Kafka answers on the loopback interface", topics)
        self.say(
            "Kafka's outside listener answers a client on this machine, under the address that it advertises"
        )

    def ground_truth_arrives(self) -> None:
        """See the simulator's labels as live numbers."""
        eventually(lambda: self.stack.mongo("db.labels.countDocuments({})"), "labels are in MongoDB", 120)
        status, body = get(WORKER_PORT, "/api/quality")
        check(status == 200 and json.loads(body), "/api/quality answers", (status, body[:500]))
        self.say("the ground truth of the simulator's faults arrives, and /api/quality answers")
        eventually(self.balanced, "the workers' own ledger balances, with the bridge's")
        self.say("/api/ledger balances, with the bridge's counts")

    def balanced(self) -> bool:
        """Tell whether the counts of the running processes balance, the bridge's among them."""
        status, body = get(WORKER_PORT, "/api/ledger")
        ledger = json.loads(body) if status == 200 else {}
        return bool(ledger) and ledger["balanced"] and ledger["bridge"]["reachable"]

    def series_are_analysed(self) -> None:
        """See what model analysis has learned, in MongoDB and at its own address."""
        sensor = eventually(
            lambda: self.stack.mongo("(db.insights.findOne() || {metadata: {}}).metadata.sensor_id || ''"),
            "insights are in MongoDB",
            150,
        )
        status, body = get(ANALYSIS_PORT, f"/api/series/{sensor}")
        check(status == 200 and json.loads(body), f"/api/series/{sensor} answers", (status, body[:500]))
        self.say("insights of model analysis arrive in MongoDB, and /api/series answers")

    def users_can_no_more_than_they_need(self) -> None:
        """Try to do more than is granted, with the passwords that the services have."""
        program = (
            "const read = n => require('fs').readFileSync('/run/secrets/' + n, 'utf8').trim();"
            "const at = (u, p) => new Mongo(`mongodb://${u}:${encodeURIComponent(p)}@mongo:27017/"
            "?authSource=server&directConnection=true`);"
            "const weir = at('weir', read('mongo_password')), viewer = at('viewer', read('mongo_viewer_password'));"
            "const tries = [() => viewer.getDB('server').x.insertOne({}), () => weir.getDB('other').x.insertOne({}),"
            "() => weir.getDB('admin').runCommand({listDatabases: 1}).databases.length,"
            "() => new Mongo('mongodb://mongo:27017/?directConnection=true').getDB('server').sensors.findOne()];"
            "print(tries.map(t => { try { t(); return 'done'; } catch (e) { return 'refused'; } }).join(' '))"
        )
        said = self.stack.do("exec", "-T", "mongo", "mongosh", "--quiet", "--nodb", "--eval", program).split()
        check(said == ["refused"] * 4, "MongoDB refuses what nobody needs", said)
        self.say(
            "MongoDB refuses the viewer's writes, Weir's reach beyond its database, and who has no password"
        )

    def scale(self) -> None:
        """Share the work between several workers."""
        self.stack.do("up", "--detach", "--no-build", "--no-recreate", "--scale", f"worker={WORKERS}")
        self.stack.until_healthy()
        servers = [each for each in self.stack.containers() if each["Service"] == "worker"]
        check(len(servers) == WORKERS, f"there are {WORKERS} workers", servers)
        workers = eventually(self.shared_out, "each worker has a share of the partitions", 120)
        self.say(
            f"--scale worker={WORKERS}: all healthy, they share the partitions {workers}, on one published port"
        )

    def shared_out(self) -> list[list[int]] | None:
        """Ask any worker for the partitions of all; ``None`` while it is not settled."""
        status, body = get(WORKER_PORT, "/api/overview")
        if status != 200:
            return None
        found = json.loads(body)
        shares = [each["partitions"] for each in found["workers"]]
        owned = [partition for share in shares for partition in share]
        settled = not found["missing"] and len(shares) == WORKERS and all(shares)
        return sorted(shares) if settled and len(set(owned)) == len(owned) else None

    def kill(self, service: str) -> None:
        """Kill all processes of a service at once, without warning, and start it again."""
        first = next(each["Name"] for each in self.stack.containers() if each["Service"] == service)
        self.remember_simulator()
        self.stack.do("kill", "--signal", "KILL", service)
        self.stack.do("start", service)
        self.stack.until_healthy()
        self.say(f"{service} ({first}) is killed and started again: everything is healthy again")

    def crash(self) -> None:
        """Let the bridge's process die inside its container: the engine must start it again by itself."""
        starts = self.stack.do("logs", "--no-color", "bridge").count("bridge.started")
        self.stack.run("exec", "-T", "bridge", "sh", "-c", "kill -9 -1")
        eventually(
            lambda: self.stack.do("logs", "--no-color", "bridge").count("bridge.started") > starts,
            "the bridge is started again",
        )
        self.stack.until_healthy()
        self.say("a bridge whose process dies is started again by itself")

    def down_and_up(self) -> None:
        """Take everything down, keeping the volumes, and bring it up again."""
        self.remember_simulator()
        before = self.stack.mongo("db.sensors.countDocuments({})")
        self.stack.do("down")
        check(not self.stack.containers(), "nothing runs after down")
        self.start()
        after = self.stack.mongo("db.sensors.countDocuments({})")
        check(after >= before > 0, "MongoDB has what it had", (before, after))
        self.say(f"down and up: MongoDB has its {before:,} readings again")

    def simulator(self) -> dict[str, Any]:
        """Return the state that the simulator keeps."""
        state: dict[str, Any] = json.loads(self.stack.do("exec", "-T", "simulator", "cat", STATE))
        return state

    def remember_simulator(self) -> None:
        """Remember how far it was: after a crash it goes back a minute, and sends again what it had sent."""
        self.acknowledged = max(self.acknowledged, self.simulator()["acknowledged"])

    def ledger_balances(self) -> None:
        """Stop the simulator, once it is beyond all it has ever sent, and account for everything."""
        beyond = self.acknowledged + IN_FLIGHT
        eventually(lambda: self.simulator()["acknowledged"] > beyond, f"{beyond} are acknowledged", 240)
        self.stack.do("stop", "simulator")
        state = json.loads(
            self.stack.do(*f"run --rm --no-deps -T --entrypoint cat simulator {STATE}".split())
        )
        expected = json.dumps({"state": state, "devices": self.published, "refused": 0})
        program = (HERE / "ledger.py").read_text(encoding="utf-8")
        done = self.stack.run(
            "exec", "-T", "--env", f"EXPECTED={expected}", "worker", "python", "-", stdin=program
        )
        sys.stdout.write(done.stdout)
        check(done.returncode == 0, "every hop balances", done.stderr[-3000:])
        self.say("everything that was sent is in Kafka and MongoDB, each reading counted once")

    def stop_gracefully(self) -> None:
        """Stop Weir's own processes: they must end by themselves within their grace period."""
        ours = ("worker", "bridge", "analysis", "web")
        self.stack.do("stop", *ours)
        codes = {
            each["Name"]: each["ExitCode"] for each in self.stack.containers() if each["Service"] in ours
        }
        check(set(codes.values()) <= {0}, "each ends with code 0 when it is asked to", codes)
        self.say(f"{', '.join(ours)} end in order when they are asked to")

    def remove(self) -> None:
        """Take it all down with the data."""
        self.stack.do("--profile", "*", "down", "--volumes")
        self.say("down --volumes removes it all")


def main() -> None:
    """Walk; on failure tell why, with the last lines of every log."""
    variant, *compose = sys.argv[1:]
    stack = Stack(compose)
    journey = Journey(stack, variant)
    try:
        journey.walk()
    except Exception as failure:
        sys.stdout.write(
            f"FAILED: {failure!r}\n" if not isinstance(failure, Failed) else f"FAILED: {failure}\n"
        )
        sys.stdout.write(stack.run("ps", "--all").stdout)
        sys.stdout.write(stack.run("logs", "--no-color", "--tail", "25").stdout)
        sys.exit(1)
    sys.stdout.write(f"{variant}: {journey.say.count} checks passed\n")


if __name__ == "__main__":
    main()
