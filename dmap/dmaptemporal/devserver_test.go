package dmaptemporal_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// devServer is a Temporal dev server with a database in a file: it can be killed and started again.
// Its write-ahead log keeps all that the server has acknowledged through the kill of the process,
// and saves it most of its CPU. A machine that stops may lose the latest.
type devServer struct {
	command, address, database string
	more                       []string // arguments
	cmd                        *exec.Cmd
}

// newDevServer starts a server. DMAP_TEMPORAL is the path of its command: see make temporal. more
// are further arguments of the command.
func newDevServer(t *testing.T, more ...string) *devServer {
	t.Helper()
	command := os.Getenv("DMAP_TEMPORAL")
	if command == "" {
		t.Skip("needs a Temporal server: make temporal")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &devServer{command: command, address: listener.Addr().String(), database: filepath.Join(t.TempDir(), "temporal.db"), more: more}
	require.NoError(t, listener.Close())
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

// start starts the server, also after a kill.
func (s *devServer) start(t *testing.T) {
	t.Helper()
	_, port, err := net.SplitHostPort(s.address)
	require.NoError(t, err)
	s.cmd = exec.Command(s.command, append([]string{
		"server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port, "--db-filename", s.database, "--log-level", "error",
		"--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal",
	}, s.more...)...)
	if log := os.Getenv("DMAP_CLUSTER_SERVER_LOG"); log != "" {
		file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		s.cmd.Stdout, s.cmd.Stderr = file, file
	}
	require.NoError(t, s.cmd.Start())
}

func (s *devServer) kill() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() }

// dial waits until the server answers.
func (s *devServer) dial(t *testing.T) client.Client {
	t.Helper()
	var c client.Client
	require.Eventually(t, func() (ok bool) {
		var err error
		c, err = client.Dial(client.Options{HostPort: s.address, Logger: quiet{}})
		return err == nil
	}, 2*time.Minute, 200*time.Millisecond)
	t.Cleanup(c.Close)
	return c
}
