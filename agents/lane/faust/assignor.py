"""Assignment in a group: to a worker that has moved, and not to one whose settings are not those of the others.

Kafka gives a static member that comes back its old assignment (KIP-345). In it stands the address at which it was, and
Faust asserts that it still is: the worker lived on without partitions.

Each member tells what its rows are made with, and the leader tells all of them what the group's are: what those are
made with that have partitions already, or else the leader's own. Changelogs would tell only once somebody has written.

    members ──▶ leader: Faust's metadata + "rows"        leader ──▶ members: assignment + "rows" of the group
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from faust.assignor.client_assignment import ClientMetadata
from faust.assignor.partition_assignor import (
    MemberAssignmentMapping,
    MemberMetadataMapping,
    PartitionAssignor,
)

from bridges.process.logs import get_logger

log = get_logger(__name__)

_ROWS = "rows"


class LaneAssignor(PartitionAssignor):
    """Faust's assignor, which knows that a worker may have moved, and what rows are made with.

    Attributes:
        rows_of_group: What the rows of the group are made with; ``None`` before the first assignment.
    """

    rows_of_group: str | None = None

    @property
    def rows(self) -> str:
        """Return what this worker's rows are made with, in words."""
        states = self.app.lane.states  # type: ignore[attr-defined]
        return "; ".join(f"{state.name}: {state.policy}" for state in states if state.policy)

    @property
    def _partitions(self) -> int:
        partitions: int = self.app.conf.topic_partitions
        return partitions

    def metadata(self, topics: set[str]) -> ConsumerProtocolMemberMetadata:
        """Tell the leader what this worker is, and what its rows are made with."""
        told = super().metadata(topics)
        return ConsumerProtocolMemberMetadata(
            told.version, told.subscription, _with_rows(told.user_data, self.rows)
        )

    def assign(self, cluster: ClusterMetadata, members: MemberMetadataMapping) -> MemberAssignmentMapping:
        """Assign, as the leader, and tell all members what the rows of the group are made with."""
        rows = rows_of(msgspec.json.decode(each.user_data) for each in members.values()) or self.rows
        return {
            member: ConsumerProtocolMemberAssignment(
                each.version,
                each.assignment,
                self._compress(_with_rows(self._decompress(each.user_data), rows)),
            )
            for member, each in super().assign(_AsTheSettingsSay(cluster, self._partitions), members).items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Take an assignment; one that was made for another address of this worker is its own, too."""
        user_data = self._decompress(assignment.user_data)
        # An older release tells nothing of rows.
        self.rows_of_group = msgspec.json.decode(user_data).get(_ROWS, self.rows)
        found = ClientMetadata.loads(user_data)
        here = str(self._url)
        if found.url != here:
            log.warning("worker.moved", was=found.url, now=here)
            moved(found, here)
            assignment = ConsumerProtocolMemberAssignment(
                assignment.version, assignment.assignment, self._compress(found.dumps())
            )
        super().on_assignment(assignment)


class _AsTheSettingsSay:
    """A cluster whose topics have no more partitions than the settings say.

    A topic that has grown beside the others would be a group of its own to Faust, assigned without changelogs. Its
    new partitions are read by nobody, which readiness and the ledger say, until all topics have grown.

    Args:
        cluster: As Kafka has it.
        partitions: How many the settings say.
    """

    def __init__(self, cluster: ClusterMetadata, partitions: int) -> None:
        self._cluster = cluster
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Return the partitions of a topic that are read; ``None`` if it is not known."""
        found = self._cluster.partitions_for_topic(topic)
        return None if found is None else {each for each in found if each < self._partitions}


def rows_of(members: Iterable[dict[str, Any]]) -> str:
    """Return what the rows of a group are made with; empty if no member has partitions yet.

    Args:
        members: What each of them tells.
    """
    told = {each[_ROWS] for each in members if _ROWS in each and each["assignment"]["actives"]}
    return min(told, default="")


def _with_rows(user_data: bytes, rows: str) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(user_data) | {_ROWS: rows})


def moved(metadata: ClientMetadata, url: str) -> None:
    """Give the partitions of the address in the metadata to another address."""
    for distribution in (metadata.changelog_distribution, metadata.external_topic_distribution):
        if metadata.url in distribution:
            distribution[url] = distribution.pop(metadata.url)
    metadata.url = url
