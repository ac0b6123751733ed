"""The sink's agents and the views, in real workers on a real Kafka and a real MongoDB."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from click.testing import CliRunner

from agents.cli import main
from streams.errors import Reason
from streams.records.topics import LABELS
from streams.records.types import Label, Reading, Tick, encode
from tests.support.places import MOMENT, Place, readings


@pytest.fixture(scope="module")
def place(kafka: str, mongo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(kafka, mongo, tmp_path_factory.mktemp("place"))
    try:
        place.until_ready(place.worker())
        yield place
        place.client.drop_database(place.name)
    finally:
        place.close()


def test_a_reading_that_comes_three_times_is_one_document(place: Place) -> None:
    reading = Reading("464fc87d3c5a", 1725890469.0, {"temperature": 21.5})
    place.publish(reading, reading, Tick(MOMENT), reading)
    place.until(lambda: place.count("sensors") > 0, "the reading in MongoDB")
    place.publish(Reading("last", MOMENT, {"temperature": 1.0}))
    place.until(
        lambda: place.database["sensors"].find_one({"metadata.sensor_id": "last"}) is not None, "the last one"
    )
    found = list(place.database["sensors"].find({"metadata.sensor_id": "464fc87d3c5a"}))
    assert [each["_id"] for each in found] == [ObjectId("66deffa5723abb597ffe3e94")]
    assert (found[0]["temperature"], found[0]["collected_at"].timestamp()) == (21.5, 1725890469.0)


def test_what_cannot_be_read_or_stored_is_a_dead_letter_and_its_neighbours_are_stored(place: Place) -> None:
    good = readings(50, start=MOMENT + 10_000)
    unreadable = b"\xff not a reading"
    refused_name = Reading("nul", MOMENT, {"temperature\0": 1.0})
    odd_name = Reading("odd", MOMENT, {"metadata": 1.0})
    far_away = b'{"sensor_id":"far","collected_at":1e17,"values":{"temperature":1}}'
    no_key = Reading("\0set-aside-0", MOMENT, {"temperature": 1.0})
    place.publish(*good[:25], unreadable, refused_name, odd_name, far_away, no_key, *good[25:])
    place.until(lambda: place.count("dead_letters") >= 5, "five dead letters")
    letters = {letter["reason"]: letter for letter in place.database["dead_letters"].find()}
    assert set(letters) >= {
        Reason.UNREADABLE_RECORD.value,
        Reason.REFUSED_BY_MONGO.value,
        Reason.WRONG_SHAPE.value,
        Reason.BAD_SENSOR_ID.value,
    }
    unread = place.database["dead_letters"].find({"reason": Reason.UNREADABLE_RECORD.value})
    assert {bytes(letter["payload"]) for letter in unread} == {unreadable, far_away}
    refused = letters["refused_by_mongo"]
    assert (refused["origin"], bytes(refused["payload"])) == ("mongo", encode(refused_name))
    assert refused["topic"] == place.settings.topic("readings")
    assert isinstance(refused["partition"], int) and isinstance(refused["offset"], int)
    place.until(
        lambda: (
            place.database["sensors"].count_documents({"collected_at": {"$gte": _date(MOMENT + 10_000)}})
            == len(good)
        ),
        "the neighbours",
    )


def _date(seconds: float) -> Any:
    from streams.records.documents import date

    return date(seconds)


def test_results_reach_their_collections_and_quality_compares_them_with_labels(place: Place) -> None:
    calm = [Reading("probe", MOMENT + n, {"level": 10 + (n % 5) / 10}) for n in range(400)]
    spike = [Reading("probe", MOMENT + 400 + n, {"level": 90.0}) for n in range(3)]
    end = [Reading("probe", MOMENT + 403 + n, {"level": 10 + (n % 5) / 10}) for n in range(60)]
    place.publish(Label("probe", "level", MOMENT + 398, MOMENT + 410, "spike"), topic=LABELS.name)
    place.publish(*calm, *spike, *end, Reading("probe", MOMENT + 300, {"level": 1.0}))
    probe = {"metadata.sensor_id": "probe"}
    for collection, least in (("aggregates", 7), ("anomalies", 1), ("labels", 1), ("late_readings", 1)):
        place.until(
            lambda collection=collection, least=least: (  # type: ignore[misc]
                place.database[collection].count_documents(probe) >= least
            ),
            collection,
        )
    status, quality = place.get(place.workers[0], "/api/quality?tolerance=5")
    assert status == 200
    assert (quality["labels"], quality["found"], quality["recall"]) == (1, 1, 1.0)
    assert quality["by_kind"] == {"spike": {"labels": 1, "found": 1}}


def test_commands_that_look_tell_what_the_pages_and_the_log_have(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.set_for(monkeypatch)
    place.until(lambda: '"probe"' in looked("sensors", "prob", "--json"), "the worker lists the probe")
    sensors = [json.loads(line) for line in looked("sensors", "--json").splitlines()]
    assert [each["key"] for each in sensors] == sorted(each["key"] for each in sensors)
    assert {"probe", "s0", "s9"} <= {each["key"] for each in sensors}
    assert "there are more" in looked("sensors", "--limit", "1")
    assert looked("sensors", "no-such-one", code=1) == "no such sensor\n"
    (raised,) = place.database["anomalies"].find({"metadata.sensor_id": "probe", "cause": "limit"})
    (told,) = [
        json.loads(each)
        for each in looked("anomalies", "--from", "2024-01-01", "--cause", "limit", "--json").splitlines()
    ]
    assert (told["id"], told["value"], told["severity"]) == (str(raised["_id"]), 90.0, "critical")
    assert looked("anomalies", "--sensor", "s*", "--from", "2030-01-01").startswith("no such anomaly")
    newest = looked("tail", "--sensor", "probe", "--last", "2", "--count", "2", "--json").splitlines()
    assert [json.loads(each)["values"]["level"] for each in newest] == [10.4, 1.0], "the last came late"
    assert "probe" in looked("tail", "anomalies", "--last", "9", "--count", "1")
    # Behind the last record of a topic of results stands the end of its transaction.
    (last,) = looked(
        "tail", "anomalies", "--sensor", "probe", "--last", "1", "--count", "1", "--json"
    ).splitlines()
    assert json.loads(last)["state"] == "cleared"
    assert "'anomalis' is not one of" in looked("tail", "anomalis", code=2)


def looked(*command: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, command)
    assert done.exit_code == code, done.output
    return done.output


def test_the_history_of_a_series_comes_from_mongodb(place: Place) -> None:
    worker = place.workers[0]
    path = f"/api/history?sensor=probe&quantity=level&from={MOMENT:.0f}&to={MOMENT + 480:.0f}&points="
    status, found = place.get(worker, path + "20")
    assert (status, found["step_seconds"]) == (200, 60.0)
    assert found["columns"] == ["at", "count", "mean", "deviation", "min", "max", "band_low", "band_high"]
    assert [(point[0] - MOMENT, point[1]) for point in found["points"][:6]] == [
        (60 * n, 60) for n in range(6)
    ]
    assert found["points"][6][5] == 90.0, "the spike"
    assert [each["raised_at"] >= MOMENT + 398 for each in found["anomalies"]] == [True] * len(
        found["anomalies"]
    )
    assert found["anomalies"]
    _, coarse = place.get(worker, path + "4")
    assert (coarse["step_seconds"], coarse["points"][0][1]) == (300.0, 300)
    assert (coarse["tier"], coarse["windows"]) == ("windows", found["windows"])
    # Days are not computed yet: their windows are taken, and say the same.
    year = f"/api/history?sensor=probe&quantity=level&from={MOMENT - 300 * 86400:.0f}&to={MOMENT + 86400:.0f}"
    _, days = place.get(worker, year + "&sensor=nobody")
    assert (days["series"]["probe"]["tier"], days["series"]["nobody"]["points"]) == ("days", [])
    assert days["series"]["probe"]["points"][0][1] == sum(point[1] for point in found["points"])
    assert {each["sensor_id"] for each in days["alarms"]} <= {"probe"}
    assert place.get(worker, "/api/history?sensor=nobody&quantity=level")[1]["points"] == []


def test_a_limit_is_tried_on_a_series_over_what_mongodb_has(place: Place) -> None:
    worker = place.workers[0]
    path = f"/api/rules/try?sensor=probe&quantity=level&from={MOMENT:.0f}&to={MOMENT + 480:.0f}&points=20&"
    status, found = place.get(worker, path + "high=50")
    assert (status, found["limits"]) == (200, {"high": 50.0, "severity": "critical"}), "severity stays"
    assert (found["alarms"], found["raises"]) == (1, 1), "the spike"
    assert 360 <= found["anomalies"][0]["raised_at"] - MOMENT < 420, "true to its window"
    assert found["anomalies"][0]["value"] == 90.0
    assert found["exact"] is False and "windows of 60 s" in found["why_not_exact"][0]
    assert found["points"] == place.get(worker, path.replace("rules/try", "history"))[1]["points"]
    # The rule in force for this series allows up to 80: it was crossed, too.
    assert found["in_force"]["limits"] == {"high": 80.0, "severity": "critical"}
    assert found["in_force"]["alarms"] == 1
    assert place.get(worker, path + "high=50&minutes=30")[1]["alarms"] == 0
    assert place.get(worker, path + "high=95")[1]["alarms"] == 0
    # How often and while what is asked of each reading: the spike are three, within one window.
    assert found["readings"] is None
    counted = place.get(worker, path + "high=50&count=3&within_minutes=1&when=level%20%3E%2080")[1]
    assert (counted["raises"], counted["readings"]) == (1, 464)
    assert counted["anomalies"][0]["raised_at"] == MOMENT + 402
    assert counted["anomalies"][0]["condition"] == "for the 3rd time within 1 min, while level 90 > 80"
    assert "each of 464 readings was judged" in counted["why_not_exact"][0]
    assert counted["points"] == found["points"]
    for never in ("count=4&within_minutes=1", "when=level%20%3E%2095"):
        assert place.get(worker, f"{path}high=50&{never}")[1]["raises"] == 0
    status, refused = place.get(worker, path + "high=50&when=level")
    assert (status, "expected a quantity of the same sensor" in refused["error"]) == (400, True)
    nobody = place.get(worker, path.replace("probe", "nobody") + "high=50")[1]
    assert (nobody["alarms"], nobody["points"], nobody["in_force"]["limits"]) == (0, [], {})
    limits = place.get(worker, "/api/sensors/probe")[1]["limits"]
    assert limits == {"level": {"rule": "probe/*", "high": 80.0, "severity": "critical"}}


def test_the_views_show_what_is_live(place: Place) -> None:
    worker = place.workers[0]
    place.publish(*readings(200, start=MOMENT + 20_000))
    place.until(
        lambda: (place.get(worker, "/api/sensors/s3")[1]["last"] or {})["collected_at"] == MOMENT + 20_019,
        "s3",
    )
    place.until(  # windows and models follow at the next checkpoint
        lambda: place.get(worker, "/api/sensors/s3")[1]["windows"]["stream_time"] == MOMENT + 20_019,
        "windows",
    )
    _, sensor = place.get(worker, "/api/sensors/s3")
    assert sensor["detector"]["series"]["temperature"]["warm_up"] > 0
    assert sensor["windows"]["open"][0]["quantity"] == "temperature"
    _, listing = place.get(worker, "/api/sensors?prefix=s&limit=3")
    assert [row["key"] for row in listing["rows"]] == ["s0", "s1", "s2"]
    _, following = place.get(worker, f"/api/sensors?prefix=s&limit=100&after={listing['next']}")
    assert [row["key"] for row in following["rows"]] == [f"s{number}" for number in range(3, 10)]
    assert following["next"] is None
    _, table = place.get(worker, "/api/tables/models?prefix=s&limit=1")
    assert table["rows"][0]["key"] == "s0" and table["next"] == "s0"
    status, page = place.get(worker, "/")
    assert status == 200 and "<title>Weir</title>" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", ""), "the page must not load anything"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/tables/nonsense", 404, "there are windows, models"),
        ("/api/sensors/nonsense", 404, "no such sensor: nonsense"),
        ("/api/sensors?limit=0", 400, "limit must be a number from 1 to 1000"),
        ("/api/sensors?limit=many", 400, "got 'many'"),
        ("/api/quality?tolerance=-1", 400, "tolerance"),
        ("/api/history?sensor=s0", 400, "quantity must be given"),
        ("/api/history?sensor=s0&quantity=t&points=1", 400, "points must be a number from 2 to 5000"),
        ("/api/history?sensor=s0&quantity=t&from=yesterday", 400, "from: time must be ISO 8601"),
        ("/api/history?sensor=s0&quantity=t&from=1e300", 400, "from: "),
        ("/api/rules/try?sensor=s0&high=1", 400, "quantity must be given"),
        ("/api/rules/try?sensor=s0&quantity=t", 400, "low or high must be given"),
        ("/api/rules/try?sensor=s0&quantity=t&high=warm", 400, "high must be a number"),
        ("/api/rules/try?sensor=s0&quantity=t&high=1&low=2", 400, "low must be less than high"),
        ("/api/rules/try?sensor=s0&quantity=t&high=1&minutes=-1", 400, "minutes must be a number from 0"),
        (
            "/api/history?sensor=s0&quantity=t&from=2026-10-02&to=2026-10-01",
            400,
            "got 2026-10-02T00:00:00.000Z and 20",
        ),
    ],
)
def test_a_request_that_cannot_be_answered_says_why(place: Place, path: str, status: int, says: str) -> None:
    found, answer = place.get(place.workers[0], path)
    assert (found, says in answer["error"]) == (status, True), answer


@pytest.mark.parametrize("path", ["/", "/api/overview", "/health/live", "/metrics", "/router/", "/nothing"])
def test_no_page_is_shown_under_a_foreign_name_and_every_answer_has_the_security_headers(
    place: Place, path: str
) -> None:
    url = f"http://127.0.0.1:{place.workers[0].port}{path}"
    for host, refused in (("evil.example", True), ("localhost:3000", False)):
        try:
            answer = urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            assert (answer.status == 421) is refused, answer.read()
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_metrics_have_the_lag_and_the_sink_s_counts(place: Place) -> None:
    _, text = place.get(place.workers[0], "/metrics")
    topic = place.settings.topic("readings")
    assert f'weir_consumer_lag_records{{partition="0",topic="{topic}"}}' in text
    assert 'weir_sink_documents_total{collection="sensors",outcome="stored"}' in text
    assert "weir_mongo_available 1.0" in text


def test_faust_s_own_pages_of_tables_show_rows_and_the_assignment(place: Place) -> None:
    worker = place.workers[0]
    status, listed = place.get(worker, "/table/")
    assert (status, [each["name"] for each in listed]) == (
        200,
        ["windows", "models", "taken_actions", "alarms"],
    )
    assert all("rows by key" in each["help"] for each in listed)
    sensor = place.get(worker, "/api/sensors?limit=1")[1]["rows"][0]["key"]
    for table in ("windows", "models"):
        status, row = place.get(worker, f"/table/{table}/{sensor}/")
        assert (status, row["key"]) == (200, sensor)
        assert row["value"]
    assert sum(place.get(worker, "/table/models/")[1]["rows"].values()) > 0
    assert place.get(worker, "/table/models/nobody/")[0] == 404
    assert place.settings.topic("readings") in place.get(worker, "/assignment/")[1]["actives"]


def test_a_bridge_that_cannot_be_asked_is_a_condition_and_the_page_is_not_green(place: Place) -> None:
    told = place.get(place.workers[0], "/api/overview")[1]["conditions"]
    assert "unknown" in [each["name"] for each in told]


def test_a_worker_computes_the_days_of_its_history_and_they_say_what_windows_say(place: Place) -> None:
    history = place.database["history"]
    path = (
        f"/api/history?sensor=probe&quantity=level&from={MOMENT - 86400:.0f}&to={MOMENT + 86400:.0f}&points="
    )
    probe = {"metadata.sensor_id": "probe"}
    place.until(lambda: history.find_one({**probe, "due": None, "rolls": {"$gt": 0}}) is not None, "computed")
    _, windows = place.get(place.workers[0], path + "5000")
    _, days = place.get(place.workers[0], path + "2")
    assert (windows["tier"], days["tier"]) == ("windows", "days")
    assert sum(point[1] for point in windows["points"]) == sum(point[1] for point in days["points"]) > 360
    assert max(point[5] for point in days["points"]) == 90.0, "the spike"
    assert history.find_one({"_id": "begun"}) == {"_id": "begun", "after": None}


def test_the_ledger_balances_when_all_is_done(place: Place) -> None:
    worker = place.workers[0]
    place.until(
        lambda: (
            (ledger := place.get(worker, "/api/ledger")[1])["pending"] == {"worker": 0, "sink": 0}
            and all(sink["under_way"] == 0 for sink in ledger["workers"][0]["sinks"].values())
        ),
        "nothing pending",
    )
    _, ledger = place.get(worker, "/api/ledger")
    own = ledger["workers"][0]
    assert own["balanced"], ledger
    assert not ledger["bridge"]["reachable"]
    assert not ledger["balanced"], "a bridge that cannot be asked is not known to balance"
    assert own["readings"]["taken"] == ledger["kafka"][place.settings.topic("readings")]["offsets"]
    sensors = own["sinks"]["sensors"]
    assert sensors["stored"] == place.count("sensors")
    assert sensors["taken"] == sum(
        sensors[name] for name in ("stored", "already_there", "refused", "unreadable", "not_kept")
    )


def test_a_day_that_a_logger_uploads_after_its_newest_reading_stands_whole_in_mongodb(place: Place) -> None:
    day = [Reading("logger", MOMENT + 60.0 * minute, {"level": float(minute % 50)}) for minute in range(1440)]
    again = [Reading("logger", each.collected_at + 30, {"level": 7.0}) for each in day[::30]]
    newest = Reading("logger", MOMENT + 86_400 + 3600, {"level": 99.0})
    place.publish(newest, *day, *again, *day[:100])  # the last are repetitions

    def tick_and_count() -> bool:
        place.publish(*(Tick(time.time() + 3600) for _ in range(16)))  # some for each partition
        whole = list(place.database["aggregates"].find({"metadata.sensor_id": "logger"}, {"count": 1}))
        return len(whole) == 1441 and sum(each["count"] for each in whole) >= 1 + 1440 + 48

    place.until(tick_and_count, "the logger's windows, whole")
    for whole in place.database["aggregates"].find({"metadata.sensor_id": "logger"}):
        start, end = whole["start"].timestamp(), whole["end"].timestamp()
        inside = [each.values["level"] for each in (newest, *day, *again) if start <= each.collected_at < end]
        assert (whole["count"], whole["min"], whole["max"]) == (len(inside), min(inside), max(inside))
        assert whole["mean"] == pytest.approx(sum(inside) / len(inside))
        assert not whole.get("unchecked")
    (windows,) = (worker["windows"] for worker in place.get(place.workers[0], "/api/ledger")[1]["workers"])
    assert (windows["values_duplicate"] >= 100, windows["values_supplemented"] >= 1488) == (True, True), (
        windows
    )
