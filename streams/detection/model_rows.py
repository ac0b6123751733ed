"""How the models of a sensor are written to the changelog, and come back: whole, or what has changed of them."""

from typing import Any, Final

import msgspec

from streams.detection.log_rules import RULES_ROW, PartitionRules
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import DetectionPlan, SeriesModel
from streams.detection.silence import SilenceWatch
from streams.errors import InputError, Reason
from streams.records.rows import Changes

_encode: Final = msgspec.msgpack.Encoder().encode


def models_to_state(models: SensorModels) -> list[Any]:
    """Return a sensor's models as plain values, or the rules of the partition.

    Last, as bytes by themselves, stands the watch for its silence, if it has one.
    """
    if isinstance(models, PartitionRules):
        return models.to_state()
    state: list[Any] = [(quantity, model.to_bytes()) for quantity, model in models.items()]
    if models.silence is not None:
        state.append(_encode(models.silence.to_state()))
    return state


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
        if isinstance(each, bytes):
            _restore_silence(models, each)
            continue
        quantity, data = each
        models[quantity] = SeriesModel.from_bytes(data, plan.config_for(sensor_id, quantity))
    return models


def _restore_silence(models: SensorModels, data: bytes) -> None:
    try:
        models.silence = SilenceWatch.from_state(msgspec.msgpack.decode(data))
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise InputError(
            Reason.UNREADABLE_RECORD,
            f"expected the state of a watch for silence, got {len(data)} bytes {data[:16]!r}: {error}",
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
    if changes is not None and models.silence is not None:
        changes.append(_encode(models.silence.to_state()))
    return changes


def _apply_changes(models: SensorModels, changes: Any) -> None:
    """Take over what `_take_changes` returned."""
    models.silence = None
    for each in changes:
        if isinstance(each, bytes):
            _restore_silence(models, each)
        else:
            quantity, data = each
            models[quantity].apply_changes(data)


MODEL_CHANGES: Final = Changes(_take_changes, _apply_changes)
"""How a sensor's models are written when little of them has changed."""
