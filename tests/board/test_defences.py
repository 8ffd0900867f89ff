"""The sentence of the page of defences."""

from __future__ import annotations

import copy
from typing import Any

from lnbench.evaluation import matrix


def _document(rows: dict[str, tuple[float, float, float | None, float, float]]) -> dict[str, Any]:
    """Defences by name: training cost, clean cost, lower end of the share, the share, lower end of what is left."""
    pairs = []
    for name, (_, clean, low, share, left) in rows.items():
        outcome = {
            "share_removed": share,
            "share_ci95": None if low is None else [low, 1.0],
            "defended": {"mean_pp": 1.0, "ci95_pp": [left, 9.0]},
            "clean_cost": {"mean_pp": clean, "ci95_pp": None},
            "arms": {"poisoned": {"undefended": {"adv_acc": 0.4}, "defended": {"adv_acc": 0.75}}},
        }
        pairs.append({"defence": name, "attack": "a", "outcome": outcome})
    defences = [{"name": name, "description": "", "cost": row[0]} for name, row in rows.items()]
    return {"defences": defences, "attacks": ["a"], "pairs": pairs}


def test_the_sentence_names_the_cheap_defence_that_removes_most_and_what_passes_it() -> None:
    from lnbench.board.defences import sentence

    rows: dict[str, tuple[float, float, float | None, float, float]] = {
        "dear": (6.0, 0.0, 0.5, 0.99, -1.0),
        "costly": (1.0, 4.0, 0.5, 0.95, -1.0),
        "good": (1.0, 0.1, 0.3, 0.8, -1.0),
        "less": (1.0, 0.0, 0.1, 0.4, 2.0),
    }
    told = "good removes the most, 80 % of the drop on average, and takes AA on poisoned labels from 40.0 to 75.0 %; "
    assert f"{told}no attack is shown to pass it, and no attacker who knows it was tried." in sentence(_document(rows))
    rows.pop("good")
    said = sentence(_document(rows))
    assert "less removes the most, 40 % of the drop on average, and takes" in said
    assert said.endswith("; a still passes it, and no attacker who knows it was tried.")
    rows.pop("less")
    assert sentence(_document(rows)).startswith("No cheap defence (at most 1.5 × the training, at most 1 point")
    rows["unknown"] = (1.0, 0.0, None, 0.5, 0.0)
    assert sentence(_document(rows)).startswith("Here no attack is shown to lower AA below random flips")


def test_an_attacker_who_knows_a_defence_passes_it_or_not_and_has_no_share() -> None:
    from lnbench.board.defences import sentence

    document = _document({"recipe": (1.0, 0.0, 0.1, 0.6, -1.0), "relabel": (1.0, 0.0, 0.1, 0.5, -1.0)})
    said = sentence(document)
    assert "recipe removes the most, 60 % of the drop on average" in said
    assert said.endswith("; no attack is shown to pass it, and no attacker who knows it was tried.")
    known = copy.deepcopy(document["pairs"][0])
    known["attack"], known["outcome"]["share_removed"], known["outcome"]["share_ci95"] = matrix.KNOWING, None, None
    known["outcome"]["defended"]["ci95_pp"] = [-1.0, 9.0]
    document["attacks"].append(matrix.KNOWING)
    failed = {"defence": "recipe", "attack": matrix.KNOWING, "error": "too long"}
    assert sentence({**document, "pairs": [*document["pairs"], failed]}).endswith(
        "; no attack is shown to pass it, and the attack by one who knows it ended in an error."
    )
    document["pairs"].append(known)
    said = sentence(document)
    assert "recipe removes the most, 60 % of the drop on average" in said
    assert said.endswith("; no attack is shown to pass it.")
    known["outcome"]["defended"]["ci95_pp"] = [1.0, 9.0]
    assert sentence(document).endswith("; an attacker who knows it still passes it.")
    other = {**copy.deepcopy(known), "defence": "relabel"}
    other["outcome"]["arms"]["poisoned"]["defended"]["adv_acc"] = 0.6
    keeps = " Of the 2 defences that were tried against an attacker who knows them, recipe keeps the most: "
    assert sentence({**document, "pairs": [*document["pairs"], other]}).endswith(
        f"; an attacker who knows it still passes it.{keeps}under every attack AA stays at 75.0 % or above; "
        "it costs no clean accuracy and takes 1 × the training."
    )
    document["defences"][0]["cost"], known["outcome"]["clean_cost"]["mean_pp"] = 6.0, 1.02
    assert sentence({**document, "pairs": [*document["pairs"], other]}).endswith(
        "it costs 1.02 points of clean accuracy and takes 6 × the training. "
        "Of those that take at most 1.5 × the training relabel does: 60.0 %, for no clean accuracy."
    )
    document["defences"][0]["cost"], known["outcome"]["clean_cost"]["mean_pp"] = 1.0, 0.0
    document["pairs"][1]["outcome"]["share_removed"] = 0.7
    assert "relabel removes the most, 70 % of the drop on average" in sentence(document)
    document["pairs"][1]["outcome"]["share_removed"] = 1.9
    assert "relabel removes the most, 100 % of the drop on average" in sentence(document)
