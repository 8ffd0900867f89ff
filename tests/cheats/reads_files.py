"""Cheat: read the home folder's tokens, the data cache, another split, the password file; by path and through /proc.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['token', 'cache', 'other split']
"""

import os

import lnbench


class Cheat(lnbench.Poisoner):
    token_file: str = ""
    cache_file: str = ""
    other_split: str = ""

    def poison(self, problem):
        wanted = {"token": self.token_file, "cache": self.cache_file, "other split": self.other_split}
        roots = ["", "/proc/1/root", "/proc/self/root", f"/proc/{os.getppid()}/root", "/proc/1/cwd/.."]
        escaped = []
        for name, path in wanted.items():
            for root in roots:
                try:
                    with open(root + path, "rb") as file:
                        file.read(1)
                except OSError:
                    continue
                escaped.append(name)
                break
        outside = ["/etc/shadow", "/etc/passwd", "/var", "/run", "/sys", "/boot", "/mnt", "/srv"]
        escaped += [path for path in outside if os.path.isdir("/referee") and os.path.exists(path)]
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
