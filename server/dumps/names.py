"""Names as the wire has them, whatever tool wrote them: the same program must get the same name as from a collector.

`pslist`, performance counters and `Get-Process` name an image without its `.exe`. It is put back, so that histories and
signatures join: to every name without a dot, but not to those of the kernel's own processes, which have no image file.
"""

from server.analysis.readings import LONGEST

KERNEL = frozenset(
    {"idle", "system", "registry", "memory compression", "secure system", "vmmem", "memcompression", "(all processes)"}
)


def clean(text: str) -> str:
    return text[:LONGEST]


def image(name: str) -> str:
    """The image name for one given without its extension: `ntbackup` is `ntbackup.exe`, `System` stays."""
    name = kernel(name)
    return clean(name) if "." in name or name.casefold() in KERNEL else clean(f"{name[: LONGEST - 4]}.exe")


def kernel(name: str) -> str:
    """`System Idle Process`, `Idle Process` and `System Process` as a collector names them."""
    return {"system idle process": "Idle", "idle process": "Idle", "system process": "System"}.get(
        name.casefold() if len(name) < 20 else "", clean(name)
    )
