"""What each answer means: what is an acknowledgement, what is to be split, what to wait for and how long."""

import json
import random

import pytest

from collector.answers import BACKOFF_MOST_S, Answer, Backoff, Meaning, judge, retry_after

NOW = 1795348800.0  # Sunday, 22 November 2026, 12:00 GMT


def test_only_a_200_with_a_count_of_accepted_is_an_acknowledgement() -> None:
    verdict = judge(Answer(200, b'{"accepted": 2, "duplicates": 1}'), now=NOW)
    assert (verdict.meaning, verdict.accepted, verdict.duplicates) == (Meaning.ACCEPTED, 2, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"accepted": true}',
        b'{"accepted": "2"}',
        b'{"accepted": -1}',
        b"\xff",
        b"[" * 9999,
    ],
)
def test_a_200_with_anything_else_is_none(body: bytes) -> None:
    assert judge(Answer(200, body), now=NOW).meaning is Meaning.LATER


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (None, Meaning.LATER),
        (201, Meaning.LATER),
        (204, Meaning.LATER),
        (308, Meaning.MISPLACED),
        (400, Meaning.REFUSED),
        (401, Meaning.FORBIDDEN),
        (403, Meaning.FORBIDDEN),
        (404, Meaning.MISPLACED),
        (408, Meaning.LATER),
        (413, Meaning.REFUSED),
        (422, Meaning.REFUSED),
        (429, Meaning.LATER),
        (500, Meaning.LATER),
        (503, Meaning.LATER),
    ],
)
def test_what_a_status_means(status: int | None, meaning: Meaning) -> None:
    assert judge(Answer(status, b"{}"), now=NOW).meaning is meaning


def test_a_refusal_that_names_only_the_envelope_is_not_a_snapshot_s_fault() -> None:
    def refused(*paths: str) -> bool:
        body = {"title": "Invalid", "errors": [{"path": path, "detail": "no"} for path in paths]}
        return judge(Answer(422, json.dumps(body).encode()), now=NOW).envelope

    assert refused("host.os.family")
    assert not refused("host.name", "snapshots[0].time")
    assert not refused()


def test_a_refusal_says_what_the_server_said() -> None:
    body = b'{"title":"Invalid","detail":"one field.","errors":[{"path":"host.name","detail":"is missing"}]}'
    assert judge(Answer(422, body), now=NOW).reason == "answered 422; Invalid; one field; host.name: is missing"


def test_advice_is_taken_and_nonsense_in_it_is_not() -> None:
    def advised(advice: object) -> tuple[frozenset[str], int | None]:
        verdict = judge(Answer(200, json.dumps({"accepted": 1, "advice": advice}).encode()), now=NOW)
        return verdict.inspect, verdict.interval_s

    assert advised({"inspect": ["NTBackup.exe", 5], "interval_s": 30}) == (frozenset({"ntbackup.exe"}), 30)
    assert advised({"inspect": "java", "interval_s": "30"}) == (frozenset(), None)
    assert advised({"interval_s": 0}) == (frozenset(), 1)
    assert advised(None) == (frozenset(), None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17),
        ("0", 0),
        ("-5", 0),
        ("999999", 3600),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 12:01:00 -0000", 60),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=NOW) == seconds


def test_waits_double_up_to_five_minutes_and_differ_between_hosts() -> None:
    backoff = Backoff(random.Random(1))
    waits = [backoff.next() for _ in range(40)]
    assert all(2**number / 2 <= wait <= 2**number for number, wait in enumerate(waits[:8]))
    assert all(BACKOFF_MOST_S / 2 <= wait <= BACKOFF_MOST_S for wait in waits[9:])
    assert Backoff(random.Random(2)).next() != Backoff(random.Random(3)).next()


def test_after_success_waits_are_short_again() -> None:
    backoff = Backoff(random.Random(1))
    for _ in range(9):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1


def test_what_the_server_asks_for_is_never_shortened() -> None:
    backoff = Backoff(random.Random(1))
    assert all(17 <= backoff.next(17) <= 19 for _ in range(50))


def test_a_skew_of_hundreds_of_digits_does_not_hold_up_the_spool() -> None:
    verdict = judge(Answer(200, b'{"accepted": 1, "skew_s": 1' + b"0" * 400 + b"}"), now=0)
    assert (verdict.meaning, verdict.skew_s) == (Meaning.ACCEPTED, 0.0)


def test_a_retry_after_of_hundreds_of_digits_is_an_hour() -> None:
    assert retry_after("9" * 400, now=0) == 3600
    assert retry_after("-" + "9" * 400, now=0) == 0


def test_a_server_cannot_write_lines_of_its_own_into_the_log() -> None:
    reason = judge(Answer(503, b'{"detail": "a\\nERROR forged \\u001b[31m"}'), now=0).reason
    assert reason.isprintable()
    assert "forged" in reason


@pytest.mark.parametrize("value", ["Sun, 22 Nov 2026 12:01:00 +9999999999999999", f"{'9' * 20} Nov 2026 12:01:00 GMT"])
def test_a_retry_after_beyond_all_dates_is_none(value: str) -> None:
    assert retry_after(value, now=NOW) is None


@pytest.mark.parametrize("skew", [b"1e999", b"-1e999", b"NaN"])
def test_a_skew_that_is_no_number_of_seconds_is_none(skew: bytes) -> None:
    assert judge(Answer(200, b'{"accepted": 1, "skew_s": ' + skew + b"}"), now=NOW).skew_s == 0


def test_of_advice_without_end_a_thousand_names_are_taken() -> None:
    names = [f"program-{number}" for number in range(100_000)]
    verdict = judge(Answer(200, json.dumps({"accepted": 1, "advice": {"inspect": names}}).encode()), now=NOW)
    assert verdict.inspect == frozenset(names[:1000])
