"""The live state of a service, from what its gateway tells a scraper: two looks and what lies
between them. It keeps nothing, starts nothing and draws no conclusions."""

from ops.top.moment import Moment, parse
from ops.top.screen import picture, screen
from ops.top.view import Decided, Pool, Replica, View, view

__all__ = ["Decided", "Moment", "Pool", "Replica", "View", "parse", "picture", "screen", "view"]
