"""What there is to know of one type of record, as a value: `streams.records.catalogue` holds one for each.

    struct ──▶ RecordType ─┬─▶ topic: name, key, how long it is kept
                           ├─▶ collection: document, how versions of it order, indexes
                           └─▶ who makes it, what tells it from others, whether a replay recomputes it

Whoever names a topic, a collection or a type of record asks the catalogue; functions take it as an argument.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from streams.records.types import decode_as
from streams.records.types import encode as encode_struct
from streams.records.versions import Document, Versions

R = TypeVar("R", bound=msgspec.Struct)

Identity = tuple[Any, ...]
"""What tells one record of a type from the others."""

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One Kafka topic.

    Args:
        name: The name without the namespace prefix.
        key: What the record key is, in words; all keys are UTF-8 text.
        retention_ms: How long records are kept; ``-1`` keeps them for ever.
        compacted: Keep the newest record of each key instead of deleting by age.
        whole_ms: Of one that is compacted: all records of a key are kept for so long.
    """

    name: str
    key: str
    retention_ms: int
    compacted: bool = False
    whole_ms: int = 0


class Maker(StrEnum):
    """The application that makes a record from `readings`, and whose reset deletes it: then it makes it again."""

    WORKER = "worker"
    ANALYSIS = "analysis"


class Recomputed(StrEnum):
    """The state of which a replay makes a record again, and so how much of the log it needs before it agrees."""

    WINDOWS = "windows"
    """Windows of event time: they agree a window's length after the beginning of what is left of the log."""
    MODELS = "models"
    """Models: they agree only if the log is whole, since they learned from all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How MongoDB keeps records of a type.

    Args:
        collection: Its name, without the configured prefix.
        document: Makes the document of a record; takes the reading id of the record's header, too, if
            ``id_in_header``.
        identity: Fields in which all records of one document agree.
        indexes: Fields of each index, parted by blanks; ``-`` before a field is descending.
        versions: How versions of one document order; ``None`` if they are none.
        in_parts: Several records make one document, as windows and supplements do (`streams.records.window_parts`).
        id_in_header: The document's id comes in a header of the record.
    """

    collection: str
    document: Callable[..., Document]
    identity: tuple[str, ...]
    indexes: tuple[str, ...]
    versions: Versions | None = None
    in_parts: bool = False
    id_in_header: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordType(Generic[R]):
    """One type of record.

    Args:
        kind: The struct.
        topic: Where it is published.
        word: What reports and views call many of them.
        key_field: Field that is the record's key; empty for a record without a key.
        identity: Fields that tell one from the others: two that agree in them are the same record, come again.
            Empty: no field does (a reading's id comes in the record's header).
        event_time: Field with the event time by which it stands in a range (seconds since the Unix epoch).
        kept: How MongoDB keeps it; ``None``: it does not.
        made_by: Whose result it is; ``None``: nobody would make it again, and no reset deletes it.
        recomputed: What a replay needs to make it again; ``None``: no replay makes it. What is recomputed must be
            what was published, byte for byte: replay writes it to a file, verify and audit compare it.
        audited: Whether the audit counts it from hop to hop.
        decode: Reads a value of the topic, where more than one type of record stands on it.
    """

    kind: type[R]
    topic: TopicSpec
    word: str
    key_field: str = "sensor_id"
    identity: tuple[str, ...] = ("id",)
    event_time: str = ""
    kept: Kept | None = None
    made_by: Maker | None = None
    recomputed: Recomputed | None = None
    audited: bool = False
    decode: Callable[[bytes], Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what the struct does not have.

        Raises:
            ValueError: With the field, or with what is missing beside ``recomputed`` and ``audited``.
        """
        fields = set(self.kind.__struct_fields__)
        named = {self.key_field, self.event_time, *self.identity, *(self.kept.identity if self.kept else ())}
        if strange := sorted(named - fields - {""}):
            raise ValueError(f"{self.kind.__name__} must have {', '.join(strange)}, it has {sorted(fields)}")
        if self.recomputed and not (self.event_time and {"sensor_id", "quantity"} <= fields):
            raise ValueError(
                f"{self.kind.__name__} is compared with a replay: it must have sensor_id, quantity and an event time"
            )
        if self.audited and not (self.kept and set(self.kept.identity) <= set(self.identity)):
            raise ValueError(
                f"{self.kind.__name__} is audited: it must be kept, by fields of its identity {self.identity}"
            )

    # -- of one record ---------------------------------------------------------------------------------------------

    def key(self, record: R) -> bytes | None:
        """Return the key of a record on Kafka."""
        if not self.key_field:
            return None
        text: str = getattr(record, self.key_field)
        return text.encode()

    def encode(self, record: R) -> bytes:
        """Return the value of a record on Kafka."""
        return encode_struct(record)

    def read(self, value: bytes) -> Any:
        """Read a value of the topic: a record of this type, or of another that stands there, too.

        Raises:
            InputError: ``unreadable_record`` if it is none.
        """
        return decode_as(self.kind, value) if self.decode is None else self.decode(value)

    def identity_of(self, record: R) -> Identity:
        """Return what tells a record from the others of its type."""
        return tuple(getattr(record, name) for name in self.identity)

    def event_time_of(self, record: R) -> float:
        """Return the event time by which a record stands in a range."""
        found: float = getattr(record, self.event_time)
        return found

    # -- in MongoDB ------------------------------------------------------------------------------------------------

    @property
    def stored(self) -> Kept:
        """How MongoDB keeps it.

        Raises:
            ValueError: If it does not.
        """
        if self.kept is None:
            raise ValueError(f"MongoDB keeps no {self.word}")
        return self.kept

    @property
    def collection(self) -> str:
        """The collection that keeps it, without the configured prefix."""
        return self.stored.collection

    def document(self, value: bytes, identity: bytes | None) -> Document | None:
        """Make the document of a record's value and reading id header.

        Returns:
            ``None`` for a record of another type on the same topic.

        Raises:
            InputError: If the value is no record, or no document can be made of it.
        """
        # Once for each reading: what `stored` and `read` do, without the calls.
        kept, decode = self.kept or self.stored, self.decode
        record = decode_as(self.kind, value) if decode is None else decode(value)
        if type(record) is not self.kind:
            return None
        return kept.document(record, identity) if kept.id_in_header else kept.document(record)

    def documents_of(self, identities: Iterable[Identity]) -> int:
        """Count the documents that come of records with these identities."""
        places = [self.identity.index(name) for name in self.stored.identity]
        return len({tuple(key[place] for place in places) for key in identities})

    @property
    def file(self) -> str:
        """The file into which a replay writes it."""
        return f"{self.topic.name}.jsonl"


class Catalogue:
    """The types of records there are.

    Args:
        types: In the order in which they are listed.

    Raises:
        ValueError: If two have the same struct or collection, or topics of one name differ.
    """

    def __init__(self, types: Iterable[RecordType[Any]]) -> None:
        self._types = tuple(types)
        self._by_kind = {each.kind: each for each in self._types}
        self._by_topic: dict[str, RecordType[Any]] = {each.topic.name: each for each in reversed(self._types)}
        topics = {each.topic for each in self._types}
        for what, distinct, names in (
            ("struct", len(self._types), self._by_kind),
            ("topic", len(topics), self._by_topic),
            ("collection", len(self.kept), {each.collection for each in self.kept}),
        ):
            if distinct != len(names):
                raise ValueError(
                    f"the catalogue must name each {what} once, got one twice: {sorted(map(str, names))}"
                )

    def __iter__(self) -> Iterator[RecordType[Any]]:
        """Go through all types."""
        return iter(self._types)

    def of(self, kind: type[R]) -> RecordType[R]:
        """Return the type of records of a struct.

        Raises:
            KeyError: If there is none.
        """
        return self._by_kind[kind]

    def on(self, topic: str) -> RecordType[Any]:
        """Return the first type that stands on a topic, by its name without the namespace: it reads all of them.

        Raises:
            KeyError: If there is none.
        """
        return self._by_topic[topic]

    def with_types(self, *types: RecordType[Any]) -> "Catalogue":
        """Return a catalogue that has further types."""
        return Catalogue((*self._types, *types))

    @property
    def topics(self) -> tuple[TopicSpec, ...]:
        """All topics."""
        return tuple(dict.fromkeys(each.topic for each in self._types))

    @property
    def kept(self) -> tuple[RecordType[Any], ...]:
        """The types that MongoDB keeps."""
        return tuple(each for each in self._types if each.kept is not None)

    @property
    def recomputed(self) -> tuple[RecordType[Any], ...]:
        """The types that a replay makes again; those of windows before those of models."""
        made = (each for each in self._types if each.recomputed is not None)
        return tuple(
            sorted(made, key=lambda each: list(Recomputed).index(each.recomputed or Recomputed.MODELS))
        )

    @property
    def audited(self) -> tuple[RecordType[Any], ...]:
        """The types that the audit counts; what is recomputed first."""
        others = (each for each in self._types if each.audited and each.recomputed is None)
        return (*(each for each in self.recomputed if each.audited), *others)

    def made_by(self, maker: Maker) -> tuple[RecordType[Any], ...]:
        """Return the results of an application."""
        return tuple(each for each in self._types if each.made_by is maker)
