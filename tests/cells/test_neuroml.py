"""NeuroML2 cells against cells written by hand, and what is refused."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from wscale import Model
from wscale.cells.cell_file import CellFile, read_cell
from wscale.errors import ModelError
from wscale.mechanisms.library import sources_of

REPO = Path(__file__).resolve().parents[2]
HERE = all(find_spec(package) for package in ("neuroml", "pyneuroml"))
extra = pytest.mark.skipif(not HERE, reason="needs the extra 'neuroml'")
java = pytest.mark.skipif(
    not HERE or shutil.which("java") is None,
    reason="needs the extra 'neuroml' and Java (Debian/Ubuntu: apt install default-jre-headless)",
)

NAMESPACE = 'xmlns="http://www.neuroml.org/schema/neuroml2"'
SECTION = 'neuroLexId="sao864921383"'
# A soma that is a sphere, a dendrite of two segments, and a branch from where the two meet
MORPHOLOGY = f"""
<morphology id="m">
  <segment id="0" name="soma">
    <proximal x="0" y="7" z="0" diameter="20"/><distal x="0" y="7" z="0" diameter="20"/>
  </segment>
  <segment id="1" name="near"><parent segment="0"/>
    <proximal x="0" y="27" z="0" diameter="2"/><distal x="0" y="127" z="0" diameter="2"/>
  </segment>
  <segment id="2" name="far"><parent segment="1"/><distal x="0" y="227" z="0" diameter="1"/>
  </segment>
  <segment id="3" name="side"><parent segment="1"/><distal x="120" y="127" z="0" diameter="1"/>
  </segment>
  <segmentGroup id="soma" {SECTION}><member segment="0"/></segmentGroup>
  <segmentGroup id="dend" {SECTION}>
    <property tag="numberInternalDivisions" value="5"/><member segment="1"/><member segment="2"/>
  </segmentGroup>
  <segmentGroup id="branch" {SECTION}>
    <property tag="numberInternalDivisions" value="3"/><member segment="3"/>
  </segmentGroup>
  <segmentGroup id="dendrites"><include segmentGroup="dend"/><member segment="3"/></segmentGroup>
  <segmentGroup id="all"><include segmentGroup="soma"/><include segmentGroup="dendrites"/>
  </segmentGroup>
  <segmentGroup id="tip"><member segment="2"/></segmentGroup>
</morphology>
"""
PAS = """
<channelDensity id="leak" ionChannel="pas" condDensity="0.5 S_per_m2" erev="-70mV"
  ion="non_specific" segmentGroup="all"/>
"""
HH = """
<channelDensity id="leaks" ionChannel="leak" condDensity="0.3 mS_per_cm2" erev="-54.3mV"
  ion="non_specific"/>
<channelDensity id="nas" ionChannel="naf" condDensity="120 mS_per_cm2" erev="50mV" ion="na"
  segmentGroup="soma"/>
<channelDensity id="ks" ionChannel="kdr" condDensity="36 mS_per_cm2" erev="-77mV" ion="k"
  segmentGroup="soma"/>
"""
# Hodgkin and Huxley's equations of 1952, the rest at -65 mV
CHANNELS = f"""<neuroml {NAMESPACE} id="channels">
<ionChannel id="pas" conductance="10pS" type="ionChannelPassive"/>
<ionChannelHH id="leak" conductance="10pS"/>
<ionChannelHH id="naf" conductance="10pS" species="na">
  <gateHHrates id="m" instances="3">
    <forwardRate type="HHExpLinearRate" rate="1per_ms" midpoint="-40mV" scale="10mV"/>
    <reverseRate type="HHExpRate" rate="4per_ms" midpoint="-65mV" scale="-18mV"/>
  </gateHHrates>
  <gateHHrates id="h" instances="1">
    <forwardRate type="HHExpRate" rate="0.07per_ms" midpoint="-65mV" scale="-20mV"/>
    <reverseRate type="HHSigmoidRate" rate="1per_ms" midpoint="-35mV" scale="10mV"/>
  </gateHHrates>
</ionChannelHH>
<ionChannelHH id="kdr" conductance="10pS" species="k">
  <gateHHrates id="n" instances="4">
    <forwardRate type="HHExpLinearRate" rate="0.1per_ms" midpoint="-55mV" scale="10mV"/>
    <reverseRate type="HHExpRate" rate="0.125per_ms" midpoint="-65mV" scale="-80mV"/>
  </gateHHrates>
</ionChannelHH>
</neuroml>"""
# The same cells by hand
GEOM = {
    "soma": {"L": 20.0, "diam": 20.0, "nseg": 1, "cm": 1.0, "Ra": 150.0},
    "dend": {"nseg": 5, "pt3d": [[0, 27, 0, 2], [0, 127, 0, 2], [0, 227, 0, 1]]},
    "branch": {"nseg": 3, "pt3d": [[0, 127, 0, 2], [120, 127, 0, 1]]},
}
TOPOL = {
    "dend": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0},
    "branch": {"parentSec": "dend", "parentX": 0.5, "childX": 0.0},
}
# Runs in a process of its own, which holds one set of mechanisms
MEASURE = """
import json, sys
from wscale import Model, Rig, list_sites
from wscale.cells.cell_file import CellFile
from wscale.mechanisms.loading import import_neuron
repo, mods, cfg = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
import_neuron().usetable_hh = 0
cfg = {"cell": "PV_simple", "NetStim1.start": 200, "duration": 300, **cfg}
for file in sys.argv[4:]:
    model = Model.from_folder(repo, None, cfg, mods, cell_file=CellFile(file))
    sites = list_sites(model)
    with Rig(model, sites) as rig:
        found = rig.respond([(site, 2e-4) for site in sites])
        assert rig.respond([(site, 2e-4) for site in sites[::-1]])[::-1] == found
    measured = [[str(s), r.baseline_mV, r.epsp_mV] for s, r in zip(sites, found, strict=True)]
    print("measured", json.dumps(measured))
"""


def cell_text(densities=PAS, morphology=MORPHOLOGY, rest="-70mV", head="", inside="", name="Cell"):
    return f"""<neuroml {NAMESPACE} id="doc"><include href="channels.nml"/>{head}
<cell id="{name}">{morphology}<biophysicalProperties id="b"><membraneProperties>{densities}
  <spikeThresh value="0mV"/><specificCapacitance value="1.0 uF_per_cm2"/>
  <initMembPotential value="{rest}"/></membraneProperties>
  <intracellularProperties>{inside}<resistivity value="0.15 kohm_cm"/></intracellularProperties>
</biophysicalProperties></cell></neuroml>"""


def by_hand(mechs, rest):
    secs = {}
    for name, geom in GEOM.items():
        secs[name] = {"geom": {**geom, "cm": 1.0, "Ra": 150.0}, "vinit": rest, **mechs(name)}
        secs[name]["topol"] = TOPOL.get(name, {})
    return {"secs": secs}


@pytest.fixture(scope="module", autouse=True)
def _short_runs_of_java():
    """Java does not make fast what runs for a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture
def write(tmp_path):
    (tmp_path / "channels.nml").write_text(CHANNELS)

    def write_file(name, text):
        (tmp_path / name).write_text(text if isinstance(text, str) else json.dumps(text))
        return tmp_path / name

    return write_file


def measure(mods, cfg, *files):
    """Rest and EPSP at each segment of cells that are simulated with the same mechanisms."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, REPO, json.dumps(mods), json.dumps(cfg), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line[9:] for line in done.stdout.splitlines() if line.startswith("measured ")]
    assert len(lines) == len(files), done.stderr
    return [json.loads(line) for line in lines]


def compare(ours, theirs, rest_mV, relative):
    assert [site for site, *_ in ours] == [site for site, *_ in theirs]
    assert len(ours) == 9
    for (_, rest, epsp), (_, other_rest, other_epsp) in zip(ours, theirs, strict=True):
        assert rest == pytest.approx(other_rest, abs=rest_mV)
        assert epsp == pytest.approx(other_epsp, rel=relative)
        assert epsp > 0.1


# ---------------------------------------------------------------------- what is read


@extra
@pytest.mark.slow
def test_passive_cell_is_the_one_written_by_hand(write):
    file = write("passive.cell.nml", cell_text())
    hand = by_hand(lambda _: {"mechs": {"pas": {"g": 5e-5, "e": -70.0}}}, -70.0)
    found = read_cell(file)
    assert found.source == f"{file}:Cell"
    assert (found.mod, found.notices) == (None, ())
    assert found.rule["secLists"] == {
        "all": ["soma", "dend", "branch"],
        "dendrites": ["dend", "branch"],
    }
    for name, sec in hand["secs"].items():
        read = found.rule["secs"][name]
        assert read["mechs"]["pas"] == pytest.approx(sec["mechs"]["pas"])
        assert read.get("topol", {}) == sec["topol"]
        assert read["vinit"] == -70.0
        if name != "soma":
            assert read["geom"] == sec["geom"]
    assert found.rule["secs"]["soma"]["geom"]["pt3d"] == [[0, 7, 0, 20], [0, 27, 0, 20]]
    compare(*measure([str(REPO / "mod")], {}, file, write("hand.json", hand)), 1e-9, 1e-6)
    assert CellFile(str(file)).label == "passive"


@java
@pytest.mark.slow
def test_hodgkin_huxley_channels_are_neurons_own(write, tmp_path):
    file = write("hh.cell.nml", cell_text(HH, rest="-65mV"))

    def mechs(name):
        if name != "soma":
            return {"mechs": {"pas": {"g": 3e-4, "e": -54.3}}}
        hh = {"gnabar": 0.12, "gkbar": 0.036, "gl": 3e-4, "el": -54.3}
        return {"mechs": {"hh": hh}, "ions": {"na": {"e": 50}, "k": {"e": -77}}}

    found = read_cell(file)
    assert found.rule["secs"]["soma"]["mechs"].keys() == {"leak", "naf", "kdr"}
    assert {path.name for path in Path(found.mod).iterdir()} == {"leak.mod", "naf.mod", "kdr.mod"}
    assert "jNeuroML wrote the NMODL of 'leak', 'naf', 'kdr'" in found.notices[0]
    text = (Path(found.mod) / "naf.mod").read_text()
    assert "m_q' = ( m_inf" in text  # solved exactly
    assert re.search(r"SOLVE states METHOD cnexp\s+rates\(\)", text)  # no conductance of before
    assert read_cell(file).mod == found.mod
    synapses = tmp_path / "mod"
    synapses.mkdir()
    for name in ("MyExp2SynBB.mod", "MyExp2SynNMDABB.mod"):
        shutil.copy(REPO / "mod" / name, synapses)
    cfg = {"hParams.celsius": 6.3}
    files = file, write("hand.json", by_hand(mechs, -65.0))
    compare(*measure([str(synapses), found.mod], cfg, *files), 1e-6, 1e-5)


@java
def test_channel_whose_name_is_taken_gets_another(write, tmp_path):
    (tmp_path / "mod").mkdir()
    (tmp_path / "mod" / "own.mod").write_text("NEURON { SUFFIX naf }\n")
    found = read_cell(write("hh.cell.nml", cell_text(HH)), mod=tmp_path / "mod")
    assert found.rule["secs"]["soma"]["mechs"].keys() == {"leak", "naf_nml2", "kdr"}
    assert "SUFFIX naf_nml2" in (Path(found.mod) / "naf_nml2.mod").read_text()


@java
def test_model_has_the_cells_channels_beside_its_own(write, load):
    write("channels.nml", CHANNELS.replace('"naf"', '"cal"'))  # the repository has another cal
    file = write("hh.cell.nml", cell_text(HH.replace('"naf"', '"cal"')))
    model = Model.from_folder(REPO, None, {"cell": "PV_simple"}, cell_file=CellFile(str(file)))
    names = set(sources_of(model.mod))
    assert names - set(sources_of(REPO / "mod")) == {"leak.mod", "cal_nml2.mod", "kdr_nml2.mod"}
    assert names > set(sources_of(REPO / "mod"))
    assert model.rule["secs"]["soma"]["mechs"].keys() == {"leak", "cal_nml2", "kdr_nml2"}
    assert model.mechanism_hash != load("PV_simple").mechanism_hash
    assert len(model.searched) == 2


@java
def test_channel_with_a_name_of_neuron(write):
    write("channels.nml", CHANNELS.replace('"leak"', '"hh"'))
    found = read_cell(write("hh.cell.nml", cell_text(HH.replace('"leak"', '"hh"'))))
    [name] = {"hh", "hh_nml2"} & found.rule["secs"]["dend"]["mechs"].keys()
    assert name == "hh_nml2"


@extra
def test_density_along_a_path(write):
    path = '<inhomogeneousParameter id="p" variable="p" metric="Path Length from root"/>'
    morphology = MORPHOLOGY.replace(
        '<include segmentGroup="dend"/><member segment="3"/></segmentGroup>',
        f'<include segmentGroup="dend"/><include segmentGroup="branch"/>{path}</segmentGroup>',
    )
    densities = PAS.replace('"all"', '"soma"') + varying("0.5 * exp(-p / 200) + H(p - 500)")
    rule = read_cell(write("c.nml", cell_text(densities, morphology))).rule
    assert rule["secs"]["soma"]["mechs"]["pas"]["g"] == pytest.approx(5e-5)
    for name, first, length in (("dend", 20, 200), ("branch", 120, 120)):
        nseg = rule["secs"][name]["geom"]["nseg"]
        places = [first + length * (i + 0.5) / nseg for i in range(nseg)]
        wanted = [0.5e-4 * math.exp(-p / 200) for p in places]
        assert rule["secs"][name]["mechs"]["pas"]["g"] == pytest.approx(wanted, rel=1e-6)


def varying(formula):
    return f"""<channelDensityNonUniform id="v" ionChannel="pas" erev="-70mV" ion="non_specific">
<variableParameter parameter="condDensity" segmentGroup="dendrites">
<inhomogeneousValue inhomogeneousParameter="p" value="{formula}"/></variableParameter>
</channelDensityNonUniform>"""


@extra
def test_segments_are_the_sections_where_none_are_marked(write):
    morphology = MORPHOLOGY.replace(SECTION, "").replace('name="far"', 'name="near"')
    morphology = morphology.replace(
        '<parent segment="1"/>', '<parent segment="1" fractionAlong="0.25"/>', 1
    )
    file = write("c.nml", cell_text(PAS.replace('"all"', '"dendrites"'), morphology))
    secs = read_cell(file).rule["secs"]
    assert list(secs) == ["soma", "near_1", "near_2", "side"]
    assert [name for name in secs if secs[name]["mechs"]] == ["near_1", "near_2", "side"]
    assert secs["near_2"]["topol"] == {"parentSec": "near_1", "parentX": 0.25, "childX": 0}
    assert secs["near_2"]["geom"]["pt3d"][0] == [0, 52, 0, 2]


@extra
def test_section_that_begins_inside_a_segment(write):
    morphology = MORPHOLOGY.replace(
        '<parent segment="0"/>', '<parent segment="0" fractionAlong="0.5"/>'
    ).replace(
        'name="side"><parent segment="1"/>', 'name="side"><parent segment="2" fractionAlong="0.5"/>'
    )
    secs = read_cell(write("c.nml", cell_text(morphology=morphology))).rule["secs"]
    assert secs["dend"]["topol"]["parentX"] == 0.5
    assert secs["branch"]["topol"]["parentX"] == pytest.approx(0.75)
    assert secs["branch"]["geom"]["pt3d"][0] == [0, 177, 0, 1.5]


@extra
def test_bare_morphology_takes_biophysics(write):
    text = f'<neuroml {NAMESPACE} id="d"><cell id="Bare">{MORPHOLOGY}</cell></neuroml>'
    file = write("bare.nml", text)
    with pytest.raises(ModelError, match=r"only a morphology.*give `biophysics`"):
        read_cell(file)
    given = {"*": {"mechs": {"pas": {"g": 1e-4, "e": -65}}, "geom": {"cm": 1, "Ra": 100}}}
    rule = read_cell(file, biophysics=given).rule
    assert rule["secs"]["branch"]["mechs"] == {"pas": {"g": 1e-4, "e": -65}}


@extra
def test_one_compartment_needs_no_resistivity(write):
    """Nothing flows along it: Ra is any, and said."""
    whole = cell_text()
    resistivity = '<resistivity value="0.15 kohm_cm"/>'
    soma = MORPHOLOGY[: MORPHOLOGY.index("</segment>") + len("</segment>")] + "</morphology>"
    one = cell_text(morphology=soma)
    with_ra = read_cell(write("one.nml", one))
    assert list(with_ra.rule["secs"]) == ["soma"]
    without = read_cell(write("one.nml", one.replace(resistivity, "")))
    assert without.rule["secs"]["soma"]["geom"].pop("Ra") == 100.0
    assert with_ra.rule["secs"]["soma"]["geom"].pop("Ra") == 150.0
    assert without.rule == with_ra.rule
    assert "'soma' has no resistivity: Ra is taken as 100 ohm cm" in " ".join(without.notices)
    with pytest.raises(ModelError, match=r"has no 'Ra'"):
        read_cell(write("cell.nml", whole.replace(resistivity, "")))


@extra
def test_one_of_several_cells_and_a_morphology_of_its_own(write):
    two = cell_text(name="Two", head=MORPHOLOGY, morphology="").replace(
        '<cell id="Two">', '<cell id="Two" morphology="m">'
    )
    write("two.nml", two)
    file = write("one.xml", cell_text(head='<include href="two.nml"/>', name="One"))
    with pytest.raises(ModelError, match=r"holds 2 cells \('One', 'Two'\); name one: `cell_class`"):
        read_cell(file)
    with pytest.raises(ModelError, match=r"no cell 'Tow' .*Did you mean 'Two'"):
        read_cell(file, cell_class="Tow")
    assert read_cell(file, cell_class="Two").rule == read_cell(file, cell_class="One").rule


@extra
def test_temperature_of_a_network_is_left_to_the_model(write):
    network = """<network id="n" type="networkWithTemperature" temperature="32degC">
<population id="p" component="Cell" size="1"/></network></neuroml>"""
    file = write("c.nml", cell_text().replace("</neuroml>", network))
    assert "temperature of its network ('32degC') is not taken" in read_cell(file).notices[0]


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"c\.nml is not XML that can be read"),
        ("<a", r"is not XML that can be read"),
        ("<Lems/>", r"is a LEMS simulation; give the NeuroML2 file of the cell"),
        ("<html/>", r"is no NeuroML2: its root is 'html'"),
        ('<neuroml xmlns="http://morphml.org/neuroml/schema"/>', r"is no NeuroML2: its root"),
    ],
)
def test_other_files_are_refused(write, text, message):
    with pytest.raises(ModelError, match=message):
        read_cell(write("c.nml", text))


@pytest.mark.skipif(HERE, reason="the extra is installed")
def test_missing_extra_is_named(write):
    with pytest.raises(ModelError, match=r"is not here: pip install 'wscale\[neuroml\]'"):
        read_cell(write("c.nml", cell_text()))


def of(**changes):
    return lambda: cell_text(**changes)


def instead(old, new, text=None):
    return lambda: (text or cell_text()).replace(old, new)


WAY = '<inhomogeneousParameter id="p" variable="p" metric="Path Length from root"/>'
ALONG = MORPHOLOGY.replace(
    '<member segment="3"/></segmentGroup>\n  <segmentGroup id="all">',
    f'<include segmentGroup="branch"/>{WAY}</segmentGroup>\n  <segmentGroup id="all">',
)
REFUSED = {
    "arguments": (of(), {"cell_args": [1]}, r"takes no arguments"),
    "schema": (instead("<resistivity", "<resist"), {}, r"has no 'Ra': give specificCap"),
    "include": (instead("channels.nml", "gone.nml"), {}, r"it includes .*gone\.nml, which is no"),
    "remote": (instead("channels.nml", "http://x.y/z.nml"), {}, r"it includes .*which is no file"),
    "channels": (lambda: CHANNELS, {}, r"it holds no <cell>"),
    "izhikevich": (
        lambda: (
            f'<neuroml {NAMESPACE} id="d"><izhikevichCell id="izh" v0="-70mV" thresh="30mV" '
            'a="0.02" b="0.2" c="-50" d="2"/></neuroml>'
        ),
        {},
        r"'izh' is artificial .*\('IzhikevichCell'\).*no EPSP",
    ),
    "iaf": (
        of(
            head='<iafCell id="iaf" leakReversal="-50mV" thresh="-55mV" reset="-70mV" C="0.2nF" '
            'leakConductance="0.01uS"/>'
        ),
        {"cell_class": "iaf"},
        r"the cell iaf is artificial .*\(IafCell\)",
    ),
    "no morphology": (of(morphology=""), {}, r"'Cell' has no morphology"),
    "two ids": (instead('id="3" name', 'id="2" name'), {}, r"two segments of one id"),
    "orphan": (instead('<parent segment="0"/>', ""), {}, r"one segment without a parent .*has 2"),
    "outside": (
        instead(f'"branch" {SECTION}', '"branch"'),
        {},
        r"segments \[3\] of cell 'Cell' are in none of its sections",
    ),
    "overlap": (
        instead('value="3"/><member segment="3"/>', 'value="3"/><member segment="2"/>'),
        {},
        r"segment 2 is in two sections: dend, branch",
    ),
    "chain": (
        instead('<parent segment="1"/><distal x="0"', '<parent segment="0"/><distal x="0"'),
        {},
        r"segment 2 of section 'dend' does not begin where segment 1 ends",
    ),
    "part": (of(densities=PAS.replace('"all"', '"tip"')), {}, r"group 'tip' has .*part of a sec"),
    "group": (
        of(densities=PAS.replace('"all"', '"dendrite"')),
        {},
        r"group 'dendrite', which is not there .*Did you mean 'dendrites'",
    ),
    "twice": (
        of(densities=PAS + PAS.replace('"leak"', '"more"').replace('"all"', '"dend"')),
        {},
        r"'more' of 'pas' is in section 'dend' once more \(see 'leak'\)",
    ),
    "segment": (
        of(densities=PAS.replace('segmentGroup="all"', 'segment="1"')),
        {},
        r"is given for one segment, which NetPyNE passes over",
    ),
    "no density": (
        of(densities=PAS.replace('condDensity="0.5 S_per_m2"', "")),
        {},
        r"has no condDensity",
    ),
    "ion": (
        of(densities=PAS.replace("non_specific", "k")),
        {},
        r"has the ion 'k', and .*'non_specific'",
    ),
    "no erev": (of(densities=PAS.replace('erev="-70mV"', "")), {}, r"'leak' of 'pas'"),
    "population": (
        of(
            densities='<channelPopulation id="a" ionChannel="pas" number="3" erev="-70mV" '
            'ion="non_specific"/>'
        ),
        {},
        r"<channelPopulation> is not read",
    ),
    "code": (
        of(densities=varying("__import__('os').mkdir('ran')"), morphology=ALONG),
        {},
        r"must be a formula of p, numbers",
    ),
    "formula": (of(densities=varying("p +"), morphology=ALONG), {}, r"'p \+' is no formula"),
    "name": (of(densities=varying("q"), morphology=ALONG), {}, r"must be a formula of p, numbers"),
    "translated": (
        of(
            densities=varying("p"),
            morphology=ALONG.replace(
                'from root"/>',
                'from root"><proximal translationStart="0"/></inhomogeneousParameter>',
            ),
        ),
        {},
        r"is counted from the group's own beginning, 20 um from the root",
    ),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """What is said of each file, by name, and the folder: the files are read two at a time."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "channels.nml").write_text(CHANNELS)

    def read(case):
        make, options, _ = REFUSED[case]
        file = folder / f"{case.replace(' ', '_')}.nml"
        file.write_text(make())
        try:
            return f"read: {read_cell(file, **options).rule}"
        except ModelError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(REFUSED, pool.map(read, REFUSED), strict=True)), folder


@extra
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_the_reason(refusals, case):
    said, folder = refusals
    assert re.search(REFUSED[case][2], said[case])
    assert not (folder / "ran").exists()


@extra
def test_channels_without_java_are_refused(write, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match=r"'leak', 'naf', 'kdr' must become NMODL.*no Java.*apt"):
        read_cell(write("c.nml", cell_text(HH)))


@extra
def test_pas_with_gates_is_refused(write):
    write(
        "channels.nml",
        CHANNELS.replace('"kdr"', '"pas"').replace('<ionChannel id="pas"', '<ionChannel id="old"'),
    )
    with pytest.raises(ModelError, match=r"'pas' has gates .*rename the channel"):
        read_cell(write("c.nml", cell_text()))


@java
@pytest.mark.parametrize(
    ("densities", "message"),
    [
        (HH.replace('"naf"', '"nax"'), r"wrote no NMODL for .*'nax'.*must be defined"),
        (HH.replace('ion="na"', 'ion="k"'), r"has the ion 'k', and .*'na'"),
        (
            HH
            + HH.splitlines()[3].replace('"nas"', '"dn"').replace("50mV", "40mV")
            + '\n  segmentGroup="dend"/>',
            r"'dn' of 'naf': the reversal potential of a channel must be one number",
        ),
        (
            HH + '<channelDensityNernst id="c" ionChannel="naf" condDensity="1 mS_per_cm2" ion="na"'
            ' segmentGroup="dend"/>',
            r"the reversal potential of a channel must be one number, or Nernst's",
        ),
        (
            '<channelDensityNernst id="c" ionChannel="naf" condDensity="1 mS_per_cm2" ion="na"/>',
            r"'c' of 'naf' depends on the concentration of na, but no species says .* in 'soma'",
        ),
    ],
    ids=["undefined", "ion", "two potentials", "mixed", "no concentration"],
)
def test_what_the_nmodl_would_say_otherwise_is_refused(write, densities, message):
    with pytest.raises(ModelError, match=rf"(?s){message}"):
        read_cell(write("c.nml", cell_text(densities)))


@java
def test_ion_that_is_left_out_is_that_of_the_channel(write):
    densities = HH.replace('ion="non_specific"', "").replace('ion="k"', "")
    secs = read_cell(write("c.nml", cell_text(densities))).rule["secs"]
    assert secs["dend"]["mechs"]["leak"]["e"] == pytest.approx(-54.3)  # not of k, as its name has
    assert secs["soma"]["ions"]["k"]["e"] == -77.0


@java
def test_calcium_of_a_decaying_pool(write):
    write("channels.nml", CHANNELS.replace("</neuroml>", CALCIUM + "</neuroml>"))
    densities = PAS + (
        '<channelDensityNernst id="cas" ionChannel="cal" condDensity="0.1 mS_per_cm2" ion="ca"'
        ' segmentGroup="soma"/><channelDensity id="kcas" ionChannel="kca" erev="-90mV"'
        ' condDensity="0.1 mS_per_cm2" ion="k" segmentGroup="soma"/>'
    )
    inside = (
        '<species id="ca" ion="ca" concentrationModel="pool" initialConcentration="5e-5 mM"'
        ' initialExtConcentration="2 mM" segmentGroup="soma"/>'
    )
    found = read_cell(write("c.nml", cell_text(densities, inside=inside)))
    soma = found.rule["secs"]["soma"]
    assert soma["mechs"].keys() == {"pas", "cal", "kca", "pool"}
    assert soma["ions"] == {"ca": {"o": 2.0, "i": 5e-5}, "k": {"e": -90.0}}
    assert found.rule["secs"]["dend"]["mechs"].keys() == {"pas"}
    densities = densities.replace('ion="k" segmentGroup="soma"', 'ion="k" segmentGroup="all"')
    with pytest.raises(ModelError, match=r"'kca' depends on .* of ca, .* in 'dend', 'branch'"):
        read_cell(write("c.nml", cell_text(densities, inside=inside)))


CALCIUM = """
<ionChannelHH id="cal" conductance="10pS" species="ca"><gateHHtauInf id="m" instances="2">
  <timeCourse type="fixedTimeCourse" tau="2ms"/>
  <steadyState type="HHSigmoidVariable" rate="1" midpoint="-30mV" scale="6mV"/>
</gateHHtauInf></ionChannelHH>
<decayingPoolConcentrationModel id="pool" restingConc="5e-5 mM" decayConstant="20ms"
  shellThickness="0.1um" ion="ca"/>
<ionChannelHH id="kca" conductance="10pS" species="k"><gateHHtauInf id="m" instances="1">
  <timeCourse type="fixedTimeCourse" tau="2ms"/><steadyState type="ByCalcium"/>
</gateHHtauInf></ionChannelHH>
<ComponentType name="ByCalcium" extends="baseVoltageConcDepVariable">
  <Constant name="half" dimension="concentration" value="0.0005 mM"/>
  <Dynamics><DerivedVariable name="x" exposure="x" dimension="none"
    value="caConc / (caConc + half)"/></Dynamics>
</ComponentType>
"""
