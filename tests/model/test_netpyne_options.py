"""NetPyNE's options that touch a calibration: docs/netpyne_options.md has a row for each test."""

from __future__ import annotations

import re
from copy import deepcopy

import pytest
from helpers import REPO

from wscale import Rig, list_sites
from wscale.errors import ConfigError, ModelError
from wscale.model.model import Model

PAGE = (REPO / "docs" / "netpyne_options.md").read_text()


@pytest.fixture(scope="module")
def cell(load):
    return load("PV_simple", dt=0.05)


def changed(model, **parts):
    """Return the model with parts of its net replaced, as it would be read from a folder."""
    return Model._checked(model.cell, {**deepcopy(model.net), **parts}, dict(model.cfg), model.mod)


def with_cfg(model, **values):
    return Model._checked(model.cell, deepcopy(model.net), {**model.cfg, **values}, model.mod)


def epsp_mV(model):
    [site] = list_sites(model, "soma")
    with Rig(model, [site]) as rig:
        [response] = rig.respond([(site, 2e-4)])
    return response.epsp_mV


def test_scale_of_netstims_is_divided_out(cell):
    model = changed(cell, scaleConnWeightNetStims=0.5)
    assert re.search("scaleConnWeightNetStims = 0.5 is taken as 1", " ".join(model.notices))
    assert epsp_mV(model) == epsp_mV(cell)
    assert model.content_hash == cell.content_hash


@pytest.mark.parametrize(
    "scale", [{"scaleConnWeight": 2.0}, {"scaleConnWeightModels": {"HH_reduced": 0.5}}]
)
def test_scales_of_the_networks_connections_are_told(cell, scale):
    model = changed(cell, **scale)
    [notice] = set(model.notices) - set(cell.notices)
    assert next(iter(scale)) in notice
    assert "0.5 does not give 0.5 mV" in notice
    assert epsp_mV(model) == epsp_mV(cell)


@pytest.mark.parametrize("kind", ["SEClamp", "VClamp"])
def test_a_clamp_beside_the_synapse_is_told(cell, kind):
    sources = {**cell.net["stimSourceParams"], "hold": {"type": kind, "amp": [-70]}}
    targets = cell.net["stimTargetParams"]
    driven = {**targets, "hold->cell": {"source": "hold", "sec": "soma", "loc": 0.5}}
    model = changed(cell, stimSourceParams=sources, stimTargetParams=driven)
    assert any("hold in stimSourceParams holds the potential" in n for n in model.notices)
    unused = changed(cell, stimSourceParams=sources, stimTargetParams=targets)
    assert unused.notices == cell.notices


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("normal(100, 10)", "normal"),
        ("uniform (1,2)*diam", "uniform"),
        ("lognormal(1,2)", "lognormal"),
    ],
)
def test_random_parameters_are_told(cell, text, function):
    cells = deepcopy(cell.net["cellParams"])
    cells[cell.cell]["secs"]["soma"]["geom"]["Ra"] = text
    model = changed(cell, cellParams=cells)
    assert any(f"drawn at random ({function})" in notice for notice in model.notices)


def test_a_function_of_the_place_is_not_random(cell):
    cells = deepcopy(cell.net["cellParams"])
    cells[cell.cell]["secs"]["soma"]["geom"]["Ra"] = "100 + 0*dist_path"
    assert changed(cell, cellParams=cells).notices == cell.notices


@pytest.mark.parametrize("switch", ["addSynMechs", "createPyStruct", "createNEURONObj"])
def test_switches_without_which_there_is_no_synapse_are_refused(cell, switch):
    with pytest.raises(ConfigError, match=rf"cfg\.{switch} = False.*leave it at True"):
        with_cfg(cell, **{switch: False})


def test_another_simulator_is_refused(cell):
    with pytest.raises(ConfigError, match="coreneuron is True"):
        with_cfg(cell, coreneuron=True)


def test_artificial_cells_are_refused(cell):
    cells = deepcopy(cell.net["cellParams"])
    point = {"mod": "Izhi2007a", "loc": 0.5, "vref": "V"}
    cells[cell.cell]["secs"]["soma"]["pointps"] = {"izhi": point}
    with pytest.raises(
        ModelError, match=r"artificial: its voltage is 'V' of the point process izhi"
    ):
        changed(cell, cellParams=cells)


def test_mixed_populations_are_refused(cell):
    [(name, pop)] = cell.net["popParams"].items()
    with pytest.raises(ModelError, match=r"diversity = True mixes cell rules"):
        changed(cell, popParams={name: {**pop, "diversity": True}})


@pytest.mark.parametrize("key", ["weight", "delay", "loc"])
def test_functions_of_the_activation_are_refused(cell, key):
    [(label, target)] = cell.net["stimTargetParams"].items()
    with pytest.raises(ModelError, match=rf"{key} = 'uniform\(0,1\)' of NetStim1's target"):
        changed(cell, stimTargetParams={label: {**target, key: "uniform(0,1)"}})


@pytest.mark.parametrize("key", ["synsPerConn", "synMechLocFactor", "synMechDelayFactor"])
def test_several_activations_at_once_are_refused(cell, key):
    [(label, target)] = cell.net["stimTargetParams"].items()
    with pytest.raises(ModelError, match=f"leave {key} out"):
        changed(cell, stimTargetParams={label: {**target, key: 5}})


def test_connections_of_the_folder_have_no_effect(cell):
    rule = {"preConds": {}, "postConds": {}, "weight": 5.0, "synMech": cell.syn_mechs[0]}
    model = changed(cell, connParams={"all": rule})
    assert epsp_mV(model) == epsp_mV(cell)


def test_the_page_names_every_option_of_these_tests():
    for name in (
        *("scaleConnWeightNetStims", "scaleConnWeight", "scaleConnWeightModels", "SEClamp"),
        *("VClamp", "addSynMechs", "createPyStruct", "createNEURONObj", "coreneuron", "vref"),
        *("diversity", "synsPerConn", "synMechLocFactor", "synMechDelayFactor", "connParams"),
        *("threshold", "weightNorm", "hParams", "cvode_active", "IClamp", "spikeGenLoc"),
    ):
        assert f"`{name}`" in PAGE, name
