"""The Dataset class itself, in a module of its own because its base class is torch's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lnbench.hub.pulling import PullResult


class PoisonedDataset(Dataset[tuple[Tensor, int]]):
    """Inputs with poisoned labels.

    Attributes:
        inputs: (n, *shape) float32.
        labels: (n,) int64, what to train on.
        clean_labels: (n,) int64, the true labels.
        flipped: (n,) bool, where the two differ.
        pulled: repository, commit and manifest.
    """

    def __init__(self, inputs: np.ndarray, labels: np.ndarray, clean: np.ndarray, pulled: PullResult) -> None:
        self.inputs, self.labels, self.clean_labels = (torch.from_numpy(part) for part in (inputs, labels, clean))
        self.flipped = self.labels != self.clean_labels
        self.pulled = pulled

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.inputs[index], int(self.labels[index])
