"""Cheat: leave while being imported, with the exit status of success.

Verdict: SubmissionError: import_exits.py: importing it raised SystemExit in line 8: 0; the log has the traceback.
"""

import sys

sys.exit(0)
