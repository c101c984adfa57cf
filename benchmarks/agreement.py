"""What float32 costs torch, and what it costs the compiled code, in networks: what `outputs.ROUNDING` is chosen by.

    python benchmarks/agreement.py --target host mobilenetv2_100 torchvision:fcn_resnet50 --preset all

One thread, seed 0; docs/method.md has the table.
"""

from __future__ import annotations

import argparse

from blockfront.design_space import SPACES
from blockfront.design_space.models import find_model
from blockfront.errors import RunError
from blockfront.services.profile import prepare
from blockfront.targets import TOOLCHAINS, Asked, get_target


def main() -> None:
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--preset", action="append", default=[], choices=list(SPACES))
    parser.add_argument("--networks", type=int, default=4, help="of each preset")
    parser.add_argument("--target", default="host")
    arguments = parser.parse_args()
    toolchain = TOOLCHAINS["tvm"]
    options = toolchain.options_for(Asked(get_target(arguments.target), 1))
    spaces = [SPACES[name].build(224, 1000) for name in arguments.preset]
    texts = [str(space.sample(0, i)) for space in spaces for i in range(arguments.networks)]
    print(f"{'network':60}  {'torch':>7}  {'compiled':>8}  {'ratio':>5}")
    for name in (*arguments.models, *texts):
        try:
            program = prepare(find_model(name), toolchain, options).prepared
        except RunError as error:
            print(f"{name[:60]:60}  {error}", flush=True)
            continue
        for error in program.errors:
            own = "" if error.torch is None else f"{error.torch:.1e}"
            ratio = f"{error.relative / error.torch:.1f}" if error.torch else ""
            print(f"{name[:60]:60}  {own:>7}  {error.relative:8.1e}  {ratio:>5}", flush=True)


if __name__ == "__main__":
    main()
