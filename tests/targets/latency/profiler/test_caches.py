"""The simulated caches against a plain model of the same, access for access."""

import ctypes
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.targets import get_target
from blockfront.targets.latency.profiler import Cache, Caches, caches_of

pytestmark = pytest.mark.compiles

LINE = 64
EVENTS = ["l1", "l1 streamed", "l2", "l2 streamed", "l3", "l3 streamed", "written back", "tlb"]


class Level:
    """Least recently used lines, each set a dictionary of line to whether it is dirty."""

    def __init__(self, sets, ways):
        self.ways = ways
        self.sets = [OrderedDict() for _ in range(sets)]

    def look(self, line, dirty=False):
        """Whether it was there, and the dirty line that had to go, if one had."""
        lines = self.sets[line % len(self.sets)]
        hit = line in lines
        dirty |= lines.pop(line, False)
        evicted = lines.popitem(last=False) if len(lines) == self.ways else (None, False)
        lines[line] = dirty
        return hit, evicted[0] if evicted[1] else None


class Simulated:
    """The profiler's caches."""

    def __init__(self, library, *arguments):
        self._library = library
        library.set_cache.restype = library.make_caches.restype = ctypes.c_bool
        library.access_caches.argtypes = [ctypes.c_uint, ctypes.c_uint64, ctypes.c_uint, ctypes.c_bool, ctypes.c_void_p]
        assert all(library.set_cache(argument.encode()) for argument in arguments)
        assert library.make_caches()
        self.empty()

    def empty(self):
        self._library.empty_caches()
        self._events = (ctypes.c_uint64 * len(EVENTS))()

    def region(self, tasks):
        """Tasks of cores that run at once, each given as its lines; the events of all."""
        self._library.begin_region()
        for core, lines in enumerate(tasks):
            for line in lines:
                self.access(line * LINE, core=core)
        late = ((ctypes.c_uint64 * len(EVENTS)) * 64)()
        self._library.end_region(ctypes.byref(late))
        for events in late:
            for i, count in enumerate(events):
                self._events[i] += count

    def access(self, address, size=4, store=False, core=0):
        self._library.access_caches(core, address, size, store, ctypes.byref(self._events))

    @property
    def events(self):
        return dict(zip(EVENTS, self._events, strict=True))


@pytest.fixture(scope="module")
def simulated(native_library):
    return lambda *arguments: Simulated(native_library("caches"), *arguments)


@pytest.fixture(scope="module")
def simulated_shared(simulated):
    return simulated("l1=2x1", "l2=4x2", "line=64", "tlb=0", "shared=on")


# Too far apart for a stream: a store that continues one fetches nothing.
ACCESS = st.tuples(st.integers(0, 40).map(lambda line: 37 * line * LINE), st.booleans())


@pytest.fixture(scope="module", params=[(2, 1), (4, 2), (1, 4)], ids=["direct", "2 ways", "fully associative"])
def pair(request, simulated):
    sets, ways = request.param
    return sets, ways, simulated(f"l1={sets}x{ways}", f"l2={2 * sets}x{ways}", "line=64", "tlb=0")


@given(accesses=st.lists(ACCESS, min_size=1, max_size=300))
def test_misses_and_write_backs_are_those_of_least_recently_used_lines(pair, accesses):
    sets, ways, caches = pair
    caches.empty()
    first, second = Level(sets, ways), Level(2 * sets, ways)
    l1 = l2 = written_back = 0
    for address, store in accesses:
        caches.access(address, store=store)
        hit, dirty = first.look(address // LINE, store)
        if dirty is not None:
            written_back += second.look(dirty, True)[1] is not None
        if not hit:
            l1 += 1
            hit, pushed = second.look(address // LINE)
            l2 += not hit
            written_back += pushed is not None
    found = caches.events
    assert (found["l1"], found["l2"], found["written back"]) == (l1, l2, written_back)


def test_an_access_across_a_line_is_two(simulated):
    caches = simulated("l1=4x2", "l2=8x2", "line=64", "tlb=0")
    caches.access(60, size=8)
    assert caches.events["l1"] == 2


def test_lines_of_a_third_level_are_not_fetched_from_memory(simulated):
    caches = simulated("l1=1x1", "l2=1x2", "l3=64x16", "line=64", "tlb=0")
    for _ in range(2):
        for line in range(0, 40 * 50, 50):
            caches.access(line * LINE)
    assert (caches.events["l1"], caches.events["l2"], caches.events["l3"]) == (80, 80, 40)


def test_cores_share_a_second_level_or_have_their_own(simulated):
    for option, fetched in (["shared=on"], 1), ([], 2):
        caches = simulated("l1=4x2", "l2=8x2", "line=64", "tlb=0", *option)
        for core in (0, 1):
            caches.access(0, core=core)
        assert (caches.events["l1"], caches.events["l2"]) == (2, fetched)


# Far enough apart that no prefetcher asks for them, and in other sets.
FAR = 101


def test_tasks_that_run_at_once_compete_for_a_shared_level_and_not_for_their_own(simulated):
    tasks = [[FAR * (4 * core + i) for _ in range(10) for i in range(4)] for core in range(4)]
    for option, fetched in (["shared=on"], 160), ([], 16):
        caches = simulated("l1=1x1", "l2=1x8", "line=64", "tlb=0", *option)
        caches.region(tasks)
        assert (caches.events["l1"], caches.events["l2"]) == (160, fetched)
    # One after the other each would have had all of it.
    caches = simulated("l1=1x1", "l2=1x8", "line=64", "tlb=0", "shared=on")
    for task in tasks:
        caches.region([task])
    assert caches.events["l2"] == 16


def test_what_tasks_read_at_once_is_fetched_once(simulated):
    caches = simulated("l1=1x1", "l2=1x2", "line=64", "tlb=0", "shared=on")
    caches.region([[FAR * i for i in range(50)]] * 4)
    assert (caches.events["l1"], caches.events["l2"]) == (200, 50)


@given(lines=st.lists(st.integers(0, 40), min_size=1, max_size=300))
def test_a_task_alone_finds_what_it_finds_outside_a_region(simulated_shared, lines):
    simulated_shared.empty()
    simulated_shared.region([[FAR * line for line in lines]])
    inside = simulated_shared.events
    simulated_shared.empty()
    for line in lines:
        simulated_shared.access(FAR * line * LINE)
    assert inside == simulated_shared.events


@pytest.mark.parametrize("step", [1, -1, 6])
def test_a_steady_walk_is_streamed_from_its_third_line(simulated, step):
    caches = simulated("l1=16x2", "l2=64x2", "line=64", "tlb=0")
    for i in range(20):
        caches.access((1000 + i * step) * LINE)
    assert (caches.events["l1"], caches.events["l1 streamed"]) == (20, 18)


def test_lines_without_an_order_are_not_streamed(simulated):
    caches = simulated("l1=16x2", "l2=64x2", "line=64", "tlb=0")
    for i in range(60):
        caches.access((i * i * 997 % 100003) * LINE)
    assert caches.events["l1 streamed"] == 0


def test_stores_that_continue_a_stream_fetch_nothing_where_cores_can_do_that(simulated):
    for option, fetched in (["streaming=on"], 2), ([], 100):
        caches = simulated("l1=1x2", "l2=1x2", "line=64", "tlb=0", *option)
        for line in range(100):
            caches.access(line * LINE, store=True)
        assert caches.events["l2"] == fetched
        assert 100 - 4 <= caches.events["written back"] <= 100 - 2


def test_a_page_is_translated_once_while_it_is_kept(simulated):
    caches = simulated("l1=1x1", "l2=1x1", "line=64", "tlb=4")
    for _ in range(3):
        for page in range(4):
            caches.access(page * 4096 + 64 * page)
    assert caches.events["tlb"] == 4


def test_a_targets_caches_are_what_the_plugin_is_told():
    expected = ["l1=256x2", "l2=1024x16", "line=64", "tlb=512", "shared=on", "streaming=on"]
    assert caches_of(get_target("rk3399")).arguments() == expected
    expected = ["l1=256x4", "l2=1024x8", "l3=4096x12", "line=64", "tlb=512", "streaming=on"]
    assert caches_of(get_target("rk3588")).arguments() == expected
    assert Caches(Cache(32768, 8), Cache(2**20, 16), False).arguments()[0] == "l1=64x8"
