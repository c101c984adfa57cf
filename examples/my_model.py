"""A model that takes two inputs, one of them of whole numbers, and returns a tree of outputs."""

import torch
from torch import nn

from blockfront.signature import Input, Signature


class Tagger(nn.Module):
    signature = Signature(
        (Input("ids", (1, 16), "int64", below=1000), Input("mask", (1, 16))), tolerances={"scores.words": 1e-3}
    )

    def __init__(self) -> None:
        super().__init__()
        self.table, self.words, self.text = nn.Embedding(1000, 64), nn.Linear(64, 8), nn.Linear(64, 2)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, object]:
        kept = self.table(ids) * mask.unsqueeze(-1)
        return {"scores": {"words": self.words(kept)}, "text": self.text(kept.mean(1))}


def tagger() -> nn.Module:
    return Tagger()
