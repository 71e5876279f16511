"""Says which container or which service of systemd a process belongs to, by its control group: the `instance` of its
program. What changes at each start (session numbers, ids of pods) never gets in while anything steadier is known."""

import json
import os
import re

from collector.sources.procfs import text

LONGEST = 100
SHORT_ID = 12
MOST_KEPT = 10_000
CONTAINER = re.compile(r"(?:(?P<runtime>[a-z][a-z-]*)-)?(?P<id>[0-9a-f]{64})(?:\.scope)?")
POD = re.compile(r"(?:kubepods[a-z-]*-)?pod(?P<uid>[0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12})(?:\.slice)?")
# A container's termination log is mounted from the folder that Kubernetes calls after the container.
POD_MOUNT = re.compile(r"/containers/([a-z0-9][a-z0-9.-]{0,62})/[0-9a-f]{8} /\S+ ")
# Names of pods end as their makers count them out, in letters and digits that make no words.
POD_SUFFIX = re.compile(r"(?:-[bcdfghjklmnpqrstvwxz2456789]{6,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}")
SWARM_TASK = re.compile(r"(.+)\.(?:[0-9]+|[a-z0-9]{25})\.[a-z0-9]{25}")
MACHINE = re.compile(r"machine-(?:qemu-[0-9]+-|lxc-[0-9]+-)?(.+)\.scope")
NOMAD_TASK = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(.+)\.scope")
CONNECTION = re.compile(r"[0-9]+-.*:[0-9]+-.*:[0-9]+|[0-9]+-[0-9]+(?:_[0-9]+)?-[0-9]+")
TRANSIENT = re.compile(r"run-[a-z]*[0-9].*")
VARIES = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-z])(?=[a-f]*[0-9])[0-9a-f]{12,}|[0-9]{5,}")
ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


class Instances:
    """Names containers of the machine seen under `root`; each is looked up once."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._containers: dict[str, str] = {}
        self._pods: dict[str, str] = {}

    def of(self, process: str, image: str) -> str | None:
        """Of the process at that path of /proc/PID, whose program is `image`; None where nothing is worth adding."""
        path = cgroup_path(text(f"{process}/cgroup"))
        segments = [_unescaped(segment) for segment in path.split("/") if segment not in ("", "..")]
        container, inner = self._container(process, segments)
        parts = [part for part in (container, unit(inner, image)) if part]
        return "/".join(parts)[:LONGEST] or None

    def _container(self, process: str, segments: list[str]) -> tuple[str | None, list[str]]:
        """The innermost container and the segments below it; all segments where there is none."""
        for position in range(len(segments) - 1, -1, -1):
            segment = segments[position]
            found = CONTAINER.fullmatch(segment)
            if found is not None and found["runtime"] != "libpod-conmon":
                pod = next((match for match in map(POD.fullmatch, reversed(segments[:position])) if match), None)
                name = self._in_pod(process, pod["uid"]) if pod else self._plain(found["id"])
                return name, segments[position + 1 :]
            named = _named_container(segments, position)
            if named:
                return named, segments[position + 1 :]
        return None, segments

    def _plain(self, identity: str) -> str:
        """By the name it was given, which a container made anew has again; by its id where that may not be read."""
        if identity not in self._containers:
            if len(self._containers) >= MOST_KEPT:
                self._containers.clear()
            self._containers[identity] = self._docker(identity) or self._podman(identity) or identity[:SHORT_ID]
        return self._containers[identity]

    def _docker(self, identity: str) -> str | None:
        kept = _json(f"{self._root}/var/lib/docker/containers/{identity}/config.v2.json")
        name = kept.get("Name") if isinstance(kept, dict) else None
        if not isinstance(name, str):
            return None
        task = SWARM_TASK.fullmatch(name)
        return (task[1] if task else name).strip("/") or None

    def _podman(self, identity: str) -> str | None:
        kept = _json(f"{self._root}/var/lib/containers/storage/overlay-containers/containers.json")
        for found in kept if isinstance(kept, list) else []:
            if isinstance(found, dict) and found.get("id") == identity:
                names = found.get("names")
                return str(names[0]) if isinstance(names, list) and names else None
        return None

    def _in_pod(self, process: str, uid: str) -> str:
        """`namespace/workload/container`, as far as it is told: names of pods by the folders of their logs, that of
        the container by what is mounted into it. All of it stays when Kubernetes starts another in its place."""
        pod = self._pod(uid.replace("_", "-"))
        mount = POD_MOUNT.search(text(f"{process}/mountinfo", most=4 << 20))
        parts = [part for part in (pod, mount[1] if mount else None) if part]
        return "/".join(parts) or "kubernetes"

    def _pod(self, uid: str) -> str | None:
        if uid not in self._pods:
            self._pods = self._logged_pods()  # those that have gone are forgotten with it
            self._pods.setdefault(uid, "")
        return self._pods[uid] or None

    def _logged_pods(self) -> dict[str, str]:
        """Namespace and workload by pod, from folders called `namespace_pod_uid`."""
        try:
            folders = os.listdir(f"{self._root}/var/log/pods")
        except OSError:
            return {}
        found = {}
        for folder in folders:
            namespace, _, rest = folder.partition("_")
            name, _, uid = rest.rpartition("_")
            if name:
                suffix = POD_SUFFIX.search(name)
                workload = name[: suffix.start()] if suffix and suffix.end() == len(name) else name
                found[uid] = f"{namespace}/{workload or name}"
        return found


def cgroup_path(content: str) -> str:
    """Of /proc/PID/cgroup: that of the unified hierarchy, or else the longest of the others."""
    paths = [line.split(":", 2) for line in content.splitlines()]
    unified = next((fields[2] for fields in paths if len(fields) == 3 and fields[:2] == ["0", ""]), "/")
    if unified != "/":
        return unified
    return max((fields[2] for fields in paths if len(fields) == 3), key=len, default="/")


def unit(segments: list[str], image: str) -> str | None:
    """The service in that path, without `.service`, where it says more than `image` does.

    What users start themselves adds nothing, nor do scopes, services made up for one command, and connections.
    """
    if segments and segments[0] == "user.slice":
        return None
    name = next((segment for segment in reversed(segments) if segment.endswith(".service")), "")
    base, _, instance = name.removesuffix(".service").partition("@")
    if not base or TRANSIENT.fullmatch(base):
        return None
    instance = "" if CONNECTION.fullmatch(instance) else instance.strip("-")
    parts = [instance] if _says(image, base) else [base, instance]
    return VARIES.sub("#", "@".join(part for part in parts if part)) or None


def _says(image: str, name: str) -> bool:
    """Whether a program's name tells that of its service: `sshd` does for `ssh`, `java` does not for `tomcat9`, nor
    `haproxy` for `haproxy-public`, beside which there may be another."""
    program, service = _letters(image), _letters(name)
    digits = re.sub(r"\D", "", name)
    if digits and digits != re.sub(r"\D", "", image):
        return False
    within = len(service) >= 3 and service in program
    return within or (program != "" and service.startswith(program) and len(service) - len(program) <= 2)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalpha())


def _named_container(segments: list[str], position: int) -> str | None:
    """One whose control group bears its name: virtual and system containers, tasks of Nomad."""
    segment, above = segments[position], segments[position - 1] if position else ""
    if above in ("lxc", "lxc.payload"):
        return segment
    if segment.startswith("lxc.payload."):
        return segment.removeprefix("lxc.payload.")
    if segment.startswith("systemd-nspawn@"):
        return segment.removeprefix("systemd-nspawn@").removesuffix(".service")
    found = MACHINE.fullmatch(segment) if above == "machine.slice" else NOMAD_TASK.fullmatch(segment)
    return found[1] if found else None


def _unescaped(segment: str) -> str:
    r"""As systemd writes what it may not write in a unit's name: `\x2d` for a hyphen."""
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), segment)


def _json(path: str) -> object:
    try:
        return json.loads(text(path, most=16 << 20))
    except (ValueError, RecursionError):
        return None
