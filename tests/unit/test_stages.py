"""A stage is a value; the application puts it to work, and forgets nothing of it."""

from dataclasses import replace
from typing import Any

import pytest

from agents.analysis.app import AnalysisApp
from agents.analysis.learn_series import series_stage
from agents.app import create_app
from agents.lane.core.stage import Stage
from agents.lane.lane_app import LaneApp
from agents.rebuilding import stages_of
from agents.stages.aggregate import window_stage
from agents.stages.detect import model_stage
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings
from streams.errors import ConfigurationError
from streams.records.catalogue import CATALOGUE
from streams.records.rows import Row

AnyStage = Stage[Any, Any, Any, Any]
SETTINGS = Settings()
WITH_PEERS = Settings(detection=DetectionSettings(series={"room-*/temperature": {"peers": "pattern"}}))
STAGES: list[AnyStage] = [
    *stages_of(WITH_PEERS, analysis=False),
    *stages_of(WITH_PEERS, analysis=True),
]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_row_that_has_just_begun_comes_back_from_its_changelog_as_it_was(stage: AnyStage) -> None:
    form = stage.form
    key, value = replace(form, changes=None).news("s1", Row(form.begin("s1"), applied_through=7))
    rows: dict[str, Row[Any]] = {}
    assert form.restore({key: value}, 0, rows).mark is None
    assert rows["s1"].applied_through == 7
    assert form.to_state(rows["s1"].state) == form.to_state(form.begin("s1"))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_what_a_stage_writes_is_in_the_catalogue(stage: AnyStage) -> None:
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


@pytest.mark.parametrize("settings", [SETTINGS, WITH_PEERS], ids=["alone", "with peers"])
def test_a_reset_knows_the_stages_that_the_applications_put_to_work(settings: Settings) -> None:
    for app, is_analysis in ((create_app(settings), False), (AnalysisApp(settings), True)):
        known = [(stage.table, stage.reads) for stage in stages_of(settings, analysis=is_analysis)]
        assert [table for table, _ in known] == [state.name for state in app.lane.states]
        assert {app.name_of(kind.topic) for _, kind in known} == {state.source for state in app.lane.states}


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
