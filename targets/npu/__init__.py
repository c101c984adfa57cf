"""NPUs as their vendors' documents describe them: which operators, of which sizes, each takes."""

from blockfront.targets.npu.checking import NpuCheck, check_module
from blockfront.targets.npu.published_lists import NpuList, get_npu, known_npus

__all__ = ["NpuCheck", "NpuList", "check_module", "get_npu", "known_npus"]
