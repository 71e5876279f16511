"""What becomes of strings: cut at 1,024 characters, NUL and lone surrogates replaced, all else kept as it came."""

import json
import time
import tracemalloc

import pytest

from server.analysis.readings import Process
from server.ingest.wire import Push, decode_push
from server.problems import Problem
from tests.pushing import body, process, snapshot

LONG = "ü" * 1_500


def decoded(sent: object) -> Push:
    return decode_push(json.dumps(sent).encode())


def only_process(name_in_json: str) -> Process:
    text = json.dumps(body(snapshot(0, process("@")))).replace("@", name_in_json)
    return decode_push(text.encode()).snapshots[0].processes[0]


def test_long_strings_are_cut() -> None:
    one = process(
        LONG,
        types={LONG: 3},
        objects=[{"type": LONG, "name": LONG, "count": 1}],
        instance=LONG,
        exe=LONG,
        user=LONG,
        version=LONG,
    )
    push = decoded(
        body(
            snapshot(0, one),
            about={"labels": {LONG: LONG}},
            collector={"version": LONG},
            inventory={"software": [{"name": LONG, "vendor": LONG, "version": LONG}]},
        )
    )
    cut = "ü" * 1_024
    found = push.snapshots[0].processes[0]
    assert found.objects is not None
    assert push.inventory is not None
    assert push.inventory.software is not None
    assert (found.name, found.types, found.instance, found.user) == (cut, {cut: 3}, cut, cut)
    assert (found.objects[0].type, found.objects[0].name) == (cut, cut)
    assert push.host.labels == {cut: cut}
    assert push.inventory.software[0].name == cut


def test_a_long_host_name_is_cut() -> None:
    assert decoded(body(host="h" * 3_000)).host.name == "h" * 1_024


def test_1024_characters_stay_however_they_are_written() -> None:
    assert only_process("\\u00fc" * 1_024).name == "ü" * 1_024
    assert only_process("\\ud83d\\ude00" * 1_025).name == "😀" * 1_024


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\\u0000b", "a\ufffdb"),
        ("\\ud800", "\ufffd"),
        ("\\udc00", "\ufffd"),
        ("\\uDBFFx\\uDFFF", "\ufffdx\ufffd"),
        ("\\ude00\\ud83d", "\ufffd\ufffd"),
        ("\\ud83d\\ude00\\ud83d", "😀\ufffd"),
        ("\\\\ud800", "\\ud800"),
        ("\\\\u0000", "\\u0000"),
        ("\\\\\\u0000", "\\\ufffd"),
        ("\\\\\\\\u0000\\u0000", "\\\\u0000\ufffd"),
        ('\\"\\u0000\\"', '"\ufffd"'),
        ("\\ud800\\u0000\\\\ud800", "\ufffd\ufffd\\ud800"),
    ],
)
def test_nul_and_lone_surrogates_become_u_fffd(written: str, meant: str) -> None:
    assert only_process(written).name == meant


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        " leading",
        "new\nline",
        "\u202eright to left",
        "\ufeffbom",
        "\ufffe\uffff",
        "<script>",
        "\x7f\x80",
        "é",
        "e\u0301",
        "",
        "=1+1",
        "C:\\Program Files\\x.exe",
        "😀",
        '{}[]",:',
    ],
)
def test_odd_names_are_kept(name: str) -> None:
    assert decoded(body(snapshot(0, process(name)))).snapshots[0].processes[0].name == name
    mended = body(snapshot(0, process(name), process("\0", pid=2)))
    assert decoded(mended).snapshots[0].processes[0].name == name


def test_type_names_are_kept_verbatim() -> None:
    types = {"ALPC Port": 1, "event": 2, "Event": 3, "Ünbekannt\n": 4, "": 5}
    assert decoded(body(snapshot(0, process(types=types)))).snapshots[0].processes[0].types == types


def test_mending_takes_time_in_proportion_to_the_body() -> None:
    began = time.process_time()
    with pytest.raises(Problem) as caught:
        decode_push(b'"\\u0000' + b'\\"' * 1_000_000)
    assert caught.value.status == 400
    decoded({**body(), "new": "\0" + "x" * 4_000_000})
    assert time.process_time() - began < 5


@pytest.mark.parametrize("filler", [b'""', b'"\\n"'])
def test_mending_one_string_holds_no_piece_of_all_others(filler: bytes) -> None:
    one = json.dumps(body()).encode()
    sent = one[:-1] + b',"more":["\\u0000",' + b",".join([filler] * 200_000) + b"]}"
    tracemalloc.start()
    try:
        decode_push(sent)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(sent)
