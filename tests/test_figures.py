"""Figures of real results folders: all of them are drawn, say their units, and hide nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import REPO
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from rich.console import Console
from running import make_faulty_model
from typer.testing import CliRunner

from wscale import Model, WscaleError
from wscale.cli import app
from wscale.errors import ConfigError, SelectionError, TableError
from wscale.figures import FIGURES, draw, make
from wscale.figures.data import MissingDataError, read_results
from wscale.figures.layout import lay_out
from wscale.figures.style import STATUS
from wscale.job import run_search
from wscale.settings import SearchSettings
from wscale.shape import Shape

OF_A_GRID = ("epsp_weight", "heatmap")
UNIT = re.compile(r".+ \((mV|mV²|nS|nS/mV|ms|µm|1)\)$")
GABA = {"NetStim1.synMech": ["GABA"], "NetStim1.synMechWeightFactor": [1.0]}


def search(folder, method, cells, **options):
    cfg = {"dt": 0.05, **options.pop("cfg", {})}
    traces, verified = options.pop("traces", True), options.pop("verified", False)
    settings = SearchSettings.make(folder=str(REPO), cells=cells, cfg=cfg, **options)
    quiet = Console(quiet=True)
    run_search(
        settings, folder, method=method, jobs=2, traces=traces, verified=verified, console=quiet
    )
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
        assert "search with wscale grid" in reason or "with --traces" in reason
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
from wscale.figures import draw
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
    assert "above_grid (2 sites)" in words(figure)


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
        ("epsp_weight", f"{status} (1 site)"),
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
    with pytest.raises(MissingDataError, match="--traces"):
        draw(of_norm, figures=[name])


def test_unknown_names_are_told_with_those_there_are(of_norm):
    with pytest.raises(SelectionError, match=r"'morpholgy'.*Did you mean 'morphology'"):
        draw(of_norm, figures=["morpholgy"])
    with pytest.raises(ConfigError, match=r"format 'pdf'.*png, svg"):
        draw(of_norm, formats=["pdf"])
    with pytest.raises(SelectionError, match=r"'PV_simpel'.*Did you mean 'PV_simple'"):
        draw(of_norm, ["PV_simpel"])


def test_folders_that_hold_no_results_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no results folder .*nowhere.*--out"):
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
    [
        (file, damage)
        for file in FILES
        for damage in ("gone", "half", "empty", "other")
        if damage != "half" or not file.endswith(".csv")  # whose rows are whole, but fewer
    ],
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
    with pytest.raises(WscaleError, match=re.escape(path.name)):
        draw(folder, ["PV_simple"], ["along_tree"])


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
    for damaged in (content.replace("epsp_mV", "epsp"), content.replace("0.0002", "weak")):
        path.write_text(damaged)
        with pytest.raises(TableError, match=r"PV_simple\.csv is damaged"):
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
