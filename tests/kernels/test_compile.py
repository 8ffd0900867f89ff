"""Every kernel, in every branch, compiles ahead of time for sm_80 (A100) and sm_90 (H100, H200) with no GPU present."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from kernels.cases import op

triton = pytest.importorskip("triton")

_STEP = {
    "x": "f",
    "gradient": "f",
    "origin": "f",
    "place": "*i64",
    "step": "f",
    "radius": "f",
    "rows": "i32",
    "size": "i32",
}
_BOX = {"LOW": 0.1, "HIGH": 1 / 3}
SIGNATURES = {
    "linf_step": _STEP,
    "l2_step": _STEP,
    "gather": {"inputs": "f", "index": "*i64", "shift": "*i64", "flip": "*i64", "out": "f"}
    | {"size": "i32", "height": "i32", "width": "i32"},
    "cross_entropy": {"logits": "f", "classes": "*i64", "losses": "f", "gradient": "f", "rows": "i32", "size": "i32"},
    "neighbours": {"points": "f", "others": "f", "gamma": "*fp64", "counts": "*i64", "starts": "*i64", "edges": "*i64"}
    | {"n": "i32", "m": "i32", "size": "i32"},
}
BRANCHES: list[tuple[str, dict[str, Any]]] = [
    *(("linf_step", _BOX | {"BOUNDED": b, "ROWS": 4, "COLUMNS": 256}) for b in (True, False)),
    *(("l2_step", _BOX | {"BOUNDED": b, "WHOLE": True, "ROWS": 4, "COLUMNS": 256}) for b in (True, False)),
    *(("l2_step", _BOX | {"BOUNDED": b, "WHOLE": False, "ROWS": 1, "COLUMNS": 1024}) for b in (True, False)),
    *(
        ("gather", {"SHIFTED": s, "FLIPPED": f, "COLUMNS": 1024})
        for s, f in ((True, True), (True, False), (False, True))
    ),
    ("cross_entropy", {"WHOLE": True, "ROWS": 64, "COLUMNS": 16}),
    ("cross_entropy", {"WHOLE": False, "ROWS": 1, "COLUMNS": 1024}),
    *(
        ("neighbours", {"PAIRS": pairs, "NORM": norm, "WRITE": write, "ROWS": 16, "COLUMNS": 64})
        for pairs, norm, write in ((0, 0, True), (0, 1, False), (-1, 2, False), (-2, 2, False))
    ),
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")


def compiled(name: str, constants: dict[str, Any], pointer: str, capability: int) -> dict[str, Any]:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types = SIGNATURES[name]
    signature = {k: pointer if v == "f" else v for k, v in types.items()} | dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=op(name).kernel(), signature=signature, constexprs=constants)
    target = GPUTarget("cuda", capability, 32)
    code: dict[str, Any] = triton.compile(source, target=target, options={"num_warps": 4}).asm
    return code


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize(("name", "constants"), BRANCHES)
def test_a_kernel_compiles_without_a_gpu(name: str, constants: dict[str, Any], capability: int) -> None:
    pointer = "*fp64" if name == "neighbours" and constants["WRITE"] else "*fp32"
    code = compiled(name, constants, pointer, capability)
    assert f"sm_{capability}" in code["ptx"] and len(code["cubin"]) > 1000


@pytest.mark.parametrize(("name", "constants"), [b for b in BRANCHES if b[1].get("BOUNDED")])
def test_a_gpu_clips_to_the_box_in_the_tensors_own_type(name: str, constants: dict[str, Any]) -> None:
    for pointer, letter, form in (("*fp32", "f", ">f"), ("*fp64", "d", ">d")):
        numbers = [f"0{letter}{struct.pack(form, constants[side]).hex().upper()}" for side in ("LOW", "HIGH")]
        code = compiled(name, constants, pointer, 90)["ptx"]
        assert all(number in code for number in numbers)
        assert letter == "f" or "cvt.f64.f32" not in code
