"""The endpoint: a plain ASGI application, outside Ray, in front of the replicas.

asgi      what a request holds and how it is answered
app       routes, the error handler, start and end
answer    the life of one request for tokens
sending   a parsed request on its way to a pool, or to whoever stands in for it
away      requests whose pool is away: they wait here
service   what the endpoint is made of
relay     an engine's answer on its way to the client: streamed, and whole
upstream  the connection to a replica
targets   where the replicas are: Ray's REST API, or fixed addresses
pool      what is known of each replica now
replica   one replica as this gateway knows it
loading   when a pool that loads is worth asking for again
refresh   the loop that asks for both
call      the record of one request
silence   what becomes of a replica that says nothing
watch     what ends a request before its time, and comments in a stream that says nothing
orders    what operators have ordered, as words of which the later holds
standing  the orders that this gateway knows, and what holds of them now
peers     what gateways behind one address tell each other
operator  an operator's routes
models    what the endpoint says of its models and of itself
"""

from serving.gateway.app import Gateway
from serving.gateway.peers import Peering
from serving.gateway.service import Served, Service
from serving.gateway.standing import StandingOrders
from serving.gateway.targets import FixedSource, RaySource, TargetSource

__all__ = [
    "FixedSource",
    "Gateway",
    "Peering",
    "RaySource",
    "Served",
    "Service",
    "StandingOrders",
    "TargetSource",
]
