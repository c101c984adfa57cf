"""Cores by affinity and quota, in trees of files as Linux shows them."""

from __future__ import annotations

import os

import pytest

from blockfront import cores
from blockfront.cores import Cores, find_cores

V2 = "30 23 0:26 {shown} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "32 31 0:29 {shown} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
OTHERS = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
SPACED = "30 23 0:26 / /sys/fs/my\\040groups rw - cgroup2 cgroup2 rw\n"

# group of this process, mounts, files below /sys/fs, and the quota that follows
KINDS = {
    "no control groups": ("", "", {}, None),
    "v2": ("0::/", V2.format(shown="/"), {"cgroup/cpu.max": "250000 100000"}, 2.5),
    "v2 without a limit": ("0::/", V2.format(shown="/"), {"cgroup/cpu.max": "max 100000"}, None),
    "v2, less further out": (
        "0::/pod/box",
        V2.format(shown="/"),
        {"cgroup/pod/cpu.max": "100000 50000", "cgroup/pod/box/cpu.max": "400000 100000"},
        2,
    ),
    "v2, less further in": (
        "0::/pod/box",
        V2.format(shown="/"),
        {"cgroup/pod/cpu.max": "max 100000", "cgroup/pod/box/cpu.max": "50000 100000"},
        0.5,
    ),
    "v2, a neighbour's": ("0::/pod/box", V2.format(shown="/"), {"cgroup/pod/other/cpu.max": "50000 100000"}, None),
    "v2 in a container that sees its own group": (
        "0::/docker/abc/inner",
        V2.format(shown="/docker/abc"),
        {"cgroup/cpu.max": "300000 100000", "cgroup/inner/cpu.max": "max 100000"},
        3,
    ),
    "v2 outside the name space": ("0::/../other", V2.format(shown="/"), {"cgroup/cpu.max": "200000 100000"}, 2),
    "v2 where a blank is in the way": ("0::/", SPACED, {"my groups/cpu.max": "150000 100000"}, 1.5),
    "v2, damaged": ("0::/", V2.format(shown="/"), {"cgroup/cpu.max": "?"}, None),
    "v1": (
        "4:cpu,cpuacct:/",
        V1.format(shown="/"),
        {"cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000", "cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000"},
        1.5,
    ),
    "v1 without a limit": (
        "4:cpu,cpuacct:/",
        V1.format(shown="/"),
        {"cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1", "cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000"},
        None,
    ),
    "v1 in a container without a name space": (
        "4:cpu,cpuacct:/docker/abc",
        V1.format(shown="/docker/abc"),
        {"cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000", "cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000"},
        2,
    ),
    "v1, nested": (
        "4:cpu,cpuacct:/a/b",
        V1.format(shown="/"),
        {
            "cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "100000",
            "cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
            "cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1",
            "cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000",
        },
        1,
    ),
    "v1 beside v2": (
        "4:cpu,cpuacct:/\n0::/",
        V1.format(shown="/") + V2.format(shown="/"),
        {
            "cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000",
            "cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "cgroup/cpu.max": "max 100000",
        },
        4,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_quota_of_a_process_and_what_it_is_in_is_read(kind, tmp_path):
    group, mounts, files, quota = KINDS[kind]
    for path, text in {"proc/self/cgroup": group, "proc/self/mountinfo": OTHERS + mounts}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + "\n")
    for path, text in files.items():
        file = tmp_path / "sys/fs" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert find_cores(tmp_path).quota == quota


@pytest.mark.parametrize(
    ("affinity", "quota", "usable"),
    [(8, None, 8), (8, 2.0, 2), (8, 2.9, 2), (8, 0.1, 1), (2, 6.5, 2), (1, 1.0, 1)],
)
def test_usable_are_whole_cores_within_affinity_and_quota_and_at_least_one(affinity, quota, usable):
    assert Cores(affinity, quota).usable == usable


def test_a_text_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(6)), raising=False)
    assert str(find_cores(tmp_path)) == "6 usable (affinity to 6, no quota)"
    assert str(Cores(6, 2.5)) == "2 usable (affinity to 6, a quota of 2.5)"


def test_every_count_of_cores_is_of_usable_ones(monkeypatch):
    """Of the sweep, of this machine as a target, of a training, and of what a run says of its machine."""
    from blockfront.study.provenance import machine
    from blockfront.sweep.plan import _workers
    from blockfront.sweep.request import Request
    from blockfront.targets.hardware.catalogue import host
    from blockfront.training.placing import prepared

    monkeypatch.setattr(cores, "find_cores", lambda: Cores(64, 3.7))
    assert machine()["cores"] == 3
    assert _workers(Request()) == 3
    assert host.host().cores == 3
    import torch

    with pytest.raises(ValueError, match="1 to 3"), prepared(torch.nn.ReLU(), torch.device("cpu"), 4, 0):
        pass
