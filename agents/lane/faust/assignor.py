"""Assignment to a worker that has moved: under its old name at another address.

Kafka gives a static member that comes back its old assignment (KIP-345). In it stands the address at which it was, and
Faust asserts that it still is: the worker lived on without partitions.
"""

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from faust.assignor.client_assignment import ClientMetadata
from faust.assignor.partition_assignor import PartitionAssignor

from bridges.process.logs import get_logger

log = get_logger(__name__)

_Distribution = dict[str, dict[str, list[int]]]


class LaneAssignor(PartitionAssignor):
    """Faust's assignor, which knows that a worker may have moved."""

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Take an assignment; one that was made for another address of this worker is its own, too."""
        found = ClientMetadata.loads(self._decompress(assignment.user_data))
        here = str(self._url)
        if found.url != here:
            log.warning("worker.moved", was=found.url, now=here)
            moved(found, here)
            assignment = ConsumerProtocolMemberAssignment(
                assignment.version, assignment.assignment, self._compress(found.dumps())
            )
        super().on_assignment(assignment)


def moved(metadata: ClientMetadata, url: str) -> None:
    """Give the partitions of the address in the metadata to another address."""
    for distribution in (metadata.changelog_distribution, metadata.external_topic_distribution):
        if metadata.url in distribution:
            distribution[url] = distribution.pop(metadata.url)
    metadata.url = url
