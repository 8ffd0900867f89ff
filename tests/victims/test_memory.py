"""Predicted memory against what PyTorch's profiler saw the training allocate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lnbench.protocol import AdversarialTraining, Recipe
from lnbench.victims import architecture, predicted_bytes, train

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mlp": ("mlp", {"width": 64, "depth": 2}, {}),
    "cnn": ("cnn", {"channels": [8, 16], "kernel": 3, "padding": 1, "stride": 2, "hidden": 64}, {}),
    "cnn, sgd, crop": ("cnn", {"channels": [8, 16], "kernel": 3, "padding": 1}, {"optimiser": "sgd", "crop": 1}),
    "mlp, trades": (
        "mlp",
        {"width": 64, "depth": 2},
        {"adversarial": AdversarialTraining(method="trades", epsilon=0.1, steps=2)},
    ),
    "vit": (
        "timm",
        {"model": "vit_tiny_patch16_224", "patch": 2, "arguments": {"depth": 2, "embed_dim": 32, "num_heads": 2}},
        {},
    ),
}


def _measured(tmp_path: Path, made: Any, recipe: Recipe, victims: int, n: int) -> int:
    """Most bytes that PyTorch had allocated at one time, those of the inputs included."""
    inputs, labels = torch.rand(n, 1, 8, 8), torch.zeros(victims, n, dtype=torch.int64)
    numbers = range(victims)
    processor = torch.profiler.ProfilerActivity.CPU
    # PyTorch 2.11 warns without `acc_events` that a second cycle would replace the events of the first.
    with torch.profiler.profile(activities=[processor], profile_memory=True, acc_events=True) as profile:
        train(made, recipe, inputs, labels, init=numbers, order=numbers, num_classes=10)
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    memory = [e["args"] for e in sorted(events, key=lambda e: e.get("ts", 0)) if e.get("name") == "[memory]"]
    before = memory[0]["Total Allocated"] - memory[0]["Bytes"]
    batches = 8 * recipe.steps * recipe.batch * victims  # NumPy's, on a CPU
    held = inputs.numel() * 4 + labels.numel() * 8 + batches
    peak: int = max(m["Total Allocated"] for m in memory) - before + held
    return peak


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case == "vit" else []) for case in CASES]
)
def test_the_prediction_is_within_a_fifth(case: str, tmp_path: Path) -> None:
    name, options, changes = CASES[case]
    made = architecture(name, options)
    recipe = Recipe(**{"steps": 4, "batch": 64, "learning_rate": 0.01, **changes})
    victims = 3
    predicted = predicted_bytes(made, recipe, (1, 8, 8), 10, victims, 300)
    measured = _measured(tmp_path, made, recipe, victims, 300)
    assert 0.8 * measured <= predicted <= 1.2 * measured


def test_the_prediction_grows_with_victims_batch_and_steps() -> None:
    made = architecture("mlp", {"width": 32, "depth": 1})

    def bytes_of(victims: int = 4, batch: int = 32, steps: int = 10) -> int:
        return predicted_bytes(made, Recipe(steps=steps, batch=batch, learning_rate=0.1), (1, 8, 8), 10, victims, 100)

    assert bytes_of(steps=11) - bytes_of() == 8 * 4 * 32
    more = predicted_bytes(made, Recipe(steps=10, batch=32, learning_rate=0.1), (1, 8, 8), 10, 4, 100, rows=150)
    assert more - bytes_of() >= 4 * 50 * 64 + 8 * 4 * 100, "rows that only some have, and who has which"
    assert bytes_of(victims=8) > 1.5 * bytes_of()
    assert bytes_of(batch=64) > bytes_of()
