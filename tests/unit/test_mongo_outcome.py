"""What a bulk write's answer means: stored, already there, refused for good, or to be tried again."""

from typing import Any

from pymongo.errors import BulkWriteError

from bridges.mongo.write_outcome import Written, sort_out

DOCUMENTS: list[dict[str, Any]] = [{"_id": number} for number in range(5)]


def _failure(index: int, code: int, **more: Any) -> dict[str, Any]:
    return {"index": index, "code": code, "errmsg": "why", **more}


def test_each_document_of_a_mixed_answer_finds_its_place() -> None:
    written = Written()
    answer = {
        "writeErrors": [
            _failure(0, 11000, keyPattern={"_id": 1}),
            _failure(1, 121),
            _failure(2, 10107),
        ]
    }
    left, why = sort_out(error := BulkWriteError(answer), DOCUMENTS, written)
    assert (written.stored, written.already_there) == (2, 1)
    assert written.refused == [(DOCUMENTS[1], "code 121: why")]
    assert left == [DOCUMENTS[2]]
    assert why is error


def test_a_duplicate_of_another_unique_index_is_refused_not_taken_for_the_same_document() -> None:
    written = Written()
    sort_out(
        BulkWriteError({"writeErrors": [_failure(0, 11000, keyPattern={"batch": 1})]}), DOCUMENTS, written
    )
    assert (written.already_there, len(written.refused)) == (0, 1)


def test_an_old_server_s_message_tells_which_index_a_duplicate_is_about() -> None:
    written = Written()
    failure = _failure(0, 11000)
    failure["errmsg"] = "E11000 duplicate key error collection: server.sensors index: _id_ dup key: { : 1 }"
    sort_out(BulkWriteError({"writeErrors": [failure]}), DOCUMENTS, written)
    assert written.already_there == 1


def test_what_no_majority_has_is_written_again_and_not_counted_yet() -> None:
    written = Written()
    answer = {
        "writeErrors": [_failure(0, 11000, keyPattern={"_id": 1})],
        "writeConcernErrors": [{"code": 64}],
    }
    left, why = sort_out(BulkWriteError(answer), DOCUMENTS, written)
    assert left == DOCUMENTS[1:] and why is not None
    assert (written.stored, written.already_there) == (0, 1)
