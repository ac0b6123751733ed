"""A stage is a value; the application puts it to work, and forgets nothing of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.analysis.app import AnalysisApp
from agents.analysis.compare_groups import group_stage
from agents.analysis.keep_marks import anomaly_mark_stage, label_mark_stage
from agents.analysis.learn_series import series_stage
from agents.app import create_app
from agents.lane.core.stage import Stage
from agents.lane.lane_app import LaneApp
from agents.stages.aggregate import window_stage
from agents.stages.alarm import alarm_stage
from agents.stages.compare_peers import peer_stage
from agents.stages.detect import model_stage
from agents.stages.take_actions import action_stage
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings
from streams.errors import ConfigurationError
from streams.records.catalogue import CATALOGUE
from streams.records.rows import Row

AnyStage = Stage[Any, Any, Any, Any]
SETTINGS = Settings()
WITH_PEERS = Settings(detection=DetectionSettings(series={"room-*/temperature": {"peers": "pattern"}}))
STAGES: list[Callable[[], AnyStage]] = [
    lambda: window_stage(SETTINGS),
    lambda: model_stage(SETTINGS),
    action_stage,
    lambda: alarm_stage(SETTINGS),
    lambda: peer_stage(WITH_PEERS),
    lambda: series_stage(SETTINGS),
    group_stage,
    anomaly_mark_stage,
    label_mark_stage,
]


@pytest.mark.parametrize("make", STAGES, ids=lambda make: make().name)
def test_a_row_that_has_just_begun_comes_back_from_its_changelog_as_it_was(
    make: Callable[[], AnyStage],
) -> None:
    form = make().form
    key, value = replace(form, changes=None).news("s1", Row(form.begin("s1"), applied_through=7))
    rows: dict[str, Row[Any]] = {}
    assert form.restore({key: value}, 0, rows).mark is None
    assert rows["s1"].applied_through == 7
    assert form.to_state(rows["s1"].state) == form.to_state(form.begin("s1"))


@pytest.mark.parametrize("make", STAGES, ids=lambda make: make().name)
def test_what_a_stage_writes_is_in_the_catalogue(make: Callable[[], AnyStage]) -> None:
    stage = make()
    assert {stage.reads, *(writes.kind for writes in stage.writes)} <= set(CATALOGUE)


def test_a_stage_that_is_added_has_its_table_its_state_and_its_agent() -> None:
    app = LaneApp(SETTINGS)
    state = app.add(window_stage(SETTINGS))
    assert app.lane.states == [state]
    assert app.lane.topics == {"readings", state.changelog}
    assert state.changelog == "weir-windows-changelog"  # a name on disk
    assert state.changelog in app.tables.changelog_topics
    assert "aggregate_readings" in app.agents


def test_all_that_the_applications_keep_is_made_durable() -> None:
    worker, analysis = create_app(SETTINGS), AnalysisApp(SETTINGS)
    windows, models, actions, alarms = worker.lane.states
    assert (windows, models, alarms) == (worker.windows, worker.models, worker.alarms)
    assert actions.changelog == "weir-taken_actions-changelog"  # a name on disk
    assert analysis.lane.states == [
        analysis.analysed, analysis.compared, analysis.anomaly_marks, analysis.label_marks,
    ]  # fmt: skip
    for app in (worker, analysis):
        assert {state.changelog for state in app.lane.states} == set(app.tables.changelog_topics)


def test_peers_cost_nothing_where_nobody_has_any() -> None:
    worker, comparing = create_app(SETTINGS), create_app(WITH_PEERS)
    assert worker.peers is None
    assert (
        "peer-inputs" not in {each.kind.topic.name for each in window_stage(SETTINGS).writes} | worker.sources
    )
    assert comparing.peers is comparing.lane.states[-1]
    assert (
        "peer-inputs"
        in {each.kind.topic.name for each in window_stage(WITH_PEERS).writes} & comparing.sources
    )


def test_a_table_of_the_same_name_is_refused() -> None:
    app = LaneApp(SETTINGS)
    app.add(window_stage(SETTINGS))
    with pytest.raises(ConfigurationError, match="two stages keep a table windows"):
        app.add(replace(model_stage(SETTINGS), table="windows"))


@pytest.mark.parametrize("first", [True, False])
def test_a_stage_that_lets_go_of_records_which_another_agent_reads_is_refused(first: bool) -> None:
    app = LaneApp(SETTINGS)
    stages: list[AnyStage] = [series_stage(SETTINGS), window_stage(SETTINGS)]
    app.add(stages[not first])
    with pytest.raises(ConfigurationError, match="analyse_readings lets go of the records of readings"):
        app.add(stages[first])
