"""What counts documents to tell whether all has arrived leaves the store its time, and is exact where it judges."""

from collections.abc import Iterator

import pymongo
import pytest
from pydantic import SecretStr

from bridges.audit import audit as audit_module
from bridges.audit.audit import Audit
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import KafkaSettings, MongoSettings, Settings
from tests.support.patience import until


@pytest.fixture
def settings(kafka: str, mongo: str, topic_prefix: str, unique_name: str) -> Settings:
    return Settings(
        kafka=KafkaSettings(brokers=kafka, namespace=topic_prefix, partitions=1),
        mongo=MongoSettings(uri=SecretStr(mongo), database=unique_name),
    )


@pytest.fixture
def audit(settings: Settings) -> Iterator[Audit]:
    ensure_topics(settings)
    audit = Audit(settings, settings.window_policy(), settings.detection_plan())
    until(lambda: audit.catch_up(20.0), "partitions that were just made have leaders")
    yield audit
    audit.close()


def test_between_two_counts_nothing_is_asked_and_a_verdict_counts_again(
    settings: Settings, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "_COUNT_REST", 1e9)
    assert audit.count_exactly()
    with pymongo.MongoClient[dict[str, int]](settings.mongo.uri.get_secret_value()) as client:
        client[settings.mongo.database]["sensors"].insert_one({"number": 1})
    assert audit.catch_up(20.0)
    assert audit.stored["sensors"] == 0, "not asked again so soon"
    assert audit.count_exactly()
    assert audit.stored["sensors"] == 1


def test_a_verdict_without_an_answer_is_none(settings: Settings, audit: Audit) -> None:
    audit._mongo.close()
    assert not audit.count_exactly()
    assert not audit.catch_up(20.0), "what could not be counted is not taken for counted"
