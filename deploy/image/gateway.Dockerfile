# syntax=docker/dockerfile:1
# The endpoint, and the chart's jobs: no engine, no Ray. `build.sh` gives BASE, by digest.
ARG BASE
FROM ${BASE} AS build
WORKDIR /src
COPY deploy/image/gateway.lock ./
RUN python -m venv /opt/bifocal \
 && /opt/bifocal/bin/pip install --no-cache-dir --no-deps --require-hashes -r gateway.lock
COPY pyproject.toml README.md LICENSE ./
COPY serving serving
COPY ops ops
COPY deploy deploy
RUN /opt/bifocal/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/bifocal/bin/pip install --no-cache-dir --no-deps /wheels/bifocal-*.whl

FROM ${BASE}
COPY --from=build /opt/bifocal /opt/bifocal
ENV PATH=/opt/bifocal/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 1000:1000
EXPOSE 8000
ENTRYPOINT []
CMD ["bifocal", "gateway", "--help"]
