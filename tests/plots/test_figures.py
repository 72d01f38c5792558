"""Figures of real results folders: all of them are drawn, say their units, and hide nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from helpers import REPO
from helpers.running import change_results, killed_after_the_first_cell, make_faulty_model
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from typer.testing import CliRunner

from wscale import Model, WscaleError, grid, solve
from wscale.calibrate.job import calibrate
from wscale.calibrate.settings import SearchSettings
from wscale.cli.app import app
from wscale.errors import ConfigError, SelectionError, TableError
from wscale.plots.drawing import FIGURES, draw, make
from wscale.plots.layout import lay_out
from wscale.plots.scales import SEQUENCE, colour_bar, colours, linear_scale, log_scale
from wscale.plots.search_figure import search_figure
from wscale.plots.style import STATUS
from wscale.results.morphology import Section, Shape
from wscale.results.reader import MissingDataError, read_results
from wscale.results.traces import Traces

OF_A_GRID = ("epsp_weight", "heatmap")
# Counts and ratios have none
UNIT = re.compile(r".+ \((mV|mV²|nS|nS/mV|ms|µm)\)$|number of segments$|soma / synapse$")
GABA = {"NetStim1.synMech": ["GABA"], "NetStim1.synMechWeightFactor": [1.0]}


def search(folder, method, cells, **options):
    cfg = {"dt": 0.05, **options.pop("cfg", {})}
    traces, verified = options.pop("traces", True), options.pop("verified", False)
    settings = SearchSettings.make(folder=str(REPO), cells=cells, cfg=cfg, **options)
    calibrate(settings, folder, method=method, n_jobs=2, traces=traces, verified=verified)
    return folder


@pytest.fixture(scope="module")
def of_grid(tmp_path_factory):
    """A grid that ends too early for two of five segments, with traces and verification."""
    folder = tmp_path_factory.mktemp("grid")
    return search(
        folder, "grid", ["PT5B_reduced", "PV_simple"], weights_uS="2e-4:1.9e-3:4", verified=True
    )


@pytest.fixture(scope="module")
def of_norm(tmp_path_factory):
    """A targeted search without traces."""
    return search(tmp_path_factory.mktemp("norm"), "norm", ["PV_simple"], traces=False)


@pytest.fixture(scope="module")
def of_ipsps(tmp_path_factory):
    """IPSPs."""
    folder = tmp_path_factory.mktemp("ipsp")
    return search(folder, "norm", ["SOM_simple"], target_mV=-0.2, cfg=GABA)


def drawn_markers(axes):
    return {line.get_marker() for line in axes.get_lines() if len(line.get_xdata())}


def words(figure):
    """All texts of a figure, as it is drawn."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


# ---------------------------------------------------------------------- all figures


@pytest.mark.parametrize("results", ["of_grid", "of_norm", "of_ipsps"])
def test_all_figures_that_a_run_allows_are_drawn_and_the_others_explained(
    results, request, tmp_path
):
    folder = request.getfixturevalue(results)
    drawn = draw(folder, formats=["png", "svg"], out=tmp_path)
    missing = {"of_grid": (), "of_norm": (*OF_A_GRID, "traces", "before_after")}.get(
        results, OF_A_GRID
    )
    cells = [cell.label for cell in read_results(folder)]
    wanted = {
        f"{cell}_{name}.{kind}"
        for cell in cells
        for name in FIGURES
        if name not in missing
        for kind in ("png", "svg")
    }
    assert {file.name for file in drawn.files} == wanted == {f.name for f in tmp_path.iterdir()}
    assert len(drawn.left_out) == len(missing)
    for name, reason in zip(sorted(missing), sorted(drawn.left_out), strict=True):
        assert reason.startswith(f"{name} of {', '.join(cells)}: ")
        assert "search with wscale grid" in reason or "with `traces=True`" in reason
    for file in drawn.files:
        content = file.read_bytes()
        if file.suffix == ".png":
            assert content.startswith(b"\x89PNG")
            assert int.from_bytes(content[16:20], "big") == pytest.approx(180 / 25.4 * 200, abs=1)
        else:
            assert content.startswith(b"<?xml")
            assert b"</svg>" in content


@pytest.mark.parametrize(
    ("results", "name"),
    [("of_grid", name) for name in FIGURES]
    + [("of_ipsps", name) for name in FIGURES if name not in OF_A_GRID],
)
def test_every_axis_has_its_unit(results, name, request):
    cell = read_results(request.getfixturevalue(results))[0]
    figure = make(cell, name)
    figure.draw_without_rendering()
    named = 0
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            numbers = [label.get_text() for label in axis.get_ticklabels() if label.get_visible()]
            shared = axes.get_shared_y_axes() if axis is axes.yaxis else axes.get_shared_x_axes()
            siblings = [other for other in shared.get_siblings(axes) if other is not axes]
            label = axis.label.get_text()
            if label and label != "section":
                assert UNIT.match(label), label
                named += 1
            elif any(re.match(r"^−?\d", number) for number in numbers) and axes.axison:
                assert siblings, f"an axis of numbers has no name: {numbers}"
    assert named >= 2


@pytest.mark.parametrize("name", FIGURES)
def test_no_letter_is_too_small_and_nothing_is_cut_off(of_grid, name):
    for cell in read_results(of_grid):
        figure = make(cell, name)
        figure.draw_without_rendering()
        for text in figure.findobj(Text):
            assert text.get_fontsize() >= 7.0 or not text.get_text(), text
            assert "$" not in text.get_text()  # of which parts are smaller
        for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
            labels = [label for label in axis.get_ticklabels() if label.get_text()]
            for one, other in pairwise(labels):
                apart = not one.get_window_extent().overlaps(other.get_window_extent())
                assert apart or not (one.get_visible() and other.get_visible()), one
        everything, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert everything.x0 >= -0.01
        assert everything.y0 >= -0.01
        assert everything.x1 <= width + 0.01
        assert everything.y1 <= height + 0.01


def test_the_same_results_give_the_same_files(of_grid, tmp_path):
    once = draw(of_grid, ["PV_simple"], formats=["svg"], out=tmp_path / "once")
    again = draw(of_grid, ["PV_simple"], formats=["svg"], out=tmp_path / "again")
    for one, other in zip(once.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_text_in_svg_stays_text(of_grid, tmp_path):
    [file] = draw(of_grid, ["PT5B_reduced"], ["along_tree"], formats=["svg"], out=tmp_path).files
    content = file.read_text()
    for text in ("weightNorm (nS/mV)", "Adend1", "above_grid (2)"):
        assert f">{text}</text>" in content


def test_neither_neuron_nor_netpyne_is_loaded(of_norm, tmp_path):
    code = f"""
import sys
from wscale.plots.drawing import draw
draw({str(of_norm)!r}, out={str(tmp_path)!r})
print({{"neuron", "netpyne"}} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


# ---------------------------------------------------------------------- what they show


def test_epsp_against_weight_shows_each_site_its_solution_and_its_status(of_grid):
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    figure = make(cell, "epsp_weight")
    axes = figure.axes[0]
    [lines] = [c for c in axes.collections if isinstance(c, LineCollection)]
    assert len(lines.get_segments()) == 5
    rows = cell.grid[cell.grid["sec"] == "Adend1"]
    np.testing.assert_allclose(
        lines.get_segments()[2], np.column_stack((1e3 * rows["weight_uS"], rows["epsp_mV"]))
    )
    assert len({tuple(colour) for colour in lines.get_colors()}) == 5
    [solved] = [c for c in axes.collections if not isinstance(c, LineCollection)]
    np.testing.assert_allclose(solved.get_offsets()[:, 1], 0.5, rtol=1e-3)
    assert [line.get_ydata()[0] for line in axes.get_lines()].count(0.5) == 1  # the target
    ends = [line.get_xydata()[0] for line in axes.get_lines() if line.get_marker() == "^"]
    np.testing.assert_allclose([x for x, _ in ends], 1.9)
    assert "above_grid (2 segments)" in words(figure)


def test_the_heat_map_outlines_the_best_weight(of_grid):
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    figure = make(cell, "heatmap")
    weights = sorted(cell.grid["weight_uS"].unique())
    best = json.loads((of_grid / "results.json").read_text())["cells"]["PT5B_reduced"]["best"]
    expected = {(weights.index(row["weight_uS"]), k) for k, row in enumerate(best)}
    for axes in figure.axes[:2]:
        frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert {patch.get_xy() for patch in frames} == expected


def test_the_branches_of_the_tree_are_connected(of_grid):
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    axes = make(cell, "along_tree").axes[0]
    [lines] = [c for c in axes.collections if isinstance(c, LineCollection)]
    by_name = {entry.sec: (entry.distance_um, entry.weight_norm) for entry in cell.entries}
    drawn = {tuple(map(tuple, line)) for line in lines.get_segments()}
    assert drawn == {(by_name["soma"], by_name[sec]) for sec in ("Bdend", "Adend1")}


def test_before_and_after_shows_the_grids_and_the_networks_epsps(of_grid):
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    axes = make(cell, "before_after").axes[0]
    before, after, capped = (c.get_offsets() for c in axes.collections[:3])
    fixed = cell.grid[np.isclose(cell.grid["weight_uS"], cell.fixed.weight_uS)]
    np.testing.assert_allclose(before[:, 1], fixed["epsp_mV"])
    np.testing.assert_allclose(after[:, 1], 0.5, rtol=1e-3)
    assert (len(after), len(capped)) == (3, 2)
    assert (capped[:, 1] < 0.45).all()


def test_traces_reach_the_target_and_fall_on_their_way_to_the_soma(of_ipsps):
    cell = read_results(of_ipsps)[0]
    figure = make(cell, "traces")
    [lines] = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert [line[:, 1].min() for line in lines.get_segments()] == pytest.approx(
        [-0.2, -0.2], rel=2e-3
    )
    assert "somatic IPSP (mV)" in words(make(cell, "before_after"))


@pytest.mark.parametrize("status", STATUS)
def test_every_status_has_its_own_marker_in_every_figure(of_grid, status):
    """One segment of a run is given each status in turn."""
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    entries = [replace(e, status="ok", weight_norm=1.0) for e in cell.entries]
    entries[2] = replace(entries[2], status=status, weight_norm=float("nan"))
    grid = cell.grid.copy()
    unsound = status if status in ("spike", "drift", "edge", "failed") else "failed"
    grid.loc[grid["sec"] == "Adend1", "status"] = unsound
    changed = replace(cell, entries=tuple(entries), grid=grid, network=None)
    marker = STATUS[status][0]
    assert [m for m, _ in STATUS.values()].count(marker) == 1
    for name, what in (
        ("epsp_weight", f"{status} (1 segment)"),
        ("along_tree", f"{status} (1)"),
        ("morphology", f"{status} (1 segment)"),
        ("heatmap", f"{unsound} (4 grid points)"),
        ("before_after", f"{status} (1)"),
    ):
        figure = make(changed, name)
        assert what in words(figure), name
        expected = STATUS[unsound][0] if name == "heatmap" else marker
        assert any(expected in drawn_markers(axes) for axes in figure.axes), name


@pytest.mark.slow
def test_a_site_whose_simulation_failed_is_seen(tmp_path):
    """A mechanism that ends its process, or never ends a trial, at some sites."""
    model = make_faulty_model(tmp_path / "model")
    arguments = ["grid", model, "--weights", "2e-5:8e-4:4", "--window", "60", "--target", "0.1"]
    arguments += ["--cfg", "kind=1", "--traces", "--jobs", "2", "--out", tmp_path / "out"]
    arguments += ["--trial-timeout", "1", "--memory-limit", "1"]
    done = subprocess.run([sys.executable, "-m", "wscale", *map(str, arguments)], check=False)
    assert done.returncode == 1
    [cell] = read_results(tmp_path / "out")
    for name in FIGURES:
        figure = make(cell, name)
        if name != "traces":
            assert any("failed (" in text for text in words(figure)), name
            assert any("x" in drawn_markers(axes) for axes in figure.axes), name
    assert len(draw(tmp_path / "out").files) == len(FIGURES)


# ---------------------------------------------------------------------- morphology


def length_um(points):
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


@pytest.mark.parametrize("label", ["PV_simple", "PT5B_hh", "PT5B_reduced", "PT5B_pyramid"])
def test_each_segment_has_its_part_of_a_branch(load, label):
    shape = Shape.of(load(label))
    drawing = lay_out(shape)
    assert len(drawing.segments) == sum(section.nseg for section in shape.sections.values())
    assert bool(drawing.plane) == any(section.pt3d for section in shape.sections.values())
    for name, section in shape.sections.items():
        parts = [drawing.segments[name, k] for k in range(section.nseg)]
        for before, after in pairwise(parts):
            np.testing.assert_allclose(before[-1], after[0])
        drawn = sum(map(length_um, parts))
        if section.pt3d:
            assert drawn <= section.L_um * (1 + 1e-9)  # a projection
        else:
            assert drawn == pytest.approx(section.L_um)
            assert drawing.diameters[name, 0] == section.diam_um


def test_sections_without_points_start_where_they_are_attached_and_lie_apart(load):
    shape = Shape.of(load("PT5B_hh"))
    drawing = lay_out(shape)
    soma, dendrite, axon = (drawing.segments[n, 0] for n in ("soma", "dendrite", "axon_0"))
    np.testing.assert_allclose(dendrite[0], soma[-1])
    np.testing.assert_allclose(axon[0], soma[0])
    np.testing.assert_allclose(drawing.segments["axon_1", 0][0], drawing.segments["axon_0", 2][-1])
    assert dendrite[-1][1] > soma[-1][1] > soma[0][1] > axon[-1][1]


def test_children_of_a_branch_point_go_different_ways(load):
    model = load("PT5B_hh")
    shape = Shape.of(model)
    child = replace(shape.sections["dendrite"], parent="dendrite")
    many = {**shape.sections, **{f"twig_{k}": child for k in range(5)}}
    drawing = lay_out(replace(shape, sections=many))
    ends = [tuple(np.round(drawing.segments[f"twig_{k}", 6][-1], 3)) for k in range(5)]
    assert len(set(ends)) == 5


def test_the_axis_along_which_a_cell_is_flat_is_left_out(load):
    shape = Shape.of(load("PT5B_reduced"))  # in the plane of x and y
    assert lay_out(shape).plane == "x-y"
    turned = {
        name: replace(section, pt3d=tuple((0.3 * x, z, y, d) for x, y, z, d in section.pt3d))
        for name, section in shape.sections.items()
    }
    drawing = lay_out(replace(shape, sections=turned))
    assert drawing.plane == "x-z"
    assert np.ptp([p[:, 1].max() for p in drawing.segments.values()]) > 500


def heights(cell):
    """Lower and upper end of what each panel of the morphology shows, um."""
    return [axes.get_ylim() for axes in make(cell, "morphology").axes if not axes.axison]


def test_a_long_axon_that_was_not_searched_leaves_the_rest_its_room(of_grid):
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    axon = cell.shape.sections["axon"]
    far = replace(axon, pt3d=tuple((x, 20 * y, z, d) for x, y, z, d in axon.pt3d))
    longer = replace(cell, shape=replace(cell.shape, sections={**cell.shape.sections, "axon": far}))
    assert heights(longer) == heights(cell)
    assert any("axon not drawn in full" in text for text in words(make(longer, "morphology")))
    searched = replace(longer, entries=(*cell.entries, replace(cell.entries[0], sec="axon")))
    assert heights(searched)[0][0] < min(y for _, y, _, _ in far.pt3d)
    assert not any("axon not drawn" in text for text in words(make(searched, "morphology")))


def test_a_formula_for_a_diameter_and_a_piece_apart_can_be_drawn(load):
    model = load("PV_simple")
    net = json.loads(json.dumps(model.net))
    net["cellParams"]["PV_simple"]["secs"]["dend"]["geom"]["diam"] = "uniform(1, 2)"
    del net["cellParams"]["PV_simple"]["secs"]["axon"]["topol"]
    shape = Shape.of(Model(model.cell, net, model.cfg))
    assert shape.sections["dend"].diam_um == 1.0
    assert shape.sections["axon"].distance_um is None
    assert len(lay_out(shape).segments) == 3


# ---------------------------------------------------------------------- what cannot be used


@pytest.mark.parametrize("name", OF_A_GRID)
def test_what_needs_a_grid_says_so(of_norm, name):
    with pytest.raises(MissingDataError, match=r"needs a grid of weights.*wscale grid"):
        draw(of_norm, figures=[name])


@pytest.mark.parametrize("name", ["traces", "before_after"])
def test_what_needs_traces_says_so(of_norm, name):
    with pytest.raises(MissingDataError, match="`traces=True`"):
        draw(of_norm, figures=[name])


def test_unknown_names_are_told_with_those_there_are(of_norm):
    with pytest.raises(SelectionError, match=r"'morpholgy'.*Did you mean 'morphology'"):
        draw(of_norm, figures=["morpholgy"])
    with pytest.raises(ConfigError, match=r"format 'pdf'.*png, svg"):
        draw(of_norm, formats=["pdf"])
    with pytest.raises(SelectionError, match=r"'PV_simpel'.*Did you mean 'PV_simple'"):
        draw(of_norm, ["PV_simpel"])


def test_folders_that_hold_no_results_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no results folder .*nowhere.*`out`"):
        draw(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"no results\.json"):
        draw(tmp_path)
    for content in ("[]", '{"cells": {}}', '{"cells": []}'):
        (tmp_path / "results.json").write_text(content)
        with pytest.raises(ConfigError, match="names no cells"):
            draw(tmp_path)
    for content in ('{"cells": {"a": 1}}', '{"cells": {"../a": {"files": {}}}}'):
        (tmp_path / "results.json").write_text(content)
        with pytest.raises(ConfigError, match="is damaged"):
            draw(tmp_path)
    (tmp_path / "results.json").write_text('{"cells": {"a": {"files": {}}}}')
    with pytest.raises(ConfigError, match="earlier version"):
        draw(tmp_path)


AGAIN = "give the search's command again"
FILES = (
    "results.json",
    "cells/PV_simple.json",
    "weightNorm/PV_simple_weightNorm.json",
    "grid_batch/PV_simple.csv",
    "traces/PV_simple.npz",
    "verification/PV_simple.csv",
)


@pytest.mark.parametrize(
    ("file", "damage"),
    [(file, damage) for file in FILES for damage in ("gone", "half", "empty", "other")],
)
def test_damaged_files_are_named(of_grid, tmp_path, file, damage):
    folder = tmp_path / "results"
    shutil.copytree(of_grid, folder)
    path = folder / file
    content = path.read_bytes()
    path.write_bytes(
        {"half": content[: len(content) // 2], "other": b'{"a": 1}\n'}.get(damage, b"")
    )
    if damage == "gone":
        path.unlink()
    with pytest.raises(WscaleError, match=re.escape(path.name)) as raised:
        draw(folder, ["PV_simple"], ["along_tree"])
    remedy = "give what `out` named" if path.name == "results.json" and damage == "gone" else AGAIN
    assert str(raised.value).count(remedy) == 1
    assert "pickle" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s: s.update(soma="nose"), "no section 'nose'"),
        (lambda s: s.update(wscale_shape=99), "not one of this version"),
        (lambda s: s["sections"]["dend"].update(nseg=0), "impossible length"),
        (lambda s: s["sections"]["dend"].update(parent="nose"), "unknown parent"),
        (lambda s: s["sections"]["soma"].update(parent="dend"), "its own parent"),
        (lambda s: s["sections"]["dend"].update(distance_um=[1.0, 2.0]), "one distance a segment"),
    ],
)
def test_shapes_that_cannot_be_are_refused(of_grid, tmp_path, change, problem):
    content = json.loads((of_grid / "cells" / "PV_simple.json").read_text())
    change(content)
    path = tmp_path / "shape.json"
    path.write_text(json.dumps(content))
    with pytest.raises(TableError, match=problem):
        Shape.read(path)


def test_a_column_that_is_missing_or_no_number_is_told(of_grid, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(of_grid, folder)
    path = folder / "grid_batch" / "PV_simple.csv"
    content = path.read_text()
    two = content.replace("epsp_mV", "epsp").replace("loss_mV2", "loss")
    for damaged, problem in (
        (two, "there is no column epsp_mV, loss_mV2"),
        (content.replace("0.0002", "weak"), "'weak' in column weight_uS is no number"),
    ):
        path.write_text(damaged)
        with pytest.raises(TableError, match=rf"PV_simple\.csv is damaged: {problem}"):
            draw(folder, ["PV_simple"])


# ---------------------------------------------------------------------- the command


def test_the_command_draws_what_it_is_asked_for(of_grid, tmp_path):
    arguments = ["plot", of_grid, "--cell", "PV_simple", "--figure", "heatmap"]
    arguments += ["--figure", "traces", "--format", "png,svg", "--out", tmp_path / "here"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    assert "4 figures in" in done.output
    assert {file.name for file in (tmp_path / "here").iterdir()} == {
        f"PV_simple_{name}.{kind}" for name in ("heatmap", "traces") for kind in ("png", "svg")
    }


def test_the_command_says_what_it_leaves_out(of_norm):
    done = subprocess.run(
        [sys.executable, "-m", "wscale", "plot", str(of_norm)],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "notice: no heatmap of PV_simple: a heat map needs a grid" in done.stdout
    assert f"2 figures in {of_norm / 'figures'}" in done.stdout
    assert (of_norm / "figures" / "PV_simple_morphology.png").exists()


def test_the_command_fails_in_words(of_norm):
    done = subprocess.run(
        [sys.executable, "-m", "wscale", "plot", str(of_norm), "--figure", "heatmap"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "needs a grid of weights" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_path_and_no_format_are_refused(of_norm, tmp_path, monkeypatch):
    monkeypatch.chdir(of_norm)
    for arguments, problem in (
        (["plot", ""], "the results folder is ''; give what `out`"),
        (["plot", of_norm, "--out", ""], "`out` is ''"),
        (["plot", of_norm, "--format", ""], "`formats` names no format; allowed are png, svg"),
    ):
        with pytest.raises(ConfigError, match=re.escape(problem)):
            CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    with pytest.raises(ConfigError, match="`formats` names no format"):
        draw(of_norm, formats=[], out=tmp_path)


def test_the_command_counts_one_figure_as_one(of_norm, tmp_path):
    arguments = ["plot", str(of_norm), "--figure", "along_tree", "--out", str(tmp_path)]
    assert f"1 figure in {tmp_path}" in CliRunner().invoke(app, arguments).output


# ---------------------------------------------------------------------- files that are not whole


@pytest.fixture
def copied(of_grid, tmp_path):
    """A copy of a run that a test may damage."""
    return shutil.copytree(of_grid, tmp_path / "results")


def rows_without(text, *parts):
    """A CSV file without the rows that hold all of these parts."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not all(part in line for part in parts))


@pytest.mark.parametrize(
    ("file", "damage", "problem"),
    [
        ("grid_batch/PV_simple.csv", lambda text: text[:900], None),
        (
            "grid_batch/PV_simple.csv",
            lambda text: rows_without(text, ",dend,"),
            "nothing of dend, segment 0",
        ),
        (
            "grid_batch/PV_simple.csv",
            lambda text: "".join(text.splitlines(keepends=True)[:-1]),
            r"dend\(0\.5\) has not each of the 4 weights",
        ),
        (
            "grid_batch/PV_simple.csv",
            lambda text: text + text.splitlines()[-1] + "\n",
            r"dend\(0\.5\) has not each",
        ),
        (
            "grid_batch/PV_simple.csv",
            lambda text: rows_without(text, ",0.0019,"),
            "it has 3 weights, and the search had 4",
        ),
        ("grid_batch/PV_simple.csv", lambda text: text.replace(",ok,", ",fine,"), "status 'fine'"),
        (
            "grid_batch/PV_simple.csv",
            lambda text: text.replace("PV_simple", "SOM_simple"),
            "it is of cell 'SOM_simple', and the table of 'PV_simple'",
        ),
        (
            "verification/PV_simple.csv",
            lambda text: "".join(text.splitlines(keepends=True)[:-1]),
            "nothing of dend, segment 0",
        ),
        (
            "verification/PV_simple.csv",
            lambda text: text + text.splitlines()[-1] + "\n",
            "several rows for one segment",
        ),
        (
            "verification/PV_simple.csv",
            lambda text: text.replace(",ok,0.5", ",above_grid,0.5"),
            "it says 'above_grid' of soma, segment 0, and the table 'ok'",
        ),
        (
            "verification/PV_simple.csv",
            lambda text: text.replace("PV_simple,dend,0", "PV_simple,nose,0"),
            "nothing of dend",
        ),
        (
            "cells/PV_simple.json",
            lambda text: text.replace('"dend"', '"nose"'),
            "0 segments of section 'dend', and the table 1",
        ),
    ],
)
def test_files_of_a_part_or_of_another_cell_are_refused(copied, file, damage, problem):
    path = copied / file
    whole = path.read_text()
    damaged = damage(whole)
    assert damaged != whole
    path.write_text(damaged)
    with pytest.raises(TableError, match=rf"{path.name} is damaged: .*{problem or ''}.*{AGAIN}"):
        draw(copied, ["PV_simple"], ["along_tree"])


@pytest.mark.parametrize("damage", ["of another cell", "without a site", "with another weight"])
def test_traces_that_do_not_fit_the_table_are_refused(of_grid, of_ipsps, tmp_path, damage):
    if damage == "of another cell":
        folder, label, problem = of_grid, "PV_simple", "Adend|Bdend|another weight"
    else:
        folder, label, problem = of_ipsps, "SOM_simple", "nothing of dend|another weight"
    copy = shutil.copytree(folder, tmp_path / "results")
    path = copy / "traces" / f"{label}.npz"
    traces = Traces.read(path)
    if damage == "of another cell":
        shutil.copy(copy / "traces" / "PT5B_reduced.npz", path)
    elif damage == "without a site":
        fixed = {
            name: getattr(traces, name)[:1]
            for name in ("fixed_sec", "fixed_segment", "fixed_epsp_mV", "fixed_status")
        }
        replace(traces, **fixed).write(path, "identity")
    else:
        replace(traces, weight_uS=1.1 * traces.weight_uS).write(path, "identity")
    with pytest.raises(TableError, match=rf"{label}\.npz is damaged: .*({problem}).*{AGAIN}"):
        draw(copy, [label], ["along_tree"])


def test_an_archive_that_is_none_gives_no_advice_to_trust_it(copied):
    path = copied / "traces" / "PV_simple.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    whole = path.read_bytes()
    np.savez(copied / "objects.npz", **{**arrays, "soma_mV": np.array([{}], dtype=object)})
    np.savez(copied / "flat.npz", **{**arrays, "soma_mV": arrays["soma_mV"][0]})
    np.savez(copied / "nan.npz", **{**arrays, "soma_mV": arrays["soma_mV"] * np.nan})
    del arrays["t_ms"]
    np.savez(copied / "less.npz", **arrays)
    flipped = bytearray(whole)
    for place in range(len(whole) // 2, len(whole) // 2 + 300):
        flipped[place] ^= 255
    for content, problem in (
        (np.random.default_rng(1).bytes(4096), "it is no NumPy archive of arrays"),
        ((copied / "objects.npz").read_bytes(), "it is no NumPy archive of arrays"),
        (bytes(flipped), "it is no NumPy archive of arrays"),
        ((copied / "flat.npz").read_bytes(), "soma_mV has 1 dimensions, not 2"),
        ((copied / "nan.npz").read_bytes(), "soma_mV is not finite"),
        ((copied / "less.npz").read_bytes(), "it has no t_ms"),
    ):
        path.write_bytes(content)
        with pytest.raises(TableError, match=f"does not hold traces: {problem}; {AGAIN}") as raised:
            draw(copied, ["PV_simple"], ["along_tree"])
        assert "pickle" not in str(raised.value)


def test_a_run_that_is_not_finished_is_told(copied, tmp_path):
    arguments = ["plot", str(copied), "--figure", "along_tree", "--out", str(tmp_path / "f")]
    assert "not finished" not in CliRunner().invoke(app, arguments).output
    change_results(copied, killed_after_the_first_cell)
    told = f"not finished: PT5B_reduced, PT5B_pyramid; {AGAIN}, which continues"
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, f"notice: {told}" in done.output) == (0, True)
    assert draw(copied, figures=["along_tree"], out=tmp_path / "f").not_finished == told
    with pytest.raises(SelectionError, match=rf"no cell 'PT5B_pyramid' \({told}\)"):
        draw(copied, ["PT5B_pyramid"])
    change_results(copied, lambda content: content["last_run"].update(unfinished=[]))
    told = f"notice: not finished: the last run has not ended; {AGAIN}, which continues"
    assert told in CliRunner().invoke(app, arguments).output


def test_a_run_without_any_finished_cell_is_told(copied):
    change_results(copied, killed_after_the_first_cell)
    change_results(copied, lambda content: content["cells"].clear())
    with pytest.raises(ConfigError, match=r"names no cells; not finished: PT5B_reduced.*continues"):
        draw(copied)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"wscale_results": 2}, "of a newer version .* is 2, and this version reads 1; update"),
        ({"wscale_results": "1"}, f"damaged: its wscale_results is '1'; {AGAIN}"),
        ({"wscale_results": 0}, f"damaged: its wscale_results is 0; {AGAIN}"),
        ({"last_run": {"finished": 3}}, f"damaged at last_run.finished: .*{AGAIN}"),
        ({"last_run": []}, f"damaged at last_run: .*{AGAIN}"),
    ],
)
def test_results_files_of_other_formats_are_refused(copied, change, problem):
    change_results(copied, lambda content: content.update(wscale_results=1))
    assert read_results(copied)
    change_results(copied, lambda content: content.update(change))
    with pytest.raises(ConfigError, match=rf"results\.json is .*{problem}"):
        draw(copied)


# ---------------------------------------------------------------------- what could mislead


def with_status(cell, sec, status):
    """A cell's results with a segment that has another status and no weight."""
    entries = [
        replace(e, status=status, weight_norm=float("nan")) if e.sec == sec else e
        for e in cell.entries
    ]
    return replace(cell, entries=tuple(entries))


def test_what_exceeds_the_target_at_once_is_marked_there(of_grid):
    cell = with_status(read_results(of_grid, ["PT5B_reduced"])[0], "soma", "below_grid")
    axes = make(cell, "epsp_weight").axes[0]
    [marked] = [line.get_xydata() for line in axes.get_lines() if line.get_marker() == "v"]
    first = cell.grid[cell.grid["sec"] == "soma"].iloc[0]
    np.testing.assert_allclose(marked, [[1e3 * first["weight_uS"], first["epsp_mV"]]])


def test_no_legend_counts_nothing(of_grid):
    cell = read_results(of_grid, ["PV_simple"])[0]
    assert "solved weight (2 segments)" in words(make(cell, "epsp_weight"))
    for sec in ("soma", "dend"):
        cell = with_status(cell, sec, "above_grid")
    assert not [text for text in words(make(cell, "epsp_weight")) if "solved weight" in text]


def test_branches_without_a_value_are_grey_and_their_markers_no_colour_of_a_scale(of_grid):
    cell = with_status(read_results(of_grid, ["PT5B_reduced"])[0], "Bdend", "below_grid")
    axes = next(axes for axes in make(cell, "morphology").axes if not axes.axison)
    [branches] = [c for c in axes.collections if isinstance(c, LineCollection)]
    shades = [tuple(colour[:3]) for colour in branches.get_colors()]
    # Soma and Adend1 have a value; two are above the grid, one below, the axon was not searched
    assert [r == g == b for r, g, b in shades].count(False) == 2
    scale = np.array(SEQUENCE["viridis"](np.linspace(0, 1, 256)))[:, :3]
    for status in ("below_grid", "drift", "above_grid", "inexact", "unreachable", "spike"):
        apart = np.abs(scale - to_rgb(STATUS[status][1])).max(axis=1).min()
        assert apart > 0.2, status


def test_where_nothing_is_calibrated_the_figures_say_so(of_grid):
    cell = read_results(of_grid, ["PV_simple"])[0]
    grid = cell.grid.assign(status="spike")
    bare = replace(cell, grid=grid, traces=None, network=None)
    for sec in ("soma", "dend"):
        bare = with_status(bare, sec, "spike")
    said = words(figure := make(bare, "before_after"))
    assert any("no segment has a calibrated weight;\nno segment has an EPSP" in t for t in said)
    assert "with weightNorm: no segment is calibrated" in said
    assert [axes.get_xlim()[0] >= -2 for axes in figure.axes] == [True] * len(figure.axes)
    assert "no segment has a calibrated weight" in words(make(bare, "along_tree"))


def test_the_figure_of_a_search_without_any_weight_says_so(load):
    model = load("PV_simple", dt=0.05)
    for results in (
        grid(model, [1e-4, 2e-4], targets=40.0, n_jobs=1),
        solve(model, targets=200.0, n_jobs=1),
    ):
        figure = search_figure(results)
        assert "no segment has a calibrated weight" in words(figure)
        assert figure.axes[0 if len(figure.axes) == 2 else 1].get_xlim()[0] == 0.0
    assert "no segment has a calibrated weight" not in words(
        search_figure(grid(model, [1e-4, 9e-4], n_jobs=1))
    )


def test_before_and_after_tells_the_largest_error(of_grid):
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    network = cell.network.copy()
    [told] = [
        text for text in words(make(cell, "before_after")) if text.startswith("with weightNorm")
    ]
    assert re.fullmatch(r"with weightNorm, in a NetPyNE network: 0\.5 mV, within 0\.0\d+ %", told)
    network.loc[network["sec"] == "soma", "epsp_mV"] = 0.5 * 1.0123
    worse = words(make(replace(cell, network=network), "before_after"))
    assert "with weightNorm, in a NetPyNE network: 0.5 mV, within 2 %" in worse


def test_traces_say_where_they_are_of_some_segments_only(of_grid):
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    assert "2 segments without a solved weight not shown" in words(make(cell, "traces"))
    names = ("sec", "segment", "weight_uS", "soma_mV", "soma_epsp_mV", "local_epsp_mV")
    fewer = replace(cell.traces, **{name: getattr(cell.traces, name)[:2] for name in names})
    told = "2 of 3 calibrated segments; 2 segments without a solved weight not shown"
    assert told in words(make(replace(cell, traces=fewer), "traces"))


def test_the_soma_has_its_name_among_many_branches(of_grid):
    cell = read_results(of_grid, ["PV_simple"])[0]
    soma, dend = cell.entries
    sections = dict(cell.shape.sections)
    entries = [soma]
    for k in range(24):
        name = f"branch_{k}"
        sections[name] = replace(sections["dend"], L_um=100.0 + k)
        norm = soma.weight_norm * (0.94 + 0.005 * k)
        entries.append(replace(dend, sec=name, weight_norm=norm, distance_um=0.05 * k))
    many = replace(cell, shape=replace(cell.shape, sections=sections), entries=tuple(entries))
    assert "soma" in words(make(many, "along_tree"))


def tree(parts):
    """A shape of sections without points: name -> (parent, loc on it, length, diameter)."""
    return Shape(
        "soma",
        {
            name: Section(1, length, diameter, parent, loc, 0.0, (), (0.0,))
            for name, (parent, loc, length, diameter) in parts.items()
        },
    )


def pyramid():
    """A trunk of four with obliques, a tuft that divides three times, and basal dendrites."""
    parts = {"soma": (None, 0.0, 20.0, 20.0)}
    above = ("soma", 1.0)
    for k in range(4):
        parts[f"trunk_{k}"] = (*above, 100.0, 4.0)
        parts[f"oblique_{k}"] = (f"trunk_{k}", 0.5, 120.0, 1.0)
        parts[f"twig_{k}"] = (f"oblique_{k}", 1.0, 60.0, 0.8)
        parts[f"fork_{k}"] = (f"oblique_{k}", 1.0, 50.0, 0.8)
        above = (f"trunk_{k}", 1.0)
    ends = [above]
    for level in range(3):
        grown = []
        for number, end in enumerate(ends):
            for side in "lr":
                name = f"tuft_{level}_{number}{side}"
                parts[name] = (*end, 80.0, 1.0)
                grown.append((name, 1.0))
        ends = grown
    for k in range(6):
        parts[f"basal_{k}"] = ("soma", 0.0, 90.0, 1.5)
        parts[f"basal_twig_{k}"] = (f"basal_{k}", 1.0, 70.0, 1.0)
        parts[f"basal_fork_{k}"] = (f"basal_{k}", 1.0, 70.0, 1.0)
    return tree(parts)


def nearest_um(one, other):
    """Least distance of the later parts of two lines, which may begin at one point."""
    along = np.linspace(0.1, 1.0, 60)[:, None]
    first, second = (line[0] + along * (line[-1] - line[0]) for line in (one, other))
    return np.hypot(*(first[:, None, :] - second[None, :, :]).T).min()


def test_branches_laid_out_from_the_topology_lie_apart():
    shape = pyramid()
    drawing = lay_out(shape)
    lines = {name: drawing.segments[name, 0] for name in shape.sections if name != "soma"}
    for one, other in combinations(lines, 2):
        assert nearest_um(lines[one], lines[other]) > 2.0, (one, other)


def angle(line):
    """Direction of a line, degrees."""
    x, y = line[-1] - line[0]
    return np.degrees(np.arctan2(y, x))


@pytest.mark.parametrize("loc", [1.0, 0.5])
def test_a_trunk_goes_straight_up_and_what_leaves_it_does_so_at_an_angle(loc):
    shape = pyramid()
    trunk = replace(shape.sections["trunk_0"], parent_loc=loc)
    drawing = lay_out(replace(shape, sections={**shape.sections, "trunk_0": trunk}))
    for k in range(4):
        assert angle(drawing.segments[f"trunk_{k}", 0]) == pytest.approx(90.0)
        aside = abs(angle(drawing.segments[f"oblique_{k}", 0]) - 90.0)
        assert 45.0 - 1e-6 <= aside <= 120.0
    for k in range(6):
        assert drawing.segments[f"basal_{k}", 0][-1][1] < 0


def test_the_thicker_of_two_equal_trees_continues():
    shape = tree(
        {
            "soma": (None, 0.0, 20.0, 20.0),
            "trunk": ("soma", 1.0, 100.0, 4.0),
            "thin": ("trunk", 1.0, 100.0, 1.0),
            "thick": ("trunk", 1.0, 100.0, 4.0),
        }
    )
    drawing = lay_out(shape)
    assert angle(drawing.segments["thick", 0]) == pytest.approx(90.0)
    assert abs(angle(drawing.segments["thin", 0]) - 90.0) == pytest.approx(45.0)


def test_pieces_that_are_not_connected_are_beside_each_other():
    parts = pyramid().sections
    apart = replace(parts["soma"], parent=None)
    drawing = lay_out(Shape("soma", {**parts, "piece": apart}))
    others = [drawing.segments[name, 0] for name in parts]
    piece = drawing.segments["piece", 0]
    assert piece[:, 0].min() > max(line[:, 0].max() for line in others)


def test_values_that_differ_little_look_alike():
    low, high = (
        to_rgb(c)
        for c in colours(linear_scale([0.5592, 0.5609], SEQUENCE["viridis"]), (0.5592, 0.5609))
    )
    assert np.abs(np.subtract(low, high)).max() < 0.05
    far = [to_rgb(c) for c in colours(linear_scale([1.0, 2.0], SEQUENCE["viridis"]), (1.0, 2.0))]
    assert np.abs(np.subtract(*far)).max() > 0.3


@pytest.mark.parametrize(("least", "extend"), [(1e-9, "min"), (1e-3, "neither")])
def test_a_colour_bar_has_a_point_where_values_lie_below_it(least, extend):
    figure = Figure()
    scale = log_scale([least, 1.0], SEQUENCE["cividis"], 6)
    colour_bar(figure, scale, figure.subplots(), "loss (mV²)")
    assert figure.axes[-1]._colorbar.extend == extend


def test_a_best_weight_that_is_not_calibrated_has_a_dashed_frame(of_grid):
    figure = make(read_results(of_grid, ["PT5B_reduced"])[0], "heatmap")
    for axes in figure.axes[:2]:
        black = [p for p in axes.patches if p.get_edgecolor()[:3] == (0.0, 0.0, 0.0)]
        dashed = [patch.get_linestyle() not in ("-", "solid") for patch in black]
        assert (len(dashed), dashed.count(True)) == (5, 2)
    assert "best, not calibrated" in words(figure)
    assert "best, not calibrated" not in words(
        make(read_results(of_grid, ["PV_simple"])[0], "heatmap")
    )


def test_capped_segments_are_open_in_the_histogram(of_grid):
    figure = make(read_results(of_grid, ["PT5B_reduced"])[0], "before_after")
    side = next(axes for axes in figure.axes if axes.get_xlabel() == "number of segments")
    filled = [(patch.get_fill(), np.nansum(patch.get_data().values)) for patch in side.patches]
    assert filled == [(False, 5), (True, 3), (False, 2)]


def test_sections_without_a_weight_are_named_above(of_grid):
    said = words(make(read_results(of_grid, ["PT5B_reduced"])[0], "along_tree"))
    assert {"soma", "Bdend", "Adend1", "Adend2", "Adend3"} <= set(said)


def test_the_somas_line_reaches_what_is_attached_to_it(of_grid):
    cell = read_results(of_grid, ["PT5B_reduced"])[0]
    axes = next(axes for axes in make(cell, "morphology").axes if not axes.axison)
    [branches] = [c for c in axes.collections if isinstance(c, LineCollection)]
    ends = [tuple(line[-1]) for line in branches.get_segments()]
    starts = [tuple(line[0]) for line in branches.get_segments()]
    soma = lay_out(cell.shape).segments["soma", 0]
    assert tuple(soma[-1]) in ends
    assert starts.count(tuple(soma[-1])) == 2  # of Bdend and Adend1


def test_a_target_beyond_the_responses_is_named_at_the_end_of_the_axis(of_grid):
    cell = read_results(of_grid, ["PV_simple"])[0]
    entries = [
        replace(e, status="above_grid", weight_norm=float("nan"), target_mV=60.0)
        for e in cell.entries
    ]
    far = replace(cell, entries=tuple(entries), network=None)
    for name in ("epsp_weight", "before_after"):
        figure = make(far, name)
        assert "target ↑\n60 mV" in words(figure), name
        everything, (_, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert -0.01 <= everything.y0 <= everything.y1 <= height + 0.01
    assert sum(np.nansum(patch.get_data().values) for patch in figure.axes[1].patches) == 2
