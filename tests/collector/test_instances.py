"""What a process belongs to, from the control groups that systemd, container runtimes and Kubernetes make."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.sources import SourceOptions
from collector.sources.linux import LinuxSource
from collector.sources.linux_instances import Instances, cgroup_path

if TYPE_CHECKING:
    from tests.collector.conftest import FakeMachine

ID = "4f0a" * 16
OTHER = "77b1" * 16
UID = "0f4c2a9e-1111-2222-3333-444455556666"


def instance(root: Path, path: str, image: str = "java", *, mounts: str = "") -> str | None:
    process = root / "proc" / "1"
    process.mkdir(parents=True, exist_ok=True)
    (process / "cgroup").write_text(f"0::{path}\n")
    (process / "mountinfo").write_text(mounts)
    return Instances(str(root)).of(str(process), image)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("0::/system.slice/ssh.service\n", "/system.slice/ssh.service"),
        ("4:memory:/docker/x\n1:cpu:/\n0::/\n", "/docker/x"),
        ("4:memory:/longest/of/all\n0::/system.slice/a:b.service\n", "/system.slice/a:b.service"),
        ("0::/\n", "/"),
        ("", "/"),
        ("garbage\n", "/"),
    ],
)
def test_the_unified_hierarchy_counts_and_else_the_longest_path(content: str, path: str) -> None:
    assert cgroup_path(content) == path


@pytest.mark.parametrize(
    ("image", "unit", "expected"),
    [
        ("java", "tomcat9", "tomcat9"),
        ("python3", "billing", "billing"),
        ("node", "nodered", "nodered"),
        ("haproxy", "haproxy-public", "haproxy-public"),
        ("redis-server", "redis-server@cache", "cache"),
        ("redis", "redis2", "redis2"),
        ("postgres", "postgresql@15-main", "15-main"),
        ("java", "kafka@broker1", "kafka@broker1"),
        ("master", "postfix@-", "postfix"),
        ("java", "job-4f0a4f0a4f0a4f0a", "job-#"),
    ],
)
def test_a_service_tells_programs_of_one_image_apart(tmp_path: Path, image: str, unit: str, expected: str) -> None:
    assert instance(tmp_path, f"/system.slice/{unit}.service", image) == expected


@pytest.mark.parametrize(
    ("image", "unit"),
    [
        ("nginx", "nginx"),
        ("sshd", "ssh"),
        ("cron", "crond"),
        ("dbus-daemon", "dbus"),
        ("php-fpm8.2", "php8.2-fpm"),
        ("postgres", "postgresql"),
        ("NetworkManager", "NetworkManager"),
        ("systemd-journald", "systemd-journald"),
        ("java", "run-u4711"),
        ("java", "run-r4f0a4f0a4f0a4f0a"),
        ("sshd", "sshd@5-10.0.0.1:22-10.0.0.2:50110"),
    ],
)
def test_a_service_that_says_nothing_new_adds_nothing(tmp_path: Path, image: str, unit: str) -> None:
    assert instance(tmp_path, f"/system.slice/{unit}.service", image) is None


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/init.scope",
        "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4711.scope",
        "/user.slice/user-1000.slice/user@1000.service/init.scope",
        "/system.slice/run-r1.scope",
    ],
)
def test_sessions_and_scopes_add_nothing(tmp_path: Path, path: str) -> None:
    assert instance(tmp_path, path) is None


@pytest.mark.parametrize(
    "path",
    [
        f"/docker/{ID}",
        f"/system.slice/docker-{ID}.scope",
        f"/machine.slice/libpod-{ID}.scope/container",
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
        f"/system.slice/nerdctl-{ID}.scope",
        f"/ecs/ce5dcd88e4f84ff4/{ID}",
        f"/docker/{OTHER}/docker/{ID}",
        f"/../../docker-{ID}.scope",
    ],
)
def test_a_container_without_a_readable_name_has_twelve_letters_of_its_id(tmp_path: Path, path: str) -> None:
    assert instance(tmp_path, path) == ID[:12]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/lxc/web/system.slice/tomcat9.service", "web/tomcat9"),
        ("/lxc.payload.101/init.scope", "101"),
        ("/machine.slice/machine-qemu\\x2d3\\x2dmail.scope/libvirt/emulator", "mail"),
        ("/machine.slice/systemd-nspawn@deb.service/payload/system.slice/tomcat9.service", "deb/tomcat9"),
        ("/nomad.slice/share.slice/0f4c2a9e-1111-2222-3333-444455556666.web.scope", "web"),
    ],
)
def test_a_container_whose_group_bears_its_name_goes_by_that(tmp_path: Path, path: str, expected: str) -> None:
    assert instance(tmp_path, path) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("/shop-web-1", "shop-web-1"), ("/web.3.zq1fhw2p7h3lmyt0s4wsd9hl1", "web"), ("/a.b", "a.b")],
)
def test_docker_s_own_name_of_a_container_outlives_its_id(tmp_path: Path, name: str, expected: str) -> None:
    folder = tmp_path / "var/lib/docker/containers" / ID
    folder.mkdir(parents=True)
    (folder / "config.v2.json").write_text(json.dumps({"Name": name, "Config": {"Env": ["PASSWORD=hunter2"]}}))
    assert instance(tmp_path, f"/docker/{ID}") == expected


def test_podman_s_own_name_of_a_container_outlives_its_id(tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/containers/storage/overlay-containers"
    folder.mkdir(parents=True)
    (folder / "containers.json").write_text(json.dumps([{"id": OTHER, "names": ["x"]}, {"id": ID, "names": ["db"]}]))
    assert instance(tmp_path, f"/machine.slice/libpod-{ID}.scope") == "db"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"Name": 5}', '{"Name": "/"}'])
def test_what_docker_wrote_and_nobody_understands_is_no_name(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "var/lib/docker/containers" / ID
    folder.mkdir(parents=True)
    (folder / "config.v2.json").write_text(content)
    assert instance(tmp_path, f"/docker/{ID}") == ID[:12]


SYSTEMD = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
MOUNTS = (
    "800 700 8:1 / / rw - overlay overlay rw\n"
    f"801 800 8:1 /var/lib/kubelet/pods/{UID}/containers/app/0a1b2c3d /dev/termination-log rw - ext4 /dev/sda1 rw\n"
)


@pytest.mark.parametrize(
    "path",
    [f"{SYSTEMD}/cri-containerd-{ID}.scope", f"/kubepods/besteffort/pod{UID}/{ID}", f"{SYSTEMD}/crio-{ID}.scope"],
)
@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ("web-7d9f8b6c5-x2x9z", "shop/web/app"),
        ("agent-x2x9z", "shop/agent/app"),
        ("db-0", "shop/db-0/app"),
        ("front-end", "shop/front-end/app"),
    ],
)
def test_a_pod_goes_by_its_namespace_its_workload_and_its_container(
    tmp_path: Path, path: str, pod: str, expected: str
) -> None:
    (tmp_path / "var/log/pods" / f"shop_{pod}_{UID}").mkdir(parents=True)
    assert instance(tmp_path, path, mounts=MOUNTS) == expected


def test_a_pod_without_a_log_goes_by_its_container_and_one_without_either_is_kubernetes(tmp_path: Path) -> None:
    path = f"{SYSTEMD}/cri-containerd-{ID}.scope"
    assert instance(tmp_path, path, mounts=MOUNTS) == "app"
    assert instance(tmp_path, path) == "kubernetes"


def test_a_reading_carries_it_and_looks_once_for_each_process(machine: "FakeMachine") -> None:
    source = LinuxSource(SourceOptions(root=machine.root, types_budget_s=0))
    (machine.process(1001) / "cgroup").write_text("0::/system.slice/tomcat9.service\n")

    def found(now: float) -> dict[int, str | None]:
        return {process.pid: process.instance for process in source.read(now=now).processes}

    assert (found(0)[1001], found(0)[1]) == ("tomcat9", None)
    assert found(60)[1001] == "tomcat9"
    (machine.process(1001) / "cgroup").write_text("0::/system.slice/other.service\n")
    assert found(10_000)[1001] == "tomcat9"


def test_a_process_put_into_its_group_right_after_its_start_has_it_at_the_second_check(machine: "FakeMachine") -> None:
    source = LinuxSource(SourceOptions(root=machine.root, types_budget_s=0))
    source.read(now=0)
    (machine.process(1001) / "cgroup").write_text(f"0::/docker/{ID}\n")
    after = {process.pid: process.instance for process in source.read(now=60).processes}
    assert after[1001] == ID[:12]
