#!/usr/bin/env bash
# requirements-cpu.lock anew from requirements-cpu.in. torch's hash is added by hand-free download,
# since its CPU build (+cpu) is a local version that no package index lists.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "lock: uv is needed (pip install uv)" >&2; exit 1; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
torch=$(grep -oE "^torch==[^ ]+" requirements-cpu.in)
python3.11 -m pip download -q --no-deps --dest "$work" "$torch" 2>"$work/log" ||
  python3.11 -m pip download -q --no-deps --dest "$work" --extra-index-url https://download.pytorch.org/whl/cpu "$torch"
hash=$(sha256sum "$work"/torch-*.whl | cut -d' ' -f1)
uv pip compile --no-deps --generate-hashes --find-links "$work" --no-header --no-annotate \
  --python-version 3.11 -q requirements-cpu.in -o "$work/lock"
{
  echo "# The CPU environment, complete: every package with the hashes of its files. x86-64 Linux, Python 3.11."
  echo "# Installed with \`pip install --no-deps --require-hashes\`; made by \`make lock\` from requirements-cpu.in."
  sed -E "s|^(${torch//+/\\+})( .*)?\$|\1 \\\\\n    --hash=sha256:$hash|" "$work/lock" 
} >requirements-cpu.lock
