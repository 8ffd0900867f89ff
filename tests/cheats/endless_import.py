"""Cheat: never finish being imported, deaf to polite signals.

Seconds: 0.6
Verdict: SubmissionError: endless_import.py: no labels after 0.6 s, the limit for one split; return sooner,
    problem.seconds_left() tells how long there is.
"""

import signal
import time

import lnbench

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
    signal.signal(number, signal.SIG_IGN)
while True:
    time.sleep(1)


class Cheat(lnbench.Poisoner):
    pass
