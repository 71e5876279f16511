"""The collector's state directory on Windows: for its owner alone, and refused where everybody may write."""

import json
from pathlib import Path

from tests.windows.wine import Wine

CODE = Path(__file__).resolve().parents[2]
PROBE = r"""
import json, os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from collector import private_windows
from collector.state import StateDirectory, StateError
new, shared = Path(sys.argv[2]), Path(sys.argv[3])
state = StateDirectory(new)
kept = [state.keep("token", {"token": token}) for token in ("first", "second")]
said = []
for folder in (new, shared):
    try:
        StateDirectory(folder)
    except StateError as error:
        said.append(str(error))
found = {"kept": kept, "token": state.load("token"), "said": said, "own": private_windows.own_sid()}
found |= {name: private_windows.rights(path) for name, path in (("folder", new), ("file", new / "token.json"))}
print(json.dumps(found))
"""


def test_the_token_is_for_its_owner_alone_and_a_shared_directory_is_refused(wine: Wine, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    folders = [wine.windows_path(path) for path in (CODE, tmp_path / "above" / "state", shared)]
    process = wine.start("-c", PROBE, *folders)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    found = json.loads(out)
    assert (found["kept"], found["token"]) == ([True, True], {"token": "second"})
    for name in ("folder", "file"):
        owner, sddl = found[name]
        assert owner == found["own"]
        assert ";;;WD)" not in sddl
    busy, open_to_all = found["said"]
    assert "another collector already uses" in busy
    assert "everybody may write to it" in open_to_all
