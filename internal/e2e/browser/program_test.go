package browser

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

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

// The example loansim, as its users start it: its page shows which loans fail, and Ctrl-C ends it.
func TestThePageOfAProgramShowsItsRun(t *testing.T) {
	b := newTab(t, 1200, 900)
	dir := t.TempDir()
	p := startProgram(t, "loansim", "-in", filepath.Join(dir, "in"), "-out", filepath.Join(dir, "out"), "-run", "monday",
		"-fill", "-n", "2000")
	b.open(p.url)
	b.until(`[...document.querySelectorAll("tr")].find((e) => e.textContent.includes("monday"))?.textContent.includes("succeeded")`)
	b.click("a", "monday")
	b.until(shown(".badge", "succeeded"))
	b.until(shown(".group-head", "insolvent"))
	require.Greater(t, value[int](b, succeeded), 1_500)
	b.quiet()
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.cmd.Wait())
	require.Contains(t, p.stdout.String(), "2000 read = ")
}
