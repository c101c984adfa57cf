"""What `bench anchors` prints: a front of configurations, and what training one anew gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from blockfront.console.tables import print_line, print_table
from blockfront.plurals import counted


def print_front(front: dict[str, Any], output: Path) -> None:
    """The rows of a search, and what they are of."""
    latency = ["head ms", "post-processing ms", "both ms"] if front["cost"] == "latency" else []
    print_table(
        ["row", "AP %", "AP searched %", "head MACs M", "of the head", "boxes", *latency, "slots by level", "front"],
        [
            [
                row["row"],
                *(f"{100 * row[name]:.1f}" for name in ("ap", "search_ap")),
                f"{row['head_macs'] / 1e6:.3f}",
                f"{row['head_share']:.0%}",
                row["boxes"],
                *(_milliseconds(row.get(name)) for name in ("head_ms", "postprocess_ms", "cost") if latency),
                row["slots"],
                "yes" if row["front"] else "the whole detector",
            ]
            for row in front["rows"]
        ],
    )
    print_line()
    print_line(
        f"{counted(front['evaluated'], 'configuration')}, searched on {front['searched_on']}; AP on "
        f"{front['stated_on']} of {front['dataset']}"
    )
    fit = front["postprocess_fit"]
    if fit is not None:
        timed = counted(fit["fitted"], "configuration")
        print_line(f"while it searched post-processing was estimated, from {timed} that were timed{_off(fit)}")
    if len(front["rows"]) == 1 and not front["rows"][0]["front"]:
        print_line("no configuration is left that may be: raise --drop, or --most")
    print_line(f"{output}: bench anchors apply {output} ROW -o smaller.safetensors writes one")


def _off(fit: dict[str, Any]) -> str:
    if not fit["judged"]:
        return ""
    of = counted(fit["judged"], "other")
    return f"; {of} on its front were off by {fit['judged_error']:.0%}, {fit['judged_largest']:.0%} at most"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def print_trained(trained: dict[str, Any]) -> None:
    """APs before and after training anew."""
    several = len(trained["seeds"]) > 1
    titles = {"whole": "the whole detector", "pruned": "without the anchors", "anew": "trained anew without them"}
    named = [(title, trained[name]) for name, title in titles.items()]
    if several:
        named += [(f"with seed {seed}", one) for seed, one in zip(trained["seeds"], trained["each"], strict=True)]
    print_table(
        ["detector", "AP %", "95 % interval"],
        [[title, f"{100 * one['ap']['value']:.1f}", _interval(one["ap"])] for title, one in named],
    )
    print_line()
    over = "test images and seeds" if several else "test images"
    print_line(
        f"{counted(trained['boxes'], 'box')}, {trained['head_share']:.0%} of the head's MACs; intervals are over {over}"
    )
    print_line(f"{trained['file']}: {trained['network']}, trained with seed {trained['seeds'][0]}")


def _interval(score: dict[str, Any]) -> str:
    ends = (score["low"], score["high"])
    return "" if None in ends else " to ".join(f"{100 * max(0.0, end):.1f}" for end in ends)
