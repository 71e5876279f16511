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
