"""What is known of one number: found wherever it is, handed out, or erased."""

from .exporting import export
from .forgetting import Forgetting, Outcome
from .places import Hit, Place, Places
from .resealing import Resealing
from .search import Search

__all__ = ["Forgetting", "Hit", "Outcome", "Place", "Places", "Resealing", "Search", "export"]
