"""Whatever happens in whatever order (new snapshots, answers, kills, full disks), nothing comes out twice or out of
order, and what is missing at the end has been answered for or is counted."""

import errno
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from collector.spool import BLOCK, IN_MEMORY, Spool

ROOM = 8


class SpoolLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.full = False
        self.made = 0
        self.answered: list[int] = []
        self.lost_in_memory = 0
        self.dropped_before = 0
        self.spool = self.open()

    def open(self) -> Spool:
        return Spool(self.folder, most_bytes=ROOM * BLOCK, write=self.write)

    def write(self, path: Path, content: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(content)

    @rule(count=st.integers(1, 5))
    def readings_are_taken(self, count: int) -> None:
        for _ in range(count):
            self.spool.append(self.made, str(self.made).encode())
            self.made += 1

    @rule(most=st.integers(1, 4))
    def the_server_answers_for_some(self, most: int) -> None:
        chosen = self.spool.first(most=most, most_length=1 << 20)
        for entry in chosen:
            content = self.spool.load(entry)
            assert content is not None
            assert int(content) == entry.time
            self.answered.append(entry.time)
        self.spool.done(chosen)

    @rule()
    def readings_are_taken_while_a_batch_is_under_way(self) -> None:
        chosen = self.spool.first(most=3, most_length=1 << 20)
        self.readings_are_taken(ROOM)
        for entry in chosen:
            content = self.spool.load(entry)
            assert content is None or int(content) == entry.time
        self.spool.done(chosen)
        self.answered += [entry.time for entry in chosen if entry.time not in self.answered]

    @rule()
    def it_is_killed_and_started_again(self) -> None:
        self.lost_in_memory += self.spool.in_memory
        self.dropped_before += self.spool.counts.dropped
        self.spool = self.open()

    @rule(full=st.booleans())
    def the_disk_is_filled_or_cleared(self, full: bool) -> None:
        self.full = full

    @invariant()
    def nothing_is_out_twice_or_out_of_order(self) -> None:
        waiting = [entry.time for entry in self.spool.first(most=1000, most_length=1 << 30)]
        assert waiting == sorted(set(waiting))
        assert not set(waiting) & set(self.answered)
        assert len(self.answered) == len(set(self.answered))

    @invariant()
    def it_stays_within_its_bounds(self) -> None:
        assert self.spool.size <= ROOM * BLOCK
        assert self.spool.in_memory <= IN_MEMORY
        assert len(list((self.folder / "spool").iterdir())) == len(self.spool) - self.spool.in_memory

    @invariant()
    def what_is_missing_is_counted(self) -> None:
        missing = self.made - len(self.spool) - len(self.answered)
        counted = self.dropped_before + self.spool.counts.dropped + self.lost_in_memory
        assert 0 <= missing <= counted
        assert self.spool.counts.damaged == 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestSpoolLife = SpoolLife.TestCase
TestSpoolLife.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
