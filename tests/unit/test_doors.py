"""Each server has one door: time-outs and promises of a client stand once."""

import ast
import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridges.mongo.mongo_client import (
    LONG_ANSWER_SECONDS,
    cancellations_told,
    client_options,
    connect_blocking,
)
from bridges.process.settings import MongoSettings
from streams.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]

DOORS = {
    "MongoClient": {"bridges/mongo/mongo_client.py"},
    "AsyncMongoClient": {"bridges/mongo/mongo_client.py"},
    "AdminClient": {"bridges/kafka/connecting.py"},
    "Consumer": {"bridges/kafka/connecting.py"},
    "Producer": {"bridges/kafka/connecting.py", "bridges/kafka/producer.py"},
    "AIOKafkaAdminClient": {"bridges/kafka/clients.py"},
    "AIOKafkaProducer": {"agents/lane/writer.py"},
}
"""Which modules make clients of which class; `producer` and `writer` have promises of their own."""


def makers_of(client: str) -> set[str]:
    """Return the modules that call this class."""
    makers = set()
    for package in ("streams", "bridges", "agents"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    called = node.func.value if isinstance(node.func, ast.Subscript) else node.func
                    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                    if name == client:
                        makers.add(path.relative_to(ROOT).as_posix())
    return makers


@pytest.mark.parametrize("client", DOORS)
def test_clients_are_made_behind_one_door(client: str) -> None:
    assert makers_of(client) == DOORS[client]


def test_what_the_connection_string_says_wins_over_the_policy() -> None:
    found = client_options("mongodb://127.0.0.1/?w=2&socketTimeoutMS=7&appName=plant", 20)
    assert found == {"tz_aware": True, "serverSelectionTimeoutMS": 20_000, "connectTimeoutMS": 20_000}


def test_only_the_answer_is_waited_for_longer_where_a_collection_is_counted() -> None:
    found = client_options("mongodb://127.0.0.1/", 20, LONG_ANSWER_SECONDS)
    assert (found["connectTimeoutMS"], found["socketTimeoutMS"]) == (20_000, 300_000)


@pytest.mark.parametrize("uri", ["localhost:27017", "mongodb://127.0.0.1/?w=0"])
def test_no_client_of_any_command_takes_a_connection_string_that_loses_writes(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="WEIR_MONGO__URI"):
        connect_blocking(MongoSettings(uri=SecretStr(uri)))


async def _waits_for_a_server() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise RuntimeError("Lock is not acquired") from None  # as PyMongo 4.15 does on Python 3.11


async def test_a_call_that_is_cancelled_while_it_waits_for_a_server_has_timed_out_and_failed_in_nothing() -> (
    None
):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            with cancellations_told():
                await _waits_for_a_server()
    with pytest.raises(RuntimeError, match="a fault"), cancellations_told():
        raise RuntimeError("a fault")
