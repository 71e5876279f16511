"""What to do about a leak whose cause is not known: how to see which handles they are, and what a restart buys."""

from typing import Any

from server.analysis.evidence import Evidence, called
from server.analysis.instants import DAY, SECOND
from server.web.render import duration, number, segment, url
from server.web.views_leak import Advice

_IN_TIME = 90 * DAY
_LIMITLESS = 1_000_000  # handles: a limit beyond it is not what runs short first

# by type: where such handles usually come from
_LINUX = {
    "socket": "Sockets in CLOSE_WAIT are connections which the other side has closed and this program has not; "
    "those in ESTABLISHED to one address are a pool without a bound.",
    "pipe": "Pipes are usually left by children that were not waited for, or by wake-up pipes of event loops.",
    "eventfd": "They are usually left by event loops or threads that are made anew each time and not closed.",
    "eventpoll": "They are left by event loops that are made for each task and not closed.",
    "inotify": "They are left by watchers that are made for each file or request and not closed.",
    "timerfd": "They are left by timers that are made for each task and not closed.",
    "deleted": "These files are deleted and still open: their space is not given back either. It is often a log "
    "that was rotated, or temporary files.",
    "file": "The paths tell most: many handles on one path mean that it is opened anew each time and not closed.",
    "memfd": "They hold memory as well: it is given back only when they are closed.",
}
_WINDOWS = {
    "Event": "Events are usually left by calls that wait for an answer: one is made for each, and not closed.",
    "Thread": "Thread handles are left where threads are started and their handles not closed when they end.",
    "Process": "Process handles are left where programs are started or watched and their handles kept; each keeps an "
    "ended process in memory.",
    "Key": "The names of the registry keys tell which part of the program opens them.",
    "File": "The paths tell most: many handles on one path mean that it is opened anew each time and not closed.",
    "Token": "Tokens are left where somebody is signed in or impersonated and the token not closed.",
    "Section": "Sections hold memory that no process is charged for.",
}


def advice(host: Any, leak: Any, evidence: Evidence, *, pid: int | None, known_cause: bool) -> tuple[Advice, ...]:
    """`host`: its row; `leak`: its row; `pid`: of the process that holds the most now, None: none runs."""
    if leak.state == "resolved":
        return (
            Advice(
                text="It is over. If it comes back on newer readings, it is told as returned, and what was noted stays."
            ),
        )
    found = [] if known_cause and (pid is None or leak.object is not None) else [_look(host, leak, pid)]
    found += _compare(host, leak, pid)
    found.append(_restart(leak, evidence))
    if not known_cause:
        found.append(
            Advice(
                text="If the program is not yours, its makers need what stands below: since when, how fast, which "
                "type, the chart, and the version that runs."
            )
        )
    return tuple(found)


def _look(host: Any, leak: Any, pid: int | None) -> Advice:
    """How to see which handles they are."""
    whose = "PID" if pid is None else str(pid)
    if host.os_family == "windows":
        hint = _WINDOWS.get(leak.type or "", "")
        if str(host.os_version or "").startswith("4.0"):
            return Advice(
                text=f"See which {called(leak.type)} they are with one handle -a, and import it. Once only: handle "
                f"monitors can hang NT 4.0 (Microsoft KB Q276525). {hint}".rstrip(),
                href=url("/import", host=host.name),
                link="Import a file",
            )
        return Advice(
            text=f"See which {called(leak.type)} they are, as an administrator: the first line counts them by type, "
            f"the second lists their names. {hint}".rstrip(),
            command=f"handle.exe -p {whose} -s\nhandle.exe -p {whose} -a",
        )
    hint = _LINUX.get(leak.type or "", "")
    text = f"See which {called(leak.type)} they are, as root. {hint}".rstrip()
    if host.os_family == "linux" and leak.type == "socket":
        return Advice(text=text, command=f"ss -tanp | grep 'pid={whose},' | sort -k4 | less\nlsof -nP -a -p {whose} -i")
    if host.os_family == "linux":
        count = f"ls -l /proc/{whose}/fd | sed 's/.*-> //' | sort | uniq -c | sort -rn | head -20"
        return Advice(text=text, command=f"{count}\nlsof -nP -p {whose}")
    return Advice(text=text, command=f"lsof -nP -p {whose}")


def _compare(host: Any, leak: Any, pid: int | None) -> list[Advice]:
    if pid is None:
        return []
    path = f"/hosts/{segment(host.name)}/compare"
    return [
        Advice(
            text="Where the collector reads names, two moments can be compared by type and name:",
            href=url(path, program=leak.program, pid=pid),
            link="what it took meanwhile",
        )
    ]


def _restart(leak: Any, evidence: Evidence) -> Advice:
    """What restarting the program buys, as far as it is known."""
    if evidence.restarts and evidence.counted == "held":
        return Advice(text="Restarts so far did not end it: count on it going on after the next one.")
    words = "A restart gives the handles back, and ends nothing: it begins anew."
    if leak.limit is not None and leak.limit < _LIMITLESS and leak.rate_per_hour > 0:
        base = evidence.pieces[0].low if evidence.pieces else 0
        left = max(leak.limit - base, 0) / leak.rate_per_hour * 3600
        if left * SECOND > _IN_TIME:
            return Advice(text=f"{words} There is time: from a restart to its limit it takes about {duration(left)}.")
        words = f"A restart buys about {duration(left)}, until it holds {number(leak.limit)} again."
        if leak.exhausted_from_us is not None and leak.phase != "at_limit":
            soonest = (leak.exhausted_from_us - leak.last_seen_us) / SECOND
            words += f" Without one it may be full within {duration(max(soonest, 0))} of its last reading."
    elif leak.limit is not None and leak.limit >= _LIMITLESS:
        words += " Long before the limit is reached the machine may run short of memory, which each handle takes."
    return Advice(text=words)
