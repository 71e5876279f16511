"""A server to measure: the application as `handlewatch serve` runs it. Without `judging` nothing is judged for leaks,
so that what is measured is the way from the socket to the sealed block; and what is due to be packed is looked for
without the pause that keeps an ordinary server from looking too often, because the fleet's clock runs fast."""

import os
import sys
import time

from server import app as application
from server.jobs import runner
from server.listening import calmed, listen
from server.settings import load_settings


class Packing(runner.Runner):
    """Packs what is due, and judges nothing."""

    def judge_waiting(self) -> bool:
        time.sleep(0.1)
        return True  # and look again whether something is due


def main() -> None:
    port, how = int(sys.argv[1]), sys.argv[2]
    runner.COMPACT_EVERY_S = 0.5
    if how != "judging":
        application.Runner = Packing  # type: ignore[attr-defined]
    app = calmed(application.create_app(load_settings(os.environ)))
    listen(app, host="127.0.0.1", port=port, server_header=False, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
