"""The protocol: what is measured and what a poisoner is given. NumPy only."""

from lnbench.protocol.allocation import allocation, matched_flips
from lnbench.protocol.arms import ARMS, CLEAN, MATCHED, POISONED, RANDOM, arms_of, draws_of, random_draw
from lnbench.protocol.bits import pack, unpack
from lnbench.protocol.defender import DefenceProblem, Defender, Training
from lnbench.protocol.flips import Flip, applied, changed, eligible, random_flips
from lnbench.protocol.hashes import canonical_json, sha256, sha256_json
from lnbench.protocol.poisoner import Poisoner, Problem, Threat
from lnbench.protocol.recipe import AdversarialTraining, Recipe
from lnbench.protocol.seeds import OWN, PUBLIC_SALT, Streams, own_salt
from lnbench.protocol.track import Track, VictimSpec

__all__ = [
    "ARMS",
    "CLEAN",
    "MATCHED",
    "OWN",
    "POISONED",
    "PUBLIC_SALT",
    "RANDOM",
    "AdversarialTraining",
    "DefenceProblem",
    "Defender",
    "Flip",
    "Poisoner",
    "Problem",
    "Recipe",
    "Streams",
    "Threat",
    "Track",
    "Training",
    "VictimSpec",
    "allocation",
    "applied",
    "arms_of",
    "canonical_json",
    "changed",
    "draws_of",
    "eligible",
    "matched_flips",
    "own_salt",
    "pack",
    "random_draw",
    "random_flips",
    "sha256",
    "sha256_json",
    "unpack",
]
