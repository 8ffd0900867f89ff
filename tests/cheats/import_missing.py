"""Slip: a library that is not there.

Verdict: SubmissionError: import_missing.py: importing it raised ModuleNotFoundError in line 7: No module named
    'a_library_of_my_own'; the log has the traceback.
"""

import a_library_of_my_own  # noqa: F401
