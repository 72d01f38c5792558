"""Every reader of files against damage of all kinds: what comes out is wscale's own error.

A reader here does what a command does with the file before anything is simulated.
"""

from __future__ import annotations

import json
import os
import pickle
import pickletools
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wscale import Model, Protocol, list_sites
from wscale.calibrate.settings import SearchSettings
from wscale.cells.cell_file import read_cell
from wscale.errors import WscaleError
from wscale.model.checks import check_window
from wscale.model.synapses import read_groups, with_synapses
from wscale.tables.compare import compare
from wscale.tables.fit import check_fit
from wscale.tables.weightnorm import WeightNormTable

REPO = Path(__file__).resolve().parents[2]

# ---------------------------------------------------------------------- the readers


def read_table(file: Path, model: Model) -> None:
    table = WeightNormTable.read(file, model.cell)
    json.dumps(table.as_json() | {"provenance": None}, allow_nan=False)
    compare(table, table)
    check_fit(model, table)
    table.for_netpyne()


def read_a_cell(file: Path, model: Model) -> None:
    list_sites(model.with_cell("other", read_cell(file)))


def read_biophysics(file: Path, model: Model) -> None:
    list_sites(model.with_cell("other", read_cell(REPO / CELL, biophysics=file)))


def read_settings(file: Path, model: Model) -> None:
    found = SearchSettings.read(file)
    _ = found.own_cell, found.protocol
    list_sites(model, found.sections, found.locations, found.exclude)
    json.dumps(found.model_dump(mode="json"))
    for group in found.groups:
        with_synapses(model, group)
        _ = found.of_group(group).targets


def read_synapses(file: Path, model: Model) -> None:
    for group in SearchSettings.make(synapses=read_groups(file)).groups:
        with_synapses(model, group)


CELL = "cells/PV_simple.json"
TABLE = {"soma": [5.6e-4], "dend": [5.61e-4], "axon": [None]}
OWN_TABLE = {
    "cell": "PV_simple",
    "weightNorm": TABLE,
    "status": {"soma": ["ok"], "dend": ["ok"], "axon": ["above_grid"]},
    "residual": {"soma": [1e-4], "dend": [0.0], "axon": [None]},
    "reason": {"soma": [""], "dend": [""], "axon": ["too far"]},
    "target_mV": {"soma": [0.5], "dend": [0.5], "axon": [0.5]},
    "provenance": {"versions": {"wscale": "0.1"}, "sha256": {"cell": "00"}},
}
SETTINGS = {
    "folder": ".",
    "cells": ["PV_simple"],
    "sections": ["soma", "dend"],
    "exclude": [],
    "locations": [0.25, 0.5],
    "weights_uS": [1e-4, 2e-4],
    "target_mV": {"default": 0.5, "dend": 0.4},
    "synapses": {"exc": {"synMechs": {"AMPA": None}, "weightFactors": [1], "target_mV": 0.5}},
    "tolerance": 0.01,
    "window_ms": 50.0,
    "mod": ["mod"],
    "mod_exclude": [],
    "cfg": {"dt": 0.05, "NetStim1.synMech": ["GABA"]},
}
GROUPS = {
    "exc": {"synMechs": {"AMPA": None, "NMDA": None}, "weightFactors": [0.5, 0.5]},
    "inh": {"synMechs": {"slow": {"mod": "Exp2Syn", "tau1": 2, "e": -80}}, "target_mV": -0.3},
}
BIOPHYSICS = {
    "*": {"mechs": {"pas": {"g": 3e-5, "e": -70}}, "geom": {"cm": 1, "Ra": 150, "nseg": 1}},
    "dend": {"ions": {"k": {"e": -90}}, "mechs": {"pas": {"g": [1e-5]}}},
}
RULE = json.loads((REPO / CELL).read_text())
RULE["secLists"] = {"all": ["soma", "dend"]}

# Name of the file, its reader, what it should hold
READERS = {
    "table": ("a.json", read_table, TABLE),
    "own table": ("b.json", read_table, OWN_TABLE),
    "pickled table": ("a.pkl", read_table, TABLE),
    "cell": ("c.json", read_a_cell, RULE),
    "pickled cell": ("c.pkl", read_a_cell, RULE),
    "biophysics": ("d.json", read_biophysics, BIOPHYSICS),
    "settings": ("e.json", read_settings, SETTINGS),
    "synapses": ("f.json", read_synapses, GROUPS),
}
over_readers = pytest.mark.parametrize("reader", READERS)
example_after_example = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def model(load):
    return load("PV_simple", dt=0.05)


@pytest.fixture
def take(tmp_path, model):
    """Give a reader a file of some content; only wscale's own error may come out."""

    def feed(reader, content: bytes, *, refused: bool = False) -> None:
        name, read, _ = READERS[reader]
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(WscaleError) if refused else suppress(WscaleError):
            read(file, model)

    return feed


def written(reader, value) -> bytes:
    if READERS[reader][0].endswith(".pkl"):
        return pickle.dumps(value)
    return json.dumps(value).encode()


@over_readers
def test_sound_content_is_read(tmp_path, model, reader):
    """Else the damage below would be refused for another reason."""
    name, read, value = READERS[reader]
    (tmp_path / name).write_bytes(written(reader, value))
    read(tmp_path / name, model)


# ---------------------------------------------------------------------- damage


@over_readers
@given(data=st.data())
@example_after_example
def test_truncated(take, reader, data):
    content = written(reader, READERS[reader][2])
    take(reader, content[: data.draw(st.integers(0, len(content) - 1))], refused=True)


@over_readers
@given(data=st.data())
@example_after_example
def test_flipped_bits(take, reader, data):
    content = bytearray(written(reader, READERS[reader][2]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    take(reader, bytes(content))


@over_readers
@given(content=st.binary(max_size=200))
@example_after_example
def test_random_bytes(take, reader, content):
    take(reader, content)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 10**400, -(10**400), 2**31, 2**63, 32768]),
    st.floats(),
    st.sampled_from(["", "soma", "*", "..", "/", "a\nb", "a\0b", "\ud800", "every", "1:2:3"]),
    st.text(max_size=10),
)
VALUES = st.recursive(
    SCALARS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=6), inside),
    max_leaves=12,
)


@over_readers
@given(value=VALUES)
@example_after_example
def test_random_values(take, reader, value):
    take(reader, written(reader, value))


def places(value, path=()):
    """Yield the path of everything in a value."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


@over_readers
@given(data=st.data())
@example_after_example
def test_right_shape_with_something_else_in_it(take, reader, data):
    value = {"": deepcopy(READERS[reader][2])}
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from([p for p in places(value) if p]))
        entry = value
        for key in above:
            entry = entry[key]
        entry[last] = data.draw(VALUES)
    take(reader, written(reader, value[""]))


@over_readers
@given(data=st.data())
@example_after_example
def test_other_names(take, reader, data):
    """Keys are renamed, removed or added."""
    value = {"": deepcopy(READERS[reader][2])}
    *above, last = data.draw(
        st.sampled_from([p for p in places(value) if len(p) > 1 and isinstance(p[-1], str)])
    )
    entry = value
    for key in above:
        entry = entry[key]
    new = data.draw(
        st.sampled_from(["cls", "path", "self", "", "..", "soma", "soma_1", "a/b", "\ud800"])
        | st.text(max_size=6)
    )
    entry[new] = entry[last] if data.draw(st.booleans()) else entry.pop(last)
    take(reader, written(reader, value[""]))


PICKLES = [reader for reader, (name, *_) in READERS.items() if name.endswith(".pkl")]
OPCODES = [opcode.code.encode("latin1") for opcode in pickletools.opcodes]
NAMES = [
    b"cnumpy\ndtype\n",
    b"cnumpy\nndarray\n",
    b"cnumpy.core.multiarray\nscalar\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy._core.numeric\n_frombuffer\n",
    b"c_codecs\nencode\n",
    b"ccopyreg\n_reconstructor\n",
    b"ccollections\nOrderedDict\n",
    b"cnetpyne.specs.dicts\nDict\n",
    b"U\x02f8",
    b"U\x02O8",
    b"K\x01\x85",
    b"U\x06latin1",
]


@pytest.mark.parametrize("reader", PICKLES)
@given(
    parts=st.lists(st.sampled_from(OPCODES + NAMES) | st.binary(max_size=4), max_size=30),
    protocol=st.sampled_from([b"", b"\x80\x02", b"\x80\x04"]),
)
@settings(example_after_example, max_examples=300)
def test_random_opcodes(take, reader, parts, protocol):
    take(reader, protocol + b"".join(parts) + b".")


@pytest.mark.parametrize("reader", PICKLES)
@given(data=st.data(), protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
@settings(example_after_example, max_examples=150)
def test_damaged_numpy(take, reader, data, protocol):
    value = {"soma": np.arange(1.0, 4.0), "dend": np.float64(1e-3), "flag": np.bool_(1)}
    content = bytearray(pickle.dumps(value, protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    take(reader, bytes(content))


# ---------------------------------------------------------------------- by hand

TEXTS = {
    "empty": b"",
    "blanks": b" \n\t ",
    "deep lists": b"[" * 100_000,
    "deep lists, closed": b"[" * 100_000 + b"]" * 100_000,
    "lists as deep as Python allows": b"[" * 500 + b"]" * 500,
    "deep objects": b'{"soma":' * 20_000 + b"1" + b"}" * 20_000,
    "lists deep in a section": b'{"soma": ' + b"[" * 300 + b"]" * 300 + b"}",
    "number of 10,000 digits": b'{"soma": [' + b"9" * 10_000 + b"]}",
    "number of 400 digits": b'{"soma": [' + b"9" * 400 + b"]}",
    "exponent": b'{"soma": [1e999999999]}',
    "NaN": b'{"soma": NaN, "secs": NaN, "weightNorm": NaN, "tolerance": NaN}',
    "Infinity": b'{"soma": [Infinity, -Infinity]}',
    "invalid UTF-8": b'{"soma\xff": [1e-4]}',
    "lone surrogate": b'{"\\ud800": [1e-4]}',
    "UTF-16": '{"soma": []}'.encode("utf-16"),
    "UTF-16 cut": '{"soma": []}'.encode("utf-16")[:-1],
    "UTF-32": '{"soma": []}'.encode("utf-32"),
    "mark only": b"\xef\xbb\xbf",
    "zeros": bytes(1000),
    "twice": b'{"soma": [1e-4], "soma": [2e-4]}',
    "two values": b"{} {}",
    "deep pickle": b"(" * 100_000 + b".",
    "nested pickle": b"]" + b"]a" * 5000 + b".",
    "deep pickle of lists": b"]" * 50_000 + b"a" * 49_999 + b".",
    "pickle of nothing": pickle.dumps(None),
    "cell of another language": b"begintemplate Stick\nendtemplate Stick\n",
}


@over_readers
@pytest.mark.parametrize("text", TEXTS)
def test_content_that_is_none(take, reader, text):
    take(reader, TEXTS[text], refused=True)


@over_readers
def test_byte_order_marks_do_no_harm(tmp_path, model, reader):
    name, read, value = READERS[reader]
    if reader in PICKLES:
        pytest.skip("a pickle has none")
    text = json.dumps(value)
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        read(tmp_path / name, model)


def make_fifo(file: Path) -> None:
    os.mkfifo(file)


def link_to_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def link_to_itself(file: Path) -> None:
    file.symlink_to(file.name)


def no_permission(file: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    file.touch(mode=0)


def enormous(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(2**40)  # takes no room on disk


UNREADABLE = {
    "missing": (lambda file: None, "there is no .*{file}"),
    "folder": (lambda file: file.mkdir(), "{file} cannot be read: Is a directory"),
    "pipe": (make_fifo, "{file} cannot be read: it is a pipe or device"),
    "device": (link_to_device, "{file} cannot be read: it is a pipe or device"),
    "loop of links": (link_to_itself, "{file} cannot be read: Too many levels"),
    "no permission": (no_permission, "{file} cannot be read: Permission denied"),
    "enormous": (enormous, "{file} cannot be read: it has 1,099,511,627,776 bytes"),
}


@over_readers
@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_file(tmp_path, model, reader, kind):
    """None of them hangs, and the message names the file."""
    make, message = UNREADABLE[kind]
    name, read, _ = READERS[reader]
    try:
        make(tmp_path / name)
    except OSError as error:
        pytest.skip(f"not to be made here: {error}")
    with pytest.raises(WscaleError, match=message.format(file=name)):
        read(tmp_path / name, model)


@over_readers
@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "~nobody-of-this-name/x"])
def test_names_that_no_file_has(model, reader, name):
    suffix = Path(READERS[reader][0]).suffix
    with pytest.raises(WscaleError):
        READERS[reader][1](Path(name + suffix), model)


# ---------------------------------------------------------------------- models


@given(data=st.data())
@settings(example_after_example, max_examples=400)
def test_models_with_something_else_in_them(model, data):
    """What a netParams.py or cfg.py may say, beside the cell."""
    value = {
        "net": {key: deepcopy(part) for key, part in model.net.items() if key.endswith("Params")},
        "cfg": {
            key: deepcopy(model.cfg[key]) for key in ("dt", "recordStep", "duration", "hParams")
        },
    }
    paths = [p for p in places(value) if len(p) > 1 and "cellParams" not in p]
    for _ in range(data.draw(st.integers(1, 2))):
        *above, last = data.draw(st.sampled_from(paths))
        entry = value
        with suppress(KeyError, IndexError, TypeError):  # the first change may have removed it
            for key in above:
                entry = entry[key]
            entry[last] = data.draw(VALUES)
    with suppress(WscaleError):
        changed = replace(model, cfg=model.cfg | value["cfg"]).with_net(model.net | value["net"])
        check_window(changed, Protocol())
