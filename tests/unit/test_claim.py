"""From where a partition is read on: its log is the one of the claims, has lost something, or is another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigurationError
from streams.records.claims import (
    REBUILD,
    Claim,
    Committed,
    Imprint,
    LogState,
    Loss,
    OtherLogError,
    Resumption,
    resume,
)

MARK = Imprint(9, 1000, 7)
CLAIM = Claim("id", next=10, newest=MARK)


def log(
    begin: int = 0, end: int = 30, committed: int | None = 10, topic_id: str = "id", note: str = ""
) -> LogState:
    return LogState(
        "readings-0", topic_id, begin, end, None if committed is None else Committed(committed, note)
    )


@pytest.mark.parametrize(
    ("seen", "claims", "found"),
    [
        (log(committed=None), {}, Resumption(0)),
        (log(), {}, Resumption(10)),
        (log(), {"windows": CLAIM}, Resumption(10, expected=(MARK,))),
        (log(committed=6), {"windows": CLAIM}, Resumption(6, expected=(MARK,))),
        (log(committed=None), {"windows": CLAIM}, Resumption(0, expected=(MARK,))),
        # somebody has moved the offsets: nothing is lost
        (log(committed=30), {"windows": CLAIM}, Resumption(10, expected=(MARK,), moved_from=10)),
        (log(committed=30), {"windows": CLAIM, "models": Claim("id", 8, Imprint(7, 900, 1))},
         Resumption(8, expected=(MARK, Imprint(7, 900, 1)), moved_from=8)),
        # retention has deleted what was not read
        (log(begin=12), {"windows": CLAIM}, Resumption(12, Loss(10, 12, 1000))),
        (log(begin=12), {}, Resumption(12, Loss(10, 12))),
        (log(begin=12, committed=None), {"windows": CLAIM}, Resumption(12, Loss(10, 12, 1000))),
        (log(begin=20, committed=30), {"windows": CLAIM}, Resumption(20, Loss(10, 20, 1000), moved_from=10)),
        # a topic that nobody has read yet may begin anywhere
        (log(begin=12, committed=None), {}, Resumption(12)),
        # an older release wrote the rows: they say nothing
        (log(), {"windows": Claim()}, Resumption(10)),
        # an id alone does not make another log, nor does a broker that gives none
        (log(topic_id="other"), {"windows": CLAIM}, Resumption(10, expected=(MARK,))),
        (log(begin=10, topic_id=""), {"windows": CLAIM}, Resumption(10)),
        # an empty changelog is right where nothing was read, or where a reset says so
        (log(begin=10), {"windows": None}, Resumption(10)),
        (log(note=REBUILD), {"windows": None}, Resumption(10)),
        (log(committed=None), {"windows": None}, Resumption(0)),
    ],
)  # fmt: skip
def test_a_partition_is_read_on_where_the_rows_end(
    seen: LogState, claims: dict[str, Claim | None], found: Resumption
) -> None:
    got = resume(seen, claims)
    assert (got.position, got.lost, set(got.expected), got.moved_from) == (
        found.position, found.lost, set(found.expected), found.moved_from,
    )  # fmt: skip
    assert got.read_from == min([found.position, *(mark.offset for mark in found.expected)])


@pytest.mark.parametrize(
    ("seen", "claim", "why"),
    [
        (log(end=5, committed=None), CLAIM, "it ends at offset 5, and 10 offsets were read"),
        (log(begin=10, topic_id="other"), CLAIM, "its topic had the id id, and has the id other"),
    ],
)
def test_another_log_is_never_read_past(seen: LogState, claim: Claim, why: str) -> None:
    with pytest.raises(OtherLogError, match=f"readings-0 is not the log that windows was made of .{why}"):
        resume(seen, {"windows": claim})


@pytest.mark.parametrize(
    ("seen", "stored", "found"),
    [
        (log(), Claim("id", 10), Resumption(10)),
        (log(), None, Resumption(10)),  # an older release has noted nothing
        (log(committed=6), Claim("id", 10), Resumption(6)),  # moved back, or not committed: read again
        (log(committed=30), Claim("id", 10), Resumption(10, moved_from=10)),
        (log(begin=12, committed=30), Claim("id", 10), Resumption(12, Loss(10, 12), moved_from=10)),
        (log(begin=12, committed=None), Claim("id", 10), Resumption(12, Loss(10, 12))),
        (log(begin=12, committed=30, note=REBUILD), Claim("id", 10), Resumption(30)),
        # a topic that was made anew: all of it is new, whatever was committed
        (log(begin=2, committed=10), Claim("other", 10), Resumption(2, moved_from=2, made_anew=True)),
        (log(end=5, committed=10), Claim("id", 10), Resumption(0, moved_from=0, made_anew=True)),
        (log(committed=10, topic_id=""), Claim("other", 10), Resumption(10)),  # a broker without ids
    ],
)
def test_what_only_a_store_reads_is_read_on_from_what_it_has(
    seen: LogState, stored: Claim | None, found: Resumption
) -> None:
    assert resume(seen, {}, stored) == found


def test_rows_and_store_each_keep_what_they_have_not_read() -> None:
    for rows, store in ((10, 8), (8, 10)):
        claims = {"windows": Claim("id", rows, Imprint(rows - 1, 0, 0))}
        assert resume(log(committed=30), claims, Claim("id", store)).position == 8


def test_an_empty_changelog_of_what_was_read_has_lost_its_rows() -> None:
    with pytest.raises(ConfigurationError, match="the changelog of models holds nothing for readings-0"):
        resume(log(), {"windows": CLAIM, "models": None})


@given(
    begin=st.integers(0, 20),
    length=st.integers(0, 20),
    committed=st.none() | st.integers(0, 40),
    ends=st.lists(st.integers(1, 40), max_size=3),
)
def test_whatever_is_there_nothing_that_no_row_has_is_passed_over_unnamed(
    begin: int, length: int, committed: int | None, ends: list[int]
) -> None:
    seen = log(begin, begin + length, committed)
    claims: dict[str, Claim | None] = {
        f"table{number}": Claim("id", end, Imprint(end - 1, 0, 0)) for number, end in enumerate(ends)
    }
    try:
        found = resume(seen, claims)
    except OtherLogError:
        assert max(ends) > seen.end
        return
    reached = min([*ends, *([] if committed is None else [committed])], default=begin)
    if committed is None and not ends:
        assert found == Resumption(begin)
        return
    skipped = set(range(reached, found.position))
    assert skipped == (set(range(found.lost.start, found.lost.end)) if found.lost else set())
    assert found.position >= begin
