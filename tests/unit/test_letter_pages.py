"""What the page of dead letters tells: every reason in words, shares of the last hour, and what never can be."""

from hypothesis import given
from hypothesis import strategies as st

from agents.views.letter_pages import groups_of, refused_part, words_of
from bridges.bridge.last_hour import HOUR_SECONDS, LastHour
from bridges.dead_letters.redriving import why_never
from bridges.mongo.letters_reading import LetterHead
from streams.errors import InputError, Reason
from streams.payloads.refusal_words import REFUSAL_WORDS
from streams.records.dead_letters import LARGEST_PAYLOAD, from_mqtt
from streams.records.documents import dead_letter_document, letter_of_document


def test_every_reason_is_told_in_words_with_what_to_do() -> None:
    assert set(REFUSAL_WORDS) == set(Reason)
    assert all(each.what and each.remedy for each in REFUSAL_WORDS.values())
    assert "does not know" in words_of("made_by_a_later_release")["remedy"]


@given(grown=st.lists(st.tuples(st.integers(1, 900), st.integers(0, 50)), min_size=1, max_size=200))
def test_the_last_hour_has_what_came_in_it_to_the_minute(grown: list[tuple[int, int]]) -> None:
    hour, now, received = LastHour(0.0), 0.0, 0
    came: list[tuple[float, int]] = []
    told = {}
    for seconds, count in grown:
        now, received = now + seconds, received + count
        came.append((now, count))
        told = hour.counted(now, received, {"not_json": received})
    if now <= HOUR_SECONDS:
        assert told["seconds"] == now
    else:
        # Marks are made when counts come: the oldest is the last one that is an hour ago, or older.
        assert told["seconds"] >= HOUR_SECONDS
    assert told["received"] == sum(count for at, count in came if at > now - told["seconds"])
    assert told["dead_letters"] == ({"not_json": told["received"]} if told["received"] else {})


def test_letters_are_counted_by_reason_and_topic_the_most_first() -> None:
    heads = [
        LetterHead("c", "bad_time", "t/2", 3.0),
        LetterHead("b", "not_json", "t/1", 2.0),
        LetterHead("a", "not_json", "t/1", 1.0),
    ]
    found = [(each["reason"], each["count"], each["newest"], each["id"]) for each in groups_of(heads)]
    assert found == [("not_json", 2, 2.0, "b"), ("bad_time", 1, 3.0, "c")]


def test_a_bridge_that_is_silent_or_older_is_told_and_not_taken_for_one_that_refuses_nothing() -> None:
    assert refused_part({"reachable": False, "reason": "refused"}) == {
        "reachable": False,
        "reason": "refused",
    }
    older = refused_part({"reachable": True, "items": {"received": 5, "dead_letters": {"not_json": 1}}})
    assert older["since_start"] == {"received": 5, "dead_letters": {"not_json": 1}}
    assert older["last_hour"] is None


def test_a_letter_comes_back_from_its_document_and_says_whether_it_can_be_sent_through() -> None:
    letter = from_mqtt("t/1", b"{", 12.5, InputError(Reason.NOT_JSON, "no JSON"))
    assert letter_of_document(dead_letter_document(letter)) == letter
    assert why_never(letter) == ""
    cut = from_mqtt("t/1", b"x" * (LARGEST_PAYLOAD + 1), 12.5, InputError(Reason.NOT_JSON, "no JSON"))
    assert why_never(cut) == "not all of the message was kept: it was too large"
