"""What the processes of a Linux machine share: the table of open files, and each user's inotify instances."""

from collections.abc import Iterable

from collector.sources.procfs import text
from collector.wire import JsonObject

# The kernel writes the greatest number there is for "without a bound"; nothing above this can be sent either.
MOST = 1 << 53
MOST_USERS = 20


def shared(proc: str, inotify: Iterable[tuple[str, int]]) -> JsonObject:
    """`open_files` and `inotify`, each left out where the kernel does not tell. `inotify`: user and instances of each
    process whose types are known."""
    found: JsonObject = {}
    table = _numbers(f"{proc}/sys/fs/file-nr")
    if len(table) == 3:
        found["open_files"] = {"used": table[0] - table[1], "limit": table[2] if table[2] < MOST else None}
    limit = _numbers(f"{proc}/sys/fs/inotify/max_user_instances")
    if limit:
        users: dict[str, int] = {}
        for user, instances in inotify:
            users[user] = users.get(user, 0) + instances
        most = sorted(users.items(), key=lambda item: (-item[1], item[0]))[:MOST_USERS]
        found["inotify"] = {
            "limit": limit[0],
            "users": [{"user": user, "instances": instances} for user, instances in most],
        }
    return found


def _numbers(path: str) -> list[int]:
    try:
        return [int(word) for word in text(path).split()]
    except ValueError:
        return []
