"""What a group of settings is made of, and how text of the environment becomes lists and tables."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A group of settings: immutable, and a wrong name in it is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )


def _split(value: Any) -> Any:
    """Accept a comma-separated text where a list is wanted, as environment variables need."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _pairs(value: Any) -> Any:
    """Accept ``name=value, name=value`` where a mapping is wanted."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in _split(value)]
    if any(not sign for _, sign, _ in pairs):
        raise ValueError(f"expected name=value, comma separated, got {value!r}")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _table(value: Any) -> Any:
    """Accept a JSON object where a table is wanted, as environment variables need: their names have no ``/``."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"expected a JSON object: {error}") from None


CommaSeparated = BeforeValidator(_split)
CommaSeparatedPairs = BeforeValidator(_pairs)
JsonTable = BeforeValidator(_table)

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
