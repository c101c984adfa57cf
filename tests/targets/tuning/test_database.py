import subprocess
import sys

import pytest
from msgspec import structs

from blockfront.errors import RunError, UsageError
from blockfront.targets import get_target
from blockfront.targets.tuning.database import TuningDatabase, traces_hash


def test_a_record_comes_back_as_it_was_kept(database, record):
    assert database.records() == {}
    database.add(record)
    assert database.records() == {record.kernel: record}


def test_a_later_record_of_a_kernel_replaces_an_earlier_one(database, record):
    later = structs.replace(record, trials=64)
    database.add(record)
    database.add(later)
    assert database.records() == {record.kernel: later}


def test_a_damaged_record_costs_that_record(database, record):
    second, third = structs.replace(record, kernel="k_2"), structs.replace(record, kernel="k_3")
    database.add(record)
    database.add(second)
    database.path.write_bytes(database.path.read_bytes()[:-100])
    database.add(third)
    assert set(database.records()) == {record.kernel, "k_3"}


def test_records_of_other_targets_threads_and_versions_are_not_seen(database, record, host, tmp_path):
    for changed in ({"target": "{}"}, {"threads": 2}, {"tvm": "0.1"}):
        database.add(structs.replace(record, setting=structs.replace(record.setting, **changed)))
    assert database.records() == {}
    board = TuningDatabase(get_target("rk3399"), 1, database.path)
    database.add(structs.replace(record, setting=board.setting))
    assert database.records() == {}
    assert set(board.records()) == {record.kernel}


def test_a_record_of_other_rules_is_known_and_not_used(database, record):
    database.add(structs.replace(record, setting=structs.replace(record.setting, rules="others")))
    assert set(database.records()) == {record.kernel}
    with pytest.raises(UsageError, match="today's rules"):
        database.traces()


def test_only_a_kernel_that_is_faster_beyond_noise_replaces_the_rules(database, record):
    noisy = structs.replace(record, kernel="k_noisy", tuned_ms=tuple(1.9 + 0.02 * i for i in range(20)))
    slower = structs.replace(record, kernel="k_slower", tuned_ms=tuple(3.0 for _ in range(20)))
    for one in (record, noisy, slower):
        database.add(one)
    assert (record.kept, noisy.kept, slower.kept) == (True, False, False)
    assert database.traces() == {record.kernel: record.trace}


def test_drift_that_hits_both_kernels_alike_hides_no_gain(record):
    drifting = [2.0**i for i in range(20)]
    assert structs.replace(record, rule_ms=tuple(drifting), tuned_ms=tuple(0.9 * ms for ms in drifting)).kept


def test_a_database_without_kernels_names_the_command_that_makes_one(database):
    with pytest.raises(UsageError, match=r"run: bench tune .* --target host --threads 1"):
        database.traces()


def test_the_hash_of_traces_is_of_their_content():
    assert traces_hash({"a": "1", "b": "2"}) == traces_hash({"b": "2", "a": "1"})
    assert len({traces_hash(traces) for traces in ({}, {"a": "1"}, {"a": "2"}, {"b": "1"})}) == 4


def test_a_file_that_cannot_be_read_or_written_is_named(host, record, tmp_path):
    folder = TuningDatabase(host, 1, tmp_path)
    with pytest.raises(UsageError, match="cannot read the tuning database"):
        folder.records()
    with pytest.raises(RunError, match="cannot write the tuning database"):
        folder.add(record)


WRITER = """
import sys
from pathlib import Path
from msgspec import structs
from blockfront.targets import get_target
from blockfront.targets.tuning.database import TuningDatabase

database = TuningDatabase(get_target("host"), 1, Path(sys.argv[1]))
record = next(iter(database.records().values()))
for i in range(50):
    database.add(structs.replace(record, kernel=f"k_{sys.argv[2]}_{i}"))
    assert f"k_{sys.argv[2]}_{i}" in database.records()
"""


@pytest.mark.processes
def test_processes_that_add_at_once_lose_nothing(database, record):
    database.add(record)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(database.path), str(i)], stderr=subprocess.PIPE, text=True)
        for i in range(2)
    ]
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], errors
    assert len(database.records()) == 101
