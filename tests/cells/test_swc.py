"""SWC files as people have them: loose pieces, outlines of somata, byte-order marks."""

from __future__ import annotations

import codecs
import math

import pytest

from wscale.cells.cell_file import read_cell
from wscale.errors import ModelError

PASSIVE = {"*": {"mechs": {"pas": {"g": 3e-5, "e": -70}}, "geom": {"cm": 1, "Ra": 150}}}
SOMA = ["1 1 5 0 0 10 -1"]
DEND = ["2 3 5 12 0 1 1", "3 3 5 60 0 1 2", "4 3 5 112 0 1 3"]


def read(tmp_path, *lines, end="\n", mark=b"", **options):
    file = tmp_path / "cell.swc"
    file.write_bytes(mark + end.join(lines).encode() + end.encode())
    return read_cell(file, biophysics=PASSIVE, **options)


def told(cell):
    return [text.partition("cell.swc: ")[2] for text in cell.notices if "nseg" not in text]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("first", [[], ["# \u00b5m"]])
def test_marks_and_line_ends_change_nothing(tmp_path, end, mark, first):
    cell = read(tmp_path, *first, *SOMA, *DEND, end=end, mark=mark)
    assert cell.rule == read(tmp_path, *SOMA, *DEND).rule
    assert cell.rule["secs"]["dend_0"]["geom"]["L"] == 100
    assert told(cell) == []


def test_a_piece_without_parent_is_said_with_where_neuron_has_put_it(tmp_path):
    piece = ["5 4 50 20 0 1 -1", "6 4 150 20 0 1 5", "7 4 250 20 0 1 6"]
    cell = read(tmp_path, *SOMA, *DEND, *piece)
    topol = {"parentSec": "soma_0", "parentX": 0.5, "childX": 0.0}
    assert cell.rule["secs"]["apic_0"]["topol"] == topol
    assert cell.rule["secs"]["apic_0"]["geom"]["L"] == 200
    [notice] = told(cell)
    assert notice.startswith(
        "point 5 has no parent; NEURON connects its section apic_0 to soma_0(0.5), without a cable"
    )


def test_a_lone_point_becomes_a_cable(tmp_path):
    cell = read(tmp_path, *SOMA, *DEND, "5 4 50 20 0 1 -1")
    length = cell.rule["secs"]["apic_0"]["geom"]["L"]
    assert length == pytest.approx(math.hypot(45, 20))  # from the soma's point
    assert "apic_0 to soma_0(0.5), by a cable from the file's first point" in told(cell)[0]


def test_an_outline_of_the_soma_is_a_cable(tmp_path):
    outline = ["1 1 -5 0 0 0.1 -1", "2 1 0 5 0 0.1 1", "3 1 5 0 0 0.1 2", "4 1 0 -5 0 0.1 3"]
    [notice] = told(read(tmp_path, *outline, "5 3 0 10 0 1 1", "6 3 0 110 0 1 5"))
    length_um = 3 * math.hypot(5, 5)
    assert "takes the 4 points of the soma for cross-sections along a cable" in notice
    sizes = f"L {length_um:.4g} um, diam 0.2 um and an area of {math.pi * 0.2 * length_um:.4g} um2"
    assert sizes in notice


THREE = ["1 1 0 0 0 10 -1", "2 1 0 -10 0 10 1", "3 1 0 10 0 10 1"]


def test_a_soma_of_three_points_is_one_section_where_its_dendrites_are_at_the_first(tmp_path):
    one = read(tmp_path, *THREE, "4 3 0 12 0 1 1", "5 3 0 112 0 1 4")
    geom = one.rule["secs"]["soma_0"]["geom"]
    assert (geom["L"], geom["diam"]) == (20, 20)
    assert told(one) == []
    two = read(tmp_path, *THREE, "4 3 0 10 0 1 3", "5 3 0 112 0 1 4", soma="soma_0")
    assert "soma_1" in two.rule["secs"]
    half = f"L 10 um, diam 20 um and an area of {math.pi * 200:.4g} um2"
    assert told(two)[0].count(half) == 2


def test_types_that_netpyne_does_not_read_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"line 5: .*type 7 is none of 1 .*its neurite, or leave"):
        read(tmp_path, *SOMA, *DEND, "5 7 5 200 0 1 4")


def test_without_a_soma_its_section_is_asked_for(tmp_path):
    cell = read(tmp_path, "1 3 0 0 0 1 -1", "2 3 0 100 0 1 1", "3 3 0 200 0 1 2")
    assert list(cell.rule["secs"]) == ["dend_0"]
    assert "say with `soma` which is the soma (it has dend_0)" in " ".join(cell.notices)
