"""The demo."""

from server.settings import Settings


def run_demo(settings: Settings, *, port: int, hosts: int) -> None:
    """Filled in below."""
