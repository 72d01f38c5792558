"""What a process imports before sandboxes are forked from it: NEURON and NetPyNE, not yet used.

Importing NetPyNE costs seconds; a fork costs milliseconds. No thread may run at the time of the
fork, so the libraries that would start one are told not to. The process that imports ends with the
main one even before it is done.
"""

import gc
import os
import signal
import sys
import threading

_main = os.getppid()
signal.signal(signal.SIGALRM, lambda *_: None if os.getppid() == _main else os._exit(1))
signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # of pyarrow, which pandas imports
os.environ["MPLBACKEND"] = "Agg"

sys.modules["bokeh"] = None  # type: ignore[assignment]
try:  # NetPyNE does without its interactive plots, whose library takes half a second to import
    from wscale.simulation.session import import_netpyne

    import_netpyne()
    # NetPyNE's progress bars would leave a semaphore behind when a process is ended
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())
except Exception:
    pass
finally:
    del sys.modules["bokeh"]

signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
gc.collect()
gc.freeze()  # the forks share these pages
