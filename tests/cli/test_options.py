"""Options, each stated once; parameters in messages of the library, options on the command line."""

from __future__ import annotations

import ast
import inspect
import re

import pytest
from helpers import REPO
from helpers.inside import wscale
from typer.testing import CliRunner

from wscale.calibrate.options import FLAGS, SETTINGS
from wscale.calibrate.settings import SearchSettings
from wscale.cli import inspect as inspecting
from wscale.cli import new, plot, report, search, tables
from wscale.cli.app import app
from wscale.cli.output import with_options
from wscale.errors import option

COMMANDS = {
    "new": new.NEW,
    "inspect": inspecting.INSPECT,
    "norm": search.NORM,
    "grid": search.GRID,
    "verify": tables.VERIFY,
    "audit": tables.AUDIT,
    "compare": tables.COMPARE,
    "plot": plot.PLOT,
    "report": report.REPORT,
}
SOURCES = {
    file.relative_to(REPO): ast.parse(file.read_text())
    for file in sorted((REPO / "wscale").rglob("*.py"))
    if "template" not in file.parts
}
# Still to be bundled: wscale.search.grid.grid, wscale.search.targeted.solve
MANY_PARAMETERS = {"grid", "solve"}


def test_settings_and_options_have_the_same_names():
    own = {"synapses", "spike_threshold_mV", "drift_tolerance_mV"}  # no option of that meaning
    assert {one.name for one in SETTINGS} == {*SearchSettings.model_fields} - own
    for one in SETTINGS:
        assert SearchSettings.model_fields[one.name].description == one.description


def test_a_parameter_has_one_option():
    for options in COMMANDS.values():
        for one in options:
            flag = one.flags.split()[0] if one.flags else None
            assert flag == FLAGS.get(one.name, flag), one.name
            assert not one.help.endswith("."), one.name


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_has_every_option_in_its_panel(command):
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    panels = re.split(r"^╭─ ", done.output, flags=re.M)[1:]
    for one in COMMANDS[command]:
        title = one.panel or ("Options" if one.flags else "Arguments")
        [panel] = [text for text in panels if text.startswith(f"{title} ─")]
        said = " ".join(re.sub(r"[│ \n]+", " ", panel).split())
        for flag in one.flags.split():
            assert flag in said
        assert (one.help + one.usage).replace("\\[", "[") in said


def test_no_function_has_more_than_12_parameters():
    many = set()
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                a = node.args
                if len([*a.posonlyargs, *a.args, *a.kwonlyargs]) > 12:
                    many.add(getattr(node, "name", "lambda"))
    assert many <= MANY_PARAMETERS


def test_parameters_that_messages_name_have_an_option():
    named = {
        node.args[0].value
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "option"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(named) > 10
    assert named <= {*FLAGS}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("out", ..., "--out"),
        ("fresh", True, "--fresh"),
        ("soma", "Soma", "--soma Soma"),
        ("cfg", {"dt": 0.05, "a.b": 1}, "--cfg dt=0.05 --cfg a.b=1"),
        ("sections", ["soma", "dend"], "--sections soma,dend"),
        ("memory_GiB", 2, "--memory-limit 2"),
        ("trial_timeout_s", ..., "--trial-timeout"),
        ("mod_exclude", ..., "--mod-exclude"),
        ("n_jobs", -1, "--jobs -1"),
    ],
)
def test_a_parameter_is_shown_as_its_option(name, value, shown):
    assert with_options(f"say {option(name, value)} so") == f"say {shown} so"


@pytest.mark.parametrize("text", ["`cfg`", "`netParams`", "`out=(`", "`a b`", "`", "plain"])
def test_other_words_stay(text):
    assert with_options(text) == text


def test_a_wrong_value_is_said_with_its_option():
    done = wscale("norm", ".", "--tolerance", 2)
    assert done.returncode == 2
    assert done.stderr.startswith("ConfigError: settings: tolerance = 2.0: ")
    assert done.stderr.endswith("(--tolerance)\n")


def test_commands_take_their_options_together():
    for name in ("norm_command", "grid_command"):
        assert [*inspect.signature(getattr(search, name)).parameters] == ["options"]
