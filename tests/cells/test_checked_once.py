"""A cell's sections are checked when they are read, and again only when they were changed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from wscale import Model, SynapseGroup, read_cell, with_synapses
from wscale.cells import cell_file
from wscale.cells.cell_file import CellFile
from wscale.errors import ModelError
from wscale.model import model as model_module


@pytest.fixture
def checked(monkeypatch):
    """The names of the cells whose sections were checked, in order, by each of the two checks."""
    calls = {"check_rule": [], "check_sections": []}
    for module in (cell_file, model_module):
        for name, sources in calls.items():
            check = getattr(module, name)

            def counted(source, secs, check=check, sources=sources):
                sources.append(source)
                check(source, secs)

            monkeypatch.setattr(module, name, counted)
    return calls


def test_a_cell_file_is_checked_once_on_its_way_into_a_folder(repo, checked):
    file = str(repo / "cells/PV_simple.json")
    model = Model.from_folder(repo, "own", {"dt": 0.05}, cell_file=CellFile(file))
    with_synapses(model, SynapseGroup("inh", {"GABA": None}))
    assert checked == {"check_rule": [file], "check_sections": [file]}


def test_a_rule_that_was_changed_after_reading_is_checked_again(repo, load, checked):
    model, cell = load("PV_simple", dt=0.05), read_cell(repo / "cells/PV_simple.json")
    cell.rule["secs"]["dend"]["geom"]["nseg"] = 0
    with pytest.raises(ModelError, match=r"cell 'own': section 'dend': nseg = 0 must be whole"):
        model.with_cell("own", cell)
    with pytest.raises(ModelError, match="nseg = 0"):
        model.with_cell("own", replace(read_cell(repo / "cells/PV_simple.json"), rule=cell.rule))
    net = deepcopy(model.net)
    net["cellParams"]["PV_simple"]["secs"]["dend"]["geom"]["nseg"] = 0
    with pytest.raises(ModelError, match="nseg = 0"):
        model.with_net(net)
