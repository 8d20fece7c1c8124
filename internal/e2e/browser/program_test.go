package browser

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is a running program of an example that shows its run on a page.
type program struct {
	cmd    *exec.Cmd
	url    string
	stdout bytes.Buffer
}

var shownAt = regexp.MustCompile(`the run is shown at (http://\S+)`)

// startProgram builds an example and starts it with a page.
func startProgram(t *testing.T, name string, args ...string) *program {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/go-dmap/dmap/examples/"+name).CombinedOutput()
	require.NoError(t, err, "%s", out)
	p := &program{cmd: exec.CommandContext(t.Context(), path, append(args, "-http", "127.0.0.1:0")...)}
	p.cmd.Stdout = &p.stdout
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for p.url == "" && lines.Scan() {
		if found := shownAt.FindStringSubmatch(lines.Text()); found != nil {
			p.url = found[1]
		}
	}
	require.NotEmpty(t, p.url, "the program said: %v", lines.Err())
	go func() { // so that the program does not wait
		for lines.Scan() {
		}
	}()
	return p
}

// The example loansim, as its users start it: a browser steers the run that generates the loans,
// and then shows which of them fail.
func TestThePageOfAProgramIsWatchedAndSteered(t *testing.T) {
	b := newTab(t, 1200, 900)
	dir := t.TempDir()
	p := startProgram(t, "loansim", "-in", filepath.Join(dir, "in"), "-out", filepath.Join(dir, "out"), "-run", "monday",
		"-fill", "-n", "5000")
	b.open(p.url)
	b.click("a", "generating")
	b.until(shown(".badge", "running"))
	b.until(fmt.Sprintf("%s > 0", succeeded))
	b.keys(" ")
	b.until(shown(".badge", "paused"))
	b.wait(time.Second)
	paused := value[int](b, succeeded)
	require.Less(t, paused, 5_000)
	b.wait(2 * time.Second)
	require.Equal(t, paused, value[int](b, succeeded), "no call begins while the run is paused")
	limit := `document.querySelector("#controls .current").textContent`
	before := value[string](b, limit)
	b.keys("+")
	b.until(fmt.Sprintf("%s !== %q", limit, before))
	b.keys(" ")
	b.until(fmt.Sprintf("%s > %d", succeeded, paused))

	b.open(p.url)
	b.until(shown("tr", "monday"))
	b.until(`[...document.querySelectorAll("tr")].find((e) => e.textContent.includes("monday")).textContent.includes("succeeded")`)
	b.click("a", "monday")
	b.until(shown(".badge", "succeeded"))
	b.until(shown(".group-head", "insolvent"))
	require.Greater(t, value[int](b, succeeded), 4_000)
	b.quiet()
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.cmd.Wait())
	require.Contains(t, p.stdout.String(), "5000 read = ")
}
