# What a newcomer and CI run. `make demo` and `make test` do all their set-up,
# packages included, and leave nothing behind but caches.
GO      ?= go
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo devel)
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
LINT    := $(GO) tool -modfile=hack/tools/go.mod golangci-lint

.PHONY: build demo test unit fuzz sim faults bench bench-peers bench-scale scale oracle lint cross docs setup clean

build:
	$(BUILD) -o bin/clusterctl ./cmd/clusterctl
	$(BUILD) -o bin/clusterlab ./cmd/clusterlab

# The host packages that the lab of real nodes needs; never corosync itself.
setup:
	sh hack/setup.sh

demo: setup build
	sh hack/demo.sh

# Every test, those on real nodes included: one package after the other, since a
# corosync that gets no processor time loses its token.
test: setup build
	$(GO) test -tags node -count=1 -p 1 -timeout 80m ./...

# The tests that need no root and no lab.
unit:
	$(GO) test ./...

# Each fuzz target for FUZZTIME, one after the other; the first, that what was
# read is printed as it was, for ten minutes.
FUZZTIME ?= 2m
fuzz:
	$(GO) test ./corosyncconf -run '^$$' -fuzz '^FuzzRoundTrip$$' -fuzztime 10m
	for f in FuzzEdit FuzzSet FuzzSetByPath FuzzCompare FuzzPVE; do $(GO) test ./corosyncconf -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) || exit 1; done

# Random schedules of faults in the simulator, and every single fault.
SEEDS ?= 100000
sim:
	$(GO) test ./internal/sim -run 'TestRandomSchedules|TestEverySingleFault' -count=1 -timeout 60m -args -seeds $(SEEDS) -whole

# How many of some sixty faults, planted on real nodes one after the other, doctor
# names first; test plants every fifth of them. A quarter of an hour.
faults: setup
	CLUSTERCTL_ROUNDS=1 $(GO) test -tags node -count=1 -timeout 80m -run TestNodeDoctor -v ./cmd/clusterctl

lint:
	$(GO) vet -tags node ./...
	$(LINT) run ./...

# How long things take: corosync.conf read, beside a scan of its lines and corosync
# -t, and clusterctl, beside the same work done by bare ssh; minutes. No test.
bench: setup build
	$(GO) test -tags node -run '^$$' -bench . ./internal/oracle
	$(GO) run ./internal/bench

# The same beside pcs, on nodes that have it: docs/performance.md. Half an hour.
bench-peers: setup build
	$(GO) run ./internal/bench --peers --json dist/bench-peers.json

# What clusters of 2 to 16 real nodes cost; ten minutes.
bench-scale: setup build
	$(GO) run ./internal/bench --scale --json dist/bench-scale.json

# What clusterctl itself costs with 2 to 384 nodes, which here are SSH servers that
# answer at once; a quarter of an hour. No root, no lab.
scale: build
	$(GO) run ./internal/scale -json dist/scale.json

# corosyncconf held to corosync -t of each Debian: N new configurations, or those
# of a SEED once more.
N ?= 20000
oracle: setup
	$(GO) run ./internal/oracle --n $(N) $(if $(SEED),--seed $(SEED))

# Every platform that clusterctl runs on.
cross:
	GOOS=linux GOARCH=amd64 $(BUILD) -o dist/clusterctl-linux-amd64 ./cmd/clusterctl
	GOOS=linux GOARCH=arm64 $(BUILD) -o dist/clusterctl-linux-arm64 ./cmd/clusterctl
	GOOS=darwin GOARCH=arm64 $(BUILD) -o dist/clusterctl-darwin-arm64 ./cmd/clusterctl
	GOOS=windows GOARCH=amd64 $(BUILD) -o dist/clusterctl-windows-amd64.exe ./cmd/clusterctl
	@for f in dist/clusterctl-*; do test "$$(wc -c <$$f)" -lt 12000000 || { echo "$$f is over 12 MB"; exit 1; }; done

# The generated pages; a test fails when they are out of date.
docs:
	$(GO) test ./cmd/clusterctl -run TestGeneratedDocs -update

clean:
	rm -rf bin dist
