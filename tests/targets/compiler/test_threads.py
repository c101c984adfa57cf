import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

_PROGRAM = """
import os
from blockfront.targets.compiler.threads import use_threads

before = os.sched_getaffinity(0)
use_threads(1)
print(os.sched_getaffinity(0) == before)
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no threads")
@pytest.mark.parametrize("pool", ["1", "2"])
def test_the_caller_is_bound_to_no_core_whatever_the_size_of_the_pool(pool):
    environment = {**os.environ, "TVM_NUM_THREADS": pool}
    output = subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True).stdout
    assert output.strip() == "True"
