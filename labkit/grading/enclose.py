"""Start a command in Linux namespaces of its own: `python -I -S enclose.py PLAN COMMAND...`, with the plan as JSON.

Standard library alone, since it is started for every submission. What namespaces can do without root depends on the system: `cage.probe`
tries it before anything is graded.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, NOATIME, BIND, REC, PRIVATE, RELATIME = 1, 2, 4, 8, 32, 1024, 4096, 16384, 1 << 18, 1 << 21
DETACH, DEATHSIG, NO_NEW_PRIVS = 2, 1, 38
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}
FIRST_UID = 200_000  # so that every submission is a user of its own, and the limit on processes is its own
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("null", "zero", "full", "random", "urandom")
PROC_FILES = ("meminfo", "cpuinfo", "stat", "loadavg", "version")

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> int:
    result = int(getattr(_libc, name)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """mount(2)."""
    _call("mount", _bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(options))


def unshare(flags: int) -> None:
    """New namespaces; with one for users as well where it takes that."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        _call("unshare", flags)
    except PermissionError:
        _call("unshare", flags | NEWUSER)
        be(0, uid, 0, gid)


def be(uid: int, outer_uid: int, gid: int, outer_gid: int) -> None:
    """In a new user namespace: say which user outside this one is."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")


def own_network() -> None:
    """A network that holds this process and its children alone, with nothing but the loopback address."""
    unshare(NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # up and running
        import fcntl

        fcntl.ioctl(sock, 0x8914, request)  # SIOCSIFFLAGS


def own_root(root: str, plan: dict[str, Any], uid: int) -> None:
    """A file system that holds Python, its packages, the shipped models and an empty folder; everything else is not there."""
    mount("none", "/", flags=REC | PRIVATE)
    mount("tmpfs", root, "tmpfs", NOSUID | NODEV, f"size={plan['disk']},mode=755")
    for path in SYSTEM:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        elif os.path.exists(path):
            _show(path, root + path)
    for path, place in plan["read"]:
        if os.path.exists(path) and not os.path.exists(root + place):
            _show(path, root + place)
    os.makedirs(f"{root}/dev/shm")
    for name in DEVICES:
        if os.path.exists(f"/dev/{name}"):
            Path(f"{root}/dev/{name}").touch()
            mount(f"/dev/{name}", f"{root}/dev/{name}", flags=BIND)
    os.makedirs(f"{root}/proc")
    try:
        mount("proc", f"{root}/proc", "proc", NOSUID | NODEV | NOEXEC)
    except OSError:  # a container whose own /proc is masked: figures alone
        for name in PROC_FILES:
            Path(f"{root}/proc/{name}").touch()
            mount(f"/proc/{name}", f"{root}/proc/{name}", flags=BIND)
    os.makedirs(f"{root}/etc", exist_ok=True)
    Path(f"{root}/etc/passwd").write_text(f"learner:x:{uid}:{uid}::/tmp:/bin/sh\n")
    Path(f"{root}/etc/hosts").write_text("127.0.0.1 localhost\n")
    for folder in ("/tmp", plan["folder"]):
        os.makedirs(root + folder, exist_ok=True)
    os.makedirs(f"{root}/.old")
    number = PIVOT_ROOT[os.uname().machine]
    _call("syscall", ctypes.c_long(number), os.fsencode(root), os.fsencode(f"{root}/.old"))
    os.chdir("/")
    _call("umount2", b"/.old", DETACH)
    os.rmdir("/.old")


def _show(path: str, place: str) -> None:
    """Make a file or folder visible at a place, for reading alone."""
    if os.path.isdir(path):
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        Path(place).touch()
    try:
        mount(path, place, flags=BIND)
    except OSError:  # it holds other mounts, which may not be left out here
        mount(path, place, flags=BIND | REC)
    found = os.statvfs(place).f_flag  # flags that the mount has must stay
    kept = (found & (NOSUID | NODEV | NOEXEC | NOATIME)) | (RELATIME if found & 4096 else 0)
    mount("none", place, flags=BIND | REMOUNT | RDONLY | NOSUID | kept)


def limit(plan: dict[str, Any]) -> None:
    """What each process may use; the judge watches what all of them use together."""
    import resource

    memory = int(plan["memory"] * 2 + 3_000_000_000)  # address space, of which llama.cpp and NumPy reserve far more than they use
    seconds = int(plan["seconds"]) + 5
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, int(plan["file_size"])),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
        *(((resource.RLIMIT_NPROC, int(plan["processes"])),) if plan.get("own_user") else ()),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(OSError, ValueError):  # macOS knows some of them by name only
            resource.setrlimit(kind, (value, value))


def be_nobody(plan: dict[str, Any], uid: int) -> None:
    """Give up every right: a user without a name, who can gain none."""
    try:
        os.chown("/tmp", uid, uid)
        os.chown(plan["folder"], uid, uid)
        os.chown("/dev/shm", uid, uid)
        limit(plan | {"own_user": True})
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError:  # not root outside: the same user, without rights, in a user namespace within
        _call("unshare", NEWUSER)
        be(1000, 0, 1000, 0)
        limit(plan | {"own_user": True})
    _call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", DEATHSIG, signal.SIGKILL, 0, 0, 0)


def caged(plan: dict[str, Any], command: list[str]) -> int:
    """Run the command in namespaces; when this process is killed, everything in them is."""
    _call("prctl", DEATHSIG, signal.SIGKILL, 0, 0, 0)
    uid = FIRST_UID + os.getpid() % 100_000
    unshare(NEWNS | NEWPID | NEWIPC | NEWUTS)
    child = os.fork()
    if child:
        for descriptor in (0, 1, 2):  # so that its pipes close when it closes them
            os.close(descriptor)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _call("prctl", DEATHSIG, signal.SIGKILL, 0, 0, 0)
    socket.sethostname("lab")
    own_root(plan["root"], plan, uid)
    be_nobody(plan, uid)
    os.chdir(plan["folder"])
    os.execv(command[0], command)


def main() -> int:
    plan, command = json.loads(sys.argv[1]), sys.argv[2:]
    if plan.get("network"):
        own_network()
        os.execv(command[0], command)
    if plan["mode"] == "namespaces":
        return caged(plan, command)
    uid = FIRST_UID + os.getpid() % 100_000
    limit(plan | {"own_user": plan["mode"] == "user"})  # no namespaces: limits, and a user of its own where root can give one
    if plan["mode"] == "user":
        os.chown(plan["folder"], uid, uid)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if sys.platform == "linux":
        _call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
        _call("prctl", DEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chdir(plan["folder"])
    os.execv(command[0], command)


if __name__ == "__main__":
    code = main()
    sys.exit(code if code >= 0 else 128 - code)
