"""From a request to the model that answers it and whether it thinks. Pure.

`facts_of` reads the features, `Family` knows the models, `choose` decides.
"""

from serving.routing.choose import EFFORTS, Reason, choose
from serving.routing.family import VIRTUAL, Depth, Family
from serving.routing.features import facts_of
from serving.values import AUTO

__all__ = ["AUTO", "EFFORTS", "VIRTUAL", "Depth", "Family", "Reason", "choose", "facts_of"]
