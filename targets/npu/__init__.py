"""NPUs as their vendors' documents describe them: which operators, of which sizes, each takes."""

from blockfront.targets.npu.checking import NpuCheck, check_module
from blockfront.targets.npu.published_lists import Npu, get_npu, known_npus

__all__ = ["Npu", "NpuCheck", "check_module", "get_npu", "known_npus"]
