# Index of the commands. `make` alone prints them; each line here only names what does the work.
# Answers for unattended runs: YES=1 or CI=true lets the set-up install packages without asking.

.DEFAULT_GOAL := help
.PHONY: help demo test check lab vsphere bench nightly setup

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Play an outage and the return in the terminal (about a minute, no root, no server)
	@scripts/setup.sh build
	@cargo build -p ridethrough-cli # says what it builds; the line below is silent
	@cargo run -q -p ridethrough-cli -- demo

test: ## Everything CI runs: format, lints, tidy, build, tests, the lab with real UPS daemons and real VMs
	@scripts/setup.sh test
	@cargo xtask ci

check: ## The quick part while writing: format, lints, tidy
	@scripts/setup.sh build
	@cargo xtask ci fmt clippy tidy

lab: ## Only the lab stories (root; real upsd, libvirt, QEMU in network namespaces)
	@scripts/setup.sh test
	@cargo xtask ci build lab

vsphere: ## Only vSphere: vcsim, our own vCenter against VMware's client, the rules of drivers, fuzz
	@scripts/setup.sh test
	@cargo test -p ridethrough-platforms --test vsphere
	@cargo test -p ridethrough-platforms --lib vsphere

bench: ## Measure: alarm to host off, idle memory and CPU, journal commits
	@scripts/setup.sh test
	@cargo xtask bench

nightly: ## The long campaigns: many seeds in the simulator, ten lab seeds in a row
	@scripts/setup.sh test
	@cargo xtask nightly

setup: ## Install what the tests need, and nothing else
	@scripts/setup.sh test
