"""Cheat<script>alert(1)</script>: commands for terminals, CI services, markdown and HTML in all it may say.

Verdict: harmless
"""

import sys

import lnbench

TRICKS = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202eevil\u2066\u200b\x00"


class Cheat(lnbench.Poisoner):
    """| a | [x](javascript:alert(1)) <img src=x onerror=alert(1)> ::error::no ##[add-path]/tmp

    author: ::error::not this line
    """

    author = "::set-env name=PATH::/tmp ##[error] <script>alert(1)</script>"
    paper = "](http://example.org)\n\n# heading\n::error::no"
    license = "<b>MIT</b> ##[group] and so on and on and on, past the sixty characters of a licence"
    text: str = "##[error]<b>"

    def poison(self, problem):
        print("::stop-commands::x\n##[add-path]/tmp\r::error::no\n" + TRICKS)
        print(TRICKS, "\ud800".encode("utf-8", "surrogatepass"), file=sys.stderr)
        sys.stdout.buffer.write(b"\xff\xfe\x1b[2J\n")
        return problem.flipped(problem.eligible[: problem.budget])
