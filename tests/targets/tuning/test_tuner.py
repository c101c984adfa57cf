from dataclasses import replace

import pytest
from msgspec import structs

from blockfront.errors import RunError
from blockfront.signature import Signature
from blockfront.targets import METERS, RunOptions, compile_model, get_target
from blockfront.targets.tuning.candidates import open_candidates
from blockfront.targets.tuning.database import TuningDatabase
from blockfront.targets.tuning.tasks import by_time, merge, tasks_of
from blockfront.targets.tuning.tuner import Tuner

pytestmark = pytest.mark.processes

TRIALS = 4


def tune(runner, options, database, task, trials=TRIALS):
    advanced = []
    with open_candidates(METERS[runner], options, 1) as candidates:
        record = Tuner(METERS[runner], options, database, candidates).tune(task, trials, lambda: advanced.append(1))
    return record, len(advanced)


@pytest.fixture(scope="module")
def tuned(host, task, tmp_path_factory):
    """A database with one kernel that was really tuned, and its record."""
    database = TuningDatabase(host, 1, tmp_path_factory.mktemp("tuned") / "host.jsonl")
    record, advanced = tune("local", RunOptions(target=host, threads=1, timeout_s=60), database, task)
    assert advanced == TRIALS
    return database, record


def test_a_kernel_is_tuned_compared_and_kept_in_the_database(tuned, task):
    database, record = tuned
    assert database.records() == {task.kernel.symbol: record}
    assert (record.trials, record.setting) == (TRIALS, database.setting)
    assert len(record.rule_ms) == len(record.tuned_ms) >= 10
    assert min(record.rule_ms + record.tuned_ms) > 0
    assert 0 <= record.max_rel_error <= 1e-4


def test_a_kernel_with_as_many_trials_is_not_tuned_again(tuned, task, host):
    database, record = tuned
    tuner = Tuner(METERS["local"], RunOptions(target=host, threads=1), database, candidates=None)
    assert tuner.missing(task, TRIALS) == 0
    assert tuner.tune(task, TRIALS, pytest.fail) == record
    assert tuner.missing(task, 3 * TRIALS) == 2 * TRIALS


def test_a_schedule_compared_with_other_rules_is_compared_again_and_not_searched_again(tuned, task, host, database):
    _, record = tuned
    database.add(structs.replace(record, setting=structs.replace(record.setting, rules="others")))
    tuner = Tuner(METERS["local"], RunOptions(target=host, threads=1), database, candidates=None)
    again = tuner.tune(task, TRIALS, pytest.fail)
    assert (again.trace, again.trials, again.setting) == (record.trace, TRIALS, database.setting)
    assert again.rule_ms != record.rule_ms


def test_a_record_with_a_damaged_trace_counts_as_absent(task, host, database, record):
    database.add(structs.replace(record, trace="[[]]"))
    assert Tuner(METERS["local"], RunOptions(target=host, threads=1), database, candidates=None).missing(task, 9) == 9


def test_more_trials_go_on_from_the_best_known(tuned, task, host, database):
    database.add(tuned[1])
    options = RunOptions(target=host, threads=1, timeout_s=60)
    record, advanced = tune("local", options, database, task, trials=TRIALS + 2)
    assert (record.trials, advanced) == (TRIALS + 2, 2)
    assert database.records() == {task.kernel.symbol: record}


def test_a_kernel_none_of_whose_candidates_run_in_time_is_told(task, host, database):
    with pytest.raises(RunError, match="none of 1 candidate ran: took too long"):
        tune("local", RunOptions(target=host, threads=1, timeout_s=0.001), database, task, trials=1)
    assert database.records() == {}


@pytest.mark.long
def test_a_kernel_is_tuned_on_a_device_behind_a_tracker(tracker, task, host, database):
    record, _ = tune("rpc", RunOptions(target=host, threads=1, tracker=tracker), database, task, trials=2)
    assert record.device.startswith("127.0.0.1:")
    assert set(database.records()) == {task.kernel.symbol}


def test_networks_that_share_a_kernel_share_its_schedule(make_network, task, trace, host):
    traces = {task.kernel.symbol: trace}
    programs = [
        compile_model(make_network(head), Signature.image(16), host, threads=1, seed=0, tuned=traces)
        for head in (10, 20)
    ]
    tuned = [next(kernel for kernel in program.kernels if kernel.rule == "tuned") for program in programs]
    assert [program.tuned_kernels for program in programs] == [(tuned[0].name,), (tuned[1].name,)]
    assert tuned[0].symbol == tuned[1].symbol != task.kernel.symbol
    assert all(program.max_rel_error <= 1e-4 for program in programs)


def test_a_tuned_schedule_is_verified_on_the_host_for_a_board(make_network, task, trace):
    traces = {task.kernel.symbol: trace}
    program = compile_model(make_network(), Signature.image(16), get_target("rk3399"), seed=0, tuned=traces)
    assert len(program.tuned_kernels) == 1
    assert (program.verified_on, program.max_rel_error <= 1e-4) == ("host", True)


def test_a_damaged_trace_costs_the_kernel_its_tuning(make_network, task, host):
    program = compile_model(
        make_network(), Signature.image(16), host, threads=1, seed=0, tuned={task.kernel.symbol: "[[]]"}
    )
    assert program.tuned_kernels == ()
    assert program.unscheduled_kernels == ()


def test_a_latency_names_its_tuned_kernels(make_network, task, trace):
    rk3399 = get_target("rk3399")
    options = RunOptions(target=rk3399, threads=2)
    for tuned, count in ((None, 0), ({}, 0), ({task.kernel.symbol: trace}, 1)):
        latency = METERS["roofline"].latency(
            compile_model(make_network(), Signature.image(16), rk3399, seed=0, tuned=tuned), options
        )
        assert len(latency.tuned_kernels) == count


def test_kernels_are_counted_over_all_networks_and_ranked_by_their_time(make_network, host):
    networks = [tasks_of(make_network(head), Signature.image(16), host, 1) for head in (10, 20)]
    merged = merge([task for tasks in networks for task in tasks])
    calls = {task.kernel.symbol: task.kernel.calls for task in merged}
    assert sorted(calls.values()) == [1, 1] + [2] * (len(networks[0]) - 1)
    often = [replace(task, kernel=replace(task.kernel, calls=10_000)) for task in merged[:1]]
    with METERS["local"].session(RunOptions(target=host, threads=1)) as session:
        ranked = by_time(often + merged[1:], session)
    times = [ms for _, ms in ranked]
    assert times == sorted(times, reverse=True)
    assert min(times) > 0
    assert ranked[0][0] == often[0]
