"""Check at start that the parts of Faust and aiokafka which the lane relies on are those it was written for.

An update that changes one of them could lose readings silently: so it fails loudly instead. What the lane sets in
aiokafka's consumer is read back once that has started.
"""

import hashlib
import inspect
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, TopicPartitionState
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import LeaveGroupRequest
from faust.app.base import App
from faust.tables.base import Collection
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaDriver

from streams.errors import ConfigurationError

RELEASES: Final = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}

# First 16 digits of the SHA-256 of each function's source in these releases.
RELIED_ON: Final[dict[type, dict[str, str]]] = {
    Consumer: {
        "getmany": "4b168d84882a70d6",
        "_wait_next_records": "6218e1969a636b3f",
        "ack": "5fcf41cf45153475",
        "commit": "a354437baaa08bf8",
        "maybe_wait_for_commit_to_finish": "d687f63a0b5ef0c5",
        "_commit_tps": "a20e230b05ae8b15",
        "_filter_committable_offsets": "dc5e9baf5d994485",
        "_commit_offsets": "1a69799041188441",
        "_should_commit": "5ce941793947ad42",
        "_new_offset": "1d2c7ea89a7ad4f1",
        "_add_gap": "4df2573ded7c1c2c",
        "_drain_messages": "44a2500309e83c63",
        "perform_seek": "0e8c130ff4b0afd8",
        "on_partitions_revoked": "d04b7ae72c6fc206",
        "wait_empty": "e4662fe24f094819",
        "on_partitions_assigned": "29ce96596f05a18c",
        "on_buffer_drop": "4b57e8a418d5ad9c",
        "on_stop": "45b1d2210ce2b526",
        "track_message": "217d7f1399a4cd8e",
    },
    ThreadDelegateConsumer: {
        "seek_to_committed": "f1d483b861b0328b",
        "seek_wait": "e9db5bbc4ceb2543",
        "highwater": "f52cb0d26a713c3a",
    },
    AIOKafkaDriver: {
        "_new_consumer_thread": "0870ec53dea75083",
    },
    Recovery: {
        "on_recovery_completed": "6ef567acf072e46d",
        "on_rebalance": "aa4d997a1795ceae",
        "_add": "1584a197b11bf835",
        "revoke": "779302ebfab0b2db",
        "_restart_recovery": "6bd8a8558a2dffe4",
        "_build_offsets": "27eec86be06cb51f",
        "_seek_offsets": "19598ca63d94d250",
        "_slurp_changelogs": "7825c7e50f766d5a",
        "_wait": "ec7429b70176f8c6",
    },
    Collection: {
        "_new_store": "914a2bda605d38f5",
        "_new_changelog_topic": "77bea64b59f79809",
        "apply_changelog_batch": "b980a78d3ae9b1e8",
    },
    App: {
        "_on_partitions_revoked": "d5c895bbe57dc73a",
        "_on_partitions_assigned": "de932b7927db85b3",
        "_stop_consumer": "55854a5de12c3f52",
    },
    AIOKafkaConsumerThread: {
        "on_start": "38b4e8bd1e10723a",
        "_ensure_consumer": "ff4a4c693b7ec63f",
        "getmany": "26fc5fc9f3b667e1",
        "_fetch_records": "39a2c6c79fc1455a",
        "seek_to_beginning": "bd4250b8d1e76d33",
        "_create_worker_consumer": "c2701bfc3e6f6cad",
        "on_thread_stop": "8dfc004e258b6c25",
        "_gather_remaining_tasks": "6f65b92dd1012485",
        "seek_to_committed": "775ab0adc4b052ab",
        "_seek_wait": "9d221e816d940467",
    },
    # Where the isolation, the sizes of fetches and the buffer are taken over.
    AIOKafkaConsumer: {
        "start": "2f1ba70443327538",
        "seek": "a9430f1f3b9ac419",
    },
    Fetcher: {
        "__init__": "bf21ecb7e0f210b7",
        "_fetch_requests_routine": "2a8ec5932644c9b0",
        "_get_actions_per_node": "1dab2cf937d165d0",
        "_select_read_replica": "70f0665e44fc8e90",
        "_proc_fetch_request": "59bf948fff47eed5",
        "fetched_records": "be4348896b9b66af",
    },
    # Where a record is made of what was read.
    FetchResult: {
        "__init__": "126a3e45763bd404",
        "getall": "3e717e30de5068d5",
        "check_assignment": "b5340df67e3f330f",
        "has_more": "a25ee8ab93405df6",
        "_update_position": "83fb1473bf10027b",
    },
    PartitionRecords: {
        "__init__": "8ec1c2ae6ea1af87",
        "__next__": "63ac34a08c309098",
        "_unpack_records": "b803e6d46480732c",
        "_consumer_record": "e668541600b047ab",
    },
    # How a leader assigns, what becomes of errors of the group, and how a member leaves.
    GroupCoordinator: {
        "fetch_committed_offsets": "6c049c7379165952",
        "__init__": "9e729f077efc4f3a",
        "_perform_assignment": "a5cf61fa97320199",
        "_get_metadata_snapshot": "c7730c10381def07",
        "_push_error_to_user": "743ff515bd7e2e38",
        "check_errors": "ba6ca51ad34838d9",
        "_send_req": "fa4b12e914ce9fcf",
        "_maybe_leave_group": "016cd88a16e6c4b5",
    },
    CoordinatorGroupRebalance: {
        "_on_join_leader": "c57a3e85197dcc20",
        "_send_sync_group_request": "7429ca078ddf9bb7",
    },
    AIOKafkaClient: {
        "force_metadata_update": "cb7befef21c8f3f9",
        "_md_synchronizer": "e0421bffa9a7735a",
        "send": "246b277687d7b687",
        "_get_conn": "68ce5d8391719d33",
    },
    # What a fetch asks for.
    FetchRequest: {
        "__init__": "f31b6b74cc94dae4",
        "build": "952ef0f41192efc3",
    },
    LeaveGroupRequest: {
        "__init__": "faebeec4a6cedc84",
    },
    # Where a partition stands, and in which assignment.
    Assignment: {
        "state_value": "183fea82ef48f3e6",
    },
    TopicPartitionState: {
        "seek": "c20b56d7ba7b2872",
        "consumed_to": "c7b8f0f99ce9185e",
        "reset_to": "fc7b535d40c08912",
    },
}


def fingerprint(function: Any) -> str:
    """Return the first 16 digits of the SHA-256 of a function's source."""
    if isinstance(function, property):
        function = function.fget
    source = inspect.getsource(getattr(function, "fun", function))  # a service's task wraps its function
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def check_internals() -> None:
    """Compare the relied-on functions of Faust and aiokafka with those the lane was written for.

    Raises:
        ConfigurationError: If any has changed; names them.
    """
    changed = [
        f"{owner.__module__.partition('.')[0]}'s {owner.__name__}.{name}"
        for owner, functions in RELIED_ON.items()
        for name, known in functions.items()
        if fingerprint(getattr(owner, name)) != known
    ]
    if changed:
        raise ConfigurationError(
            f"the batch lane was written for {', '.join(f'{name} {release}' for name, release in RELEASES.items())}, "
            f"but here {', '.join(changed)} is another: install these releases, or review agents/lane/faust"
        )


@dataclass(frozen=True)
class Wanted:
    """What the lane has set in aiokafka's consumer, where there is no public way to.

    Args:
        buffer: What fetches are put into.
        min_bytes: So much is fetched without waiting for more.
        max_wait_ms: So long Kafka waits for it, in milliseconds.
    """

    buffer: object
    min_bytes: int
    max_wait_ms: int


def check_started(consumer: AIOKafkaConsumer, wanted: Wanted) -> None:
    """Read back what was set in a consumer that has started: a name that does not exist would be set without an error.

    Raises:
        ConfigurationError: If it does not read committed records only, or fetches otherwise than it was told.
    """
    fetcher = consumer._fetcher
    found = {
        "isolation": (fetcher._isolation_level, READ_COMMITTED),
        "smallest fetch": (fetcher._fetch_min_bytes, wanted.min_bytes),
        "longest wait": (fetcher._fetch_max_wait_ms, wanted.max_wait_ms),
        "buffer": (fetcher._records is wanted.buffer, True),
    }
    wrong = [f"{what}: {is_!r} instead of {want!r}" for what, (is_, want) in found.items() if is_ != want]
    if wrong:
        raise ConfigurationError(
            f"aiokafka has not taken over what the lane has set ({', '.join(wrong)}): it was written for "
            f"aiokafka {RELEASES['aiokafka']}, install that release, or review agents/lane/faust/thread.py"
        )
