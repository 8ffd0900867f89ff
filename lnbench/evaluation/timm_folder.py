"""Which victims timm can make by itself, and the folder it loads one from: `config.json` beside `model.safetensors`.

A folder is what `timm.create_model("local-dir:FOLDER", pretrained=True)` takes, and, as the root of a model repository
on the Hub, `hf-hub:user/name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


def loadable(architecture: str, options: Mapping[str, Any]) -> bool:
    """Whether timm makes this network from arguments alone; the stem `cifar` replaces layers after it was made."""
    return architecture == "timm" and options.get("stem", "original") == "original"


def config(options: Mapping[str, Any], shape: tuple[int, ...], num_classes: int) -> dict[str, Any]:
    """The `config.json` of a victim with these options, for a victim that is `loadable`.

    `first_conv` is left out: timm before 1.0.31 takes it as leave to adapt the first layer of a network whose inputs
    have not three channels, which would undo the training.

    Args:
        shape: of one input, (channel, height, width).
    """
    import timm

    model = str(options.get("model", "resnet18"))
    known: Any = timm.get_pretrained_cfg(model)
    stated = known.to_dict() if known is not None else {}
    arguments: dict[str, Any] = {**options.get("arguments", {}), "in_chans": shape[0]}
    if options.get("patch"):
        arguments["patch_size"] = options["patch"]
    if options.get("size") or _family(model) == "vision_transformer":
        arguments["img_size"] = shape[1]
    return {
        "architecture": model,
        "num_classes": num_classes,
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": list(shape),
            "fixed_input_size": bool(stated.get("fixed_input_size", False)),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "mean": [0.0] * shape[0],
            "std": [1.0] * shape[0],
            "num_classes": num_classes,
            "custom_load": False,
            "classifier": stated.get("classifier"),
        },
    }


def _family(model: str) -> str:
    """The module of timm that a model is from."""
    import timm

    return str(timm.models.model_entrypoint(model).__module__.rpartition(".")[2])
