"""What a cell uses of a split of images, and images as text."""

from __future__ import annotations

import numpy as np
import pytest

from lnbench.data import Split
from lnbench.thesis import images


def test_a_sample_has_the_first_points_of_its_classes_labelled_by_place() -> None:
    x, y = np.arange(8, dtype=np.float32).reshape(8, 1, 1, 1), np.array([3, 1, 3, 0, 1, 3, 1, 3])
    points = Split(x, y, x, y, y)
    sample = images.sample({"train": 4, "test": 2, "split": 5}, points, (3, 1))
    assert sample.inputs.flatten().tolist() == [0, 1, 2, 4] and sample.labels.tolist() == [0, 1, 0, 1]
    assert sample.test_inputs.flatten().tolist() == [0, 2, 1, 4] and sample.test_labels.tolist() == [0, 0, 1, 1]
    assert sample.of_class(1).tolist() == [1, 3] and sample.tests_of_class(1).flatten().tolist() == [1, 4]
    assert sample.flipped(np.array([0, 1]), np.array([1, 0])).tolist() == [1, 0, 0, 1]
    assert sample.seed == 5000 and sample.labels.tolist() == [0, 1, 0, 1], "flips are made on a copy"


@pytest.mark.parametrize("digits", [1, 4])
def test_an_image_survives_as_text_up_to_its_steps(digits: int) -> None:
    image = np.random.default_rng(0).random((1, 28, 28), dtype=np.float32)
    image[0, 0, :2] = 0.0, 1.0
    code = images.to_hex(image, digits)
    assert len(code) == 784 * digits and code[: 2 * digits] == "0" * digits + "f" * digits
    assert np.abs(images.from_hex(code, digits) - image[0]).max() <= 0.5 / (16**digits - 1) + 1e-7
