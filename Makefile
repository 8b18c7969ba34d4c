# Targets for development; each is one or two ordinary commands.
GOLANGCI = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: build test race lint bench demo soak verdicts release chart

build:
	CGO_ENABLED=0 go build -trimpath -o bin/streammon ./cmd/streammon

test:
	go test ./...

race:
	go test -race ./...

lint:
	test -z "$$(gofmt -l .)"
	go vet ./...
	$(GOLANGCI) run ./...

bench:
	go test -run '^$$' -bench . -benchmem ./...

demo:
	go run ./cmd/streammon demo

# The long settings of tests that run short in CI.
soak:
	STREAMMON_SOAK=1 go test -timeout 60m -run Soak -v ./...

# The tables of docs/verdicts.md, as Markdown.
verdicts:
	STREAMMON_VERDICTS=long go test -timeout 180m -run TestVerdicts -v ./internal/drift ./internal/monitor | grep -E '^(\||###|$$)|FAIL|_test.go'

# What a release has, in dist/: a static file for each platform, what it is made of (CycloneDX), and the sums of all.
RELEASE = $(shell sed -n 's/^const release = "\(.*\)"$$/\1/p' cmd/streammon/version.go)
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
SBOM = go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

release:
	rm -rf dist && mkdir dist
	set -e; for p in $(PLATFORMS); do \
	  file=dist/streammon-$(RELEASE)-$$(echo $$p | tr / -); \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -o $$file ./cmd/streammon; \
	  $(SBOM) bin -json -noserial -version v$(RELEASE) -output $$file.cdx.json $$file; \
	done
	cd dist && sha256sum streammon-* > SHA256SUMS

# Puts the alert rules and the dashboards into the Helm chart.
CHART = deploy/helm/streammon
chart:
	rm -rf $(CHART)/files && mkdir -p $(CHART)/files/rules $(CHART)/files/dashboards
	cp deploy/prometheus/rules/*.yml $(CHART)/files/rules/
	cp dashboards/*.json $(CHART)/files/dashboards/
