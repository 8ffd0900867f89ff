"""Flips as coverage: the statement behind the exact tier, with its proof, and what it makes of theorem 1.

Setting. Training points p_1 … p_n with labels, of which those of one class, the m *sources*, may be flipped to a target
class; V_i = {x : ‖x − p_i‖₂ ≤ ‖x − p_j‖₂ for all j}, the closed Voronoi cell; B(x), the closed ball of radius ε about a
test point x in some norm, cut by the box of inputs. C_S is the one-nearest-neighbour classifier after the flips S, and
x is *broken* if C_S can be made to answer the target somewhere in B(x), ties in the adversary's favour.

Statement. x is broken by S if and only if B(x) meets V_i for some training point i of the target class, or for some i
in S. Hence the broken test points are base ∪ ⋃_{i∈S} reach(i) with reach(i) = {x : B(x) ∩ V_i ≠ ∅}; adversarial
accuracy is 1 minus a coverage; it falls monotonically and submodularly in S; the best k flips are a maximum-coverage
problem; and of k flips drawn evenly, x is missed with probability C(m − d, k) / C(m, k), d the number of sources whose
cell B(x) meets.

Proof. (1) V_i depends on the training inputs alone, so no flip moves a cell. (2) A nearest point of x′ is i exactly if
x′ ∈ V_i, so C_S can answer the target at x′ if and only if x′ lies in the cell of a point whose label after S is the
target: of a point of the target class, or one in S, for flips of sources change no other label and lead to the target
alone. (3) Take the union over x′ ∈ B(x). (4) A coverage is monotone and submodular; greedy choice covers 1 − 1/e of the
best (Nemhauser, Wolsey & Fisher 1978). (5) S misses x if and only if it holds none of the d sources, and C(m − d, k) of
the C(m, k) sets of k do. ∎

Each B(x) ∩ V_i is convex, so that one small programme decides whether it is empty. That the smallest perturbation of a
nearest neighbour is such a family of programmes is known (Wang et al. 2019, who give primal and dual forms); so are
certificates of k-nearest neighbours against poisoned training sets by counting votes (Jia et al. 2021). Those bound
what an adversary of the labels can do to the prediction at x itself. That flips compose with an adversary of the
inputs as a coverage, so that both optima have one certificate, we have not seen stated.

A wrong label helps the adversary of x only from a point whose cell lies within ε: the edge of the thesis's graph (§4.1)
that makes its dominating set the right algorithm is *the ball meets the cell*.
"""

from __future__ import annotations

from collections.abc import Sequence

from lnbench.errors import ProtocolError
from lnbench.protocol.exactness import expected_broken


def random_accuracy(reaching: Sequence[int], eligible: int, budget: int) -> float:
    """Mean adversarial accuracy of the statement, over all sets of k flips: the mean of C(m − d, k) / C(m, k).

    >>> random_accuracy([0, 1], 4, 1), random_accuracy([0, 1], 4, 4)
    (0.875, 0.5)

    Args:
        reaching: d of each test point, at most m; m if it is broken without a flip.
        eligible: m ≥ 1.
        budget: k ≥ 1, at most m.

    Raises:
        ProtocolError: if a number is out of its range.
    """
    if not (1 <= budget <= eligible and reaching and 0 <= min(reaching) <= max(reaching) <= eligible):
        raise ProtocolError(f"expected 1 ≤ k ≤ m and test points with 0 ≤ d ≤ m; got k = {budget}, m = {eligible}.")
    return 1.0 - float(expected_broken(reaching, eligible, budget).mean())
