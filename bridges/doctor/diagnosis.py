"""What an examination found."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How good it is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at.

    Args:
        what: What was looked at.
        verdict: `FAILURE` if Weir cannot run so, `WARNING` if it runs and something may be lost or surprise.
        found: What is the case.
        remedy: What to do; empty when it is good.
    """

    what: str
    verdict: Grade
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as plain JSON values."""
        return {name: str(value) for name, value in asdict(self).items()}


Diagnoses = list[Diagnosis]


def ok(what: str, found: str) -> Diagnosis:
    """Return a finding that is good."""
    return Diagnosis(what, Grade.OK, found)


def warning(what: str, found: str, remedy: str) -> Diagnosis:
    """Return a finding that may lose something or surprise.

    Args:
        what, found, remedy: As in `Diagnosis`.
    """
    return Diagnosis(what, Grade.WARNING, found, remedy)


def failure(what: str, found: str, remedy: str) -> Diagnosis:
    """Return a finding with which Weir cannot run.

    Args:
        what, found, remedy: As in `Diagnosis`.
    """
    return Diagnosis(what, Grade.FAILURE, found, remedy)


def judged(
    good: bool, what: str, found: str, remedy: str, worse: Callable[..., Diagnosis] = warning
) -> Diagnosis:
    """Return a finding that is good, or otherwise `worse` with its remedy.

    Args:
        good: Whether all is well.
        what, found, remedy: As in `Diagnosis`; the remedy is told only if it is not.
        worse: `warning` or `failure`.
    """
    return ok(what, found) if good else worse(what, found, remedy)
