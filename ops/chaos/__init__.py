"""Faults on purpose: processes of a running service are killed or stopped under steady load, and
what its clients saw of it is told.

`faults` is the table of what is done to whom, `clients` the load, `routing` what the gateway says
of its replicas, `trial` one fault from the load's beginning to its end, `tally` and `report` what
it comes to. The service itself is handed in: this room knows its processes by role alone.
"""
