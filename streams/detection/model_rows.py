"""How the models of a sensor are written to the changelog, and come back: whole, or what has changed of them."""

from typing import Any, Final

import msgspec

from streams.counters.sensor_counters import SensorCounters, settle_all
from streams.detection.attendance import Attendance
from streams.detection.detection_plan import DetectionPlan
from streams.detection.log_rules import PartitionRules, lay_over_all
from streams.detection.newest_values import NewestValues
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import SeriesModel
from streams.detection.silence import SilenceWatch
from streams.errors import InputError, Reason, shown
from streams.records.rows import RULES_ROW, Changes, Row

_encode: Final = msgspec.msgpack.Encoder().encode


def models_to_state(models: SensorModels) -> list[Any]:
    """Return a sensor's models as plain values, or the rules of the partition.

    Last stand its counters, without a quantity, and, each as bytes by itself, the watch for its silence, the newest
    values that conditions ask for, and whether its readings come, if it has them: a list, a map, a list that begins
    with a number.
    """
    if isinstance(models, PartitionRules):
        return models.to_state()
    state: list[Any] = [(quantity, model.to_bytes()) for quantity, model in models.items()]
    return state + _beside(models)


def _beside(models: SensorModels) -> list[Any]:
    """Return what a sensor has beside its models: written whole each time."""
    found: list[Any] = []
    if models.counters is not None and not models.counters.is_empty:
        found.append((None, models.counters.to_state()))
    if models.silence is not None:
        found.append(_encode(models.silence.to_state()))
    if models.newest is not None and (known := models.newest.to_state()):
        found.append(_encode(known))
    if models.attendance is not None:
        found.append(_encode(models.attendance.to_state()))
    return found


def models_from_state(plan: DetectionPlan, sensor_id: str, state: Any) -> SensorModels:
    """Restore a sensor's models from `models_to_state`.

    Args:
        plan: How each series is watched now; for what no longer fits see `SeriesModel.from_bytes`.
        sensor_id: The sensor.
        state: What `models_to_state` returned.

    Raises:
        InputError: ``unreadable_record`` if the bytes are not a model's state.
    """
    if sensor_id == RULES_ROW:
        return PartitionRules.from_state(state)
    models = SensorModels()
    for each in state:
        if _restored_beside(models, each):
            continue
        quantity, data = each
        models[quantity] = SeriesModel.from_bytes(data, plan.config_for(sensor_id, quantity))
    return models


def settle_models(plan: DetectionPlan, rows: dict[str, Row[SensorModels]]) -> None:
    """Bring the models of a partition that came back in line with the settings of now, and with its rules.

    Args:
        plan: How each series is watched now.
        rows: Of the partition.
    """
    settle_all(plan.counters, ((sensor_id, row.state.counters) for sensor_id, row in rows.items()))
    lay_over_all(rows)


def _restored_beside(models: SensorModels, each: Any) -> bool:
    """Restore what is kept beside models; tells whether it is that."""
    if isinstance(each, bytes):
        _restore_bytes(models, each)
    elif each[0] is None:
        try:
            models.counters = SensorCounters.from_state(each[1])
        except (ValueError, TypeError) as error:
            raise InputError(
                Reason.UNREADABLE_RECORD, f"expected the state of counters, got {shown(each[1])}: {error}"
            ) from None
    else:
        return False
    return True


def _restore_bytes(models: SensorModels, data: bytes) -> None:
    try:
        state = msgspec.msgpack.decode(data)
        if isinstance(state, dict):
            models.newest = NewestValues.from_state(state)
        elif isinstance(state, list) and state and isinstance(state[0], int):
            models.attendance = Attendance.from_state(state)
        else:
            models.silence = SilenceWatch.from_state(state)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise InputError(
            Reason.UNREADABLE_RECORD,
            f"expected a watch for silence, newest values or attendance, got {len(data)} bytes {data[:16]!r}: {error}",
        ) from None


def _take_changes(models: SensorModels) -> list[Any] | None:
    """Return what has changed since the last call as plain values, if it is little; ``None``: write the whole."""
    if not models:  # nothing tells whether the row was written whole: a reading without values made it
        return None
    changes: list[Any] | None = []
    for quantity, model in models.items():
        data = model.take_changes()  # of each, since the whole row has them all
        if data is None:
            changes = None
        elif changes is not None:
            changes.append((quantity, data))
    return None if changes is None else changes + _beside(models)


def _apply_changes(models: SensorModels, changes: Any) -> None:
    """Take over what `_take_changes` returned."""
    models.silence = models.newest = models.counters = models.attendance = None
    for each in changes:
        if not _restored_beside(models, each):
            quantity, data = each
            models[quantity].apply_changes(data)


MODEL_CHANGES: Final = Changes(_take_changes, _apply_changes)
"""How a sensor's models are written when little of them has changed."""
