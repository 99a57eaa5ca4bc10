# casbah: the targets that a developer types. `make help` lists them.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL    := $(GO) tool -modfile=tools.mod
FUZZ_TIME ?= 30s

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./casbah, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o casbah ./cmd/casbah

.PHONY: run
run: build ## build casbah and run it in front of a simulated CAS array on loopback
	./casbah lab

.PHONY: test
test: ## all tests that need nothing but Go
	$(GO) test -shuffle=on ./...

.PHONY: race
race: ## the same under the race detector (needs a C compiler)
	$(GO) test -race -shuffle=on ./...

.PHONY: test-real
test-real: ## tests against real peers, which it installs of Debian's packages where they lack
	sh e2e/peers.sh
	CASBAH_REAL=1 $(GO) test -count=1 -parallel 8 -run '^TestReal' ./e2e

.PHONY: test-tls
test-tls: ## testssl.sh against each TLS policy: no finding above its intent (a quarter of an hour)
	sh e2e/peers.sh
	CASBAH_TESTSSL=1 $(GO) test -count=1 -timeout 30m -run '^TestTestssl$$' ./e2e

.PHONY: check
check: fmt-check vet lint test ## what must hold before a commit

.PHONY: fmt
fmt: ## format the code
	$(TOOL) gofumpt -l -w .

.PHONY: fmt-check
fmt-check:
	@out=$$($(TOOL) gofumpt -l .); if [ -n "$$out" ]; then echo "not formatted (make fmt):"; echo "$$out"; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: lint
lint: ## golangci-lint, where it is installed; else go vet alone
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed: only go vet runs"; $(GO) vet ./...; fi

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZ_TIME (default 30s)
	FUZZ_TIME=$(FUZZ_TIME) sh scripts/fuzz.sh

.PHONY: bench
bench: ## Go benchmarks into bench/new.txt; compare two files with make benchcmp OLD=...
	@mkdir -p bench
	$(GO) test -run '^$$' -bench . -benchmem -count=$(or $(COUNT),6) ./... | tee bench/new.txt

.PHONY: benchcmp
benchcmp: ## compare OLD=file with bench/new.txt
	$(TOOL) benchstat $(OLD) bench/new.txt

.PHONY: compare
compare: build ## CPU per request beside HAProxy and nginx, in one interleaved run (docs/PERFORMANCE.md)
	sh bench/peers.sh
	bench/compare.py --casbah ./casbah $(or $(SCENARIOS),ka1k post4k big100k tls1k tls100k) -n $(or $(ROUNDS),5)

.PHONY: bench-idle
bench-idle: build ## memory of an idle connection, plain and TLS, beside HAProxy
	sh bench/peers.sh
	bench/idle.py $(BENCH_ARGS)

.PHONY: bench-syscalls
bench-syscalls: build ## system calls per proxied request; fails above 4.1 data calls
	sh bench/peers.sh strace
	bench/syscalls.py $(BENCH_ARGS)

.PHONY: bench-flood
bench-flood: build ## p99 of plain requests in a flood of RSA handshakes; fails above 1.5 of HAProxy's
	sh bench/peers.sh
	bench/flood.py $(BENCH_ARGS)

.PHONY: bench-floor
bench-floor: build ## what casbah takes above a proxy that only passes octets on
	sh bench/peers.sh
	bench/floor.py $(BENCH_ARGS)

.PHONY: bench-loops
bench-loops: build ## two loops against one: CPU per request, spread of connections
	sh bench/peers.sh
	bench/loops.py $(BENCH_ARGS)

.PHONY: bench-latency
bench-latency: build ## what casbah adds to the time of a request at a low rate, beside HAProxy and no proxy
	sh bench/peers.sh
	bench/latency.py $(BENCH_ARGS)

.PHONY: bench-table
bench-table: ## the table of bindings: octets, look-ups, pauses, growing, saving; at TABLE bindings (default a million, then ten)
	for n in $(or $(TABLE),1000000 10000000); do $(GO) test -run '^$$' -bench '^Benchmark(Table|Snapshot)' -count=$(or $(COUNT),1) -timeout 60m ./persistence -args -table $$n || exit 1; done

.PHONY: bench-table-haproxy
bench-table-haproxy: build ## memory and CPU with a million bindings, beside HAProxy; fails if not well below it
	sh bench/peers.sh
	bench/table.py $(BENCH_ARGS)

.PHONY: soak
soak: ## good and bad clients at random for SOAK_TIME (default 20m), with the race detector and then without, for memory
	$(GO) run ./bench/soak -time $(or $(SOAK_TIME),20m) $(SOAK_ARGS)
	$(GO) run ./bench/soak -race=false -time $(or $(SOAK_TIME),20m) $(SOAK_ARGS)

.PHONY: soak-idle
soak-idle: build ## 5,000 idle IMAP4 sessions for IDLE_TIME (default 10m), half in TLS, half in IDLE: none dropped, and a BYE to each at the end
	$(GO) run ./bench/idleimap -casbah ./casbah -time $(or $(IDLE_TIME),10m) $(IDLE_ARGS)

.PHONY: soak-outlook
soak-outlook: ## connections of Outlook Anywhere that are silent for IDLE_TIME (default 30m, which is the most): all must work again
	CASBAH_IDLE=$(or $(IDLE_TIME),30m) $(GO) test -count=1 -timeout 45m -parallel 16 -run '^TestIdleTunnelsSurvive$$' ./e2e

.PHONY: bench-tunnel
bench-tunnel: ## what casbah adds to a call of RPC over HTTP, in clear and in TLS, both drivers; fails above 0.3 ms
	CASBAH_LATENCY=1 $(GO) test -count=1 -v -run '^TestTunnelLatency$$' ./e2e

.PHONY: test-sessions
test-sessions: ## 100,000 requests with cookies in each mode: none may move
	CASBAH_LONG=1 $(GO) test -count=1 -timeout 30m -run '^TestManyRequestsMoveNoSession$$' ./e2e

.PHONY: test-channels
test-channels: ## 10,000 virtual connections of RPC over HTTP in each mode: all must be whole
	CASBAH_LONG=1 $(GO) test -count=1 -timeout 30m -run '^TestVirtualConnectionsAreWhole$$' ./e2e

NFPM ?= $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.41.3
DEB_VERSION := $(shell echo '$(VERSION)' | sed -E 's/^v([0-9])/\1/;t;s/^/0.0.0+/')

.PHONY: deb
deb: build ## the Debian package, in dist
	mkdir -p dist
	gzip -9nc deploy/casbah.8 >dist/casbah.8.gz
	./casbah completion bash >dist/casbah.bash
	DEB_ARCH=$$($(GO) env GOARCH) DEB_VERSION='$(DEB_VERSION)' $(NFPM) package -f deploy/nfpm.yaml -p deb -t dist

.PHONY: test-deb
test-deb: deb ## install, run, upgrade and purge the package in a clean Debian; needs root and debootstrap
	sh scripts/debtest.sh dist/casbah_$(DEB_VERSION)_*.deb $(DEB_ROOT)

.PHONY: pgo
pgo: ## measure casbah under load and keep the profile that the build optimizes by
	sh bench/peers.sh
	sh bench/profile.sh
