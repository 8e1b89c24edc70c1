"""The images: `pools.Dockerfile` for Ray's heads and engines, `gateway.Dockerfile` for the endpoint
and the jobs, `build.sh` for both. `lock` picks the gateway's packages out of the lock file.
"""
