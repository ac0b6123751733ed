"""Check at start that the parts of Faust which the lane overrides or relies on are those it was written for.

An update of Faust that changes one of them could lose readings silently: so it fails loudly instead.
"""

import hashlib
import inspect
from typing import Any

from faust.app.base import App
from faust.tables.base import Collection
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from streams.errors import ConfigurationError

# First 16 digits of the SHA-256 of each function's source in faust-streaming 0.15.3.
_RELIED_ON: dict[type, dict[str, str]] = {
    Consumer: {
        "getmany": "4b168d84882a70d6",
        "_wait_next_records": "6218e1969a636b3f",
        "ack": "5fcf41cf45153475",
        "commit": "a354437baaa08bf8",
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
        "on_stop": "45b1d2210ce2b526",
        "track_message": "217d7f1399a4cd8e",
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
        "getmany": "26fc5fc9f3b667e1",
        "_fetch_records": "39a2c6c79fc1455a",
        "seek_to_beginning": "bd4250b8d1e76d33",
        "_create_worker_consumer": "c2701bfc3e6f6cad",
        "on_thread_stop": "8dfc004e258b6c25",
        "_gather_remaining_tasks": "6f65b92dd1012485",
        "seek_to_committed": "775ab0adc4b052ab",
        "_seek_wait": "9d221e816d940467",
    },
}


def fingerprint(function: Any) -> str:
    """Return the first 16 digits of the SHA-256 of a function's source."""
    source = inspect.getsource(getattr(function, "fun", function))  # a service's task wraps its function
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def check_internals() -> None:
    """Compare the relied-on functions of Faust with those the lane was written for.

    Raises:
        ConfigurationError: If any has changed; names them.
    """
    changed = [
        f"{owner.__name__}.{name}"
        for owner, functions in _RELIED_ON.items()
        for name, known in functions.items()
        if fingerprint(getattr(owner, name)) != known
    ]
    if changed:
        raise ConfigurationError(
            f"this release of faust-streaming has changed {', '.join(changed)}; the batch lane was written for "
            "0.15.3: install that release, or review agents/lane against the new one"
        )
