"""What a process imports before sandboxes are forked from it: NEURON and NetPyNE, not yet used.

Importing NetPyNE costs seconds; a fork costs milliseconds. No thread may run at the time of the
fork, so the libraries that would start one are told not to.
"""

import gc
import os
import threading

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # of pyarrow, which pandas imports
os.environ["MPLBACKEND"] = "Agg"

try:
    from wscale.simulation.session import import_netpyne

    import_netpyne()
    # NetPyNE's progress bars would leave a semaphore behind when a process is ended
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())
except Exception:
    pass

gc.collect()
gc.freeze()  # the forks share these pages
