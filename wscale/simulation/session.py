"""NEURON and NetPyNE as a process has them: claimed, kept quiet, and put back as they were."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from wscale.errors import SimulationError
from wscale.mechanisms.loading import import_neuron

__all__ = [
    "ASSIGNED",
    "STATE",
    "claim_netpyne",
    "clear_netpyne",
    "import_netpyne",
    "keep_globals",
    "quiet",
    "range_variables",
]

ASSIGNED, STATE = 2, 3  # kinds of variables, as NEURON's MechanismStandard numbers them


def import_netpyne() -> Any:
    """Import ``netpyne.sim``; no process says that it has no display, or no MPI."""
    import_neuron()
    if "netpyne" in sys.modules:
        from netpyne import sim

        return sim
    with _silent():  # where batchtk is installed, importing NetPyNE asks NEURON for MPI
        from netpyne import sim
    return sim


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep off the screen what libraries write by themselves."""
    sys.stdout.flush()
    kept, nowhere = [(fd, os.dup(fd)) for fd in (1, 2)], os.open(os.devnull, os.O_WRONLY)
    try:
        for fd, _ in kept:
            os.dup2(nowhere, fd)
        unseen = io.StringIO()  # a notebook's or test's streams are not the system's
        with contextlib.redirect_stdout(unseen), contextlib.redirect_stderr(unseen):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C has not written yet
        for fd, copy in kept:
            os.dup2(copy, fd)
            os.close(copy)
        os.close(nowhere)


def claim_netpyne() -> Any:
    """Import ``netpyne.sim``, and refuse to replace a network that it holds.

    Raises
    ------
    SimulationError
        NetPyNE holds a network in this process.
    """
    sim = import_netpyne()
    if hasattr(sim, "net"):
        raise SimulationError(
            "NetPyNE already holds a network in this process, which would be replaced; use two or "
            "more jobs, or call netpyne.sim.clearAll() first"
        )
    return sim


def clear_netpyne(sim: Any) -> None:
    """Remove the network that NetPyNE holds, and what it would call at the next initialisation."""
    with quiet():
        sim.clearAll()
    sim.fih = []


def keep_globals(h: Any) -> Callable[[], None]:
    """Return a function that puts NEURON's global variables back to their present values."""
    names = ["celsius", "clamp_resist", "dt", "secondorder", "tstop", "v_init"]
    for kind in (0, 1):
        types, text = h.MechanismType(kind), h.ref("")
        for i in range(int(types.count())):
            types.select(i)
            types.selected(text)
            standard = h.MechanismStandard(text[0], -1)
            for j in range(int(standard.count())):
                if standard.name(text, j) == 1:
                    names.append(text[0])
    setters = [partial(setattr, h, name, getattr(h, name)) for name in names if hasattr(h, name)]

    def put_back() -> None:
        for setter in setters:
            setter()

    return put_back


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what NetPyNE prints off the screen, but show it where it fails."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield
    except Exception as error:
        said = printed.getvalue().strip().splitlines()[-5:]
        if said:
            error.add_note("NetPyNE printed:\n" + "\n".join(said))
        raise


def range_variables(h: Any, synapses: Sequence[Any], kind: int) -> list[tuple[str, float]]:
    """Return the RANGE variables of one kind (ASSIGNED or STATE) of point processes, by name."""
    values, name = [], h.ref("")
    for synapse in synapses:
        standard = h.MechanismStandard(synapse.hname().split("[")[0], kind)
        for number in range(int(standard.count())):
            size = int(standard.name(name, number))
            value = getattr(synapse, name[0])
            values += [(name[0], item) for item in (value if size > 1 else (value,))]
    return values
