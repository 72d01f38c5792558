"""Cells of hoc as people have them: programs, several files, templates that need others."""

from __future__ import annotations

import pytest
from helpers.inside import wscale

from wscale.cells.cell_file import CellFile, check_cell_file, read_cell
from wscale.errors import ModelError

MARK = b"\xef\xbb\xbf"
MEMBRANE = "forall { insert pas  g_pas = 5e-5  e_pas = -65 }\n"

# Windows, a stimulus and a run, as in a demonstration
PROGRAM = """load_file("nrngui.hoc")
create soma, dend[2]
access soma
connect dend[0](0), soma(1)
connect dend[1](0), dend[0](1)
soma { L = 20  diam = 20 }
dend[1] { L = 300  diam = 2  nseg = 3 }
forall { insert pas  g_pas = 5e-5  e_pas = -65 }
gmax_pas = 7  // a variable of the program, not one of pas
celsius = 37
objref tuft, stim, trace, box, shape
tuft = new SectionList()
dend[1] tuft.append()
soma stim = new IClamp(0.5)
stim.dur = 5
stim.amp = 0.3
box = new VBox()
box.intercept(1)
trace = new Graph()
trace.size(0, 5, -70, 30)
trace.addvar("soma.v(0.5)", 1, 1)
xpanel("Demonstration")
xbutton("Again", "run()")
xpanel()
box.intercept(0)
box.map()
shape = new PlotShape()
shape.variable("v")
nrncontrolmenu()
tstop = 1
run()
"""

# The same shape at two sizes
PART = """begintemplate Part
public soma, dend, spiny
create soma, dend
objref spiny
proc init() {
  connect dend(0), soma(1)
  soma { L = 20  diam = 20 }
  dend { L = 300  diam = 2  nseg = 3 }
  forall { insert pas  g_pas = 5e-5  e_pas = -65 }
  spiny = new SectionList()
  dend spiny.append()
}
endtemplate Part
"""
BIG = PART.replace("Part", "Big").replace("L = 300", "L = 600")
MADE = "objref cell\ncell = new Part()\n"

# A cell whose dendrite is another template's
WHOLE = """begintemplate Tip
public tip
create tip
proc init() { tip insert pas }
endtemplate Tip
begintemplate Whole
public soma, end
create soma
objref end
proc init() {
  soma insert pas
  end = new Tip()
  connect end.tip(0), soma(1)
}
endtemplate Whole
"""

# Buttons call what makes the cell; the file itself makes a bare soma
BUTTONS = """create soma, dend
func area_of() { return PI * $1 * $1 }
proc fill() {
  connect dend(0), soma(1)
  dend { L = $1  diam = 2 }
  forall { insert pas  e_pas = -65 }
}
proc short() { fill(100) }
proc long() { fill(400) }
xpanel("Cells")
xbutton("Short", "short()")
xbutton("Long", "long()")
xpanel()
"""

# A membrane that another template inserts
NEEDS = """begintemplate Needs
public soma
create soma
objref membrane
proc init() {
  soma { L = 20  diam = 20 }
  membrane = new Membrane()
  soma membrane.insert_into()
}
endtemplate Needs
"""
MEMBRANES = """begintemplate Membrane
public insert_into
proc insert_into() { insert pas  g_pas = 5e-5 }
endtemplate Membrane
"""

READS = """begintemplate Reads
public soma, dend, axon, apic, all, somatic, basal, apical, axonal
objref all, somatic, basal, apical, axonal, this
create soma[1], dend[1], axon[1], apic[1]
proc init() { localobj reader, importer
  all = new SectionList()
  somatic = new SectionList()
  basal = new SectionList()
  apical = new SectionList()
  axonal = new SectionList()
  forall delete_section()
  reader = new Import3d_Neurolucida3()
  reader.quiet = 1
  reader.input($s1)
  importer = new Import3d_GUI(reader, 0)
  importer.instantiate(this)
  forsec all { insert pas  e_pas = -65 }
}
endtemplate Reads
"""
NEUROLUCIDA = b"""; a square soma and a dendrite
("Cell Body"
  (CellBody)
  (   -5.0   0.0   0.0   0.1)
  (    0.0   5.0   0.0   0.1)
  (    5.0   0.0   0.0   0.1)
  (    0.0  -5.0   0.0   0.1)
)
( (Dendrite)
  (    0.0   5.0   0.0   1.0)
  (    0.0  60.0   0.0   1.0)
)
"""


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def length_um(cell, sec="dend"):
    return cell.rule["secs"][sec]["geom"]["L"]


# ---------------------------------------------------------------------- programs


def test_a_program_with_windows_a_stimulus_and_a_run(write):
    cell = read_cell(write("demo.hoc", PROGRAM))
    secs = cell.rule["secs"]
    assert list(secs) == ["soma", "dend_0", "dend_1"]
    assert secs["dend_1"]["topol"] == {"parentSec": "dend_0", "parentX": 1.0, "childX": 0.0}
    assert cell.rule["secLists"] == {"tuft": ["dend_1"]}
    assert cell.rule["globals"] == {"celsius": 37.0}
    assert not any("pointps" in sec for sec in secs.values())
    [notice] = cell.notices
    assert "point processes are left out, as parts of an experiment: 'IClamp on soma'" in notice


def test_a_program_in_several_files(write):
    """Loaded from another folder, from one of its own, and with the ends of lines of Windows."""
    write("shape.nrn", "create soma, dend\nconnect dend(0), soma(1)\ndend.L = 300\n")
    write("parts/membrane.hoc", MEMBRANE.replace("\n", "\r\n"))
    cell = read_cell(write("main.oc", 'xopen("shape.nrn")\nload_file("parts/membrane.hoc")\n'))
    assert length_um(cell) == 300
    assert cell.rule["secs"]["soma"]["mechs"]["pas"]["g"] == 5e-5
    assert cell.notices == ()


def test_a_procedure_makes_the_cell(write):
    file = write("demo.hoc", BUTTONS)
    with pytest.raises(ModelError, match=r"procedure of the file inserts.*: 'short', 'long'$"):
        read_cell(file)
    assert length_um(read_cell(file, cell_class="long")) == 400
    assert length_um(read_cell(file, cell_class="fill", cell_args=[50])) == 50
    with pytest.raises(
        ModelError, match=r"procedure fill .*takes 1 argument, .*`cell_args=\[20\]`"
    ):
        read_cell(file, cell_class="fill")
    with pytest.raises(ModelError, match=r"no template or procedure 'lon' .*Did you mean 'long'"):
        read_cell(file, cell_class="lon")
    with pytest.raises(ModelError, match=r"name the template or procedure.* \('short', 'long'\)"):
        read_cell(file, cell_args=[50])


def test_parameters_that_the_programs_init_sets(write):
    """As programs do that choose e_pas so that the cell rests."""
    init = "proc init() {\n  finitialize(-65)\n  forall for (x, 0) e_pas(x) = -65 - x\n}\n"
    text = "create soma, dend\nconnect dend(0), soma(1)\ndend.nseg = 2\nforall insert pas\n"
    file = write("rests.hoc", text + init)
    plain = read_cell(file)
    assert plain.rule["secs"]["dend"]["mechs"]["pas"]["e"] == -70
    assert "procedure init, which NEURON calls before a run, has not been" in plain.notices[0]
    rests = read_cell(file, cell_class="init")
    assert rests.rule["secs"]["dend"]["mechs"]["pas"]["e"] == [-65.25, -65.75]
    assert rests.notices == ()
    assert CellFile(str(file), "init").label == "rests"


def test_a_program_that_makes_nothing(write):
    file = write("main.hoc", 'proc cell() { execute("create soma") }\nload_file("gone.hoc")\n')
    with pytest.raises(ModelError) as refused:
        read_cell(file)
    said = str(refused.value)
    assert "has made no section; name the procedure that makes the cell with `cell_class`" in said
    assert "it has 'cell'" in said
    assert "Couldn't find: gone.hoc" in said


def test_a_program_that_quits(write):
    with pytest.raises(ModelError, match=r"ended its process .*before the cell was there"):
        read_cell(write("demo.hoc", PROGRAM + "quit()\n"))


def test_ion_styles_that_netpyne_does_not_keep_are_said(write):
    text = "create soma\nsoma { insert hh  ion_style" + '("k_ion", 1, 2, 1, 1, 1) }\n'
    [notice] = read_cell(write("cell.hoc", text)).notices
    assert "ek of 1 section is computed from the concentrations by ion_style" in notice
    assert "in NetPyNE, which keeps no ion_style, it is fixed" in notice


# ---------------------------------------------------------------------- templates


@pytest.mark.parametrize("loaded", ["", MADE], ids=["not called", "called"])
def test_a_template_in_a_loaded_file(write, loaded):
    """Taken without being asked for, whether the program calls it or not."""
    write("parts.hoc", PART)
    file = write("main.hoc", 'xopen("parts.hoc")\n' + loaded)
    cell = read_cell(file)
    assert set(cell.rule["secs"]) == {"soma", "dend"}
    assert cell.rule["secLists"] == {"spiny": ["dend"]}
    assert cell.notices == ()
    again = read_cell(file, cell_class="Part")
    assert again.rule == cell.rule
    assert any("2 sections that the file makes by itself left out" in n for n in again.notices) == (
        loaded == MADE
    )


def test_several_templates(write):
    write("parts.hoc", PART)
    write("big.hoc", BIG)
    text = 'load_file("parts.hoc")\nload_file("big.hoc")\n'
    file = write("main.hoc", text)
    with pytest.raises(ModelError, match=r"template that makes the cell with `cell_class`.*'Part'"):
        read_cell(file)
    assert length_um(read_cell(file, cell_class="Big")) == 600
    made = read_cell(write("made.hoc", text + MADE))
    assert length_um(made) == 300
    assert "the cell is Part[0], which the file makes" in made.notices[0]
    assert "for another template, name it with `cell_class`: 'Big'" in made.notices[0]
    both = write("both.hoc", text + MADE + "objref other\nother = new Big()\n")
    with pytest.raises(ModelError, match=r"4 sections with 2 different.*`: 'Part', 'Big'$"):
        read_cell(both)
    assert length_um(read_cell(both, cell_class="Big")) == 600


def test_a_template_that_is_a_part_of_another_is_not_meant(write):
    assert set(read_cell(write("whole.hoc", WHOLE)).rule["secs"]) == {"soma", "tip"}


def test_sections_beside_a_template(write):
    """Without mechanisms they are no cell, such as the section that some files only access."""
    home = "create home\naccess home\n"
    cell = read_cell(write("home.hoc", PART + home))
    assert set(cell.rule["secs"]) == {"soma", "dend"}
    assert "1 section that the file makes by itself left out" in cell.notices[0]
    cell = read_cell(write("made.hoc", PART + home + MADE))
    assert set(cell.rule["secs"]) == {"soma", "dend"}
    assert "without mechanisms and connected to nothing: home" in cell.notices[0]
    cell = read_cell(write("own.hoc", PART + "create soma\nsoma insert hh\n"))
    assert set(cell.rule["secs"]) == {"soma"}
    assert "for another template, name it with `cell_class`: 'Part'" in cell.notices[0]


def test_a_template_that_needs_another(write):
    file = write("needs.hoc", NEEDS)
    with pytest.raises(ModelError, match=r"needs\.hoc failed"):
        read_cell(file)
    write("membrane.hoc", MEMBRANES)
    cell = read_cell(file)
    assert cell.rule["secs"]["soma"]["mechs"]["pas"]["g"] == 5e-5
    assert "'membrane.hoc' loaded first, for the templates there" in cell.notices[0]
    write("other.hoc", MEMBRANES.replace("5e-5", "1e-4"))
    with pytest.raises(ModelError) as refused:
        read_cell(file)
    assert "needs a template Membrane, which several files" in str(refused.value)
    assert '  load_file("membrane.hoc")\n  load_file("needs.hoc")' in str(refused.value)
    chosen = write("chosen.hoc", 'load_file("other.hoc")\nload_file("needs.hoc")\n')
    assert read_cell(chosen).rule["secs"]["soma"]["mechs"]["pas"]["g"] == 1e-4
    with pytest.raises(ModelError, match=r"no template .*'Needs'.*needs\.hoc has it: give that"):
        read_cell(write("empty.hoc", ""), cell_class="Needs")


def test_a_morphology_is_found_from_the_file_and_from_here(write, tmp_path, monkeypatch):
    """Read by NEURON's import3d, which the file does not load; with a byte-order mark."""
    write("shapes/square.asc", MARK + NEUROLUCIDA)
    file = write("cells/reads.hoc", READS)
    monkeypatch.chdir(tmp_path)
    near, far = (
        read_cell(file, cell_args=[name]) for name in ("../shapes/square.asc", "shapes/square.asc")
    )
    assert near.rule == far.rule
    assert set(near.rule["secs"]) == {"soma_0", "dend_0"}
    assert near.rule["secLists"]["basal"] == ["dend_0"]
    with pytest.raises(ModelError, match=r"takes 1 argument, .*`cell_args=\['text'\]`"):
        read_cell(file)
    with pytest.raises(ModelError, match=r"(?s)failed.*could not open gone\.asc"):
        read_cell(file, cell_args=["gone.asc"])


READ_IN_PYTHON = """from neuron import h
class Reads:
    def __init__(self):
        reader = h.Import3d_Neurolucida3()
        reader.quiet = 1
        reader.input("square.asc")
        h.Import3d_GUI(reader, False).instantiate(self)
        for sec in self.all:
            sec.insert("pas")
"""
READ_AT_THE_TOP = """objref reader, importer
reader = new Import3d_Neurolucida3()
reader.quiet = 1
reader.input("square.asc")
importer = new Import3d_GUI(reader, 0)
importer.instantiate(nil)
forall insert pas
"""


@pytest.mark.parametrize(
    ("name", "text"), [("reads.py", READ_IN_PYTHON), ("top.hoc", READ_AT_THE_TOP)]
)
def test_import3d_is_loaded_for_wrappers_that_do_not(write, name, text):
    write("square.asc", NEUROLUCIDA)
    cell = read_cell(write(name, text))
    assert {sec.split("_")[0] for sec in cell.rule["secs"]} == {"soma", "dend"}


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1_cell.hoc", "// NEURON would skip what follows\n" + PART),
        (
            "1-cell.py",
            "from neuron import h\nclass One:\n    def __init__(self):\n"
            "        self.soma = h.Section('soma', self)\n        self.soma.insert('pas')\n",
        ),
        ("1_cell.swc", "1 1 0 0 0 7 -1\n2 1 0 7 0 7 1\n3 3 0 14 0 1 2\n4 3 0 50 0 0.9 3\n"),
        ("1_cell.json", '{"secs": {"soma": {"geom": {"nseg": 1}, "mechs": {"pas": {}}}}}'),
    ],
    ids=["hoc", "py", "swc", "json"],
)
def test_byte_order_marks_and_ends_of_lines(write, name, text, ends):
    options = {"biophysics": {"*": {"mechs": {"pas": {}}}}} if name.endswith("swc") else {}
    plain = read_cell(write(name, text), **options)
    content = MARK + text.encode().replace(b"\n", ends)
    assert read_cell(write(name, content), **options).rule == plain.rule


def test_a_byte_order_mark_in_a_file_that_is_loaded_is_refused(write):
    """NEURON would leave out what follows it without a word."""
    write("parts.hoc", MARK + PART.encode())
    file = write("main.hoc", 'load_file("parts.hoc")\n')
    with pytest.raises(ModelError, match=r"parts\.hoc begins with a byte-order mark.*save it as"):
        check_cell_file(CellFile(str(file)))


def test_the_command(write, tmp_path):
    """From a program in a folder of its own to a model folder that rests."""
    write("my model/472_cell.hoc", PROGRAM)
    done = wscale("new", "mine", "--cell-file", "my model/472_cell.hoc", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "celsius = 37 is the cell's own, from its file" in said
    assert "'IClamp on soma'" in said
    done = wscale(
        "new", "other", "--cell-file", "my model/472_cell.hoc", "--cell-class", "x", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "has no template or procedure 'x'" in done.stderr
    assert not (tmp_path / "other").exists()
