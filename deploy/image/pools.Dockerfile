# syntax=docker/dockerfile:1
# Ray's heads and workers with the engines. LOCK tells the variant: requirements-cpu.lock or
# requirements-gpu.lock. KubeRay starts them with bash and may look at them with wget; torch and Triton
# compile what they run with g++. `build.sh` gives BASE, by digest, and a GPU build no index.
ARG BASE
FROM ${BASE} AS build
ARG LOCK=requirements-cpu.lock
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY ${LOCK} ./lock
RUN python -m venv /opt/bifocal \
 && /opt/bifocal/bin/pip install --no-cache-dir --no-deps --require-hashes -r lock
COPY pyproject.toml README.md LICENSE ./
COPY serving serving
COPY ops ops
COPY deploy deploy
RUN /opt/bifocal/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/bifocal/bin/pip install --no-cache-dir --no-deps /wheels/bifocal-*.whl \
 && ln -s "$(/opt/bifocal/bin/python -I -c 'from deploy import pocket; print(pocket.folder(pocket.NAMES[0]).parent)')" /opt/bifocal/models

FROM ${BASE}
# Debian keeps no old versions to pin; the base's digest and the SBOM say what was built.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends bash wget g++ libgomp1 libnuma1 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/bifocal /opt/bifocal
ENV PATH=/opt/bifocal/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 1000:1000
ENTRYPOINT []
CMD ["bash"]
