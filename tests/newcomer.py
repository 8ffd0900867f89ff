"""A newcomer: a fresh environment, an empty cache, no network, and every block of README, docs and notebook, in order.

    python -P tests/newcomer.py                       # README.md, the pages of docs/index.md, docs/start.ipynb
    python -P tests/newcomer.py docs/quickstart.md    # some documents
    python -P tests/newcomer.py --list                # what would be run, and why the rest would not
    python -P tests/newcomer.py --write README.md     # write what was printed where it differs, or where … stands

Only `pip install` and `git clone` have the network, and what they clone is this checkout, as it is committed. Shell and
Python blocks of a document share a folder; Python blocks are cells of one notebook. A block fails if its exit status
is not 0 or if it does not print what the document shows; `tests/blocks.py` has the comments that say otherwise. What
went wrong goes to stderr, the list of what was run and skipped to stdout. Exit code 1: some block failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent)]  # `python -P` leaves it out

import blocks  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = "docs/start.ipynb"
ADDRESS = "https://github.com/lnbench/lnbench"
_ONLINE = re.compile(r"^\s*(pip install|python3? -m pip install|git clone)\b")
_BWRAP = ("bwrap", "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent", "--")
_UNSHARE = ("unshare", "--map-root-user", "--net", "--")
_GUARD = {"PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1", "LNBENCH_OFFLINE": "1"}
_GUARD |= {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}


class Newcomer:
    """A folder with a home, a virtual environment and a clone, in which blocks are run one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / "work"
        self.checkout = self.work / "lnbench"
        self.bin = folder / "venv" / "bin"
        self.offline, more = _offline()
        keep = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
        self.environ = keep | more
        self.environ |= {
            "HOME": str(folder / "home"),
            "LNBENCH_CACHE": str(folder / "cache"),
            "VIRTUAL_ENV": str(folder / "venv"),
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def prepare(self) -> None:
        """Make home, environment and clone, with what whoever opens a notebook has: Jupyter's kernel, matplotlib."""
        for name in ("home", "work"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "home" / ".gitconfig").write_text(
            f'[url "file://{ROOT}"]\n\tinsteadOf = {ADDRESS}\n[user]\n\tname = Newcomer\n\temail = new@example.org\n'
            "[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n"
        )
        lines = [f"git clone -q {ADDRESS} lnbench"]
        if not self.bin.exists():
            subprocess.run([sys.executable, "-I", "-m", "venv", str(self.folder / "venv")], check=True)
            lines.insert(0, "pip install -q ipykernel matplotlib")
        shutil.rmtree(self.checkout, ignore_errors=True)
        self.goto(self.work)
        for line in lines:
            done = self.shell(line, self.work, online=True)
            if done.returncode:
                raise SystemExit(f"error: the newcomer could not begin: {line}\n{done.stdout}{done.stderr}")

    def shell(self, text: str, cwd: Path, *, online: bool) -> subprocess.CompletedProcess[str]:
        """Run lines of a shell; the folder and the exported variables stay for the next."""
        state = self.folder / "state.sh"
        after = f'trap \'code=$?; {{ declare -px; printf "cd %q\\n" "$PWD"; }} > {state}; exit $code\' EXIT'
        before = f". {state}" if state.exists() else f"cd {cwd}"
        return subprocess.run(
            [*(() if online else self.offline), "bash", "-euo", "pipefail", "-c", f"{before}\n{after}\n{text}"],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def commands(self, block: blocks.Block) -> tuple[str, str, str]:
        """Run a block of the shell: what it printed on stdout, on stderr, and what went wrong."""
        text = re.sub(r"^\$ ", "", block.text, flags=re.MULTILINE)
        pieces = list[tuple[bool, str]]()
        for line in text.replace("\\\n", "").splitlines():
            online = bool(_ONLINE.match(line))
            if pieces and pieces[-1][0] == online:
                pieces[-1] = online, f"{pieces[-1][1]}{line}\n"
            else:
                pieces.append((online, f"{line}\n"))
        out = err = ""
        for online, piece in pieces:
            if "git clone" in piece:  # the newcomer has none yet
                shutil.rmtree(self.checkout, ignore_errors=True)
                self.goto(self.work)
            done = self.shell(piece, self.checkout, online=online)
            out, err = out + done.stdout, err + done.stderr
            if done.returncode:
                return out, err, f"exit status {done.returncode}"
        return out, err, ""

    def goto(self, folder: Path) -> None:
        """Begin the next block in this folder."""
        (self.folder / "state.sh").write_text(f"cd {folder}\n")

    def install(self) -> None:
        """Install lnbench if no document has."""
        if not (self.bin / "lnbench").exists():
            print("no block installed lnbench: pip install -e .", file=sys.stderr)
            done = self.shell("pip install -q -e .", self.checkout, online=True)
            if done.returncode:
                raise SystemExit(f"error: lnbench could not be installed\n{done.stdout}{done.stderr}")

    @contextmanager
    def kernel(self) -> Iterator[Any]:
        """A client with a kernel of the newcomer's Python, without network, in the clone."""
        import nbformat
        from jupyter_client.kernelspec import KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient

        home = self.folder / "kernels" / "newcomer"
        home.mkdir(parents=True, exist_ok=True)
        write_kernel(home, [*self.offline, str(self.bin / "python"), "-P"])
        manager = AsyncKernelManager(
            kernel_name="newcomer",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(home.parent)]),
            transport="ipc",
            connection_file=str(self.folder / "kernel.json"),
        )
        notebook = nbformat.v4.new_notebook()
        client = NotebookClient(notebook, km=manager, timeout=None, allow_errors=True)
        with client.setup_kernel(cleanup_kc=True, env=self.environ, cwd=str(self.checkout)):
            yield client

    def cell(self, client: Any, source: str) -> tuple[str, str]:
        """Run a cell: what it showed as text, and what went wrong."""
        import nbformat

        cell = nbformat.v4.new_code_cell(source)
        client.nb.cells.append(cell)
        client.execute_cell(cell, len(client.nb.cells) - 1)
        texts = list[str]()
        for output in cell.outputs:
            if output.output_type == "error":
                return "".join(texts), re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.traceback))
            if output.output_type == "stream" and output.name == "stdout":
                texts.append(output.text)
            elif output.output_type != "stream":
                texts.append(output.get("data", {}).get("text/plain", "") + "\n")
        return "".join(texts), ""


def write_kernel(folder: Path, python: list[str]) -> None:
    """Write what Jupyter needs to start a kernel by this command into a folder, whose name is the kernel's."""
    argv = [*python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    document = {"argv": argv, "display_name": folder.name, "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(document), encoding="utf-8")


def _offline() -> tuple[tuple[str, ...], dict[str, str]]:
    """What stands before a command to take the network from it, and variables for where that cannot be done."""
    for prefix in (_BWRAP, _UNSHARE):
        if shutil.which(prefix[0]) and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix, {}
    print("no namespace without a network can be made here: it is switched off by variables only", file=sys.stderr)
    return (), _GUARD


def documents() -> list[Path]:
    """README.md, then the pages in the order of the index's tables of contents, then the notebook."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    names = [
        line.strip()
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", index, re.MULTILINE | re.DOTALL)
        for line in tree.splitlines()
        if line.strip() and not line.startswith(":")
    ]
    pages = [path for name in names if (path := ROOT / "docs" / f"{name}.md").exists()]
    return [ROOT / "README.md", ROOT / "docs" / "index.md", *pages, ROOT / NOTEBOOK]


def cells(notebook: Path) -> list[blocks.Block]:
    """The code cells of a notebook, as blocks; their outputs are not compared."""
    made = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [
        blocks.Block(notebook, number, "", "python", "".join(cell["source"]))
        for number, cell in enumerate(made, 1)
        if cell["cell_type"] == "code"
    ]


def of(document: Path) -> list[blocks.Block]:
    """The blocks of a page, or the cells of a notebook."""
    return cells(document) if document.suffix == ".ipynb" else blocks.read(document)


def first_line(block: blocks.Block) -> str:
    """What a list says of a block."""
    lines = [line for line in block.text.splitlines() if line.strip()]
    return (lines[0] if lines else "")[:60]


def visit(newcomer: Newcomer, document: Path, write: bool) -> Iterator[tuple[blocks.Block, str, float]]:
    """Run a document: of every block that is to be run what went wrong (nothing: all is well) and its seconds."""
    newcomer.goto(newcomer.checkout)
    printed = dict[blocks.Output, str]()
    text, made = document.read_text(encoding="utf-8"), of(document)
    with _one_kernel(newcomer) as run_cell:
        for block in made:
            if block.file:
                (newcomer.checkout / block.file).write_text(block.text, encoding="utf-8")
                yield block, "", 0.0
                continue
            if not block.runs:
                continue
            began, err = time.monotonic(), ""
            if "pip install" not in block.text:
                newcomer.install()
            if block.language == "python":
                out, wrong = run_cell(block.text)
            else:
                out, err, wrong = newcomer.commands(block)
            unknown = write and block.output is not None and block.output.text.strip() == "…"
            if block.output and not wrong and (unknown or not block.output.agrees(out)):
                printed[block.output] = out
                wrong = "" if write else f"it shows\n{block.output.text}\nand printed\n{out}"
            if wrong:
                print(f"{_place(block)}: {wrong}\n{err[-3000:]}", file=sys.stderr)
            yield block, wrong, time.monotonic() - began
    if printed and write:
        if document.read_text(encoding="utf-8") != text:
            raise SystemExit(f"error: {document} was changed while its blocks ran; its outputs are not written")
        for output in sorted(printed, key=lambda output: -output.start):
            kept = re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in printed[output].strip().splitlines()))
            text = f"{text[: output.start]}{kept}\n{text[output.end :]}"
        document.write_text(text, encoding="utf-8")
        print(f"{document.name}: {len(printed)} outputs are written anew", file=sys.stderr)


@contextmanager
def _one_kernel(newcomer: Newcomer) -> Iterator[Any]:
    """A function that runs a cell in a kernel, which is started for the first of them."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        clients = list[Any]()

        def run(source: str) -> tuple[str, str]:
            if not clients:
                clients.append(stack.enter_context(newcomer.kernel()))
            return newcomer.cell(clients[0], source)

        yield run


def _place(block: blocks.Block) -> str:
    name = block.document.relative_to(ROOT) if block.document.is_relative_to(ROOT) else block.document
    return f"{name}:{block.line}"


def skipped(block: blocks.Block) -> str:
    """Why a block is not run."""
    return block.reason or f"not a command: {block.language or 'text'}"


def main(argv: list[str] | None = None) -> int:
    """Run the documents; see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("documents", nargs="*", type=Path, help="all of them if none is named")
    parser.add_argument("--list", action="store_true", help="run nothing, say what would be run")
    parser.add_argument("--write", action="store_true", help="write what was printed into the documents")
    parser.add_argument("--folder", type=Path, help="where to work; it is left there, and a second run goes on in it")
    given = parser.parse_args(argv)
    chosen = [path.resolve() for path in given.documents] or documents()
    if given.list:
        for block in (block for path in chosen for block in of(path)):
            what = "run" if block.runs or block.file else f"skip: {skipped(block)}"
            print(f"{_place(block):36} {first_line(block):60} {what}")
        return 0
    folder = given.folder.resolve() if given.folder else Path(tempfile.mkdtemp(prefix="newcomer-"))
    if (folder / "venv").exists():
        print("the environment and cache of this folder are used again: it is not a newcomer's run", file=sys.stderr)
    failed = 0
    try:
        newcomer = Newcomer(folder)
        newcomer.prepare()
        for path in chosen:
            for block, wrong, seconds in visit(newcomer, path, given.write):
                failed += bool(wrong)
                outcome = f"{'FAILED' if wrong else 'ran'} in {seconds:.1f} s"
                print(f"{_place(block):36} {first_line(block):60} {outcome}", flush=True)
            for block in of(path):
                if not (block.runs or block.file):
                    print(f"{_place(block):36} {first_line(block):60} skipped: {skipped(block)}", flush=True)
    finally:
        if not given.folder:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{failed} blocks failed" if failed else "every block that is to be run ran, and printed what is shown")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
