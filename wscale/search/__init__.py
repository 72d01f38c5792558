"""Searches over sites: the grid of weights, the targeted search, traced trials."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["GridResult", "Profile", "Search", "SiteResult", "SolveResult", "SolvedSite", "solve"]

if TYPE_CHECKING:
    from wscale.search.grid import GridResult, SiteResult
    from wscale.search.search import Search
    from wscale.search.targeted import SolvedSite, SolveResult, solve
    from wscale.search.traced import Profile
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "grid": "GridResult SiteResult",
            "search": "Search",
            "targeted": "SolvedSite SolveResult solve",
            "traced": "Profile",
        },
    )
