#!/usr/bin/env bash
# The tour of the README, step by step. Run it after `make up`:
#
#     examples/tour.sh
#
# A device asks to be let in, is accepted, gets an update that was uploaded over RDFM's API, and
# shows up in kubectl. All it makes is called tour-<time>, so that it can be run again.
set -euo pipefail
cd "$(dirname "$0")/.."

[[ -n ${POLYFLEET_URL:-} ]] || . .polyfleet/env
python=${PYTHON:-.venv/bin/python}
kubectl=${KUBECTL:-.venv/bin/kubectl}
device=tour-$(date +%s)
work=$(mktemp -d)
background=
trap 'if [[ -n $background ]]; then kill "$background" 2>/dev/null || true; fi; rm -rf "$work"' EXIT

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
api() { # method, path, further arguments of curl; prints the answer
  local method=$1 path=$2
  shift 2
  curl --silent --show-error --fail-with-body --max-time 60 --request "$method" \
    --header "Authorization: Bearer token=$POLYFLEET_ADMIN_TOKEN" "$@" "$POLYFLEET_URL$path"
}
json() { "$python" -c "import json, sys; value = json.load(sys.stdin); print($1)"; }
wait_for() { # text, then a command that succeeds once it is so
  local text=$1 tries
  shift
  for ((tries = 0; tries < 120; tries++)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.5
  done
  echo "gave up waiting: $text" >&2
  return 1
}
pending() { api GET /api/v1/auth/pending | grep -q "\"$device\""; }

step "A device asks to be let in: examples/device.py makes its own key"
"$python" examples/device.py --url "$POLYFLEET_URL" --id "$device" --state "$work/state" \
  --wait --once --interval 1 >"$work/device.log" 2>&1 &
background=$!
wait_for "the device asks" pending
"$kubectl" get enrollments

step "Somebody accepts the device with that very key"
api GET /api/v1/auth/pending >"$work/pending.json"
json "json.dumps({key: next(row for row in value if row['mac_address'] == '$device')[key] for key in ('mac_address', 'public_key')})" \
  <"$work/pending.json" >"$work/register.json"
api POST /api/v1/auth/register --header 'Content-Type: application/json' --data "@$work/register.json"
wait "$background"
background=
cat "$work/device.log"

step "A package is uploaded, over RDFM's API"
{ echo v2.0.0 && head -c $((32 << 20)) /dev/urandom; } >"$work/v2.img" # 32 MiB; our example device reads the first line
package=$(api POST /api/v1/packages --form "file=@$work/v2.img" \
  --form rdfm.software.version=v2.0.0 --form rdfm.hardware.devtype=gateway \
  --form requires:rdfm.software.version=v1.0.0 | json "value['id']")
echo "package $package"

step "A group gets the package, a policy, and the device"
group=$(api POST /api/v1/groups --header 'Content-Type: application/json' \
  --data "{\"rdfm.group.name\": \"$device\"}" | json "value['id']")
number=$(api GET /api/v1/devices | json "next(row['id'] for row in value if row['mac_address'] == '$device')")
api POST "/api/v1/groups/$group/package" --header 'Content-Type: application/json' --data "{\"packages\": [$package]}"
api POST "/api/v1/groups/$group/policy" --header 'Content-Type: application/json' --data '{"policy": "exact_match,v2.0.0"}'
api PATCH "/api/v1/groups/$group/devices" --header 'Content-Type: application/json' --data "{\"add\": [$number], \"remove\": []}"

step "What will the device get, and why?"
"$python" -m polyfleet.cli.main explain "$device"

step "The device asks again, installs the update and tells so"
"$python" examples/device.py --url "$POLYFLEET_URL" --id "$device" --state "$work/state" --once

step "kubectl sees the same device"
"$kubectl" get devices
"$python" -m polyfleet.cli.main explain "$device"
