"""Formulas in words, such as ``"1e-3 * exp(dist_path / 100)"``, which NetPyNE evaluates as Python.

A cell or synapse that was read as data must not run code that way: only arithmetic is let through.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import Any

from wscale.errors import ModelError, WscaleError

__all__ = ["check_formula", "check_formulas_of_rule"]

_RANDOM = (
    "binomial discunif erlang geometric hypergeo lognormal negexp normal poisson uniform weibull"
)
_FUNCTIONS = frozenset(f"sin cos tan exp sqrt log log10 arctan2 remainder ceil {_RANDOM}".split())
_AXES = ("x", "y", "z", "xnorm", "ynorm", "znorm")
_VARIABLES = frozenset(
    ["pi", "inf", "dist_path", "dist_euclidean", *_AXES]
    + [f"{side}_{axis}" for side in ("pre", "post", "dist") for axis in _AXES]
    + ["post_dist_path", "post_dist_euclidean", "dist_3D", "dist_2D", "dist_norm3D", "dist_norm2D"]
)
_ALLOWED = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.BoolOp,
    ast.IfExp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.Pow,
    ast.UAdd,
    ast.USub,
    ast.Not,
    ast.cmpop,
    ast.boolop,
    ast.Load,
)
_LONGEST = 500
_LARGEST_POWER = 100


def check_formula(
    where: str,
    text: str,
    names: Collection[str] = (),
    error: type[WscaleError] = ModelError,
) -> None:
    """Raise unless a text is arithmetic of numbers, NetPyNE's variables and mathematics.

    Parameters
    ----------
    where : str
        What messages call it.
    text : str
        The formula.
    names : collection of str
        Other variables that it may use.
    error : type
        What is raised.

    Examples
    --------
    >>> check_formula("g", "1e-3 * exp(-dist_path / 100)")
    >>> check_formula("g", "__import__('os').getcwd()")
    Traceback (most recent call last):
    wscale.errors.ModelError: g = "__import__('os').getcwd()" is no formula: ...
    """
    try:
        if len(text) > _LONGEST:
            raise ValueError(f"it has more than {_LONGEST} characters")
        for node in ast.walk(ast.parse(text.strip(), mode="eval")):
            _check_node(node, names)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as problem:
        raise error(
            f"{where} = {text[:80]!r} is no formula: {problem}; give a number, or arithmetic of "
            f"numbers, variables such as dist_path, and {', '.join(sorted(_FUNCTIONS)[:6])}, ..."
        ) from problem


def _check_node(node: ast.AST, names: Collection[str]) -> None:
    if isinstance(node, ast.Name):
        if node.id not in _VARIABLES | _FUNCTIONS and node.id not in names:
            raise ValueError(f"it names {node.id!r}")
    elif isinstance(node, ast.Constant):
        if not isinstance(node.value, int | float):
            raise ValueError(f"it holds {node.value!r}, no number")
    elif isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
            raise ValueError("it calls what is no function of mathematics")
    elif not isinstance(node, _ALLOWED):
        raise ValueError(f"it has a {type(node).__name__}")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        _check_power(node)


def _check_power(node: ast.BinOp) -> None:
    """Refuse whole numbers of endless length."""
    inside = [part for side in (node.left, node.right) for part in ast.walk(side)]
    if any(isinstance(part, ast.Pow) for part in inside):
        raise ValueError("it takes a power of a power")
    if not any(isinstance(part, ast.Name) for part in ast.walk(node.right)):
        numbers = [part.value for part in ast.walk(node.right) if isinstance(part, ast.Constant)]
        if len(numbers) != 1 or abs(complex(numbers[0])) > _LARGEST_POWER:  # type: ignore[arg-type]
            raise ValueError(f"its exponent is more than {_LARGEST_POWER}")


def check_formulas_of_rule(source: str, rule: Mapping[str, Any]) -> None:
    """Raise ModelError where a text in a cell rule would be evaluated and is no formula.

    Parameters
    ----------
    source : str
        What messages call the cell.
    rule : mapping
        The rule, plain, as it was read from a file.
    """
    variables = rule.get("vars", {})
    if not isinstance(variables, Mapping) or not all(name.isidentifier() for name in variables):
        raise ModelError(f"{source}: vars must be a dictionary of names and numbers or formulas")
    _check_values(f"{source}: vars", variables, variables)
    for name, sec in rule["secs"].items():
        where = f"{source}: section {name!r}"
        _check_values(f"{where}: geom", sec.get("geom", {}), variables)
        for kind in ("mechs", "ions"):
            for key, values in sec.get(kind, {}).items():
                _check_values(f"{where}: {kind}.{key}", values, variables)
        for key, values in sec.get("pointps", {}).items():
            numbers = {k: v for k, v in values.items() if k not in ("mod", "vref", "synList")}
            _check_values(f"{where}: pointps.{key}", numbers, variables)


def _check_values(where: str, values: Mapping[str, Any], names: Collection[str]) -> None:
    for key, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                check_formula(f"{where}.{key}", one, names)
