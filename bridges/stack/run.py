"""Run a local stack on a data folder, with a screen, until it is asked to stop."""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bridges.process.settings import Settings
from bridges.process.written import private_folder
from bridges.stack import screen
from bridges.stack.environment import remove_environment, write_environment
from bridges.stack.parts import Plan, plan_parts
from bridges.stack.supervisor import Supervisor
from streams.errors import ConfigurationError

JOIN_SECONDS = 20


def run_stack(
    settings: Settings,
    plan: Plan,
    console: Console | None = None,
    beside: Callable[[Supervisor], None] | None = None,
) -> None:
    """Start the parts of a plan, show them, and stop them when a signal comes.

    Args:
        settings: All settings.
        plan: What to run.
        console: Where to show it.
        beside: Runs in a thread of its own meanwhile; may ask the supervisor to stop, and ends when it stops.

    Raises:
        ConfigurationError: If the data folder is in use, a port is taken, or a part refuses its settings.
        StartFailed: If a part cannot be started.
    """
    console = console or Console()
    private_folder(plan.data)
    head = f"Weir, data in {plan.data.resolve()}"
    with locked(plan.data):
        supervisor: Supervisor
        shown: screen.Screen

        def say(text: str) -> None:
            supervisor.tell(text)

        def show(it: Supervisor) -> None:
            shown.show(it)

        levels, environment = plan_parts(settings, replace(plan, say=say))
        supervisor = Supervisor(levels, show)
        # From the first line on Ctrl-C is a stop, not an abortion.
        with supervisor.signals(), screen.open_screen(head, console) as shown:
            _run(supervisor, plan, environment, beside)


def _run(
    supervisor: Supervisor,
    plan: Plan,
    environment: Mapping[str, str],
    beside: Callable[[Supervisor], None] | None,
) -> None:
    for part in (watched.part for watched in supervisor.all):
        supervisor.tell(f"{part.name} at {part.address}: {part.describes}")
    file = write_environment(plan.data, environment)
    supervisor.tell(f"addresses for other programs are in {file}")
    watcher = threading.Thread(target=beside, args=(supervisor,), name="beside") if beside else None
    if watcher:
        watcher.start()
    try:
        supervisor.run()
    finally:
        supervisor.request_stop()
        if watcher:
            watcher.join(JOIN_SECONDS)
        remove_environment(plan.data)


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Make sure that only one stack runs on a data folder; the lock goes with the process, however it ends.

    Raises:
        ConfigurationError: If another one runs.
    """
    with (data / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ConfigurationError(
                f"another `weir up` (process {file.read().strip()}) runs on {data.resolve()}:"
                " stop it, or choose another folder with --data"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
