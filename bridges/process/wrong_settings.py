"""How settings that are not acceptable are told: by their variables, never with a secret."""

from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from bridges.process.near_names import did_you_mean
from bridges.process.section import Section


def fields_of(settings: type[BaseModel], section: str) -> set[str] | None:
    """Return the setting names of a section; ``None`` if there is no such section."""
    field = settings.model_fields.get(section)
    if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, Section):
        return None
    return set(field.annotation.model_fields)


def near(settings: type[BaseModel], variable: str) -> str:
    """Name the variable that one which does not exist may be meant for, as a sentence; empty if none is near."""
    names: list[str] = []
    for section in settings.model_fields:
        fields = fields_of(settings, section)
        names += [section] if fields is None else [f"{section}__{field}" for field in fields]
    known = [f"WEIR_{name}".upper() for name in names]
    in_a_section = [each for each in known if each.endswith(variable.upper().replace("WEIR_", "__", 1))]
    return did_you_mean(in_a_section[0] if in_a_section else variable, known, most=1, alike=0.85)


def tell_wrong(settings: type[BaseModel], error: ValidationError) -> str:
    """Name each wrong setting by its variable, with what was expected and what came (never a secret)."""
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        path = [str(part) for part in item["loc"]]
        shown = f", got {item['input']!r}" if _may_be_shown(settings, path) else ""
        variable = f"WEIR_{'__'.join(path).upper()}"
        meant = f".{near(settings, variable)}" if item["type"] == "extra_forbidden" else ""
        lines.append(f"{variable}: {item['msg']}{shown}{meant}")
    return "settings are not acceptable:\n  " + "\n  ".join(lines)


def _may_be_shown(settings: type[BaseModel], path: list[str]) -> bool:
    """Tell whether the value at this place is of one setting that is known to be no secret.

    A whole section holds the secrets in it, and what stands under an unknown name may be one.
    """
    model: Any = settings
    for part in path:
        field = model.model_fields.get(part)
        if field is None:
            return False
        model = field.annotation
        if not (isinstance(model, type) and issubclass(model, Section)):
            return not _holds_secrets(model)
    return False


def _holds_secrets(kind: Any) -> bool:
    """Tell whether values of a type may hold a secret: itself, or a section within it."""
    if kind is SecretStr or (isinstance(kind, type) and issubclass(kind, Section)):
        return True
    return any(_holds_secrets(each) for each in get_args(kind))
