"""Cells from files: what is read and how, what is refused, and that no pickle runs code."""

from __future__ import annotations

import builtins
import contextlib
import json
import math
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscale.cells.cell_file import read_cell
from wscale.errors import ModelError, WscaleError

# ---------------------------------------------------------------------- small cells

HH_CLASS = """
from neuron import h, gui
class Base:
    def __init__(self, length=20.0, *, gna=0.12):
        self.soma = h.Section(name="soma", cell=self)
        self.dend = h.Section(name="dend", cell=self)
        self.dend.connect(self.soma(1))
        self.soma.L = self.soma.diam = length
        self.dend.L, self.dend.diam, self.dend.nseg = 150, 1, 3
        self.soma.insert("hh")
        self.soma.gnabar_hh = gna
        self.dend.insert("pas")
        for seg in self.dend:
            seg.g_pas = seg.x * 1e-3
        self.synapse = h.ExpSyn(self.dend(0.5))
class Ball(Base):
    pass
"""

FUNCTION = """
from neuron import h
class _Cell:
    pass
def make_cell(count):
    cell = _Cell()
    cell.soma = h.Section(name="soma", cell=cell)
    cell.tuft = [h.Section(name=f"t{i}", cell=cell) for i in range(count)]
    for sec in cell.tuft:
        sec.connect(cell.soma(0.5))
    for sec in [cell.soma, *cell.tuft]:
        sec.insert("pas")
    h.celsius = 31
    return cell
"""

TEMPLATE = """
// begintemplate Ghost in a comment
begintemplate Stick
public soma, dend
create soma, dend
proc init() {
  soma { L = $1  diam = $1  insert hh }
  dend { connect dend(0), soma(1)  L = $2  diam = 2  nseg = 5  insert pas }
}
endtemplate Stick
"""

# Numbered compartments, section lists, conductances by level: the way of Traub's cells
COMPARTMENTS = """
begintemplate chain
public comp, Soma, Dendrites, all
objref Soma, Dendrites, all
create comp[5]
proc init() { local i
  for i = 1, 4 connect comp[i](0), comp[i - 1](1)
  Soma = new SectionList()
  Dendrites = new SectionList()
  comp[0] Soma.append()
  for i = 1, 4 comp[i] Dendrites.append()
  forsec Dendrites { L = 50  diam = 2  insert pas  g_pas = 5e-5  cm = 1.8 }
  forsec Soma { L = 15  diam = 15  insert hh  gnabar_hh = 0.2 }
}
endtemplate chain
"""

TOP_LEVEL = "create soma, dend\nconnect dend(0), soma(1)\nforall insert pas\n"

SWC = """# a soma of two points, a fork and an apical stub
1 1 0 0 0 7 -1
2 1 0 7 0 7 1
3 3 0 14 0 1 2
4 3 0 50 0 0.9 3
5 3 20 80 0 0.6 4
6 3 -20 80 0 0.6 4
7 4 0 -60 0 1 1
"""

POINTS = {
    "own.mod": """NEURON { POINT_PROCESS OwnVoltage RANGE V, a }
PARAMETER { a = 1 }
STATE { V }
INITIAL { V = -60 }
BREAKPOINT { SOLVE run METHOD cnexp }
DERIVATIVE run { V' = -a * V }
""",
    "shared.mod": """NEURON { POINT_PROCESS SharedVoltage RANGE k NONSPECIFIC_CURRENT i }
PARAMETER { k = 1e-3 }
ASSIGNED { v (millivolt) i (nanoamp) }
BREAKPOINT { i = k * (v + 60) }
""",
}
POINT_CELL = """
from neuron import h
class Cell:
    def __init__(self, kind):
        self.sec = h.Section(name="host")
        self.point = getattr(h, kind)(self.sec(0.5))
"""

STICK = {"cell_args": [20, 300]}
PASSIVE = {"*": {"mechs": {"pas": {"g": 3e-5, "e": -70}}, "geom": {"cm": 1, "Ra": 150}}}
RULE = {
    "conds": {"cellType": "PV"},
    "secs": {
        "soma": {"geom": {"L": 20.0, "diam": 20.0, "nseg": 1}, "topol": {}, "mechs": {"hh": {}}},
        "dend": {
            "geom": {"L": 90.0, "diam": 1.0, "nseg": 3, "pt3d": [[0, 0, 0, 1], [0, 90, 0, 1]]},
            "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0},
            "mechs": {"pas": {"g": [1e-5, 2e-5, 3e-5], "e": -70.0}},
            "ions": {"k": {"e": -90.0}},
            "vinit": -75.0,
            "spikeGenLoc": 0.5,
        },
    },
    "secLists": {"spiny": ["dend"]},
    "globals": {"celsius": 34.0},
}


@pytest.fixture
def write(tmp_path):
    """Write a file of text, of bytes, or of data as JSON or pickle; return its path."""

    def write(name, content):
        path = tmp_path / name
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            as_json = path.suffix == ".json"
            content = json.dumps(content).encode() if as_json else pickle.dumps(content)
        path.write_bytes(content)
        return path

    return write


def changed(*keys, value):
    """Return the small rule with one entry changed."""
    rule = deepcopy(RULE)
    entry = rule
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = value
    return rule


# ---------------------------------------------------------------------- JSON and pickle


@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_cells_of_the_repository_are_read_unchanged(repo, write, suffix):
    files = sorted(repo.glob("cells/*.json"))
    assert files
    for file in files:
        rule = json.loads(file.read_text())
        assert read_cell(write(f"cell.{suffix}", rule)).rule == rule
        assert read_cell(file).rule == rule
        assert read_cell(file).notices == ()


def test_reading_data_imports_neither_neuron_nor_netpyne(write):
    code = (
        "import sys; from wscale.cells.cell_file import read_cell; read_cell(sys.argv[1]);"
        "sys.exit(bool({'neuron', 'netpyne'} & set(sys.modules)))"
    )
    for file in (write("a.json", RULE), write("a.pkl", RULE)):
        assert subprocess.run([sys.executable, "-c", code, str(file)], check=False).returncode == 0


def test_stored_weight_norm_is_removed_with_a_notice(write):
    cell = read_cell(write("a.json", changed("secs", "soma", "weightNorm", value=[0.1])))
    assert cell.rule == RULE
    assert "stored weightNorm removed from 1 sections" in cell.notices[0]


@pytest.mark.parametrize(
    ("content", "label"),
    [
        ({"PV": RULE}, None),
        ({"PV": RULE}, "PV"),
        ({"PV": RULE, "SOM": {"secs": {}}}, "PV"),
        ({"net": {"params": {"cellParams": {"PV": RULE}}}, "simData": {}}, None),
        ({"cellParams": {"PV": RULE}}, None),
    ],
)
def test_rule_is_found_in_larger_files(write, content, label):
    cell = read_cell(write("a.json", content), cell_class=label)
    assert cell.rule == RULE
    assert cell.source.endswith("a.json:PV")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_netpyne_dictionaries_are_read(write, protocol):
    from netpyne.specs import Dict, ODict

    for kind in (Dict, ODict, OrderedDict):
        content = pickle.dumps(kind(RULE), protocol)
        assert read_cell(write("a.pkl", content)).rule == RULE
        if protocol <= 2:  # names are lines there, and older files have an older place
            content = content.replace(b"netpyne.specs.dicts", b"netpyne.specs")
            assert read_cell(write("b.pkl", content)).rule == RULE


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["f8", ">f4", "i4"])
def test_pickles_of_numpy_are_read(write, protocol, kind):
    values = np.arange(1, 4).astype(kind)
    points = np.array([[0, 0, 0, 1], [0, 90, 0, 1]], kind)
    rule = changed("secs", "dend", "mechs", "pas", "g", value=values)
    rule["secs"]["dend"]["geom"]["pt3d"] = np.asfortranarray(points)
    rule["globals"]["celsius"] = np.float64(34)
    read = read_cell(write("a.pkl", pickle.dumps(rule, protocol))).rule
    assert read["secs"]["dend"]["mechs"]["pas"]["g"] == [1, 2, 3]
    assert read["secs"]["dend"]["geom"]["pt3d"] == points.tolist()
    assert read["globals"] == {"celsius": 34.0}


def python_2(value, protocol):
    """Pickle as Python 2 does: text as bytes, in protocol 0 as lines."""
    if isinstance(value, dict):
        parts = [(python_2(k, protocol), python_2(v, protocol)) for k, v in value.items()]
        if protocol == 0:
            return b"(d" + b"".join(k + v + b"s" for k, v in parts)
        return b"}(" + b"".join(k + v for k, v in parts) + b"u"
    if isinstance(value, list):
        parts = [python_2(entry, protocol) for entry in value]
        if protocol == 0:
            return b"(l" + b"".join(part + b"a" for part in parts)
        return b"](" + b"".join(parts) + b"e"
    if isinstance(value, str):
        text = value.encode("latin1")
        if protocol == 0:
            return b"S" + repr(text)[1:].encode() + b"\n"
        return b"U" + bytes([len(text)]) + text
    return pickle.dumps(value, protocol)[2 if protocol == 2 else 0 : -1]


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_python_2_pickle_is_read(write, protocol):
    rule = {**RULE, "note": "Purkinje, 2 \u00b5m"}
    head = b"\x80\x02" if protocol == 2 else b""
    assert read_cell(write("a.pkl", head + python_2(rule, protocol) + b".")).rule == rule


def test_array_in_a_python_2_pickle_is_read(write):
    """As Python 2 and its NumPy write it: the raw numbers are text there."""
    raw = np.array([1e-5, 2e-5, 3e-5]).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01(K\x03t"
        b"cnumpy\ndtype\n(U\x02f8K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tbI00\nU" + bytes([len(raw)]) + raw + b"tb"
    )
    rule = python_2(changed("secs", "dend", "mechs", "pas", "g", value="array"), 2)
    content = b"\x80\x02" + rule.replace(python_2("array", 2), array) + b"."
    assert read_cell(write("a.pkl", content)).rule == RULE


class Attack:
    """Calls something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


ATTACKS = {
    "os.system": lambda mark: Attack(os.system, f"touch {mark}"),
    "eval": lambda mark: Attack(builtins.eval, f"open({str(mark)!r}, 'w').close()"),
    "subprocess": lambda mark: Attack(subprocess.Popen, ["touch", str(mark)]),
    "open": lambda mark: Attack(open, str(mark), "w"),
    "getattr": lambda mark: Attack(getattr, Attack(__import__, "os"), "system"),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("hide", [lambda x: x, lambda x: {"secs": [{"soma": (x,)}]}])
def test_pickle_that_runs_code_is_refused_and_does_nothing(tmp_path, attack, protocol, hide):
    mark = tmp_path / "mark"
    file = tmp_path / "a.pkl"
    file.write_bytes(pickle.dumps(hide(attack(mark)), protocol))
    with pytest.raises(ModelError, match=r"a\.pkl cannot be read .*it holds an object of "):
        read_cell(file)
    assert not mark.exists()


def test_attacks_would_run_with_the_usual_unpickler(tmp_path):
    pickle.loads(pickle.dumps(ATTACKS["os.system"](tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "value", [np.array([None, {}]), np.zeros(2, "f8,i4"), np.array("2020-01-01", "M8[D]"), 1j, b"a"]
)
def test_pickle_of_other_data_is_refused(write, value):
    with pytest.raises(ModelError, match=r"cannot be read as a pickle"):
        read_cell(write("a.pkl", {**RULE, "more": value}))


def test_pickle_that_repeats_itself_without_end_is_refused(write):
    many = [0]
    for _ in range(60):
        many = [many] * 10
    loop = []
    loop.append(loop)
    with pytest.raises(ModelError, match="more than 10,000,000 entries"):
        read_cell(write("a.pkl", {**RULE, "more": many}))
    with pytest.raises(ModelError, match="recursion"):
        read_cell(write("a.pkl", {**RULE, "more": loop}))


CONTENT = {
    "json": json.dumps(RULE).encode(),
    **{
        f"{protocol}.pkl": pickle.dumps(
            {**RULE, "more": np.arange(3.0), "one": np.float64(1), "d": OrderedDict(a=1)}, protocol
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@given(name=st.sampled_from(sorted(CONTENT)), data=st.data())
def test_truncated_file_is_refused(tmp_path_factory, name, data):
    content = CONTENT[name]
    file = tmp_path_factory.mktemp("cut") / f"a.{name}"
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ModelError, match="cannot be read"):
        read_cell(file)


@given(name=st.sampled_from(sorted(CONTENT)), data=st.data())
def test_flipped_bits_raise_nothing_but_our_errors(tmp_path_factory, name, data):
    content = bytearray(CONTENT[name])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file = tmp_path_factory.mktemp("flip") / f"a.{name}"
    file.write_bytes(content)
    with contextlib.suppress(WscaleError):
        read_cell(file)


# ---------------------------------------------------------------------- hoc, Python, SWC


def test_python_class(write):
    file = write("ball_cells.py", HH_CLASS)
    cell = read_cell(file, cell_class="Ball", cell_args={"length": 25.0, "gna": 0.2})
    soma, dend = cell.rule["secs"]["soma"], cell.rule["secs"]["dend"]
    assert soma["geom"]["L"] == 25.0
    assert soma["mechs"]["hh"]["gnabar"] == 0.2
    assert dend["topol"] == {"parentSec": "soma", "parentX": 1.0, "childX": 0.0}
    assert dend["mechs"]["pas"]["g"] == pytest.approx([1e-3 / 6, 1e-3 / 2, 5e-3 / 6])
    assert cell.notices == ()
    assert cell.source == f"{file}:Ball"


def test_python_function(write):
    rule = read_cell(write("tuft.py", FUNCTION), cell_args=[2]).rule
    assert list(rule["secs"]) == ["soma", "t0", "t1"]
    assert rule["globals"] == {"celsius": 31.0}


def test_hoc_template(write):
    rule = read_cell(write("stick.hoc", TEMPLATE), cell_args=[20, 300]).rule
    assert rule["secs"]["dend"]["geom"]["nseg"] == 5
    assert rule["secs"]["dend"]["geom"]["L"] == 300.0
    assert set(rule["secs"]["soma"]["ions"]) == {"na", "k"}


def test_compartments_of_a_hoc_template_keep_lists_and_can_name_their_soma(write):
    file = write("chain.hoc", COMPARTMENTS)
    plain = read_cell(file, cell_class="chain")
    assert plain.rule["secLists"]["Soma"] == ["comp_0"]
    assert "no section's name starts with 'soma'" in plain.notices[0]
    named = read_cell(file, cell_class="chain", soma="comp_0")
    assert named.rule["secLists"]["Soma"] == ["soma"]
    assert named.rule["secs"]["comp_1"]["topol"]["parentSec"] == "soma"
    assert [named.rule["secs"][f"comp_{i}"]["geom"]["cm"] for i in (1, 4)] == [1.8, 1.8]
    with pytest.raises(ModelError, match="has no section 'comp_9'"):
        read_cell(file, soma="comp_9")


def test_hoc_without_a_template(write):
    assert set(read_cell(write("top.hoc", TOP_LEVEL)).rule["secs"]) == {"soma", "dend"}


def test_nothing_beside_a_morphology_is_imported(write):
    for module in ("json", "neuron", "netpyne", "wscale"):
        write(f"{module}.py", "raise SystemExit('this ran')")
    bare = {"*": {"mechs": {"pas": {"g": 3e-5, "e": -70}}, "geom": {"cm": 1, "Ra": 150}}}
    assert "soma" in " ".join(read_cell(write("small.swc", SWC), biophysics=bare).rule["secs"])


def test_morphology_with_biophysics(write, tmp_path):
    file = write("small.swc", SWC)
    biophysics = {**PASSIVE, "soma*": {"mechs": {"hh": {}, "pas": {"g": 1e-4}}}}
    biophysics["dend*"] = {"geom": {"nseg": 3}, "ions": {"k": {"e": -90}}}
    cell = read_cell(file, biophysics=biophysics)
    secs = cell.rule["secs"]
    assert list(secs) == ["soma_0", "dend_0", "dend_1", "dend_2", "apic_0"]
    assert secs["soma_0"]["mechs"] == {"pas": {"g": 1e-4, "e": -70}, "hh": {}}
    assert secs["dend_2"]["geom"]["nseg"] == 3
    assert secs["dend_2"]["geom"]["Ra"] == 150
    assert len(secs["dend_2"]["geom"]["pt3d"]) == 2
    assert secs["dend_2"]["ions"] == {"k": {"e": -90}}
    assert "nseg" in cell.notices[0]
    saved = write("biophysics.json", biophysics)
    assert read_cell(file, cell_class="swc_cell", biophysics=saved).rule == cell.rule
    with pytest.raises(ModelError, match=r"small\.swc is only a morphology.*give `biophysics`"):
        read_cell(file)


def test_point_process_cells(write, tmp_path):
    (tmp_path / "points").mkdir()
    for name, text in POINTS.items():
        write(f"points/{name}", text)
    file = write("pointed.py", POINT_CELL)
    options = {"cell_class": "Cell", "mod": tmp_path / "points"}
    shared = read_cell(file, cell_args=["SharedVoltage"], soma="sec", **options)
    assert shared.rule["secs"]["soma"]["pointps"]["SharedVoltage_0"]["k"] == 1e-3
    with pytest.raises(ModelError, match=r"is artificial: its voltage is that of 'OwnVoltage'"):
        read_cell(file, cell_args=["OwnVoltage"], biophysics=PASSIVE, **options)


LEFT_OUT = """
begintemplate Left
public soma, dend
create soma, dend
objref alpha, exp
proc init() {
  connect dend(0), soma(1)
  soma { insert pas  alpha = new AlphaSynapse(0.5)  exp = new ExpSyn(0.5) }
  dend { nseg = 3  insert pas  insert extracellular  %s }
}
endtemplate Left
"""


def test_what_netpyne_leaves_out_is_said_or_refused(write):
    """A stimulus whose name is that of a synapse; and arrays, here of extracellular."""
    cell = read_cell(write("left.hoc", LEFT_OUT % ""))
    [notice] = cell.notices
    assert "AlphaSynapse in section 'soma' is left out" in notice
    assert cell.rule["secs"]["dend"]["mechs"]["extracellular"] == {"e": 0.0}
    insulated = LEFT_OUT % "xg(0.5:1) = 1e-3:1e-3  xc[1](0.9) = 0.5"
    with pytest.raises(ModelError, match=r"'dend' sets 'xg', 'xc' of extracellular, which are arr"):
        read_cell(write("left.hoc", insulated))


# ---------------------------------------------------------------------- what is refused

FILES = {
    "cell.json": RULE,
    "two.json": {"PV": RULE, "SOM": RULE},
    "nothing.json": {"a": 1},
    "empty.json": {"secs": {}},
    "stim.json": {"Stim": {"cellModel": "NetStim"}},
    "flat.json": {"secs": {"soma": []}},
    "mech.json": changed("secs", "soma", "mechs", value={"hh": 1}),
    "vref.json": changed("secs", "soma", "pointps", value={"Izhi_0": {"vref": "V"}}),
    "orphan.json": changed("secs", "dend", "topol", "parentSec", value="some"),
    "place.json": changed("secs", "dend", "topol", "parentX", value=1.5),
    "cycle.json": changed("secs", "soma", "topol", value={"parentSec": "dend"}),
    "nan.json": changed("secs", "dend", "geom", "diam", value=math.nan),
    "negative.json": changed("secs", "dend", "geom", "L", value=-1),
    "half.json": changed("secs", "dend", "geom", "nseg", value=1.5),
    "points.json": changed("secs", "dend", "geom", "pt3d", value=[[0, 0, 0, -1]]),
    "lists.json": changed("secLists", value=[]),
    "bare.json": {"secs": {"soma": {"geom": {}, "mechs": {}}}},
    "a.txt": "",
    "a.SWC": SWC,
    "a.nml": "",
    "cells.py": HH_CLASS,
    "wrong.py": "def f(:",
    "raises.py": "def f():\n    raise ValueError('boom')",
    "leaves.py": "import os\ndef f():\n    os._exit(3)",
    "none.py": "def f():\n    pass",
    "twice.py": FUNCTION.replace("return cell", "cell.more = h.Section('soma'); return cell"),
    "stick.hoc": TEMPLATE,
    "wrong.hoc": TEMPLATE.replace("L = $1", "L = = $1"),
    "word.swc": SWC + "8 3 a b c d 1",
    "kind.swc": SWC + "8 9 0 0 0 1 1",
    "parent.swc": SWC + "8 3 0 0 0 1 99",
    "empty.swc": "# nothing",
    "small.swc": SWC,
    "bio.json": "{",
    "gated.hoc": TOP_LEVEL.replace("insert pas", "insert nosuch"),
    "gated.py": FUNCTION.replace('insert("pas")', 'insert("nosuch")'),
}
REFUSED = [
    ("gone.json", {}, r"there is no file .*gone\.json"),
    (".", {}, r"not from 'a file without suffix'"),
    ("a.txt", {}, r"a\.txt: cells are read from \.json"),
    ("a.SWC", {}, r"cells are read from .*not from '\.SWC'"),
    ("a.nml", {}, r"a\.nml is not XML that can be read"),
    ("two.json", {}, r"holds 2 cells \('PV', 'SOM'\); name one: `cell_class`"),
    ("two.json", {"cell_class": "PVx"}, r"no cell 'PVx' .*Did you mean 'PV'"),
    ("cell.json", {"cell_class": "PV"}, r"without a label: leave `cell_class` out"),
    ("cell.json", {"cell_args": [1]}, r"takes no arguments: leave `cell_args` out"),
    ("nothing.json", {}, r"holds no cell: expected"),
    ("empty.json", {}, r"has no sections"),
    ("stim.json", {}, r"artificial cell \(NetStim\)"),
    ("flat.json", {}, r"section 'soma' must be a dictionary"),
    ("mech.json", {}, r"mechs\.hh of 'soma' must be a dictionary"),
    ("vref.json", {}, r"is artificial: its voltage is 'V' of the point process Izhi_0"),
    ("orphan.json", {}, r"'dend' has the parent 'some', which is no section.*'soma'"),
    ("place.json", {}, r"'dend': parentX = 1\.5 must be between 0 and 1"),
    ("cycle.json", {}, r"soma -> dend -> soma are each other's parents"),
    ("nan.json", {}, r"'dend': diam = nan must be positive"),
    ("negative.json", {}, r"'dend': L = -1 must be positive"),
    ("half.json", {}, r"'dend': nseg = 1\.5 must be whole and positive"),
    ("points.json", {}, r"'dend': pt3d must be a list"),
    ("lists.json", {}, r"secLists must be a dictionary"),
    ("bare.json", {}, r"only a morphology"),
    ("cell.json", {"biophysics": {"x*": {}}}, r"'x\*' fits no section .*soma, dend"),
    ("cell.json", {"biophysics": {"*": {"mech": {}}}}, r"unknown key 'mech'.*Did you mean 'mechs'"),
    ("cell.json", {"biophysics": {"*": {"geom": {"ra": 1}}}}, r"unknown key 'ra'; allowed are Ra"),
    ("cell.json", {"biophysics": {"*": {"mechs": {"pas": 1}}}}, r"pas must be a dictionary"),
    ("cell.json", {"biophysics": {"dend": {"geom": {"nseg": 5}}}}, r"pas\.g of 'dend' has 3 val"),
    ("cell.json", {"biophysics": {"*": {"geom": {"cm": -1}}}}, r"'soma': cm = -1 must be positive"),
    ("cell.json", {"biophysics": []}, r"biophysics = \[\] must be a mapping"),
    ("cells.py", {}, r"has 2 class or function: 'Base', 'Ball'; say which"),
    ("cells.py", {"cell_class": "Bal"}, r"no class or function 'Bal' .*Did you mean 'Ball'"),
    ("cells.py", {"cell_class": "Ball", "cell_args": [1, 2]}, r"Ball of .*TypeError.*positional"),
    ("wrong.py", {}, r"is not Python that can be read: invalid syntax"),
    ("raises.py", {}, r"f of .*raises\.py failed with cell_args = \[\]: ValueError: boom"),
    ("leaves.py", {}, r"ended its process \(exit status 3\)"),
    ("none.py", {}, r"has no sections"),
    ("twice.py", {"cell_args": [1]}, r"3 sections with 2 different names"),
    ("stick.hoc", {"cell_class": "Ghost"}, r"no template or procedure 'Ghost' \(it has 'Stick'\)"),
    ("stick.hoc", {}, r"template Stick in .* takes 2 arguments, but cell_args has 0"),
    ("stick.hoc", {"cell_args": {"L": 1}}, r"arguments in order; give a list"),
    ("wrong.hoc", {"cell_args": [1, 2]}, r"(?s)wrong\.hoc failed.*syntax error"),
    ("gated.hoc", {}, r"(?s)nosuch is not a MECHANISM.*give the folder of its \.mod .* `mod`"),
    ("gated.py", {"cell_args": [1]}, r"(?s)density mechanism.*no mod/ beside the file.* `mod`"),
    ("small.swc", {"biophysics": {"basal": {}}}, r"has soma_0, dend_0\.\.2, apic_0\)"),
    ("word.swc", {}, r"line 9: '8 3 a b c d 1' is not a point of SWC"),
    ("kind.swc", {}, r"line 9: .*type 9 is none of 1 \(soma\)"),
    ("parent.swc", {}, r"line 9: .*the parent a point before it"),
    ("empty.swc", {}, r"has no points"),
    ("empty.swc", {"cell_args": [1]}, r"takes no arguments"),
]


@pytest.mark.parametrize(
    ("name", "options", "message"), REFUSED, ids=[f"{r[0]}-{i}" for i, r in enumerate(REFUSED)]
)
def test_what_cannot_be_read_is_refused_with_the_reason(write, tmp_path, name, options, message):
    if name in FILES:
        write(name, FILES[name])
    with pytest.raises(ModelError, match=message):
        read_cell(tmp_path / name, **options)


def test_biophysics_file_that_is_no_json_is_refused(write):
    with pytest.raises(ModelError, match=r"bio\.json cannot be read as JSON"):
        read_cell(write("cell.json", RULE), biophysics=write("bio.json", "{"))


# ---------------------------------------------------------------------- what a file says beside


@pytest.mark.parametrize(
    ("name", "text", "options", "found"),
    [
        ("a.hoc", TOP_LEVEL + "celsius = 6.3\nv_init = -65\n", {}, (6.3, -65.0, -65.0)),
        ("a.hoc", 'load_file("nrngui.hoc")\n' + TEMPLATE, STICK, (None, None, None)),
        ("a.hoc", "v_init = -80\n" + TOP_LEVEL, {}, (None, -80.0, -80.0)),
        ("b.py", FUNCTION.replace("= 31", "= 6.3"), {"cell_args": [1]}, (6.3, None, None)),
    ],
)
def test_a_temperature_that_a_file_sets_is_kept(write, name, text, options, found):
    """Also where it is the one that NEURON starts with; NetPyNE's import drops that."""
    rule = read_cell(write(name, text), **options).rule
    own = rule.get("globals", {})
    soma = rule["secs"]["soma"]
    assert (own.get("celsius"), own.get("v_init"), soma.get("vinit")) == found


def test_nmodl_beside_a_file_that_does_not_compile_and_is_not_needed(write, tmp_path):
    (tmp_path / "mod").mkdir()
    write("mod/shared.mod", POINTS["shared.mod"])
    write("mod/wrong.mod", POINTS["own.mod"].replace("SOLVE run", "SOLVE walk"))
    cell = read_cell(write("pointed.py", POINT_CELL), cell_args=["SharedVoltage"], soma="sec")
    assert cell.mod == str(tmp_path / "mod")
    assert not any("wrong.mod" in notice for notice in cell.notices)


def test_sections_that_no_pattern_fits_are_said(write):
    some = {"soma*": PASSIVE["*"], "dend*": PASSIVE["*"]}
    notices = read_cell(write("small.swc", SWC), biophysics=some).notices
    assert "biophysics: no pattern fits 1 of 5 sections (apic_0), which have no" in notices[0]


def test_the_synapses_of_a_saved_network_come_along(write):
    mechs = {"AMPA": {"mod": "Exp2Syn", "tau1": 0.05, "tau2": 5.3, "e": 0}}
    params = {"cellParams": {"PV": RULE, "SOM": RULE}, "synMechParams": mechs}
    saved = {"net": {"params": params}, "simConfig": {"hParams": {"celsius": 37, "v_init": -72}}}
    cell = read_cell(write("net.json", saved), cell_class="PV")
    assert cell.syn_mechs == mechs
    assert cell.rule["globals"] == {"celsius": 37, "v_init": -72}
