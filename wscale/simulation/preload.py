"""What a process imports before sandboxes are forked from it: NEURON and NetPyNE, not yet used.

Importing NetPyNE costs seconds; a fork costs milliseconds. No thread may run at the time of the
fork, so the libraries that would start one are told not to. The process that imports ends with the
main one even before it is done.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

# Of these, NetPyNE's analyses call functions
_ANALYSIS = ("scipy.fftpack", "scipy.signal", "pandas")

_main = os.getppid()
signal.signal(signal.SIGALRM, lambda *_: None if os.getppid() == _main else os._exit(1))
signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # of pyarrow, which pandas imports
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")  # cells' programs open no windows


def _deferred(library: str) -> types.ModuleType:
    """Return a module whose functions import the library when they are first called."""

    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(importlib.import_module(library), name)(*args, **kwargs)

        return call

    module = types.ModuleType(library)
    module.__dict__["__getattr__"] = get  # PEP 562
    return module


@contextlib.contextmanager
def _without_analyses() -> Iterator[None]:
    """Let NetPyNE be imported without libraries that only its analyses need, half of its time."""
    unused: dict[str, Any] = {"bokeh": None}  # NetPyNE does without its interactive plots
    for library in _ANALYSIS:
        if library not in sys.modules:
            unused[library] = _deferred(library)
    sys.modules.update(unused)
    try:
        yield
    finally:
        for library in unused:
            del sys.modules[library]


try:
    with _without_analyses():
        from wscale.simulation.session import import_netpyne

        import_netpyne()
    # NetPyNE's progress bars would leave a semaphore behind when a process is ended
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())
except Exception:
    pass

signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
gc.collect()
gc.freeze()  # the forks share these pages
