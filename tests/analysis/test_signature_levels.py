"""What a host shows of a signature: exposed, present, leaking, cleared, or nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.analysis.catalogue import parse_signature
from server.analysis.facts import HostFacts, Item, OsFacts
from server.analysis.instants import DAY, HOUR, MINUTE
from server.analysis.signatures import Match, Trace, judge

FILE = Path(__file__).resolve().parents[2] / "server" / "signatures" / "v3-pro.yaml"
V3 = parse_signature(FILE.read_text("utf-8"))
GROWERS = parse_signature(FILE.read_text("utf-8").replace("must_grow: false", "must_grow: true"))

NT = OsFacts("windows", "Windows NT Server", "4.0.1381", "6a")
DELUXE = Item("V3 Pro 2000 Deluxe", "AhnLab", "5.0")
BARE = HostFacts(NT, images=frozenset({"ntbackup.exe", "csrss.exe"}))
FITTED = replace(BARE, software=(DELUXE,))


def trace(
    counts: Sequence[int],
    *,
    pid: int = 187,
    image: str = "ntbackup.exe",
    alive: bool = True,
    start: int = 0,
    step: int = HOUR,
) -> Trace:
    return Trace(
        program=image,
        image=image,
        pid=pid,
        started_us=0,
        times=start + np.arange(len(counts), dtype=np.int64) * step,
        counts=np.array(counts, dtype=np.int64),
        distinct=np.minimum(np.array(counts, dtype=np.int64), 1),
        estimated=False,
        alive=alive,
    )


def shown(facts: HostFacts, *traces: Trace, before: Match | None = None) -> Match:
    match = judge(V3, facts, traces, before)
    assert match is not None
    return match


def test_nothing_installed_and_no_handles_is_nothing() -> None:
    assert judge(V3, BARE, [], None) is None
    assert judge(V3, BARE, [trace([0, 1, 1])], None) is None


def test_software_without_handles_is_exposed() -> None:
    match = shown(FITTED, trace([0, 1, 1]))
    assert (match.level, match.applies_to, match.software, match.handles) == ("exposed", True, DELUXE, 1)
    assert (match.program, match.first_seen_us, match.peak, match.changed) == (None, None, None, None)
    assert shown(FITTED).handles is None


def test_software_on_another_family_exposes_nothing() -> None:
    assert judge(V3, replace(FITTED, os=OsFacts("linux", "Debian", "12")), [], None) is None


def test_an_exposed_host_whose_software_goes_shows_nothing() -> None:
    assert judge(V3, BARE, [trace([0, 0])], shown(FITTED, trace([1]))) is None


def test_handles_that_stand_still_are_present() -> None:
    match = shown(FITTED, trace([0, 5, 5, 5, 5, 5, 5, 5, 5]))
    assert (match.level, match.program, match.pid, match.handles, match.distinct) == (
        "present",
        "ntbackup.exe",
        187,
        5,
        1,
    )
    assert (match.first_seen_us, match.last_seen_us, match.peak) == (HOUR, 8 * HOUR, 5)


def test_handles_that_grow_are_leaking() -> None:
    match = shown(BARE, trace([350 * hour for hour in range(25)]))
    assert (match.level, match.handles, match.rate_per_hour, match.software) == ("leaking", 8400, 350.0, None)
    assert match.programs[0].named


def test_the_least_count_is_two() -> None:
    assert judge(V3, BARE, [trace([1])], None) is None
    assert shown(BARE, trace([2])).level == "present"


def test_a_host_outside_the_list_is_shown_as_outside() -> None:
    for os in (OsFacts("windows", "Windows NT Workstation", "4.0", "6a"), OsFacts("other")):
        match = shown(replace(BARE, os=os), trace([9]))
        assert (match.level, match.applies_to) == ("present", False)


def test_the_worst_process_leads_and_all_are_listed() -> None:
    still = trace([9000] * 25, pid=7, image="bengine.exe")
    small = trace([3] * 25, pid=9, image="odd.exe")
    match = shown(BARE, small, still, trace(range(100, 125)))
    assert [entry.program for entry in match.programs] == ["ntbackup.exe", "bengine.exe", "odd.exe"]
    assert [entry.level for entry in match.programs] == ["leaking", "present", "present"]
    assert [entry.named for entry in match.programs] == [True, True, False]
    assert (match.program, match.handles, match.peak) == ("ntbackup.exe", 124, 9000)


def test_a_process_not_looked_at_since_keeps_what_it_held() -> None:
    before = shown(BARE, trace([120]))
    later = shown(BARE, trace([]), before=before)
    assert (later.level, later.handles, later.last_seen_us) == ("present", 120, 0)
    assert shown(BARE, before=later).handles == 120


def test_a_process_of_which_nothing_came_is_gone_once_its_image_is() -> None:
    before = shown(BARE, trace([120]))
    assert shown(replace(BARE, images=frozenset({"csrss.exe"})), before=before).level == "cleared"
    assert shown(BARE, trace([0], pid=188, start=HOUR), before=before).changed == "ntbackup.exe (pid 187) ended"


def test_a_process_that_ended_clears_it() -> None:
    match = shown(FITTED, trace([5, 120], alive=False))
    assert (match.level, match.changed, match.handles) == ("cleared", "ntbackup.exe (pid 187) ended", 0)
    assert (match.program, match.pid, match.peak, match.last_seen_us) == ("ntbackup.exe", 187, 120, HOUR)
    assert match.programs == ()


def test_an_object_that_is_gone_clears_it() -> None:
    assert shown(FITTED, trace([5, 120, 0])).changed == "handles on the object fell from 120 to 0"


def test_the_next_process_showing_it_brings_it_back() -> None:
    cleared = shown(BARE, trace([50], alive=False))
    again = shown(BARE, trace([9], pid=300, start=DAY), before=cleared)
    assert (again.level, again.pid, again.first_seen_us, again.peak) == ("present", 300, 0, 50)
    assert again.changed is None


@pytest.mark.parametrize(
    ("software", "said"),
    [
        ((), "V3 Pro 2000 Deluxe 5.0 removed"),
        ((replace(DELUXE, version="5.1"),), "V3 Pro 2000 Deluxe updated from 5.0 to 5.1"),
        ((Item("V3Pro 2002 Deluxe", "AhnLab", "6.0"),), "V3 Pro 2000 Deluxe 5.0 replaced by V3Pro 2002 Deluxe 6.0"),
    ],
)
def test_what_became_of_the_software_is_said_first(software: tuple[Item, ...], said: str) -> None:
    before = shown(FITTED, trace([120]))
    after = shown(replace(BARE, software=software), trace([], alive=False), before=before)
    assert after.changed == f"{said}; ntbackup.exe (pid 187) ended"
    assert after.installed is bool(software)


def test_software_removed_while_the_handles_stay_is_remembered_for_when_they_go() -> None:
    before = shown(FITTED, trace([120]))
    still = shown(BARE, trace([121], start=HOUR), before=before)
    assert (still.level, still.software, still.installed, still.changed) == ("present", DELUXE, False, None)
    gone = shown(BARE, trace([], alive=False), before=still)
    assert gone.changed == "V3 Pro 2000 Deluxe 5.0 removed; ntbackup.exe (pid 187) ended"


def test_software_removed_after_it_cleared_is_added_once() -> None:
    cleared = shown(FITTED, trace([120], alive=False), before=shown(FITTED, trace([120])))
    removed = shown(BARE, before=cleared)
    assert removed.changed == "V3 Pro 2000 Deluxe 5.0 removed; ntbackup.exe (pid 187) ended"
    assert shown(BARE, before=removed) == removed
    assert shown(BARE, trace([120], alive=False), before=removed) == removed
    assert (removed.first_seen_us, removed.peak, removed.program) == (0, 120, "ntbackup.exe")


def test_a_service_that_gave_it_away_is_said_to_be_removed() -> None:
    facts = replace(BARE, services=(Item("MonSvcNT"),))
    before = shown(facts, trace([120]))
    assert (before.evidence, before.software) == ("service", Item("MonSvcNT"))
    assert (shown(BARE, trace([], alive=False), before=before).changed or "").startswith("service MonSvcNT removed; ")


def test_a_signature_that_asks_for_growth_begins_with_it() -> None:
    flat, rising = trace([50] * 25), trace(range(50, 75))
    assert judge(GROWERS, BARE, [flat], None) is None
    exposed = judge(GROWERS, FITTED, [flat], None)
    assert exposed is not None
    assert (exposed.level, exposed.first_seen_us) == ("exposed", None)
    leaking = judge(GROWERS, BARE, [rising], None)
    assert leaking is not None
    assert leaking.level == "leaking"
    stopped = judge(GROWERS, BARE, [trace([74] * 25, start=DAY)], leaking)
    assert stopped is not None
    assert stopped.level == "present"


def test_a_pid_used_again_is_another_process() -> None:
    before = shown(BARE, trace([120]))
    other = replace(trace([0], start=DAY), started_us=DAY)
    assert shown(BARE, replace(trace([]), alive=False), other, before=before).changed == "ntbackup.exe (pid 187) ended"


LIVES = st.lists(
    st.tuples(st.lists(st.integers(-1, 6), min_size=1, max_size=40), st.booleans()), min_size=1, max_size=3
)


@settings(max_examples=200)
@given(LIVES, st.sets(st.integers(1, 39)), st.integers(10, 120))
def test_history_cut_anyhow_gives_the_same(lives: list[tuple[list[int], bool]], cuts: set[int], minutes: int) -> None:
    """Whole traces at once, or at each cut the looks of the last day and those since the cut before, and the former
    answer."""
    step = minutes * MINUTE
    whole = [trace(c, pid=n, alive=alive, step=step) for n, (c, alive) in enumerate(lives)]
    longest = max(len(item.counts) for item in whole)
    at_once = judge(V3, BARE, whole, None)
    match: Match | None = None
    judged = -step
    for cut in [*sorted(cut for cut in cuts if cut < longest), longest]:
        now = (cut - 1) * step
        pieces = []
        for item in whole:
            looks = item.times[(item.counts >= 0) & (item.times <= now)]
            since = min(judged + step, looks[-1] - DAY) if len(looks) else 0
            keep = (item.times <= now) & (item.times >= since)
            alive = item.alive or cut <= len(item.counts)
            times, counts, distinct = item.times[keep], item.counts[keep], item.distinct[keep]
            pieces.append(replace(item, alive=alive, times=times, counts=counts, distinct=distinct))
        match = judge(V3, BARE, pieces, match)
        judged = now
    # A process that was alive at the last reading but is not in the newest snapshot ended since.
    match = judge(V3, BARE, [replace(p, alive=item.alive) for p, item in zip(pieces, whole, strict=True)], match)
    facts = [m and (m.level, m.first_seen_us, m.last_seen_us, m.peak, m.programs) for m in (at_once, match)]
    assert facts[0] == facts[1]


ODD = st.text(max_size=20) | st.sampled_from(["V3 Pro", "V3Pro \ud800", "4.0.1381", "\x00", "６ａ", "99999" * 200])
ITEMS = st.lists(st.builds(Item, ODD, st.none() | ODD, st.none() | ODD), max_size=3).map(tuple)
FACTS = st.builds(
    HostFacts,
    st.builds(OsFacts, ODD | st.just("windows"), *[st.none() | ODD] * 3),
    ITEMS,
    ITEMS,
    ITEMS,
    st.frozensets(ODD),
)


@given(FACTS, FACTS, st.lists(st.integers(-5, 2**53 - 1), max_size=5), ODD)
def test_nothing_a_host_may_send_raises(first: HostFacts, second: HostFacts, counts: list[int], image: str) -> None:
    V3.wants(image, image, image, image)
    before = judge(V3, first, [trace(counts, image=image)], None)
    judge(V3, second, [trace([], image=image, alive=False)], before)
