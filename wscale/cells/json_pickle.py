"""Cells in JSON and pickle files: a rule, rules by label, or a network as NetPyNE saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wscale._util.json_files import parse_json
from wscale._util.pickles import load_plain
from wscale._util.plain import is_number, some, to_plain
from wscale.errors import ModelError, closest, option

__all__ = ["choose_stored"]


def choose_stored(
    file: Path, content: bytes, label: str | None
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Choose a cell rule of a JSON or pickle file.

    Parameters
    ----------
    file : Path
        The file; its ending says what it is.
    content : bytes
        What is in it.
    label : str or None
        Label of the rule, where there are several.

    Returns
    -------
    rule : dict
        The rule, plain. Temperature and initial potential that a network was saved with are among
        its ``globals``.
    label : str
        Its label; empty where the file is one rule.
    syn_mechs : dict
        The synMechParams of a saved network.

    Raises
    ------
    ModelError
        Not to be read, no cell, several and no label, or no such label.
    """
    data = _parsed(file, content)
    above: list[dict[str, Any]] = []
    for key in ("net", "params", "netParams", "cellParams"):
        if isinstance(data, dict) and isinstance(data.get(key), dict) and "secs" not in data:
            above.append(data)
            data = data[key]
    if isinstance(data, dict) and ("secs" in data or isinstance(data.get("cellModel"), str)):
        if label is not None:
            raise ModelError(
                f"{file} holds one cell, without a label: leave {option('cell_class')} out"
            )
        return data, "", {}
    entries = data if isinstance(data, dict) else {}
    rules = {
        name: rule
        for name, rule in entries.items()
        if isinstance(rule, dict) and ("secs" in rule or "cellModel" in rule)
    }
    if not rules:
        raise ModelError(
            f"{file} holds no cell: expected a cellParams rule {{'secs': {{...}}}}, rules by "
            "label, or a saved network with net.params.cellParams"
        )
    if label is None and len(rules) > 1:
        raise ModelError(
            f"{file} holds {len(rules)} cells ({some(rules)}); name one: {option('cell_class')}"
        )
    chosen = next(iter(rules)) if label is None else label
    if chosen not in rules:
        raise ModelError(
            f"{file} has no cell {chosen!r} (it has {some(rules)}).{closest(chosen, rules)}"
        )
    _take_temperature(rules[chosen], above)
    return rules[chosen], chosen, _syn_mechs(above)


def _parsed(file: Path, content: bytes) -> Any:
    """Return the content of a JSON or pickle file, plain."""
    is_json = file.suffix.lower() == ".json"
    try:
        data = parse_json(content) if is_json else load_plain(content)
        return to_plain(data, file.name)
    except Exception as error:  # damaged pickles raise nearly anything
        raise ModelError(
            f"{file} cannot be read as {'JSON' if is_json else 'a pickle'} of cell parameters: "
            f"{error or type(error).__name__}"
        ) from error


def _syn_mechs(levels: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the synMechParams that stand beside the cellParams of a saved network."""
    found = next((level["synMechParams"] for level in levels if "synMechParams" in level), None)
    return found if isinstance(found, dict) else {}


def _take_temperature(rule: dict[str, Any], levels: list[dict[str, Any]]) -> None:
    """Note in a rule the temperature and initial potential that its network was saved with."""
    config = next((level["simConfig"] for level in levels if "simConfig" in level), None)
    given = config.get("hParams") if isinstance(config, dict) else None
    if isinstance(given, dict) and isinstance(rule.setdefault("globals", {}), dict):
        names = [name for name in ("celsius", "v_init") if is_number(given.get(name))]
        rule["globals"].update({name: given[name] for name in names})
