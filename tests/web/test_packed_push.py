"""Packed columns through the whole application."""

import json

from collector.packed import packed_body
from server.ingest.packed import MEDIA_TYPE
from tests.pushing import body, process, snapshot
from tests.serving import Served

SENT = body(snapshot(0, process(pid=7), process(pid=8, handles=None)))


def packed(sent: dict[str, object] | None = None) -> bytes:
    said = dict(sent or SENT)
    snapshots = said.pop("snapshots")
    assert isinstance(snapshots, list)
    return packed_body(said, [json.dumps(one).encode() for one in snapshots])


def test_answers_say_that_columns_are_taken(served: Served) -> None:
    assert MEDIA_TYPE in served.relay.push(SENT).headers["accept-post"]


def test_columns_are_taken_once(served: Served) -> None:
    headers = {"Content-Type": MEDIA_TYPE}
    answers = [served.relay.post("/api/v1/snapshots", content=packed(), headers=headers).json() for _ in range(2)]
    assert [(one["accepted"], one["duplicates"]) for one in answers] == [(1, 0), (0, 1)]


def test_columns_say_what_json_says(served: Served) -> None:
    other = json.loads(json.dumps(SENT).replace("web-01", "web-02"))
    served.relay.push(SENT)
    served.relay.post("/api/v1/snapshots", content=packed(other), headers={"Content-Type": MEDIA_TYPE})
    first, second = (served.reader.get(f"/api/v1/hosts/{name}/processes").json() for name in ("web-01", "web-02"))
    assert first == second
    assert len(first["processes"]) == 2


def test_other_versions_of_columns_are_415(served: Served) -> None:
    answer = served.relay.post(
        "/api/v1/snapshots", content=packed(), headers={"Content-Type": MEDIA_TYPE.replace("v1", "v9")}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
    assert MEDIA_TYPE in answer.json()["detail"]


def test_columns_of_another_host_are_refused(served: Served) -> None:
    program = served.of_host("web-02")
    answer = program.post("/api/v1/snapshots", content=packed(), headers={"Content-Type": MEDIA_TYPE})
    assert answer.status_code == 403


def test_answers_to_pushes_carry_what_all_answers_carry(served: Served) -> None:
    for program, status in ((served.relay, 200), (served.anonymous, 401)):
        answer = program.push(SENT)
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
