"""The first tutorial, word for word, on the usual ports of a network of its own."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documented import blocks_of, command_of, lines_like
from tests.support.town import Town

PAGE = "docs/tutorial/first-anomaly.md"

MONGOSH = r"""
import json, os, re, sys, pymongo
line = sys.argv[1]
find = re.fullmatch(r"db\.(\w+)\.find\((.*?)\)(?:\.sort\((.*?)\))?(?:\.limit\((\d+)\))?", line)
read = lambda text: json.loads(re.sub(r"([{,]\s*)(\w+):", r'\1"\2":', text))
database = pymongo.MongoClient(open(os.environ["WEIR_MONGO__URI_FILE"]).read().strip())["server"]
found = database[find[1]].find(read(find[2]))
found = found.sort(list(read(find[3]).items())) if find[3] else found
print(json.dumps(list(found.limit(int(find[4] or 0))), default=str))
"""
"""Understands as much of mongosh as the tutorial needs."""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A folder to work in."""
    town = Town(tmp_path)
    yield town
    town.close()


def ask_mongo(town: Town, line: str) -> list[dict[str, object]]:
    """Evaluate a line of the tutorial's JavaScript."""
    (town.folder / "mongosh.py").write_text(MONGOSH)
    (town.folder / "line").write_text(line)
    answer = town.run(f'{sys.executable} mongosh.py "$(cat line)"')
    found: list[dict[str, object]] = json.loads(answer.splitlines()[-1])
    return found


@pytest.mark.usefixtures("busy_machine")
@pytest.mark.timeout(2400)
def test_the_tutorial_from_a_clone_to_an_anomaly_works_as_it_stands_there(town: Town) -> None:
    (queries,) = [content.splitlines() for language, content in blocks_of(PAGE) if language == "js"]
    with town.running(command_of(PAGE, ".venv/bin/weir up").text) as up:
        up.until_said("everything runs: Ctrl-C stops it")
        assert "<title>" in town.get("/")
        examined = town.run(command_of(PAGE, ".venv/bin/weir doctor").text)
        assert "all is well, says 127.0.0.1:3000" in " ".join(examined.split())
        publish = command_of(PAGE, "mosquitto_pub").text
        for _ in range(3):
            town.run(publish)
        simulator = command_of(PAGE, ".venv/bin/weir simulator")
        said = town.run(simulator.text, seconds=1200)
        assert lines_like(simulator.output, said, exact=True) == [], said
        assert simulator.output, "the page shows how it ends"
        assert "future_time" not in town.get("/api/overview"), "nothing of it is refused"
        up.until(
            lambda: json.loads(town.get("/api/quality") or "{}").get("labels"), "it knows what was injected"
        )
        up.until(lambda: ask_mongo(town, queries[1]), "the window of the first reading is in MongoDB", 600)
        (reading,) = ask_mongo(town, 'db.sensors.find({"metadata.sensor_id": "464fc87d3c5a"})')
        assert reading["temperature"] == 21.5, "sent three times, one document"
        up.until(lambda: ask_mongo(town, "db.anomalies.find({})"), "there are anomalies", 600)
        still_open = ask_mongo(town, queries[0])
        assert all(each["cleared_at"] is None for each in still_open)
        assert up.interrupt() == 0
    assert "everything has stopped" in up.text
    assert "Traceback" not in up.text
