"""When a record is to blame, and when it is the code: how many may fail.

A partition in which a batch has failed is in doubt: its records are applied one at a time, until so many have succeeded
in a row that the fast way is worth trying again. Each that fails is set aside. Each that succeeds makes up for one that
failed; if more fail than that, it is not the records, and the worker stops before it has set all of them aside.
"""

from collections.abc import Sequence
from typing import Final

from streams.errors import WeirError

CAREFUL_RECORDS: Final = 50_000
"""Records that must succeed in a row before a partition is not in doubt any more.

One at a time they cost some twenty times as much; to find out again that a batch fails costs reading the changelog.
"""


class TooManyFailedError(WeirError):
    """So many records cannot be processed that the code is at fault, or the settings: it must be mended."""


class Doubt:
    """What is known of the failures in a partition.

    Args:
        most: So many records may fail beyond those that succeed.
    """

    __slots__ = ("_most", "_since", "_unpaid")

    def __init__(self, most: int) -> None:
        self._most = most
        self._unpaid = 0
        self._since = 0

    def succeeded(self) -> bool:
        """Note a record that was applied; tells whether so many were that there is no doubt any more."""
        self._unpaid = max(0, self._unpaid - 1)
        self._since += 1
        return self._since >= CAREFUL_RECORDS

    def failed(self, place: str, error: Exception) -> None:
        """Note a record that was not.

        Args:
            place: Where it stands.
            error: Why.

        Raises:
            TooManyFailedError: If too many were.
        """
        self._since = 0
        self._unpaid += 1
        self._judge(place, error)

    def tally(self, succeeded: int, failures: Sequence[tuple[str, Exception]]) -> None:
        """Note what became of the records of a batch, in any order.

        Args:
            succeeded: How many were applied.
            failures: Place and cause of the others.

        Raises:
            TooManyFailedError: If too many were not.
        """
        self._unpaid = max(0, self._unpaid - succeeded) + len(failures)
        if failures:
            self._judge(*failures[-1])

    def _judge(self, place: str, error: Exception) -> None:
        if self._unpaid > self._most:
            raise TooManyFailedError(
                f"{self._unpaid} records more have failed than succeeded, the last at {place} "
                f"({type(error).__name__}: {error}): this is no fault of single records, so none of these is set "
                "aside. If they are to be, all the same: WEIR_WORKER__MAX_UNPROCESSABLE"
            ) from error
