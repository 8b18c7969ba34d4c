# Targets for development; each is one or two ordinary commands.
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build test race lint bench demo soak verdicts

build:
	CGO_ENABLED=0 go build -trimpath -o bin/streammon ./cmd/streammon

test:
	go test ./...

race:
	go test -race ./...

lint:
	test -z "$$(gofmt -l .)"
	go vet ./...
	$(STATICCHECK) ./...

bench:
	go test -run '^$$' -bench . -benchmem ./...

demo:
	go run ./cmd/streammon demo

# The long settings of tests that run short in CI.
soak:
	STREAMMON_SOAK=1 go test -timeout 60m -run Soak -v ./...

# The tables of docs/verdicts.md, as Markdown.
verdicts:
	STREAMMON_VERDICTS=long go test -timeout 60m -run TestVerdicts -v ./internal/drift ./internal/monitor | grep -E '^(\||###|$$)|FAIL|_test.go'
