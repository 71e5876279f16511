"""Sample views of what comes from dump files."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from server.web import views as v
from server.web import views_import as vi

AT = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
HOOK = "\\BaseNamedObjects\\V3SOCKHOOK"
FORMATS = (v.Choice(value="handle", label="Sysinternals handle"), v.Choice(value="pslist", label="Sysinternals pslist"))
ROWS = (
    vi.ImportRow(
        program="ntbackup.exe",
        pid=187,
        handles=12_345,
        types=tuple(
            v.TypeCount(type=kind, count=count) for kind, count in (("Event", 12_000), ("Key", 60), ("File", 51))
        ),
        objects=(v.ObjectCount(type="Event", name=HOOK, count=11_950, distinct=11_950),),
    ),
    vi.ImportRow(program="System", pid=2, handles=None, types=None, objects=()),
)


def found(**changes: object) -> vi.ImportFound:
    values: dict[str, object] = {
        "title": "Sysinternals handle",
        "host": "NTBK01",
        "first": AT,
        "last": AT,
        "moments": 1,
        "processes": 31,
        "kept": "KLUv/Q==",
        "name": "handles.txt",
        "size": 81_000,
        "handles": 18_230,
        "rows": ROWS,
        "known": True,
        "last_seen_at": AT,
    }
    return vi.ImportFound(**(values | changes))  # type: ignore[arg-type]


def compare(shell: v.Shell, **changes: object) -> vi.CompareView:
    values: dict[str, object] = {
        "shell": shell,
        "host": "NTBK01",
        "program": "ntbackup.exe",
        "moments": ("2026-11-22T10:00:00Z", "2026-11-22T09:00:00Z"),
        "a": vi.CompareMoment(
            time=AT, value="2026-11-22T09:00:00Z", handles=312, pids=(187,), types=True, objects=True
        ),
        "b": vi.CompareMoment(time=AT, value="2026-11-22T10:00:00Z", handles=None, pids=(187, 188), types=True),
        "types": (vi.CompareRow(type="Event", before=200, after=12_000, difference=11_800),),
        "objects": (vi.CompareRow(type="Event", name=HOOK, before=None, after=11_950),),
        "objects_total": 300,
        "json_url": "/api/v1/hosts/NTBK01/compare?program=ntbackup.exe",
        "csv_url": "/api/v1/hosts/NTBK01/compare?program=ntbackup.exe&format=csv",
    }
    return vi.CompareView(**(values | changes))  # type: ignore[arg-type]


def full(shell: v.Shell) -> Mapping[str, v.View]:
    stored = vi.ImportStored(host="NTBK01", accepted=2, duplicates=1, first=AT, last=AT, looked_at=("ntbackup.exe",))
    partial = found(partial=True, handles=None, notes=("This is what a search found.",), host=None, last=None)
    return {
        "import": vi.ImportView(shell=shell, may_import=True, formats=FORMATS, found=found()),
        "import-partial": vi.ImportView(shell=shell, may_import=True, formats=FORMATS, found=partial),
        "import-stored": vi.ImportView(shell=shell, may_import=True, formats=FORMATS, stored=stored),
        "compare": compare(shell),
    }


def empty(shell: v.Shell) -> Mapping[str, v.View]:
    return {
        "import": vi.ImportView(shell=shell, may_import=True, formats=FORMATS),
        "import-viewer": vi.ImportView(shell=shell, may_import=False),
        "import-error": vi.ImportView(shell=shell, may_import=True, error="Choose a file first.", faults=("dump",)),
        "compare": vi.CompareView(shell=shell, host="NTBK01", pid=187),
    }


def broken(shell: v.Shell, hostile: Sequence[str]) -> Mapping[str, v.View]:
    rows = tuple(
        vi.ImportRow(
            program=name,
            pid=2**53 - 1,
            handles=2**53 - 1,
            types=(v.TypeCount(type=name, count=2**53 - 1),),
            objects=(v.ObjectCount(type=name, name=name, count=2**53 - 1),),
        )
        for name in hostile
    )
    fields = vi.ImportFields(host=hostile[0], time=hostile[0], format=hostile[0], os=hostile[0], os_name=hostile[2])
    odd = found(title=hostile[0], host=hostile[2], name=hostile[2], rows=rows, notes=tuple(hostile), kept=hostile[0])
    return {
        "import": vi.ImportView(
            shell=shell,
            may_import=True,
            formats=FORMATS,
            fields=fields,
            found=odd,
            error=hostile[2],
            faults=tuple(hostile),
        ),
        "compare": compare(
            shell,
            host=hostile[0],
            program=hostile[2],
            moments=tuple(hostile),
            types=tuple(vi.CompareRow(type=one, before=0, after=2**53 - 1, difference=2**53 - 1) for one in hostile),
            objects=tuple(
                vi.CompareRow(type=one, name=one, before=2**53, after=0, difference=-(2**53)) for one in hostile
            ),
        ),
    }
