"""Cheat: reach the network: TCP, UDP, unix sockets by path and by abstract name, the host of a virtual machine.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['tcp', 'udp', 'unix', 'abstract']
"""

import socket

import lnbench


class Cheat(lnbench.Poisoner):
    port: int = 0
    unix_path: str = ""
    abstract: str = ""

    def poison(self, problem):
        escaped = []
        tries = {
            "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", self.port)),
            "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", self.port)),
            "unix": (socket.AF_UNIX, socket.SOCK_STREAM, self.unix_path),
            "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.abstract),
        }
        for name, (family, kind, address) in tries.items():
            try:
                with socket.socket(family, kind) as s:
                    s.settimeout(0.2)
                    s.connect(address)
                    if name == "udp":
                        s.send(b"escaped")
                        s.recv(1)
            except OSError:
                continue
            escaped.append(name)
        for family in (socket.AF_PACKET, 40, 38):  # raw packets, the host of a virtual machine, kernel ciphers
            if self.port and not escaped:
                try:
                    socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_RAW).close()
                except OSError:
                    continue
                escaped.append(str(family))
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect(("192.0.2.1", 53))
                s.send(b"x")
            if not escaped:
                escaped.append("route")
        except OSError:
            pass
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
