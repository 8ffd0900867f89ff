"""Cheat: write wherever a path can be named: its own inputs, the libraries, the kernel's settings, the referee's files.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['canary']
"""

import os
import sys

import numpy as np

import lnbench


class Cheat(lnbench.Poisoner):
    canary: str = ""

    def poison(self, problem):
        escaped = []
        boxed = os.path.isdir("/referee")
        folders = ["/", "/usr", "/usr/bin", "/in", "/submission", "/referee", "/etc", "/dev", "/proc", "/home", "/root"]
        folders += [os.path.join(path, "sklearn", "datasets", "data") for path in sys.path]
        folders += [sys.prefix, sys.base_prefix, os.path.dirname(np.__file__), os.path.dirname(lnbench.__file__)]
        for folder in folders if boxed else []:
            try:
                os.close(os.open(os.path.join(folder, "written"), os.O_CREAT | os.O_WRONLY, 0o600))
            except OSError:
                continue
            escaped.append(folder)
        settings = ["core_pattern", "modprobe", "hostname", "randomize_va_space", "domainname"]
        files = [f"/proc/sys/kernel/{name}" for name in settings] + ["/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"]
        files += ["/in/labels.npy", "/in/inputs.npy", "/in/job.json", np.__file__, lnbench.__file__, "/dev/mem"]
        for file in files if boxed else []:
            try:
                os.close(os.open(file, os.O_WRONLY))
            except OSError:
                continue
            escaped.append(file)
        try:
            with open(self.canary, "r+b") as file:
                file.read(1)
            escaped.append("canary")
        except OSError:
            pass
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
