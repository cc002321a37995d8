#!/usr/bin/env bash
# Brings a Debian 12 machine to what `make demo` (build) or `make test` (test) needs.
#
#   scripts/setup.sh build    a C compiler; Rust is checked, not installed
#   scripts/setup.sh test     the same, and the peers the lab talks to: upsd, libvirt, QEMU, sshd, BMC simulator, vCenter simulator
#
# Prints what it would install and asks once on a terminal; YES=1 or CI=true goes on without asking.
# No service is started: the lab runs its own daemons inside namespaces of its own.
# Peers that Debian does not have come from the Python package index, and as Go modules through Go's own client, into target/peers.
# Not here: toolchains (the README names them).
set -euo pipefail

rust_minor_min=89
build_packages=(gcc libc6-dev)
test_packages=(
  libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients
  qemu-system-x86 qemu-utils
  socat cpio ipmitool openipmi openssh-server openssh-client
  nut-server nut-client libnss3-tools iproute2 iputils-ping
  openssl python3-venv python3-aiosmtpd python3-prometheus-client systemd
)
# From the Python package index, into a folder of the build's own: a Redfish service, validators of JSON Schema and OpenAPI, and
# VMware's own client of vSphere.
python_peers=(sushy-tools==2.2.0 bcrypt==5.0.0 jsonschema==4.26.0 openapi-spec-validator==0.9.0 pyvmomi==9.1.1.0)
# Go modules: a simulator of vCenter and ESXi, and a command line for it. The last version in which both build by `go install`, and
# the last whose answers keep to VMware's schema.
go_peers=(github.com/vmware/govmomi/vcsim@v0.46.3 github.com/vmware/govmomi/govc@v0.46.3)
# Tests set this to a scratch path.
policy="${RIDETHROUGH_POLICY_RC_D:-/usr/sbin/policy-rc.d}"
policy_saved="$policy.before-ridethrough"
policy_mark="# ridethrough scripts/setup.sh: no service starts during the install; safe to delete"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

check_rust() {
  command -v cargo >/dev/null || fail "cargo is missing; install Rust 1.$rust_minor_min or newer (https://rustup.rs), then run this again"
  local version minor
  version=$(cargo --version)
  minor=${version#cargo 1.}
  minor=${minor%%.*}
  case $minor in
    '' | *[!0-9]*) say "cannot read the version from '$version'; 1.$rust_minor_min or newer is needed" ;;
    *) [ "$minor" -ge "$rust_minor_min" ] || fail "$version is too old; Rust 1.$rust_minor_min or newer is needed (rustup update)" ;;
  esac
}

# Prints those of its arguments that are not installed, one a line.
missing_packages() {
  local installed package
  # dpkg-query ends non-zero when it knows nothing of one of them: that is an answer, not an error.
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    grep -qx "installed $package" <<<"$installed" || printf '%s\n' "$package"
  done
}

# What to do when packages cannot or may not be installed: a build cannot go on without a compiler, the tests can
# without the lab.
go_on_without() {
  local why=$1
  shift
  say "NOT INSTALLED ($why): $*"
  if command -v gcc >/dev/null || command -v cc >/dev/null; then
    if [ "$mode" = test ]; then
      say "the lab tests that need them will be SKIPPED, and counted as skipped in the last lines"
    fi
    exit 0
  fi
  fail "a build needs a C compiler; install: ${build_packages[*]}"
}

agreed() {
  if [ "${YES:-}" = 1 ] || [ "${CI:-}" = true ]; then return 0; fi
  if [ ! -t 0 ]; then return 1; fi
  local answer
  read -r -p "setup: install them now? [Y/n] " answer
  case $answer in '' | [Yy]*) return 0 ;; *) return 1 ;; esac
}

hold_services() {
  release_services # what a killed run of ours left behind
  if [ -e "$policy" ]; then mv "$policy" "$policy_saved"; fi
  trap release_services EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
}

release_services() {
  if [ -e "$policy" ] && grep -qxF "$policy_mark" "$policy"; then rm -f "$policy"; fi
  if [ -e "$policy_saved" ] && [ ! -e "$policy" ]; then mv "$policy_saved" "$policy"; fi
}

# QEMU's packages must all be of one version. Some images carry a qemu-utils that no configured source has any more,
# and apt then refuses to install the rest: name the suite's own version for what is there already.
# Prints `package=version` for each that must change.
qemu_pins() {
  local suite package installed
  suite=$(apt-cache policy qemu-system-x86 | awk '/Candidate:/ { print $2 }')
  if [ -z "$suite" ] || [ "$suite" = '(none)' ]; then return 0; fi
  for package in qemu-utils qemu-system-common qemu-system-data qemu-block-extra; do
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Version}' "$package" 2>/dev/null || true)
    case $installed in
      "installed $suite") ;;
      "installed "*)
        if apt-cache madison "$package" | awk -v v="$suite" '$3 == v { found = 1 } END { exit !found }'; then
          printf '%s=%s\n' "$package" "$suite"
        fi
        ;;
    esac
  done
}

install_packages() {
  local pins=() package wanted=()
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q -o DPkg::Lock::Timeout=120 || say "apt-get update failed; going on with the lists that are here"
  case " $* " in
    *" qemu"* | *" libvirt"*) mapfile -t pins < <(qemu_pins) ;;
  esac
  for package in "$@"; do
    case " ${pins[*]} " in
      *" $package="*) ;;
      *) wanted+=("$package") ;;
    esac
  done
  if [ ${#pins[@]} -gt 0 ]; then say "to the suite's own version: ${pins[*]}"; fi
  hold_services
  apt-get install -q -y --no-install-recommends --no-remove --allow-downgrades \
    -o DPkg::Lock::Timeout=120 "${wanted[@]}" "${pins[@]}" ||
    fail "the install failed, see above; \`cargo xtask ci\` runs the tests with what is here and says what it skipped"
  release_services
  if [ -d /run/systemd/system ]; then
    say "the services that came with them were not started, but start at the next boot; if unwanted:"
    say "  systemctl disable libvirtd nut-server nut-client nut-monitor openipmi ssh"
  fi
}

# Tests set the folder to a scratch path.
install_python_peers() {
  local folder="${RIDETHROUGH_PYTHON_PEERS:-${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/peers/python}"
  if [ "$mode" != test ] || [ "$(cat "$folder/complete" 2>/dev/null)" = "${python_peers[*]}" ]; then return 0; fi
  say "into $folder: ${python_peers[*]}"
  if python3 -m venv "$folder" && "$folder/bin/pip" install -q --disable-pip-version-check "${python_peers[@]}"; then
    printf '%s\n' "${python_peers[*]}" >"$folder/complete"
  else
    say "NOT INSTALLED: ${python_peers[*]}"
    say "the tests that need them will be SKIPPED, and counted as skipped in the last lines"
  fi
}

# Tests set the folder to a scratch path.
install_go_peers() {
  local folder="${RIDETHROUGH_GO_PEERS:-${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/peers/go}"
  if [ "$mode" != test ] || [ "$(cat "$folder/complete" 2>/dev/null)" = "${go_peers[*]}" ]; then return 0; fi
  say "into $folder: ${go_peers[*]} (about two minutes)"
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  if command -v go >/dev/null && GOBIN="$folder" GOFLAGS= go install "${go_peers[@]}"; then
    printf '%s\n' "${go_peers[*]}" >"$folder/complete"
  else
    say "NOT INSTALLED: ${go_peers[*]} (needs Go 1.21 or newer, https://go.dev/dl)"
    say "the tests that need them will be SKIPPED, and counted as skipped in the last lines"
  fi
}

main() {
  mode=${1:-}
  local wanted=("${build_packages[@]}") missing
  case $mode in
    build) ;;
    test) wanted+=("${test_packages[@]}") ;;
    *) fail "usage: scripts/setup.sh build|test" ;;
  esac
  check_rust
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    go_on_without "no apt on this machine; install their like by hand" "${wanted[@]}"
  fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if [ ${#missing[@]} -eq 0 ]; then
    install_python_peers
    install_go_peers
    return 0
  fi
  if [ "$mode" = build ] && command -v cc >/dev/null; then return 0; fi
  say "wanted: ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    say "to install them: sudo apt-get install --no-install-recommends ${missing[*]}"
    go_on_without "not root" "${missing[@]}"
  fi
  agreed || go_on_without "not asked to; YES=1 installs without asking" "${missing[@]}"
  install_packages "${missing[@]}"
  install_python_peers
  install_go_peers
  say "done"
}

main "$@"
