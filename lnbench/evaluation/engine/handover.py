"""What a worker is given of its caller's environment: settings, resolved here, and nothing that changes arithmetic.

Two runs must give the same bits whatever shell they were started from. So a worker sees the variables listed here and
no others: not `OMP_…`, `MKL_…`, `TORCH_…`, `CUBLAS_…` or `NVIDIA_TF32_OVERRIDE`, which change what is computed; not
`LD_PRELOAD` or `PYTHON…` (but PYTHONPATH), which change what runs; no token, because workers read strangers' datasets.
"""

from __future__ import annotations

import os
import tempfile

from lnbench.evaluation.store import default_root

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_SETTINGS = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT"),  # whose files, in which encoding
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"),  # which GPU, and
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),  # in a container, whether there is one
    *("LNBENCH_OFFLINE", "HF_HUB_OFFLINE"),  # whether missing data may be downloaded, and
    *("HF_ENDPOINT", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DISABLE_XET"),  # from where, and
    *(*_PROXIES, *map(str.lower, _PROXIES)),  # by which way
)
"""Handed over as they are."""

_PATHS = (
    *("LNBENCH_DATA", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"),  # where data lies
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),  # whom a download trusts
)
"""Handed over in full, as seen from the caller's working folder."""

_SEARCHED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
"""Lists of folders: programs, modules and libraries are looked for in them, so the working folder must not be one.

The last changes which libraries are loaded, but some clusters' Python does not start without it."""


def environment() -> dict[str, str]:
    """All environment variables of a worker."""
    given = {name: value for name, value in os.environ.items() if value}
    seen = {name: given[name] for name in _SETTINGS if name in given}
    seen |= {name: os.path.abspath(given[name]) for name in _PATHS if name in given}
    for name in _SEARCHED:
        if folders := [folder for folder in given.get(name, "").split(os.pathsep) if os.path.isabs(folder)]:
            seen[name] = os.pathsep.join(folders)
    seen["LNBENCH_CACHE"] = os.path.abspath(default_root().parent)
    seen["TMPDIR"] = os.path.abspath(tempfile.gettempdir())
    # One and two threads give different bits.
    seen |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    # Freed buffers stay mapped: returning them to the system costs a page fault for each page of the next step.
    seen |= {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
    return seen | {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
