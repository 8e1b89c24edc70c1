#!/usr/bin/env bash
# Makes the environment in the folder given (.venv): Python 3.11, the locked packages, bifocal itself.
# A stamp holds the lock's checksum, so that a second run returns at once.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
lock=requirements-cpu.lock
stamp=$venv/.bifocal-$(cat "$lock" pyproject.toml | sha256sum | cut -c1-16)
[ -e "$stamp" ] && exit 0

python=$(command -v python3.11 || true)
[ -n "$python" ] || { echo "setup: Python 3.11 is needed (python3.11 is not on the PATH)" >&2; exit 1; }
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "setup: the engines' wheels are for Linux x86-64, this is $(uname -sm)" >&2; exit 1; }

echo "setup: making $venv from $lock (about two minutes and 3 GB)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check)

# torch's CPU build is a local version (+cpu) that PyPI does not carry. What pip is configured to
# find is used; where it finds none, PyTorch's public CPU index is asked.
index=()
torch=$(grep -oE '^torch==[^ ]+' "$lock")
if ! "${pip[@]}" download -q --no-deps --dest "$venv/.torch" "$torch" >"$venv/.torch.log" 2>&1; then
  index=(--extra-index-url https://download.pytorch.org/whl/cpu)
  echo "setup: pip finds no $torch; asking PyTorch's public CPU index"
fi
[ -d "$venv/.torch" ] && index=(--find-links "$venv/.torch")

total=$(grep -cE '^[A-Za-z0-9]' "$lock")
log=$venv/.setup.log
if ! "${pip[@]}" install --no-deps --require-hashes "${index[@]}" -r "$lock" 2>&1 | tee "$log" |
  awk -v total="$total" '
    /^(Collecting|Processing|Requirement already)/ { n++; if (n % 20 == 0 || n == total) { printf "setup: %d of %d packages found\n", n, total; fflush() } }
    /^Installing collected/ { print "setup: installing them"; fflush() }'
then
  echo "setup: pip failed; the end of $log says why:" >&2
  grep -v '^WARNING: Location' "$log" | tail -n 15 >&2
  exit 1
fi
"${pip[@]}" install -q --no-deps --no-build-isolation -e . >>"$log" 2>&1 || { tail -n 15 "$log" >&2; exit 1; }
rm -rf "$venv"/.torch "$venv"/.torch.log "$venv"/.bifocal-*
touch "$stamp"
echo "setup: done"
