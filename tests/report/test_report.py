"""The report of a real run, read as HTML and opened in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from helpers import REPO
from helpers.running import change_results, killed_after_the_first_cell

from wscale.calibrate.job import calibrate
from wscale.calibrate.settings import SearchSettings
from wscale.errors import ConfigError, SelectionError, TableError
from wscale.measurement.solution import SolutionStatus
from wscale.plots.drawing import FIGURES
from wscale.report import write_report
from wscale.report.page import _badge
from wscale.report.words import MEANINGS

CELLS = ("PV_simple", "PT5B_reduced")
VOID = {"meta", "img", "input", "br", "link", "hr"}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """A grid search of two cells, of which one has entries above its grid, verified."""
    settings = SearchSettings.make(folder=str(REPO), cells=list(CELLS), cfg={"dt": 0.05})
    folder = tmp_path_factory.mktemp("run") / "results"
    command = ["wscale", "grid", "--out", "results"]
    assert calibrate(settings, folder, n_jobs=2, verified=True, command=command).passed
    return folder


@pytest.fixture(scope="module")
def report(results) -> Path:
    return write_report(results)


@pytest.fixture
def copied(results, tmp_path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(results, tmp_path / "results", ignore=lambda *_: ["report.html"])


class Page(HTMLParser):
    """What is in a page: tags with attributes, rows of tables, and text; tags must be balanced."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._open: list[str] = []
        self._table = ""
        self.feed(file.read_text(encoding="utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        self.tags.append((tag, given))
        if tag == "table":
            self._table = given.get("id", "")
            self.tables[self._table] = []
        elif tag == "tr":
            self.tables[self._table].append([])
        elif tag in ("td", "th"):
            self.tables[self._table][-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[self._table][-1][-1] += data

    def words(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture(scope="module")
def page(report) -> Page:
    return Page(report)


# ---------------------------------------------------------------------- what it says


def test_summary_is_in_words(page, results):
    said = page.words()
    checked = json.loads((results / "results.json").read_text())["cells"]
    worst = max(entry["verified"]["largest_error"] for entry in checked.values())
    assert "2 cells, 7 sites: 5 ok, 2 above_grid." in said
    assert "Target: a somatic EPSP of 0.5 mV" in said
    assert "a grid of 19 weights (0.1 to 1.9 nS)" in said
    assert "5 of 5 calibrated entries give their target within the tolerance" in said
    assert f"largest error {worst:.1e} of it" in said
    assert "the grid ends too early" in said


@pytest.mark.parametrize(("number", "cell"), [*enumerate(CELLS, start=1)])
def test_all_entries_are_there(page, results, number, cell):
    table = json.loads((results / "weightNorm" / f"{cell}_weightNorm.json").read_text())
    head, *rows = page.tables[f"entries-{number}"]
    names = [name.split(" (")[0] for name in head]
    shown = {(row[0], int(row[1])): dict(zip(names, row, strict=True)) for row in rows}
    assert len(rows) == len(shown) == sum(map(len, table["weightNorm"].values()))
    for (sec, segment), row in shown.items():
        value = table["weightNorm"][sec][segment]
        assert row["status"].split()[-1] == table["status"][sec][segment]
        assert row["reason"] == table["reason"][sec][segment]
        if value is None:
            assert row["weightNorm"] == row["weight"] == row["residual"] == ""
        else:
            assert float(row["weightNorm"]) == pytest.approx(1e3 * value, rel=1e-5)
            assert float(row["weight"]) == pytest.approx(500 * value, rel=1e-5)
            assert float(row["in network"]) == pytest.approx(0.5, abs=1e-4)


def test_distances_and_locations_are_those_of_the_grid(page, results):
    lines = (results / "grid_batch" / "PT5B_reduced.csv").read_text().splitlines()
    names = lines[0].split(",")
    grid = [dict(zip(names, line.split(",", len(names) - 1), strict=True)) for line in lines[1:]]
    there = {(row["sec"], float(row["loc"]), round(float(row["distance_um"]), 1)) for row in grid}
    assert {(row[0], float(row[2]), float(row[3])) for row in page.tables["entries-2"][1:]} == there


def test_worst_residuals_come_first(results, tmp_path, monkeypatch):
    monkeypatch.setattr("wscale.report.page._FEW_ROWS", 3)
    page = Page(write_report(results, tmp_path / "page.html"))
    assert "worst-1" not in page.tables  # of two entries, which are seen at a glance
    table = json.loads((results / "weightNorm" / "PT5B_reduced_weightNorm.json").read_text())
    known = {sec: row[0] for sec, row in table["residual"].items() if row[0] is not None}
    shown = [row[0] for row in page.tables["worst-2"][1:]]
    assert shown == sorted(known, key=lambda sec: -abs(known[sec]))


def test_what_a_run_did_not_leave_is_said(tmp_path):
    settings = SearchSettings.make(
        folder=str(REPO),
        cells=["PV_simple"],
        cfg={"dt": 0.05},
        target_mV=60.0,
        locations=[0.25],
    )
    calibrate(settings, tmp_path / "run", method="norm", n_jobs=1)
    found = Page(write_report(tmp_path / "run"))
    said = found.words()
    assert "No entry is calibrated, so there is no weightNorm." in said
    assert "There is no table that NetPyNE can load" in said
    assert "nothing could be verified" in said
    assert "No figure “EPSP against weight”: EPSP against weight needs a grid" in said
    assert "No entry has a residual" in said
    assert [row[2] for row in found.tables["entries-1"][1:]] == ["0.25", "0.25"]


def test_synapse_groups_of_one_cell(tmp_path):
    groups = {
        "exc": {"synMechs": {"AMPA": None}, "target_mV": 0.5},
        "inh": {"synMechs": {"slow": {"mod": "Exp2Syn", "tau2": 20, "e": -95}}, "target_mV": -0.3},
    }
    settings = SearchSettings.make(
        folder=str(REPO), cells=["PV_simple"], cfg={"dt": 0.05}, synapses=groups
    )
    calibrate(settings, tmp_path / "run", method="norm", n_jobs=1)
    said = Page(write_report(tmp_path / "run")).words()
    assert "2 cells, 4 sites: 4 ok." in said
    assert "Target: a somatic EPSP of 0.5 mV or IPSP of -0.3 mV" in said
    table = "run/weightNorm/PV_simple_{}_weightNorm.pkl"
    load = f'netParams.addCellParamsWeightNorm("PV_simple", "{table}")'
    assert f"{load.format('exc')} # or: {load.format('inh')}" in said
    assert "Not verified in a NetPyNE network" in said


def test_provenance_and_use(page, results):
    said = page.words()
    assert "wscale grid --out results" in said
    assert '"cfg": {"dt": 0.05}' in said
    for cell in CELLS:
        origin = json.loads((results / "weightNorm" / f"{cell}_weightNorm.json").read_text())
        for number in origin["provenance"]["sha256"].values():
            assert number in said
        line = f'addCellParamsWeightNorm("{cell}", "results/weightNorm/{cell}_weightNorm.pkl")'
        assert line in said
        assert f"verification/{cell}.csv" in said


def test_figures_are_in_the_page_and_missing_ones_are_explained(page):
    images = [given["src"] for tag, given in page.tags if tag == "img"]
    assert len(images) == 2 * (len(FIGURES) - 1)
    assert all(re.match(r"data:image/(png|svg\+xml);base64,\w", image) for image in images)
    assert page.words().count("No figure “Traces”: traces are kept only where") == 2


def test_nothing_is_loaded(page, report):
    for tag, given in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            if name in given and tag != "object":
                assert given[name].startswith(("#", "data:")), (tag, given[name][:80])
        assert not [name for name in given if name.startswith("on") or name == "style"]
    text = report.read_text()
    assert "@import" not in text
    assert "url(" not in text


def test_it_is_the_same_page_again(results, report, tmp_path):
    again = write_report(results, tmp_path / "new" / "again.html")
    assert again.read_bytes() == report.read_bytes()


# ---------------------------------------------------------------------- the command


def _wscale(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wscale", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_prints_the_path(results, tmp_path):
    out = tmp_path / "one.html"
    done = _wscale("report", results, "--cell", "PV_simple", "--out", out)
    assert (done.returncode, done.stdout.strip()) == (0, str(out)), done.stderr
    said = Page(out).words()
    assert "1 cell, 2 sites: 2 ok." in said
    assert "PT5B_reduced_weightNorm" not in said


def test_command_refuses_in_words(tmp_path):
    done = _wscale("report", tmp_path)
    assert done.returncode == 2
    assert "holds no results.json" in done.stderr


def test_unusable_folders_and_cells_are_refused(copied, tmp_path):
    with pytest.raises(ConfigError, match="there is no results folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(SelectionError, match="Did you mean 'PV_simple'"):
        write_report(copied, cells=["PV_simpel"])
    with pytest.raises(ConfigError, match="is a folder; name a file"):
        write_report(copied, tmp_path)
    assert not (copied / "report.html").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda entry: entry.pop("provenance"), "damaged at provenance: Field required"),
        (lambda entry: entry.update(trials="many"), "damaged at trials"),
        (lambda entry: entry.update(verified={"passed": 1}), "damaged at verified.largest_error"),
        (lambda entry: entry["settings"].update(tolerance=[]), "damaged at settings.tolerance"),
    ],
)
def test_damaged_results_file_is_refused(copied, damage, message):
    file = copied / "results.json"
    content = json.loads(file.read_text())
    damage(content["cells"]["PV_simple"])
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=re.escape(message)):
        write_report(copied)


def test_damaged_files_are_refused(copied):
    file = copied / "verification" / "PV_simple.csv"
    whole = file.read_text()
    file.write_text("cell,sec\nPV_simple,soma\n")
    with pytest.raises(TableError, match=r"PV_simple\.csv is damaged"):
        write_report(copied)
    file.write_text(whole)
    table = copied / "weightNorm" / "PV_simple_weightNorm.json"
    table.write_text(table.read_text()[:100])
    with pytest.raises(TableError, match="cannot be read as a weightNorm table"):
        write_report(copied)


# ---------------------------------------------------------------------- hostile names

SCRIPT = "<script>document.title='broken'</script>"
IMAGE = "<img src=x onerror=\"document.title='broken'\">"


@pytest.fixture
def hostile(copied) -> Path:
    """A report of a folder whose section, reason, notice and command are HTML."""
    parts = ("weightNorm/{}_weightNorm.json", "cells/{}.json", "grid_batch/{}.csv")
    for part in (*parts, "verification/{}.csv"):
        file = copied / part.format("PV_simple")
        text = file.read_text()
        file.write_text(re.sub(r"\bdend\b", SCRIPT, text))
    file = copied / "results.json"
    content = json.loads(file.read_text())
    entry = content["cells"]["PV_simple"]
    entry["notices"] = [IMAGE]
    entry["provenance"]["command"] = f"wscale </code></pre>{IMAGE}"
    entry["settings"]["cfg"] = {"</details>": SCRIPT}
    entry["no_pkl_because"] = "</section>" + SCRIPT
    content["last_run"]["finished"] = SCRIPT
    file.write_text(json.dumps(content))
    return write_report(copied)


def test_html_in_data_is_text(hostile):
    found = Page(hostile)
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert not [given for tag, given in found.tags if tag == "img" and "onerror" in given]
    assert SCRIPT in [row[0] for row in found.tables["entries-1"]]
    assert found.words().count(IMAGE) == 2


# ---------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A real, headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium (Debian: apt install chromium)")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """Open a page; at the end there must have been no complaint and no request but for itself."""
    pages, complaints = [], []

    def go(file: Path, width: int = 1200):
        tab = browser.new_page(viewport={"width": width, "height": 800})
        own = file.as_uri()

        def asked(request):
            if not request.url.startswith("data:") and request.url.split("#")[0] != own:
                complaints.append(f"request: {request.url}")

        tab.on("request", asked)
        tab.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:80]}"))
        tab.on("console", lambda message: complaints.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        tab.goto(own)
        pages.append(tab)
        return tab

    yield go
    for tab in pages:
        tab.close()
    assert complaints == []


def _column(tab, table: str, number: int) -> list[float | None]:
    """Return the numbers of a column of the rows that are seen, in their order."""
    cells = tab.locator(f"{table} tbody tr:not(.out) td:nth-child({number})")
    values = cells.evaluate_all("cells => cells.map(cell => cell.dataset.n)")
    return [None if value == "" else float(value) for value in values]


def _header(tab, table: str, name: str):
    headers = tab.locator(f"{table} thead th")
    names = [text.split()[0] for text in headers.all_text_contents()]
    number = names.index(name)
    return headers.nth(number), number + 1


def test_page_opens_with_its_images(visit, report):
    tab = visit(report)
    assert "PV_simple, PT5B_reduced" in tab.title()
    images = tab.locator("img")
    sizes = images.evaluate_all("all => all.map(i => i.complete ? i.naturalWidth : 0)")
    assert len(sizes) == 2 * (len(FIGURES) - 1)
    assert min(sizes) > 300


@pytest.mark.parametrize("by_keyboard", [False, True])
def test_headers_sort_numbers_as_numbers(visit, report, by_keyboard):
    tab = visit(report)
    # as text, 1.7e-07 would come before 3.1e-08
    for table, name in (("#entries-1", "residual"), ("#entries-2", "distance")):
        header, number = _header(tab, table, name)
        given = _column(tab, table, number)
        for order, backwards in (("ascending", False), ("descending", True)):
            if by_keyboard:
                header.locator("button").press("Enter")
            else:
                header.locator("button").click()
            assert header.get_attribute("aria-sort") == order
            assert _column(tab, table, number) == sorted(given, reverse=backwards)


def test_empty_cells_come_last_either_way(visit, report):
    tab = visit(report)
    header, number = _header(tab, "#entries-2", "weightNorm")
    known = [value for value in _column(tab, "#entries-2", number) if value is not None]
    assert len(known) == 3
    for backwards in (False, True):
        header.locator("button").click()
        expected = [*sorted(known, reverse=backwards), None, None]
        assert _column(tab, "#entries-2", number) == expected


def test_text_sorts_too(visit, report):
    tab = visit(report)
    header, _ = _header(tab, "#entries-2", "section")
    header.locator("button").click()
    names = tab.locator("#entries-2 tbody td:first-child").all_text_contents()
    assert names == ["Adend1", "Adend2", "Adend3", "Bdend", "soma"]


def test_filters_hide_rows(visit, report):
    tab = visit(report)
    controls = tab.locator(".controls[data-table=entries-2]")
    rows = tab.locator("#entries-2 tbody tr")
    seen = rows.filter(visible=True)
    assert seen.count() == rows.count() == 5
    controls.locator("input").fill("adend")
    assert seen.count() == 3
    controls.locator("select").select_option("above_grid")
    assert seen.count() == 2
    assert controls.locator("output").text_content() == "2 of 5 shown"
    controls.locator("input").fill("soma")
    assert seen.count() == 0
    controls.locator("select").select_option("")
    assert seen.count() == 1


def test_it_prints_whole(visit, report):
    tab = visit(report)
    tab.locator(".controls[data-table=entries-2] input").fill("soma")
    printed = tab.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert len(printed) > 50_000
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", printed)) < 30
    assert tab.locator("details[open]").count() == 0  # as it was before
    tab.emulate_media(media="print")
    assert tab.locator("#entries-2 tbody tr").filter(visible=True).count() == 5
    assert not tab.locator(".controls").first.is_visible()
    assert tab.locator(".box.long").first.evaluate("box => getComputedStyle(box).overflow") == (
        "visible"
    )


@pytest.mark.parametrize("width", [360, 1200])
def test_page_does_not_scroll_sideways(visit, report, width):
    tab = visit(report, width)
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= width
    assert tab.locator(".summary").bounding_box()["width"] > 0.6 * width
    sizes = tab.locator("td, p").evaluate_all(
        "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12


def test_html_in_data_does_not_run(visit, hostile):
    tab = visit(hostile)
    assert tab.title().startswith("wscale report")
    assert tab.locator("#entries-1 td", has_text="<script>").count() == 1
    assert tab.locator("script").count() == 1


# ---------------------------------------------------------------------- what is not whole


def test_a_run_that_was_killed_does_not_pass_for_whole(copied):
    assert "ot finished" not in Page(write_report(copied)).words()
    change_results(copied, killed_after_the_first_cell)
    page = Page(write_report(copied))
    told = "Not finished: PT5B_reduced, PT5B_pyramid; give the search's command again, which"
    assert f"{told} continues. 1 cell, 2 sites: 2 ok." in page.words()
    assert "last run ended" not in page.words()
    alarms = [
        number for number, (_, given) in enumerate(page.tags) if given.get("class") == "alarm"
    ]
    summary = next(n for n, (_, given) in enumerate(page.tags) if given.get("class") == "summary")
    assert alarms[0] == summary + 1
    change_results(copied, lambda content: content["last_run"].update(unfinished=[]))
    assert "Not finished: the last run has not ended; give" in Page(write_report(copied)).words()


def test_a_truncated_grid_is_no_report(copied):
    file = copied / "grid_batch" / "PV_simple.csv"
    file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(TableError, match=r"PV_simple\.csv is damaged.*give the search's command"):
        write_report(copied)


def test_files_outside_the_folder_are_not_listed(copied):
    outside = {
        "grid": "../../../etc/passwd",
        "shape": "/etc/passwd",
        "traces": "C:\\Windows\\win.ini",
        "weightNorm_pkl": "weightNorm/../../elsewhere.pkl",
    }

    def change(content):
        content["cells"]["PV_simple"]["files"].update(outside)
        content["cells"]["PV_simple"]["files"].pop("traces")

    change_results(copied, change)
    said = Page(write_report(copied, cells=["PV_simple"])).words()
    for path in outside.values():
        assert path not in said
    assert "verification/PV_simple.csv" in said
    assert "There is no table that NetPyNE can load" in said


def test_no_path_is_refused(results):
    done = _wscale("report", "")
    assert (done.returncode, "the results folder is ''" in done.stderr) == (2, True)
    done = _wscale("report", results, "--out", "")
    assert (done.returncode, "--out is ''" in done.stderr) == (2, True)


def test_ratios_have_no_unit(page):
    assert "(1)" not in page.words()


def test_synapses_and_conditions_are_told(results, copied):
    said = Page(write_report(copied)).words()
    synapses = (
        "Synapse: AMPA, MyExp2SynBB (tau1 = 0.05, tau2 = 5.3, e = 0), weight factor 0.5; NMDA, "
        "MyExp2SynNMDABB (tau1NMDA = 15, tau2NMDA = 150, e = 0), weight factor 0.5; simulated at "
        "34 °C, from -80.0 mV, in steps of 0.05 ms."
    )
    assert synapses in said
    assert said.index("Target: a somatic EPSP") < said.index(synapses) < said.index("Method")

    def older(content):
        content["cells"]["PV_simple"]["provenance"].pop("protocol")

    change_results(copied, older)
    assert (
        synapses.replace("Synapse", "Synapse (PT5B_reduced)") in Page(write_report(copied)).words()
    )


def test_weights_are_in_one_unit(page):
    said = page.words()
    assert "weightNorm of the calibrated entries: 0.5" in said
    heads = [name for rows in page.tables.values() for name in rows[0]]
    assert any("(nS/mV)" in name for name in heads)
    assert not any("uS" in name for name in heads)
    assert "The files hold uS/mV" in said


@pytest.mark.parametrize("status", get_args(SolutionStatus))
def test_every_status_has_a_sign_of_its_own_and_words(status):
    signs = [_badge(each).sign for each in get_args(SolutionStatus)]
    assert signs.count(_badge(status).sign) == 1
    assert status in MEANINGS
