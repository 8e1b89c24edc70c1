"""This package's slice of the cluster file: models, router, gateway, limits, promises.

Keys are camelCase, as in Helm and KubeRay; an unknown or wrong key is refused. Every class is
frozen; what follows from other fields is a property.
"""

from serving.config.gateway import GatewaySpec, Limits, OutputTokens
from serving.config.models import COUNTS, MEMORY_ARGUMENT, OURS, LayoutSpec, ModelSpec, Replicas
from serving.config.section import Section
from serving.config.slo import Promise, Slo
from serving.config.spec import RouterSpec, ServingSpec
from serving.config.tracing import TracingSpec
from serving.config.units import Bytes, Seconds
from serving.config.weights import WeightsSpec

__all__ = [
    "COUNTS",
    "MEMORY_ARGUMENT",
    "OURS",
    "Bytes",
    "GatewaySpec",
    "LayoutSpec",
    "Limits",
    "ModelSpec",
    "OutputTokens",
    "Promise",
    "Replicas",
    "RouterSpec",
    "Seconds",
    "Section",
    "ServingSpec",
    "Slo",
    "TracingSpec",
    "WeightsSpec",
]
