"""What the first lines of a host's page say of a known leak."""

import pytest

from server.analysis.signatures import Match
from server.web.pages.findings import of_match


@pytest.mark.parametrize(("rate", "growth"), [(None, "; growth not yet known"), (0.0, ", which do not grow now")])
def test_handles_that_are_there_are_said_not_to_grow_only_where_that_is_known(rate: float | None, growth: str) -> None:
    match = Match("v3-pro", "present", True, program="ntbackup.exe", handles=183, rate_per_hour=rate)
    assert of_match("v3-pro", match, {}).text == f"ntbackup.exe holds 183 handles of this leak{growth}"
