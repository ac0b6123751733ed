"""A worker that comes back at another address goes on with its partitions, under its new address."""

from faust.assignor.client_assignment import ClientAssignment, ClientMetadata

from agents.lane.faust.assignor import moved


def test_the_partitions_of_the_old_address_are_those_of_the_new_one_and_others_keep_theirs() -> None:
    was, here, other = "http://127.0.0.1:3000", "http://127.0.0.1:3005", "http://127.0.0.1:3001"
    metadata = ClientMetadata(
        assignment=ClientAssignment(actives={"readings": [0]}, standbys={}),
        url=was,
        changelog_distribution={was: {"models": [0]}, other: {"models": [1]}},
        external_topic_distribution={was: {"readings": [0]}, other: {"readings": [1]}},
        topic_groups={"readings": 0},
    )
    moved(metadata, here)
    assert metadata.url == here
    assert metadata.changelog_distribution == {here: {"models": [0]}, other: {"models": [1]}}
    assert metadata.external_topic_distribution == {here: {"readings": [0]}, other: {"readings": [1]}}
