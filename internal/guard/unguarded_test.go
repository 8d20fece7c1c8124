package guard_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unguarded lists, as "file function: call", the calls in a file that reach methods of an error
// or a value without a guard: errors.Is and its like walk the chain, encoding/json calls
// MarshalJSON, and Error, Unwrap, Class and so on are methods that a user may have written.
func unguarded(name string, file *ast.File) []string {
	var found []string
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			callee := call.Fun
			if generic, ok := callee.(*ast.IndexExpr); ok {
				callee = generic.X
			}
			sel, ok := callee.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			what := sel.Sel.Name
			switch pkg, _ := sel.X.(*ast.Ident); {
			case pkg != nil && pkg.Name == "errors" && slices.Contains([]string{"Is", "As", "AsType", "Unwrap"}, what):
				what = "errors." + what
			case pkg != nil && pkg.Name == "json" && slices.Contains([]string{"Marshal", "MarshalIndent", "Unmarshal"}, what):
				what = "json." + what
			case len(call.Args) == 1 && slices.Contains([]string{"Encode", "Decode"}, what):
			case len(call.Args) == 0 && slices.Contains([]string{"Error", "Unwrap", "Class", "RetryAfter", "RawInput", "WithoutValue", "Timeout"}, what):
			case len(call.Args) <= 1 && slices.Contains([]string{"Retryable", "MarshalJSON", "UnmarshalJSON", "MarshalText", "LogValue", "Match"}, what):
			default:
				return true
			}
			found = append(found, fmt.Sprintf("%s %s: %s", name, f.Name.Name, what))
			return true
		})
	}
	return found
}

// A new call must be one of guard.Is, guard.As, guard.Text or guard.Call if the value
// may be a user's: an error of a function, a source, a sink, a driver's bucket, or a method of one
// of those. Otherwise add it to the list with its reason.
func TestEveryUnguardedCallOfAMethodOfAnErrorIsKnown(t *testing.T) {
	found := map[string]bool{}
	root := filepath.Join("..", "..")
	for _, dir := range []string{"dmap", "source", "sink", "batch", "internal"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			name = filepath.ToSlash(name)
			switch {
			case err != nil:
				return err
			case d.IsDir() && slices.Contains([]string{
				"internal/bench", "dmap/dmaptemporal/internal/bench", "internal/e2e", "internal/tools", "internal/testsize", "source/cloud", "dmap/dmaptest", "internal/guard", "sink/testdata",
			}, name):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			for _, call := range unguarded(name, file) {
				found[call] = true
			}
			return nil
		}))
	}
	var unknown, stale []string
	for _, call := range slices.Sorted(maps.Keys(found)) {
		if known[call] == "" {
			unknown = append(unknown, call)
		}
	}
	for _, call := range slices.Sorted(maps.Keys(known)) {
		if !found[call] {
			stale = append(stale, call)
		}
	}
	require.Empty(t, unknown, "unguarded calls that are not in the list of known ones")
	require.Empty(t, stale, "known calls that are no longer there")
}

func TestUnguardedCallsAreFound(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
func f(err error) {
	errors.Is(err, nil)
	errors.AsType[*T](err)
	go func() { _ = err.Error() }()
	guard.Is(err, nil)
	own.Class()
	json.Unmarshal(text, &v)
	lines.Encode(v)
}`, 0)
	require.NoError(t, err)
	require.Equal(t, []string{"x.go f: errors.Is", "x.go f: errors.AsType", "x.go f: Error", "x.go f: Class", "x.go f: json.Unmarshal", "x.go f: Encode"}, unguarded("x.go", file))
}

// Why a call needs no guard.
const (
	ours      = "the value is of this module, the standard library or a package that we use, and its causes guard themselves"
	driver    = "the value comes from the driver of a bucket through gocloud, which walks its chain too"
	inCall    = "the call is inside guard.Call, or on an error that is plain"
	recovered = "the caller recovers panics, a Goexit ends the reading with an error, and a source that does not return is abandoned"
	watched   = "the sink watches the goroutine, and leaves out a value whose methods do not return"
	ofCaller  = "it is on the goroutine of a function of the user, or of a reader of results, as the value is"
	ofEvent   = "the engine guards errors of events, and the caller recovers panics of those inside a batch.Errors"
)

var known = map[string]string{
	"dmap/dmaptemporal/define.go Define: json.Unmarshal":                  ofCaller,
	"dmap/dmaptemporal/define.go encode: json.Marshal":                    ofCaller,
	"internal/commits/compact.go dropParts: json.Marshal":                 ours,
	"internal/commits/state.go Encode: errors.Is":                         ours,
	"internal/coord/pieces.go MarshalJSON: json.Marshal":                  ours,
	"internal/coord/pieces.go UnmarshalJSON: json.Unmarshal":              ours,
	"internal/coord/sim/simulation.go absorb: json.Marshal":               ours,
	"internal/coord/sim/simulation.go marshal: json.Marshal":              ours,
	"internal/coord/sim/simulation.go renew: json.Unmarshal":              ours,
	"internal/coord/sim/simulation.go shed: json.Marshal":                 ours,
	"internal/runfolder/commitheader.go decodeHeader: json.Unmarshal":     ours,
	"internal/runfolder/readcommits.go newestIn: errors.Is":               driver,
	"internal/sharedrun/orders.go readControl: json.Unmarshal":            ours,
	"internal/lease/groups.go groupSize: json.Marshal":                    ours,
	"internal/sharedrun/orders.go Show: json.Marshal":                     ours,
	"dmap/cmd/dmap/export.go toFile: errors.Is":                           ours,
	"dmap/cmd/dmap/export.go writeCSV: Error":                             ours,
	"dmap/cmd/dmap/main.go execute: errors.Is":                            ours,
	"dmap/cmd/dmap/main.go exitCode: Error":                               ours,
	"dmap/cmd/dmap/main.go exitCode: errors.As":                           ours,
	"dmap/cmd/dmap/main.go exitCode: errors.Is":                           ours,
	"dmap/cmd/dmap/place.go load: errors.Is":                              ours,
	"dmap/cmd/dmap/place.go open: Error":                                  ours,
	"dmap/cmd/dmap/runs.go listRuns: Error":                               ours,
	"dmap/cmd/dmap/runs.go printLines: Error":                             ours,
	"dmap/cmd/dmap/serve.go servePage: errors.Is":                         ours,
	"dmap/cmd/dmap/show.go showRun: errors.Is":                            ours,
	"internal/publish/read.go Folders: errors.Is":                         driver,
	"sink/results/list.go summary: errors.Is":                             ours,
	"dmap/call.go Error: Error":                                           ours,
	"dmap/errors.go Error: Error":                                         ours,
	"dmap/errors.go nameOf: Class":                                        inCall,
	"dmap/dmapotel/outcome.go callOutcome: errors.As":                     ofEvent,
	"dmap/dmapotel/outcome.go callOutcome: errors.Is":                     ofEvent,
	"dmap/dmapotel/outcome.go errorOf: errors.As":                         ofEvent,
	"dmap/dmapotel/outcome.go failed: errors.Is":                          ofEvent,
	"dmap/dmapotel/outcome.go failedOutcome: errors.Is":                   ofEvent,
	"dmap/dmapotel/outcome.go held: errors.As":                            ofEvent,
	"dmap/dmapotel/spans.go addCallError: Error":                          ofEvent,
	"dmap/dmapotel/spans.go addCallError: errors.As":                      ofEvent,
	"dmap/dmapotel/spans.go addFailure: Error":                            ofEvent,
	"dmap/dmapotel/spans.go endRun: Error":                                ofEvent,
	"dmap/dmapotel/spans.go endRun: errors.Is":                            ofEvent,
	"dmap/progress/control.go limitCalls: Error":                          ours,
	"dmap/errors.go describe: Error":                                      ours,
	"dmap/preflightrun.go eachJoined: Unwrap":                             ours,
	"dmap/redact.go describe: Error":                                      ours,
	"dmap/redact.go describe: Unwrap":                                     ours,
	"dmap/aftererror.go decide: Retryable":                                inCall,
	"dmap/retry.go again: RetryAfter":                                     inCall,
	"internal/throttle/throttle.go Asked: RetryAfter":                     inCall,
	"dmap/retry.go again: Retryable":                                      inCall,
	"dmap/longtext.go cut: Error":                                         inCall,
	"dmap/sinks.go first: errors.Unwrap":                                  ours,
	"internal/attention/attention.go Error: Error":                        ours,
	"internal/attention/attention.go Needed: errors.As":                   ours,
	"internal/body/body.go isFinal: errors.Is":                            driver,
	"internal/body/body.go connect: errors.Is":                            driver,
	"internal/body/body.go connectAt: errors.Is":                          driver,
	"internal/body/body.go reopen: errors.Is":                             driver,
	"internal/body/object.go verify: errors.Is":                           driver,
	"internal/errtext/errtext.go PanicWithoutValue: Error":                ours,
	"internal/fingerprint/value.go within: errors.As":                     ours,
	"internal/hostfolder/hostfolder.go CheckListable: errors.Is":          ours,
	"internal/hostfolder/hostfolder.go CheckReadable: errors.Is":          ours,
	"internal/hostlock/flock.go flock: errors.Is":                         ours,
	"internal/hostlock/hostlock.go CheckRegular: errors.Is":               ours,
	"internal/hostlock/hostlock.go Enter: errors.Is":                      ours,
	"internal/hostlock/hostlock.go Explain: errors.Is":                    ours,
	"internal/hostlock/hostlock.go create: errors.Is":                     ours,
	"internal/hostlock/hostlock.go open: errors.Is":                       ours,
	"internal/listing/lister.go After: errors.Is":                         driver,
	"internal/listing/names.go read: errors.Is":                           ours,
	"internal/listing/names.go readNames: errors.Is":                      driver,
	"internal/listing/page.go retryPage: errors.Is":                       driver,
	"internal/listing/sequence.go Error: Error":                           driver,
	"internal/listing/walk.go isNoFile: errors.Is":                        ours,
	"internal/listing/walk.go yieldBroken: errors.Is":                     driver,
	"internal/listing/walk.go yieldMarker: errors.Is":                     driver,
	"internal/publish/folder.go inFolder: errors.Is":                      ours,
	"internal/publish/folder.go makeFolder: errors.Is":                    driver,
	"internal/publish/publish.go refused: errors.Is":                      driver,
	"internal/publish/read.go holds: errors.Is":                           driver,
	"internal/publish/retry.go again: errors.Is":                          driver,
	"internal/publish/retry.go describe: errors.Is":                       driver,
	"internal/publish/upload.go noTempDir: errors.As":                     driver,
	"internal/publish/upload.go noTempDir: errors.Is":                     ours,
	"internal/publish/upload.go writeBeside: errors.Is":                   ours,
	"internal/record/window.go Error: Error":                              ours,
	"internal/redrive/choice.go Takes: Match":                             ours,
	"internal/runfolder/read.go LoadManifests: errors.Is":                 driver,
	"internal/runfolder/stream.go decodeObject: errors.Is":                ours,
	"internal/transient/limit.go End: errors.Is":                          driver,
	"internal/transient/status.go Refused: errors.Is":                     driver,
	"internal/transient/status.go walk: Unwrap":                           driver,
	"internal/transient/transient.go Classify: errors.Is":                 driver,
	"internal/transient/transient.go askedWait: RetryAfter":               driver,
	"internal/transient/transient.go askedWait: errors.As":                driver,
	"internal/transient/transient.go broken: Timeout":                     driver,
	"internal/transient/transient.go broken: errors.As":                   driver,
	"internal/transient/transient.go broken: errors.Is":                   driver,
	"internal/transient/transient.go throttled: errors.As":                driver,
	"internal/unpack/unpack.go Error: Error":                              ours,
	"internal/unpack/unpack.go readError: errors.Is":                      ours,
	"sink/end.go end: errors.Is":                                          driver,
	"sink/end.go ended: errors.Is":                                        driver,
	"sink/failure.go WithoutValue: Error":                                 ours,
	"sink/failure.go rawInput: RawInput":                                  inCall,
	"sink/finish.go End: errors.Is":                                       driver,
	"sink/journal.go lastEnd: errors.Is":                                  driver,
	"sink/journal.go openFolder: errors.As":                               driver,
	"sink/journal.go openFolder: errors.Is":                               driver,
	"sink/lock.go Error: Error":                                           ours,
	"sink/lock.go lockFolder: errors.Is":                                  ours,
	"sink/record.go appendInput: Error":                                   ours,
	"sink/results/clean.go validParts: errors.Is":                         driver,
	"sink/results/open.go look: errors.Is":                                driver,
	"sink/run.go explainCreate: errors.Is":                                driver,
	"source/broken.go Error: Error":                                       ours,
	"source/decompress.go located: errors.As":                             ours,
	"source/errors.go WithoutValue: Error":                                ours,
	"source/into.go parsed: errors.As":                                    ours,
	"source/span.go openAt: errors.Is":                                    driver,
	"source/lineplan.go run: errors.Is":                                   driver,
	"source/objects.go matches: Match":                                    ours,
	"source/manifest.go loadManifest: errors.Is":                          ours,
	"source/object.go openNow: errors.Is":                                 driver,
	"source/objects.go Error: Error":                                      ours,
	"source/objects.go place: errors.As":                                  driver,
	"source/objects.go skip: Match":                                       recovered,
	"source/partreader.go next: errors.As":                                ours,
	"source/redrive.go skip: Match":                                       recovered,
	"source/rowplan.go divide: errors.Is":                                 driver,
	"dmap/cmd/dmap/export.go writeLines: Encode":                          ours,
	"dmap/cmd/dmap/failures.go printFailures: Encode":                     ours,
	"dmap/cmd/dmap/failures.go printItems: Encode":                        ours,
	"dmap/cmd/dmap/runs.go printLines: Encode":                            ours,
	"dmap/cmd/dmap/show.go showRun: Encode":                               ours,
	"dmap/timesjson.go MarshalJSON: json.Marshal":                         ours,
	"dmap/timesjson.go UnmarshalJSON: json.Unmarshal":                     ours,
	"dmap/dmapweb/message.go encodeMessage: json.Marshal":                 ours,
	"dmap/dmapweb/respond.go answer: json.Marshal":                        ours,
	"dmap/dmapweb/respond.go decodeBody: Decode":                          ours,
	"dmap/dmapweb/respond.go refuse: json.Marshal":                        ours,
	"internal/runfolder/commit.go encodeCommit: json.Marshal":             ours,
	"internal/runfolder/decision.go DecodeDecision: json.Unmarshal":       ours,
	"internal/runfolder/decision.go EncodeDecision: json.MarshalIndent":   ours,
	"internal/runfolder/groups.go EncodeGroups: Encode":                   ours,
	"internal/runfolder/groups.go addGroup: json.Unmarshal":               ours,
	"internal/runfolder/groups.go groupList: Decode":                      ours,
	"internal/runfolder/manifest.go EncodeManifest: json.MarshalIndent":   ours,
	"internal/runfolder/record.go DecodeRecord: json.Unmarshal":           ours,
	"internal/runfolder/redrive.go EncodeRedriveFile: json.MarshalIndent": ours,
	"internal/runfolder/runfile.go DecodeRunFile: json.Unmarshal":         ours,
	"internal/runfolder/runfile.go EncodeRunFile: json.MarshalIndent":     ours,
	"internal/runfolder/stream.go decodeObject: json.Unmarshal":           ours,
	"internal/runfolder/stream.go listOf: Decode":                         ours,
	"internal/runfolder/stream.go object: Decode":                         ours,
	"internal/runfolder/stream.go object: json.Unmarshal":                 ours,
	"internal/unpack/zstd.go openZstd: Decode":                            ours,
	"sink/commit.go Commit: json.Marshal":                                 ours,
	"sink/redriven.go encodeState: json.Marshal":                          ours,
	"sink/results/stepfunctions.go ExportStepFunctions: json.Marshal":     ours,
	"sink/results/stepfunctions.go record: Encode":                        ours,
	"sink/runfile.go createRunFile: json.Marshal":                         ours,
	"source/outcome.go batchItems: json.Unmarshal":                        ours,
	"source/outcome.go childInput: json.Unmarshal":                        ours,
	"source/outcome.go childOutcomes: json.Unmarshal":                     ours,
	"source/ownresults.go isRun: json.Unmarshal":                          ours,
	"sink/exact.go checkExact: json.Unmarshal":                            inCall,
	"sink/record.go appendValue: Encode":                                  watched,
	"sink/results/records.go Successes: json.Unmarshal":                   ofCaller,
	"sink/results/records.go decodeSuccess: json.Unmarshal":               ofCaller,
	"source/object.go decodeJSON: json.Unmarshal":                         ofCaller,
	"source/decodejson.go jsonDecoder: json.Unmarshal":                    recovered,
	"source/jsonlines.go Value: Decode":                                   recovered,
	"source/redrive.go item: json.Unmarshal":                              recovered,
}
