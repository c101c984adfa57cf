"""The front of backbones that have names: ImageNet accuracy against latency, of all whose latency comes with bench.

    python benchmarks/backbones.py --target rpi5 -o front.html
    chromium --headless --window-size=1480,760 --hide-scrollbars --screenshot=docs/backbones.png front.html

The picture is the README's. It takes seconds: nothing is compiled, downloaded or measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import blockfront
from blockfront.analysis import front


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="rpi5")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--storage", default="backbones.db")
    parser.add_argument("-o", "--output", type=Path, default=Path("front.html"))
    asked = parser.parse_args()
    networks = blockfront.rank(target=asked.target, threads=asked.threads, storage=asked.storage)
    best = front(networks)
    # Families that reach the front have colours; the others are together.
    networks["family"] = networks["family"].where(networks["family"].isin(best["family"]), "others")
    blockfront.plot_front(networks).update_layout(width=1440, height=720).write_html(asked.output)
    for _, row in best.iterrows():
        print(f"{row['latency_ms']:7.2f} ms {row['top1']:7.1%}  {row['checkpoint']}")
    print(f"{len(networks)} networks: {asked.output}")


if __name__ == "__main__":
    main()
