"""Byte-order marks, code pages and line ends of old machines: a file says the same in each of them."""

import pytest

from server.dumps.reading import read_dump
from server.dumps.text import decode
from tests.dumps.samples import DATA, only

KOREAN = "System pid: 4\n   4: Event\n백업.exe pid: 9 서울\\관리자\n   8: File  (RW-)   C:\\기록\\한글.log\n"
GERMAN = "System pid: 4\n   4: Event\nGröße.exe pid: 9 KÖLN\\Müller\n   8: File  (RW-)   C:\\Übung\\Äpfel.log\n"


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [KOREAN, GERMAN])
def test_unicode_with_and_without_a_mark(text: str, encoding: str, mark: bool) -> None:
    content = (("\ufeff" if mark else "") + text).encode(encoding)
    assert decode(content).content == text


@pytest.mark.parametrize(("text", "encoding"), [(KOREAN, "cp949"), (GERMAN, "cp1252")])
def test_code_pages_are_told_apart(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).content == text


@pytest.mark.parametrize("ending", ["\r\n", "\r\r\n", "\n", "\r"])
def test_line_ends_change_nothing(ending: str) -> None:
    content = (DATA / "handle-3.2-all.txt").read_bytes().replace(b"\r\n", ending.encode())
    assert only(read_dump(content))["ntbackup.exe"].handles == 8


def test_nuls_and_lone_surrogates_become_the_replacement_character() -> None:
    found = only(read_dump(b"System pid: 4\n   4: Event         a\0b\n"))["System"]
    assert [one.name for one in found.objects or []] == ["a\ufffdb"]
    wide = "System pid: 4\n   4: Event         a\ud800b\n".encode("utf-16-le", "surrogatepass")
    assert [one.name for one in only(read_dump(b"\xff\xfe" + wide))["System"].objects or []] == ["a\ufffdb"]


def test_long_names_are_cut() -> None:
    found = only(read_dump(b"System pid: 4\n   4: Event         " + b"x" * 5000))["System"]
    assert [len(one.name) for one in found.objects or []] == [1024]
