#!/usr/bin/env bash
# Builds and pushes the images, each with its list of parts (SBOM) and where it came from:
#   BASE=python:3.11-slim-bookworm@sha256:... deploy/image/build.sh registry.example.org/ai [cpu|gpu]
set -euo pipefail
cd "$(dirname "$0")/../.."
registry=${1:?the registry that the images go to}
variant=${2:-cpu}
[[ $variant =~ ^(cpu|gpu)$ ]] || { echo "build: found $variant; allowed: cpu, gpu" >&2; exit 2; }
case ${BASE:?an image of Python 3.11, by digest} in
  *@sha256:*) ;;
  *) echo "build: BASE is $BASE; name it by digest (python:3.11-slim-bookworm@sha256:...)" >&2; exit 2 ;;
esac
version=$(grep -oE '^appVersion: .*' helm/bifocal/Chart.yaml | cut -d' ' -f2)
build() {
  docker buildx build --push --platform linux/amd64 --sbom=true --provenance=mode=max \
    --build-arg "BASE=$BASE" "${@:2}" --file "deploy/image/$1.Dockerfile" .
}
build gateway --tag "$registry/bifocal-gateway:$version"
# The wheels for CUDA are on PyPI; torch's for CPUs are on an index of PyTorch's.
index=()
[ "$variant" = cpu ] || index=(--build-arg PIP_EXTRA_INDEX_URL=)
build pools --tag "$registry/bifocal-$variant:$version" \
  --build-arg "LOCK=requirements-$variant.lock" "${index[@]}"
