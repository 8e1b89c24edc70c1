"""`bifocal doctor`: whether machines and networks are fit, asked before engines are.

`finding` is one answer; `machine` decides about a machine, which `look` looks at; `reduction`
decides about an all-reduce over the ranks of a replica, which `ranks` runs on a Ray cluster, each
rank a `rank`; `probe` asks it from outside, with a limit of time. The decisions are pure.
"""
