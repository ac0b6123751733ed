"""A rehearsal can never have a name of the live system."""

import pytest

from agents.rehearsing import Rehearsal, apart, check_apart
from bridges.process.settings import KafkaSettings, MongoSettings, Settings
from streams.errors import ConfigurationError
from streams.records.catalogue import CATALOGUE

LIVE = Settings()
PROD = Settings(kafka=KafkaSettings(namespace="prod."), mongo=MongoSettings(collection_prefix="prod_"))


@pytest.mark.parametrize("live", [LIVE, PROD])
def test_every_topic_and_collection_of_a_rehearsal_carries_its_prefix(live) -> None:
    settings = Rehearsal(live, "b").settings
    assert settings.kafka.namespace == f"{live.kafka.namespace}rehearsal-b."
    names = {settings.topic(spec.name) for spec in CATALOGUE.topics}
    assert names.isdisjoint(live.topic(spec.name) for spec in CATALOGUE.topics)
    prefix = settings.mongo.collection_prefix
    assert prefix.endswith("rehearsal-b_")
    live_collections = {f"{live.mongo.collection_prefix}{each.collection}" for each in CATALOGUE.kept}
    assert not any(name.startswith(prefix) for name in live_collections)


@pytest.mark.parametrize("namespace", ["", "prod.", ".", "late", "a b.", "x/../."])
def test_a_namespace_that_is_empty_or_live_or_no_name_is_refused(namespace) -> None:
    with pytest.raises(ConfigurationError, match="namespace"):
        apart(PROD, namespace)


def test_a_namespace_whose_collections_would_begin_like_live_ones_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="late_readings"):
        apart(LIVE, "late.")
    with pytest.raises(ConfigurationError, match="neither may be empty"):
        check_apart(LIVE, LIVE)


@pytest.mark.parametrize("name", ["", "B", "a_b", "a.b", "-a", "a" * 32, "../a"])
def test_a_name_that_could_be_the_beginning_of_another_prefix_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name must be"):
        Rehearsal(LIVE, name)
