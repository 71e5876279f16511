"""Runs a Python module as `python -m` would, and ends it when whoever holds the other end of its standard input is
gone: a demo that is killed leaves no collector behind."""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    module = sys.argv[1]
    threading.Thread(target=_end_with_input, name="tether", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
