"""The corners of detectors: what they refuse, what they forget, and what an ensemble passes on."""

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from river import preprocessing

from streams.detectors import TailWatch, make_detector
from streams.detectors.base import Detector
from streams.detectors.ensemble import Ensemble
from streams.detectors.river_detectors import (
    DRIFT_DETECTORS,
    RIVER_DETECTORS,
    DriftDetector,
    RiverDetector,
)

TWO = [{"detector": "tailwatch"}, {"detector": "tailwatch", "parameters": {"season_seconds": 0}}]


def feed(detector: Detector, count: int, seed: int = 1) -> None:
    rng = random.Random(seed)
    for index in range(count):
        detector.surprise(rng.gauss(20.0, 1.0), 300.0 * index)


@pytest.mark.parametrize(
    "ask",
    [
        lambda detector: detector.seen,
        lambda detector: detector.ready,
        lambda detector: detector.surprise(1.0, 0.0),
        lambda detector: detector.peek_surprise(1.0, 0.0),
        lambda detector: detector.band(9.0),
        lambda detector: detector.encode(),
        lambda detector: detector.decode(b""),
    ],
)
def test_a_detector_that_leaves_out_what_it_must_give_fails_when_asked_for_it(
    ask: Callable[[Detector], object],
) -> None:
    class Unfinished(Detector):
        """Gives nothing of its own."""

    with pytest.raises(NotImplementedError):
        ask(Unfinished())


def test_learning_through_the_interface_of_river_is_the_same_as_the_hot_path() -> None:
    ours, theirs = TailWatch(), TailWatch()
    rng = random.Random(3)
    for index in range(300):
        value = rng.gauss(20.0, 1.0)
        ours.surprise(value, 300.0 * index)
        theirs.learn_one({"value": value, "time": 300.0 * index})
    assert theirs.encode() == ours.encode()
    assert theirs.seen == 300


def test_tailwatch_refuses_a_warm_up_too_short_and_a_negative_season() -> None:
    with pytest.raises(ValueError, match="warm_up must be at least 10 readings, got 9"):
        TailWatch(warm_up=9)
    with pytest.raises(ValueError, match="season_seconds must not be negative, got -1"):
        TailWatch(season_seconds=-1.0)


def test_without_a_season_a_spike_that_recurs_daily_is_not_discounted() -> None:
    def last_spike(season_seconds: float) -> float:
        detector = TailWatch(season_seconds=season_seconds)
        rng = random.Random(5)
        spikes = []
        for index in range(6 * 288):
            spike = index % 288 == 150
            nats = detector.surprise(rng.gauss(20.0, 1.0) + (25.0 if spike else 0.0), 300.0 * index)
            if spike:
                spikes.append(nats)
        return spikes[-1]

    assert last_spike(0.0) > last_spike(86400.0) + 3.0


def test_without_a_season_a_restored_state_goes_on_bit_by_bit() -> None:
    whole, twin = TailWatch(season_seconds=0.0), TailWatch(season_seconds=0.0)
    feed(whole, 400)
    twin.decode(whole.encode())
    assert twin.surprise(31.0, 300.0 * 400) == whole.surprise(31.0, 300.0 * 400) > 5.0
    assert twin.encode() == whole.encode()


def test_accepting_a_level_during_the_warm_up_changes_nothing() -> None:
    detector = TailWatch()
    feed(detector, 50)
    before = detector.encode()
    detector.accept()
    assert detector.encode() == before


def test_a_warm_up_state_cut_short_is_refused() -> None:
    detector = TailWatch()
    feed(detector, 50)
    with pytest.raises(ValueError, match="are not 50 readings of a warm-up"):
        TailWatch().decode(detector.encode()[:-1])


@pytest.mark.parametrize(("members", "how", "votes"), [(0, "max", 1), (1, "vote", 2), (2, "vote", 0)])
def test_an_ensemble_without_members_or_with_more_votes_than_members_is_refused(
    members: int, how: str, votes: int
) -> None:
    with pytest.raises(ValueError, match="an ensemble needs members"):
        Ensemble([TailWatch() for _ in range(members)], "max" if how == "max" else "vote", votes)


def test_an_ensemble_tells_what_its_most_surprised_member_tells() -> None:
    ensemble = Ensemble([TailWatch(), RiverDetector("StandardAbsoluteDeviation")])
    feed(ensemble, 400)
    assert ensemble.seen == 400
    each = [member.peek_surprise(60.0, 300.0 * 400) for member in ensemble.members]
    ensemble.surprise(60.0, 300.0 * 400)
    most, least = ensemble.members[each.index(max(each))], ensemble.members[each.index(min(each))]
    assert ensemble.level() == most.level() != least.level()
    assert ensemble.band(9.0) == most.band(9.0) != least.band(9.0)
    assert ensemble.explain(9.0) == most.explain(9.0) != least.explain(9.0)


def test_an_ensemble_that_accepts_a_level_lets_every_member_accept_it() -> None:
    ensemble = make_detector("max", {"members": TWO})
    assert isinstance(ensemble, Ensemble)
    alone = [TailWatch(), TailWatch(season_seconds=0.0)]
    for detector in (ensemble, *alone):
        feed(detector, 300)
        detector.accept()
    assert [member.encode() for member in ensemble.members] == [member.encode() for member in alone]


def test_an_ensemble_refuses_a_state_of_other_members() -> None:
    ensemble = make_detector("max", {"members": TWO})
    feed(ensemble, 150)
    state = ensemble.encode()
    for data in (b"", b"\x02" + state[1:]):
        with pytest.raises(ValueError, match="not the state of this ensemble"):
            ensemble.decode(data)
    with pytest.raises(ValueError, match=f"expected {len(state)} bytes"):
        ensemble.decode(state + b"\x00")


def test_unknown_river_and_drift_detectors_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"river detector must be one of .*, got 'Oracle'"):
        RiverDetector("Oracle")
    with pytest.raises(ValueError, match=r"drift detector must be one of .*, got 'Oracle'"):
        DriftDetector("Oracle")


@pytest.mark.parametrize(
    ("pickled", "named"),
    [
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"cnumpy\nmemmap\n.", "numpy.memmap"),
        (b"\x80\x04\x8c\x12numpy._core.memmap\x8c\x06memmap\x93.", "numpy._core.memmap.memmap"),
        (b"cnumpy.ctypeslib\nload_library\n.", "numpy.ctypeslib.load_library"),
        (b"criver.datasets.base\nFileDataset\n.", "river.datasets.base.FileDataset"),
        (b"criver.stream.iter_csv\niter_csv\n.", "river.stream.iter_csv.iter_csv"),
        (b"cstreams.detectors.base\nsys\n.", "streams.detectors.base.sys"),
        (b"ccopyreg\n_reconstructor\n.", "copyreg._reconstructor"),
        (b"cos\nsystem\n.", "os.system"),
        (b"cbuiltins\ngetattr\n(]Vappend\ntR.", "append of list"),
    ],
)
def test_a_state_that_names_a_function_or_a_foreign_method_is_refused(pickled: bytes, named: str) -> None:
    with pytest.raises(ValueError, match=f"a detector's state must not hold {named}"):
        RiverDetector("GaussianScorer").decode(pickled)


def test_a_state_cannot_open_or_overwrite_a_file(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"do not touch" * 10)

    class Overwrites:
        def __reduce__(self) -> tuple[object, ...]:
            return numpy.memmap, (str(target), "uint8", "w+", 0, (4,))

    with pytest.raises(ValueError, match=r"must not hold numpy.*memmap"):
        RiverDetector("GaussianScorer").decode(pickle.dumps({"_n": Overwrites()}))
    assert target.read_bytes() == b"do not touch" * 10


def test_a_method_is_taken_of_no_object_but_the_one_that_keeps_it() -> None:
    scaler = pickle.dumps(preprocessing.StandardScaler())
    with pytest.raises(ValueError, match="must not hold learn_one of StandardScaler"):
        RiverDetector("GaussianScorer").decode(
            b"\x80\x05cbuiltins\ngetattr\n"
            + scaler[scaler.index(b"\x8c") : -1]
            + b"X\x09\0\0\0learn_one\x86R."
        )


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *((name, {}) for name in RIVER_DETECTORS),
        ("GaussianScorer", {"window_size": 50}),
        ("HalfSpaceTrees", {"limits": {"value": [0, 1]}, "features": ["value", "difference"]}),
        ("OneClassSVM", {"nu": 0.2, "protect_quantile": 0.99}),
        *((name, {}) for name in DRIFT_DETECTORS),
        ("PageHinkley", {"mode": "up"}),
        ("PageHinkley", {"mode": "down"}),
    ],
)
@pytest.mark.parametrize("readings", [0, 1, 120, 600])
def test_a_river_detector_of_any_age_goes_on_from_its_state_as_if_nothing_had_happened(
    name: str, parameters: dict[str, Any], readings: int
) -> None:
    whole, twin = make_detector(name, parameters), make_detector(name, parameters)
    feed(whole, readings)
    twin.decode(whole.encode())
    rng = random.Random(9)
    for index in range(readings, readings + 150):
        value = rng.gauss(24.0, 1.0)
        assert twin.surprise(value, 300.0 * index) == whole.surprise(value, 300.0 * index)


def test_the_state_of_another_kind_of_river_detector_is_refused() -> None:
    with pytest.raises(ValueError, match="not the state of this river detector"):
        RiverDetector("GaussianScorer").decode(DriftDetector("ADWIN").encode())


def test_a_protected_detector_does_not_learn_an_incident_and_an_unprotected_one_does() -> None:
    protected = RiverDetector("StandardAbsoluteDeviation", protect_quantile=0.99)
    open_to_all = RiverDetector("StandardAbsoluteDeviation")
    incident = 300.0 * 400
    later = []
    for detector in (protected, open_to_all):
        feed(detector, 400)
        assert detector.surprise(1000.0, incident) > 4.7
        later.append(detector.peek_surprise(26.0, incident + 300.0))
    assert later[0] > later[1]
    assert protected.seen == open_to_all.seen == 401
