//go:build unix

package dmaptemporal_test

import (
	"context"
	"crypto/rand"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob"
)

// openCrashBucket opens a bucket by its URL or folder.
func openCrashBucket(ctx context.Context, place string) (*blob.Bucket, error) {
	if strings.HasPrefix(place, "s3://") {
		return blob.OpenBucket(ctx, place)
	}
	return fileblob.OpenBucket(place, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
}

// crashPlace is a store for all runs, which outlives the processes: a folder, or for
// DMAP_CLUSTER_STORE=s3 a bucket of an S3 server that this starts. DMAP_VERSITYGW is the path of
// its command.
func crashPlace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Getenv("DMAP_CLUSTER_STORE") != "s3" {
		return dir
	}
	command := os.Getenv("DMAP_VERSITYGW")
	if command == "" {
		t.Skip("needs an S3 server: make cluster-crash STORE=s3")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	for _, name := range []string{"meta", "buckets", "buckets/runs"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	key, secret := rand.Text(), rand.Text()
	cmd := exec.Command(command, "--port", address, "--quiet", "--keep-alive", "posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "buckets"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+key, "ROOT_SECRET_KEY="+secret)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	query := url.Values{
		"region": {"us-east-1"}, "endpoint": {"http://" + address}, "hostname_immutable": {"true"}, "use_path_style": {"true"},
	}
	place := "s3://runs?" + query.Encode()
	b, err := openCrashBucket(t.Context(), place)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	require.Eventually(t, func() bool { ok, err := b.IsAccessible(t.Context()); return ok && err == nil }, time.Minute, 100*time.Millisecond)
	return place
}
