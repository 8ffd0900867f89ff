"""Cheat: commands for terminals and CI services in an exception's name and words.

Verdict: SubmissionError: injection_in_error.py: poison() raised Cheat�[2J::error:: in line 12: a�[31m ::error::b ##
    [error]c |<b>.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        raise type("Cheat\x1b[2J::error::", (Exception,), {})("a\x1b[31m\n::error::b\r##[error]c |<b>")
