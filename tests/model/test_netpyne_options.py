"""NetPyNE's options that touch a calibration: each row of docs/netpyne_options.md has its test."""

from __future__ import annotations

import dataclasses
import pickle
import re
from copy import deepcopy

import pytest
from helpers import REPO

from wscale import Rig, WeightNormTable, list_sites, verify
from wscale._util.plain import to_plain
from wscale.errors import ConfigError, ModelError, SelectionError
from wscale.measurement.epsp import Protocol, measure
from wscale.model.model import Model
from wscale.parallel.pool import LocalBackend
from wscale.simulation.full_run import netpyne_trace
from wscale.simulation.rig import release_rig
from wscale.verification.audit import audit

PAGE = (REPO / "docs" / "netpyne_options.md").read_text()


@pytest.fixture(scope="module")
def cell(load):
    """PV_simple, activated early, so that NetPyNE's runs from time 0 are short."""
    return load("PV_simple", dt=0.05, duration=250.0, **{"NetStim1.start": 150.0})


@pytest.fixture(scope="module")
def settled(load):
    """The same, activated at 700 ms, when it rests."""
    return load("PV_simple", dt=0.05)


def changed(model, **parts):
    """Return the model with parts of its net replaced, as it would be read from a folder."""
    return Model._checked(model.cell, {**deepcopy(model.net), **parts}, dict(model.cfg), model.mod)


def with_cfg(model, **values):
    return Model._checked(model.cell, deepcopy(model.net), {**model.cfg, **values}, model.mod)


def edited(model, edit):
    """Return the model after ``edit(net, cfg, secs, target)`` on copies of its parts."""
    net, cfg = deepcopy(model.net), deepcopy(model.cfg)
    [target] = net["stimTargetParams"].values()
    edit(net, cfg, net["cellParams"][model.cell]["secs"], target)
    return Model._checked(model.cell, net, cfg, model.mod)


def with_stim(model, source, **target):
    """Return the model with a further stimulus at the soma."""
    sources = {**model.net["stimSourceParams"], "more": source}
    target = {"source": "more", "conds": {}, "sec": "soma", "loc": 0.5, **target}
    targets = {**model.net["stimTargetParams"], "more->cell": target}
    return changed(model, stimSourceParams=sources, stimTargetParams=targets)


def respond(model, sec="soma", weight_uS=2e-4):
    site = list_sites(model, sec)[0]
    with Rig(model, [site]) as rig:
        [response] = rig.respond([(site, weight_uS)])
    return response


def epsp_mV(model, sec="soma"):
    return respond(model, sec).epsp_mV


def netpyne_epsp_mV(model, sec="soma", weight_uS=2e-4):
    """Return what NetPyNE's own run from time 0 gives."""
    t, v = netpyne_trace(model, list_sites(model, sec)[0], weight_uS)
    times = {"onset_ms": model.onset_ms, "arrival_ms": model.arrival_ms}
    return measure(t, v, protocol=Protocol(), **times).epsp_mV


@pytest.fixture(scope="module")
def plain_mV(cell):
    """What the unchanged cell gives, by section."""
    return {sec: epsp_mV(cell, sec) for sec in ("soma", "dend")}


def with_rxd(model):
    """Return the model with the soma's calcium in RxD, in place of the pool of cadyn.

    It rises all the time, and opens the potassium channel kctin.
    """

    def edit(net, cfg, secs, target):
        del secs["soma"]["mechs"]["cadyn"]
        secs["soma"]["mechs"]["kctin"]["gkcbar"] = 0.01
        net["rxdParams"] = {
            "regions": {"cytosol": {"cells": ["all"], "secs": ["soma"], "nrn_region": "i"}},
            "species": {"ca": {"regions": ["cytosol"], "charge": 2, "initial": 5e-5}},
            "rates": {"pump": {"species": "ca", "rate": "(1e-3 - ca) / 100"}},
        }

    return edited(model, edit)


def rig_and_netpyne_mV(model):
    """Return what the Rig gives in one trial after another, and NetPyNE's run (in a worker)."""
    [site] = list_sites(model, "soma")
    release_rig()  # of the task that this worker had before
    with Rig(model, [site]) as rig:
        responses = rig.respond([(site, weight) for weight in (2e-4, 0.05, 2e-4)])
    first, _, again = (response.epsp_mV for response in responses)
    return first, again, netpyne_epsp_mV(model)


def fixed_points(net, cfg, secs, target):
    secs["soma"]["geom"]["pt3d"] = [[0, 0, 0, 20], [0, 20, 0, 20]]
    secs["dend"]["geom"]["pt3d"] = [[0, 20, 0, 2], [30, 220, 0, 1]]


def rotated(net, cfg, secs, target):
    fixed_points(net, cfg, secs, target)
    net["rotateCellsRandomly"] = [0.5, 3.0]


def not_shifted(net, cfg, secs, target):
    fixed_points(net, cfg, secs, target)
    cfg["pt3dRelativeToCellLocation"] = False


def by_segment(net, cfg, secs, target):
    secs["dend"]["geom"]["nseg"] = 2
    secs["dend"]["mechs"]["pas"]["g"] = [1e-4, 5e-4]


def with_vars(net, cfg, secs, target):
    net["cellParams"]["PV_simple"]["vars"] = {"resistivity": 90.0}
    secs["soma"]["geom"]["Ra"] = "resistivity + 1"


def with_cells_list(net, cfg, secs, target):
    net["popParams"] = {
        name: {"cellType": pop["cellType"], "cellsList": [{"x": 1, "y": 2, "z": 3}]}
        for name, pop in net["popParams"].items()
    }


def without_delay(net, cfg, secs, target):
    del target["delay"]
    net["defaultDelay"] = 5


HOLD = {"mod": "IClamp", "loc": 0.5, "amp": 0.01, "dur": 1e9, "delay": 0}
SLOWER = "5.3 + post_dist_path / 10"
HANDLED = {
    "ions": lambda net, cfg, secs, target: secs["soma"]["ions"]["k"].update(o=5.0),
    "vinit": lambda net, cfg, secs, target: secs["soma"].update(vinit=-60.0),
    "globals": lambda net, cfg, secs, target: cfg["hParams"].pop("celsius"),
    "hParams": lambda net, cfg, secs, target: cfg["hParams"].update(celsius=30.0),
    "lists by segment": by_segment,
    "even nseg": lambda net, cfg, secs, target: secs["dend"]["geom"].update(nseg=4),
    "pt3d": fixed_points,
    "rotateCellsRandomly": rotated,
    "pt3dRelativeToCellLocation": not_shifted,
    "defineCellShapes": lambda net, cfg, secs, target: net.update(defineCellShapes=True),
    "function": lambda net, cfg, secs, target: secs["dend"]["geom"].update(Ra="99 + dist_path"),
    "vars": with_vars,
    "pointps": lambda net, cfg, secs, target: secs["soma"].update(pointps={"hold": HOLD}),
    "factors": lambda net, cfg, secs, target: target.update(synMechWeightFactor=[0.3, 0.7]),
    "function of a synMech": lambda net, cfg, secs, target: net["synMechParams"]["AMPA"].update(
        tau2=SLOWER
    ),
    "steps": lambda net, cfg, secs, target: cfg.update(dt=0.025, recordStep=0.05, duration=260.0),
}
SAME = {"cellsList": with_cells_list, "no delay": without_delay}


@pytest.mark.parametrize("option", HANDLED)
def test_what_is_handled_is_as_in_netpyne(cell, plain_mV, option):
    model = edited(cell, HANDLED[option])
    epsp = epsp_mV(model, "dend")
    assert epsp == pytest.approx(netpyne_epsp_mV(model, "dend"), rel=1e-9)
    assert epsp != plain_mV["dend"]


@pytest.mark.parametrize("option", SAME)
def test_what_is_handled_and_changes_nothing(cell, plain_mV, option):
    model = edited(cell, SAME[option])
    assert epsp_mV(model) == pytest.approx(netpyne_epsp_mV(model), rel=1e-9)
    assert epsp_mV(model) == pytest.approx(plain_mV["soma"], rel=1e-9)
    assert model.arrival_ms == 151.0


def test_section_lists_name_sections(cell):
    def spiny(net, cfg, secs, target):
        net["cellParams"]["PV_simple"]["secLists"] = {"spiny": ["dend"]}

    assert [site.sec for site in list_sites(edited(cell, spiny), "spiny")] == ["dend"]


@pytest.mark.parametrize("loc", [0, 1])
def test_ends_of_a_section_are_refused(cell, loc):
    with pytest.raises(SelectionError, match="between 0 and 1"):
        list_sites(cell, "dend", [loc])


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("normal(100, 10)", "normal"),
        ("uniform (1,2)*diam", "uniform"),
        ("lognormal(1,2)", "lognormal"),
    ],
)
def test_random_parameters_are_told(cell, text, function):
    model = edited(cell, lambda net, cfg, secs, target: secs["soma"]["geom"].update(Ra=text))
    assert any(f"drawn at random ({function})" in notice for notice in model.notices)


def test_a_function_of_the_place_is_not_random(cell):
    def edit(net, cfg, secs, target):
        secs["soma"]["geom"]["Ra"] = "100 + 0*dist_path"

    assert edited(cell, edit).notices == cell.notices


def test_random_parameters_are_those_of_the_seed(cell):
    def edit(net, cfg, secs, target):
        secs["soma"]["mechs"]["pas"]["g"] = "uniform(1e-4, 2e-4)"

    model = edited(cell, edit)
    other = with_cfg(model, seeds={**model.cfg["seeds"], "cell": 7})
    epsps = [epsp_mV(model), epsp_mV(other)]
    assert epsps == pytest.approx([netpyne_epsp_mV(model), netpyne_epsp_mV(other)], rel=1e-9)
    assert epsps[0] != epsps[1]
    assert other.content_hash != model.content_hash


def test_stored_weight_norm_is_removed_and_told(cell):
    model = edited(cell, lambda net, cfg, secs, target: secs["soma"].update(weightNorm=[5.0]))
    assert "stored weightNorm removed from 1 sections" in " ".join(model.notices)
    assert model.content_hash == cell.content_hash


def test_artificial_cells_are_refused(cell):
    point = {"mod": "Izhi2007a", "loc": 0.5, "vref": "V"}
    with pytest.raises(
        ModelError, match=r"artificial: its voltage is 'V' of the point process izhi"
    ):
        edited(cell, lambda net, cfg, secs, _: secs["soma"].update(pointps={"izhi": point}))


def test_where_spikes_are_detected_has_no_effect(cell, plain_mV):
    def edit(net, cfg, secs, target):
        secs["dend"]["spikeGenLoc"], secs["dend"]["threshold"] = 0.2, -80.0

    assert epsp_mV(edited(cell, edit)) == plain_mV["soma"]


def test_calcium_of_rxd_is_restored(cell, plain_mV):
    """In each trial, also after one with a spike, what NetPyNE gives."""
    model = with_rxd(cell)
    [(first, again, full)] = LocalBackend(n_jobs=1).map(rig_and_netpyne_mV, [model])
    assert first == again == pytest.approx(full, rel=1e-9)
    assert first < 0.8 * plain_mV["soma"]


def test_mixed_populations_are_refused(cell):
    [(name, pop)] = cell.net["popParams"].items()
    with pytest.raises(ModelError, match=r"diversity = True mixes cell rules"):
        changed(cell, popParams={name: {**pop, "diversity": True}})


POPULATIONS = {
    "two cells": {"cell": {"cellType": "PV_simple", "numCells": 2}},
    "beside it": {
        "cell": {"cellType": "PV_simple", "numCells": 1},
        "inputs": {"cellModel": "VecStim", "numCells": 1, "spkTimes": [1.0]},
    },
    "density": {"cell": {"cellType": "PV_simple", "density": 1000}},
    "gridSpacing": {"cell": {"cellType": "PV_simple", "gridSpacing": 50}},
}


@pytest.mark.parametrize("populations", POPULATIONS.values(), ids=POPULATIONS)
def test_other_populations_than_one_cell_are_refused(cell, populations):
    with pytest.raises(ModelError, match="one population of one cell"):
        changed(cell, popParams=populations)


def test_a_population_without_membrane_is_refused(cell):
    [(name, pop)] = cell.net["popParams"].items()
    with pytest.raises(ModelError, match=r"cellModel = 'NetStim' makes an artificial cell"):
        changed(cell, popParams={name: {**pop, "cellModel": "NetStim"}})


@pytest.mark.parametrize("scale", [0.5, 2])
def test_a_scaled_number_of_cells_is_refused(cell, scale):
    with pytest.raises(ModelError, match=rf"netParams\.scale = {scale} .* set it to 1"):
        changed(cell, scale=scale)


@pytest.mark.parametrize(
    "change", [{"type": "VecStim", "spkTimes": [150]}, {"noise": 1}, {"number": 3}], ids=str
)
def test_another_source_than_one_spike_is_refused(cell, change):
    source = {**cell.net["stimSourceParams"]["NetStim1"], **change}
    with pytest.raises(ModelError, match="must be a NetStim with number 1 and noise 0"):
        changed(cell, stimSourceParams={"NetStim1": source})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("weight", 9.0), ("delay", 5.0), ("sec", "dend"), ("loc", 0.1), ("synMech", "GABA")),
        *(("synsPerConn", 3), ("shape", {"pulseType": "square"}), ("gapJunction", True)),
        ("plast", {"mech": "STDP", "params": {}}),
    ],
)
def test_what_the_source_says_of_the_connection_is_refused(cell, key, value):
    source = {**cell.net["stimSourceParams"]["NetStim1"], key: value}
    with pytest.raises(ModelError, match=rf"\['NetStim1'\] has {key} = .* leave {key} out"):
        changed(cell, stimSourceParams={"NetStim1": source})


def test_a_weight_of_the_source_would_be_netpynes(cell):
    """The reason for refusing it: 9 uS, whatever the search asks for."""
    model = dataclasses.replace(cell, net=deepcopy(cell.net))
    model.stim_source["weight"] = 9.0
    assert netpyne_epsp_mV(model, weight_uS=1e-4) > 50


def test_place_and_weight_of_the_target_are_the_searchs(cell, plain_mV):
    def edit(net, cfg, secs, target):
        target.update(sec=["dend", "soma"], loc=0.1, weight=7.0)

    assert epsp_mV(edited(cell, edit)) == plain_mV["soma"]


def test_factor_of_one_synapse_has_no_effect_and_is_told(cell):
    def alone(net, cfg, secs, target):
        target["synMech"] = ["AMPA"]
        del target["synMechWeightFactor"]

    def with_factor(net, cfg, secs, target):
        target.update(synMech=["AMPA"], synMechWeightFactor=[0.5])

    model = edited(cell, with_factor)
    assert "synMechWeightFactor = [0.5] has no effect" in " ".join(model.notices)
    assert epsp_mV(model) == epsp_mV(edited(cell, alone))


def test_self_netcon_has_no_effect(cell, plain_mV):
    own = {"sec": "soma", "threshold": -100, "weight": 0.01, "delay": 0}

    def edit(net, cfg, secs, target):
        net["synMechParams"]["AMPA"]["selfNetCon"] = own

    model = edited(cell, edit)
    assert epsp_mV(model) == plain_mV["soma"] == pytest.approx(netpyne_epsp_mV(model), rel=1e-9)


def test_gap_junctions_are_refused(cell):
    def edit(net, cfg, secs, target):
        net["synMechParams"]["AMPA"]["pointerParams"] = {"target_var": "vpeer"}

    with pytest.raises(ModelError, match=r"\['AMPA'\] has pointerParams, .* receives no events"):
        edited(cell, edit)


@pytest.mark.parametrize("value", ["uniform(0,1)", [0.1, 0.2]], ids=str)
@pytest.mark.parametrize("key", ["weight", "delay", "loc"])
def test_functions_and_lists_of_the_activation_are_refused(cell, key, value):
    with pytest.raises(ModelError, match=rf"{key} = {re.escape(repr(value))} of NetStim1's target"):
        edited(cell, lambda net, cfg, secs, target: target.update({key: value}))


@pytest.mark.parametrize("key", ["synsPerConn", "synMechLocFactor", "synMechDelayFactor"])
def test_several_activations_at_once_are_refused(cell, key):
    with pytest.raises(ModelError, match=f"leave {key} out"):
        edited(cell, lambda net, cfg, secs, target: target.update({key: 5}))


def test_scale_of_netstims_is_divided_out(cell, plain_mV):
    model = changed(cell, scaleConnWeightNetStims=0.5)
    assert re.search("scaleConnWeightNetStims = 0.5 is taken as 1", " ".join(model.notices))
    assert epsp_mV(model) == plain_mV["soma"]
    assert model.content_hash == cell.content_hash


@pytest.mark.parametrize(
    "scale", [{"scaleConnWeight": 2.0}, {"scaleConnWeightModels": {"HH_reduced": 0.5}}]
)
def test_scales_of_the_networks_connections_are_told(cell, plain_mV, scale):
    model = changed(cell, **scale)
    [notice] = set(model.notices) - set(cell.notices)
    assert next(iter(scale)) in notice
    assert "0.5 does not give 0.5 mV" in notice
    assert epsp_mV(model) == plain_mV["soma"]


BACKGROUND = {"type": "NetStim", "start": 5, "rate": 40, "noise": 1, "number": 1e9}


def test_background_is_told_and_makes_sites_drift(settled):
    model = with_stim(settled, BACKGROUND, synMech="AMPA", weight=1e-3, delay=1)
    [notice] = set(model.notices) - set(settled.notices)
    assert "'more->cell' in stimTargetParams activate the cell too" in notice
    assert (respond(settled).status, respond(model).status) == ("ok", "drift")


def test_background_that_is_switched_off_is_not_told(cell):
    for model in (
        with_stim(cell, BACKGROUND, synMech="AMPA", weight=0, delay=1),
        changed(cell, stimSourceParams={**cell.net["stimSourceParams"], "background": BACKGROUND}),
    ):
        assert model.notices == cell.notices


@pytest.mark.parametrize(
    ("source", "drifts"),
    [
        ({"type": "IClamp", "amp": 0.01, "delay": 0, "dur": 1e9}, False),
        ({"type": "IClamp", "amp": 0.1, "delay": 710, "dur": 10}, True),
        ({"type": "AlphaSynapse", "onset": 10, "tau": 2, "gmax": 1e-3, "e": 0}, False),
        ({"type": "AlphaSynapse", "onset": 710, "tau": 2, "gmax": 1e-3, "e": 0}, True),
    ],
    ids=str,
)
def test_other_stimuli_beside_the_synapse_are_as_in_netpyne(settled, source, drifts):
    model = with_stim(settled, source)
    response = respond(model)
    assert response.epsp_mV == pytest.approx(netpyne_epsp_mV(model), rel=1e-9)
    assert (response.status == "drift") is drifts


@pytest.mark.parametrize("kind", ["SEClamp", "VClamp"])
def test_a_clamp_beside_the_synapse_is_told(cell, kind):
    model = with_stim(cell, {"type": kind, "amp": [-70]})
    assert any("more in stimSourceParams holds the potential" in n for n in model.notices)
    unused = {**cell.net["stimSourceParams"], "more": {"type": kind, "amp": [-70]}}
    assert changed(cell, stimSourceParams=unused).notices == cell.notices


def test_connections_of_the_folder_have_no_effect(cell, plain_mV):
    rule = {"preConds": {}, "postConds": {}, "weight": 5.0, "synMech": cell.syn_mechs[0]}
    rules = {
        "plain": rule,
        "plastic": {**rule, "plast": {"mech": "STDP", "params": {}}},
        "shaped": {**rule, "shape": {"switchOnOff": [0, 1], "pulseType": "square"}},
        "electrical": {**rule, "gapJunction": True},
    }
    places = {"preConds": {}, "postConds": {}, "sec": "all", "density": "uniform"}
    model = changed(
        cell, connParams=rules, subConnParams={"all": {**places, "groupSynMechs": ["AMPA", "NMDA"]}}
    )
    assert epsp_mV(model) == plain_mV["soma"]


def test_cvode_agrees_to_its_tolerance(cell, plain_mV):
    model = with_cfg(cell, cvode_active=True, cvode_atol=1e-6)
    assert epsp_mV(model) == pytest.approx(netpyne_epsp_mV(model), rel=1e-3)
    assert epsp_mV(model) == pytest.approx(plain_mV["soma"], rel=0.02)


@pytest.mark.parametrize(
    ("switch", "needed"),
    [
        *(("addSynMechs", True), ("createPyStruct", True), ("createNEURONObj", True)),
        *(("includeParamsLabel", True), ("coreneuron", False), ("saveIMembrane", False)),
    ],
)
def test_switches_without_which_nothing_can_be_calibrated_are_refused(cell, switch, needed):
    message = rf"cfg\.{switch} = {not needed}: .*; set it to {needed}"
    with pytest.raises(ConfigError, match=message):
        with_cfg(cell, **{switch: not needed})


NO_EFFECT_CFG = {
    "allowConnsWithWeight0": False,
    "allowSelfConns": True,
    "analysis": {"plotTraces": {"include": ["all"]}},
    "cache_efficient": True,
    "compactConnFormat": True,
    "connRandomSecFromList": False,
    "cvode_atol": 1e-6,
    "gatherOnlySimData": True,
    "gpu": True,
    "oneSynPerNetcon": False,
    "random123": True,
    "recordCells": ["all"],
    "recordDipole": True,
    "recordLFP": [[10.0, 10.0, 10.0]],
    "recordStim": True,
    "recordTraces": {"V_dend": {"sec": "dend", "loc": 0.5, "var": "v"}},
    "saveCellConns": False,
    "saveJson": True,
    "savePickle": True,
    "seeds": {"conn": 9, "stim": 9, "loc": 9, "cell": 9},
    "use_fast_imem": True,
    "validateNetParams": True,
    "verbose": True,
}
NO_EFFECT_NET = {
    "defaultDelay": 5,
    "defaultThreshold": -50,
    "defaultWeight": 5,
    "propVelocity": 1.0,
}


def test_all_options_without_effect_together(cell, plain_mV):
    model = with_cfg(changed(cell, **NO_EFFECT_NET), **NO_EFFECT_CFG)
    assert epsp_mV(model) == plain_mV["soma"]
    assert model.notices == cell.notices


@pytest.mark.parametrize("threshold", [4, 5])
def test_a_clipped_entry_gives_what_the_network_gives(cell, tmp_path, threshold):
    from netpyne import specs

    values = {"soma": [2e-4], "dend": [8 * 2e-4]}
    (tmp_path / "table.pkl").write_bytes(pickle.dumps(values))
    net = specs.NetParams(cell.netpyne_net())
    net.addCellParamsWeightNorm(cell.cell, str(tmp_path / "table.pkl"), threshold)
    network = dataclasses.replace(cell, net=to_plain(vars(net), "netParams"))
    expected = netpyne_epsp_mV(network, "dend", 0.5)
    table = WeightNormTable(cell.cell, values, {"soma": ["given"], "dend": ["given"]})
    protocol = Protocol(drift_tolerance_mV=5.0)
    options = {"threshold": threshold, "n_jobs": 1, "protocol": protocol}
    [check] = verify([(cell, table)], **options)
    assert list(check.frame["clipped"]) == [False, True]
    assert check.frame["epsp_mV"][1] == pytest.approx(expected, rel=1e-9)
    found = audit(cell, table, **options).frame
    assert found["epsp_mV"][1] == pytest.approx(expected, rel=1e-9)
    assert "NetPyNE clips it" in found["why"][1]
    [whole] = verify([(cell, table)], n_jobs=1, protocol=protocol)
    assert not whole.frame["clipped"].any()
    assert whole.frame["epsp_mV"][1] > 1.2 * expected


# ---------------------------------------------------------------------- the page

HERE = "model/test_netpyne_options.py"
# How each row of the page begins, and its tests
ROWS = {
    "`secs`, `globals`": ["test_what_is_handled_is_as_in_netpyne"],
    "`secLists`": ["test_section_lists_name_sections"],
    "even `nseg`": ["test_what_is_handled_is_as_in_netpyne"],
    "locations 0 and 1": ["test_ends_of_a_section_are_refused"],
    "`pt3d`": ["test_what_is_handled_is_as_in_netpyne"],
    "functions of the place in `geom`": [
        "test_what_is_handled_is_as_in_netpyne",
        "test_a_function_of_the_place_is_not_random",
    ],
    "random functions": [
        "test_random_parameters_are_told",
        "test_random_parameters_are_those_of_the_seed",
    ],
    "`importCellParams`": ["cells/test_imported_cells.py::test_python_class"],
    "stored `weightNorm`": ["test_stored_weight_norm_is_removed_and_told"],
    "`pointps` such as": ["test_what_is_handled_is_as_in_netpyne"],
    "`pointps` with `vref`": ["test_artificial_cells_are_refused"],
    "`spikeGenLoc`": ["test_where_spikes_are_detected_has_no_effect"],
    "`rxdParams`": ["test_calcium_of_rxd_is_restored"],
    "`diversity`": ["test_mixed_populations_are_refused"],
    "several populations": [
        "test_other_populations_than_one_cell_are_refused",
        "test_a_population_without_membrane_is_refused",
        "test_a_scaled_number_of_cells_is_refused",
    ],
    "`cellsList`": ["test_what_is_handled_and_changes_nothing"],
    "`NetStim1` that is": ["test_another_source_than_one_spike_is_refused"],
    "`weight`, `delay`, `sec`": [
        "test_what_the_source_says_of_the_connection_is_refused",
        "test_a_weight_of_the_source_would_be_netpynes",
    ],
    "`shape`, `plast`": ["test_what_the_source_says_of_the_connection_is_refused"],
    "`sec`, `loc`": ["test_place_and_weight_of_the_target_are_the_searchs"],
    "no `delay`": ["test_what_is_handled_and_changes_nothing"],
    "several `synMech`": ["test_what_is_handled_is_as_in_netpyne"],
    "one `synMech`": ["test_factor_of_one_synapse_has_no_effect_and_is_told"],
    "functions of the place in `synMechParams`": ["test_what_is_handled_is_as_in_netpyne"],
    "`selfNetCon`": ["test_self_netcon_has_no_effect"],
    "`pointerParams`": ["test_gap_junctions_are_refused"],
    "`weight`, `delay`, `loc`": ["test_functions_and_lists_of_the_activation_are_refused"],
    "`synsPerConn`": ["test_several_activations_at_once_are_refused"],
    "`scaleConnWeightNetStims`": ["test_scale_of_netstims_is_divided_out"],
    "`scaleConnWeight`,": ["test_scales_of_the_networks_connections_are_told"],
    "further NetStims": [
        "test_background_is_told_and_makes_sites_drift",
        "test_background_that_is_switched_off_is_not_told",
    ],
    "`IClamp`": ["test_other_stimuli_beside_the_synapse_are_as_in_netpyne"],
    "`SEClamp`": ["test_a_clamp_beside_the_synapse_is_told"],
    "`connParams`": ["test_connections_of_the_folder_have_no_effect"],
    "`hParams`": [
        "test_what_is_handled_is_as_in_netpyne",
        "model/test_model.py::test_a_temperature_of_the_cell_that_is_not_used_has_a_notice",
    ],
    "`dt`": ["test_what_is_handled_is_as_in_netpyne"],
    "`cvode_active`": ["test_cvode_agrees_to_its_tolerance"],
    "`coreneuron`": ["test_switches_without_which_nothing_can_be_calibrated_are_refused"],
    "`addSynMechs`": ["test_switches_without_which_nothing_can_be_calibrated_are_refused"],
    "`includeParamsLabel`": ["test_switches_without_which_nothing_can_be_calibrated_are_refused"],
    "`saveIMembrane`": ["test_switches_without_which_nothing_can_be_calibrated_are_refused"],
    "`recordTraces`": ["test_all_options_without_effect_together"],
    "`gatherOnlySimData`": ["test_all_options_without_effect_together"],
    "`cache_efficient`": ["test_all_options_without_effect_together"],
    "`oneSynPerNetcon`": ["test_all_options_without_effect_together"],
    "`defaultWeight`": ["test_all_options_without_effect_together"],
    "`seeds`": [
        "test_all_options_without_effect_together",
        "test_random_parameters_are_those_of_the_seed",
    ],
    "`threshold` of `addCellParams": ["test_a_clipped_entry_gives_what_the_network_gives"],
    "table without": ["cli/test_summary.py::test_a_table_without_the_soma_is_told_as_no_pkl"],
}


def rows_of_the_page():
    cells = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("|")]
    return [first for first in cells if first != "option" and set(first) != {"-"}]


def test_each_row_of_the_page_has_its_tests():
    rows = rows_of_the_page()
    assert len(rows) == len(ROWS)
    for row in rows:
        [start] = [start for start in ROWS if row.startswith(start)]
        for test in ROWS[start]:
            file, _, name = test.rpartition("::")
            assert f"\ndef {name}(" in (REPO / "tests" / (file or HERE)).read_text(), row


def test_each_option_without_effect_is_set_in_the_test():
    last = PAGE.split("## The simulation")[1].split("## ")[0]
    for line in last.splitlines():
        if "| no effect |" in line:
            for name in re.findall(r"`(\w+)`", line.split("|")[1]):
                assert name in NO_EFFECT_CFG or name in NO_EFFECT_NET, name
