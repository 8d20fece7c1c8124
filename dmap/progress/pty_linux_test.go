package progress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/source"
)

// child is the program of the tests: it runs on the terminal that it gets, as the test says.
func child(mode string) {
	ctx := context.Background()
	if strings.Contains(mode, "handles") {
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt)
		defer stop()
	}
	d := New(os.Stderr, Options{Every: 50 * time.Millisecond})
	defer d.Close()
	opts := dmap.Options{RunID: "night", MaxConcurrency: 10, Observer: d.Observer(), Logger: slog.New(slog.NewTextHandler(d, nil))}
	run, err := dmap.Start(ctx, source.Slice(make([]int, 100_000)), func(ctx context.Context, _ int) (int, error) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		return 0, ctx.Err()
	}, opts)
	if err != nil {
		panic(err)
	}
	if strings.Contains(mode, "panics") {
		time.AfterFunc(500*time.Millisecond, func() { run.Cancel(nil) })
		<-run.Done()
		run, _ = dmap.Start(ctx, source.Slice(make([]int, 100_000)), func(context.Context, int) (int, error) {
			<-time.After(20 * time.Millisecond)
			return 0, nil
		}, opts)
		<-time.After(500 * time.Millisecond)
		panic("in main")
	}
	_, err = run.Wait()
	fmt.Println("left by:", errors.Is(err, dmap.ErrSuspended), errors.Is(err, context.Canceled))
}

// terminalOf is a pseudo-terminal with a program on it.
type terminalOf struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	before unix.Termios
	cmd    *exec.Cmd

	mu  sync.Mutex
	out bytes.Buffer
	end chan struct{} // closed when nothing more is written
}

func onTerminal(t *testing.T, mode string, env ...string) *terminalOf {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here:", err)
	}
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	p := &terminalOf{t: t, master: master, slave: slave, end: make(chan struct{})}
	p.resize(100)
	p.before = p.mode()
	p.cmd = exec.Command(os.Args[0], "-test.run=^$")
	p.cmd.Env = append(os.Environ(), "PROGRESS_CHILD="+mode, "TERM=xterm")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	if strings.Contains(mode, "piped") {
		p.cmd.Stdin = nil
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.end)
		_, _ = io.Copy(p, master)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_, _ = p.cmd.Process.Wait()
		_ = slave.Close()
		<-p.end // the master fails when no slave is open
		_ = master.Close()
	})
	return p
}

// Write keeps what the program writes.
func (p *terminalOf) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *terminalOf) mode() unix.Termios {
	mode, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	require.NoError(p.t, err)
	return *mode
}

func (p *terminalOf) resize(columns uint16) {
	require.NoError(p.t, unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
}

func (p *terminalOf) press(keys string) {
	_, err := p.master.WriteString(keys)
	require.NoError(p.t, err)
}

// see waits until the program has written a match, after the one before.
func (p *terminalOf) see(pattern string) string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	var seen string
	require.Eventually(p.t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		at := expression.FindIndex(p.out.Bytes())
		if at == nil {
			return false
		}
		seen = p.out.String()
		p.out.Next(at[1])
		return true
	}, 20*time.Second, 10*time.Millisecond, "%s in %.3000q", pattern, p.String())
	return seen
}

func (p *terminalOf) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// exited waits for the end of the program.
func (p *terminalOf) exited() *os.ProcessState {
	p.t.Helper()
	state, err := p.cmd.Process.Wait()
	require.NoError(p.t, err)
	return state
}

func TestKeysOnARealTerminal(t *testing.T) {
	p := onTerminal(t, "run")
	p.see(`Running`)
	p.see(`of 10 calls in use`)
	require.Zero(t, p.mode().Lflag&(unix.ECHO|unix.ICANON), "keys come at once, without an echo")
	require.NotZero(t, p.mode().Oflag&unix.OPOST, "output stays as it is")
	p.press(" ")
	p.see(`Paused: no call starts`)
	p.press(" ")
	p.see(`Running`)
	p.press("+")
	p.see(`of 11 calls in use`)
	p.press("--")
	p.see(`of 9 calls in use`)
	p.press("qq")
	p.see(`left by: true`)
	require.True(t, p.exited().Success())
	require.Equal(t, p.before, p.mode(), "the terminal is as it was")
}

func TestCtrlCActsAsAlwaysAndLeavesTheTerminalAsItWas(t *testing.T) {
	for _, mode := range []string{"run", "handles"} {
		t.Run(mode, func(t *testing.T) {
			p := onTerminal(t, mode)
			p.see(`keys: space`)
			p.press("\x03")
			if mode == "handles" {
				p.see(`left by: false true`)
				require.True(t, p.exited().Success())
			} else {
				require.Equal(t, syscall.SIGINT, p.exited().Sys().(syscall.WaitStatus).Signal())
			}
			require.Equal(t, p.before, p.mode())
		})
	}
}

func TestAPanicLeavesTheTerminalAsItWas(t *testing.T) {
	p := onTerminal(t, "panics")
	p.see(`panic: in main`)
	require.Equal(t, 2, p.exited().ExitCode())
	require.Equal(t, p.before, p.mode())
}

func TestKeysNeedATerminalAsInput(t *testing.T) {
	p := onTerminal(t, "piped")
	seen := p.see(`of 10 calls in use`) + p.see(`of 10 calls in use`)
	require.NotContains(t, seen, "keys:")
	require.Equal(t, p.before, p.mode())
}

func TestATerminalThatIsResizedGetsShorterLines(t *testing.T) {
	p := onTerminal(t, "run")
	p.see(`of 10 calls in use`)
	p.resize(30)
	p.see(`\.\.\.\x1b\[K`)
	p.see(`\.\.\.\x1b\[K`)
	p.see(`Running`)
	seen := p.see(`Running[^\x1b]*\x1b\[0m\x1b\[K\r+\n`) // a whole line, drawn for the new width
	for _, line := range regexp.MustCompile(`Running[^\x1b]*`).FindAllString(seen, -1) {
		require.LessOrEqual(t, len(line), 29, line)
	}
}

func TestColorsAndDumbTerminals(t *testing.T) {
	color := regexp.MustCompile(`\x1b\[[0-9;]+m`)
	seen := onTerminal(t, "run").see(`(?s)Running.*calls in use.*keys`)
	require.Regexp(t, color, seen)
	seen = onTerminal(t, "run", "NO_COLOR=1").see(`(?s)Running.*calls in use.*keys`)
	require.NotRegexp(t, color, seen)
	seen = onTerminal(t, "run", "TERM=dumb").see(`msg="dmap: progress" run=night state=running`)
	require.NotContains(t, seen, "\x1b")
}

func TestLinesOfALoggerOnARealTerminal(t *testing.T) {
	p := onTerminal(t, "run")
	seen := p.see(`(?s)run started.*?Running.*?keys`)
	s := newScreen(100)
	_, _ = s.Write([]byte(seen))
	require.Empty(t, s.wrong)
	require.Contains(t, strings.Join(s.lines(), ""), "run started")
}
