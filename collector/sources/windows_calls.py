"""The system calls of 64-bit Windows that a reading needs, by ctypes, and its registry. Nothing else of the collector
calls Windows. Counts need no rights; what names need is asked for with no access at all, so that the duplicate of a
handle can do nothing but be asked about.
"""

import contextlib
import ctypes
import struct
import sys
import winreg
from ctypes import byref, c_char, c_long, c_ubyte, c_ulong, c_void_p, c_wchar_p

from collector.sources import windows_buffers
from collector.sources.windows_buffers import ServiceEntry
from collector.sources.windows_files import NOTHING, FileFacts

assert sys.platform == "win32"  # noqa: S101 - tells mypy which system this file is for

SUCCESS = 0
INFO_LENGTH_MISMATCH = 0xC0000004
INVALID_HANDLE = 0xC0000008
INVALID_CID = 0xC000000B
ACCESS_DENIED = 0xC0000022

PROCESS_INFORMATION = 5
TIME_OF_DAY_INFORMATION = 3
EXTENDED_HANDLE_INFORMATION = 64
OBJECT_BASIC, OBJECT_NAME, OBJECT_TYPE, OBJECT_TYPES = range(4)
PROCESS_BASIC_INFORMATION = 0
IMAGE_PATH_INFORMATION = 43
COMMAND_LINE_INFORMATION = 60
VM_READ = 0x0010
DUPLICATE_HANDLE = 0x0040
QUERY_INFORMATION = 0x0400
QUERY_LIMITED_INFORMATION = 0x1000
# Where the process parameters are in a PEB, and the command line in those.
PEB_PARAMETERS = 0x20
PARAMETERS_COMMAND_LINE = 0x70

DEBUG_PRIVILEGE = 20
SERVICES_AND_DRIVERS = 0x3B
ANY_STATE = 3
CONNECT_AND_ENUMERATE = 5

DRIVE_REMOTE = 4

ROOM_TO_GROW = 1 << 16
TRIES = 8
NAME_ROOM = 66_000
MOST_OF_A_VERSION = 1 << 20

VIEWS = {64: winreg.KEY_WOW64_64KEY, 32: winreg.KEY_WOW64_32KEY}
ROOTS = {"HKLM": winreg.HKEY_LOCAL_MACHINE, "HKCU": winreg.HKEY_CURRENT_USER}
MOST_KEYS = 20_000


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("length", c_ulong),
        ("root", c_void_p),
        ("name", c_void_p),
        ("attributes", c_ulong),
        ("descriptor", c_void_p),
        ("quality", c_void_p),
    )


class _ClientId(ctypes.Structure):
    _fields_ = (("process", c_void_p), ("thread", c_void_p))


class _Buffer:
    """Memory for the answers of one call. It grows and never shrinks."""

    def __init__(self, size: int) -> None:
        self.memory = (c_char * size)()

    @property
    def size(self) -> int:
        return len(self.memory)

    @property
    def address(self) -> int:
        return ctypes.addressof(self.memory)

    def grow(self, size: int) -> None:
        self.memory = (c_char * size)()

    def view(self, length: int) -> memoryview:
        return memoryview(self.memory).cast("B")[:length]


class WindowsKernel:
    """What `collector.sources.windows_objects.Kernel` promises. Views are good until the same call is made again."""

    def __init__(self) -> None:
        self._ntdll = _ntdll()
        self._services = _advapi32()
        self._versions = _version()
        self._drive_type = ctypes.CDLL("kernel32").GetDriveTypeW
        self._drive_type.argtypes = (c_wchar_p,)
        self.wine = hasattr(self._ntdll, "wine_get_version")
        self._processes = _Buffer(1 << 18)
        self._handles = _Buffer(1 << 20)
        self._name = _Buffer(NAME_ROOM)
        # Held open, so that every table has a handle of which both type and place are known.
        self._own_event = c_void_p()
        self._ntdll.NtCreateEvent(byref(self._own_event), 0x1F0003, None, 0, 0)

    @property
    def own_handle(self) -> int:
        return self._own_event.value or 0

    def processes(self) -> tuple[memoryview, int]:
        """SystemProcessInformation and the address that it was written to."""
        view = self._system(PROCESS_INFORMATION, self._processes)
        return view, self._processes.address

    def handles(self) -> memoryview:
        """SystemExtendedHandleInformation. Raises PermissionError where this program may not have it."""
        return self._system(EXTENDED_HANDLE_INFORMATION, self._handles)

    def types(self) -> memoryview:
        buffer = _Buffer(1 << 16)
        needed = c_ulong()
        status = self._ntdll.NtQueryObject(None, OBJECT_TYPES, buffer.memory, buffer.size, byref(needed))
        return buffer.view(buffer.size if status == SUCCESS else 0)

    def booted(self) -> int:
        """FILETIME, by today's clock."""
        buffer = (c_char * 48)()
        self._ntdll.NtQuerySystemInformation(TIME_OF_DAY_INFORMATION, buffer, 48, None)
        return int.from_bytes(buffer.raw[:8], "little")

    def open_process(self, pid: int) -> int:
        """A handle by which others can be duplicated. Raises PermissionError, or ProcessLookupError."""
        return self._open_process(pid, DUPLICATE_HANDLE)

    def duplicate(self, process: int, value: int) -> int | None:
        """None where that handle has been closed. Raises PermissionError."""
        copy = c_void_p()
        status = self._ntdll.NtDuplicateObject(process, value, c_void_p(-1), byref(copy), 0, 0, 0)
        if status == ACCESS_DENIED:
            raise PermissionError(f"handle {value:#x}")
        return copy.value if status == SUCCESS else None

    def close(self, handle: int) -> None:
        self._ntdll.NtClose(handle)

    def type_name(self, handle: int) -> str | None:
        return self._object_text(handle, OBJECT_TYPE)

    def object_name(self, handle: int) -> str | None:
        """To be asked for types of `NAMEABLE` alone: for some others Windows may never answer."""
        return self._object_text(handle, OBJECT_NAME)

    def open_count(self, handle: int) -> int | None:
        """How many handles there are to the object, in all processes, this one included."""
        buffer = (c_char * 56)()
        status = self._ntdll.NtQueryObject(handle, OBJECT_BASIC, buffer, 56, None)
        return None if status != SUCCESS else int.from_bytes(buffer.raw[8:12], "little")

    def command_line(self, pid: int) -> str | None:
        """For this program's own eyes: it is never sent."""
        with contextlib.suppress(PermissionError, ProcessLookupError):
            text = self._process_text(pid, COMMAND_LINE_INFORMATION)
            return self._command_line_in_memory(pid) if text is None else text
        return None

    def image_path(self, pid: int) -> str | None:
        """The path of its program; None where the process may not be opened, or has none (System)."""
        with contextlib.suppress(PermissionError, ProcessLookupError):
            return self._process_text(pid, IMAGE_PATH_INFORMATION) or None
        return None

    def is_remote(self, drive: str) -> bool:
        return bool(self._drive_type(drive) == DRIVE_REMOTE)

    def file_facts(self, path: str) -> FileFacts:
        """From the file's version resource: its version in numbers, and the company in its first language."""
        size = self._versions.GetFileVersionInfoSizeW(path, None)
        if not 0 < size <= MOST_OF_A_VERSION:
            return NOTHING
        block = (c_char * size)()
        if not self._versions.GetFileVersionInfoW(path, 0, size, block):
            return NOTHING
        fixed, languages = self._version_value(block, "\\"), self._version_value(block, r"\VarFileInfo\Translation")
        version = vendor = None
        if len(fixed) >= 16:
            high, low = struct.unpack_from("<II", fixed, 8)
            version = ".".join(str(part) for part in (high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF))
        if len(languages) >= 4:
            language, page = struct.unpack_from("<HH", languages)
            company = self._version_value(block, rf"\StringFileInfo\{language:04x}{page:04x}\CompanyName", width=2)
            vendor = company.decode("utf-16-le", "replace").partition("\0")[0].strip() or None
        return FileFacts(vendor, version)

    def services(self) -> list[ServiceEntry]:
        """All services and drivers, running or not; none where the service manager does not answer."""
        manager = self._services.OpenSCManagerW(None, None, CONNECT_AND_ENUMERATE)
        if not manager:
            return []
        found: list[ServiceEntry] = []
        resume = c_ulong(0)
        buffer = _Buffer(1 << 16)  # more than that is never given at once
        try:
            for _ in range(64):
                needed, count = c_ulong(), c_ulong()
                whole = self._services.EnumServicesStatusExW(
                    manager, 0, SERVICES_AND_DRIVERS, ANY_STATE,
                    buffer.memory, buffer.size, byref(needed), byref(count), byref(resume), None,
                )  # fmt: skip
                found += windows_buffers.services(buffer.view(buffer.size), buffer.address, count.value)
                if whole or not count.value:
                    break
        finally:
            self._services.CloseServiceHandle(manager)
        return found

    def version(self) -> tuple[int, int, int, str, int]:
        """Major, minor, build, service pack as text, and the kind of product: 1 workstation, 2 and 3 server."""
        buffer = ctypes.create_string_buffer(struct.pack("<I", 284), 284)
        self._ntdll.RtlGetVersion(buffer)
        major, minor, build = struct.unpack_from("<III", buffer, 4)
        pack = windows_buffers.text_until_nul(memoryview(buffer).cast("B"), 20)
        return major, minor, build, pack, buffer.raw[282]

    def allow_debugging(self) -> None:
        """Where this account may look at processes of others (administrators), says that it will."""
        before = c_ubyte()
        self._ntdll.RtlAdjustPrivilege(DEBUG_PRIVILEGE, 1, 0, byref(before))

    def _system(self, which: int, buffer: _Buffer) -> memoryview:
        needed = c_ulong()
        status = SUCCESS
        for _ in range(TRIES):
            query = self._ntdll.NtQuerySystemInformation
            status = query(which, buffer.memory, buffer.size, byref(needed))
            if status == SUCCESS:
                return buffer.view(needed.value or buffer.size)
            if status != INFO_LENGTH_MISMATCH:
                break
            buffer.grow(max(needed.value, buffer.size) + ROOM_TO_GROW)
        if status == ACCESS_DENIED:
            raise PermissionError(f"system information {which}")
        raise OSError(f"system information {which} is not given: status {status:#x}")

    def _open_process(self, pid: int, access: int) -> int:
        handle = c_void_p()
        attributes = _Attributes(length=ctypes.sizeof(_Attributes))
        client = _ClientId(process=pid)
        status = self._ntdll.NtOpenProcess(byref(handle), access, byref(attributes), byref(client))
        if status == SUCCESS and handle.value is not None:
            return handle.value
        if status == ACCESS_DENIED:
            raise PermissionError(f"process {pid}")
        raise ProcessLookupError(f"process {pid}: status {status:#x}")

    def _object_text(self, handle: int, which: int) -> str | None:
        needed = c_ulong()
        name = self._name
        status = self._ntdll.NtQueryObject(handle, which, name.memory, name.size, byref(needed))
        return windows_buffers.counted_text(name.view(name.size), name.address) if status == SUCCESS else None

    def _process_text(self, pid: int, which: int) -> str | None:
        """Raises PermissionError, or ProcessLookupError."""
        process = self._open_process(pid, QUERY_LIMITED_INFORMATION)
        try:
            needed = c_ulong()
            name = self._name
            query = self._ntdll.NtQueryInformationProcess
            status = query(process, which, name.memory, name.size, byref(needed))
            return windows_buffers.counted_text(name.view(name.size), name.address) if status == SUCCESS else None
        finally:
            self.close(process)

    def _version_value(self, block: "ctypes.Array[c_char]", path: str, *, width: int = 1) -> bytes:
        """What is at that place of a version resource; texts (`width` 2) tell their length in letters."""
        place, length = c_void_p(), c_ulong()
        if not self._versions.VerQueryValueW(block, path, byref(place), byref(length)) or place.value is None:
            return b""
        begin = place.value - ctypes.addressof(block)
        return block.raw[begin : begin + length.value * width] if 0 <= begin <= len(block) else b""

    def _command_line_in_memory(self, pid: int) -> str | None:
        """As before Windows 8.1, which has no question for it."""
        process = self._open_process(pid, QUERY_INFORMATION | VM_READ)
        try:
            basic = (c_char * 48)()
            if self._ntdll.NtQueryInformationProcess(process, PROCESS_BASIC_INFORMATION, basic, 48, None) != SUCCESS:
                return None
            peb = int.from_bytes(basic.raw[8:16], "little")
            parameters = self._memory(process, peb + PEB_PARAMETERS, 8)
            text = self._memory(process, int.from_bytes(parameters, "little") + PARAMETERS_COMMAND_LINE, 16)
            if len(text) < 16:
                return None
            length, address = struct.unpack("<H6xQ", text)
            return self._memory(process, address, length).decode("utf-16-le", "replace")
        finally:
            self.close(process)

    def _memory(self, process: int, address: int, length: int) -> bytes:
        content = (c_char * length)()
        status = self._ntdll.NtReadVirtualMemory(process, c_void_p(address), content, length, None)
        return content.raw if status == SUCCESS else b""


class WindowsRegistry:
    """What `collector.sources.windows_facts.Registry` promises. `view`: of 64-bit or of 32-bit programs."""

    def values(self, path: str, *, root: str = "HKLM", view: int = 64) -> dict[str, object]:
        """What the key holds; nothing where it is missing or may not be read."""
        found: dict[str, object] = {}
        with contextlib.suppress(OSError), winreg.OpenKey(ROOTS[root], path, 0, _reading(view)) as key:
            for number in range(winreg.QueryInfoKey(key)[1]):
                name, value, _ = winreg.EnumValue(key, number)
                found[name] = value
        return found

    def keys(self, path: str, *, root: str = "HKLM", view: int = 64) -> list[str]:
        found: list[str] = []
        with contextlib.suppress(OSError), winreg.OpenKey(ROOTS[root], path, 0, _reading(view)) as key:
            for number in range(min(winreg.QueryInfoKey(key)[0], MOST_KEYS)):
                found.append(winreg.EnumKey(key, number))
        return found


def _reading(view: int) -> int:
    return winreg.KEY_READ | VIEWS[view]


def _ntdll() -> ctypes.CDLL:
    library = ctypes.CDLL("ntdll")
    handle = c_void_p
    signatures = {
        "NtQuerySystemInformation": (c_ulong, c_void_p, c_ulong, c_void_p),
        "NtQueryObject": (handle, c_ulong, c_void_p, c_ulong, c_void_p),
        "NtDuplicateObject": (handle, handle, handle, c_void_p, c_ulong, c_ulong, c_ulong),
        "NtOpenProcess": (c_void_p, c_ulong, c_void_p, c_void_p),
        "NtQueryInformationProcess": (handle, c_ulong, c_void_p, c_ulong, c_void_p),
        "NtReadVirtualMemory": (handle, c_void_p, c_void_p, ctypes.c_size_t, c_void_p),
        "NtCreateEvent": (c_void_p, c_ulong, c_void_p, c_ulong, c_ubyte),
        "NtClose": (handle,),
        "RtlGetVersion": (c_void_p,),
        "RtlAdjustPrivilege": (c_ulong, c_ubyte, c_ubyte, c_void_p),
    }
    for name, arguments in signatures.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = c_ulong
    return library


def _advapi32() -> ctypes.CDLL:
    library = ctypes.CDLL("advapi32")
    library.OpenSCManagerW.argtypes = (c_wchar_p, c_wchar_p, c_ulong)
    library.OpenSCManagerW.restype = c_void_p
    library.EnumServicesStatusExW.argtypes = (
        c_void_p, c_ulong, c_ulong, c_ulong, c_void_p, c_ulong, c_void_p, c_void_p, c_void_p, c_wchar_p,
    )  # fmt: skip
    library.EnumServicesStatusExW.restype = c_long
    library.CloseServiceHandle.argtypes = (c_void_p,)
    library.CloseServiceHandle.restype = c_long
    return library


def _version() -> ctypes.CDLL:
    library = ctypes.CDLL("version")
    library.GetFileVersionInfoSizeW.argtypes = (c_wchar_p, c_void_p)
    library.GetFileVersionInfoSizeW.restype = c_ulong
    library.GetFileVersionInfoW.argtypes = (c_wchar_p, c_ulong, c_ulong, c_void_p)
    library.VerQueryValueW.argtypes = (c_void_p, c_wchar_p, c_void_p, c_void_p)
    return library
