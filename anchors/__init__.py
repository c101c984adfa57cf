"""Anchor pruning: which anchors a trained detector can do without, and the detector without them.

After Bonnaerens, Freiberger and Dambre, "Anchor pruning for object detection" (2022, arXiv:2104.00432).
"""

from blockfront.anchors.coverage import covered_shares
from blockfront.anchors.front import Front, Node
from blockfront.anchors.head_costs import RETINANET, SSD300, HeadCosts
from blockfront.anchors.medoids import choose_medoids, fit_head, mean_overlap, shape_distances
from blockfront.anchors.memo import Memo
from blockfront.anchors.pruning import prune_detector, pruned_network, slot_of_rows, slots_of
from blockfront.anchors.recorded import RecordedBoxes, batches_of, deal_halves, record_boxes
from blockfront.anchors.scoring import SlotScores
from blockfront.anchors.search import Found, Price, Rules, search_anchors
from blockfront.anchors.slots import Removed, Slots

__all__ = [
    "RETINANET",
    "SSD300",
    "Found",
    "Front",
    "HeadCosts",
    "Memo",
    "Node",
    "Price",
    "RecordedBoxes",
    "Removed",
    "Rules",
    "SlotScores",
    "Slots",
    "batches_of",
    "choose_medoids",
    "covered_shares",
    "deal_halves",
    "fit_head",
    "mean_overlap",
    "prune_detector",
    "pruned_network",
    "record_boxes",
    "search_anchors",
    "shape_distances",
    "slot_of_rows",
    "slots_of",
]
