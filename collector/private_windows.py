"""The calls of Windows for what is this collector's own: to make it for its owner alone, and to tell who may write."""

import ctypes
import msvcrt
import os
import sys
from ctypes import byref, c_long, c_ubyte, c_ulong, c_void_p, c_wchar_p
from pathlib import Path

assert sys.platform == "win32"  # noqa: S101 - tells mypy which system this file is for

# The system, administrators and the owner may do all; nothing comes from the folder above.
FOLDER_FOR_THE_OWNER = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"
FILE_FOR_THE_OWNER = "D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)"
SDDL_REVISION = 1
FILE_OBJECT = 1
OWNER, RIGHTS = 1, 4
TOKEN_QUERY, TOKEN_USER = 8, 1
GENERIC_WRITE, CREATE_NEW, NORMAL = 0x40000000, 1, 0x80
INVALID_HANDLE = c_void_p(-1).value
TOKEN_ROOM = 512


class _Attributes(ctypes.Structure):
    _fields_ = (("length", c_ulong), ("descriptor", c_void_p), ("inherit", c_long))


_advapi = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.LocalFree.argtypes = (c_void_p,)
_kernel.CloseHandle.argtypes = (c_void_p,)
_kernel.GetCurrentProcess.restype = c_void_p
_kernel.CreateDirectoryW.argtypes = (c_wchar_p, c_void_p)
_kernel.CreateFileW.argtypes = (c_wchar_p, c_ulong, c_ulong, c_void_p, c_ulong, c_ulong, c_void_p)
_kernel.CreateFileW.restype = c_void_p
_to_descriptor = _advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW
_to_descriptor.argtypes = (c_wchar_p, c_ulong, c_void_p, c_void_p)
_to_text = _advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW
_to_text.argtypes = (c_void_p, c_ulong, c_ulong, c_void_p, c_void_p)
_advapi.ConvertSidToStringSidW.argtypes = (c_void_p, c_void_p)
_advapi.GetNamedSecurityInfoW.argtypes = (c_wchar_p, c_ulong, c_ulong, *[c_void_p] * 5)
_advapi.OpenProcessToken.argtypes = (c_void_p, c_ulong, c_void_p)
_advapi.GetTokenInformation.argtypes = (c_void_p, c_ulong, c_void_p, c_ulong, c_void_p)


def make_directory(path: Path) -> None:
    descriptor = _descriptor(FOLDER_FOR_THE_OWNER)
    try:
        _require(_kernel.CreateDirectoryW(str(path), byref(_attributes(descriptor))))
    finally:
        _kernel.LocalFree(descriptor)


def create(path: Path) -> int:
    descriptor = _descriptor(FILE_FOR_THE_OWNER)
    try:
        attributes = _attributes(descriptor)
        handle = _kernel.CreateFileW(str(path), GENERIC_WRITE, 0, byref(attributes), CREATE_NEW, NORMAL, None)
        _require(handle not in (None, INVALID_HANDLE))
    finally:
        _kernel.LocalFree(descriptor)
    return msvcrt.open_osfhandle(handle, os.O_WRONLY)


def rights(path: Path) -> tuple[str, str]:
    """The owner's SID, and the list of rights in SDDL. Raises OSError."""
    owner, descriptor, text = c_void_p(), c_void_p(), c_void_p()
    code = _advapi.GetNamedSecurityInfoW(
        str(path), FILE_OBJECT, OWNER | RIGHTS, byref(owner), None, None, None, byref(descriptor)
    )
    if code:
        raise ctypes.WinError(code)
    try:
        _require(_to_text(descriptor, SDDL_REVISION, RIGHTS, byref(text), None))
        return _sid(owner), _taken(text)
    finally:
        _kernel.LocalFree(descriptor)


def own_sid() -> str:
    """Of the user that this process runs as. Raises OSError."""
    token, room, needed = c_void_p(), (c_ubyte * TOKEN_ROOM)(), c_ulong()
    _require(_advapi.OpenProcessToken(_kernel.GetCurrentProcess(), TOKEN_QUERY, byref(token)))
    try:
        _require(_advapi.GetTokenInformation(token, TOKEN_USER, room, TOKEN_ROOM, byref(needed)))
    finally:
        _kernel.CloseHandle(token)
    return _sid(c_void_p.from_buffer(room))


def _attributes(descriptor: c_void_p) -> _Attributes:
    return _Attributes(ctypes.sizeof(_Attributes), descriptor, 0)


def _descriptor(sddl: str) -> c_void_p:
    found = c_void_p()
    _require(_to_descriptor(sddl, SDDL_REVISION, byref(found), None))
    return found


def _sid(sid: c_void_p) -> str:
    text = c_void_p()
    _require(_advapi.ConvertSidToStringSidW(sid, byref(text)))
    return _taken(text)


def _taken(text: c_void_p) -> str:
    found = ctypes.wstring_at(text.value or 0)
    _kernel.LocalFree(text)
    return found


def _require(done: object) -> None:
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
