"""Which tests one worker of a run in parallel takes together: those that share what takes long to make, or is one.

By their files and not by xdist's mark of groups: pytest 9.2 no longer lets xdist write that into a test's name.
"""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/windows/",  # one prefix of Wine can have one session
    "tests/packaging/test_wheel.py",
    "tests/demo/test_naive_view.py",
    "tests/e2e/test_install.py",
    "tests/web/test_leak_page_in_browser.py",
    "tests/web/test_leaks_in_browser.py",
    "tests/web/test_pages_in_browser.py",
    "tests/web/test_phone_in_browser.py",
)


class TogetherScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives out these first, then each other test by itself."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)
