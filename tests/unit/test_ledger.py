"""The bridge's ledger: it balances, and the metrics follow it."""

from bridges.bridge.bridge_counts import Ledger
from bridges.process import metrics
from streams.errors import Reason


def test_it_balances_only_if_nothing_is_missing() -> None:
    ledger = Ledger(
        messages=3, confirmed=2, items=10, readings=6, beside={"labels": 1, "births": 0, "presence": 0}
    )
    ledger.add_dead_letter(Reason.BAD_TIME)
    ledger.add_dead_letter(Reason.BAD_TIME)
    assert ledger.as_json((1, 1))["balanced"]
    assert not ledger.as_json((0, 1))["balanced"]
    assert not ledger.as_json((1, 2))["balanced"]
    assert ledger.as_json((1, 1))["items"]["dead_letters"] == {"bad_time": 2}


def test_the_metrics_get_what_was_counted_since_the_last_time() -> None:
    def value() -> float:
        found = metrics.REGISTRY.get_sample_value("weir_mqtt_messages_received_total")
        assert found is not None
        return found

    before = value()
    ledger = Ledger(messages=3, dead_letters={"bad_time": 1})
    copy = ledger.publish(Ledger())
    ledger.messages += 4
    ledger.add_dead_letter(Reason.BAD_TIME)
    assert copy.dead_letters == {"bad_time": 1}
    copy = ledger.publish(copy)
    ledger.publish(copy)
    assert value() - before == 7
