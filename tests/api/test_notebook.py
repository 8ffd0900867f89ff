"""Progress in a notebook's kernel, which a module in place of IPython plays here."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from lnbench.api import notebook
from lnbench.evaluation.progress import Progress, quietly


class _Kernel(types.ModuleType):
    """IPython as a kernel has it; `shown` are the texts that a cell has displayed, one after the other."""

    def __init__(self, shell: Any) -> None:
        super().__init__("IPython")
        self.shown: list[str] = []
        self.get_ipython = lambda: shell
        self.display = types.SimpleNamespace(display=self._display)

    def _display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> types.SimpleNamespace:
        assert raw and display_id
        self.shown.append(data["text/plain"])
        return types.SimpleNamespace(update=self._update)

    def _update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw and list(data) == ["text/plain"]
        self.shown.append(data["text/plain"])


def _tell(on_progress: Any) -> None:
    for done in range(5):
        on_progress(Progress("victims", done, 4, 0, None))


def test_a_kernel_shows_one_line_that_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = _Kernel(types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    with notebook.reporting(None) as told:
        _tell(told)
        assert kernel.shown == ["", "victims: 0/4 (0%)"], "the others came within half a second"
    assert kernel.shown[2:] == ["victims: 4/4 (100%)"]


def test_an_error_leaves_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = _Kernel(types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    with pytest.raises(KeyError), notebook.reporting(None) as told:
        assert told is not None
        told(Progress("poison", 1, 2, 0, None))
        raise KeyError
    assert kernel.shown[-1] == "poisoning: 1/2 (50%)"


@pytest.mark.parametrize("shell", [None, types.SimpleNamespace()])
def test_no_other_process_shows_anything(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a script, nor IPython in a terminal; and a caller's own function is used as it is."""
    monkeypatch.setitem(sys.modules, "IPython", _Kernel(shell))
    with notebook.reporting(None) as told:
        assert told is None
    monkeypatch.delitem(sys.modules, "IPython")
    with notebook.reporting(None) as told:
        assert told is None
    with notebook.reporting(quietly) as told:
        assert told is quietly
