# Every target loops over all modules of go.work. `make help` lists them.

MODULES  := $(shell go list -m -f '{{.Dir}}')
FUZZTIME ?= 20s
KILLS    ?= 40
STORE    ?= both
TESTFLAGS ?=
BENCHFLAGS ?=
COVER    := .cache/cover.out
# goroutine leaks, races and shuffled order are part of every test run
# one package more than cores: tests that wait for killed processes and stores leave a core idle
AT_ONCE  := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# without the race detector most of the time is that of tests which wait for browsers and servers
WAITING  := $(shell expr $(AT_ONCE) + 1)
# go vet has a step of its own in .ci/run
RACE     := -race -shuffle=on -vet=off -timeout 10m -p $(AT_ONCE)
# by default a test binary sleeps for a second when it exits, for races of goroutines that still run
GORACE_EXIT := atexit_sleep_ms=100

# tests of sequential code and of times that do less with the race detector, or nothing: make test
# runs them in full without it
UNRACED  := TestScreenshots|RandomEventsAgree|IndexFindsTheRowsOfTheParser|InputUsesBoundedMemory|RowsEqualTheStandardLibrary|ATightToleranceIsAskedAbout|EditsOfAStoredRunAreMarks|APageThatStartsWithAFailureGetsItsControls|KeysDoNothingWhileADialogIsOpen|ItemsWithTheSameKey|SmallerGroupsAreKept|ATabThatNobody|ThePage|ADeadRunOpens|AReaderFinds|FailuresOfAStored|TwoRunsAreCompared|HostileKeysRun|ThousandsOfKindsOfFailuresStay|KindsOfFailuresCostLittle|FindsTwelveFailures|OfThousandsOfKinds|TwelveFailures|IsSampledAtRandomPlaces|EstimatesHoldTheTime|HalfAMillion|FindsTheRateOfTheServer|StaysUnderALowerCeiling|RequestsFollowAStore|HoldsThroughKills|HoldSurvivesADeath|ListersShare|ByManyConform|BreaksAtAnyWrite|NeverDouble|SharedRunsNeverLose|OpeningALane|DeathAtEach|CompactedRecords|CompactionBounds|ChainOfRedrives|TestCrash$$|CrashOfRedrives|ChainsOfRedrives/jsonlines|FaultInAnyBucketCall|SuspensionAtAnyCall|FaultsNeverLose/in_process|RunnersOfOneRun|IsReadInAnyMemory|EachWrapperLists|EveryShapeOfKeys|OfADividedObjectAreThoseOfTheWhole|RowsAtTheEdges|AllCasesOfATableAgree|IsKilledMakesProgress|CrashesIsFoundAmongMany|ManyFailuresNeedsLittleMemory|HeldItemsNeedLittleMemory|ProcessExitAtAnyStep|TwoProcessesOfOneRun|ListsOfNothing|HostileInputs|StoreThatLies|Emulat|AzureKeysOfOther|MendedObject|IsMendedInSteps|IsABrokenObjectInARedrive|PassesTheSuite|NearTheIdealTime|NothingWaitsForEver|LargeBatchesThatAreReadAtOnce

# the packages of these tests
FULL     := ./internal/e2e ./internal/e2e/browser ./source ./sink ./dmap ./internal/bench ./internal/record ./internal/runfolder ./internal/commits ./internal/requests ./internal/failgroup ./internal/coord ./dmap/dmapweb ./internal/enginetest ./internal/sharedrun/inprocess

# all packages in one go test, so that packages of one module run while those of another compile.
# go starts them in this order: first those that take longest, or they would run alone at the end.
LONGEST  := ./internal/e2e ./internal/e2e/browser ./source ./sink ./dmap ./internal/bench ./source/cloud/s3
PACKAGES := $(LONGEST) $(addsuffix /...,$(MODULES))
# small programs for readers: to link each with the race detector takes longer than to run it
HOWTO    := ./examples/howto/...

# the modules that users import
PUBLISHED := . dmap/cmd/dmap dmap/dmapotel source/cloud
CYCLONEDX := v1.10.0

each = @set -e; for dir in $(MODULES); do echo "--- $${dir\#\#$(CURDIR)/}: $(1)"; (cd $$dir && $(1)); done

.PHONY: help build test short long test-tools lint fmt vet tidy tidy-check deps house guards guards-record comments api api-check snippets versions fuzz screenshots cover bench bench-all bench-job bench-fanout bench-scale bench-listing bench-large bench-reads bench-results bench-readers bench-folders bench-flow bench-page bench-coordinator bench-cluster bench-standalone charts terminal-screenshots durability crash lives estimates temporal temporal-cli cluster-crash hostile lies emulators plantedbugs licences sbom vuln tools clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

build: ## compile everything
	$(call each,go build -o /dev/null ./...)

test: .bin/testrun ## all tests of all modules, nearly all of them under the race detector
	@GORACE="$$GORACE $(GORACE_EXIT)" .bin/testrun $(RACE) $(TESTFLAGS) $$(go list $(PACKAGES) | grep -v /examples/howto)
	@.bin/testrun -vet=off -shuffle=on -p $(WAITING) $(TESTFLAGS) $(HOWTO)
	@.bin/testrun -vet=off -parallel 16 -p $(WAITING) -run '$(UNRACED)' $(TESTFLAGS) $(FULL)
	@$(MAKE) --no-print-directory test-tools

short: .bin/testrun ## the same without the race detector and without what takes long
	@.bin/testrun -short $(TESTFLAGS) $(PACKAGES)

long: .bin/testrun ## all repetitions, also those that make test leaves out, without the race detector
	@DMAP_LONG=1 .bin/testrun -shuffle=on -timeout 1h $(TESTFLAGS) $(PACKAGES)

test-tools: .bin/testrun ## the tests of internal/tools, which is not in go.work
	@cd internal/tools && GOWORK=off $(CURDIR)/.bin/testrun ./...

lint: .bin/golangci-lint ## the layer rules and the style, by golangci-lint
	.bin/golangci-lint run --allow-parallel-runners $(patsubst $(CURDIR)%,.%/...,$(MODULES)) # one run: modules share what is loaded
	cd internal/tools && GOWORK=off $(CURDIR)/.bin/golangci-lint run --allow-parallel-runners ./...

fmt: ## format the code
	gofmt -s -w $$(git ls-files '*.go')

vet: ## go vet
	$(call each,go vet ./...)
	cd internal/tools && GOWORK=off go vet ./...

tidy: ## go mod tidy in every module, the tools' too, and all checksums in go.work.sum
	$(call each,go mod tidy)
	cd internal/tools && GOWORK=off go mod tidy
	go mod download

tidy-check: ## fail where go mod tidy would change something
	$(call each,go mod tidy -diff)
	cd internal/tools && GOWORK=off go mod tidy -diff

deps: ## print and check what a user's binary links
	@.ci/deps

guards: .bin/house ## the numbers that must not rise, beside the recorded ones
	@.bin/house

guards-record: .bin/house ## record the numbers as they are now
	@.bin/house -record

comments: ## print N (30) comments of the library, drawn with SEED, for a reader to judge
	@cd internal/tools && GOWORK=off go run ./comments -C $(CURDIR) -n $(or $(N),30) -seed $(or $(SEED),0)

api: .bin/api ## write the public API of every package to docs/api
	@.bin/api -write

api-check: .bin/api ## print how the public API differs from docs/api
	@.bin/api

snippets: .bin/snippets ## type-check the Go blocks of all Markdown files
	@.bin/snippets

versions: ## build and test with the versions of go.mod alone, and with the next Go
	@.ci/versions go1.27.0

house: ## what the linter does not see: formatting, sleeping tests
	@.ci/house

fuzz: ## every fuzz test, or those whose names match FUZZ, for FUZZTIME (20s)
	@.ci/fuzz $(FUZZTIME)

screenshots: terminal-screenshots ## pictures of the page for the documentation, in docs/page; needs a browser
	@mkdir -p docs/page
	cd internal/e2e && DMAP_SHOTS=$(CURDIR)/docs/page go test -run '^TestScreenshots$$' -count=1 -v ./browser

cover: ## coverage of the library by its own tests, in .cache/cover.out
	@mkdir -p .cache
	go test -coverprofile $(COVER) -coverpkg ./... ./...
	go tool cover -func $(COVER) | tail -1

bench: ## Go benchmarks of all modules
	$(call each,go test -run '^$$' -bench . -benchmem $(TESTFLAGS) ./...)

bench-all: ## every table of internal/bench; BENCHFLAGS="-out docs/bench" keeps data and charts
	go run ./internal/bench $(BENCHFLAGS) all

bench-job: ## the demo's job beside hand-written errgroup programs: CPU per item, peak memory
	go run ./internal/bench $(BENCHFLAGS) job

bench-fanout: ## what an item costs beside plain Go and other libraries: nothing, 1 us, 5 ms; one by one, and 400 at a time
	go run ./internal/bench $(BENCHFLAGS) fanout

bench-scale: ## cost and memory by items, calls at once, splits, failures and objects; BENCHFLAGS="-n 100000000" for the long form
	go run ./internal/bench $(BENCHFLAGS) scale

bench-listing: ## listings through s3blob, by shapes of keys, 50 and 200 ms a page, 1 to 32 listers; requests counted
	go run ./internal/bench $(BENCHFLAGS) listing

bench-large: ## one large object by ranges over limited connections, and parsed on one core and on all
	go run ./internal/bench $(BENCHFLAGS) large cores

bench-reads: ## many small objects from a folder and from S3
	go run ./internal/bench $(BENCHFLAGS) reads

bench-results: ## writing results beside JSON encoders
	go run ./internal/bench $(BENCHFLAGS) results

bench-readers: ## CSV, JSON lines, JSON arrays, gzip and zstd beside the standard library and other decoders
	go run ./internal/bench $(BENCHFLAGS) readers

bench-flow: ## runs against servers that throttle: rate, shared back-off, adaptive limits, beside fixed ones and x/time/rate
	go run ./internal/bench flow

bench-page: ## what the page costs a run, with 10 readers; takes three minutes
	go run ./internal/bench page

bench-coordinator: ## a run of a billion objects on 100 and 1,000 machines, in virtual time; BENCHFLAGS="-n 10000000" for less
	go run ./internal/coord/sim $(BENCHFLAGS)

bench-folders: ## folders of 500,000 files listed, beside filepath.WalkDir and gocloud
	go run ./internal/bench $(BENCHFLAGS) folders

charts: ## draw docs/charts from the data in docs/bench, without measuring
	go run ./internal/bench -draw docs/bench

terminal-screenshots: ## draw docs/screens/terminal-*.svg from runs in virtual time
	@mkdir -p docs/screens
	DMAP_SCREENSHOTS=$(CURDIR)/docs/screens go test -count=1 -run '^TestScreenshots$$' ./dmap/progress

durability: ## what surviving kill -9 costs: the job with its journal off and on, and the resume of a million settled items
	go run ./internal/bench $(BENCHFLAGS) durability
	go test ./sink -run '^$$' -bench '^BenchmarkResumeOfAMillion$$' -benchtime 1x

crash: ## kill -9 KILLS processes (40) of runs of all forms on STORE (file, s3, both), check each result, print a table; SEED repeats
	cd internal/e2e && DMAP_CRASH_ITEMS=20000 DMAP_CRASH_KILLS=$(KILLS) DMAP_CRASH_STORE=$(STORE) DMAP_CRASH_SEED=$(SEED) \
		DMAP_CRASH_FORM='$(FORM)' DMAP_CRASH_STRIDE=1 go test -run '^(TestCrashForms|TestRunSurvivesProcessExitAtAnyStep)$$' -count=1 -v -timeout 2h .

lives: ## a million items in processes that live for 60 s, a third of them killed: lost, doubled, overhead; N=100000: 6 s
	cd internal/e2e && DMAP_LIVES=$(or $(N),1000000) go test -run '^TestARunHopsThroughProcessesThatAreKilledOrEndInTime$$' -count=1 -v -timeout 20m .

estimates: ## hold an estimate against runs over N files (500000: 15 minutes) at three concurrencies
	cd internal/e2e && DMAP_ESTIMATE=$(or $(N),500000) go test -run '^TestAnEstimateOfAFolderIsHeldAgainstItsRuns$$' -count=1 -v -timeout 40m .

temporal-cli: ## build the Temporal command, with its dev server, into .cache/bin: once, in ten minutes
	@mkdir -p .cache/bin
	[ -x .cache/bin/temporal ] || GOBIN=$(CURDIR)/.cache/bin GOWORK=off go install github.com/temporalio/cli/cmd/temporal@v1.5.1

temporal: temporal-cli ## the tests of dmaptemporal and of examples/cluster with a real dev server
	cd examples && DMAP_TEMPORAL=$(CURDIR)/.cache/bin/temporal go test -count=1 -v -timeout 10m -run OnAServer ./cluster
	cd dmap/dmaptemporal && DMAP_TEMPORAL=$(CURDIR)/.cache/bin/temporal go test -count=1 -v -timeout 20m -run OnAServer .

bench-cluster: temporal-cli ## what a run on many machines costs, beside one process and a plain loop; BENCHFLAGS="-rounds 1 short"
	cd dmap/dmaptemporal && DMAP_TEMPORAL=$(CURDIR)/.cache/bin/temporal go run ./internal/bench $(BENCHFLAGS)

bench-standalone: ## leases as activities of a workflow beside standalone activities, on Temporal server 1.32.1: its first build takes 15 minutes
	@mkdir -p .cache/bin
	[ -x .cache/bin/devserver ] || (cd internal/devserver && GOWORK=off GOFLAGS=-mod=mod go build -o $(CURDIR)/.cache/bin/devserver .)
	cd dmap/dmaptemporal && DMAP_TEMPORAL=$(CURDIR)/.cache/bin/devserver go run ./internal/bench -standalone 200 $(BENCHFLAGS)

cluster-crash: temporal-cli ## kill -9 and stop workers, coordinator and server of runs of ITEMS (4000000: 30 minutes) on many machines, check each result; STORE=s3, SEED repeats
	[ "$(STORE)" != s3 ] || [ -x .cache/bin/versitygw ] || GOBIN=$(CURDIR)/.cache/bin GOWORK=off go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	cd dmap/dmaptemporal && DMAP_TEMPORAL=$(CURDIR)/.cache/bin/temporal DMAP_VERSITYGW=$(CURDIR)/.cache/bin/versitygw DMAP_CLUSTER_ITEMS=$(or $(ITEMS),4000000) \
		DMAP_CLUSTER_STORE=$(STORE) DMAP_CLUSTER_SEED=$(SEED) go test -run '^TestClusterCrash$$' -count=1 -v -timeout 2h -parallel 4 .

lies: ## run every source over a store that lies in each way, and print the matrix of outcomes
	cd internal/e2e && DMAP_LIES=1 go test -run '^TestAStoreThatLies|^TestCloudsThatLie' -count=1 -v -timeout 30m . | grep -v '^ *--- PASS\|=== '

hostile: ## read hostile inputs of full size, each in a process of its own, and print peak memory and time
	cd internal/e2e && DMAP_HOSTILE_FULL=1 go test -run '^TestHostileInputs$$' -count=1 -v -timeout 20m . | grep -v '^=== '

emulators: ## the tests on emulators of GCS and Azure, with KILLS processes (40) killed on each; prints a table
	cd internal/e2e && DMAP_EMULATOR_KILLS=$(KILLS) DMAP_CRASH_SEED=$(SEED) \
		go test -run 'Emulat' -count=1 -v -timeout 1h .

plantedbugs: ## plant known bugs in a copy, one after the other: the tests must catch each
	@.ci/plantedbugs

licences: .bin/licences ## the licences of the modules that users link; fails on one that is not known
	@.bin/licences $(PUBLISHED)

sbom: ## a CycloneDX bill of materials for each module that users import, in .cache/sbom
	@mkdir -p .cache/sbom
	@set -e; for dir in $(PUBLISHED); do name=$$(echo dmap/$$dir | sed 's,/\.$$,,; s,/,-,g'); \
		GOWORK=off go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX) mod -json -licenses \
			-output .cache/sbom/$$name.json $$dir 2>.cache/sbom/$$name.log || { cat .cache/sbom/$$name.log >&2; exit 1; }; \
		echo .cache/sbom/$$name.json; done

vuln: .bin/govulncheck ## known vulnerabilities in what we call; needs the network
	$(call each,GOWORK=off $(CURDIR)/.bin/govulncheck ./...)

tools: .bin/golangci-lint .bin/govulncheck .bin/benchstat ## build the pinned tools into .bin

.bin/golangci-lint: internal/tools/go.sum
	cd internal/tools && GOWORK=off go build -o ../../.bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
.bin/govulncheck: internal/tools/go.sum
	cd internal/tools && GOWORK=off go build -o ../../.bin/ golang.org/x/vuln/cmd/govulncheck
.bin/benchstat: internal/tools/go.sum
	cd internal/tools && GOWORK=off go build -o ../../.bin/ golang.org/x/perf/cmd/benchstat

# our own commands: go build says whether something has changed
.PHONY: .bin/api .bin/house .bin/licences .bin/snippets .bin/testrun
.bin/api .bin/house .bin/licences .bin/snippets .bin/testrun:
	@cd internal/tools && GOWORK=off go build -o ../../.bin/ ./$(@F)

clean: ## remove what make made
	rm -rf .bin .cache
