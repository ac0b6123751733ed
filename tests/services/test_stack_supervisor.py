"""The supervisor starts parts in order, restarts what dies, and leaves nothing behind. Real processes all."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridges.stack.child_process import PortTaken, Program, Server, free_port
from bridges.stack.environment import read_environment
from bridges.stack.leftover import await_end, remember_process
from bridges.stack.part import Part
from bridges.stack.probes import why_process_not_ready
from bridges.stack.run import locked
from bridges.stack.supervisor import State, Supervisor, Watched
from streams.errors import ConfigurationError
from tests.support.patience import PATIENCE

SERVES_HEALTH = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
DEADLINE_SECONDS = PATIENCE


def service(name: str, directory: Path) -> Part:
    """A part that answers ``/health/ready``."""
    port = free_port()
    command = [sys.executable, "-c", SERVES_HEALTH, str(port)]
    program = Server(name, directory, port, remedy="choose another port", command=command)
    return Part(name, program.address, name, program, lambda: why_process_not_ready(program.address))


def script(name: str, directory: Path, text: str, *, may_end: bool = False) -> Part:
    """A part that runs a few lines of Python, and is ready as soon as it has said something."""
    program = Program(name, directory, [sys.executable, "-c", text])

    def quiet() -> str:
        return "" if program.log_file.exists() and program.log_file.stat().st_size else "says nothing"

    return Part(name, "-", name, program, quiet, may_end=may_end)


class Scenario:
    """Drives a supervisor from its own screen: steps that each wait for something, in order.

    A step is a function of the supervisor that returns whether it is done.
    """

    def __init__(self, *steps: Callable[[Supervisor], bool]) -> None:
        self._steps = list(steps)
        self._deadline = time.monotonic() + DEADLINE_SECONDS

    def __call__(self, supervisor: Supervisor) -> None:
        while self._steps and self._steps[0](supervisor):
            self._steps.pop(0)
        if not self._steps or time.monotonic() > self._deadline:
            supervisor.request_stop()

    def done(self) -> bool:
        return not self._steps


def row(supervisor: Supervisor, name: str) -> Watched:
    return next(watched for watched in supervisor.all if watched.part.name == name)


def running(name: str, restarts: int = 0) -> Callable[[Supervisor], bool]:
    def done(supervisor: Supervisor) -> bool:
        watched = row(supervisor, name)
        return watched.state is State.RUNNING and watched.restarts >= restarts

    return done


def kill_9(name: str) -> Callable[[Supervisor], bool]:
    def done(supervisor: Supervisor) -> bool:
        program = row(supervisor, name).part.program
        assert program is not None
        assert program.pid is not None
        os.kill(program.pid, signal.SIGKILL)
        return True

    return done


def told(supervisor: Supervisor) -> list[str]:
    return [text for _, text in supervisor.events]


def test_what_is_killed_is_started_again_and_the_others_stay(stack_dir: Path) -> None:
    levels = [[service("first", stack_dir)], [service("second", stack_dir)]]
    scenario = Scenario(
        running("first"), running("second"), kill_9("first"), running("first", restarts=1), kill_9("first"),
        running("first", restarts=2),
    )  # fmt: skip
    supervisor = Supervisor(levels, scenario)
    supervisor.run()
    assert scenario.done(), told(supervisor)
    assert row(supervisor, "second").restarts == 0
    again = re.compile(r"first was killed by SIGKILL: starting it again in ([0-9.]+) s")
    first, second = [float(found[1]) for text in told(supervisor) if (found := again.search(text))]
    # Drawn from the upper half of 0.5 s, then of 1 s; told to a tenth of a second.
    assert 0.2 <= first <= 0.5 <= second <= 1.0, (first, second)


def test_a_level_starts_when_the_one_before_is_ready_and_stops_before_it(stack_dir: Path) -> None:
    levels = [[service("first", stack_dir)], [service("second", stack_dir)]]
    seen: list[tuple[State, State]] = []

    def record(supervisor: Supervisor) -> bool:
        seen.append((row(supervisor, "first").state, row(supervisor, "second").state))
        return running("second")(supervisor)

    scenario = Scenario(record)

    def watch(supervisor: Supervisor) -> None:
        scenario(supervisor)
        record(supervisor)

    supervisor = Supervisor(levels, watch)
    supervisor.run()
    for first, second in seen:
        if second in (State.STARTING, State.RUNNING, State.STOPPING):
            assert first is State.RUNNING, f"second was {second} while first was {first}"
    assert seen[-1] == (State.STOPPED, State.STOPPED)


def test_nothing_is_left_running_even_of_what_does_not_want_to_stop(stack_dir: Path) -> None:
    deaf = script("deaf", stack_dir, IGNORES_SIGTERM)
    assert deaf.program is not None
    type(deaf.program).stop_seconds, before = 0.5, type(deaf.program).stop_seconds
    try:
        supervisor = Supervisor(
            [[deaf, service("other", stack_dir)]], Scenario(running("deaf"), running("other"))
        )
        supervisor.run()
    finally:
        type(deaf.program).stop_seconds = before
    assert any("deaf did not stop" in text for text in told(supervisor))
    for watched in supervisor.all:
        assert watched.part.program is not None
        assert not watched.part.program.is_running()


def test_a_part_that_refuses_its_settings_ends_the_start_with_its_own_words(stack_dir: Path) -> None:
    refuses = script(
        "bridge", stack_dir, "import sys; print('no such setting WEIR_X', flush=True); sys.exit(2)"
    )
    supervisor = Supervisor([[service("other", stack_dir)], [refuses]], Scenario(lambda _: False))
    # It may be seen ready for a moment, as it says something before it ends.
    refuses.why_not_ready = lambda: "not yet"
    with pytest.raises(ConfigurationError, match="no such setting WEIR_X"):
        supervisor.run()
    assert all(one.part.program is None or not one.part.program.is_running() for one in supervisor.all)


def test_a_taken_port_ends_the_start_and_names_part_port_and_remedy(stack_dir: Path) -> None:
    part = service("bridge", stack_dir)
    host, _, port = part.address.partition(":")
    with (
        socket.create_server((host, int(port))),
        pytest.raises(PortTaken, match=rf"bridge cannot listen on {part.address}.*choose another port"),
    ):
        Supervisor([[part]], Scenario(lambda _: False)).run()


def test_a_part_that_may_end_is_done_and_not_started_again(stack_dir: Path) -> None:
    finite = script("sensor", stack_dir, "print('finished: 3 readings')", may_end=True)
    scenario = Scenario(lambda it: row(it, "sensor").state is State.DONE)
    supervisor = Supervisor([[finite]], scenario)
    supervisor.run()
    assert scenario.done(), told(supervisor)
    assert row(supervisor, "sensor").restarts == 0
    assert any("finished: 3 readings" in text for text in told(supervisor))


def test_a_folder_is_used_by_one_stack_at_a_time(stack_dir: Path) -> None:
    stack_dir.mkdir()
    with (
        locked(stack_dir),
        pytest.raises(ConfigurationError, match=f"process {os.getpid()}"),
        locked(stack_dir),
    ):
        pass


class Up:
    """``weir up`` as its own process, with its output."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agents", "up", "--data", str(data), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read on until a line matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        pytest.fail(f"weir up ended without {pattern!r}:\n{''.join(self.lines)}")

    def end(self, number: signal.Signals) -> int:
        """Send a signal, read the rest, and return the exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=PATIENCE)
        self.lines.append(rest)
        return self.process.returncode


@pytest.fixture
def up(stack_dir: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        started.append(Up(stack_dir, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


def alive(pids: dict[str, int]) -> list[str]:
    """Names of the processes that exist and are not zombies."""
    found = []
    for name, pid in pids.items():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(name)
    return found


def wait_until_gone(pids: dict[str, int]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while left := alive(pids):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)


def test_weir_up_restarts_each_server_after_kill_9_and_leaves_nothing_after_ctrl_c(
    up: Callable[..., Up],
) -> None:
    names = ("kafka", "mqtt", "mongo")
    stack = up("--with", ",".join(names), "--free-ports")
    pids: dict[str, int] = {}
    for _ in names:
        found = stack.wait_for(r"(\w+) is ready after .*\(process (\d+)\)")
        pids[found[1]] = int(found[2])
    stack.wait_for("everything runs")
    assert set(read_environment(stack.data)) == {
        *("WEIR_KAFKA__BROKERS", "WEIR_MQTT__HOST", "WEIR_MQTT__PORT", "WEIR_MONGO__URI_FILE"),
    }  # fmt: skip
    for name in names:
        os.kill(pids[name], signal.SIGKILL)
        stack.wait_for(f"{name} was killed by SIGKILL: starting it again")
        pids[name] = int(stack.wait_for(rf"{name} is ready after .*\(process (\d+)\)")[1])
    assert stack.end(signal.SIGINT) == 0, "".join(stack.lines)
    assert alive(pids) == []
    assert read_environment(stack.data) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's own")
def test_a_killed_supervisor_leaves_nothing_running(up: Callable[..., Up]) -> None:
    stack = up("--with", "kafka,mqtt", "--free-ports")
    pids = {}
    for _ in range(2):
        found = stack.wait_for(r"(\w+) is ready after .*\(process (\d+)\)")
        pids[found[1]] = int(found[2])
    stack.process.kill()
    stack.process.wait()
    wait_until_gone(pids)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's own")
def test_after_kill_9_the_next_start_waits_for_what_still_ends_and_goes_on(up: Callable[..., Up]) -> None:
    ports = {name: free_port() for name in ("kafka", "mqtt", "bridge")}
    arguments = [each for name, port in ports.items() for each in ("--port", f"{name}={port}")]
    first = up("--with", ",".join(ports), *arguments)
    pids = {}
    for _ in ports:
        found = first.wait_for(r"(\w+) is ready after .*\(process (\d+)\)")
        pids[found[1]] = int(found[2])
    first.wait_for("everything runs")
    os.kill(pids["kafka"], signal.SIGSTOP)  # it ends when it goes on, and keeps its port until then
    first.process.kill()
    first.process.wait()
    second = up("--with", ",".join(ports), *arguments)
    second.wait_for("addresses for other programs")
    assert alive({"kafka": pids["kafka"]}) == ["kafka"]
    os.kill(pids["kafka"], signal.SIGCONT)
    second.wait_for("everything runs")
    wait_until_gone(pids)
    assert second.end(signal.SIGINT) == 0, "".join(second.lines)


def test_a_process_that_was_left_and_does_not_end_is_ended(tmp_path: Path) -> None:
    deaf = subprocess.Popen([sys.executable, "-c", IGNORES_SIGTERM], start_new_session=True)
    try:
        remember_process(tmp_path / "pid", deaf.pid)
        await_end(tmp_path / "pid", 0.5)
        assert deaf.wait(5) == -signal.SIGKILL
        (tmp_path / "other").write_text(f"{os.getpid()} 1\n")
        await_end(tmp_path / "other", 0)  # this process's id, but another process: nothing is ended
    finally:
        if deaf.poll() is None:
            deaf.kill()


def test_weir_up_says_which_port_is_taken_and_what_to_do(up: Callable[..., Up]) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        stack = up("--with", "mqtt", "--port", f"mqtt={port}")
        stack.wait_for(f"Error: mqtt cannot listen on 127.0.0.1:{port}.*--port mqtt=PORT")
        assert stack.process.wait(30) == 2
