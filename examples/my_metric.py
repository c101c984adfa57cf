"""A metric of one's own, and the front of it in a study: my_metric.py STUDY."""

import sys

import blockfront
from blockfront.analysis import front
from blockfront.results import Column, Metric, add_columns

rate = Metric("rate", "inferences a second", "1/s", "maximize", depends_on="target", short="rate")
follows = Column("rate", "real", "1/s", rate.label, lambda r: 1000 / r.latency.median_ms if r.latency else None, rate)
add_columns(follows)

if __name__ == "__main__":
    networks = blockfront.load(sys.argv[1])
    print(front(networks, "params", "rate")[["network_id", "params", "rate"]].to_string(index=False))
