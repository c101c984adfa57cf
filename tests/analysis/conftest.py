"""Studies with the shape of real ones: seeded, and plausible in size, latency and accuracy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

# family: (slowness per MAC, accuracy it saturates at, accuracy per MAC, activations per MAC)
FAMILIES = {
    "basic": (1.00, 0.965, 0.30, 0.006),
    "bottleneck": (1.10, 0.968, 0.35, 0.009),
    "convnext": (2.10, 0.970, 0.80, 0.011),
    "ds": (1.75, 0.960, 1.20, 0.020),
    "er": (1.15, 0.980, 0.70, 0.008),
    "fire": (1.05, 0.940, 0.40, 0.010),
    "ghost": (2.90, 0.968, 2.00, 0.024),
    "ir": (2.00, 0.976, 1.70, 0.026),
    "ir_se": (2.25, 0.985, 2.30, 0.027),
    "mixconv": (2.80, 0.975, 1.80, 0.027),
    "resnext": (1.80, 0.966, 0.45, 0.010),
    "shufflenet_v2": (1.60, 0.968, 1.70, 0.018),
}


def _study(
    n: int = 200, seed: int = 0, target: str = "rk3399", source: str = "predicted", study: str = ""
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    noise = np.random.default_rng([seed, len(target), 7])
    rows = []
    for trial in range(n):
        family = list(FAMILIES)[rng.integers(len(FAMILIES))]
        slowness, ceiling, gain, density = FAMILIES[family]
        macs = float(np.exp(rng.uniform(np.log(15e6), np.log(600e6))))
        latency = (0.8 + macs / 1e9 * 40 * slowness) * float(np.exp(noise.normal(0, 0.12)))
        top1 = ceiling - 0.3 * (macs * gain / 15e6) ** -0.55 * float(np.exp(rng.normal(0, 0.18)))
        top1 = round(min(max(top1, 0.1), 0.995) * 360) / 360
        kernel, depth, width = rng.choice((3, 5)), rng.integers(1, 6), 8 * rng.integers(2, 16)
        stages = f"{family}_r{depth}_k{kernel}_s2_c{width}/{family}_r3_k3_s2_c{2 * width}"
        text = f"cnn/res64/stem_c16/{stages}/s{seed}_n{trial}"
        measured = source == "measured"
        rows.append(
            {
                "study": study or f"mobile-{target}",
                "trial": trial,
                "state": "complete",
                "error": None,
                "network_id": hashlib.sha256(text.encode()).hexdigest()[:12],
                "network": text,
                "family": family,
                "resolution": 64,
                "target": target,
                "device": "board-1" if measured else "",
                "threads": 2,
                "runner": "rpc" if measured else "roofline",
                "predictor": None if measured else "roofline",
                "latency_source": source,
                "latency_ms": latency,
                "latency_ci95_low_ms": latency * 0.99 if measured else None,
                "latency_ci95_high_ms": latency * 1.012 if measured else None,
                "max_abs_error": 3.1e-6,
                "max_rel_error": 1.2e-6,
                "verified_on": "host",
                "unscheduled_kernels": 0,
                "peak_memory_bytes": int(macs * density / 4 + 2e5),
                "macs": int(macs),
                "params": int(macs * rng.uniform(0.004, 0.03)),
                "activations": int(macs * density),
                "top1": top1,
                "top5": min(1.0, top1 + 0.03),
                "test_images": 360,
                "accuracy_source": "trained",
                "dataset": "digits",
                "epochs": 5,
                "train_seconds": 12.5,
                "seed": seed,
                "schema_version": 1,
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def make_study() -> Callable[..., pd.DataFrame]:
    """A factory of studies: (n, seed, target, source, study); the same seed holds the same networks."""
    return _study


@pytest.fixture
def study(make_study: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return make_study()
