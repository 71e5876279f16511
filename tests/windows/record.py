"""`python -m tests.windows.record` writes what system calls give under Wine to tests/collector/windows/recorded/."""

import base64
import gzip
import json
from pathlib import Path

from tests.windows.programs import LEAKER
from tests.windows.wine import running, session

FOLDER = Path(__file__).resolve().parents[1] / "collector" / "windows" / "recorded"
RECORDER = r"""
import base64, json, os, sys
sys.path.insert(0, sys.argv[1])
from collector.sources.windows_calls import WindowsKernel
kernel = WindowsKernel()
processes, base = kernel.processes()
buffers = {"processes": processes, "handles": kernel.handles(), "types": kernel.types()}
facts = {"base": base, "own_pid": os.getpid(), "own_handle": kernel.own_handle}
print(json.dumps({"facts": facts} | {name: base64.b64encode(view).decode() for name, view in buffers.items()}))
"""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with session() as wine, running(wine, "-c", LEAKER, image="ntbackup.exe") as leaker:
        assert leaker.stdin is not None
        assert leaker.stdout is not None
        leaker.stdout.readline()
        leaker.stdin.write("100\n")
        leaker.stdin.flush()
        leaker.stdout.readline()
        root = wine.windows_path(Path(__file__).resolve().parents[2])
        found = json.loads(wine.run("-c", RECORDER, root).stdout)
    (FOLDER / "facts.json").write_text(json.dumps(found.pop("facts")) + "\n")
    for name, content in found.items():
        (FOLDER / f"{name}.gz").write_bytes(gzip.compress(base64.b64decode(content), mtime=0))


if __name__ == "__main__":
    main()
