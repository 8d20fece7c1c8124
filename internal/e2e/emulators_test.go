package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaptest"
	"github.com/go-dmap/dmap/source"
)

// emulatorTable collects the figures of the tests on emulated clouds; `make emulators` shows it.
type emulatorTable struct {
	mu   sync.Mutex
	rows []emulatorRow
}

type emulatorRow struct {
	store, test          string
	time                 time.Duration
	kills, lost, doubled int
}

// time runs one test on one store and adds a row.
func (table *emulatorTable) run(t *testing.T, store, test string, do func(t *testing.T, row *emulatorRow)) {
	t.Run(store+"/"+test, func(t *testing.T) {
		t.Parallel()
		row := emulatorRow{store: store, test: test}
		started := time.Now()
		do(t, &row)
		row.time = time.Since(started)
		table.mu.Lock()
		defer table.mu.Unlock()
		table.rows = append(table.rows, row)
	})
}

func (table *emulatorTable) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "store\ttest\ttime\tkills\tlost\tdoubled\t")
	for _, row := range table.rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%.1f s\t%d\t%d\t%d\t\n", row.store, row.test, row.time.Seconds(), row.kills, row.lost, row.doubled)
	}
	_ = w.Flush() // to memory
	return text.String()
}

// TestEmulators runs the job, killed processes and two runners on every emulated cloud.
func TestEmulators(t *testing.T) {
	skipWithRaceDetector(t)
	t.Parallel()
	kills := int(setting(t, "DMAP_EMULATOR_KILLS", 2))
	seed := setting(t, "DMAP_CRASH_SEED", rand.Uint64())
	t.Logf("DMAP_CRASH_SEED=%d", seed)
	var table emulatorTable
	t.Run("on", func(t *testing.T) {
		for _, e := range emulators() {
			table.run(t, e.name, "job", func(t *testing.T, row *emulatorRow) { emulatedJob(t, e, row) })
			table.run(t, e.name, "sources", func(t *testing.T, _ *emulatorRow) { emulatedSources(t, e) })
			table.run(t, e.name, "kill and resume", func(t *testing.T, row *emulatorRow) {
				n := 300
				if kills > 2 {
					n = 2000
				}
				place := e.crashPlace(t)
				writeCrashInput(t, place.bucket, n)
				c := crashes{t: t, place: place, n: n, dice: rand.New(rand.NewPCG(seed, 1))}
				for c.kills < kills && !t.Failed() {
					c.run()
				}
				row.kills, row.lost, row.doubled = c.kills, c.lost, c.doubled
				t.Logf("%d kills in %d runs, executed again: %d of at most %d (%d processes fenced off)", c.kills, c.runs, c.again, c.allowed, c.fenced)
			})
			table.run(t, e.name, "two runners", func(t *testing.T, row *emulatorRow) {
				_, b := e.bucket(t)
				writeCrashInput(t, b, 60)
				fenced := 0
				races := max(4, kills)
				for race := range races {
					fenced += raceHere(t, b, fmt.Sprintf("race-%d", race))
				}
				t.Logf("%d races, %d runners fenced off", races, fenced)
				require.Positive(t, fenced)
			})
		}
	})
	t.Log("\n" + table.String())
}

// emulatedJob runs the main job: objects that are listed and read, and results.
func emulatedJob(t *testing.T, e emulator, row *emulatorRow) {
	const n = 70
	_, b := e.bucket(t)
	fill(t, b, n)
	var gauge dmaptest.Gauge
	opts := options("whole")
	stats, err := dmap.Map(t.Context(), source.Objects(b, "data/", source.ObjectsOptions{Store: e.features}),
		dmaptest.Gauged(&gauge, square), opts, jobSink(b))
	require.NoError(t, err)
	gauge.AtMost(t, opts.MaxConcurrency)
	f := openFolder(t, b, "runs/whole")
	f.complete(t, n)
	require.EqualValues(t, n, stats.Read)
	require.EqualValues(t, 10, stats.Failed)
	f.hasNoOtherObjects(t, b)
	requireSinkReadsTheSame(t, b, f)
	row.lost = n - int(stats.Succeeded+stats.Failed)
}

// emulatedSources checks the contract of the sources.
func emulatedSources(t *testing.T, e emulator) {
	const objects, rows = 10, 12 // the suite reads once from each cursor
	_, b := e.bucket(t)
	fill(t, b, objects)
	var csv, lines strings.Builder
	csv.WriteString("id\n")
	for i := range rows {
		_, _ = fmt.Fprintf(&csv, "%d\n", i)
		_, _ = fmt.Fprintf(&lines, "{\"id\":%d}\n", i)
	}
	put(t, b, map[string]string{"events.csv": csv.String(), "events.jsonl": lines.String()})
	items := dmaptest.TestSource(t, func(testing.TB) dmap.Source[source.Object] {
		return source.Objects(b, "data/", source.ObjectsOptions{Store: e.features})
	}, func(a, b source.Object) bool { // times of Azure differ in their locations
		same := a.ModTime.Equal(b.ModTime)
		a.ModTime = b.ModTime
		return same && a == b
	})
	require.Len(t, items, objects)
	events := dmaptest.TestSource(t, func(testing.TB) dmap.Source[event] {
		return source.CSV(b, "events.csv", source.Into[event], source.CSVOptions{Store: e.features})
	})
	require.Equal(t, event{rows - 1}, events[rows-1].Value)
	events = dmaptest.TestSource(t, func(testing.TB) dmap.Source[event] {
		return source.JSONLines[event](b, "events.jsonl", source.JSONLinesOptions[event]{Store: e.features})
	})
	require.Equal(t, event{rows - 1}, events[rows-1].Value)
}
