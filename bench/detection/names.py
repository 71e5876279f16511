"""The names that the corpus's programs bear; what they do is drawn apart from them."""

from numpy.random import Generator

_WINDOWS = (
    "ntbackup.exe", "beremote.exe", "services.exe", "lsass.exe", "spoolsv.exe", "winlogon.exe", "explorer.exe",
    "outlook.exe", "excel.exe", "sqlservr.exe", "store.exe", "inetinfo.exe", "tomcat9.exe", "java.exe", "w3wp.exe",
    "MsMpEng.exe", "dwm.exe", "csrss.exe", "wmiprvse.exe", "dfsrs.exe", "dns.exe", "taskmgr.exe", "chrome.exe",
    "teams.exe", "code.exe", "vmtoolsd.exe", "snmp.exe", "splunkd.exe", "filebeat.exe", "veeamagent.exe", "mmc.exe",
    "iexplore.exe", "notepad.exe", "conhost.exe", "SearchIndexer.exe", "powershell.exe", "redis-server.exe",
)  # fmt: skip
_SERVICES = (
    "Dnscache",
    "Dhcp",
    "EventLog",
    "Schedule",
    "LanmanServer",
    "Winmgmt",
    "BITS",
    "wuauserv",
    "W32Time",
    "Spooler",
)
_POOLS = ("DefaultAppPool", "Intranet", "Shop", "Reports")
_UNIX = (
    "nginx", "postgres", "redis-server", "java", "node", "python3", "sshd", "systemd", "systemd-journald", "dockerd",
    "containerd", "kubelet", "prometheus", "grafana", "rabbitmq", "beam.smp", "mysqld", "httpd", "php-fpm", "haproxy",
    "envoy", "etcd", "consul", "vault", "filebeat", "fluentd", "telegraf", "snmpd", "chronyd", "crond", "rsyslogd",
    "unbound", "named", "dovecot", "postfix", "memcached", "squid", "gunicorn", "celery", "sidekiq", "puma", "minio",
)  # fmt: skip
_MACOS = (
    "launchd", "WindowServer", "Finder", "Safari", "mds_stores", "cloudd", "bird", "Dock", "Xcode", "Slack", "Mail",
    "backupd", "distnoted", "coreaudiod", "configd", "loginwindow", "Spotlight", "Terminal", "nginx", "postgres",
    "node", "python3", "java", "ruby", "trustd", "logd", "notifyd", "tccd",
)  # fmt: skip


def program_names(rng: Generator, family: str, count: int) -> list[tuple[str, str | None]]:
    """So many different (image, instance)."""
    names: list[tuple[str, str | None]] = [
        (name, None) for name in (_WINDOWS if family == "windows" else _MACOS if family == "macos" else _UNIX)
    ]
    if family == "windows":
        names = [name for name in names if name[0] != "w3wp.exe"]
        names += [("svchost.exe", service) for service in _SERVICES] + [("w3wp.exe", pool) for pool in _POOLS]
    return [names[int(index)] for index in rng.permutation(len(names))[:count]]
