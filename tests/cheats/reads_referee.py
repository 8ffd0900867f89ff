"""Cheat: read the memory of the referee, or of the sandbox's first process, and trace them.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['saw the referee', 'signalled the referee']
"""

import ctypes
import os

import lnbench


class Cheat(lnbench.Poisoner):
    referee: int = 0

    def poison(self, problem):
        escaped = []
        if os.path.exists(f"/proc/{self.referee}/exe") or self.referee == os.getppid():
            escaped.append("saw the referee")
        try:
            os.kill(self.referee, 0)
            escaped.append("signalled the referee")
        except OSError:
            pass
        libc = ctypes.CDLL(None, use_errno=True)
        if self.referee != os.getppid():
            for pid in (1, self.referee):
                if libc.ptrace(16, pid, 0, 0) == 0:  # PTRACE_ATTACH
                    escaped.append(f"traced {pid}")
            buffer = ctypes.create_string_buffer(8)
            vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
            if libc.process_vm_readv(1, vector, 1, vector, 1, 0) >= 0:
                escaped.append("read process 1")
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
