"""The Dataset class itself, in a module of its own because its base class is torch's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lnbench.hub.pulling import PullResult


class LabelledDataset(Dataset[tuple[Tensor, int]]):
    """Inputs with labels that may be wrong.

    Attributes:
        inputs: (n, *shape) float32.
        labels: (n,) int64, what to train on.
        clean_labels: (n,) int64, the true labels.
        flipped: (n,) bool, where the two differ.
    """

    def __init__(self, inputs: np.ndarray, labels: np.ndarray, clean: np.ndarray) -> None:
        self.inputs, self.labels, self.clean_labels = (torch.from_numpy(part) for part in (inputs, labels, clean))
        self.flipped = self.labels != self.clean_labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.inputs[index], int(self.labels[index])


class PoisonedDataset(LabelledDataset):
    """Inputs with the labels of a poisoned dataset.

    Attributes:
        pulled: repository, commit and manifest.
    """

    def __init__(self, inputs: np.ndarray, labels: np.ndarray, clean: np.ndarray, pulled: PullResult) -> None:
        super().__init__(inputs, labels, clean)
        self.pulled = pulled
