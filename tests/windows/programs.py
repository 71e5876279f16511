"""What runs under Wine beside the collector, written for a Windows Python."""

# Holds ever more handles of one event: as many more as each line of its input says.
LEAKER = r"""
import ctypes, os, sys
create = ctypes.windll.kernel32.CreateEventW
create.restype = ctypes.c_void_p
print(os.getpid(), flush=True)
held = 0
for line in sys.stdin:
    for _ in range(int(line)):
        held += bool(create(None, 1, 0, "Global\\V3SOCKHOOK"))
    print(held, flush=True)
"""

# The registry of Windows NT Server 4.0 SP6a with V3 Pro, and its version for the image that is given; what was there
# before is put back when the input ends.
NT4 = r"""
import sys, winreg
NT = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
V3 = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\V3 Pro 2000 Deluxe"
APP = r"Software\Wine\AppDefaults" + "\\" + sys.argv[1]
HKLM, HKCU = winreg.HKEY_LOCAL_MACHINE, winreg.HKEY_CURRENT_USER
WANTED = [
    (HKCU, APP, "Version", "nt40"),
    (HKLM, NT, "ProductName", "Microsoft Windows NT"),
    (HKLM, NT, "CurrentVersion", "4.0"),
    (HKLM, NT, "CurrentBuildNumber", "1381"),
    (HKLM, NT, "CSDVersion", "Service Pack 6"),
    (HKLM, r"SYSTEM\CurrentControlSet\Control\ProductOptions", "ProductType", "ServerNT"),
    (HKLM, V3, "DisplayName", "V3 Pro 2000 Deluxe"),
    (HKLM, V3, "Publisher", "AhnLab"),
    (HKLM, V3, "DisplayVersion", "5.0"),
]
before = []
for root, path, name, value in WANTED:
    with winreg.CreateKeyEx(root, path, 0, winreg.KEY_ALL_ACCESS | winreg.KEY_WOW64_64KEY) as key:
        try:
            before.append((root, path, name, winreg.QueryValueEx(key, name)[0]))
        except OSError:
            before.append((root, path, name, None))
        winreg.SetValueEx(key, name, 0, winreg.REG_SZ, value)
print("ready", flush=True)
sys.stdin.read()
for root, path, name, value in before:
    with winreg.OpenKey(root, path, 0, winreg.KEY_ALL_ACCESS | winreg.KEY_WOW64_64KEY) as key:
        if value is None:
            winreg.DeleteValue(key, name)
        else:
            winreg.SetValueEx(key, name, 0, winreg.REG_SZ, value)
print("restored", flush=True)
"""

# Lets nobody open it, as protected processes do; then holds as many unnamed events as the lines of its input say.
DENIER = r"""
import ctypes, os, sys
from ctypes import byref, c_void_p, c_wchar_p, wintypes
advapi, kernel = ctypes.windll.advapi32, ctypes.windll.kernel32
kernel.GetCurrentProcess.restype = kernel.CreateEventW.restype = c_void_p
advapi.SetKernelObjectSecurity.argtypes = (c_void_p, wintypes.DWORD, c_void_p)
descriptor = c_void_p()
convert = advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW
assert convert(c_wchar_p("D:P(D;;GA;;;WD)"), 1, byref(descriptor), None)
assert advapi.SetKernelObjectSecurity(kernel.GetCurrentProcess(), 4, descriptor)
print(os.getpid(), flush=True)
for line in sys.stdin:
    held = [kernel.CreateEventW(None, 1, 0, None) for _ in range(int(line))]
    print(len(held), flush=True)
"""

POOL = r"""
import os, sys
print(os.getpid(), flush=True)
sys.stdin.read()
"""

# Runs the collector and, once that has read, raises a signal as Windows does: in another thread. Prints how many
# seconds the collector took to end.
SIGNALLED = r"""
import os, signal, sys, threading, time
name, zipapp, server, state = sys.argv[1:]
sys.path.insert(0, zipapp)
from collector.cli import main
raised = []
def watch():
    spool = os.path.join(state, "spool")
    while not (os.path.isdir(spool) and any(file.endswith(".snap") for file in os.listdir(spool))):
        time.sleep(0.1)
    raised.append(time.monotonic())
    signal.raise_signal(getattr(signal, name))
threading.Thread(target=watch, daemon=True).start()
code = main(["run", "--server", server, "--token", "t", "--interval", "60", "--state", state])
print(time.monotonic() - raised[0])
sys.exit(code)
"""
