"""Names that several test files use."""

from pathlib import Path

from M1_grid_search import CELLS as M1_CELLS

__all__ = ["M1_CELLS", "REPO"]

REPO = Path(__file__).resolve().parents[2]
