"""What runs in a Dask worker: it passes calls on to processes of their own, and holds no NEURON.

So a crash, a time limit or a memory limit in NEURON is the outcome of one call, and the Dask
worker, with all that it says to its scheduler, lives on.
"""

from __future__ import annotations

import threading
from concurrent.futures import wait

from wscale.parallel.parcel import pack, unpack
from wscale.parallel.sandbox import Slot, WorkerDied

__all__ = ["call", "close"]

# By run and number: NEURON cannot unload mechanisms, so no run has the process of another
_slots: dict[tuple[str, int], Slot] = {}
_closed: set[str] = set()
_lock = threading.Lock()
# How often a call looks whether its Dask worker is about to end, s, and what that is called
_LOOK_s, _ENDING = 0.5, ("closing", "closed", "failed")


def call(
    run: str, number: int, parcel: bytes, fresh: bool
) -> tuple[bytes, None] | tuple[None, Exception]:
    """Call a function in a process of this Dask worker.

    Parameters
    ----------
    run : str
        Whose process.
    number : int
        Which of them.
    parcel : bytes
        Function and arguments, see :func:`wscale.parallel.parcel.pack`.
    fresh : bool
        See :meth:`wscale.parallel.sandbox.Slot.submit`.

    Returns
    -------
    answer : bytes or None
        What the function returned, packed.
    error : Exception or None
        What it raised, or how the process died; raised here, it would mix with Dask's own.
    """
    from distributed import get_worker

    here = get_worker()
    try:
        slot = _slot(run, number)
        answer = slot.submit(_run, parcel, fresh=fresh)
        while not wait([answer], _LOOK_s).done:
            if here.status.name in _ENDING:  # it would wait for us
                slot.close()
        return answer.result(), None
    except Exception as error:
        return None, error


def close(run: str) -> None:
    """End the processes of a run at once, whatever they do, and let there be no new ones."""
    with _lock:
        _closed.add(run)
        slots = [_slots.pop(key) for key in list(_slots) if key[0] == run]
    for slot in slots:
        slot.close()


def _run(parcel: bytes) -> bytes:
    function, args = unpack(parcel)
    return pack(function(*args))


def _slot(run: str, number: int) -> Slot:
    with _lock:
        if run in _closed:  # the call was overtaken
            raise WorkerDied("stopped")
        if (run, number) not in _slots:
            _slots[run, number] = Slot()
        return _slots[run, number]
