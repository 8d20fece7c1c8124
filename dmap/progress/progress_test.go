package progress

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/dmap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// steady is a run that settles items at a constant rate for some time.
type steady struct {
	started   time.Time
	perSecond int64
	takes     time.Duration
	done      chan struct{}
}

// start starts the run. It must end within the synctest bubble of the caller.
func start(perSecond int64, takes time.Duration) *steady {
	s := &steady{started: time.Now(), perSecond: perSecond, takes: takes, done: make(chan struct{})}
	time.AfterFunc(takes, func() { close(s.done) })
	return s
}

func (s *steady) ID() string            { return "night" }
func (s *steady) Done() <-chan struct{} { return s.done }
func (s *steady) Stats() dmap.Stats {
	elapsed := min(time.Since(s.started), s.takes)
	n := s.perSecond * int64(elapsed) / int64(time.Second)
	return dmap.Stats{Succeeded: n, Limit: 100, InFlight: 7, Elapsed: elapsed}
}

func TestShowWritesALineEveryTenSecondsToALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		begin := time.Now()
		Show(&out, start(1000, 35*time.Second), Options{Total: 35_000})
		require.Equal(t, 35*time.Second, time.Since(begin))
		require.Equal(t, `night: 10,000/35,000 items (28 %)  1,000/s  25s left  7/100 calls
night: 20,000/35,000 items (57 %)  1,000/s  15s left  7/100 calls
night: 30,000/35,000 items (85 %)  1,000/s  5s left  7/100 calls
night: 35,000 items in 35s  35,000 succeeded
`, out.String())
	})
}

func TestShowUsesTheIntervalOfItsOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		Show(&out, start(3, 10*time.Second+time.Millisecond), Options{Every: time.Second})
		require.Equal(t, 11, strings.Count(out.String(), "\n"))
		require.True(t, strings.HasPrefix(out.String(), "night: 3 items  3.0/s  7/100 calls\n"), out.String())
	})
}

func TestShowRewritesOneLineOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		show(&out, start(1000, 2*time.Second+time.Millisecond), Options{Total: 4000}, true)
		require.Equal(t, 1, strings.Count(out.String(), "\n"), "only the final line ends in a line feed")
		rewritten := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\r")
		require.Len(t, rewritten, 1+8+1, "an empty line, four lines a second, the final line")
		require.Equal(t, "250/4,000 items (6 %)  1,000/s  4s left  7/100 calls", rewritten[1])
		require.Equal(t, "2,001 items in 2s  2,001 succeeded", strings.TrimRight(rewritten[9], " "))
		for i := 2; i < len(rewritten); i++ {
			require.GreaterOrEqual(t, len(rewritten[i]), len(strings.TrimRight(rewritten[i-1], " ")), "each line must cover the previous one")
			require.LessOrEqual(t, len(rewritten[i]), width)
		}
	})
}

func TestShowOfAnEndedRunWritesOnlyTheFinalLine(t *testing.T) {
	run := &steady{started: time.Now(), done: make(chan struct{})}
	close(run.done)
	var out bytes.Buffer
	Show(&out, run, Options{})
	require.Equal(t, "night: 0 items in 0s\n", out.String())
}

func TestShowContinuesWhenWritesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		Show(broken{}, start(1, time.Minute), Options{})
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestOnlyCharacterDevicesAreTerminals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	require.False(t, isTerminal(file))
	require.NoError(t, file.Close())
	require.False(t, isTerminal(file), "a closed file")
	require.False(t, isTerminal(&bytes.Buffer{}))
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminals here")
	}
	require.True(t, isTerminal(tty))
	require.NoError(t, tty.Close())
}
