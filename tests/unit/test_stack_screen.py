"""The screen shows every part; plain lines show every event once."""

import io

from rich.console import Console

from bridges.stack import screen
from bridges.stack.part import Part
from bridges.stack.supervisor import State, Supervisor


def a_supervisor() -> Supervisor:
    part = Part("kafka", "127.0.0.1:9092", "Apache Kafka", None, lambda: "")
    other = Part("bridge", "127.0.0.1:9108", "MQTT to Kafka", None, lambda: "")
    return Supervisor([[part], [other]], lambda _: None)


def test_the_table_shows_address_state_rate_and_restarts_of_every_part() -> None:
    supervisor = a_supervisor()
    kafka, bridge = supervisor.all
    kafka.state = State.RUNNING
    bridge.state, bridge.rate, bridge.restarts, bridge.note = (
        State.RESTARTING,
        1234.4,
        2,
        "was killed by SIGKILL",
    )
    supervisor.tell("bridge was killed [by] SIGKILL")
    out = io.StringIO()
    Console(file=out, width=120).print(screen.status_table(supervisor, "Weir, data in /tmp/x"))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "kafka 127.0.0.1:9092 running - Apache Kafka" in lines
    assert "bridge 127.0.0.1:9108 restarting 1,234 was killed by SIGKILL; restarted 2 times" in lines
    assert lines[-1].endswith("bridge was killed [by] SIGKILL")


def test_what_an_operator_should_know_of_a_part_that_works_is_on_the_table_and_told_once() -> None:
    supervisor = a_supervisor()
    _, bridge = supervisor.all
    bridge.state, bridge.why_not_ready = State.RUNNING, ""
    for warning in ("readings can be lost", "more readings can be lost", "", "readings can be lost"):
        bridge.warning = warning
        supervisor._look_after([bridge])
        out = io.StringIO()
        Console(file=out, width=120).print(screen.status_table(supervisor, "Weir"))
        table = out.getvalue().rsplit("\n\n", 1)[0]
        assert (warning or "MQTT to Kafka") in table
    assert [text for _, text in supervisor.events] == ["bridge: readings can be lost"] * 2


def test_plain_lines_show_each_event_once_and_uncut() -> None:
    supervisor = a_supervisor()
    out = io.StringIO()
    long = "kafka is ready " + "x" * 200
    with screen.open_screen("Weir [here]", Console(file=out, width=40)) as shown:
        supervisor.tell(long)
        shown.show(supervisor)
        shown.show(supervisor)
        supervisor.tell("bridge is ready")
        shown.show(supervisor)
    lines = out.getvalue().splitlines()
    assert lines[0] == "Weir [here]"
    assert [line.partition(" ")[2] for line in lines[1:]] == [long, "bridge is ready"]


def test_the_last_state_stays_on_the_terminal() -> None:
    supervisor = a_supervisor()
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True)
    with screen.open_screen("Weir", console) as shown:
        shown.show(supervisor)
        supervisor.tell("everything has stopped")
        shown.show(supervisor)  # too soon to be drawn
    assert "everything has stopped" in out.getvalue()
