"""What became of documents written to MongoDB: stored, already there, refused, or to be tried again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bson.errors import BSONError
from pymongo.errors import BulkWriteError, DocumentTooLarge, PyMongoError

from streams.records.versions import Document

DUPLICATE_KEY = 11000
# mongod's src/mongo/base/error_codes.yml: these pass by themselves, or when an operator acts on the server.
TRANSIENT_CODES = frozenset({
    6,  # HostUnreachable
    7,  # HostNotFound
    24,  # LockTimeout
    46,  # LockBusy
    50,  # MaxTimeMSExpired
    64,  # WriteConcernFailed
    89,  # NetworkTimeout
    91,  # ShutdownInProgress
    112,  # WriteConflict
    134,  # ReadConcernMajorityNotAvailableYet
    189,  # PrimarySteppedDown
    202,  # NetworkInterfaceExceededTimeLimit
    262,  # ExceededTimeLimit
    9001,  # SocketException
    10107,  # NotWritablePrimary
    11600,  # InterruptedAtShutdown
    11602,  # InterruptedDueToReplStateChange
    13435,  # NotPrimaryNoSecondaryOk
    13436,  # NotPrimaryOrSecondary
    14031,  # OutOfDiskSpace
})  # fmt: skip
# These are one document's fault even when the server refuses the whole command for them.
DOCUMENT_CODES = frozenset({
    2,  # BadValue
    9,  # FailedToParse
    14,  # TypeMismatch
    15,  # Overflow: nested too deeply
    22,  # InvalidBSON
    52,  # DollarPrefixedFieldName
    54,  # NotSingleValueField
    55,  # InvalidDBRef
    56,  # EmptyFieldName
    57,  # DottedFieldName
    121,  # DocumentValidationFailure
    10334,  # BSONObjectTooLarge
})  # fmt: skip
# What the driver itself refuses to put on the wire.
UNSENDABLE = (BSONError, DocumentTooLarge, OverflowError, UnicodeEncodeError)


@dataclass(slots=True)
class Written:
    """What became of the documents of one write; the three counts add up to what was given.

    Args:
        stored: New in the collection, or changed in it. After a broken connection some of these count as
            already there: nobody can tell whether the attempt before had stored them.
        already_there: Written before; for anomalies also: what is stored is as new or newer.
        refused: Each document that the server or the driver will never take, and why.
    """

    stored: int = 0
    already_there: int = 0
    refused: list[tuple[Document, str]] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Add what became of others."""
        self.stored += other.stored
        self.already_there += other.already_there
        self.refused += other.refused


Left = tuple[list[Document], PyMongoError | None]
"""What to try again, and why it failed for now."""


def refuse(written: Written, document: Document, detail: str) -> None:
    """Note that a document will never be taken.

    Args:
        written: Counts it.
        document: The document.
        detail: Why; 500 characters of it are kept.
    """
    written.refused.append((document, detail[:500]))


def sort_out(error: BulkWriteError, documents: list[Document], written: Written) -> Left:
    """Count what an unordered bulk write stored, what was there and what is refused.

    Args:
        error: What the driver raised.
        documents: Those of the write, in its order.
        written: Counts them.

    Returns:
        What to try again, and why.
    """
    details: Mapping[str, Any] = error.details or {}
    failures = details.get("writeErrors", [])
    not_durable = bool(details.get("writeConcernErrors"))
    failed = {failure["index"] for failure in failures}
    again = [each for index, each in enumerate(documents) if not_durable and index not in failed]
    for failure in failures:
        document, code = documents[failure["index"]], failure["code"]
        if code in TRANSIENT_CODES:
            again.append(document)
        elif code == DUPLICATE_KEY and _is_about_id(failure):
            written.already_there += 1
        else:
            refuse(written, document, f"code {code}: {failure.get('errmsg', '')}")
    if not not_durable:
        # Otherwise some servers have them but no majority: written again, they count as already there.
        written.stored += len(documents) - len(failures)
    return again, error if again else None


def taken(error: BulkWriteError, documents: list[Document]) -> list[Document]:
    """List the documents of a bulk write whose id was taken; `sort_out` counts them as already there."""
    failures = (error.details or {}).get("writeErrors", [])
    return [
        documents[failure["index"]]
        for failure in failures
        if failure["code"] == DUPLICATE_KEY and _is_about_id(failure)
    ]


def _is_about_id(failure: Mapping[str, Any]) -> bool:
    """Tell a duplicate of our own id from one of some other unique index that an operator made."""
    pattern = failure.get("keyPattern")
    if pattern is None:
        return "index: _id_" in failure.get("errmsg", "") or "_id_ dup" in failure.get("errmsg", "")
    return list(pattern) == ["_id"]
